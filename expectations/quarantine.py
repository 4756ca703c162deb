"""What must hold for `quarantine`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reinschrift.expectations.suites import no_nulls
from reinschrift.transforms.contracts import QUARANTINE as TABLE

if TYPE_CHECKING:
    import polars as pl


def project(quarantine: pl.LazyFrame) -> pl.LazyFrame:
    """All of it."""
    return quarantine


def suite() -> list[Any]:
    """Everything refused says where, why, and what to do."""
    return no_nulls(TABLE, TABLE.names)
