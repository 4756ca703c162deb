"""Sentences that stand in another published corpus: a reference, by an index of its sentences.

The index of a reference is made once and kept in the output folder, named by the reference's seal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl

from reinschrift.flows.stages.resolve.verdicts import KNOWN, PLACE, SPOT, records_of
from reinschrift.flows.store.local import explain_os_error
from reinschrift.flows.store.references import references_of
from reinschrift.flows.store.tables import read_table
from reinschrift.transforms.contracts import SENTENCES

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from reinschrift.flows.stages.resolve.verdicts import Resolution

ROOT_CHARS = 16
# What the id of a sentence is made of.
COPY = np.dtype([("document", "S20"), ("block", "<u4"), ("sentence", "<u4")])


class _Index(NamedTuple):
    """The sentences of a reference: `keys` (hash and language) ascending, and where each stands first.

    Both lie in files that are read as they are needed.
    """

    keys: NDArray[np.uint64]
    copies: NDArray[Any]


def find_in_references(work: Resolution) -> None:
    """Verdicts on sentences that stand in a reference, in the same language, with the copy there."""
    documents: list[NDArray[Any]] = [np.empty(0, dtype="S20")]
    count = 0
    for root, folder in sorted(references_of(work.settings.against).items()):
        index = _open_index(work, root, folder)
        if not len(index.keys):
            continue
        for units in work.units(["hash", "language", "repeatable"]):
            keys = _with_key(units.filter("repeatable"))
            own = keys["key"].to_numpy()
            at = np.minimum(np.searchsorted(index.keys, own), len(index.keys) - 1)
            is_known = index.keys[at] == own
            gone = records_of(keys.filter(pl.Series(is_known)), SPOT, PLACE)
            copies = index.copies[at[is_known]]
            owners = np.zeros(len(gone), dtype=SPOT)
            owners["page_no"] = np.arange(count, count + len(gone))  # into the documents below
            owners["block"], owners["sentence"] = copies["block"], copies["sentence"]
            documents.append(copies["document"])
            count += len(gone)
            work.add_verdicts(gone, KNOWN, owners)
    np.save(work.corpus.judgement / "known.npy", np.concatenate(documents))


def _with_key(sentences: pl.DataFrame) -> pl.DataFrame:
    """Add `key`: a sentence repeats only those of its language."""
    language = pl.col("language").nchash.xxh3_64()  # type: ignore[attr-defined]
    return sentences.with_columns(key=pl.col("hash") ^ language)


def _open_index(work: Resolution, root: str, folder: Path) -> _Index:
    place = work.corpus.home / "references" / root[:ROOT_CHARS]
    files = [place / "keys.npy", place / "copies.npy"]
    if not files[-1].exists():
        try:
            place.mkdir(parents=True, exist_ok=True)
            for file, values in zip(files, _make_index(folder), strict=True):
                aside = file.with_suffix(".part.npy")
                np.save(aside, values)
                aside.rename(file)
        except OSError as error:
            raise explain_os_error(error, place) from error
    return _Index(*(np.load(file, mmap_mode="r") for file in files))


def _make_index(folder: Path) -> _Index:
    columns = ["document_id", "block", "sentence", "language", "hash"]
    sentences = read_table(folder, SENTENCES).select(columns).collect()
    first = _with_key(sentences).unique("key", keep="first", maintain_order=True).sort("key")
    copies = np.zeros(first.height, dtype=COPY)
    copies["document"] = first["document_id"].to_numpy().astype("S20")
    copies["block"], copies["sentence"] = first["block"].to_numpy(), first["sentence"].to_numpy()
    return _Index(first["key"].to_numpy(), copies)
