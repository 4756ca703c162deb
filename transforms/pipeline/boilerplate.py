"""Steps `boilerplate` and `extract`: furniture goes."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from reinschrift.transforms.boilerplate.verdict import judge_blocks
from reinschrift.transforms.contracts import BLOCKS
from reinschrift.transforms.pipeline.working import Context, Outcome, Working, block_actions


def strip_boilerplate(working: Working, context: Context) -> Outcome:
    """Let rule packs and line model drop, trim or mark blocks, in the order `verdict` documents."""
    options = context.options
    if working.units.is_empty():
        return Outcome(working)
    lines = context.rules.key_lines(working.units)
    pages = context.rules.recognise(lines, working.pages)
    hits = context.rules.find_hits(lines, working.pages)
    judged, found = judge_blocks(
        working.units,
        hits,
        options.comments,
        options.cut,
        options.line_model,
        working.contexts,
    )
    is_drop = pl.col("action") == "drop"
    is_trim = pl.col("action") == "edit"
    touched = judged.filter(is_drop | is_trim).with_columns(after=pl.when(is_trim).then("text"))
    held = judged.filter(pl.col("kept_by").is_not_null() & (pl.col("also").list.len() > 0)).with_columns(
        action=pl.lit("note"), rule="kept_by", after=pl.lit(None, dtype=pl.String)
    )
    kept = judged.filter(~is_drop.fill_null(value=False))
    actions = pl.concat([block_actions(touched), block_actions(held)])
    known = pages.drop(found.columns[1:], strict=False).join(
        found, on="page", how="left", maintain_order="left"
    )
    return Outcome(replace(working, pages=known, units=BLOCKS.conform(kept)), actions)


def drop_unextracted(working: Working, context: Context) -> Outcome:
    """Drop the blocks of HTML pages that the extractor left out; comments go by their own setting."""
    is_comment = pl.col("kind") == "comment"
    is_unwanted = is_comment & (pl.col("format") == "html") & (context.options.comments == "drop")
    is_left_out = ~pl.col("extracted").fill_null(value=True) & ~is_comment
    is_unwanted &= ~pl.col("page").is_in([*working.contexts])
    is_drop = (is_left_out | is_unwanted) & pl.col("kept_by").is_null()
    actions = working.units.filter(is_drop).with_columns(
        rule=pl.when(is_unwanted).then(pl.lit("comment")).otherwise(pl.lit(context.options.extractor)),
        also=pl.lit([], dtype=pl.List(pl.String)),
        action=pl.lit("drop"),
        before="text",
        after=pl.lit(None, dtype=pl.String),
    )
    return Outcome(replace(working, units=working.units.filter(~is_drop)), block_actions(actions))
