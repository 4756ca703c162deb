"""Near duplicates: candidates by MinHash bands, decided by the exact Jaccard of word 3-grams."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from reinschrift.flows.stages.resolve.pages import read_stage_table
from reinschrift.flows.stages.resolve.verdicts import (
    BAND,
    KEYS_A_BUCKET,
    NEAR_BLOCK,
    NEAR_PAGE,
    NEAR_SENTENCE,
    PLACE,
    SPOT,
    STAYS,
    records_of,
)
from reinschrift.flows.stages.spill import Spill
from reinschrift.transforms.contracts import PAGE_KEYS
from reinschrift.transforms.repeats.exact import UNREPEATABLE_KINDS, normalise
from reinschrift.transforms.repeats.near import (
    Shingles,
    band_keys,
    banding,
    components,
    crowd_pairs,
    distinct,
    jaccard,
    page_shingles,
    shingle,
    star_pairs,
    unpack,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    from reinschrift.flows.stages.resolve.verdicts import Resolution
    from reinschrift.flows.store.local import Corpus


def find_near_pages(work: Resolution) -> None:
    """Of pages joined by near duplicates the first stays."""
    if not work.settings.judges_near:
        return
    bands = _spill_bands(work)
    near = _cluster_near(
        bands, partial(_shingles_of, work), work.pages.height, work.settings.near_threshold
    )
    numbers = np.arange(work.pages.height, dtype=np.uint32)
    work.drop_pages(pl.DataFrame({"page_no": numbers, "kept": near.cluster}), NEAR_PAGE)
    work.similarity = np.where(work.rule == NEAR_PAGE, near.similarity, work.similarity)


def find_near_units(work: Resolution, unit: Literal["block", "sentence"]) -> None:
    """Verdicts on blocks or sentences that say nearly what others of their language do."""
    settings = work.settings
    if unit not in settings.repeat_units or unit not in settings.near_units:
        return
    count, places = 0, [np.empty(0, dtype=SPOT)]
    bands, rows = banding(settings.near_threshold)
    spill = Spill(work.corpus.judgement / f"near-{unit}", BAND, bands)
    for texts in _long_texts(work, unit):
        keys = band_keys(shingle(texts["text"]), bands, rows)
        keys ^= texts["language_key"].to_numpy()[:, None]
        band = np.empty(keys.size, dtype=BAND)
        band["key"] = keys.ravel()
        band["page_no"] = np.repeat(np.arange(count, count + len(keys)), bands)
        spill.add(band, np.tile(np.arange(bands), len(keys)))
        places.append(records_of(texts, SPOT, PLACE))
        count += len(keys)
    near = _cluster_near(
        spill, lambda wanted: _sets_of(work, unit, wanted), count, settings.near_threshold
    )
    _add_near(work, unit, np.concatenate(places), near)


def _spill_bands(work: Resolution) -> Spill:
    """The MinHash keys of the pages that stay, by band and key."""
    bands, _ = banding(work.settings.near_threshold)
    lots = 1 + work.pages.height // KEYS_A_BUCKET
    spill = Spill(work.corpus.judgement / "bands", BAND, bands * lots)
    for shard, offset in work.first_page.items():
        found = read_stage_table(
            work.corpus, work.stages[shard], PAGE_KEYS, ["page", "bands"]
        ).drop_nulls()
        numbers = found["page"].to_numpy().astype(np.uint32) + np.uint32(offset)
        ours = work.rule[numbers] == STAYS
        keys = found["bands"].explode(empty_as_null=True).to_numpy().reshape(-1, bands)[ours]
        rows = np.empty(keys.size, dtype=BAND)
        rows["key"] = keys.ravel()
        rows["page_no"] = np.repeat(numbers[ours], bands)
        band = np.tile(np.arange(bands, dtype=np.uint64), len(keys))
        spill.add(rows, band * np.uint64(lots) + rows["key"] % np.uint64(lots))
    return spill


def _shingles_of(work: Resolution, wanted: NDArray[np.uint32]) -> _Sets:
    """The 3-grams of some pages, of what the templates left of them, in a file."""
    units = work.units(["text"], wanted)
    return _write_sets(work.corpus, (page_shingles(some) for some in units))


def _add_near(work: Resolution, unit: str, spots: NDArray[Any], near: _Near) -> None:
    """Verdicts on units that joined the cluster of an earlier one; all sentences of a block."""
    repeats = np.flatnonzero(near.cluster != np.arange(len(spots)))
    if not len(repeats):
        return
    rows, owners, alike = spots[repeats], spots[near.cluster[repeats]], near.similarity[repeats]
    if unit == "block":
        place = ["page_no", "block"]
        blocks = pl.DataFrame({name: rows[name] for name in place}).with_row_index("of")
        wanted = np.unique(rows["page_no"])
        lines = [
            some.join(blocks, on=place, how="inner", maintain_order="left")
            for some in work.units([], wanted)
        ]
        found = pl.concat(lines)
        of = found["of"].to_numpy()
        rows, owners, alike = records_of(found, SPOT, PLACE), owners[of], alike[of]
    rule = NEAR_BLOCK if unit == "block" else NEAR_SENTENCE
    work.add_verdicts(rows, rule, owners, similarity=alike)


def _long_texts(work: Resolution, unit: str) -> Iterator[pl.DataFrame]:
    """Units of enough words on the pages that stay, a shard at a time.

    Out: `page_no`, `block`, `sentence` (of a block its first), `text` normalised, `language_key`.
    """
    key = list(PLACE) if unit == "sentence" else ["page_no", "block"]
    wanted = np.flatnonzero(work.rule == STAYS).astype(np.uint32)
    for units in work.units(["text", "language", "kind"], wanted):
        texts = units.filter(~pl.col("kind").is_in(UNREPEATABLE_KINDS))
        if unit == "block":
            texts = texts.group_by(key, maintain_order=True).agg(
                pl.col("sentence", "language").first(), pl.col("text").str.join(" ")
            )
        language = pl.col("language").nchash.xxh3_64()  # type: ignore[attr-defined]
        normal = texts.select(*PLACE, text=normalise(pl.col("text")), language_key=language)
        words = pl.col("text").str.count_matches(" ", literal=True) + 1
        long_enough = normal.filter(words >= work.settings.near_min_words)
        if not long_enough.is_empty():
            yield long_enough


def _sets_of(work: Resolution, unit: str, wanted: NDArray[np.uint32]) -> _Sets:
    """The 3-grams of some of these units, by their number in the order they come."""

    def some() -> Iterator[tuple[pl.Series, Shingles]]:
        count = 0
        for texts in _long_texts(work, unit):
            low, high = np.searchsorted(wanted, [count, count + texts.height])
            mine = pl.Series(wanted[low:high])
            yield mine, distinct(shingle(texts["text"].gather(mine - count)))
            count += texts.height

    return _write_sets(work.corpus, some())


@dataclass(frozen=True)
class _Near:
    """What near duplicates came to: for each unit the first of its cluster, and its best score."""

    cluster: NDArray[np.int64]
    similarity: NDArray[np.float32]


def _cluster_near(
    bands: Spill, sets_of: Callable[[NDArray[np.uint32]], _Sets], count: int, threshold: float
) -> _Near:
    """Clusters of `count` units, proposed by their bands, decided by their sets of 3-grams."""
    pairs = _all_pairs(bands, star_pairs)
    sets = sets_of(np.unique(np.concatenate(unpack(pairs))))
    joined, scores = sets.score(pairs, threshold)
    cluster = _components(count, joined)
    rest = _all_pairs(bands, lambda keys, ids: crowd_pairs(keys, ids, cluster[ids].astype(np.uint32)))
    more, more_scores = sets.score(np.setdiff1d(rest, pairs), threshold)
    bands.clear()
    joined, scores = np.concatenate([joined, more]), np.concatenate([scores, more_scores])
    similarity = np.full(count, np.nan, dtype=np.float32)
    for side in unpack(joined):
        np.fmax.at(similarity, side, scores.astype(np.float32))
    return _Near(_components(count, joined), similarity)


def _components(count: int, joined: NDArray[np.uint64]) -> NDArray[np.int64]:
    left, right = unpack(joined)
    return components(count, left.astype(np.int64), right.astype(np.int64))


def _write_sets(corpus: Corpus, found: Iterable[tuple[pl.Series, Shingles]]) -> _Sets:
    """Sets of 3-grams in a file, which is read as it is needed."""
    path = corpus.judgement / "shingles.bin"
    numbers, ends = [np.empty(0, dtype=np.uint32)], [np.empty(0, dtype=np.int64)]
    total = 0
    with path.open("wb") as handle:
        for units, sets in found:
            sets.values.tofile(handle)
            numbers.append(units.to_numpy())
            ends.append(sets.ends + total)
            total += len(sets.values)
    values = np.memmap(path, dtype=np.uint64, mode="r") if total else np.empty(0, dtype=np.uint64)
    return _Sets(np.concatenate(numbers), Shingles(values, np.concatenate(ends)))


@dataclass(frozen=True)
class _Sets:
    """The 3-grams of units; `numbers` ascending."""

    numbers: NDArray[np.uint32]
    shingles: Shingles

    def score(
        self, pairs: NDArray[np.uint64], threshold: float
    ) -> tuple[NDArray[np.uint64], NDArray[np.float64]]:
        """Those pairs of units that are at least so alike, and how much."""
        left, right = unpack(pairs)
        known = np.isin(left, self.numbers) & np.isin(right, self.numbers)
        left, right = left[known], right[known]
        scores = jaccard(
            self.shingles, np.searchsorted(self.numbers, left), np.searchsorted(self.numbers, right)
        )
        alike = scores >= threshold
        return pairs[known][alike], scores[alike]


def _all_pairs(
    bands: Spill, find: Callable[[NDArray[np.uint64], NDArray[np.uint32]], NDArray[np.uint64]]
) -> NDArray[np.uint64]:
    """Pairs proposed by any band, each once."""
    pairs = np.empty(0, dtype=np.uint64)
    for bucket in range(bands.buckets):
        rows = bands.read(bucket)
        if len(rows):
            pairs = np.union1d(pairs, find(rows["key"], rows["page_no"]))
    return pairs
