"""Peak memory of a process for an input and for one ten times as large.

python -m benchmarks.memory [--mb 200] [--what frames|stage|run] [--packing .gz] [--bench …]

frames: reading alone, up to RECORDS. stage: the whole read stage of one shard after the other. run:
everything; the gate is a process of its own, and the larger of the two counts. The input is the pages
of speed/text_jsonl over and over, each with changes,
so that no page is like another. Each size is measured in a process of its own.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.reading import records_of

if TYPE_CHECKING:
    from collections.abc import Iterator

FACTOR = 10


def changed_records(bench: Path) -> Iterator[bytes]:
    """Records without end; from the second round on a word is put in at a place that moves."""
    records = records_of(bench)
    for turn in itertools.count():
        for number, record in enumerate(records):
            words = record["text"].split(" ")
            for at in range(turn % 7, len(words), 7):
                words[at] += f"{turn}"
            made = {**record, "id": f"{turn}-{number}", "text": " ".join(words)}
            if turn and record.get("url"):
                made["url"] = f"{record['url']}?turn={turn}"
            yield json.dumps(made, ensure_ascii=False).encode() + b"\n"


def make_input(bench: Path, path: Path, megabytes: int) -> None:
    opened = gzip.open(path, "wb", 1) if path.suffix == ".gz" else path.open("wb")  # noqa: SIM115
    written = 0
    with opened as file:
        for line in changed_records(bench):
            file.write(line)
            written += len(line)
            if written >= megabytes * 1_000_000:
                return


def work(what: str, path: Path, out: Path) -> None:
    """Read the input, and print the peak memory in MB."""
    from reinschrift.flows.config import Settings
    from reinschrift.flows.ports import InProcessMapper
    from reinschrift.flows.run import run_plan
    from reinschrift.flows.sources.inputs import find_inputs
    from reinschrift.flows.stages.read import _read_batches, read_shard
    from reinschrift.flows.stages.rejects import RejectSink
    from reinschrift.flows.store.local import Corpus
    from tests.conftest import Quiet

    settings = Settings(out=out, max_decompress_ratio=1e6)
    if what == "run":
        run_plan([str(path)], settings, InProcessMapper(), Quiet())
    else:
        Corpus(out).prepare()
        for shard in find_inputs([str(path)], settings.shard_bytes).shards:
            if what == "stage":
                read_shard(shard, settings)
                continue
            for frame in _read_batches(shard, settings, RejectSink(out / "aside")):
                assert frame.height
    peaks = [
        resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    ]
    print(round(max(peaks) / 1e3))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bench", type=Path, default=Path("../shared/bench"))
    parser.add_argument("--mb", type=int, default=200)
    parser.add_argument("--what", choices=("frames", "stage", "run"), default="frames")
    parser.add_argument("--packing", choices=("", ".gz"), default="")
    parser.add_argument("--work", type=Path, nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work:
        work(given.what, *given.work)
        return
    peaks = []
    for megabytes in (given.mb, given.mb * FACTOR):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "pages.jsonl" + given.packing)
            make_input(given.bench, path, megabytes)
            command = [
                sys.executable,
                "-m",
                "benchmarks.memory",
                "--what",
                given.what,
                "--work",
                str(path),
            ]
            told = subprocess.run(
                [*command, f"{folder}/out"], capture_output=True, text=True, check=True
            )
            peaks.append(int(told.stdout.split()[-1]))
            print(f"{given.what} {path.name} {megabytes:5} MB: peak {peaks[-1]} MB", flush=True)
    print(f"{FACTOR} times the input: {peaks[1] / peaks[0] - 1:+.0%}")


if __name__ == "__main__":
    main()
