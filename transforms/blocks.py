"""Cutting a page's text into blocks, and telling what kind of block each one is."""

from __future__ import annotations

import polars as pl

# Everything Unicode calls a line break becomes \n, one for one but for \r\n.
LINE_BREAKS = r"\r\n|[\r\x0b\x0c\x1c-\x1f\u{2028}\u{2029}]"
BULLETS = "•·*▪●○◦‣–—►▸■□✓✔➢➤-"
MAX_HEADING_WORDS = 12
_BULLET = rf"^[{BULLETS}]\s+\S"
_NUMBERED = r"^(?:\d{1,3}[.)]|\(\d{1,3}\)|[a-zA-Z]\))\s+\S"
_SENTENCE_END = r"""[.!?…:;,][\"'”’»«“‘)\]]*$"""


def split_lines(pages: pl.DataFrame) -> pl.DataFrame:
    """Cut pages into lines, blank ones included.

    In: `page`, `content`. Out: one row a line: `page`, `line` (from 0), `raw`. Page order is kept.
    """
    lines = pages.select(
        "page", raw=pl.col("content").str.replace_all(LINE_BREAKS, "\n").str.split("\n")
    ).explode("raw", empty_as_null=True)
    return lines.with_columns(line=pl.int_range(pl.len(), dtype=pl.UInt32).over("page"))


def number_blocks(lines: pl.DataFrame) -> pl.DataFrame:
    """Keep the non-blank lines, and number them within their page.

    In: one row a line with `page`, `line`, `raw`. Out: one row a block, with `block` (from 0),
    `blank_before` (blank lines directly before it) and `gap_chars` (code points between the end of
    the block before, or the page's beginning, and its own first).
    """
    width = pl.col("raw").str.len_chars().cast(pl.Int64)
    placed = lines.with_columns(width=width, begin=((width + 1).cum_sum() - width - 1).over("page"))
    blocks = placed.filter(pl.col("raw").str.strip_chars() != "")
    before = (pl.col("begin") + pl.col("width")).shift(1).over("page").fill_null(0)
    line_before = pl.col("line").cast(pl.Int64).shift(1).over("page").fill_null(-1)
    return blocks.with_columns(
        block=pl.int_range(pl.len(), dtype=pl.UInt32).over("page"),
        blank_before=(pl.col("line") - line_before - 1).cast(pl.UInt32),
        gap_chars=(pl.col("begin") - before).cast(pl.UInt32),
    ).drop("width", "begin")


def place_blocks(blocks: pl.DataFrame) -> pl.DataFrame:
    """Add `start`, the code-point offset of each block in its page's text.

    In: `page`, `text`, `gap_chars`, in order. Out: the same rows with `start`.
    """
    width = pl.col("text").str.len_chars().cast(pl.Int64)
    end = (width + pl.col("gap_chars")).cum_sum().over("page")
    return blocks.with_columns(start=(end - width).cast(pl.UInt32))


def guess_kinds(blocks: pl.DataFrame) -> pl.Series:
    """The kinds of blocks of flat text (`page`, `raw`), from their own look and the block that follows.

    A heading is short, ends no sentence, and stands before something longer.
    """
    looks = blocks.select("page", text=pl.col("raw").str.strip_chars()).with_columns(
        words=pl.col("text").str.count_matches(r"\S+")
    )
    text, words = pl.col("text"), pl.col("words")
    has_next = pl.col("page").shift(-1) == pl.col("page")
    longer_next = has_next & (words.shift(-1) > words)
    heading = (
        (words <= MAX_HEADING_WORDS)
        & ~text.str.contains(_SENTENCE_END)
        & text.str.contains(r"^[\p{Lu}\p{N}\p{Lo}„“\"'«»(]")
        & longer_next.fill_null(value=False)
    )
    kind = (
        pl.when(text.str.contains(_BULLET) | text.str.contains(_NUMBERED))
        .then(pl.lit("list_item"))
        .when(heading)
        .then(pl.lit("heading"))
        .otherwise(pl.lit("paragraph"))
    )
    return looks.select(kind=kind).to_series()
