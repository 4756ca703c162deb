"""What a rule pack would do to a published corpus, before a run uses it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from reinschrift.expectations.report import printable
from reinschrift.flows.store.tables import read_table
from reinschrift.transforms.boilerplate.rules import RuleBook
from reinschrift.transforms.contracts import DOCUMENTS, LEDGER, SENTENCES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from reinschrift.transforms.boilerplate.packs import Pack

PAGES_AT_ONCE = 5_000
SHOWN_LINES = 20
MAX_CHARS = 100
EVEN = 0.5
_BLOCK = ["document_id", "block"]


@dataclass(frozen=True)
class Trial:
    """What one rule hits: lines, pages, how many of the lines are kept now, how many models would keep.

    `lines`: some of them, those that are kept first: text, source, and whether each is kept now.
    """

    rule: str
    action: str
    hits: int
    pages: int
    kept_now: int
    models_keep: int
    lines: list[tuple[str, str, bool]]


def try_pack(corpus: Path, pack: Pack) -> list[Trial]:
    """Each rule of a pack on all blocks of a corpus, kept and dropped, as they were before the rules.

    Repeats that were dropped are not among them.
    """
    book = RuleBook((pack,))
    found = pl.concat([_hits(book, batch) for batch in _batches(corpus)] or [_NONE])
    by_rule = found.partition_by("rule", as_dict=True, maintain_order=True)
    trials = []
    for rule in pack.rules:
        hits = by_rule.get((f"{pack.name}/{rule.id}",), _NONE)
        shown = hits.sort("is_kept", "source", "block", descending=[True, False, False]).head(
            SHOWN_LINES
        )
        trials.append(
            Trial(
                f"{pack.name}/{rule.id}",
                rule.action,
                hits.height,
                hits["document_id"].n_unique(),
                int(hits["is_kept"].sum()),
                int(hits["models_keep"].sum()),
                list(shown.select("text", "source", "is_kept").iter_rows()),
            )
        )
    return trials


_NONE = pl.DataFrame(
    schema={
        "rule": pl.String, "document_id": pl.String, "block": pl.UInt32, "source": pl.String,
        "text": pl.String, "is_kept": pl.Boolean, "models_keep": pl.Boolean,
    }
)  # fmt: skip


def _batches(corpus: Path) -> Iterator[pl.DataFrame]:
    """Blocks of some pages at a time: `document_id`, `source`, `site`, `block`, `text`, `is_kept`, …"""
    pages = (
        pl.concat(
            [
                read_table(corpus, DOCUMENTS).select("id", "source", "site"),
                read_table(corpus, LEDGER).select(
                    "source", id="document_id", site=pl.lit(None, pl.String)
                ),
            ],
            how="diagonal",
        )
        .unique("id", keep="first", maintain_order=True)
        .rename({"id": "document_id"})
        .collect()
    )
    for part in pages.iter_slices(PAGES_AT_ONCE):
        yield _blocks(corpus, part)


def _blocks(corpus: Path, pages: pl.DataFrame) -> pl.DataFrame:
    ids = pages.lazy().select("document_id")
    kept = (
        read_table(corpus, SENTENCES)
        .join(ids, on="document_id", how="semi")
        .group_by(_BLOCK, maintain_order=True)
        .agg(text=pl.col("text").str.join(" "))
        .with_columns(is_kept=pl.lit(value=True), models_keep=pl.lit(value=True))
    )
    dropped = (
        read_table(corpus, LEDGER)
        .filter((pl.col("step") == "boilerplate") & (pl.col("action") == "drop"))
        .filter(pl.col("block").is_not_null() & pl.col("sentence").is_null())
        .join(ids, on="document_id", how="semi")
        .select(
            *_BLOCK,
            text="before",
            is_kept=pl.lit(value=False),
            models_keep=(pl.col("probability") >= EVEN).fill_null(value=False),
        )
    )
    blocks = pl.concat([kept, dropped]).sort(_BLOCK, maintain_order=True).collect()
    numbered = pages.with_columns(page=pl.int_range(pl.len(), dtype=pl.UInt32))
    return blocks.join(numbered, on="document_id", maintain_order="left").sort("page", "block")


def _hits(book: RuleBook, blocks: pl.DataFrame) -> pl.DataFrame:
    lines = book.key_lines(blocks.select("page", "block", "text"))
    hits = book.find_hits(lines, blocks.select("page", "site").unique(maintain_order=True))
    joined = hits.select("page", "block", "rule").join(blocks, on=["page", "block"])
    return joined.select(_NONE.columns)


def describe_trials(trials: list[Trial]) -> Iterator[str]:
    """Lines for a terminal."""
    for one in trials:
        yield (
            f"{one.rule} ({one.action}): {one.hits:,} lines on {one.pages:,} pages; "
            f"{one.kept_now:,} of them are kept now, {one.models_keep:,} the models would keep"
        )
        for text, source, is_kept in one.lines:
            plain = printable(text).replace("\n", " ")
            cut = plain if len(plain) <= MAX_CHARS else plain[: MAX_CHARS - 1] + "…"
            yield f"  {'kept   ' if is_kept else 'dropped'}  {cut}  [{printable(source)}]"
