"""Sentences and blocks that stand earlier in the corpus, word for word."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from reinschrift.flows.stages.resolve.near import find_near_units
from reinschrift.flows.stages.resolve.reference import find_in_references
from reinschrift.flows.stages.resolve.verdicts import (
    BLOCK,
    KEY,
    PLACE,
    SENTENCE,
    SPOT,
    STAYS,
    records_of,
)
from reinschrift.flows.stages.spill import Spill
from reinschrift.transforms.repeats.exact import UNREPEATABLE_KINDS, combine, find_repeats

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from reinschrift.flows.stages.resolve.verdicts import Resolution


def find_sentences(work: Resolution) -> None:
    """Verdicts on sentences that stand in a reference or earlier in the corpus, in the same language."""
    if work.settings.against:
        find_in_references(work)
    if "sentence" in work.settings.repeat_units:
        _find_exact_sentences(work)
    find_near_units(work, "sentence")


def _find_exact_sentences(work: Resolution) -> None:
    """Sentences that stand earlier word for word."""
    units = work.units(["hash", "hash_high", "language", "repeatable"])
    rows = (
        records_of(_keys(batch.filter("repeatable")), KEY, ("key", "high", *PLACE)) for batch in units
    )
    for repeats, owners in _find_exact(work, rows, "keys"):
        work.add_verdicts(repeats, SENTENCE, owners)


def find_blocks(work: Resolution) -> None:
    """Verdicts on the sentences of blocks that stand earlier in the corpus."""
    if "block" in work.settings.repeat_units:
        _find_exact_blocks(work)
    find_near_units(work, "block")


def _find_exact_blocks(work: Resolution) -> None:
    """Blocks that stand earlier word for word."""
    units = work.units(["hash", "hash_high", "language", "kind", "start", "end"])
    rows = (_block_keys(batch, work.settings.min_repeat_chars) for batch in units)
    for repeats, owners in _sentences_of(work, [*_find_exact(work, rows, "blocks")]):
        work.add_verdicts(repeats, BLOCK, owners)


def _sentences_of(
    work: Resolution, blocks: Sequence[tuple[NDArray[Any], NDArray[Any]]]
) -> list[tuple[NDArray[Any], NDArray[Any]]]:
    """The sentences of blocks that repeat others, each beside its twin in the other block."""
    place = ["page_no", "block"]
    sides = [np.concatenate([pair[side][place] for pair in blocks]) for side in (0, 1)]
    pairs = pl.DataFrame(
        {f"{n}": sides[0][n] for n in place} | {f"kept_{n}": sides[1][n] for n in place}
    )
    if pairs.is_empty():
        return []
    touched = pl.concat(
        [pairs.select(place), pairs.select(pl.col("^kept_.*$").name.map(lambda n: n[5:]))]
    )
    found = [
        units.join(touched.unique(), on=place, how="semi", maintain_order="left")
        for units in work.units([])
    ]
    lines = pl.concat(found).select(*PLACE, rank=pl.int_range(pl.len()).over(place))
    both = (
        lines.join(pairs, on=place)
        .join(
            lines.select(
                kept_page_no="page_no", kept_block="block", kept_sentence="sentence", rank="rank"
            ),
            on=["kept_page_no", "kept_block", "rank"],
        )
        .sort(PLACE)
    )
    owners = both.select(page_no="kept_page_no", block="kept_block", sentence="kept_sentence")
    return [(records_of(both, SPOT, PLACE), records_of(owners, SPOT, PLACE))]


def _find_exact(
    work: Resolution, batches: Iterable[NDArray[Any]], name: str
) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """Of each bucket of keys (rows of KEY) those that repeat others, and those others.

    Units of pages that are gone count only where repeats are marked, and after those that stay.
    """
    spill = Spill(work.corpus.judgement / name, KEY, work.buckets())
    marks = work.settings.repeats_mode == "mark"
    for rows in batches:
        rows["is_gone"] = work.rule[rows["page_no"]] != STAYS
        counted = rows if marks else rows[~rows["is_gone"]]
        spill.add(counted, counted["key"] % np.uint64(spill.buckets))
    for bucket in range(spill.buckets):
        rows = spill.read(bucket)
        repeats, owners = find_repeats(rows["key"], rows["high"], rows["is_gone"])
        yield rows[repeats], rows[owners]
    spill.clear()


def _keys(units: pl.DataFrame) -> pl.DataFrame:
    """Add `key` and `high`: a sentence repeats only those of its language."""
    language = pl.col("language").nchash.xxh3_64()  # type: ignore[attr-defined]
    return units.with_columns(key=pl.col("hash") ^ language, high=pl.col("hash_high").fill_null(0))


def _block_keys(units: pl.DataFrame, min_chars: int) -> NDArray[Any]:
    """Keys of blocks; those that may count as repeats."""
    if units.is_empty():
        return np.zeros(0, dtype=KEY)
    keys = _keys(units)
    new = (pl.col("page_no") != pl.col("page_no").shift()) | (pl.col("block") != pl.col("block").shift())
    starts = keys.select(new.fill_null(value=True)).to_series().arg_true().to_numpy().astype(np.int64)
    ends = np.append(starts[1:], keys.height) - 1
    rows = np.zeros(len(starts), dtype=KEY)
    rows["key"] = combine(keys["key"].to_numpy(), starts)
    rows["high"] = combine(keys["high"].to_numpy(), starts)
    rows["page_no"], rows["block"] = keys["page_no"].to_numpy()[starts], keys["block"].to_numpy()[starts]
    width = keys["end"].to_numpy().astype(np.int64)[ends] - keys["start"].to_numpy()[starts]
    is_free = ~keys["kind"].is_in(UNREPEATABLE_KINDS).to_numpy()[starts]
    may_repeat: NDArray[np.bool_] = (width >= min_chars) & is_free
    return rows[may_repeat]
