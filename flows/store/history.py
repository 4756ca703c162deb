"""The figures of every version that was published, also of those no longer kept."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from reinschrift.flows.store.local import explain_os_error

if TYPE_CHECKING:
    from reinschrift.flows.store.local import Corpus

MAX_ENTRIES = 200


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


def record_version(corpus: Corpus, entry: Entry) -> None:
    """Add a published version."""
    path = corpus.home / "history.jsonl"
    lines = [*_lines(corpus), json.dumps(asdict(entry))][-MAX_ENTRIES:]
    aside = path.with_suffix(".part")
    try:
        aside.write_text("\n".join(lines) + "\n", encoding="utf-8")
        aside.rename(path)
    except OSError as error:
        raise explain_os_error(error, path) from error


def read_history(corpus: Corpus) -> dict[str, Entry]:
    """Every version that was published, by name, oldest first."""
    return {entry.version: entry for entry in map(_parse, _lines(corpus)) if entry}


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


def _lines(corpus: Corpus) -> list[str]:
    try:
        return (corpus.home / "history.jsonl").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []


def _parse(line: str) -> Entry | None:
    """An entry; None for a line that is none, for the past is worth less than a run."""
    try:
        return Entry(**json.loads(line))
    except (ValueError, TypeError):
        return None
