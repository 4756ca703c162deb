"""The judge of repeats on made-up keys, a partition at a time: is a partition's cost flat as keys grow?

python -m benchmarks.simulate_scale [--keys 10_000_000 100_000_000 1_000_000_000] [--partitions 0]

Keys of half as many different sentences are drawn; those of a partition (by their hash, as in a run) are
written to a file, read back and judged by the resolver's own function. `--partitions N` does N of each
and says so; 0 does all. Nothing but the partition at work is held.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np

from reinschrift.flows.stages.resolve.verdicts import KEY, KEYS_A_BUCKET
from reinschrift.flows.stages.spill import Spill
from reinschrift.transforms.repeats.exact import find_repeats

KEYS_A_PAGE = 30


def make_partition(number: int, count: int, partitions: int) -> np.ndarray:
    """KEY rows of one partition of `count` keys in all, in corpus order; the same each time."""
    random = np.random.default_rng([number, partitions])
    size = random.binomial(count, 1 / partitions)
    rows = np.zeros(size, dtype=KEY)
    sentences = random.integers(0, max(1, count // 2 // partitions), size, dtype=np.uint64)
    mixed = (sentences * np.uint64(partitions) + np.uint64(number)) * np.uint64(0x9E3779B97F4A7C15)
    rows["key"] = mixed
    rows["page_no"] = np.sort(random.integers(0, max(1, count // KEYS_A_PAGE), size)).astype(np.uint32)
    rows["block"] = np.arange(size) % KEYS_A_PAGE
    return rows


def judge_partitions(count: int, wanted: int) -> tuple[int, list[float], int]:
    """Partitions in all, CPU seconds of each that was judged, and repeats found in them."""
    partitions = 1 + count // KEYS_A_BUCKET
    seconds: list[float] = []
    found = 0
    step = max(1, partitions // wanted) if wanted else 1
    with tempfile.TemporaryDirectory() as folder:
        for number in range(0, partitions, step):
            rows = make_partition(number, count, partitions)
            spill = Spill(Path(folder), KEY, 1)
            spill.add(rows, np.zeros(len(rows)))
            spill._write()  # as in a run that outgrows its buffer
            del rows
            start = time.process_time()
            again = spill.read(0)
            repeats, _ = find_repeats(again["key"], again["high"], again["is_gone"])
            seconds.append(time.process_time() - start)
            found += len(repeats)
            spill.clear()
    return partitions, seconds, found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, nargs="+", default=[10**7, 10**8, 10**9])
    parser.add_argument("--partitions", type=int, default=0)
    given = parser.parse_args()
    print("| keys | partitions | judged | CPU s a partition, median | slowest | repeats | peak MB |")
    print("|---|---|---|---|---|---|---|")
    for count in given.keys:
        partitions, seconds, found = judge_partitions(count, given.partitions)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"| {count:,} | {partitions:,} | {len(seconds):,} | {np.median(seconds):.2f} | "
            f"{max(seconds):.2f} | {found:,} | {peak:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
