"""Step `repair`: undo what transport broke."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from reinschrift.transforms.blocks import place_blocks
from reinschrift.transforms.contracts import BLOCKS
from reinschrift.transforms.pipeline.working import Context, Outcome, Working, block_actions
from reinschrift.transforms.text.repair import repair_lines


def repair_blocks(working: Working, context: Context) -> Outcome:
    """Undo what transport broke; a block of which nothing is left is dropped."""
    del context
    return _place(working, repair_lines(working.units))


def leave_unrepaired(working: Working, context: Context) -> Outcome:
    """The text as it was read; empty blocks are dropped all the same."""
    del context
    repairs = pl.lit(None, dtype=pl.List(pl.String))
    return _place(working, working.units.with_columns(text="raw", repairs=repairs))


def _place(working: Working, repaired: pl.DataFrame) -> Outcome:
    """Offsets into the repaired page, and a row for each block that was changed."""
    placed = place_blocks(repaired)
    is_empty = pl.col("text").str.strip_chars() == ""
    # White space at the ends is no part of a sentence, so repairing that alone is no edit.
    is_changed = pl.col("raw").str.strip_chars() != pl.col("text").str.strip_chars()
    changed = placed.filter(pl.col("repairs").is_not_null() & is_changed)
    actions = changed.with_columns(
        rule=pl.col("repairs").list.first(),
        also=pl.col("repairs").list.slice(1),
        action=pl.when(is_empty).then(pl.lit("drop")).otherwise(pl.lit("edit")),
        before="raw",
        after=pl.when(~is_empty).then("text"),
    )
    kept = placed.filter(~is_empty)
    return Outcome(replace(working, units=BLOCKS.conform(kept)), block_actions(actions, "text"))
