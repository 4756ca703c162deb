"""The first stage of a run, a shard at a time: read, and everything that needs only the page.

Cached by content, settings and code. Plain functions on paths; who maps them is up to the caller.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import asdict
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import polars as pl

from flows.corpus import Corpus, write_table
from flows.fingerprint import settings_version
from flows.limits import limited
from flows.readers import Broken, Limits, Page, format_of
from transforms.boilerplate.rules import RuleBook
from transforms.contracts import (
    ACTIONS_TAKEN,
    PAGE_KEYS,
    PAGE_METRICS,
    PAGES,
    QUARANTINE,
    RECORDS,
    UNITS,
)
from transforms.extract import extract_with_trafilatura
from transforms.pipeline import Context, read_stage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from flows.config import Settings
    from flows.inputs import Shard


def read_shard(shard: Shard, settings: Settings) -> str:
    """Bring one shard through the read stage, unless that was done before.

    Out: the name of its folder under `Corpus.stages`, which holds PAGES, UNITS,
    PAGE_KEYS, ACTIONS_TAKEN, PAGE_METRICS and QUARANTINE, a folder each.
    """
    context, version = _context(settings)
    name = f"{shard.key}-{version[:16]}"
    stages = Corpus(settings.out).stages
    if is_whole(stages / name):
        return name
    part = stages / f"{name}.{os.getpid()}.part"
    shutil.rmtree(part, ignore_errors=True)
    extractor = None
    if settings.extractor == "trafilatura":
        extractor = limited(extract_with_trafilatura, settings.max_page_cpu_seconds)
    broken: list[Broken] = []
    for number, records in enumerate(_read_batches(shard, settings, broken)):
        stage = read_stage(records, context, extractor)
        for table, frame in (
            (PAGES, stage.pages),
            (UNITS, stage.units),
            (PAGE_KEYS, stage.page_keys),
            (ACTIONS_TAKEN, stage.actions),
            (PAGE_METRICS, stage.metrics),
        ):
            write_table(frame, table, part / table.name / f"{number:05d}.parquet")
    write_table(quarantine(broken), QUARANTINE, part / QUARANTINE.name / "00000.parquet")
    if _changed(shard) or any(item.is_passing for item in broken):
        name += "-passing"  # what was read is not what was hashed: never found again
    shutil.rmtree(stages / name, ignore_errors=True)
    part.rename(stages / name)
    return name


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
    try:
        return any(piece.path.stat().st_mtime_ns != piece.modified_ns for piece in shard.pieces)
    except OSError:
        return True


def _read_batches(shard: Shard, settings: Settings, broken: list[Broken]) -> Iterator[pl.DataFrame]:
    """RECORDS of a shard, a bounded number of bytes at a time; what can't be read goes to `broken`."""
    batch: list[dict[str, Any]] = []
    size = page = 0
    for item in _read_pieces(shard, settings):
        if isinstance(item, Broken):
            broken.append(item)
            continue
        batch.append({"page": page, **asdict(item)})
        page += 1
        size += len(item.content)
        if size >= settings.shard_bytes:
            yield pl.DataFrame(batch, schema=RECORDS.schema)
            batch, size = [], 0
    if batch:
        yield pl.DataFrame(batch, schema=RECORDS.schema)


def _read_pieces(shard: Shard, settings: Settings) -> Iterator[Page | Broken]:
    limits = Limits(settings.max_page_bytes, settings.max_line_chars)
    for piece in shard.pieces:
        form = format_of(piece.path.name)
        if form is None:
            continue
        try:
            yield from form.read(piece, limits)
        except OSError as error:
            yield Broken(
                piece.source, None, f"can't be read: {error.strerror}", "check it", is_passing=True
            )


@lru_cache(maxsize=4)
def _context(settings: Settings) -> tuple[Context, str]:
    """The compiled rules, once for each process, and the version of settings and code."""
    options = settings.options()
    return Context(options, RuleBook(options.packs)), settings_version(settings, options)


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
