"""Judging what is there already: a published corpus, or foreign Parquet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from reinschrift.expectations.report import Result
from reinschrift.expectations.states import SOUND, UNSOUND
from reinschrift.expectations.terms import Terms
from reinschrift.flows.store.local import OutputError
from reinschrift.flows.store.tables import read_table, resolve_corpus
from reinschrift.flows.workers.gate_process import GateProcess
from reinschrift.transforms.contracts import METRICS, QUARANTINE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from reinschrift.flows.config import Settings
    from reinschrift.flows.ports import Gate
    from reinschrift.transforms.contracts import Table


def check_corpus(
    path: Path,
    settings: Settings,
    text: str | None = None,
    data_docs: Path | None = None,
    open_gate: Callable[[], Gate] = GateProcess,
) -> Result:
    """Judge a published corpus again, its seal first; or, where `text` names a column, any Parquet.

    `data_docs`: a folder for pages of Great Expectations, and its suites as JSON.

    Raises OutputError where there is no such corpus.
    """
    folder = path if text else resolve_corpus(path)
    if not folder.is_dir():
        raise OutputError(f"{folder}: no such folder", "check the path")
    terms = Terms(
        severity=dict(settings.severity),
        thresholds=dict(settings.thresholds),
        own=[str(one.resolve()) for one in settings.expectations],
        sealed=True,
        foreign_text=text,
        data_docs=str(data_docs.resolve()) if data_docs else None,
    )
    with open_gate() as gate:
        verdict = gate.judge(folder, terms)
    return Result(
        SOUND if verdict.passed else UNSOUND,
        verdict,
        str(path),
        None if text else folder.name,
        None if text else _read(folder, METRICS),
        None,
        None if text else _read(folder, QUARANTINE),
    )


def _read(folder: Path, table: Table) -> pl.DataFrame | None:
    """A small table for the reports; None where it can't be read, which the verdict says."""
    try:
        frame = read_table(folder, table).select(table.names).collect()
    except (OutputError, OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException):
        return None
    return frame if frame.schema == table.schema else None
