"""The settings: one frozen model. reinschrift.toml < environment (REINSCHRIFT_*) < flags."""

from __future__ import annotations

import os
import re
import tomllib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from pydantic import Field, SecretStr, ValidationError, WithJsonSchema, field_serializer, field_validator
from pydantic.json_schema import SkipJsonSchema  # noqa: TC002 - the model reads it
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from reinschrift.transforms.errors import ConfigError, PackError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic.config import JsonDict
    from pydantic_core import ErrorDetails

    from reinschrift.transforms.boilerplate.packs import Pack
    from reinschrift.transforms.pipeline.working import Options

DEFAULT_FILE = Path("reinschrift.toml")
ENV_PREFIX = "REINSCHRIFT_"
MIN_KEY_CHARS = 16
SECRETS = {"mask_key", "notify"}  # of the environment alone; in no file, form or log
WRITABLE = re.compile(r"(?:(?:s3|gs)://[^/]+|az://[^/]+/[^/]+)(?:/[^/*?\[\]]+)*/?")
Unit = Literal["page", "block", "sentence"]


Affects = Literal["read", "resolve", "nothing"]


def setting(default: Any = ..., *, affects: Affects, unit: str = "", **field: Any) -> Any:
    """A setting: `affects` is the first stage whose result depends on it, "nothing" if no byte does."""
    facts: JsonDict = {"affects": affects, "unit": unit}
    if default is ...:
        return Field(**field, json_schema_extra=facts)
    return Field(default, **field, json_schema_extra=facts)


def affecting(*stages: Affects) -> tuple[str, ...]:
    """Names of the settings on which the results of these stages depend."""
    return tuple(
        name
        for name, field in Settings.model_fields.items()
        if isinstance(field.json_schema_extra, dict) and field.json_schema_extra["affects"] in stages
    )


def _table_schema(value: str) -> dict[str, Any]:
    """How a form asks for a table of names and values."""
    return {"type": "object", "additionalProperties": {"type": value}}


