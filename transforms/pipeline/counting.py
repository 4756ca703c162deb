"""METRICS: what came into a step and what went on, by page, step and rule."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from reinschrift.transforms.contracts import METRICS, PAGE_METRICS

if TYPE_CHECKING:
    from reinschrift.transforms.steps import Step


def count_step(  # noqa: PLR0913, PLR0917 - a row of METRICS has these parts
    pages: pl.DataFrame,
    step: Step,
    before: pl.DataFrame,
    after: pl.DataFrame,
    column: str,
    actions: pl.DataFrame,
) -> pl.DataFrame:
    """PAGE_METRICS of one step: the step as a whole from the frames, each rule from its actions."""
    name, unit = step.name, step.unit
    went = pl.struct("page", "block").n_unique() if unit == "block" else pl.len()
    came_in = pl.col(column if column in before.columns else "raw")
    by_rule = count_rules(actions.filter(pl.col("step") == name), unit, by_page=True)
    counted = (
        before.group_by("page").agg(units_in=pl.len(), chars_in=came_in.str.len_chars().sum()),
        after.group_by("page").agg(units_out=went, chars_out=pl.col(column).str.len_chars().sum()),
        actions.group_by("page").agg(units_edited=(pl.col("action") == "edit").sum()),
        by_rule.group_by("page").agg(pl.col("chars_dropped").sum()),
    )
    whole = pages
    for counts in counted:
        whole = whole.join(counts, on="page", how="left", maintain_order="left")
    numbers = ("units_in", "units_out", "units_edited", "chars_in", "chars_out", "chars_dropped")
    whole = whole.with_columns(pl.col(numbers).cast(pl.Int64).fill_null(0)).with_columns(
        step=pl.lit(name), unit=pl.lit(unit), units_dropped=pl.col("units_in") - pl.col("units_out")
    )
    return pl.concat(
        [PAGE_METRICS.conform(whole.with_columns(rule=pl.lit(None, dtype=pl.String))), by_rule]
    )


def count_rules(actions: pl.DataFrame, unit: str, *, by_page: bool = False) -> pl.DataFrame:
    """METRICS rows of the rules in `actions`: units dropped and edited, characters dropped.

    PAGE_METRICS rows with `by_page`.
    """
    is_drop = pl.col("action") == "drop"
    key = ["page", "step", "rule"] if by_page else ["step", "rule"]
    counted = (
        actions.filter(pl.col("action") != "note")
        .group_by(key)
        .agg(
            units_dropped=is_drop.sum(),
            units_edited=(pl.col("action") == "edit").sum(),
            chars_dropped=pl.col("before").filter(is_drop).str.len_chars().sum(),
        )
        .with_columns(unit=pl.lit(unit))
        .sort(key)
    )
    return (PAGE_METRICS if by_page else METRICS).conform(counted)
