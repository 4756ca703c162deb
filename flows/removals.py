"""Pages taken down on demand: a list in the output folder that every later run honours.

OUT/removed.jsonl, one line a removal: its kind (id, source, url, record), its name, the day, and why.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import polars as pl

from flows.corpus import Corpus, explain_os_error
from transforms.errors import ReinschriftError
from transforms.urls import canonical_url

if TYPE_CHECKING:
    from collections.abc import Iterable

KINDS = ("id", "source", "url", "record")
FIELDS = ("kind", "name", "date", "reason")


class RemovalError(ReinschriftError):
    """A removal that can't be made, or a list of them that can't be read."""


@dataclass(frozen=True)
class Removal:
    """One line of the list."""

    kind: str
    name: str
    date: str
    reason: str


def read_removals(corpus: Corpus) -> tuple[Removal, ...]:
    """The list, as it was written; empty where there is none.

    Raises RemovalError naming the line that can't be read: to skip it would publish what must not be.
    """
    path = corpus.removals
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return ()
    except (OSError, UnicodeDecodeError) as error:
        raise RemovalError(f"{path}: can't be read: {error}", "mend the file") from error
    return tuple(
        _parse(line, f"{path}:{number}") for number, line in enumerate(lines, 1) if line.strip()
    )


def _parse(line: str, where: str) -> Removal:
    try:
        row = json.loads(line)
        removal = Removal(**{name: str(row[name]) for name in FIELDS})
    except (ValueError, KeyError, TypeError) as error:
        raise RemovalError(
            f"{where}: no removal: {line[:80]!r}", f"a line has {', '.join(FIELDS)}"
        ) from error
    if removal.kind not in KINDS:
        raise RemovalError(f"{where}: unknown kind {removal.kind!r}", f"known are: {', '.join(KINDS)}")
    return removal


def write_removals(corpus: Corpus, removals: Iterable[Removal]) -> None:
    """Replace the list, in one step."""
    path = corpus.removals
    aside = path.with_suffix(".part")
    text = "".join(json.dumps(asdict(one), ensure_ascii=False) + "\n" for one in removals)
    try:
        aside.write_text(text, encoding="utf-8")
        aside.rename(path)
    except OSError as error:
        raise explain_os_error(error, path) from error


def told(removals: Iterable[Removal]) -> list[tuple[str, str]]:
    """What a corpus depends on: which pages, not when or why."""
    return sorted({(one.kind, one.name) for one in removals})


def is_removed(removals: Iterable[Removal], page_id: pl.Expr) -> pl.Expr:
    """Whether a page is on the list. In: PAGES; `page_id` gives the ids of its rows."""
    names: dict[str, list[str]] = {kind: [] for kind in KINDS}
    for one in removals:
        names[one.kind].append(one.name)
    columns = {
        "id": page_id,
        "source": pl.col("source"),
        "url": canonical_url(pl.col("url")),
        "record": pl.col("record_id"),
    }
    return pl.any_horizontal(columns[kind].is_in(names[kind]).fill_null(value=False) for kind in KINDS)
