"""One verdict a block: where rule packs and line model meet.

The order, first wins:

1. a rule that drops: a site's own pack before generic ones
2. reader comments that a pack marked stay (or go, with `comments = "drop"`), whatever the model says
3. the line model drops what lies below its page's threshold; it sees the page as it was read, and takes
   what rules dropped for certain furniture
4. a rule that trims

The verdict names the one that decided, and lists every rule that fired besides.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from transforms.boilerplate.model import keep_blocks, score_blocks

MODEL_RULE = "line-model"
MIN_PAGE_WORDS = 20
MAX_ROUNDS = 8
WORD = r"[\p{L}\p{N}_]+"
NO_RULES = pl.lit([], dtype=pl.List(pl.String))


def judge_blocks(
    blocks: pl.DataFrame, hits: pl.DataFrame, comments: str, profile: str, use_model: bool
) -> pl.DataFrame:
    """What happens to each block.

    In: BLOCKS, and the HITS of the rules on them. Out: the same blocks with `text` and `start` after
    trims, `kind`, and `action` (drop, edit, or null), `rule`, `also`, `probability`, `before` (the text
    as it came) and `offset` (where it stood).
    """
    decided = _decide(hits, comments)
    judged = blocks.join(decided, on=["page", "block"], how="left", maintain_order="left").with_columns(
        before="text",
        offset="start",
        is_comment=pl.col("is_comment").fill_null(value=False),
        probability=pl.lit(None, dtype=pl.Float32),
    )
    judged = _trim(judged)
    if use_model:
        judged = _ask_model(judged, profile)
    fired = pl.col("fired").fill_null(NO_RULES)
    return judged.with_columns(
        also=fired.list.set_difference(pl.concat_list(pl.col("rule").fill_null(""))).list.sort(),
        kind=pl.when("is_comment").then(pl.lit("comment")).otherwise("kind"),
    )


def _decide(hits: pl.DataFrame, comments: str) -> pl.DataFrame:
    """One row a block with hits: what the rules want, which of them decided, which fired."""
    is_mark = pl.col("action") == "mark"
    is_drop = (pl.col("action") == "drop") | (is_mark & (comments == "drop"))
    is_trim = pl.col("action") == "trim"
    is_prefix = is_trim & (pl.col("cut_start") == 0)
    decided = hits.group_by("page", "block", maintain_order=True).agg(
        drop_rule=pl.col("rule").filter(is_drop).first(),
        trim_rule=pl.col("rule").filter(is_trim).first(),
        is_comment=is_mark.any(),
        cut_start=pl.col("cut_start").filter(is_trim & ~is_prefix).min(),
        cut_end=pl.col("cut_end").filter(is_prefix).max(),
        fired=pl.col("rule"),
    )
    return decided.with_columns(
        rule=pl.coalesce("drop_rule", "trim_rule"),
        action=pl.when(pl.col("drop_rule").is_not_null())
        .then(pl.lit("drop"))
        .when(pl.col("trim_rule").is_not_null())
        .then(pl.lit("edit")),
    )


def _ask_model(judged: pl.DataFrame, profile: str) -> pl.DataFrame:
    """Let the line model drop blocks of flat text that no rule dropped and no pack calls a comment.

    A page that lost lines is asked again as it now stands, until it loses no more: so cleaning
    cleaned text changes nothing.
    """
    numbered = judged.with_row_index("row")
    pages = numbered.filter((pl.col("format") == "text") & _is_judgeable())
    scored, falls = _fall(pages, profile)
    fallen = [falls]
    left = pages.filter(pl.col("action").ne_missing("drop")).with_columns(
        pl.col("text").str.strip_chars(), blank_before=pl.lit(0, dtype=pl.UInt32)
    )
    for _ in range(MAX_ROUNDS):
        left = left.join(falls, on="row", how="anti", maintain_order="left").filter(_is_judgeable())
        _, falls = _fall(left, profile)
        if falls.is_empty():
            break
        fallen.append(falls)
        left = left.join(falls, on="page", how="semi", maintain_order="left")
    gone = pl.concat(fallen).select("row", falls=pl.lit(value=True))
    verdict = scored.join(gone, on="row", how="left")
    falls_now = pl.col("falls").fill_null(value=False)
    return (
        numbered.join(verdict, on="row", how="left", maintain_order="left")
        .with_columns(
            probability="scored",
            action=pl.when(falls_now).then(pl.lit("drop")).otherwise("action"),
            rule=pl.when(falls_now).then(pl.lit(MODEL_RULE)).otherwise("rule"),
        )
        .drop("row", "scored", "falls")
    )


def _is_judgeable() -> pl.Expr:
    """Pages of a few words say too little about themselves to be judged."""
    words = pl.col("text").str.count_matches(WORD)
    return words.sum().over("page") >= MIN_PAGE_WORDS


def _fall(pages: pl.DataFrame, profile: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Ask the model once. Out: `row` and `scored` of all lines; `row` and `page` of those that fall."""
    probability = score_blocks(pages)
    is_dropped = (pages["action"] == "drop").fill_null(value=False).to_numpy()
    words = pages["text"].str.count_matches(WORD).to_numpy()
    certain = np.where(is_dropped, np.float32(0), probability)
    keep, _ = keep_blocks(certain, words, pages["page"].to_numpy(), profile)
    falls = pl.Series(~keep & ~is_dropped, dtype=pl.Boolean) & ~pages["is_comment"]
    scored = pages.select("row", scored=pl.Series(probability, dtype=pl.Float32))
    return scored, pages.filter(falls).select("row", "page")


def _trim(judged: pl.DataFrame) -> pl.DataFrame:
    """Cut the ends that trims found off `text`, and move `start` along."""
    is_trim = (pl.col("action") == "edit").fill_null(value=False)
    first = pl.col("cut_end").fill_null(0)
    last = pl.coalesce("cut_start", pl.col("text").str.len_chars())
    cut = pl.col("text").str.slice(first, last - first)
    skipped = cut.str.len_chars() - cut.str.strip_chars_start().str.len_chars()
    return judged.with_columns(
        text=pl.when(is_trim).then(cut.str.strip_chars()).otherwise("text"),
        start=pl.when(is_trim).then(pl.col("start") + first + skipped).otherwise("start"),
    )
