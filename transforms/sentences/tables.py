"""Tables of sentences: blocks in, one row a sentence out."""

from __future__ import annotations

import numpy as np
import polars as pl

from reinschrift.transforms.sentences.characters import SPACES
from reinschrift.transforms.sentences.prefilter import (
    LANDMARK_PATTERN,
    POSSIBLE_PATTERN,
    RESTART_PATTERN,
    restart_languages,
)
from reinschrift.transforms.sentences.spans import sentence_spans

WHOLE_KINDS = ("code", "table")
"""Kinds of block that are one sentence by definition."""

SENTENCES_SCHEMA: dict[str, pl.DataType] = {
    "page": pl.UInt32(),
    "block": pl.UInt32(),
    "sentence": pl.UInt32(),
    "start": pl.UInt32(),
    "end": pl.UInt32(),
    "text": pl.String(),
    "lead": pl.String(),
}


def split_sentences(blocks: pl.DataFrame) -> pl.DataFrame:
    """Cuts blocks into sentences.

    In: one row a block with `page` and `block` (UInt32), `text`, `start` (UInt32, code-point
    offset of the block in its page's text), `kind`, `language` (ISO 639). Blocks of
    WHOLE_KINDS stay whole.
    Out: one row a sentence, in the order of the blocks, with the columns of SENTENCES_SCHEMA:
    `sentence` counts from 0 within the block, `start` and `end` are code-point offsets in the
    page's text, `lead` is the white space between the sentence and what stands before it in
    its block. Blocks of white space alone have no row.
    """
    rows = blocks.select("page", "block", "text", "start", "kind", "language").with_row_index("row")
    # Only languages with such words are searched for them.
    searched = pl.when(pl.col("language").is_in(restart_languages())).then("text")
    restarts = searched.str.contains(RESTART_PATTERN).fill_null(False)
    possible = pl.col("text").str.contains(POSSIBLE_PATTERN) | pl.col("restarts")
    splits = ~pl.col("kind").is_in(WHOLE_KINDS) & possible
    marked = rows.with_columns(restarts=restarts).with_columns(splits=splits)
    parts = marked.partition_by("splits", as_dict=True)
    empty = rows.clear().with_columns(restarts=pl.lit(False))
    whole = _whole_blocks(parts.get((False,), empty))
    split = _split_blocks(parts.get((True,), empty))
    return whole.merge_sorted(split, key="row").select(list(SENTENCES_SCHEMA))


def _whole_blocks(rows: pl.DataFrame) -> pl.DataFrame:
    """One sentence a block: the fast path, without a Python call a row."""
    text = pl.col("text")
    lead_chars = text.str.len_chars() - text.str.strip_chars_start(SPACES).str.len_chars()
    return (
        rows.with_columns(trimmed=text.str.strip_chars(SPACES), lead_chars=lead_chars)
        .filter(pl.col("trimmed") != "")
        .select(
            "row",
            "page",
            "block",
            sentence=pl.lit(0, pl.UInt32),
            start=pl.col("start") + pl.col("lead_chars"),
            end=pl.col("start") + pl.col("lead_chars") + pl.col("trimmed").str.len_chars(),
            lead=text.str.head(pl.col("lead_chars")),
            text=pl.col("trimmed"),
        )
    )


def _split_blocks(rows: pl.DataFrame) -> pl.DataFrame:
    """The sentences of blocks that may hold several, block by block."""
    counts: list[int] = []
    starts: list[int] = []
    leads: list[str] = []
    texts: list[str] = []
    chosen = rows.select(
        "text",
        pl.col("language").fill_null(""),
        pl.col("text").str.contains(LANDMARK_PATTERN).alias("landmarks"),
        "restarts",
    )
    columns = (column.to_list() for column in chosen.get_columns())
    for text, language, landmarks, restarts in zip(*columns, strict=True):
        spans = sentence_spans(text, language, (landmarks, restarts))
        counts.append(len(spans))
        previous = 0
        for start, end in spans:
            starts.append(start)
            leads.append(text[previous:start])
            texts.append(text[start:end])
            previous = end
    cut = pl.DataFrame(
        {"from": starts, "lead": leads, "text": texts},
        schema={"from": pl.UInt32, "lead": pl.String, "text": pl.String},
    )
    count = np.array(counts, np.int64)
    origin = rows.select("row", "page", "block", "start")[np.repeat(np.arange(len(count)), count)]
    number = np.arange(len(starts)) - np.repeat(np.cumsum(count) - count, count)
    page_start = pl.col("start") + pl.col("from")
    return pl.concat([origin, cut], how="horizontal").select(
        "row",
        "page",
        "block",
        sentence=pl.Series(number, dtype=pl.UInt32),
        start=page_start,
        end=page_start + pl.col("text").str.len_chars(),
        lead="lead",
        text="text",
    )
