"""The first stage of a run, a shard at a time: read, and everything that needs only the page.

Cached by content, settings and code. Plain functions on paths; who maps them is up to the caller.
"""

from __future__ import annotations

import os
import shutil
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import polars as pl

from reinschrift.flows.config import user_packs
from reinschrift.flows.readers import Broken, Columns, Page, ReadOptions, read_piece
from reinschrift.flows.stages.cache import is_whole, seal_stage, set_aside
from reinschrift.flows.stages.fingerprint import stage_version
from reinschrift.flows.stages.rejects import NoSink, RejectSink
from reinschrift.flows.store.local import Corpus, explain_os_error
from reinschrift.flows.store.tables import stage_files, write_table
from reinschrift.flows.workers.limits import PageWatch, stopped_page
from reinschrift.flows.workers.memory import trim_malloc
from reinschrift.flows.workers.processes import Processes
from reinschrift.transforms.boilerplate.rules import RuleBook
from reinschrift.transforms.contracts import (
    ACTIONS_TAKEN,
    IGNORED,
    PAGE_KEYS,
    PAGE_METRICS,
    PAGES,
    RECORDS,
    UNITS,
)
from reinschrift.transforms.html.extract import extract_with_trafilatura
from reinschrift.transforms.pipeline.runner import read_stage
from reinschrift.transforms.pipeline.working import Context

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import Self

    from reinschrift.flows.config import Settings
    from reinschrift.flows.readers import Item
    from reinschrift.flows.sources.inputs import Shard
    from reinschrift.transforms.boilerplate.packs import Pack
    from reinschrift.transforms.html.extract import Extractor
    from reinschrift.transforms.pipeline.runner import Stage

    ReadBatch = Callable[[pl.DataFrame, Settings, Callable[[Broken], None]], Iterator[Stage]]

MAX_STOPPED_PAGES = 3  # of a shard; with more it is read in a process of its own


def read_shard(shard: Shard, settings: Settings) -> str:
    """Bring one shard through the read stage, unless that was done before.

    Out: the name of its folder under `Corpus.stages`, which holds PAGES, UNITS,
    PAGE_KEYS, ACTIONS_TAKEN, PAGE_METRICS and QUARANTINE, a folder each.

    A page that takes too much CPU time is read by its tags alone. One that ends the process that reads
    it is found by `suspects` and `read_shard_carefully`.
    """
    notes = ShardNotes.of(shard, settings)
    watch = PageWatch(settings.max_page_cpu_seconds, notes.journal, notes.note_stopped())

    def read(
        records: pl.DataFrame, settings: Settings, _reject: Callable[[Broken], None]
    ) -> Iterator[Stage]:
        yield read_batch(records, settings, watch)

    with watch:
        return _read_shard(shard, settings, read)


def read_shard_carefully(shard: Shard, settings: Settings) -> str:
    """The same, in a process of its own, for shards of which a page ends the process that reads it.

    Such a page is read by its tags alone; one that ends the process even then is quarantined.
    """
    with CarefulReader(settings) as reader:
        return _read_shard(shard, settings, reader.read)


@dataclass(frozen=True)
class ShardNotes:
    """What attempts to read a shard left behind: the page at work, and pages that took too long."""

    journal: Path
    list: Path

    @classmethod
    def of(cls, shard: Shard, settings: Settings) -> ShardNotes:
        """The notes of a shard, which exist only while it is not read to its end."""
        stage = Corpus(settings.out).stages / _stage_name(shard, settings)
        return cls(stage.with_name(f"{stage.name}.watch"), stage.with_name(f"{stage.name}.stopped"))

    def note_stopped(self) -> frozenset[int]:
        """The pages that were killed at their limit, with that of the last attempt."""
        page = stopped_page(self.journal)
        if page is not None:
            self.journal.unlink()
            with self.list.open("a", encoding="utf-8") as handle:
                handle.write(f"{page}\n")
        try:
            return frozenset(map(int, self.list.read_text(encoding="utf-8").split()))
        except FileNotFoundError:
            return frozenset()


def note_slow_pages(shards: list[Shard], settings: Settings) -> int:
    """Note the pages at whose limit a process was killed; how many there are."""
    notes = [ShardNotes.of(shard, settings) for shard in shards]
    slow = [one for one in notes if stopped_page(one.journal) is not None]
    for one in slow:
        one.note_stopped()
    return len(slow)


def suspects(shards: list[Shard], settings: Settings) -> list[Shard]:
    """The shards at work when a process died; a page that only took too long must be noted before.

    With more than a few such pages, a shard is a suspect as well.
    """
    found = []
    for shard in shards:
        notes = ShardNotes.of(shard, settings)
        if notes.journal.exists() or len(notes.note_stopped()) > MAX_STOPPED_PAGES:
            found.append(shard)
    return found


def clear_notes(shard: Shard, settings: Settings) -> None:
    """Forget what attempts to read a shard left behind, once it was read."""
    notes = ShardNotes.of(shard, settings)
    notes.journal.unlink(missing_ok=True)
    notes.list.unlink(missing_ok=True)


def _stage_name(shard: Shard, settings: Settings) -> str:
    return f"{shard.key}-{_context(settings)[1][:16]}"


