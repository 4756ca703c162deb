"""Texts that say nearly the same: MinHash with banding proposes, exact Jaccard on word 3-grams decides.

Words are what white space parts in the normalised text; case, digits and diacritics count. A 3-gram is
known by 64 bits of its words' hashes. Broder 1997, "On the resemblance and containment of documents";
banding after Leskovec, Rajaraman, Ullman, "Mining of Massive Datasets", section 3.4.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import polars_hash  # noqa: F401 - registers Expr.nchash

from reinschrift.transforms.contracts import PAGE_KEYS
from reinschrift.transforms.repeats.exact import mix, normalise

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHINGLE_WORDS = 3
MAX_HASHES = 128
MIN_CHANCE = 0.99  # that a pair exactly at the threshold is proposed
CROWD = 32  # in a crowded bucket a page is compared with so many that follow it, and with the first
CHUNK_SHINGLES = 1 << 20
CHUNK_PAIRS_VALUES = 1 << 22

_MULTIPLIERS = np.random.Generator(np.random.PCG64(20_240_229)).integers(
    1, 1 << 32, size=(2, MAX_HASHES), dtype=np.uint32
)
_WORD_WEIGHTS = (
    np.uint64(0x9E3779B97F4A7C15),
    np.uint64(0xC2B2AE3D27D4EB4F),
    np.uint64(0x165667B19E3779F9),
)


@dataclass(frozen=True)
class Shingles:
    """The 3-grams of texts, end to end: those of text i are `values[ends[i - 1]:ends[i]]`."""

    values: NDArray[np.uint64]
    ends: NDArray[np.int64]

    @property
    def starts(self) -> NDArray[np.int64]:
        """Where each text's begin."""
        return np.concatenate(([0], self.ends[:-1])).astype(np.int64)


def banding(threshold: float) -> tuple[int, int]:
    """Bands, and rows a band, by which a pair at the threshold is proposed with MIN_CHANCE.

    Of all that give this within MAX_HASHES, the one with the most rows: the fewest false proposals.
    """
    for rows in range(MAX_HASHES, 0, -1):
        bands = MAX_HASHES // rows
        if (1 - threshold**rows) ** bands > 1 - MIN_CHANCE:
            continue
        missed = 1 - threshold**rows
        return (math.ceil(math.log(1 - MIN_CHANCE) / math.log(missed)) if missed else 1), rows
    return MAX_HASHES, 1


def describe_pages(units: pl.DataFrame, threshold: float | None, min_words: int) -> pl.DataFrame:
    """PAGE_KEYS of the pages that have text left.

    In: UNITS. Pages of fewer than `min_words` words have no `bands`, nor has any without a threshold:
    they are near duplicates of nothing.
    """
    texts = units.group_by("page", maintain_order=True).agg(pl.col("text").str.join(" "))
    normal = texts.with_columns(text=normalise(pl.col("text")))
    keys = normal.select(
        "page",
        "text",
        text_hash=pl.col("text").nchash.xxh3_128(),  # type: ignore[attr-defined]
        n_chars=pl.col("text").str.len_chars(),
        n_words=pl.col("text").str.count_matches(" ", literal=True) + 1,
    )
    long_enough = keys.filter(pl.col("n_words") >= max(min_words, SHINGLE_WORDS))
    if threshold is None or long_enough.is_empty():
        return PAGE_KEYS.conform(keys)
    found = band_keys(shingle(long_enough["text"]), *banding(threshold))
    bands = pl.Series("bands", found).cast(pl.List(pl.UInt64))
    long_enough = long_enough.select("page").with_columns(bands)
    return PAGE_KEYS.conform(keys.join(long_enough, on="page", how="left", maintain_order="left"))


def page_shingles(units: pl.DataFrame) -> tuple[pl.Series, Shingles]:
    """The numbers of pages and their distinct 3-grams. In: `page_no`, `text`, sentences in order."""
    texts = units.group_by("page_no", maintain_order=True).agg(pl.col("text").str.join(" "))
    normal = texts.select("page_no", text=normalise(pl.col("text")))
    return normal["page_no"], distinct(shingle(normal["text"]))


def shingle(texts: pl.Series) -> Shingles:
    """The word 3-grams of normalised texts, in their order, repeats and all."""
    words = texts.str.split(" ")
    counts = words.list.len().to_numpy().astype(np.int64)
    hashed = words.explode(empty_as_null=True, keep_nulls=True).to_frame("word")
    hashes = hashed.select(pl.col("word").nchash.xxh3_64()).to_series().to_numpy()  # type: ignore[attr-defined]
    per_text = np.maximum(counts - SHINGLE_WORDS + 1, 0)
    ends = np.cumsum(per_text)
    first_word = np.cumsum(counts) - counts
    at = np.arange(int(ends[-1]) if len(ends) else 0) + np.repeat(
        first_word - (ends - per_text), per_text
    )
    values = sum(
        (hashes[at + offset] * weight for offset, weight in enumerate(_WORD_WEIGHTS)),
        start=np.zeros(len(at), dtype=np.uint64),
    )
    return Shingles(mix(values), ends)


def distinct(shingles: Shingles) -> Shingles:
    """Each text's 3-grams once, ascending."""
    owner = np.repeat(np.arange(len(shingles.ends)), np.diff(shingles.ends, prepend=0))
    order = np.lexsort((shingles.values, owner))
    values, owner = shingles.values[order], owner[order]
    is_new = np.ones(len(values), dtype=bool)
    is_new[1:] = (values[1:] != values[:-1]) | (owner[1:] != owner[:-1])
    counts = np.bincount(owner[is_new], minlength=len(shingles.ends))
    return Shingles(values[is_new], np.cumsum(counts))


