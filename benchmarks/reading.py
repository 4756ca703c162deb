"""What reading costs: MB of unpacked content a CPU second, everything up to the frames of records.

python -m benchmarks.reading [--bench ../shared/bench] [--pool N]

With --pool: what the processes of a run with the engine trafilatura cost, beside bare calls of
trafilatura in a pool of the same size.
"""

from __future__ import annotations

import argparse
import gzip
import json
import lzma
import multiprocessing
import os
import resource
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.speed import cpu_seconds, with_metadata
from reinschrift.flows.config import Settings
from reinschrift.flows.ports import PoolMapper
from reinschrift.flows.readers import Page, Piece, ReadOptions, read_piece
from reinschrift.flows.sources.inputs import find_inputs
from reinschrift.flows.stages.read import _read_batches
from reinschrift.flows.stages.rejects import RejectSink
from reinschrift.flows.workers.processes import start_worker
from reinschrift.transforms.html.extract import extract_with_trafilatura
from tests.conftest import clean
from tests.made import PACKED, csv_file, parquet, zipped

if TYPE_CHECKING:
    from collections.abc import Callable

REPEATS = 5


def records_of(bench: Path) -> list[dict[str, str]]:
    files = sorted((bench / "speed" / "text_jsonl").glob("*.jsonl.gz"))
    return [
        json.loads(line) for file in files for line in gzip.decompress(file.read_bytes()).splitlines()
    ]


def made(bench: Path, folder: Path) -> dict[str, int]:
    """Files of every format; their unpacked size in bytes."""
    records = records_of(bench)
    lines = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records).encode()
    texts = b"".join(record["text"].encode() for record in records)
    files = {"text.csv": csv_file(records), "text.parquet": parquet(records, 1000)}
    for packing in ("", ".gz", ".zst", ".bz2", ".xz"):
        files["text.jsonl" + packing] = PACKED[packing]("", lines)
    files["text.zip"] = zipped("text.jsonl", lines)
    sizes = dict.fromkeys(files, len(lines)) | {
        "text.csv": len(files["text.csv"]),
        "text.parquet": len(texts),
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    web = b"".join(
        gzip.decompress(file.read_bytes())
        for file in sorted((bench / "speed/html_warc").glob("*.warc.gz"))
    )
    for name, data in (("html.warc", web), ("html.warc.xz", lzma.compress(web, preset=1))):
        (folder / name).write_bytes(data)
        sizes[name] = len(web)
    (folder / "html.warc.gz").write_bytes(
        b"".join(f.read_bytes() for f in sorted((bench / "speed/html_warc").glob("*.warc.gz")))
    )
    return sizes | {"html.warc.gz": len(web)}


def read_frames(path: Path, settings: Settings) -> int:
    (shard,) = find_inputs([str(path)], 10**12).shards
    aside = RejectSink(path.parent / "aside")
    return sum(frame.height for frame in _read_batches(shard, settings, aside))


def best(work: Callable[[], object]) -> float:
    """The least CPU seconds of some calls, the first left out."""
    work()
    return min(cpu_seconds(work) for _ in range(REPEATS))


def report_formats(bench: Path) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        settings = Settings(out=folder / "out")
        (folder / "out" / ".reinschrift" / "stages").mkdir(parents=True)
        for name, size in sorted(made(bench, folder).items()):
            pages = read_frames(folder / name, settings)
            seconds = best(lambda name=name: read_frames(folder / name, settings))
            print(
                f"{name:15} {pages:5} pages {size / 1e6:6.1f} MB {size / 1e6 / seconds:7.0f} MB a CPU s"
            )


def pages_of(path: Path) -> list[Page]:
    options = ReadOptions(20_000_000, 1_000_000)
    items = read_piece(Piece(path, path.name, 0, path.stat().st_size), options)
    return [item for item in items if isinstance(item, Page)]


def children_seconds(work: Callable[[], object]) -> float:
    """CPU seconds of the processes that one call starts and ends."""

    def spent() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    start = spent()
    work()
    return spent() - start


def in_pool(function: Callable[[str], object], texts: list[str], workers: int) -> float:
    """CPU seconds of a pool for some calls."""

    def work() -> None:
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(
            workers, mp_context=spawn, initializer=start_worker, initargs=(os.getpid(),)
        ) as pool:
            list(pool.map(function, texts, chunksize=8))

    return children_seconds(work)


def read_in_pool(files: list[Path], workers: int) -> float:
    """CPU seconds of a pool for the read stage of a run with trafilatura."""

    def work() -> None:
        mapper = PoolMapper(workers)
        clean(files, Path(out), mapper, extractor="trafilatura", workers=workers, shard_bytes=2_000_000)
        mapper.close()

    with tempfile.TemporaryDirectory() as out:
        return children_seconds(work)


def report_pool(bench: Path, workers: int) -> None:
    files = sorted((bench / "speed/html_warc").glob("*.warc.gz"))
    texts = [page.content for file in files for page in pages_of(file)]
    seconds = {
        "bare trafilatura, text alone": in_pool(extract_with_trafilatura, texts, workers),
        "bare trafilatura, text and metadata": in_pool(with_metadata, texts, workers),
        "a run's pool: reading, verdict, metadata, rules, languages, sentences": read_in_pool(
            files, workers
        ),
    }
    print(
        f"{len(texts)} pages of HTML, {workers} processes, CPU seconds of the pool, its start included"
    )
    for name, spent in seconds.items():
        print(f"{name:72} {spent:6.1f}  {spent / seconds['bare trafilatura, text alone']:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bench", type=Path, default=Path("../shared/bench"))
    parser.add_argument("--pool", type=int, default=0)
    given = parser.parse_args()
    if given.pool:
        report_pool(given.bench, given.pool)
    else:
        report_formats(given.bench)


if __name__ == "__main__":
    main()
