"""Step `quality`: documents that fail the rules of a profile go, if asked."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from reinschrift.transforms.pipeline.working import Context, Outcome, Working, page_actions
from reinschrift.transforms.quality.rules import measure_documents, quality_flags


def drop_documents(working: Working, context: Context) -> Outcome:
    """Drop pages whose text fails the rules of the profile, where asked for: with all they have.

    The text is the page's own, before repeats of other pages are taken out of it, so that no page
    loses a sentence to a page that goes.
    """
    profiles = context.options.quality_drop
    if working.units.is_empty():
        return Outcome(working)
    languages = working.pages.select("page", "language")
    texts = join_texts(working.units, "page").join(languages, on="page", maintain_order="left")
    flagged = measure_documents(texts).with_columns(flags=quality_flags(profiles))
    failed = flagged.filter(pl.col("flags").list.len() > 0).select("page", "flags")
    actions = (
        working.units.join(failed, on="page", maintain_order="left")
        .group_by("page", maintain_order=True)
        .agg(
            rule=pl.col("flags").first().list.first(),
            also=pl.col("flags").first().list.slice(1),
            before=pl.col("text").str.join("\n"),
            spans=pl.struct("block", "sentence", "start", "end"),
        )
        .with_columns(action=pl.lit("drop"))
    )
    kept = working.units.join(failed, on="page", how="anti", maintain_order="left")
    return Outcome(replace(working, units=kept), page_actions(actions))


def join_texts(units: pl.DataFrame, page: str, *, asides: bool = False) -> pl.DataFrame:
    """Put sentences together again: the blocks of a page, one a line.

    In: UNITS with the column `page` names, in order; for `asides` with `page_type` besides. Out: one row
    a page, `text`, `comments`, `n_blocks` of the text, `n_sentences` of both. With `asides`, posts go to
    `comments` unless they are the text: on the pages of forums, and where nothing else is left.
    """
    is_first = pl.col("sentence") == pl.col("sentence").first()
    is_code = pl.col("kind") == "code"
    lead = pl.when(~is_first | is_code).then("lead").otherwise(pl.lit(""))
    blocks = units.group_by(page, "block", maintain_order=True).agg(
        text=pl.concat_str(lead, "text").str.join(""),
        n_sentences=pl.len(),
        is_aside=_is_aside().first() if asides else pl.lit(value=False),
    )
    is_aside = pl.col("is_aside") & ~pl.col("is_aside").all().over(page)
    return (
        blocks.with_columns(is_aside)
        .group_by(page, maintain_order=True)
        .agg(
            text=pl.col("text").filter(~pl.col("is_aside")).str.join("\n"),
            comments=pl.col("text").filter("is_aside").str.join("\n"),
            n_blocks=(~pl.col("is_aside")).sum(),
            n_sentences=pl.col("n_sentences").sum(),
        )
        .with_columns(comments=pl.when(pl.col("comments") != "").then("comments"))
    )


def _is_aside() -> pl.Expr:
    """Posts of readers on a page of which they are not the text."""
    return (pl.col("kind") == "comment") & pl.col("page_type").ne_missing("forum")
