"""The first stage of a run, a shard at a time: read, and everything that needs only the page.

Cached by content, settings and code. Plain functions on paths; who maps them is up to the caller.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import polars as pl

from reinschrift.flows.readers import Broken, Columns, Ignored, Page, ReadOptions, read_piece
from reinschrift.flows.stages.fingerprint import stage_version
from reinschrift.flows.store.local import Corpus, stage_files, write_table
from reinschrift.flows.workers.limits import limited
from reinschrift.flows.workers.memory import give_back
from reinschrift.flows.workers.processes import Processes
from reinschrift.transforms.boilerplate.rules import RuleBook
from reinschrift.transforms.contracts import (
    ACTIONS_TAKEN,
    IGNORED,
    PAGE_KEYS,
    PAGE_METRICS,
    PAGES,
    QUARANTINE,
    RECORDS,
    UNITS,
)
from reinschrift.transforms.html.extract import extract_with_trafilatura
from reinschrift.transforms.pipeline import Context, read_stage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path
    from typing import Self

    from reinschrift.flows.config import Settings
    from reinschrift.flows.readers import Item
    from reinschrift.flows.sources.inputs import Shard
    from reinschrift.transforms.pipeline import Stage

    ReadBatch = Callable[[pl.DataFrame, Settings, Callable[[Broken], None]], Iterator[Stage]]

QUARANTINE_ROWS = 10_000  # written at a time


def read_shard(shard: Shard, settings: Settings) -> str:
    """Bring one shard through the read stage, unless that was done before.

    Out: the name of its folder under `Corpus.stages`, which holds PAGES, UNITS,
    PAGE_KEYS, ACTIONS_TAKEN, PAGE_METRICS and QUARANTINE, a folder each.
    """
    return _read_shard(shard, settings, read_batch)


def read_shard_carefully(shard: Shard, settings: Settings) -> str:
    """The same, in a process of its own, for shards of which a page kills the process that reads it.

    Such a page is judged without the extractor; one that kills even then is quarantined.
    """
    with CarefulReader(settings) as reader:
        return _read_shard(shard, settings, reader.read)


def _read_shard(shard: Shard, settings: Settings, read: ReadBatch) -> str:
    version = _context(settings)[1]
    name = f"{shard.key}-{version[:16]}"
    stages = Corpus(settings.out).stages
    if is_whole(stages / name):
        return name
    part = stages / f"{name}.{os.getpid()}.part"
    shutil.rmtree(part, ignore_errors=True)
    aside = _Aside(part)
    batches = _read_batches(shard, settings, aside)
    read_batches = (stage for records in batches for stage in read(records, settings, aside.put))
    for number, stage in enumerate(read_batches):
        for table, frame in (
            (PAGES, stage.pages),
            (UNITS, stage.units),
            (PAGE_KEYS, stage.page_keys),
            (ACTIONS_TAKEN, stage.actions),
            (PAGE_METRICS, stage.metrics),
        ):
            write_table(frame, table, part / table.name / f"{number:05d}.parquet")
        give_back()
    aside.close()
    if _changed(shard) or aside.is_passing:
        name += "-passing"  # what was read is not what was hashed: never found again
    shutil.rmtree(stages / name, ignore_errors=True)
    part.rename(stages / name)
    return name


def read_batch(
    records: pl.DataFrame, settings: Settings, refuse: Callable[[Broken], None] | None = None
) -> Iterator[Stage]:
    """RECORDS through the read stage."""
    del refuse
    extractor = None
    if settings.extractor == "trafilatura":
        extractor = limited(extract_with_trafilatura, settings.max_page_cpu_seconds)
    yield read_stage(records, _context(settings)[0], extractor)


def _read_in_child(records: pl.DataFrame, settings: Settings) -> list[Stage]:
    return list(read_batch(records, settings))


def _read_without_extractor(records: pl.DataFrame, settings: Settings) -> list[Stage]:
    """The extractor kills the process that asks it: it gives no verdict, and the ledger says why."""

    def refuse(_html: str) -> str | None:
        raise ExtractorDiedError("it killed the process it ran in")

    extractor = refuse if settings.extractor == "trafilatura" else None
    return [read_stage(records, _context(settings)[0], extractor)]


class ExtractorDiedError(RuntimeError):
    """The extractor ended the process it ran in."""


@dataclass
class CarefulReader:
    """Reads the batches of a shard in a child process, and finds the pages that kill it by halving."""

    settings: Settings
    processes: Processes = field(default_factory=lambda: Processes(1))
    refused: int = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.processes.close()

    def read(
        self, records: pl.DataFrame, settings: Settings, refuse: Callable[[Broken], None]
    ) -> Iterator[Stage]:
        """RECORDS through the read stage, but for the pages that can't be read; those are refused."""
        stages = self._ask(_read_in_child, records)
        if stages is None and records.height > 1:
            half = records.height // 2
            yield from self.read(records[:half], settings, refuse)
            yield from self.read(records[half:], settings, refuse)
            return
        if stages is None:
            stages = self._ask(_read_without_extractor, records)
        if stages is None:
            row = records.row(0, named=True)
            where = row["record_id"] and f"id {row['record_id']}"
            reason = "reading it kills the process that reads it"
            # It may have been killed from outside, for want of memory: the next run tries again.
            remedy = "remove it, and report it with the page"
            refuse(Broken(row["source"], where, reason, remedy, is_passing=True))
            self.refused += 1
            return
        yield from stages

    def _ask(
        self, function: Callable[[pl.DataFrame, Settings], list[Stage]], records: pl.DataFrame
    ) -> list[Stage] | None:
        """What the child answers; None if it died."""
        # The pages of a shard are numbered without a gap, for the judge counts on.
        numbered = records.with_columns(pl.col("page") - self.refused)
        try:
            return self.processes.ready(1).submit(function, numbered, self.settings).result()
        except BrokenProcessPool:
            self.processes.renew()
            return None


