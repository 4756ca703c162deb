"""Step `sentences`: blocks are cut into sentences, and each is hashed."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from reinschrift.transforms.contracts import UNITS
from reinschrift.transforms.pipeline.working import Context, Outcome, Working
from reinschrift.transforms.repeats.exact import add_hash
from reinschrift.transforms.sentences import split_sentences


def cut_sentences(working: Working, context: Context) -> Outcome:
    """Cut blocks into sentences, and hash each one."""
    blocks = working.units
    sentences = split_sentences(
        blocks.select("page", "block", "text", "start", "kind", "language")
    ).join(
        blocks.select("page", "block", "kind", "language", "kept_by", "role", "probability"),
        on=["page", "block"],
        how="left",
        maintain_order="left",
    )
    return _hashed(working, sentences, context)


def keep_whole_blocks(working: Working, context: Context) -> Outcome:
    """Every block as one sentence, hashed."""
    return _hashed(working, _whole_blocks(working.units), context)


def _hashed(working: Working, sentences: pl.DataFrame, context: Context) -> Outcome:
    hashed = add_hash(sentences, context.options.min_repeat_chars, context.options.key_bits)
    return Outcome(replace(working, units=UNITS.conform(hashed)))


def _whole_blocks(blocks: pl.DataFrame) -> pl.DataFrame:
    """Every block as one sentence."""
    text = pl.col("text").str.strip_chars()
    indent = pl.col("text").str.len_chars() - pl.col("text").str.strip_chars_start().str.len_chars()
    return blocks.with_columns(
        sentence=pl.lit(0, dtype=pl.UInt32),
        lead=pl.col("text").str.slice(0, indent),
        start=pl.col("start") + indent,
        end=pl.col("start") + indent + text.str.len_chars(),
        text=text,
    )
