"""One verdict a block: where rule packs and the role model meet.

The order, first wins:

1. a keep-list, or a rule that keeps: the block stays, whatever all others say
2. a rule that drops: a site's own pack before generic ones
3. posts of readers, that a pack marked or the model knows, stay (or go, with `comments = "drop"`),
   whatever the model thinks of them; on a forum page they are the text
4. the model drops what lies below its page's threshold; it sees the page as it was read, and takes
   what rules dropped for certain furniture. A page that is clean already loses next to nothing
5. a rule that trims

The verdict names the one that decided, and lists every rule that fired besides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from reinschrift.transforms.boilerplate.cut import bounds_of, keep_pages
from reinschrift.transforms.boilerplate.role_names import GOING
from reinschrift.transforms.boilerplate.roles import score_pages

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reinschrift.transforms.boilerplate.cut import Profile
    from reinschrift.transforms.html.extract import PageContext

MODEL_RULE = "line-model"
POST_RULE = "comment"
MIN_PAGE_WORDS = 20  # flat text of fewer says too little about itself
MAX_ROUNDS = 6
MIN_POST_SHARE = 0.5
SURE = 0.25  # how near a probability lies to 0 or 1 that leaves little doubt
MIN_TYPE_CONFIDENCE = 0.5
NO_RULES = pl.lit([], dtype=pl.List(pl.String))
NO_FALLS = pl.DataFrame(schema={"row": pl.UInt32, "page": pl.UInt32})
PAGE_VERDICTS = pl.Schema(
    {
        "page": pl.UInt32(),
        "page_type": pl.String(),
        "page_type_confidence": pl.Float32(),
        "confidence": pl.Float32(),
    }
)


class Judged(NamedTuple):
    """`blocks` with the verdict on each; `pages`: PAGE_VERDICTS of those the model was asked about."""

    blocks: pl.DataFrame
    pages: pl.DataFrame


def judge_blocks(  # noqa: PLR0913, PLR0917 - what it judges, and the settings of the verdict
    blocks: pl.DataFrame,
    hits: pl.DataFrame,
    comments: str,
    profile: str | Profile,
    use_model: bool,
    contexts: Mapping[int, PageContext],
) -> Judged:
    """What happens to each block.

    In: BLOCKS, the HITS of the rules on them, and what is known of HTML pages, by page; of HTML pages
    without a context the model is not asked. Out: the same blocks with `text` and `start` after trims,
    `kind`, and `action` (drop, edit, or null), `rule`, `also`, `role` and `role_share` (null where the
    model was not asked), `probability`, `before` (the text as it came), `offset` (where it stood), and
    `kept_by`, the rule or keep-list that holds it, null for most.
    """
    decided = _decide(hits, comments)
    undecided = blocks.drop("kept_by", strict=False)
    judged = undecided.join(
        decided, on=["page", "block"], how="left", maintain_order="left"
    ).with_columns(
        before="text",
        offset="start",
        is_comment=pl.col("is_comment").fill_null(value=False),
    )
    judged = _trim(judged)
    pages = PAGE_VERDICTS.to_frame()
    if use_model:
        judged, pages = _ask_model(judged, comments, profile, contexts)
    else:
        judged = judged.with_columns(
            role=pl.lit(None, dtype=pl.String),
            role_share=pl.lit(None, dtype=pl.Float32),
            probability=pl.lit(None, dtype=pl.Float32),
        )
    decider = pl.coalesce("kept_by", "rule", pl.lit(""))
    others = pl.col("fired").list.set_difference(pl.concat_list(decider)).list.sort()
    also = judged.filter(pl.col("fired").is_not_null()).select("page", "block", also=others)
    is_held = pl.col("kept_by").is_not_null()
    return Judged(
        judged.join(also, on=["page", "block"], how="left", maintain_order="left").with_columns(
            also=pl.col("also").fill_null(NO_RULES),
            extracted=pl.when(is_held).then(pl.lit(value=True)).otherwise("extracted"),
            kind=pl.when("is_comment").then(pl.lit("comment")).otherwise("kind"),
        ),
        pages,
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


def _ask_model(
    judged: pl.DataFrame,
    comments: str,
    profile: str | Profile,
    contexts: Mapping[int, PageContext],
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Let the model drop blocks that no rule dropped and no pack calls a comment.

    Asked are the blocks of flat text, and of HTML pages with a context. A page of flat text that lost
    lines is asked again as it now stands, until it loses no more: so cleaning cleaned text changes
    nothing. Out: the blocks with `role`, `probability` and the verdict; what is known of their pages.
    """
    numbered = judged.with_row_index("row")
    is_asked = (pl.col("format") == "text") | pl.col("page").is_in([*contexts])
    numbered = numbered.drop("role", "probability", strict=False)
    first = _fall(numbered.filter(is_asked), profile, contexts)
    fallen = [first.fallen]
    left, falls = first.asked.filter(pl.col("format") == "text"), first.fallen
    spare_clean = bounds_of(profile).spares_clean
    for _ in range(MAX_ROUNDS - 1):
        left = _as_it_stands(left, falls)
        if left.is_empty():
            break
        falls = _fall(left, profile, contexts, spare_clean=spare_clean).fallen
        fallen.append(falls)
    gone = pl.concat([NO_FALLS, *fallen]).select("row", falls=pl.lit(value=True))
    falls_now = pl.col("falls").fill_null(value=False)
    joined = (
        numbered.join(first.scored, on="row", how="left", maintain_order="left")
        .join(gone, on="row", how="left", maintain_order="left")
        .with_columns(
            action=pl.when(falls_now).then(pl.lit("drop")).otherwise("action"),
            rule=pl.when(falls_now).then(pl.lit(MODEL_RULE)).otherwise("rule"),
        )
        .drop("row", "falls")
        .pipe(_judge_posts, first.pages, comments)
    )
    return joined, _page_verdicts(joined, first.pages)


