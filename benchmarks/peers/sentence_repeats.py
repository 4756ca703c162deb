"""Sentence repeats by one of the programs, on the read stage's sentences of a run; CPU seconds as JSON.

python -m benchmarks.peers.sentence_repeats hash|normalise|resolve|polars|duckdb OUT

hash, polars, duckdb: what is distinct among sentences already normalised; ours by hashes of 64 bits.
normalise: ours with the normalising. resolve: our whole resolve stage, pages and near duplicates among
it, from the keys on disk. Of some rounds the fastest counts: a round takes parts of a second.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import polars as pl
import polars_hash  # noqa: F401 - registers Expr.nchash

from benchmarks.repeats import cpu_seconds, our_repeats
from reinschrift.flows.config import load_settings
from reinschrift.flows.stages.resolve import resolve
from reinschrift.flows.store.local import Corpus
from reinschrift.transforms.repeats.exact import find_repeats, normalise

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 5


def hash_and_find(normal: pl.Series) -> int:
    """How many distinct ones our own finding keeps."""
    hashes = normal.to_frame().select(pl.col("text").nchash.xxh3_64())  # type: ignore[attr-defined]
    keys = hashes.to_series().to_numpy()
    none = np.zeros(len(keys), dtype=np.uint64)
    return len(keys) - len(find_repeats(keys, none, none.astype(bool))[0])


def polars_unique(normal: pl.Series) -> int:
    """How many distinct ones Polars keeps, in order, as ours."""
    return normal.to_frame().unique(keep="first", maintain_order=True).height


def duckdb_distinct(normal: pl.Series) -> int:
    """How many distinct ones DuckDB keeps."""
    connection = duckdb.connect(config={"threads": 1})
    connection.register("sentences", normal.to_frame().to_arrow())
    query = "create temp table kept as select distinct text from sentences"
    connection.execute(query)
    return int(connection.sql("select count(*) from kept").fetchall()[0][0])


PROGRAMS = {"hash": hash_and_find, "polars": polars_unique, "duckdb": duckdb_distinct}


def resolve_stages(out: Path) -> float:
    """CPU seconds of our resolve stage over a copy of the keys of a run."""
    with tempfile.TemporaryDirectory() as folder:
        corpus = Corpus(Path(folder))
        shutil.copytree(Corpus(out).stages, corpus.stages)
        corpus.judgement.mkdir(parents=True)
        names = sorted(path.name for path in corpus.stages.iterdir() if path.is_dir())
        seconds, _ = cpu_seconds(lambda: resolve(names, load_settings(out=Path(folder))))
    return seconds


def best(work: Callable[[], int]) -> tuple[float, int]:
    """The least CPU seconds of some rounds, and what was left."""
    rounds = [cpu_seconds(work) for _ in range(ROUNDS)]
    return min(seconds for seconds, _ in rounds), rounds[0][1]


def main() -> None:
    program, out = sys.argv[1], Path(sys.argv[2])
    files = sorted(Corpus(out).stages.glob("*/units/*.parquet"))
    texts = pl.read_parquet(files, columns=["text"])["text"]
    kept: int | None
    if program == "resolve":
        seconds, kept = min(resolve_stages(out) for _ in range(ROUNDS)), None
    elif program == "normalise":
        seconds, kept = best(lambda: len(texts) - our_repeats(texts))
    else:
        normal = texts.to_frame().select(normalise(pl.col("text"))).to_series().rechunk()
        count = PROGRAMS[program]
        seconds, kept = best(lambda: count(normal))
    print(json.dumps({"cpu_seconds": seconds, "sentences": len(texts), "kept": kept}))


if __name__ == "__main__":
    main()
