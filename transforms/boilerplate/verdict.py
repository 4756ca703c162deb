"""One verdict a block: where rule packs and line model meet.

The order, first wins:

1. a keep-list, or a rule that keeps: the block stays, whatever all others say
2. a rule that drops: a site's own pack before generic ones
3. reader comments that a pack marked stay (or go, with `comments = "drop"`), whatever the model says
4. the line model drops what lies below its page's threshold; it sees the page as it was read, and takes
   what rules dropped for certain furniture. A page on which no rule fires is clean, and is not asked
5. a rule that trims

The verdict names the one that decided, and lists every rule that fired besides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from reinschrift.transforms.boilerplate.model import keep_blocks, score_blocks

if TYPE_CHECKING:
    from reinschrift.transforms.boilerplate.cut import Profile

MODEL_RULE = "line-model"
MIN_PAGE_WORDS = 20
MAX_ROUNDS = 8
WORD = r"[\p{L}\p{N}_]+"
NO_RULES = pl.lit([], dtype=pl.List(pl.String))
NO_FALLS = pl.DataFrame(schema={"row": pl.UInt32, "page": pl.UInt32})
# Words of English and German, for which there are generic packs; in names and lists they are rare.
KNOWN_WORD = (
    r"(?i)\b(?:the|of|and|to|in|is|that|for|with|on|are|by|from|"
    r"der|die|und|das|den|von|zu|mit|ist|nicht|ein|eine|im|für|auf)\b"
)
MIN_KNOWN_WORD_SHARE = 0.015
MAX_CLEAN_HIT_SHARE = 0.003  # a rule errs once in so many lines


def judge_blocks(  # noqa: PLR0913, PLR0917 - what it judges, and the settings of the verdict
    blocks: pl.DataFrame,
    hits: pl.DataFrame,
    comments: str,
    profile: str | Profile,
    use_model: bool,
    trust_rules: bool,
) -> pl.DataFrame:
    """What happens to each block.

    In: BLOCKS, the HITS of the rules on them, and whether there are generic rules, so that their
    silence says something of a page. Out: the same blocks with `text` and `start` after trims, `kind`,
    and `action` (drop, edit, or null), `rule`, `also`, `probability`, `before` (the text as it came),
    `offset` (where it stood), and `kept_by`, the rule or keep-list that holds it, null for most.
    """
    decided = _decide(hits, comments)
    undecided = blocks.drop("kept_by", strict=False)
    judged = undecided.join(
        decided, on=["page", "block"], how="left", maintain_order="left"
    ).with_columns(
        before="text",
        offset="start",
        is_comment=pl.col("is_comment").fill_null(value=False),
        probability=pl.lit(None, dtype=pl.Float32),
    )
    judged = _trim(judged)
    if use_model:
        judged = _ask_model(judged, profile, trust_rules)
    fired = pl.col("fired").fill_null(NO_RULES)
    decider = pl.coalesce("kept_by", "rule", pl.lit(""))
    return judged.with_columns(
        also=fired.list.set_difference(pl.concat_list(decider)).list.sort(),
        extracted=pl.when(pl.col("kept_by").is_not_null())
        .then(pl.lit(value=True))
        .otherwise("extracted"),
        kind=pl.when("is_comment").then(pl.lit("comment")).otherwise("kind"),
    )


def _decide(hits: pl.DataFrame, comments: str) -> pl.DataFrame:
    """One row a block with hits: what the rules want, which of them decided, which fired."""
    is_mark = pl.col("action") == "mark"
    is_drop = (pl.col("action") == "drop") | (is_mark & (comments == "drop"))
    is_trim = pl.col("action") == "trim"
    is_prefix = is_trim & (pl.col("cut_start") == 0)
    is_held = pl.col("kept_by").is_not_null()
    decided = hits.group_by("page", "block", maintain_order=True).agg(
        kept_by=pl.col("rule").filter(pl.col("action") == "keep").first(),
        drop_rule=pl.col("rule").filter(is_drop).first(),
        trim_rule=pl.col("rule").filter(is_trim).first(),
        is_comment=is_mark.any(),
        cut_start=pl.col("cut_start").filter(is_trim & ~is_prefix).min(),
        cut_end=pl.col("cut_end").filter(is_prefix).max(),
        fired=pl.col("rule"),
    )
    return decided.with_columns(
        rule=pl.when(~is_held).then(pl.coalesce("drop_rule", "trim_rule")),
        action=pl.when(is_held)
        .then(None)
        .when(pl.col("drop_rule").is_not_null())
        .then(pl.lit("drop"))
        .when(pl.col("trim_rule").is_not_null())
        .then(pl.lit("edit")),
    )


def _ask_model(judged: pl.DataFrame, profile: str | Profile, trust_rules: bool) -> pl.DataFrame:
    """Let the line model drop blocks of flat text that no rule dropped and no pack calls a comment.

    A page that lost lines is asked again as it now stands, until it loses no more: so cleaning
    cleaned text changes nothing. Most pages rest at once, for what is left of them is clean.
    """
    numbered = judged.with_row_index("row")
    left = lines_to_ask(numbered.filter(pl.col("format") == "text"), trust_rules)
    scores, fallen = [], []
    for _ in range(MAX_ROUNDS):
        scored, falls = _fall(left, profile)
        scores.append(scored)
        if falls.is_empty():
            break
        fallen.append(falls)
        left = (
            left.join(falls, on="page", how="semi", maintain_order="left")
            .join(falls, on="row", how="anti", maintain_order="left")
            .filter(pl.col("action").ne_missing("drop"))
            .with_columns(
                pl.col("text").str.strip_chars(),
                action=pl.lit(None, dtype=pl.String),
                blank_before=pl.lit(0, dtype=pl.UInt32),
            )
            .pipe(lines_to_ask, trust_rules)
        )
    gone = pl.concat([NO_FALLS, *fallen]).select("row", falls=pl.lit(value=True))
    falls_now = pl.col("falls").fill_null(value=False)
    return (
        numbered.join(scores[0], on="row", how="left", maintain_order="left")
        .join(gone, on="row", how="left", maintain_order="left")
        .with_columns(
            probability="scored",
            action=pl.when(falls_now).then(pl.lit("drop")).otherwise("action"),
            rule=pl.when(falls_now).then(pl.lit(MODEL_RULE)).otherwise("rule"),
        )
        .drop("row", "scored", "falls")
    )


def lines_to_ask(lines: pl.DataFrame, trust_rules: bool) -> pl.DataFrame:
    """Lines of the pages about which the model has something to say.

    In: `page`, `text`, `action` (null where no rule fired), and whether generic rules were tried.

    Pages of a few words say too little about themselves. Pages in a language that the generic packs
    know, on which no rule finds any furniture, are clean: of 1,500 English and German pages as they
    were scraped a rule fires on all but one in a hundred, of 500 with the furniture taken out on one in
    twelve (docs/model-card.md).
    """
    pages = lines.group_by("page").agg(
        words=pl.col("text").str.count_matches(WORD).sum(),
        hit_share=pl.col("action").is_not_null().mean(),
    )
    silent = pages.filter(pl.col("words") < MIN_PAGE_WORDS).select("page")
    unhit = pages.filter((pl.col("hit_share") <= MAX_CLEAN_HIT_SHARE) & trust_rules)
    known = pl.col("text").str.count_matches(KNOWN_WORD).sum()
    clean = (
        lines.join(unhit, on="page")
        .group_by("page")
        .agg(share=known / pl.col("words").first())
        .filter(pl.col("share") >= MIN_KNOWN_WORD_SHARE)
        .select("page")
    )
    return lines.join(pl.concat([silent, clean]), on="page", how="anti", maintain_order="left")


def _fall(pages: pl.DataFrame, profile: str | Profile) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Ask the model once. Out: `row` and `scored` of all lines; `row` and `page` of those that fall."""
    probability = score_blocks(pages)
    is_dropped = (pages["action"] == "drop").fill_null(value=False).to_numpy()
    words = pages["text"].str.count_matches(WORD).to_numpy()
    certain = np.where(is_dropped, np.float32(0), probability)
    keep, _ = keep_blocks(certain, words, pages["page"].to_numpy(), profile)
    stays = pages["is_comment"] | pages["kept_by"].is_not_null()
    falls = pl.Series(~keep & ~is_dropped, dtype=pl.Boolean) & ~stays
    scored = pages.select("row", scored=pl.Series(probability, dtype=pl.Float32))
    return scored, pages.filter(falls).select("row", "page")


def _trim(judged: pl.DataFrame) -> pl.DataFrame:
    """Cut the ends that trims found off `text`, and move `start` along.

    A block of which the trims together leave nothing is dropped.
    """
    is_trim = (pl.col("action") == "edit").fill_null(value=False)
    first = pl.col("cut_end").fill_null(0)
    last = pl.max_horizontal(first, pl.coalesce("cut_start", pl.col("text").str.len_chars()))
    cut = pl.col("text").str.slice(first, last - first)
    is_spent = is_trim & (cut.str.strip_chars() == "")
    is_trim &= ~is_spent
    skipped = cut.str.len_chars() - cut.str.strip_chars_start().str.len_chars()
    return judged.with_columns(
        text=pl.when(is_trim).then(cut.str.strip_chars()).otherwise("text"),
        start=pl.when(is_trim).then(pl.col("start") + first + skipped).otherwise("start"),
        action=pl.when(is_spent).then(pl.lit("drop")).otherwise("action"),
    )