def _judge_posts(joined: pl.DataFrame, pages: pl.DataFrame, comments: str) -> pl.DataFrame:
    """Posts that only the model knows: comments, but on the pages of forums, whose text they are."""
    forums = pages.filter(pl.col("page_type") == "forum")["page"]
    is_known = (pl.col("role") == "post") & (pl.col("role_share") >= MIN_POST_SHARE)
    is_named = (pl.col("kind") == "comment") & ~pl.col("role").is_in(GOING)
    is_post = is_known | is_named
    is_other = ~pl.col("page").is_in(forums.implode())
    is_comment = (is_post & is_other).fill_null(value=False)
    by_rule = (pl.col("action") == "drop").fill_null(value=False) & (pl.col("rule") != MODEL_RULE)
    found = is_comment & ~by_rule & pl.col("kept_by").is_null()
    goes = found & (comments == "drop")
    stays = found & (pl.col("rule") == MODEL_RULE).fill_null(value=False) & (comments != "drop")
    return joined.with_columns(
        is_comment=pl.col("is_comment") | found,
        action=pl.when(goes).then(pl.lit("drop")).when(stays).then(None).otherwise("action"),
        rule=pl.when(goes).then(pl.lit(POST_RULE)).when(stays).then(None).otherwise("rule"),
    )


