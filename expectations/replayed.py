"""Pages read again, against what is to be published of them, row by row and column by column.

A fresh process writes what it reads (`flows.stages.replay`): in a folder, `pages.parquet`,
`units.parquet` and `actions.parquet`, tables of the read stage with a `document_id`. `wanted.parquet`
names the pages that it was asked for, `failed.txt` says why it gave up. What the resolve stage stage did
afterwards is in the ledger, and is put back before the comparison.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import polars as pl

from reinschrift.expectations.measuring import MAX_EXAMPLES, Tables
from reinschrift.expectations.verdict import Observation
from reinschrift.transforms.contracts import ACTIONS_TAKEN, DOCUMENTS, PAGES, with_times

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LATER_STEPS = ("templates", "repeats", "removals")
SAMPLE, WANTED, FAILED = "pages.parquet", "wanted.parquet", "failed.txt"
PAGE_COLUMNS = [name for name in PAGES.names if name in DOCUMENTS.schema]
PLACED = ["start", "end", "text"]
KEPT = [*PLACED, "kind", "language", "hash"]
TOLD = [name for name in ACTIONS_TAKEN.names if name != "page"]
_PLACE = ["block", "sentence"]
Row = dict[str, Any]


class Differences:
    """What differs, by table and column: how often, and a few examples."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        self.rows: dict[tuple[str, str], list[Row]] = defaultdict(list)

    def add(self, table: str, column: str, place: Row, published: object, again: object) -> None:
        """One place where they differ."""
        self.counts[table, column] += 1
        if len(self.rows[table, column]) < MAX_EXAMPLES:
            self.rows[table, column].append({**place, "published": published, "read_again": again})

    def compare(self, table: str, columns: list[str], place: Row, published: Row, again: Row) -> None:
        """Two rows that should be equal."""
        for column in columns:
            if published[column] != again[column]:
                self.add(table, column, place, published[column], again[column])


def judge_replay(tables: Tables, folder: Path) -> Iterator[Observation]:
    """An observation for every column that was compared; or one, that says why none could be."""
    wanted = pl.read_parquet(folder / WANTED)
    failed = folder / FAILED
    if failed.exists():
        yield _unread(wanted, failed.read_text(encoding="utf-8"))
        return
    pages = with_times(pl.read_parquet(folder / SAMPLE))
    yield _unread(wanted.join(pages, on="document_id", how="anti"), None)
    ids = pages["document_id"].implode()
    documents = _rows_of(tables.documents.filter(pl.col("id").is_in(ids)), "id")
    sentences = _rows_of(_only(tables.sentences, ids), "document_id")
    ledger = _rows_of(_only(tables.ledger, ids), "document_id")
    units = _rows_of(pl.scan_parquet(folder / "units.parquet"), "document_id")
    actions = _rows_of(pl.scan_parquet(folder / "actions.parquet"), "document_id")
    found = Differences()
    for page in pages.iter_rows(named=True):
        name = page["document_id"]
        place = {"document_id": name, "source": page["source"]}
        kept = _by_place(sentences.get(name, []))
        gone = _by_place(_dropped_later(ledger.get(name, [])))
        again = _by_place(units.get(name, []))
        _compare_units(found, place, kept, gone, again)
        _compare_ledger(found, place, ledger.get(name, []), actions.get(name, []))
        for document in documents.get(name, []):
            found.compare("documents", PAGE_COLUMNS, place, document, page)
            if kept.keys() <= again.keys():
                _compare_texts(found, place, document, [u for at, u in again.items() if at in kept])
        if kept and name not in documents:
            found.add("documents", "rows", place, "no document", f"{len(kept)} sentences")
    yield from _observe(found, pages.height)


def _compare_texts(found: Differences, place: Row, document: Row, units: list[Row]) -> None:
    """Text and comments of a document; posts are in the text where it has no comments."""
    apart = document["comments"] is not None
    for column in ("text", "comments"):
        own = [unit for unit in units if (apart and unit["kind"] == "comment") == (column == "comments")]
        joined, published = _join(own), document[column] or ""
        if published != joined:
            found.add("documents", column, place, *_where_texts_part(published, joined))


def _only(frame: pl.LazyFrame, ids: pl.Series) -> pl.LazyFrame:
    return frame.filter(pl.col("document_id").is_in(ids))


def _rows_of(frame: pl.LazyFrame, key: str) -> dict[str, list[Row]]:
    """Rows by document, in order."""
    rows: dict[str, list[Row]] = defaultdict(list)
    for row in frame.collect(engine="streaming").iter_rows(named=True):
        rows[row[key]].append(row)
    return rows


def _by_place(rows: list[Row]) -> dict[tuple[int, int], Row]:
    """Sentences by block and number, in order."""
    return {(row["block"], row["sentence"]): row for row in sorted(rows, key=_place_of)}


def _place_of(row: Row) -> tuple[int, int]:
    return row["block"], row["sentence"]