def is_whole(stage: Path) -> bool:
    """Whether a cached stage is there, and every file of it can be opened."""
    try:
        for file in stage.rglob("*.parquet"):
            pl.read_parquet_schema(file)
    except (OSError, pl.exceptions.PolarsError):
        return False
    return (stage / QUARANTINE.name).is_dir()


def _changed(shard: Shard) -> bool:
    """Whether a file is another than the one that was hashed."""
    local = (piece for piece in shard.pieces if not piece.remote)
    try:
        return any(piece.path.stat().st_mtime_ns != piece.modified_ns for piece in local)
    except OSError:
        return True


@dataclass
class _Aside:
    """What of a shard is no page: written to its stage, a bounded number of rows at a time."""

    stage: Path
    broken: list[Broken] = field(default_factory=list)
    ignored: Counter[Ignored] = field(default_factory=Counter)
    files: int = 0
    is_passing: bool = False

    def put(self, item: Broken | Ignored) -> None:
        """Remember it."""
        if isinstance(item, Ignored):
            self.ignored[item] += 1
            return
        self.is_passing |= item.is_passing
        self.broken.append(item)
        if len(self.broken) >= QUARANTINE_ROWS:
            self._write()

    def close(self) -> None:
        """Write what is left."""
        self._write()
        rows = [
            (_writable(item.source), item.reason, count) for item, count in sorted(self.ignored.items())
        ]
        frame = pl.DataFrame(rows, schema=IGNORED.schema, orient="row")
        write_table(frame, IGNORED, self.stage / IGNORED.name / "00000.parquet")

    def _write(self) -> None:
        path = self.stage / QUARANTINE.name / f"{self.files:05d}.parquet"
        write_table(quarantine(self.broken), QUARANTINE, path)
        self.files += 1
        self.broken.clear()


def _read_batches(shard: Shard, settings: Settings, aside: _Aside) -> Iterator[pl.DataFrame]:
    """RECORDS of a shard, a bounded number of bytes at a time; what is no page goes aside."""
    batch: list[dict[str, Any]] = []
    size = page = 0
    for item in _read_pieces(shard, settings):
        if not isinstance(item, Page):
            aside.put(item)
            continue
        batch.append({"page": page, **vars(item)})
        page += 1
        size += len(item.content)
        if size >= settings.shard_bytes:
            yield _frame(batch)
            size = 0
    if batch:
        yield _frame(batch)


def _frame(batch: list[dict[str, Any]]) -> pl.DataFrame:
    """RECORDS, and the list is empty, so that no text is held twice."""
    frame = pl.DataFrame(batch, schema=RECORDS.schema)
    batch.clear()
    return frame


def _read_pieces(shard: Shard, settings: Settings) -> Iterator[Item]:
    options = ReadOptions(
        max_page_bytes=settings.max_page_bytes,
        max_line_chars=settings.max_line_chars,
        max_decompress_ratio=settings.max_decompress_ratio,
        columns=Columns(settings.columns),
        scratch=Corpus(settings.out).stages,
    )
    for piece in shard.pieces:
        try:
            yield from read_piece(piece, options)
        except OSError as error:
            reason = f"can't be read: {error.strerror or error}"
            yield Broken(piece.source, None, reason, "check it", is_passing=True)


def count_pages(stage: str, settings: Settings) -> int:
    """Pages that were read in a shard."""
    files = stage_files(Corpus(settings.out), stage, PAGES)
    return int(pl.scan_parquet(files).select(pl.len()).collect().item()) if files else 0


def ignored_within(stages: list[str], settings: Settings) -> tuple[str, ...]:
    """What of the inputs' content is no page, such as images in an archive, as lines to show."""
    corpus = Corpus(settings.out)
    files = [file for stage in stages for file in stage_files(corpus, stage, IGNORED)]
    if not files:
        return ()
    sums = pl.scan_parquet(files).group_by("source", "reason").agg(pl.col("records").sum())
    rows = sums.sort("source", "reason").collect().iter_rows()
    return tuple(f"{source}: {records:,} {reason}" for source, reason, records in rows)


@lru_cache(maxsize=4)
def _context(settings: Settings) -> tuple[Context, str]:
    """The compiled rules, once for each process, and the version of the read stage."""
    options = settings.options()
    return Context(options, RuleBook(options.packs)), stage_version(settings, options)


def quarantine(broken: Iterable[Broken]) -> pl.DataFrame:
    """QUARANTINE rows."""
    rows = [
        {
            name: value if value is None else _writable(value)
            for name, value in asdict(item).items()
            if name in QUARANTINE.schema
        }
        for item in broken
    ]
    return pl.DataFrame(rows, schema=QUARANTINE.schema)


def _writable(text: str) -> str:
    """Text that a file can hold: no halves of characters."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def forget_stages(keep: list[str], settings: Settings) -> None:
    """Remove cached read stages that the published corpus was not made from."""
    for folder in Corpus(settings.out).stages.iterdir():
        if folder.name not in keep:
            shutil.rmtree(folder, ignore_errors=True)


def records_of(shard: Shard, settings: Settings) -> Iterator[pl.DataFrame]:
    """RECORDS of a shard, a bounded number of bytes at a time, without what is no page."""
    return _read_batches(shard, settings, _Nowhere())


def was_changed(shard: Shard) -> bool:
    """Whether a file of a shard is another than the one that was hashed."""
    return _changed(shard)


class _Nowhere(_Aside):
    """What is no page is left where it is."""

    def __init__(self) -> None: ...

    def put(self, item: Broken | Ignored) -> None: ...
