"""The files of a corpus as the gate reads them: their shape, whether they can be read, parts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from reinschrift.expectations.measuring import MAX_EXAMPLES, Tables
from reinschrift.expectations.verdict import Observation
from reinschrift.transforms.contracts import (
    DOCUMENTS,
    LEDGER,
    METRICS,
    PUBLISHED,
    QUARANTINE,
    SENTENCES,
    Table,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

PART_NAME = re.compile(r"part-\d+-\w+\.parquet")
MAX_CELL_CHARS = 200
Files = dict[str, list[str]]
POLARS_ERRORS = (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException)


def find_files(folder: Path) -> Files:
    """The Parquet files of each table, in order."""
    return {
        table.name: sorted(map(str, (folder / table.name).rglob("*.parquet"))) for table in PUBLISHED
    }


def judge_shape(table: Table, paths: list[str]) -> Observation:
    """Every file has the columns and types of the contract, in its order."""
    wrong = [problem for path in paths for problem in _problems_of(table, path)]
    if not paths:
        wrong = [{"file": table.name, "is": "no file at all"}]
    return Observation(
        f"shape.{table.name}",
        table.name,
        "columns and types are those of the contract, in its order",
        len(wrong),
        found="; ".join(_told(row) for row in wrong[:MAX_EXAMPLES]) or "all are",
        rows=wrong[:MAX_EXAMPLES],
        reads=(f"{table.name}.*",),
    )


def _told(row: dict[str, Any]) -> str:
    column = f", column {row['column']}" if "column" in row else ""
    return f"{Path(row['file']).name}{column}: {row['is']}"


def _problems_of(table: Table, path: str) -> list[dict[str, Any]]:
    try:
        schema = pl.read_parquet_schema(path)
    except POLARS_ERRORS as error:
        return [{"file": path, "is": f"can't be read: {error}"[:MAX_CELL_CHARS]}]
    wrong = [
        {"file": path, "column": name, "is": f"{schema.get(name)} instead of {table.schema.get(name)}"}
        for name in {**table.schema, **schema}
        if schema.get(name) != table.schema.get(name)
    ]
    if not wrong and list(schema) != table.names:
        moved = next(name for name, own in zip(schema, table.names, strict=True) if name != own)
        wrong = [{"file": path, "column": moved, "is": "in another place than in the contract"}]
    return wrong


def judge_readable(table: str, paths: list[str], seen: str) -> Observation:
    """Which files of a table can't be decoded; asked once something failed that reads it."""
    wrong = []
    for path in paths:
        try:
            for group in range(0, max(1, _height(path)), ROWS_READ):
                pl.scan_parquet(path, hive_partitioning=False).slice(group, ROWS_READ).collect()
        except POLARS_ERRORS as error:
            wrong.append({"file": path, "is": f"can't be read: {error}"[:MAX_CELL_CHARS]})
    found = "; ".join(_told(row) for row in wrong) or seen
    return Observation(
        f"readable.{table}",
        table,
        "every file can be read",
        len(wrong),
        found=found or "all can",
        rows=wrong[:MAX_EXAMPLES],
        reads=(f"{table}.*",),
    )


ROWS_READ = 100_000


def _height(path: str) -> int:
    return int(pl.scan_parquet(path, hive_partitioning=False).select(pl.len()).collect().item())


def judge_folders(table: Table, paths: list[str]) -> Observation:
    """Each row lies in the folder of its language."""
    wrong: list[dict[str, Any]] = []
    for path in paths:
        folder = Path(path).parent.name
        rows = pl.scan_parquet(path, hive_partitioning=False)
        others = rows.filter(pl.col("language").ne_missing(folder)).group_by("language").agg(pl.len())
        for language, count in others.collect().rows():
            is_ = f"{count} rows in {language}, in the folder {folder}"
            wrong.append({"file": path, "rows": count, "is": is_})
    return Observation(
        f"{table.name}.language-of-folder",
        table.name,
        "the language of a row is that of its folder",
        sum(row["rows"] for row in wrong),
        found="; ".join(_told(row) for row in wrong[:MAX_EXAMPLES]) or "all are",
        rows=wrong[:MAX_EXAMPLES],
        reads=(f"{table.name}.language",),
    )


def open_tables(files: Files, settings: Mapping[str, Any]) -> Tables:
    """The tables, and their parts: all rows of a document lie in files of one name."""
    metrics = _scan(METRICS, files).collect()
    parts = tuple(_tables(part, metrics, settings) for part in _part_files(files))
    whole = _tables(files, metrics, settings)
    return Tables(
        whole.documents,
        whole.sentences,
        whole.ledger,
        metrics,
        _scan(QUARANTINE, files),
        parts,
        settings,
    )


def _tables(files: Files, metrics: pl.DataFrame, settings: Mapping[str, Any]) -> Tables:
    documents, sentences, ledger = (_scan(table, files) for table in (DOCUMENTS, SENTENCES, LEDGER))
    return Tables(documents, sentences, ledger, metrics, settings=settings)


def _scan(table: Table, files: Files) -> pl.LazyFrame:
    paths = files.get(table.name, [])
    return pl.scan_parquet(paths, hive_partitioning=False) if paths else table.empty().lazy()


def _part_files(files: Files) -> list[Files]:
    """The files by name, in whatever folders; none where files are named otherwise."""
    by_name: dict[str, Files] = {}
    for table in (DOCUMENTS, SENTENCES, LEDGER):
        for path in files[table.name]:
            name = Path(path).name
            if not PART_NAME.fullmatch(name):
                return []
            by_name.setdefault(name, {}).setdefault(table.name, []).append(path)
    return [part for _, part in sorted(by_name.items())]
