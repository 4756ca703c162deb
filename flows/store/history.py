"""The figures of every published version, also of those no longer kept; runs that were refused."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from reinschrift.flows.store.local import explain_os_error

if TYPE_CHECKING:
    from pathlib import Path

    from reinschrift.flows.store.local import Corpus

MAX_ENTRIES = 200
MAX_REFUSALS = 50
Row = TypeVar("Row")


@dataclass(frozen=True)
class Entry:
    """A published version: what came before it, when, a digest of its settings, its figures.

    `code` is the version of the program, `warnings` the names of expectations that warned. Both are
    empty in what older programs wrote.
    """

    version: str
    previous: str | None
    date: str
    settings: str
    figures: dict[str, Any]
    code: str = ""
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Refusal:
    """A run that was not published: when, what became of it, the expectations that failed."""

    date: str
    state: str
    failures: list[str]
    documents: int | None
    chars: int | None


def record_version(corpus: Corpus, entry: Entry) -> None:
    """Add a published version."""
    _add(corpus.home / "history.jsonl", asdict(entry), MAX_ENTRIES)


def record_refusal(corpus: Corpus, refusal: Refusal) -> None:
    """Add a run that was not published."""
    _add(corpus.home / "refused.jsonl", asdict(refusal), MAX_REFUSALS)


def _add(path: Path, entry: dict[str, Any], keep: int) -> None:
    """Add a line to a file of which the last lines are kept."""
    lines = [*_lines(path), json.dumps(entry)][-keep:]
    aside = path.with_suffix(".part")
    try:
        aside.write_text("\n".join(lines) + "\n", encoding="utf-8")
        aside.rename(path)
    except OSError as error:
        raise explain_os_error(error, path) from error


def read_history(corpus: Corpus) -> dict[str, Entry]:
    """Every version that was published, by name, oldest first."""
    entries = (_parse(Entry, line) for line in _lines(corpus.home / "history.jsonl"))
    return {entry.version: entry for entry in entries if entry}


def read_refusals(corpus: Corpus) -> list[Refusal]:
    """The last runs that were not published, oldest first."""
    found = (_parse(Refusal, line) for line in _lines(corpus.home / "refused.jsonl"))
    return [one for one in found if one]


def past_figures(corpus: Corpus, settings: str, count: int) -> list[dict[str, Any]]:
    """Figures of the last versions made with the same settings, oldest first.

    They are those the current version came after: what was rolled back is no part of the past.
    """
    entries = read_history(corpus)
    found: list[dict[str, Any]] = []
    name = corpus.current_version()
    while name in entries and len(found) < count:
        entry = entries.pop(name)
        if entry.settings == settings:
            found.append(entry.figures)
        name = entry.previous
    return found[::-1]


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []


def _parse(row: type[Row], line: str) -> Row | None:
    """An entry; None for a line that is none, for the past is worth less than a run."""
    try:
        return row(**json.loads(line))
    except (ValueError, TypeError):
        return None
