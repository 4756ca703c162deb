"""What the machine does at best on the bytes of a file, in the environment of the peers; prints JSON.

python -m benchmarks.peers.machine_limits TEXT.jsonl
"""

from __future__ import annotations

import gzip
import io
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 5


def least_seconds(work: Callable[[], object]) -> float:
    """The least CPU seconds of some calls."""
    seconds = []
    for _ in range(ROUNDS):
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    return min(seconds)


def main() -> None:
    data = Path(sys.argv[1]).read_bytes()
    texts = [json.loads(line)["text"] for line in data.splitlines()]
    table = pa.table({"text": pa.array(texts)})
    packed = gzip.compress(data)
    size = sum(len(text.encode()) for text in texts)
    limits = {
        "Parquet written with zstd": (
            size,
            least_seconds(lambda: pq.write_table(table, io.BytesIO(), compression="zstd")),
        ),
        "gzip unpacked by zlib": (len(data), least_seconds(lambda: gzip.decompress(packed))),
        "xxh3 of one buffer": (len(data), least_seconds(lambda: xxhash.xxh3_64_intdigest(data))),
    }
    print(json.dumps(limits))


if __name__ == "__main__":
    main()
