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
    r"\u{16D63}-\u{16D6A}\u{1D15E}-\u{1D1C0}\u{2F800}-\u{2FA1D}]"
)
_QUOTE = f"[{''.join(QUOTES)}]"
_LOOK = rf"^\s|\s$|\s\s|[^\S ]|{_COMPOSABLE}|{_QUOTE}"


# Each odd space becomes a plain one, and each run of spaces a single one.
_ODD_SPACES = "\t\n\x0b\x0c\r\x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(
    map(chr, range(0x2000, 0x200B))
)
_RUNS = {" " * length: " " for length in range(2, 13)}
# Composing makes quotation marks of these two, so they need not be composed before.
_PLAIN = {**_RUNS, **dict.fromkeys(_ODD_SPACES, " "), **QUOTES, "\u1fef": "'", "\u1ffd": "'"}
_LONGEST_FIRST = sorted(_PLAIN, key=lambda text: -len(text))

_LOOK_AGAIN = rf"^ | $|  |{_COMPOSABLE}"


def normalise(text: pl.Expr) -> pl.Expr:
    """What is compared: composed (NFC), white space single, quotation marks plain.

    Looking costs a tenth of rewriting, and few sentences need any of it, so only those are rewritten.
    """
    return text.map_batches(
        lambda texts: _change(texts, texts.str.contains(_LOOK), _rewrite_all),
        return_dtype=pl.String,
        is_elementwise=True,
    )


def _rewrite_all(texts: pl.Series) -> pl.Series:
    """Normalised texts: one pass for all that is replaced, then what few need besides."""
    plain = texts.str.replace_many(
        _LONGEST_FIRST, [_PLAIN[text] for text in _LONGEST_FIRST], leftmost=True
    )
    return _change(plain, plain.str.contains(_LOOK_AGAIN), _rewrite_rest)


def _rewrite_rest(texts: pl.Series) -> pl.Series:
    composed = _change(texts, texts.str.contains(_COMPOSABLE), lambda some: some.str.normalize("NFC"))
    return composed.str.replace_all(" {2,}", " ").str.strip_chars(" ")


def _change(texts: pl.Series, which: pl.Series, change: Callable[[pl.Series], pl.Series]) -> pl.Series:
    """The texts, those at `which` changed."""
    where = which.arg_true()
    if where.is_empty():
        return texts
    source = np.arange(len(texts), dtype=np.uint32)
    source[where.to_numpy()] = np.arange(len(texts), len(texts) + len(where), dtype=np.uint32)
    return pl.concat([texts, change(texts.gather(where))]).gather(pl.Series(source))


_DESCRIBED = pl.Struct({"hash": pl.UInt64, "hash_high": pl.UInt64, "is_long": pl.Boolean})


def _describe(texts: pl.Series, min_chars: int, bits: int) -> pl.Series:
    """Hashes of the normalised texts, and whether they are long enough; the texts are not kept."""
    needed = texts.str.contains(_LOOK)
    parts = [texts.filter(~needed), _rewrite_all(texts.filter(needed))]
    kept, changed = (_hashes(part, min_chars, bits) for part in parts)
    at = needed.to_numpy()
    columns = []
    for name, dtype in kept.schema.items():
        values = np.empty(len(texts), dtype=bool if dtype == pl.Boolean else np.uint64)
        values[~at] = kept[name].to_numpy()
        values[at] = changed[name].to_numpy()
        columns.append(pl.Series(name, values))
    if bits == 64:
        columns.append(pl.Series("hash_high", [None], dtype=pl.UInt64).new_from_index(0, len(texts)))
    return (
        pl.DataFrame(columns).select([field.name for field in _DESCRIBED.fields]).to_struct(texts.name)
    )


