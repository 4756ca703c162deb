"""The tables of a corpus as Parquet files."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING

import polars as pl

from reinschrift.flows.store.local import Corpus, OutputError, explain_os_error
from reinschrift.transforms.contracts import PUBLISHED, Table

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

    from reinschrift.transforms.contracts import Column

ROW_GROUP_ROWS = 100_000
ZSTD_LEVEL = 3


def write_table(frame: pl.DataFrame, table: Table, path: Path) -> None:
    """Write one file of a table: pinned schema, zstd, full statistics, the contract as metadata.

    Published ones tell Arrow what each column means; staged ones have types that Arrow lacks.

    Raises OutputError naming the file; a half-written one never keeps the name.
    """
    about = {
        "reinschrift.table": table.name,
        "reinschrift.grain": table.grain,
        "reinschrift.columns": json.dumps({c.name: c.meaning for c in table.columns}),
    }
    conformed = table.conform(frame)
    aside = path.with_suffix(".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # One chunk and a set size of row groups: else the bytes depend on the number of threads.
        conformed.rechunk().write_parquet(
            aside,
            compression="zstd",
            compression_level=ZSTD_LEVEL,
            statistics="full",
            row_group_size=ROW_GROUP_ROWS,
            metadata=about,
            arrow_schema=arrow_schema(table) if table in PUBLISHED else None,
        )
        aside.rename(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise explain_os_error(error, path) from error


@cache
def arrow_schema(table: Table) -> pa.Schema:
    """The columns as Arrow fields: non-null where the contract says so, with their meaning."""
    import pyarrow as pa

    plain = table.empty().to_arrow().schema
    return pa.schema([_field(plain.field(column.name), column) for column in table.columns])


def _field(plain: pa.Field, column: Column) -> pa.Field:
    import pyarrow as pa

    about = plain.with_metadata({"description": column.meaning}).with_nullable(column.nullable)
    if not column.fields:
        return about
    inner = [_field(plain.type.field(one.name), one) for one in column.fields]
    return about.with_type(pa.struct(inner))


def read_table(corpus: Path, table: Table) -> pl.LazyFrame:
    """All rows of a published table, in the order of its files.

    A column that came after the corpus was published is null. Raises OutputError where there are no
    such files.
    """
    files = sorted((corpus / table.name).rglob("*.parquet"))
    if not files:
        raise OutputError(f"{corpus} has no table {table.name!r}", "name a published corpus")
    rows = pl.scan_parquet(files, hive_partitioning=False)
    there = pl.read_parquet_schema(files[0])
    late = [c for c in table.columns if c.nullable and c.name not in there]
    return rows.with_columns(pl.lit(None, dtype=c.dtype).alias(c.name) for c in late) if late else rows


def stage_files(corpus: Corpus, stage: str, table: Table) -> list[Path]:
    """The files of a staged table of one shard, in page order."""
    return sorted((corpus.stages / stage / table.name).glob("*.parquet"))


def resolve_corpus(path: Path) -> Path:
    """The folder that holds the tables, whether it or the output folder above it was named.

    The link is followed once, so that a version published meanwhile changes nothing.
    """
    for candidate in (path, path / "corpus"):
        if all((candidate / table.name).is_dir() for table in PUBLISHED):
            return candidate.resolve()
    raise OutputError(f"{path} is no corpus", "name OUT or OUT/corpus of a finished run")
