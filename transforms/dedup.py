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

    from numpy.typing import NDArray

Frame = TypeVar("Frame", pl.DataFrame, pl.LazyFrame)
UNREPEATABLE_KINDS = ("code", "table")  # a line of code or a cell has its meaning from its place
QUOTES = {
    **dict.fromkeys("„“”‟«»″〝〞", '"'),
    **dict.fromkeys("‚‘’‛‹›`´′", "'"),
}
_MIX = (np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53))
# All that composing (NFC) may change: marks, jamo, and signs that stand for others.
_COMPOSABLE = (
    r"[\p{M}\u{374}\u{37E}\u{387}\u{958}-\u{FB9}\u{1100}-\u{11FF}\u{1F71}-\u{1FFD}\u{2126}"
    r"\u{212A}\u{212B}\u{2329}\u{232A}\u{2ADC}\u{F900}-\u{FAFF}\u{FB1D}-\u{FB4E}"
    r"\u{1D15E}-\u{1D1C0}\u{2F800}-\u{2FA1D}]"
)
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


def add_hash(sentences: Frame, min_chars: int, bits: int = 64) -> Frame:
    """Add `hash` (xxh3_64 of the normalised text), `hash_high` and `repeatable`.

    In: `text`, `kind`. A sentence shorter than `min_chars` code points, and code and tables, never
    count as repeats. `hash_high` is the upper half of xxh3_128, or null where `bits` is 64.
    """
    normal = sentences.with_columns(normal=normalise(pl.col("text")))
    text = pl.col("normal")
    high = pl.lit(None, dtype=pl.UInt64)
    if bits == 128:
        high = (text.nchash.xxh3_128() // (1 << 64)).cast(pl.UInt64)  # type: ignore[attr-defined]
    return normal.with_columns(
        hash=text.nchash.xxh3_64(),  # type: ignore[attr-defined]
        hash_high=high,
        repeatable=(text.str.len_chars() >= min_chars) & ~pl.col("kind").is_in(UNREPEATABLE_KINDS),
    ).drop("normal")


def mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Each bit of the result hangs on each bit of the value (the finish of MurmurHash3)."""
    values = (values ^ (values >> np.uint64(33))) * _MIX[0]
    values = (values ^ (values >> np.uint64(33))) * _MIX[1]
    return values ^ (values >> np.uint64(33))


def find_repeats(
    keys: NDArray[np.uint64], high: NDArray[np.uint64], is_gone: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows that have an earlier twin, and the row of that twin: the first that is not gone.

    In: keys in corpus order, equal where text and language are; `high` are more bits of them. A row
    that is gone stands on a page that was dropped: it may repeat another, but owns nothing.
    Out: row numbers, ascending, and those of the copies that stay.
    """
    order = np.lexsort((high, keys)) if high.any() else np.argsort(keys)
    is_head = np.ones(len(keys), dtype=bool)
    is_head[1:] = (keys[order][1:] != keys[order][:-1]) | (high[order][1:] != high[order][:-1])
    heads = np.flatnonzero(is_head)
    if not len(heads):
        return order, order
    rank = order + (is_gone[order].astype(np.int64) << 40)
    first = np.repeat(np.minimum.reduceat(rank, heads), np.diff(heads, append=len(keys)))
    is_repeat = (rank != first) & (first < 1 << 40)
    rows, owners = order[is_repeat], first[is_repeat]
    back = np.argsort(rows)
    return rows[back], owners[back]


def combine(hashes: NDArray[np.uint64], starts: NDArray[np.int64]) -> NDArray[np.uint64]:
    """One key for each run of sentence hashes, in which their order counts; runs begin at `starts`."""
    at = np.arange(len(hashes)) - np.repeat(starts, np.diff(starts, append=len(hashes)))
    salted = mix(hashes + at.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15))
    return mix(np.add.reduceat(salted, starts)) if len(starts) else hashes[:0]
