"""Great Expectations' part: a suite a table, and the validation of what was measured against it.

The tables never pass through pandas: Polars measures every row, and Great Expectations judges one row of
measures a table, a column each. The suites are made of the same contracts and laws as the measures.
Importing this costs nothing; calling imports Great Expectations.
"""

from __future__ import annotations

import logging
import os
import warnings
from typing import TYPE_CHECKING, Any

from reinschrift.expectations.verdict import ERROR

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reinschrift.expectations.verdict import Observation


def suite_of(name: str, observations: Sequence[Observation]) -> Any:
    """The suite of a table: each measure lies between its bounds."""
    from great_expectations.core import ExpectationSuite

    return ExpectationSuite(name=name, expectations=[_expectation(one) for one in observations])


def _expectation(one: Observation) -> Any:
    import great_expectations.expectations as gxe
    from great_expectations.expectations.metadata_types import FailureSeverity

    return gxe.ExpectColumnMaxToBeBetween(  # type: ignore[attr-defined]
        column=one.name,
        min_value=one.low,
        max_value=one.high,
        description=one.what,
        severity=FailureSeverity.CRITICAL if one.severity == ERROR else FailureSeverity.WARNING,
        meta={"allowed": one.allowed},
    )


def judge_by_suites(observations: Sequence[Observation]) -> list[bool]:
    """Whether each observation holds, as Great Expectations says; what has an error does not."""
    measured = [one for one in observations if one.error is None]
    holds: dict[str, bool] = {}
    context = _context()
    source = context.data_sources.add_pandas("corpus")
    for table in dict.fromkeys(one.table for one in measured):
        mine = [one for one in measured if one.table == table]
        holds |= _validate(source, table, mine)
    return [holds.get(one.name, False) for one in observations]


def _context() -> Any:
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    os.environ.setdefault("DO_NOT_TRACK", "1")
    warnings.simplefilter("ignore")
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    return context


def _validate(source: Any, table: str, observations: Sequence[Observation]) -> dict[str, bool]:
    import pandas as pd

    data = pd.DataFrame({one.name: [float(one.value)] for one in observations})
    asset = source.add_dataframe_asset(table)
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": data})
    result = batch.validate(suite_of(table, observations), result_format="BOOLEAN_ONLY")
    return {one.expectation_config.kwargs["column"]: bool(one.success) for one in result.results}
