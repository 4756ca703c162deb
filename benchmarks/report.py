"""CPU seconds and size of the report of many documents: the pages of the seeds, over and over.

python -m benchmarks.report [--documents 100000]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import polars as pl

ROOT = Path(__file__).parents[1]
KEYED = {
    "documents": ["id"],
    "sentences": ["id", "document_id", "duplicate_of"],
    "ledger": ["document_id", "kept_at"],
}


def multiply(corpus: Path, to: Path, times: int) -> None:
    """The tables of a corpus `times` over, every page with an id of its own."""
    for path in corpus.rglob("*.parquet"):
        frame = pl.read_parquet(path, hive_partitioning=False)
        place = to / path.relative_to(corpus)
        place.parent.mkdir(parents=True, exist_ok=True)
        names = KEYED.get(path.relative_to(corpus).parts[0], [])
        copies = range(times) if names else range(1)
        parts = [
            frame.with_columns((pl.col(name) + f"-{number}").alias(name) for name in names)
            for number in copies
        ]
        pl.concat(parts).write_parquet(place)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=100_000)
    wanted = parser.parse_args().documents
    from reinschrift.expectations.report import Result
    from reinschrift.expectations.states import PUBLISHED
    from reinschrift.expectations.verdict import Verdict
    from reinschrift.flows.reporting.facts import gather_facts
    from reinschrift.flows.reporting.render import render_report
    from reinschrift.flows.store.local import Corpus

    with tempfile.TemporaryDirectory() as name:
        out = Path(name) / "out"
        command = [sys.executable, "-m", "reinschrift", "run", "seeds", "--out", str(out)]
        subprocess.run(command, check=True, cwd=ROOT, capture_output=True)
        corpus = Corpus(out).current.resolve()
        many = Path(name) / "many"
        documents = pl.scan_parquet(corpus / "documents").select(pl.len()).collect().item()
        multiply(corpus, many, wanted // documents)
        result = Result(PUBLISHED, Verdict([]), str(out), "many")
        for label, folder in (("seeds", corpus), (f"{wanted:,} documents", many)):
            began, wall = time.process_time(), time.monotonic()
            html = render_report(gather_facts(folder, Corpus(out), result))
            spent = time.process_time() - began
            print(
                f"{label}: {spent:.2f} CPU s, {time.monotonic() - wall:.2f} s, {len(html) / 1e6:.2f} MB"
            )


if __name__ == "__main__":
    main()