def _dropped_later(ledger: list[Row]) -> list[Row]:
    """The sentences that templates and repeats took, singly and with their pages."""
    rows = []
    for row in ledger:
        if row["step"] not in LATER_STEPS or row["action"] != "drop":
            continue
        if row["sentence"] is not None:
            rows.append(
                {**{name: row[name] for name in (*_PLACE, "start", "end")}, "text": row["before"]}
            )
        for span, text in zip(row["spans"] or [], row["before"].split("\n"), strict=False):
            rows.append({**span, "text": text})
    return rows


def _compare_units(
    found: Differences,
    place: Row,
    kept: dict[tuple[int, int], Row],
    gone: dict[tuple[int, int], Row],
    again: dict[tuple[int, int], Row],
) -> None:
    for at in sorted({*kept, *gone, *again}):
        where = {**place, "block": at[0], "sentence": at[1]}
        published = kept.get(at) or gone.get(at)
        if published is None:
            found.add("sentences", "rows", where, "nothing", again[at]["text"])
        elif at not in again:
            found.add("sentences", "rows", where, published["text"], "nothing")
        elif at in kept:
            found.compare("sentences", KEPT, where, kept[at], again[at])
        else:
            renamed = {"start": "start", "end": "end", "text": "before"}
            for column, own in renamed.items():
                if gone[at][column] != again[at][column]:
                    found.add("ledger", own, where, gone[at][column], again[at][column])


def _compare_ledger(found: Differences, place: Row, ledger: list[Row], actions: list[Row]) -> None:
    """Rows of the read stage, in their order; one that is missing shifts none of the others."""
    mine = [row for row in ledger if row["step"] not in LATER_STEPS]
    published, again = (_by_kind(rows) for rows in (mine, actions))
    for key in {**published, **again}:
        for one, other in zip_longest(published.get(key, []), again.get(key, [])):
            where = {**place, "block": key[0], "sentence": key[1], "step": key[2], "action": key[3]}
            if one is None:
                found.add("ledger", "rows", where, "nothing", f"{other['rule']}: {other['before']}")
            elif other is None:
                found.add("ledger", "rows", where, f"{one['rule']}: {one['before']}", "nothing")
            else:
                found.compare("ledger", TOLD, where, one, other)


def _by_kind(rows: list[Row]) -> dict[tuple[Any, ...], list[Row]]:
    kinds: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows:
        kinds[row["block"], row["sentence"], row["step"], row["action"]].append(row)
    return kinds


def _join(units: list[Row]) -> str:
    """Sentences put together again: the blocks of a page, one a line."""
    blocks: dict[int, str] = {}
    for unit in units:
        is_first = unit["block"] not in blocks
        lead = "" if is_first and unit["kind"] != "code" else unit["lead"]
        blocks[unit["block"]] = blocks.get(unit["block"], "") + lead + unit["text"]
    return "\n".join(blocks.values())


def _where_texts_part(published: str, again: str) -> tuple[str, str]:
    """What follows the first character that differs, with a little of what stands before."""
    shared = next(
        (at for at, pair in enumerate(zip(published, again, strict=False)) if pair[0] != pair[1]),
        min(len(published), len(again)),
    )
    start = max(0, shared - 20)
    return published[start : shared + 60], again[start : shared + 60]


def _unread(pages: pl.DataFrame, error: str | None) -> Observation:
    return Observation(
        "replay.pages",
        "corpus",
        "the pages of the sample can be read again",
        pages.height,
        found=f"{pages.height:,} that can't" if pages.height else "all can",
        rows=pages.head(MAX_EXAMPLES).select("document_id", "source").to_dicts(),
        reads=("replay.pages",),
        error=error,
    )


COMPARED = (
    *(("documents", column) for column in ("rows", *PAGE_COLUMNS, "text", "comments")),
    *(("sentences", column) for column in ("rows", *KEPT)),
    *(("ledger", column) for column in ("rows", *TOLD)),
)


def _observe(found: Differences, pages: int) -> Iterator[Observation]:
    for table, column in COMPARED:
        count = found.counts[table, column]
        yield Observation(
            f"replay.{table}.{column}",
            table,
            f"{column} of {table} is what reading the page again gives",
            count,
            found=f"{count:,} that differ on {pages:,} pages read again" if count else "the same",
            rows=found.rows[table, column],
            reads=_reads(table, column),
        )


def _reads(table: str, column: str) -> tuple[str, ...]:
    """What a difference may follow from: rows that are wrong make wrong columns."""
    own = (f"{table}.{column}", f"{table}.rows")
    if column == "hash":
        return (*own, f"{table}.text")
    if table != "documents":
        keys = ("document_id", "block", "sentence", *(("step", "action") if table == "ledger" else ()))
        span = ("start", "end") if column in ("start", "end") else ()
        return (*own, *(f"{table}.{name}" for name in (*keys, *span)))
    if column in ("text", "comments"):
        return (*own, "documents.n_blocks", "sentences.rows", "sentences.document_id")
    return (*own, "documents.id")