def _read_shard(shard: Shard, settings: Settings, read: ReadBatch) -> str:
    name = _stage_name(shard, settings)
    stages = Corpus(settings.out).stages
    if is_whole(stages / name):
        return name
    if (stages / name).exists():
        set_aside(stages / name)
    part = stages / f"{name}.{os.getpid()}.part"
    shutil.rmtree(part, ignore_errors=True)
    rejects = RejectSink(part)
    batches = _read_batches(shard, settings, rejects)
    read_batches = (stage for records in batches for stage in read(records, settings, rejects.put))
    for number, stage in enumerate(read_batches):
        for table, frame in (
            (PAGES, stage.pages),
            (UNITS, stage.units),
            (PAGE_KEYS, stage.page_keys),
            (ACTIONS_TAKEN, stage.actions),
            (PAGE_METRICS, stage.metrics),
        ):
            write_table(frame, table, part / table.name / f"{number:05d}.parquet")
        trim_malloc()
    rejects.close()
    if _changed(shard) or rejects.is_passing:
        name += "-passing"  # what was read is not what was hashed: never found again
    try:
        seal_stage(part)
        shutil.rmtree(stages / name, ignore_errors=True)
        part.rename(stages / name)
        ShardNotes.of(shard, settings).list.unlink(missing_ok=True)
    except OSError as error:
        raise explain_os_error(error, stages / name) from error
    return name


def read_batch(records: pl.DataFrame, settings: Settings, watch: PageWatch) -> Stage:
    """RECORDS through the read stage."""
    extractor: Extractor | None = None
    if settings.extractor == "trafilatura":
        extractor = extract_with_trafilatura
    return read_stage(records, _context(settings)[0], extractor, watch.page)


def _read_in_child(records: pl.DataFrame, settings: Settings) -> Stage:
    with PageWatch(settings.max_page_cpu_seconds) as watch:
        return read_batch(records, settings, watch)


def _read_by_tags_alone(records: pl.DataFrame, settings: Settings) -> Stage:
    """For a page whose parser or extractor ended the process: neither is asked."""
    watch = PageWatch(
        settings.max_page_cpu_seconds,
        stopped=frozenset(records["page"]),
        why_stopped="parsing it ends the process that parses it",
    )
    return read_batch(records, settings, watch)


@dataclass
class CarefulReader:
    """Reads the batches of a shard in a child process, and finds the pages that end it by halving."""

    settings: Settings
    processes: Processes = field(default_factory=lambda: Processes(1))
    rejected: int = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.processes.close()

    def read(
        self, records: pl.DataFrame, settings: Settings, reject: Callable[[Broken], None]
    ) -> Iterator[Stage]:
        """RECORDS through the read stage, but for the pages that can't be read; those are rejected."""
        stage = self._ask(_read_in_child, records)
        if stage is None and records.height > 1:
            half = records.height // 2
            yield from self.read(records[:half], settings, reject)
            yield from self.read(records[half:], settings, reject)
            return
        if stage is None:
            stage = self._ask(_read_by_tags_alone, records)
        if stage is None:
            row = records.row(0, named=True)
            where = row["record_id"] and f"id {row['record_id']}"
            reason = "reading it ends the process that reads it"
            # It may have been killed from outside, for want of memory: the next run tries again.
            remedy = "remove it, and report it with the page"
            reject(Broken(row["source"], where, reason, remedy, is_passing=True))
            self.rejected += 1
            return
        yield stage

    def _ask(
        self, function: Callable[[pl.DataFrame, Settings], Stage], records: pl.DataFrame
    ) -> Stage | None:
        """What the child answers; None if it died."""
        # The pages of a shard are numbered without a gap, which the resolve stage relies on.
        numbered = records.with_columns(pl.col("page") - self.rejected)
        try:
            return self.processes.ready(1).submit(function, numbered, self.settings).result()
        except BrokenProcessPool:
            self.processes.renew()
            return None


def _changed(shard: Shard) -> bool:
    """Whether a file is another than the one that was hashed."""
    local = (piece for piece in shard.pieces if not piece.remote)
    try:
        return any(piece.path.stat().st_mtime_ns != piece.modified_ns for piece in local)
    except OSError:
        return True


def _read_batches(
    shard: Shard, settings: Settings, rejects: RejectSink | NoSink
) -> Iterator[pl.DataFrame]:
    """RECORDS of a shard, a bounded number of bytes at a time; what is no page is rejected."""
    batch: list[dict[str, Any]] = []
    size = page = 0
    for item in _read_pieces(shard, settings):
        if not isinstance(item, Page):
            rejects.put(item)
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


def _context(settings: Settings) -> tuple[Context, str]:
    """The compiled rules, and the version of the read stage."""
    return _compile(settings, user_packs(settings.packs))


@lru_cache(maxsize=4)  # once for each process; the files of packs may change while it lives
def _compile(settings: Settings, packs: tuple[Pack, ...]) -> tuple[Context, str]:
    del packs  # part of the options, and of what is remembered
    options = settings.options()
    return Context(options, RuleBook(options.packs)), stage_version(settings, options)


def records_of(shard: Shard, settings: Settings) -> Iterator[pl.DataFrame]:
    """RECORDS of a shard, a bounded number of bytes at a time, without what is no page."""
    return _read_batches(shard, settings, NoSink())


def was_changed(shard: Shard) -> bool:
    """Whether a file of a shard is another than the one that was hashed."""
    return _changed(shard)
