"""What must hold for `ledger`."""

from __future__ import annotations

from typing import Any

import polars as pl

from reinschrift.expectations.suites import expect, no_nulls, one_of
from reinschrift.transforms.contracts import ACTIONS
from reinschrift.transforms.contracts import LEDGER as TABLE

STEPS = (
    "read", "repair", "extract", "boilerplate", "privacy", "quality", "templates", "repeats", "removals",
)  # fmt: skip


def project(ledger: pl.LazyFrame) -> pl.LazyFrame:
    """Keys and verdicts; of the texts, whether they are there."""
    return ledger.select(
        pl.exclude("before", "after", "also", "spans"),
        is_sound=pl.when(pl.col("action") == "edit")
        .then(pl.col("after").is_not_null() & (pl.col("after") != pl.col("before")))
        .otherwise(pl.col("after").is_null()),
        before=pl.col("before").str.len_chars(),
        points=pl.when(pl.col("step") == "repeats").then(pl.col("kept_at").is_not_null()),
    )


def suite() -> list[Any]:
    """Shape, value sets, null rules."""
    columns = [name for name in TABLE.names if name not in ("also", "after", "spans")]
    return [
        *no_nulls(TABLE, columns),
        one_of("action", ACTIONS),
        one_of("step", STEPS),
        expect(
            "ExpectColumnValuesToBeInSet",
            "an edit has a different text after, a drop has none",
            column="is_sound",
            value_set=[True],
        ),
        expect(
            "ExpectColumnValuesToBeInSet",
            "a repeat names the copy that was kept",
            column="points",
            value_set=[True],
        ),
    ]
