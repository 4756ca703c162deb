"""The versions that are kept, and runs that were refused: when, what each holds, and why."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from reinschrift.expectations.states import PUBLISHED
from reinschrift.flows.store.history import read_history, read_refusals
from reinschrift.flows.store.local import Corpus, OutputError

if TYPE_CHECKING:
    from reinschrift.flows.store.history import Entry

UNKNOWN = "unknown"
REFUSED_NAME = "-"  # of a run that made no version


@dataclass(frozen=True)
class Version:
    """A kept version, or a run that was refused (`state`). `date` in UTC; None: no record is left.

    `verdict` names the failures and warnings; `why` says what is other than in the version before.
    `size` is bytes on the disk, `shared` those of them that other versions use as well.
    """

    name: str
    is_current: bool
    date: str
    documents: int | None
    chars: int | None
    verdict: str
    why: str
    size: int
    shared: int
    state: str = PUBLISHED


def describe_versions(corpus: Corpus) -> list[Version]:
    """The kept versions, oldest first."""
    history = read_history(corpus)
    current = corpus.current_version()
    return [_describe(corpus, name, name == current, history) for name in corpus.versions()]


def describe_refusals(corpus: Corpus) -> list[Version]:
    """The runs that were not published since the oldest version that is kept, oldest first."""
    kept = read_history(corpus)
    since = min((kept[name].date for name in corpus.versions() if name in kept), default="")
    return [
        Version(
            REFUSED_NAME, False, one.date, one.documents, one.chars,
            ": ".join(filter(None, (one.state, ", ".join(one.failures)))), "", 0, 0, one.state,
        )
        for one in read_refusals(corpus)
        if one.date >= since
    ]  # fmt: skip


def _describe(corpus: Corpus, name: str, is_current: bool, history: dict[str, Entry]) -> Version:
    files = [path.stat() for path in (corpus.versions_folder / name).rglob("*") if path.is_file()]
    size = sum(file.st_size for file in files)
    shared = sum(file.st_size for file in files if file.st_nlink > 1)
    entry = history.get(name)
    if entry is None:
        return Version(name, is_current, "", None, None, UNKNOWN, UNKNOWN, size, shared)
    verdict = f"passed, warned: {', '.join(entry.warnings)}" if entry.warnings else "passed"
    figures = entry.figures
    return Version(
        name,
        is_current,
        entry.date,
        figures.get("documents"),
        figures.get("chars"),
        verdict,
        _why(entry, history),
        size,
        shared,
    )


def _why(entry: Entry, history: dict[str, Entry]) -> str:
    """What is other than in the version before: inputs, settings, program; else what was taken down."""
    if entry.previous is None:
        return "first"
    before = history.get(entry.previous)
    if before is None:
        return UNKNOWN
    facts = {
        "inputs": (entry.figures.get("inputs"), before.figures.get("inputs")),
        "settings": (entry.settings, before.settings),
        "program": (entry.code, before.code),
    }
    other = [name for name, (now, then) in facts.items() if now != then]
    return f"other {', '.join(other)}" if other else "pages taken down or given back"


def find_version(corpus: Corpus, name: str) -> Path:
    """The folder of a version named whole or by its number, or of a corpus named by its path.

    Raises OutputError where there is none.
    """
    names = corpus.versions()
    number = f"{int(name):06d}-" if name.isdecimal() else f"{name}-"
    found = [one for one in names if one == name or one.startswith(number)]
    if found:
        return corpus.versions_folder / found[-1]
    path = Path(name)
    if path.is_dir():
        from reinschrift.flows.store.tables import resolve_corpus

        return resolve_corpus(path)
    raise OutputError(
        f"{corpus.out}: no version {name}, nor is there such a folder",
        f"kept are: {', '.join(names) or 'none'}",
    )


def two_versions(corpus: Corpus, before: str | None, after: str | None) -> tuple[Path, Path]:
    """The folders to compare: those named, or else the version before the current, and the current.

    Raises OutputError where there is none.
    """
    current = corpus.current_version()
    if after is None and current is None:
        raise OutputError(f"{corpus.out}: no run has published here", "check --out")
    later = find_version(corpus, after or str(current))
    if before is not None:
        return find_version(corpus, before), later
    earlier = [name for name in corpus.versions() if name < later.name]
    if later.parent != corpus.versions_folder or not earlier:
        raise OutputError(f"{corpus.out}: no version before {later.name}", "name two")
    return corpus.versions_folder / earlier[-1], later
