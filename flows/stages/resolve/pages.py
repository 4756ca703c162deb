"""The pages of a corpus in order, with their names and keys, and the parts they are published in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from reinschrift.flows.store.removals import is_removed
from reinschrift.flows.store.tables import stage_files
from reinschrift.transforms.contracts import PAGE_KEYS, PAGES, Table
from reinschrift.transforms.errors import ReinschriftError
from reinschrift.transforms.text.urls import fetch_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reinschrift.flows.config import Settings
    from reinschrift.flows.store.local import Corpus
    from reinschrift.flows.store.removals import Removal

DOCUMENT_ID_CHARS = 20  # hexadecimal: 80 bits, one collision in 10^9 pages is 1 in 10^6


MAX_PAGES = 2**32 - 1  # page numbers are 32 bits wide wherever they are written


class TooManyPagesError(ReinschriftError):
    """More pages than a run can number."""


@dataclass(frozen=True)
class Part:
    """A run of pages in corpus order, published as one file a table and language."""

    number: int
    first_page: int
    end_page: int


def number_pages(corpus: Corpus, stages: Sequence[str], removals: Sequence[Removal]) -> pl.DataFrame:
    """Pages in corpus order (source, place in the file), with their document ids and keys.

    Out: `page_no`, `shard`, `page`, `document_id`, `site`, `url_key` and `fetched` where there is a
    URL, `n_chars_read`, `is_removed`; `text_hash` and `n_chars`, null where no text is left.
    """
    frames = [_pages_of(corpus, stage, number) for number, stage in enumerate(stages)]
    pages = pl.concat(frames) if frames else _pages_of(corpus, "", 0)
    if pages.height > MAX_PAGES:
        raise TooManyPagesError(
            f"{pages.height:,} pages: a run numbers its pages with 32 bits, at most {MAX_PAGES:,}",
            "clean the inputs in two corpora, the second with `against`",
        )
    pages = pages.with_row_index("page_no")
    twice = pages.filter(pl.col("document_id").is_duplicated())
    if twice.height:
        # Records of one file that claim the same id are kept apart by their order.
        names = pl.concat([_named(corpus, stages[shard], shard) for shard in twice["shard"].unique()])
        again = twice.join(names, on=["shard", "page"], maintain_order="left").select(
            "page_no", document_id=_page_id(pl.int_range(pl.len()).over("name"))
        )
        pages = pages.update(again, on="page_no")
    return _mark_removed(corpus, stages, pages, removals).drop("name", strict=False)


def _pages_of(corpus: Corpus, stage: str, shard: int) -> pl.DataFrame:
    wanted = ["page", "source", "record_id", "position", "site", "url_key", "fetched_at", "n_chars_read"]
    facts = read_stage_table(corpus, stage, PAGES, wanted)
    keys = read_stage_table(corpus, stage, PAGE_KEYS, ["page", "text_hash", "n_chars"])
    return (
        facts.with_columns(name=_name())
        .select(
            "page",
            "site",
            "n_chars_read",
            shard=pl.lit(shard, dtype=pl.UInt32),
            document_id=_page_id(pl.lit(0)),
            url_key="url_key",
            fetched=fetch_time(pl.col("fetched_at")),
        )
        .join(keys, on="page", how="left", maintain_order="left")
    )


def _name() -> pl.Expr:
    """What a page is called by; lengths before the parts, so that no two make the same text of them."""
    own = pl.coalesce(pl.format("id {}", "record_id"), pl.format("at {}", "position"))
    return pl.format("{} {} {}", pl.col("source").str.len_bytes(), "source", own)


def _page_id(copy: pl.Expr) -> pl.Expr:
    named = pl.format("{} {}", copy, "name")
    return named.chash.sha2_256().str.slice(0, DOCUMENT_ID_CHARS)  # type: ignore[attr-defined, no-any-return]


def _named(corpus: Corpus, stage: str, shard: int) -> pl.DataFrame:
    facts = read_stage_table(corpus, stage, PAGES, ["page", "source", "record_id", "position"])
    return facts.select("page", shard=pl.lit(shard, dtype=pl.UInt32), name=_name())


def _mark_removed(
    corpus: Corpus, stages: Sequence[str], pages: pl.DataFrame, removals: Sequence[Removal]
) -> pl.DataFrame:
    """Add `is_removed`: whether a page was taken down on demand."""
    if not removals:
        return pages.with_columns(is_removed=pl.lit(value=False))
    gone = []
    for (shard,), mine in pages.group_by("shard", maintain_order=True):
        facts = read_stage_table(
            corpus, stages[int(str(shard))], PAGES, ["page", "source", "record_id", "url_key"]
        )
        named = mine.select("page", "document_id").join(facts, on="page", maintain_order="left")
        gone.append(named.select(is_removed=is_removed(removals, pl.col("document_id"))))
    return pages.hstack(pl.concat(gone)) if gone else pages.with_columns(is_removed=pl.lit(value=False))


def cut_parts(pages: pl.DataFrame, settings: Settings) -> list[Part]:
    """Runs of pages of at most `part_pages` pages and, but for a last page, `part_chars` characters."""
    chars = np.cumsum(pages["n_chars_read"].to_numpy(), dtype=np.int64)
    parts: list[Part] = []
    start = 0
    while start < pages.height:
        before = int(chars[start - 1]) if start else 0
        full = int(np.searchsorted(chars, before + settings.part_chars)) + 1
        end = min(start + settings.part_pages, full, pages.height)
        parts.append(Part(len(parts), start, end))
        start = end
    return parts


def read_stage_table(corpus: Corpus, stage: str, table: Table, columns: list[str]) -> pl.DataFrame:
    """Some columns of a staged table of one shard, in page order."""
    files = stage_files(corpus, stage, table) if stage else []
    return pl.read_parquet(files, columns=columns) if files else table.empty().select(columns)
