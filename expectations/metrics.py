"""What must hold for `metrics`, and for the laws that are judged by counts."""

from __future__ import annotations

from typing import Any

import polars as pl

from reinschrift.expectations.laws import LAWS
from reinschrift.expectations.suites import between, expect, no_nulls, one_of
from reinschrift.transforms.contracts import METRICS as TABLE


def project(metrics: pl.LazyFrame) -> pl.LazyFrame:
    """All of it, with the key in one column, for null is part of it."""
    return metrics.with_columns(
        source=pl.col("step").replace({"removals": "read"}),
        key=pl.concat_str("step", pl.col("rule").fill_null(""), "unit", separator=" "),
    )


def suite() -> list[Any]:
    """Shape, keys, value sets, null rules."""
    return [
        *no_nulls(TABLE, TABLE.names),
        expect("ExpectColumnValuesToBeUnique", "step, rule and unit are the key", column="key"),
        one_of("unit", ("page", "block", "sentence")),
        between("units_dropped", 0),
        between("units_edited", 0),
        between("chars_dropped", 0),
        expect(
            "ExpectColumnDistinctValuesToContainSet",
            "at least one page was read, or taken down",
            column="source",
            value_set=["read"],
        ),
    ]


def law_suite() -> list[Any]:
    """One expectation a law: what was counted is what must be."""
    from great_expectations.expectations.row_conditions import Column

    return [
        expect(
            "ExpectColumnValuesToBeInSet",
            f"law of {law.name}: {law.what}",
            column="difference",
            value_set=[0],
            row_condition=Column("law") == law.name,
        )
        for law in LAWS
    ]