class Settings(BaseSettings):
    """Every setting, written once: type, default, unit, meaning, and what it affects.

    Flags, environment, reinschrift.toml, the table in the README and the fingerprints follow from it.
    `Options` holds those that decide what is kept.
    """

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, frozen=True, extra="forbid")

    out: Path = setting(
        Path("data"),
        description="folder of the output; the corpus is OUT/corpus",
        affects="nothing",
        unit="path",
    )
    workers: int = setting(
        default_factory=lambda: os.cpu_count() or 1,
        ge=1,
        le=1024,
        description="processes at work",
        affects="nothing",
        unit="processes",
    )
    cluster: str | None = setting(
        None,
        description="address of a Dask scheduler, tcp://host:8786, whose workers read and publish",
        affects="nothing",
        unit="address",
    )
    skip: Annotated[tuple[str, ...], NoDecode] = setting(
        (), description="steps to leave out", affects="read", unit="list"
    )
    comments: Literal["auto", "keep", "drop"] = setting(
        "auto",
        description="posts of readers; auto: text on forum pages, elsewhere a column of their own",
        affects="read",
    )
    packs: Annotated[tuple[Path, ...], NoDecode] = setting(
        (), description="your rule packs: TOML files or folders", affects="read", unit="paths"
    )
    builtin_packs: bool = setting(
        True, description="use the packs that come with the program", affects="read", unit="yes/no"
    )
    line_model: bool = setting(
        True, description="judge lines of flat text that no rule knows", affects="read", unit="yes/no"
    )
    profile: Literal["precision", "balanced", "recall"] = setting(
        "balanced",
        description="precision loses more content, recall keeps more furniture",
        affects="read",
    )
    threshold: float | None = setting(
        None,
        gt=0,
        lt=1,
        description="probability of content from which a line stays, for all pages",
        affects="read",
        unit="probability",
    )
    extractor: Literal["blocks", "trafilatura", "none"] = setting(
        "blocks",
        description="who gives the verdict on blocks of HTML; `blocks` is our own model",
        affects="read",
    )
    min_repeat_chars: int = setting(
        25,
        ge=1,
        description="code points below which a sentence never counts as a repeat",
        affects="read",
        unit="code points",
    )
    against: Annotated[tuple[Path, ...], NoDecode] = setting(
        (),
        description="published corpora: sentences that stand in one of them are dropped as repeats",
        affects="resolve",
        unit="paths",
    )
    repeats_mode: Literal["drop", "mark"] = setting(
        "drop", description="drop repeats, or keep all rows and fill duplicate_of", affects="resolve"
    )
    repeat_units: Annotated[tuple[Unit, ...], NoDecode] = setting(
        ("page", "sentence"),
        description="what is compared: page, block, sentence",
        affects="resolve",
        unit="list",
    )
    near_units: Annotated[tuple[Unit, ...], NoDecode] = setting(
        ("page",), description="of these, near duplicates count too", affects="resolve", unit="list"
    )
    near_threshold: float = setting(
        0.8,
        gt=0.3,
        le=1,
        description="Jaccard of word 3-grams from which texts are near duplicates",
        affects="resolve",
        unit="Jaccard",
    )
    near_min_words: int = setting(
        20,
        ge=3,
        description="words below which a unit is no near duplicate of any",
        affects="read",
        unit="words",
    )
    same_url: bool = setting(
        True, description="of pages with one URL only the newest stays", affects="resolve", unit="yes/no"
    )
    key_bits: Literal[64, 128] = setting(
        64,
        description="width of sentence keys; 128 from a billion sentences on",
        affects="read",
        unit="bits",
    )
    template_min_pages: int = setting(
        5,
        ge=2,
        description="pages of a site a line must stand on to count as its template",
        affects="resolve",
        unit="pages",
    )
    quality: Literal["off", "mark", "drop"] = setting(
        "mark",
        description="measure documents, and mark or drop those that fail the profile's rules",
        affects="resolve",
    )
    language_engine: Literal["cascade", "langdetect", "cld2", "fasttext"] = setting(
        "cascade",
        description="who says the language; cascade: cld2 and fasttext, then langdetect and langid",
        affects="read",
    )
    quality_profile: Annotated[tuple[Literal["gopher", "c4", "fineweb", "all"], ...], NoDecode] = (
        setting(
            ("gopher", "fineweb"),
            description="whose rules a document must pass",
            affects="resolve",
            unit="list",
        )
    )
    mask: Annotated[tuple[Literal["email", "phone", "iban", "ip"], ...], NoDecode] = setting(
        (),
        description="personal data to mask in sentences, titles, authors and addresses",
        affects="read",
        unit="list",
    )
    mask_key: SkipJsonSchema[SecretStr | None] = setting(
        None,
        description="secret that says masked values apart; from the environment alone",
        affects="read",
        unit="secret",
    )
    redact_ledger: bool = setting(
        False, description="mask personal data in the ledger, too", affects="read", unit="yes/no"
    )
    max_page_bytes: int = setting(
        20_000_000, ge=1, description="a larger page is quarantined", affects="read", unit="bytes"
    )
    max_line_chars: int = setting(
        1_000_000,
        ge=1,
        description="a page with a longer line is, too",
        affects="read",
        unit="code points",
    )
    max_decompress_ratio: float = setting(
        250.0,
        gt=0,
        allow_inf_nan=False,
        description="bytes a packed file may unpack to, per byte; up to 64 MB is never too much",
        affects="read",
        unit="bytes a byte",
    )
    columns: Annotated[
        tuple[tuple[str, str], ...], NoDecode, WithJsonSchema(_table_schema("string"))
    ] = setting(
        (),
        description='names of the columns of records, such as {text = "content"}',
        affects="read",
        unit="table",
    )
    max_page_cpu_seconds: float = setting(
        20.0,
        gt=0,
        allow_inf_nan=False,
        description="CPU time the extractor may take for one page",
        affects="read",
        unit="CPU seconds",
    )
    keep_versions: int = setting(
        3, ge=1, description="published versions kept for rollback", affects="nothing", unit="versions"
    )
    publish: str | None = setting(
        None,
        description="store to publish to as well: s3://bucket/prefix, gs://… or az://…",
        affects="nothing",
        unit="address",
    )
    shard_bytes: int = setting(
        16_000_000,
        ge=1,
        description="input a task reads; changes no output",
        affects="nothing",
        unit="bytes",
    )
    part_pages: int = setting(
        10_000, ge=1, description="pages in one file of the corpus", affects="resolve", unit="pages"
    )
    part_chars: int = setting(
        100_000_000,
        ge=1,
        description="characters read, after which such a file ends as well",
        affects="resolve",
        unit="code points",
    )
    strict: bool = setting(
        False, description="quarantined input fails the run", affects="nothing", unit="yes/no"
    )
    notify: SkipJsonSchema[SecretStr | None] = setting(
        None,
        description="who is told of a run that was not published: an address of Apprise; "
        "from the environment alone",
        affects="nothing",
        unit="secret",
    )
    verify: bool = setting(
        False,
        description="hash every input again, and judge again, though nothing seems to have changed",
        affects="nothing",
        unit="yes/no",
    )
    replay_pages: int = setting(
        200,
        ge=0,
        description="pages read again by a fresh process and compared before publishing",
        affects="nothing",
        unit="pages",
    )
    history_versions: int = setting(
        10,
        ge=0,
        description="published versions whose figures a run is compared with",
        affects="nothing",
        unit="versions",
    )
    expectations: Annotated[tuple[Path, ...], NoDecode] = setting(
        (),
        description="your own expectations: TOML files or Python modules",
        affects="nothing",
        unit="paths",
    )
    severity: Annotated[
        tuple[tuple[str, str], ...], NoDecode, WithJsonSchema(_table_schema("string"))
    ] = setting(
        (),
        description='of expectations by name: {"sanity.*" = "warn"}; error, warn or off',
        affects="nothing",
        unit="table",
    )
    thresholds: Annotated[
        tuple[tuple[str, float], ...], NoDecode, WithJsonSchema(_table_schema("number"))
    ] = setting(
        (),
        description='of expectations by name: {"sanity.repeats" = 0.95}',
        affects="nothing",
        unit="table",
    )

    @field_validator(
        "skip",
        "packs",
        "against",
        "mask",
        "quality_profile",
        "repeat_units",
        "near_units",
        "expectations",
        mode="before",
    )
    @classmethod
    def split_commas(cls, value: object) -> object:
        """A list may be written `a,b`, as in the environment."""
        return [p.strip() for p in value.split(",") if p.strip()] if isinstance(value, str) else value

    @field_validator("skip", mode="after")
    @classmethod
    def check_steps(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        """Steps that may be left out."""
        if not value:
            return value  # the table of steps is slow to import
        from reinschrift.transforms.steps import SKIPPABLE

        for name in value:
            if name not in SKIPPABLE:
                raise ValueError(f"no step {name!r} can be left out; these can: {', '.join(SKIPPABLE)}")
        return value

    @field_validator("publish", mode="after")
    @classmethod
    def check_address(cls, value: str | None) -> str | None:
        """An address we can write to, without a final slash; an empty one is none."""
        if value and not WRITABLE.fullmatch(value):
            raise ValueError("not an address to publish to")
        return value.rstrip("/") if value else None

    @field_validator("severity", "thresholds", mode="before")
    @classmethod
    def split_table(cls, value: object) -> object:
        """A table, one of TOML in a line, or `name=value,name=value` as in the environment."""
        if isinstance(value, str) and value.lstrip().startswith("{"):
            try:
                value = tomllib.loads(f"table = {value}")["table"]
            except tomllib.TOMLDecodeError as error:
                raise ValueError(f"not a table: {error}") from error
        if isinstance(value, str):
            pairs = [pair.partition("=") for pair in value.split(",") if pair.strip()]
            value = {name.strip(): given.strip() for name, _, given in pairs}
        return tuple(sorted(value.items())) if isinstance(value, dict) else value

    @field_validator("severity", mode="after")
    @classmethod
    def check_severity(cls, value: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
        """Each is a known word."""
        if not value:
            return value  # what knows them is slow to import
        from reinschrift.expectations.verdict import SEVERITIES

        wrong = [word for _, word in value if word not in SEVERITIES]
        if wrong:
            raise ValueError(f"{wrong[0]!r} is none of {', '.join(SEVERITIES)}")
        return value

    @field_validator("thresholds", mode="after")
    @classmethod
    def check_thresholds(cls, value: tuple[tuple[str, float], ...]) -> tuple[tuple[str, float], ...]:
        """Each is of an expectation that has one."""
        if not value:
            return value
        from reinschrift.expectations.thresholds import THRESHOLDS

        wrong = [name for name, _ in value if name not in THRESHOLDS]
        if wrong:
            raise ValueError(did_you_mean(wrong[0], THRESHOLDS))
        return value

    @field_serializer("severity", "thresholds", "columns", when_used="json")
    def write_table(self, value: tuple[tuple[str, Any], ...]) -> dict[str, Any]:
        """A table, as files and forms have it."""
        return dict(value)

    @field_validator("columns", mode="before")
    @classmethod
    def split_columns(cls, value: object) -> object:
        """A table, or `text=content,url=link` as in the environment."""
        if isinstance(value, str):
            texts = [pair.partition("=") for pair in value.split(",") if pair.strip()]
            value = {role.strip(): name.strip() for role, _, name in texts}
        if not isinstance(value, dict):
            if not isinstance(value, tuple | list) or any(not _is_pair(pair) for pair in value):
                return value
            value = dict(value)
        for role, name in value.items():
            if not isinstance(name, str) or not name:
                raise ValueError(f"{role}: {name!r} is no name of a column")
        from reinschrift.flows.readers.columns import parse_columns

        return parse_columns(value)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags and the file come merged as arguments; the environment stands between them."""
        del settings_cls, dotenv_settings, file_secret_settings
        return (init_settings, env_settings)

    @property
    def profiles(self) -> tuple[str, ...]:
        """The profiles whose rules are applied, in the order of the table."""
        from reinschrift.transforms.quality.signals import PROFILES

        return tuple(p for p in PROFILES if p in self.quality_profile or "all" in self.quality_profile)

    @property
    def judges_near(self) -> bool:
        """Whether near-duplicate pages are looked for."""
        wanted = "page" in self.repeat_units and "page" in self.near_units
        return wanted and "repeats" not in self.skip

    def options(self) -> Options:
        """What the transforms need to know.

        Raises PackError for a rule pack that can't be used.
        """
        from reinschrift.transforms.boilerplate.packs import builtin_packs
        from reinschrift.transforms.pipeline.working import Options

        builtin = builtin_packs() if self.builtin_packs else ()
        return Options(
            packs=(*builtin, *user_packs(self.packs)),
            skip=frozenset(self.skip),
            comments=self.comments,
            line_model=self.line_model,
            profile=self.profile,
            threshold=self.threshold,
            extractor=self.extractor,
            min_repeat_chars=self.min_repeat_chars,
            key_bits=self.key_bits,
            near_threshold=self.near_threshold if self.judges_near else None,
            near_min_words=self.near_min_words,
            mask=tuple(sorted(self.mask)),
            language_engine=self.language_engine,
            mask_key=self.mask_key.get_secret_value() if self.mask_key else "",
            redact_ledger=self.redact_ledger,
            quality_drop=self.profiles if self.quality == "drop" and "quality" not in self.skip else (),
        )


def _is_pair(value: object) -> bool:
    return isinstance(value, tuple | list) and len(value) == 2


def load_settings(file: Path | None = None, **flags: object) -> Settings:
    """Settings from the file, the environment and flags that are not None.

    Raises ConfigError naming the key, what it was, and what is allowed.
    """
    path = file or DEFAULT_FILE
    from_file = _read_file(path) if file or path.exists() else {}
    given = {key: value for key, value in flags.items() if value is not None}
    _refuse_unknown_variables()
    # A shell's own COLUMNS or OUT is no setting of ours.
    in_environment = {
        key.removeprefix(ENV_PREFIX).lower() for key in os.environ if key.startswith(ENV_PREFIX)
    }
    for name in SECRETS & from_file.keys():
        raise ConfigError(f"{path}: {name} is a secret", f"set {ENV_PREFIX}{name.upper()} instead")
    beneath = {key: value for key, value in from_file.items() if key not in in_environment}
    try:
        settings = Settings(**{**beneath, **given})
    except ValidationError as error:
        raise _explain(error.errors()[0], path, from_file, given) from error
    _check_masks(settings)
    _check_units(settings)
    _check_references(settings)
    return settings


def _check_units(settings: Settings) -> None:
    """Near duplicates are looked for among units that are compared."""
    left = [unit for unit in settings.near_units if unit not in settings.repeat_units]
    if left and "near_units" in settings.model_fields_set:
        raise ConfigError(
            f"near_units: {left[0]!r} is not in repeat_units", "name it there too, or leave it out here"
        )


def _check_references(settings: Settings) -> None:
    """A mark points at a sentence of the same corpus."""
    if settings.against and settings.repeats_mode == "mark":
        raise ConfigError("against: marks can't point into another corpus", "leave repeats_mode at drop")


def _check_masks(settings: Settings) -> None:
    """Redacting takes out what is masked, and a key says masks apart: neither without a mask."""
    if not settings.mask and (settings.redact_ledger or settings.mask_key):
        name = "redact_ledger" if settings.redact_ledger else ENV_PREFIX + "MASK_KEY"
        raise ConfigError(f"{name}: nothing is masked", "set mask, such as email,phone,iban,ip")
    if settings.mask_key and len(settings.mask_key.get_secret_value()) < MIN_KEY_CHARS:
        name = ENV_PREFIX + "MASK_KEY"
        raise ConfigError(f"{name}: too short a secret", f"take {MIN_KEY_CHARS} characters or more")


def _refuse_unknown_variables() -> None:
    for name in os.environ:
        if (
            name.startswith(ENV_PREFIX)
            and name.removeprefix(ENV_PREFIX).lower() not in Settings.model_fields
        ):
            known = [ENV_PREFIX + field.upper() for field in Settings.model_fields]
            raise ConfigError(f"{name}: unknown variable", did_you_mean(name, known))


def _read_file(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as handle:
            return tomllib.load(handle)
    except FileNotFoundError as error:
        raise ConfigError(f"--config {path}: no such file", "check the path") from error
    except OSError as error:
        raise ConfigError(f"--config {path}: {error.strerror}", "check the path") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}", "fix the syntax") from error


def _explain(
    error: ErrorDetails, path: Path, from_file: dict[str, Any], given: dict[str, object]
) -> ConfigError:
    key = str(error["loc"][0])
    origin = f"--{key.replace('_', '-')}" if key in given else str(path)
    if key not in from_file and key not in given:
        origin = ENV_PREFIX + key.upper()
    if error["type"] == "extra_forbidden":
        return ConfigError(f"{origin}: unknown key {key!r}", did_you_mean(key, Settings.model_fields))
    return ConfigError(f"{origin}: {key} = {error['input']!r}: {error['msg']}", _allowed(key))


def _allowed(key: str) -> str:
    field = Settings.model_fields[key]
    choices = [c for arg in (field.annotation, *get_args(field.annotation)) for c in _literals(arg)]
    if choices:
        return f"{key} may be: {', '.join(dict.fromkeys(choices))}"
    return f"{key}: {field.description}"


def _literals(annotation: object) -> Sequence[str]:
    return [arg for arg in get_args(annotation) if isinstance(arg, str)]


def user_packs(paths: Sequence[Path]) -> tuple[Pack, ...]:
    """The packs in files and folders, as they are now. Raises PackError or ConfigError."""
    files: list[Path] = []
    for path in paths:
        if not path.exists():
            raise ConfigError(f"packs: {path}: no such file or folder", "check the path")
        files += sorted(path.glob("*.toml")) if path.is_dir() else [path]
    return tuple(read_pack(file) for file in files)


def read_pack(file: Path) -> Pack:
    """One of the user's rule packs, its examples tried.

    Raises PackError with file and line, or naming the example that does not hold.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"packs: {file}: can't be read: {error}", "check the file") from error
    return _parse_proven(text, str(file))


@cache  # by the text, for a file may change while a program runs on
def _parse_proven(text: str, origin: str) -> Pack:
    from reinschrift.transforms.boilerplate.packs import parse_pack
    from reinschrift.transforms.boilerplate.rules import check_examples

    pack = parse_pack(text, origin)
    problems = check_examples(pack)
    if problems:
        raise PackError("\n".join(problems), "fix the pattern, or the example")
    return pack
