"""Pages taken down on demand: a list in the output folder that every later run honours.

OUT/removed.jsonl, one line a removal: its kind (id, source, url, record), its name, the day, and why.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from reinschrift.flows.store.local import Corpus, explain_os_error
from reinschrift.flows.store.tables import read_table
from reinschrift.transforms.contracts import DOCUMENTS, LEDGER
from reinschrift.transforms.errors import ReinschriftError
from reinschrift.transforms.text.urls import canonical_url, url_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from reinschrift.flows.store.last_run import LastRun

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
        raise RemovalError(f"{path}: can't be read: {error}", "fix the file") from error
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


def removal_keys(removals: Iterable[Removal]) -> list[tuple[str, str]]:
    """What a corpus depends on: which pages, not when or why."""
    return sorted({(one.kind, one.name) for one in removals})


def is_removed(removals: Iterable[Removal], page_id: pl.Expr) -> pl.Expr:
    """Whether a page is on the list. In: PAGES; `page_id` gives the ids of its rows."""
    names: dict[str, list[Any]] = {kind: [] for kind in KINDS}
    for one in removals:
        names[one.kind].append(one.name)
    # Addresses may have been masked in PAGES; their keys were made before.
    urls = pl.DataFrame({"url": names["url"]}, schema={"url": pl.String})
    names["url"] = urls.select(url_key("url")).to_series().to_list()
    columns = {
        "id": page_id,
        "source": pl.col("source"),
        "url": pl.col("url_key"),
        "record": pl.col("record_id"),
    }
    return pl.any_horizontal(columns[kind].is_in(names[kind]).fill_null(value=False) for kind in KINDS)


def add_removal(name: str, day: str, reason: str) -> Callable[[Corpus, LastRun | None], None]:
    """Put the pages that go by `name` on the list. Raises RemovalError where there are none."""

    def change(corpus: Corpus, last: LastRun | None) -> None:
        now = read_removals(corpus)
        wanted = [Removal(kind, called, day, reason) for kind, called in _readings(name)]
        found = next((one for one in wanted if _is_known(corpus, last, one)), None)
        if found is None:
            raise RemovalError(
                f"no page of {corpus.out} is named {name!r}",
                "name a source, a URL, an id or a record id",
            )
        if (found.kind, found.name) not in removal_keys(now):
            write_removals(corpus, [*now, found])

    return change


def undo_removal(name: str) -> Callable[[Corpus, LastRun | None], None]:
    """Take what goes by `name` off the list. Raises RemovalError where it is not on it."""

    def change(corpus: Corpus, last: LastRun | None) -> None:
        del last
        now = read_removals(corpus)
        left = [one for one in now if (one.kind, one.name) not in _readings(name)]
        if len(left) == len(now):
            names = ", ".join(one.name for one in now[-5:]) or "nothing"
            raise RemovalError(f"{name!r} is not on {corpus.removals}", f"on it: {names}")
        write_removals(corpus, left)

    return change


def _readings(name: str) -> list[tuple[str, str]]:
    """What a name may mean, the likeliest first."""
    url = str(pl.select(canonical_url(pl.lit(name))).item())
    return [
        ("id", name),
        ("source", name),
        ("source", os.path.normpath(name)),
        ("url", url),
        ("record", name),
    ]


def _is_known(corpus: Corpus, last: LastRun | None, removal: Removal) -> bool:
    """Whether any page is meant: of those last read, or of those published."""
    if last is not None and all((corpus.stages / stage).is_dir() for stage in last.stages):
        from reinschrift.flows.stages.resolve.pages import number_pages

        return bool(number_pages(corpus, last.stages, [removal])["is_removed"].any())
    if not corpus.current.exists():
        return False
    folder = corpus.current.resolve()
    known = ("source", "record_id")
    documents = read_table(folder, DOCUMENTS).select("id", *known, url_key=url_key("url"))
    gone = read_table(folder, LEDGER).select(*known, id="document_id", url_key=url_key("url"))
    pages = pl.concat([documents, gone], how="diagonal")
    hit = is_removed([removal], pl.col("id"))
    return not pages.filter(hit).head(1).collect().is_empty()