def band_keys(shingles: Shingles, bands: int, rows: int) -> NDArray[np.uint64]:
    """One key a text and band, shape (texts, bands): texts alike in all rows of a band share its key.

    Every text must have a 3-gram.
    """
    starts = shingles.starts
    keys = np.empty((len(starts), bands), dtype=np.uint64)
    values = (shingles.values >> np.uint64(32)).astype(np.uint32)
    for first, end in _chunks(shingles.ends):
        low, high = starts[first], shingles.ends[end - 1]
        part, heads = values[low:high], starts[first:end] - low
        for band in range(bands):
            key = np.full(end - first, band, dtype=np.uint64)
            for row in range(band * rows, (band + 1) * rows):
                multiplier = _MULTIPLIERS[0, row] | np.uint32(1)
                lowest = np.minimum.reduceat(part * multiplier + _MULTIPLIERS[1, row], heads)
                key = mix(key * _WORD_WEIGHTS[0] + lowest)
            keys[first:end, band] = key
    return keys


def _chunks(ends: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Runs of texts of about CHUNK_SHINGLES together, as (first, end)."""
    chunks, first, base = [], 0, 0
    while first < len(ends):
        end = max(first + 1, int(np.searchsorted(ends, base + CHUNK_SHINGLES, side="right")))
        chunks.append((first, end))
        first, base = end, int(ends[end - 1])
    return chunks


def star_pairs(keys: NDArray[np.uint64], ids: NDArray[np.uint32]) -> NDArray[np.uint64]:
    """Pairs of each id with the lowest of its bucket, packed (`pack`), each once."""
    order = np.lexsort((ids, keys))
    keys, ids = keys[order], ids[order]
    is_head = np.ones(len(keys), dtype=bool)
    is_head[1:] = keys[1:] != keys[:-1]
    heads = ids[is_head][np.cumsum(is_head) - 1]
    return np.unique(pack(heads[~is_head], ids[~is_head]))


def crowd_pairs(
    keys: NDArray[np.uint64], ids: NDArray[np.uint32], cluster: NDArray[np.uint32]
) -> NDArray[np.uint64]:
    """Pairs within a bucket, up to CROWD apart, that no cluster joins yet; packed, each once.

    `cluster` is that of each id in `ids`.
    """
    order = np.lexsort((ids, keys))
    keys, ids, cluster = keys[order], ids[order], cluster[order]
    found = []
    for apart in range(1, min(CROWD, max(len(keys) - 1, 0)) + 1):
        together = keys[apart:] == keys[:-apart]
        if not together.any():
            break
        open_ = together & (cluster[apart:] != cluster[:-apart])
        found.append(pack(ids[:-apart][open_], ids[apart:][open_]))
    return np.unique(np.concatenate(found)) if found else np.empty(0, dtype=np.uint64)


def pack(left: NDArray[np.uint32], right: NDArray[np.uint32]) -> NDArray[np.uint64]:
    """Two ids as one number, the lower in front."""
    low, high = np.minimum(left, right), np.maximum(left, right)
    return (low.astype(np.uint64) << np.uint64(32)) | high.astype(np.uint64)


def unpack(pairs: NDArray[np.uint64]) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """The two ids of packed pairs."""
    return (pairs >> np.uint64(32)).astype(np.uint32), pairs.astype(np.uint32)


def jaccard(sets: Shingles, left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.float64]:
    """|A ∩ B| / |A ∪ B| of each pair of texts, given by number; `sets` as `distinct` gives them."""
    starts = sets.starts
    sizes = sets.ends - starts
    result = np.zeros(len(left), dtype=np.float64)
    totals = np.cumsum(sizes[left] + sizes[right])
    first, base = 0, 0
    while first < len(left):
        end = max(first + 1, int(np.searchsorted(totals, base + CHUNK_PAIRS_VALUES, side="right")))
        result[first:end] = _jaccard(sets.values, starts, sizes, left[first:end], right[first:end])
        first, base = end, int(totals[end - 1])
    return result


def _jaccard(
    values: NDArray[np.uint64],
    starts: NDArray[np.int64],
    sizes: NDArray[np.int64],
    left: NDArray[np.int64],
    right: NDArray[np.int64],
) -> NDArray[np.float64]:
    """A pair's values, with the pair's number in the upper bits, meet their equals by one sort."""
    pairs = np.arange(len(left))
    texts = np.stack([left, right], axis=1).ravel()
    lengths = sizes[texts]
    ends = np.cumsum(lengths)
    at = np.arange(int(ends[-1])) + np.repeat(starts[texts] - (ends - lengths), lengths)
    owner = np.repeat(np.repeat(pairs, 2), lengths)
    bits = max(1, len(left).bit_length())
    tagged = (owner.astype(np.uint64) << np.uint64(64 - bits)) | (values[at] >> np.uint64(bits))
    tagged.sort()
    twice = tagged[1:] == tagged[:-1]
    common = np.bincount(
        (tagged[1:][twice] >> np.uint64(64 - bits)).astype(np.int64), minlength=len(left)
    )
    union = sizes[left] + sizes[right] - common
    share: NDArray[np.float64] = common / np.maximum(union, 1)
    return share


def components(count: int, left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each of `count` nodes the lowest node it is joined to, directly or by a chain of edges."""
    label = np.arange(count)
    while True:
        low = np.minimum(label[left], label[right])
        after = label.copy()
        np.minimum.at(after, label[left], low)
        np.minimum.at(after, label[right], low)
        while True:
            shorter = after[after]
            if np.array_equal(shorter, after):
                break
            after = shorter
        if np.array_equal(after, label):
            return label
        label = after
