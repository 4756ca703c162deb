"""Repeats: sentences that already stand earlier in the corpus, found from hashes alone.

Two sentences repeat each other if they are equal after Unicode composition, white space and quotation
marks are made alike. Letters, case, diacritics, digits and words count: *schön* is not *schon*.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np
import polars as pl
import polars_hash  # noqa: F401 - registers Expr.nchash

if TYPE_CHECKING:
    from collections.abc import Callable

Frame = TypeVar("Frame", pl.DataFrame, pl.LazyFrame)
UNREPEATABLE_KINDS = ("code", "table")  # a line of code or a cell has its meaning from its place
QUOTES = {
    **dict.fromkeys("„“”‟«»″〝〞", '"'),
    **dict.fromkeys("‚‘’‛‹›`´′", "'"),
}


_COMPOSABLE = r"[\p{M}\u{1100}-\u{11FF}\u{F900}-\u{FAFF}\u{2126}\u{212A}\u{212B}]"
_SPACED = r"\s\s+|[^\S ]"
_LOOK = rf"{_SPACED}|{_COMPOSABLE}|[{''.join(QUOTES)}]"


def normalise(text: pl.Expr) -> pl.Expr:
    """What is compared: composed (NFC), white space single, quotation marks plain.

    Looking costs a tenth of rewriting, and few sentences need any of it, so only those are rewritten.
    """
    return text.map_batches(_normalise, return_dtype=pl.String, is_elementwise=True)


def _normalise(texts: pl.Series) -> pl.Series:
    return _rewrite(texts.str.strip_chars(), _LOOK, _rewrite_all)


def _rewrite_all(texts: pl.Series) -> pl.Series:
    composed = _rewrite(texts, _COMPOSABLE, lambda some: some.str.normalize("NFC"))
    quoted = composed.str.replace_many(list(QUOTES), list(QUOTES.values()))
    return _rewrite(quoted, _SPACED, lambda some: some.str.replace_all(_SPACED, " "))


def _rewrite(texts: pl.Series, pattern: str, change: Callable[[pl.Series], pl.Series]) -> pl.Series:
    """The texts, those in which `pattern` occurs changed."""
    where = texts.str.contains(pattern).arg_true()
    if where.is_empty():
        return texts
    source = np.arange(len(texts), dtype=np.uint32)
    source[where.to_numpy()] = np.arange(len(texts), len(texts) + len(where), dtype=np.uint32)
    return pl.concat([texts, change(texts.gather(where))]).gather(pl.Series(source))


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
