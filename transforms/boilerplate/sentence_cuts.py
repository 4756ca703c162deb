"""Judging the sentences of a block one by one, for notices that are glued to text.

A consent banner often stands in one block with the first words of the article. A rule of sentences drops
a block only if all its sentences go; else it cuts off those at the ends, and a hole is left alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from reinschrift.transforms.boilerplate.packs import normal_key

if TYPE_CHECKING:
    from reinschrift.transforms.boilerplate.packs import Rule

# Two letters before the stop, so that "z. B. Cookies" and "e.g. Google" end no sentence.
_END = r"([\p{L}\p{N})\]%]{2}[\"“”’»)]*[.!?…]+[\"“”’»)\]]*)(\s*[\"“„«(]?\p{Lu})"
_SEAM = "\x1f"
NO_LIMIT = 2**31


def word_limit(rule: Rule) -> int:
    """The most words that a line, or a sentence, may have for the rule to fire."""
    return NO_LIMIT if rule.max_words is None else rule.max_words


def cut_at_stops(texts: pl.Series) -> pl.DataFrame:
    """Cut some different texts into sentences, once for all rules.

    Out: one row a sentence: `text` it stands in, its `key`, the key `folded`, its `words`, and `start`
    and `end` in code points of the text.
    """
    seamed = pl.col("text").str.replace_all(_END, f"${{1}}{_SEAM}${{2}}")
    pieces = (
        texts.alias("text")
        .to_frame()
        .with_columns(piece=seamed.str.split(_SEAM), number=pl.int_range(pl.len(), dtype=pl.UInt32))
        .explode("piece", empty_as_null=True)
    )
    return pieces.with_columns(
        key=normal_key(pl.col("piece")),
        size=pl.col("piece").str.len_chars().cast(pl.UInt32),
        words=pl.col("piece").str.count_matches(r"\S+"),
    ).select(
        "text",
        "number",
        "key",
        "words",
        folded=pl.col("key").str.to_lowercase(),
        end=pl.col("size").cum_sum().over("number"),
        start=(pl.col("size").cum_sum() - pl.col("size")).over("number"),
    )


def judge_sentences(sentences: pl.DataFrame, matched: pl.DataFrame, rule: Rule) -> pl.DataFrame:
    """What a rule of sentences does to the texts in which some sentence matched it.

    In: sentences as `cut_at_stops` gives them, and those of them that matched. Out: `text`, `action`
    (drop, or trim for a cut at an end; at most one a end), `cut_start`, `cut_end` in code points of the
    text. Texts left as they are have no row.
    """
    places = matched.select("number", "start", matches=pl.lit(value=True))
    blocks = (
        sentences.join(matched, on="number", how="semi", maintain_order="left")
        .join(places, on=["number", "start"], how="left", maintain_order="left")
        .with_columns(pl.col("matches").fill_null(value=False))
        .with_columns(goes=pl.col("matches") | _goes_along(rule))
        .with_columns(run=pl.col("goes").rle_id().over("number"))
        .with_columns(goes=pl.col("matches").any().over("number", "run"))
        .group_by("number", maintain_order=True)
        .agg(
            text=pl.col("text").first(),
            size=pl.col("end").last(),
            all_go=pl.col("goes").all(),
            stays_from=pl.col("start").filter(~pl.col("goes")).min(),
            stays_to=pl.col("end").filter(~pl.col("goes")).max(),
        )
    )
    return _cuts(blocks)


def _cuts(blocks: pl.DataFrame) -> pl.DataFrame:
    """The whole block, its head or its tail, from where what stays begins and ends."""
    nothing = pl.lit(None, dtype=pl.UInt32)
    whole = blocks.filter("all_go").with_columns(
        action=pl.lit("drop"), cut_start=nothing, cut_end=nothing
    )
    rest = blocks.filter(~pl.col("all_go")).with_columns(action=pl.lit("trim"))
    head = rest.filter(pl.col("stays_from") > 0).with_columns(
        cut_start=pl.lit(0, dtype=pl.UInt32), cut_end="stays_from"
    )
    tail = rest.filter(pl.col("stays_to") < pl.col("size")).with_columns(
        cut_start="stays_to", cut_end="size"
    )
    columns = ("text", "action", "cut_start", "cut_end")
    return pl.concat([part.select(columns) for part in (whole, head, tail)])


def _goes_along(rule: Rule) -> pl.Expr:
    """Sentences that go with a matched one beside them: what the rule says, and what has no letter."""
    bare = ~pl.col("key").str.contains(r"\p{L}")
    if rule.alongside is None:
        return bare
    flag = "(?i)" if rule.ignore_case else ""
    return bare | pl.col("key").str.contains(flag + rule.alongside)