def _hashes(texts: pl.Series, min_chars: int, bits: int) -> pl.DataFrame:
    text = pl.col("text")
    facts = {"hash": text.nchash.xxh3_64(), "is_long": text.str.len_chars() >= min_chars}  # type: ignore[attr-defined]
    if bits == 128:
        wide = text.nchash.xxh3_128()  # type: ignore[attr-defined]
        facts["hash_high"] = (wide // (1 << 64)).cast(pl.UInt64)
    return texts.to_frame("text").select(**facts)


def add_hash(sentences: Frame, min_chars: int, bits: int = 64) -> Frame:
    """Add `hash` (xxh3_64 of the normalised text), `hash_high` and `repeatable`.

    In: `text`, `kind`. A sentence shorter than `min_chars` code points, and code and tables, never
    count as repeats. `hash_high` is the upper half of xxh3_128, or null where `bits` is 64.
    """
    described = pl.col("text").map_batches(
        lambda texts: _describe(texts, min_chars, bits), return_dtype=_DESCRIBED, is_elementwise=True
    )
    facts = pl.col("_facts").struct
    return (
        sentences.with_columns(_facts=described)
        .with_columns(
            hash=facts.field("hash"),
            hash_high=facts.field("hash_high"),
            repeatable=facts.field("is_long") & ~pl.col("kind").is_in(UNREPEATABLE_KINDS),
        )
        .drop("_facts")
    )


def mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Each bit of the result depends on each bit of the value (the finish of MurmurHash3)."""
    values = (values ^ (values >> np.uint64(33))) * _MIX[0]
    values = (values ^ (values >> np.uint64(33))) * _MIX[1]
    return values ^ (values >> np.uint64(33))


def find_repeats(
    keys: NDArray[np.uint64], high: NDArray[np.uint64], is_gone: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows that have an earlier twin, and the row of that twin: the first that is not gone.

    In: keys in corpus order, equal where text and language are; `high` are more bits of them. A row
    that is gone stands on a page that was dropped: it may repeat another, but owns nothing.
    Out: row numbers, in no order, and those of the copies that stay.
    """
    order, is_head = _in_groups(keys, high)
    heads = np.flatnonzero(is_head)
    if len(heads) == len(keys):
        return order[:0], order[:0]
    if not is_gone.any():
        repeats = np.flatnonzero(~is_head)  # the first row of a group stands first in it
        return order[repeats], order[heads][np.cumsum(is_head)[repeats] - 1]
    rank = order + (is_gone[order].astype(np.int64) << 40)
    first = np.minimum.reduceat(rank, heads)[np.cumsum(is_head) - 1]
    is_repeat = (rank != first) & (first < 1 << 40)
    return order[is_repeat], first[is_repeat]


def _in_groups(
    keys: NDArray[np.uint64], high: NDArray[np.uint64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Row numbers, those of equal keys together and ascending, and which of them begin a group.

    Sorting values is many times faster than sorting row numbers by them, so the upper bits of a key and
    its row number are sorted as one; the few groups that differ in the rest are put in order after.
    """
    bits = np.uint64(max(1, len(keys)).bit_length())
    packed = keys >> bits
    packed <<= bits
    packed |= np.arange(len(keys), dtype=np.uint64)
    packed.sort()
    order = (packed & ((np.uint64(1) << bits) - np.uint64(1))).astype(np.int64)
    packed >>= bits
    is_head = np.ones(len(keys), dtype=bool)
    np.not_equal(packed[1:], packed[:-1], out=is_head[1:])
    clash = ~is_head[1:] & _differ(keys, high, order)
    if clash.any():
        again = np.isin(packed, packed[1:][clash])
        rows = order[again]
        order[again] = rows[np.lexsort((rows, high[rows], keys[rows], packed[again]))]
        is_head[1:] |= _differ(keys, high, order)
    return order, is_head


def _differ(
    keys: NDArray[np.uint64], high: NDArray[np.uint64], order: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Whether each key, from the second on, differs from the one before in that order."""
    in_order = keys[order]
    differ: NDArray[np.bool_] = in_order[1:] != in_order[:-1]
    if high.any():
        in_order = high[order]
        differ |= in_order[1:] != in_order[:-1]
    return differ


def combine(hashes: NDArray[np.uint64], starts: NDArray[np.int64]) -> NDArray[np.uint64]:
    """One key for each run of sentence hashes, in which their order counts; runs begin at `starts`."""
    at = np.arange(len(hashes)) - np.repeat(starts, np.diff(starts, append=len(hashes)))
    salted = mix(hashes + at.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15))
    return mix(np.add.reduceat(salted, starts)) if len(starts) else hashes[:0]
