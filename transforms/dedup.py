"""Repeats: sentences that already stand earlier in the corpus, found from hashes alone.

Two sentences repeat each other if they are equal after Unicode composition, white space and quotation
marks are made alike. Letters, case, diacritics, digits and words count: *schön* is not *schon*.
"""

from __future__ import annotations

from typing import TypeVar

import polars as pl
import polars_hash  # noqa: F401 - registers Expr.nchash

Frame = TypeVar("Frame", pl.DataFrame, pl.LazyFrame)
UNREPEATABLE_KINDS = ("code", "table")  # a line of code or a cell has its meaning from its place
QUOTES = {
    **dict.fromkeys("„“”‟«»″〝〞", '"'),
    **dict.fromkeys("‚‘’‛‹›`´′", "'"),
}


def normalise(text: pl.Expr) -> pl.Expr:
    """What is compared: composed (NFC), white space single, quotation marks plain.

    Most lines need none of it, and looking is far cheaper than rewriting.
    """
    spaced = text.str.strip_chars()
    composed = (
        pl.when(
            spaced.str.contains(r"\p{M}|[\u{1100}-\u{11FF}\u{F900}-\u{FAFF}\u{2126}\u{212A}\u{212B}]")
        )
        .then(spaced.str.normalize("NFC"))
        .otherwise(spaced)
    )
    quoted = composed.str.replace_many(list(QUOTES), list(QUOTES.values()))
    return (
        pl.when(quoted.str.contains(r"\s\s|[^\S ]"))
        .then(quoted.str.replace_all(r"\s+", " "))
        .otherwise(quoted)
    )


def add_hash(sentences: Frame, min_chars: int) -> Frame:
    """Add `hash` (xxh3_64 of the normalised text) and `repeatable`.

    In: `text`, `kind`. A sentence shorter than `min_chars` code points, and code and tables, never
    count as repeats.
    """
    normal = normalise(pl.col("text"))
    long_enough = normal.str.len_chars() >= min_chars
    return sentences.with_columns(
        hash=normal.nchash.xxh3_64(),  # type: ignore[attr-defined]
        repeatable=long_enough & ~pl.col("kind").is_in(UNREPEATABLE_KINDS),
    )


def find_repeats(keys: pl.LazyFrame) -> pl.LazyFrame:
    """Every repeatable sentence that has an earlier twin in its language.

    In: `position` (ascending in corpus order), `hash`, `language`, `repeatable`. Out: `position` and
    `kept_position`, those of the repeat and of the copy that stays.
    """
    numbered = keys.filter("repeatable")
    owners = (
        numbered.group_by("hash", "language")
        .agg(kept_position=pl.col("position").min(), copies=pl.len())
        .filter(pl.col("copies") > 1)
        .drop("copies")
    )
    return (
        numbered.join(owners, on=["hash", "language"])
        .filter(pl.col("position") != pl.col("kept_position"))
        .select("position", "kept_position")
        .sort("position")
    )
