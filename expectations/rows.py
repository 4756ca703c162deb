"""Laws made from the contracts: nulls, values, ranges, keys, foreign keys and invariants of each table.

What concerns single rows is counted for all of a table's columns in one pass over it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from reinschrift.expectations.measuring import (
    MAX_EXAMPLES,
    Law,
    Measure,
    Tables,
    by_hash,
    sum_measures,
)
from reinschrift.transforms.contracts import PUBLISHED, Column, Reference, Table

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_SHOWN_CHARS = 120
_SHOWN = ("id", "document_id", "source", "block", "sentence", "step", "rule", "unit")


@dataclass(frozen=True)
class RowLaw:
    """What each row of a table holds to; `broken` is true for a row that does not."""

    table: str
    name: str
    what: str
    broken: pl.Expr

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns it speaks of."""
        return tuple(sorted(set(self.broken.meta.root_names())))

    @property
    def reads(self) -> tuple[str, ...]:
        """The same, with the table."""
        return tuple(f"{self.table}.{column}" for column in self.columns)


def row_laws(table: Table) -> Iterator[RowLaw]:
    """Everything the contract says of single rows of a table."""
    for column in table.columns:
        for rule, what, broken in _column_rules(column, pl.col(column.name)):
            yield RowLaw(table.name, f"{table.name}.{column.name}.{rule}", what, broken)
        for one in column.fields:
            for rule, what, broken in _column_rules(one, pl.col(column.name).struct.field(one.name)):
                yield RowLaw(table.name, f"{table.name}.{one.name}.{rule}", what, broken)
    for invariant in table.invariants:
        yield RowLaw(table.name, f"{table.name}.{invariant.name}", invariant.what, invariant.broken)


def _column_rules(column: Column, value: pl.Expr) -> Iterator[tuple[str, str, pl.Expr]]:
    if not column.nullable:
        yield "not-null", f"{column.name} is never null", value.is_null()
    if column.allowed:
        known = ", ".join(column.allowed) if len(column.allowed) < 20 else "the known codes"
        yield "values", f"{column.name} is one of {known}", ~value.is_in(column.allowed)
    if column.low is not None or column.high is not None:
        yield "range", f"{column.name} is {_bounds(column)}", _outside(column, value)


def _bounds(column: Column) -> str:
    if column.high is None:
        return f"at least {column.low:g}"
    return f"between {column.low:g} and {column.high:g}"


def _outside(column: Column, given: pl.Expr) -> pl.Expr:
    value = given.cast(pl.Float64)
    slack = 1e-6  # shares are rounded
    too_low = value < column.low - slack if column.low is not None else pl.lit(value=False)
    too_high = value > column.high + slack if column.high is not None else pl.lit(value=False)
    return too_low | too_high | (value.is_nan() if column.dtype.is_float() else pl.lit(value=False))


ROW_LAWS = {table.name: tuple(row_laws(table)) for table in PUBLISHED}


def measure_rows(tables: Tables, table: str) -> dict[str, Measure]:
    """All laws of single rows of a table, by name."""
    return _measure(tables.frames(table), ROW_LAWS[table])


def _measure(frames: list[pl.LazyFrame], laws: tuple[RowLaw, ...]) -> dict[str, Measure]:
    counts = dict.fromkeys((law.name for law in laws), 0)
    examples: dict[str, list[dict[str, Any]]] = {law.name: [] for law in laws}
    broken = [law.broken.fill_null(value=False).sum().alias(law.name) for law in laws]
    for frame in frames:
        found = frame.select(broken).collect(engine="streaming").row(0, named=True)
        for law in laws:
            counts[law.name] += int(found[law.name] or 0)
            if found[law.name] and len(examples[law.name]) < MAX_EXAMPLES:
                examples[law.name] += _examples(frame, law)
    return {name: Measure(count, 0, examples[name][:MAX_EXAMPLES]) for name, count in counts.items()}


def _examples(frame: pl.LazyFrame, law: RowLaw) -> list[dict[str, Any]]:
    names = frame.collect_schema().names()
    shown = [name for name in names if name in _SHOWN or name in law.columns]
    rows = frame.filter(law.broken.fill_null(value=False)).select(shown).head(MAX_EXAMPLES).collect()
    texts = pl.col(pl.String).str.slice(0, MAX_SHOWN_CHARS)
    return rows.with_columns(texts).to_dicts()


def key_law(table: Table) -> Law:
    """No two rows share the table's key."""
    key = " and ".join(table.key)

    def measure(tables: Tables) -> Measure:
        frames = [frame.select(table.key) for frame in tables.frames(table.name)]
        return by_hash(table.key, [pl.concat(frames)], _doubled)

    def _doubled(rows: pl.LazyFrame) -> pl.LazyFrame:
        return rows.group_by(table.key).agg(copies=pl.len()).filter(pl.col("copies") > 1)

    reads = (*(f"{table.name}.{column}" for column in table.key), f"{table.name}.rows")
    return Law(f"{table.name}.key", f"no two rows have the same {key}", measure, reads, is_local=False)


def reference_law(table: Table, reference: Reference) -> Law:
    """Each value of a foreign key is there."""

    def measure(tables: Tables) -> Measure:
        own, target = pl.col(reference.column), pl.col(reference.key)
        pairs = zip(tables.frames(table.name), tables.frames(reference.table), strict=True)
        return sum_measures(
            by_hash(
                "_key",
                [
                    rows.filter(own.is_not_null()).select(_key=own),
                    targets.select(_key=target),
                ],
                lambda some, known: some.join(known, on="_key", how="anti").rename(
                    {"_key": reference.column}
                ),
            )
            for rows, targets in pairs
        )

    reads = (f"{table.name}.{reference.column}", f"{reference.table}.{reference.key}")
    rows = (f"{table.name}.rows", f"{reference.table}.rows")
    name = f"{table.name}.{reference.column}.reference"
    return Law(name, reference.what, measure, (*reads, *rows), is_local=False)


KEY_LAWS = tuple(key_law(table) for table in PUBLISHED if table.key)
REFERENCE_LAWS = tuple(
    reference_law(table, reference) for table in PUBLISHED for reference in table.references
)