def _page_verdicts(joined: pl.DataFrame, pages: pl.DataFrame) -> pl.DataFrame:
    """PAGE_VERDICTS: `confidence` is the share of words about which nothing leaves a doubt.

    Doubtful is a line whose probability is far from 0 and 1, one that a rule drops and the model would
    keep, and a post on a page of which it is not sure what kind it is.
    """
    by_rule = (pl.col("action") == "drop").fill_null(value=False) & (pl.col("rule") != MODEL_RULE)
    unsure = (pl.col("probability") > SURE) & (pl.col("probability") < 1 - SURE)
    disputed = by_rule & (pl.col("probability") >= 1 - SURE)
    untyped = (pl.col("role") == "post") & (pl.col("page_type_confidence") < MIN_TYPE_CONFIDENCE)
    words = pl.col("words").fill_null(0)
    sure = (
        joined.join(pages, on="page", maintain_order="left")
        .group_by("page", maintain_order=True)
        .agg(
            sure=words.filter(~(unsure | disputed | untyped)).sum().cast(pl.Float64),
            words=words.sum().cast(pl.Float64),
        )
    )
    confidence = pl.col("sure") / pl.max_horizontal("words", 1)
    known = pages.join(sure, on="page", how="left", maintain_order="left")
    return known.select(
        "page", "page_type", "page_type_confidence", confidence=confidence.cast(pl.Float32)
    )


def _as_it_stands(left: pl.DataFrame, falls: pl.DataFrame) -> pl.DataFrame:
    """The pages that lost lines, without the lines they lost and without what rules dropped."""
    return (
        left.join(falls, on="page", how="semi", maintain_order="left")
        .join(falls, on="row", how="anti", maintain_order="left")
        .filter(pl.col("action").ne_missing("drop"))
        .with_columns(
            pl.col("text").str.strip_chars(),
            action=pl.lit(None, dtype=pl.String),
            blank_before=pl.lit(0, dtype=pl.UInt32),
            block=pl.int_range(pl.len(), dtype=pl.UInt32).over("page"),
        )
    )


class _Asked(NamedTuple):
    """What the model was asked, what it says of lines and pages, and which lines fall."""

    asked: pl.DataFrame
    scored: pl.DataFrame
    pages: pl.DataFrame
    fallen: pl.DataFrame


def _fall(
    lines: pl.DataFrame,
    profile: str | Profile,
    contexts: Mapping[int, PageContext],
    *,
    spare_clean: bool = False,
) -> _Asked:
    """Ask the model once."""
    scores = score_pages(lines, contexts, spare_clean=spare_clean)
    is_dropped = (lines["action"] == "drop").fill_null(value=False)
    keep = pl.Series(keep_pages(scores, profile, is_dropped.to_numpy()), dtype=pl.Boolean)
    # What a pack calls a comment stays, but for the names, dates and buttons around it.
    words = pl.col("words").sum().over("page")
    is_long = scores.blocks.select(words >= MIN_PAGE_WORDS).to_series() | (lines["format"] != "text")
    is_around = scores.blocks["role"].is_in(GOING) & (scores.blocks["role_share"] >= MIN_POST_SHARE)
    stays = (lines["is_comment"] & ~is_around) | lines["kept_by"].is_not_null()
    falls = is_long & ~keep & ~is_dropped & ~stays
    said = scores.blocks.select("role", "role_share", "probability", "words")
    scored = lines.select("row").hstack(said)
    return _Asked(lines, scored, scores.pages, lines.filter(falls).select("row", "page"))


def _trim(judged: pl.DataFrame) -> pl.DataFrame:
    """Cut the ends that trims found off `text`, and move `start` along.

    A block of which the trims together leave nothing is dropped.
    """
    first = pl.col("cut_end").fill_null(0)
    last = pl.max_horizontal(first, pl.coalesce("cut_start", pl.col("text").str.len_chars()))
    cut = pl.col("text").str.slice(first, last - first)
    is_spent = cut.str.strip_chars() == ""
    skipped = cut.str.len_chars() - cut.str.strip_chars_start().str.len_chars()
    trimmed = judged.filter(pl.col("action") == "edit").select(
        "page",
        "block",
        text=pl.when(~is_spent).then(cut.str.strip_chars()).otherwise("text"),
        start=pl.when(~is_spent).then(pl.col("start") + first + skipped).otherwise("start"),
        action=pl.when(is_spent).then(pl.lit("drop")).otherwise("action"),
    )
    return judged.update(trimmed, on=["page", "block"])
