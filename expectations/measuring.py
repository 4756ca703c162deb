"""What the gate measures with: tables, laws, and counts of what breaks them, in bounded memory.

A law gives two numbers that must be equal, and up to five rows that break it. Laws of single documents
are measured part by part (a part holds all rows of its documents), and what any row may break with any
other by ranges of a hash, so that a large corpus takes no more memory than a small one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

MAX_EXAMPLES = 5
ROWS_AT_ONCE = 2_000_000


@dataclass(frozen=True)
class Tables:
    """The published tables of one corpus, lazily; METRICS is small and in memory.

    `parts`: the same, cut so that no document lies in two of them; without any, all is one part.
    `settings`: those the corpus was made with, as far as they are known.
    """

    documents: pl.LazyFrame
    sentences: pl.LazyFrame
    ledger: pl.LazyFrame
    metrics: pl.DataFrame
    quarantine: pl.LazyFrame = field(default_factory=pl.LazyFrame)
    parts: tuple[Tables, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def each(self) -> tuple[Tables, ...]:
        """The parts, or else the whole."""
        return self.parts or (self,)

    def frames(self, table: str) -> list[pl.LazyFrame]:
        """A table, part by part; METRICS and QUARANTINE as one."""
        if table in ("metrics", "quarantine"):
            whole = getattr(self, table)
            return [whole.lazy()]
        return [getattr(part, table) for part in self.each]


@dataclass(frozen=True)
class Measure:
    """What a law found: a count, what it must be, and rows that are why it is not."""

    is_: int
    must_be: int
    rows: list[dict[str, Any]]


@dataclass(frozen=True)
class Law:
    """One law: a stable name, a sentence, how it is measured, which columns it reads, what to do.

    `reads`: names such as `documents.text`; `documents.rows` stands for which rows there are. A failure
    is taken as following from an earlier one that reads a column it reads too.
    `is_local`: measured on each part; what is found is summed. `must_be`: what the sum must be, by
    METRICS. `applies`: whether a corpus made with these settings has to hold to it.
    """

    name: str
    what: str
    measure: Callable[[Tables], Measure]
    reads: tuple[str, ...]
    is_local: bool = True
    must_be: Callable[[pl.DataFrame], int] | None = None
    applies: Callable[[Mapping[str, Any]], bool] = lambda _: True

    @property
    def table(self) -> str:
        """The table it is filed under: that of the first column it reads."""
        return self.reads[0].partition(".")[0]

    def measured(self, tables: Tables) -> Measure:
        """What it finds in a corpus."""
        found = sum_measures(map(self.measure, tables.each)) if self.is_local else self.measure(tables)
        must_be = self.must_be(tables.metrics) if self.must_be else found.must_be
        return Measure(found.is_, must_be, found.rows)


def sum_measures(measures: Iterable[Measure]) -> Measure:
    """What several measures of one law come to."""
    is_ = must_be = 0
    rows: list[dict[str, Any]] = []
    for one in measures:
        is_ += one.is_
        must_be += one.must_be
        rows += one.rows[: MAX_EXAMPLES - len(rows)]
    return Measure(is_, must_be, rows)


def none_of(offenders: pl.LazyFrame) -> Measure:
    """There must be no such rows."""
    count = count_rows(offenders)
    rows = offenders.head(MAX_EXAMPLES).collect().to_dicts() if count else []
    return Measure(count, 0, rows)


def count_rows(frame: pl.LazyFrame) -> int:
    """How many rows a frame has."""
    return int(frame.select(pl.len()).collect(engine="streaming").item())


def by_hash(
    columns: str | Sequence[str],
    frames: Sequence[pl.LazyFrame],
    offenders: Callable[..., pl.LazyFrame],
) -> Measure:
    """`offenders` of some frames, by ranges of the hash of columns that all of them have."""
    rounds = sum(map(count_rows, frames)) // ROWS_AT_ONCE + 1
    names = [columns] if isinstance(columns, str) else list(columns)
    key = pl.col(names[0]) if len(names) == 1 else pl.struct(names)
    turn = key.hash(0) % rounds
    return sum_measures(
        none_of(offenders(*(frame.filter(turn == number) for frame in frames)))
        for number in range(rounds)
    )
