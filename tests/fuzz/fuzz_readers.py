"""Coverage-guided fuzzing of every reader, with atheris.

python -m tests.fuzz.fuzz_readers [-max_total_time=SECONDS] [other options of libFuzzer]

The first byte says the name, the rest is the file. What it finds it writes to crash-* and prints.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["reinschrift.flows.readers", "reinschrift.flows.sources"]):
    from tests.fuzz.readers import NAMES, check_reader, seeds


def fuzz_one(data: bytes) -> None:
    if data:
        check_reader(NAMES[data[0] % len(NAMES)], data[1:])


def main() -> None:
    with tempfile.TemporaryDirectory() as corpus:
        for name, data in seeds().items():
            Path(corpus, name).write_bytes(bytes([NAMES.index(name)]) + data)
        limits = ["-timeout=30", "-rss_limit_mb=3000", "-max_len=6000"]
        atheris.Setup([*sys.argv, *limits, corpus], fuzz_one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
