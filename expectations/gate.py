"""The gate: Great Expectations judges the laws' counts and text-free projections of the tables.

`python -m expectations.gate` is the judge's process: it imports Great Expectations (seconds, and
hundreds of megabytes) while the work goes on elsewhere, waits for one request on standard input, and
answers on standard output.
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
import os
import sys
import warnings
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from expectations import documents, ledger, metrics, quarantine, sentences
from expectations.laws import MAX_EXAMPLES, Tables, measure_laws
from transforms.contracts import PUBLISHED, Table

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

SUITES = {module.TABLE.name: module for module in (documents, sentences, ledger, metrics, quarantine)}
MAX_CELL_CHARS = 200


@dataclass(frozen=True)
class Finding:
    """How one expectation fared: on which table, in words, and up to five rows that broke it."""

    table: str
    expectation: str
    success: bool
    observed: Any
    rows: list[dict[str, Any]]
    error: str | None = None


@dataclass(frozen=True)
class Verdict:
    """All findings."""

    findings: list[Finding]

    @property
    def failures(self) -> list[Finding]:
        """Those that failed."""
        return [finding for finding in self.findings if not finding.success]

    @property
    def passed(self) -> bool:
        """Whether the corpus may go out."""
        return not self.failures


def judge_corpus(files: dict[str, list[str]], rows: int) -> Verdict:
    """Judge a corpus, published or staged.

    `files` are the Parquet files of each table, `rows` how many rows of a table the suites look at
    one by one, evenly spaced; the laws count all of them.
    """
    tables = {name: pl.scan_parquet(paths, hive_partitioning=False) for name, paths in files.items()}
    findings = [_shape_of(table, tables[table.name]) for table in PUBLISHED]
    if not all(finding.success for finding in findings):
        return Verdict(findings)
    counts = tables["metrics"].collect()
    law_counts, offenders = measure_laws(
        Tables(tables["documents"], tables["sentences"], tables["ledger"], counts)
    )
    frames = {
        name: _sample(module.project(tables[name]), rows) for name, module in SUITES.items()
    }
    suites = {name: module.suite() for name, module in SUITES.items() if name != "sentences"}
    was_stripped = "boilerplate" in counts["step"].to_list()
    suites["sentences"] = sentences.suite(was_stripped=was_stripped)
    found = _validate({**frames, "laws": law_counts}, {**suites, "laws": metrics.law_suite()})
    return Verdict(findings + [_with_offenders(finding, offenders) for finding in found])


def _shape_of(table: Table, frame: pl.LazyFrame) -> Finding:
    """The pinned schema, told before anything is computed that relies on it."""
    schema = frame.collect_schema()
    wrong = {
        name: f"{schema.get(name)} instead of {table.schema.get(name)}"
        for name in {**schema, **table.schema}
        if schema.get(name) != table.schema.get(name)
    }
    what = f"columns and types are those of the contract ({len(table.names)} columns)"
    rows = [{"column": name, "is": problem} for name, problem in wrong.items()]
    return Finding(table.name, what, not wrong, sorted(wrong), rows[:MAX_EXAMPLES])


def _sample(frame: pl.LazyFrame, rows: int) -> pl.DataFrame:
    total = int(frame.select(pl.len()).collect(engine="streaming").item())
    step = max(1, math.ceil(total / rows))
    picked = frame.with_row_index("row").filter(pl.col("row") % step == 0)
    return picked.drop("row").collect(engine="streaming")


def _with_offenders(finding: Finding, offenders: dict[str, list[dict[str, Any]]]) -> Finding:
    """For a broken law, the rows of the tables that break it, beside its two numbers."""
    if finding.table != "laws" or finding.success:
        return finding
    name = str(finding.rows[0]["law"]) if finding.rows else ""
    return Finding(
        finding.table,
        finding.expectation,
        finding.success,
        {key: finding.rows[0][key] for key in ("is", "must_be")} if finding.rows else None,
        [_plain(row) for row in offenders.get(name, [])] or finding.rows,
    )


def _validate(frames: dict[str, pl.DataFrame], suites: dict[str, list[Any]]) -> list[Finding]:
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    os.environ.setdefault("DO_NOT_TRACK", "1")
    warnings.simplefilter("ignore")
    import great_expectations as gx
    from great_expectations.core import ExpectationSuite
    from great_expectations.data_context.types.base import ProgressBarsConfig

    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    source = context.data_sources.add_pandas("corpus")
    findings = []
    for table, frame in frames.items():
        data = _to_pandas(frame)
        asset = source.add_dataframe_asset(table)
        batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": data})
        result = batch.validate(
            ExpectationSuite(name=table, expectations=suites[table]),
            # COMPLETE gives row numbers, for every kind of expectation
            result_format={
                "result_format": "COMPLETE",
                "partial_unexpected_count": MAX_EXAMPLES,
                "return_unexpected_index_query": False,
            },
        )
        findings += [_finding(table, one, data) for one in result.results]
    return findings


def _to_pandas(frame: pl.DataFrame) -> pd.DataFrame:
    """Through plain Python, for the other ways need pyarrow; nulls become None or NaN."""
    import pandas as pd

    return pd.DataFrame(frame.to_dict(as_series=False), columns=frame.columns)


def _finding(table: str, one: Any, data: pd.DataFrame) -> Finding:
    found = one.result or {}
    at = (found.get("unexpected_index_list") or [])[:MAX_EXAMPLES]
    rows = data.loc[at].to_dict("records") if at and not one.success else []
    observed = found.get("observed_value")
    if observed is None and "unexpected_count" in found:
        observed = f"{found['unexpected_count']} of {found.get('element_count')} rows"
    return Finding(
        table,
        str(one.expectation_config.description or one.expectation_config.type),
        bool(one.success),
        _plain(observed),
        [_plain(row) for row in rows],
        _exception(one.exception_info),
    )


def _exception(info: Any) -> str | None:
    """GX gives one such record, or one a metric."""
    records: Iterable[Any] = [info] if "raised_exception" in (info or {}) else (info or {}).values()
    for record in records:
        if isinstance(record, dict) and record.get("raised_exception"):
            return str(record.get("exception_message"))
    return None


def _plain(value: Any) -> Any:
    """What JSON can hold: NumPy scalars unwrapped, NaN as null, long text cut."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [_plain(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and math.isnan(value):
        return None
    if value is None or isinstance(value, int | float | bool):
        return value
    text = str(value)
    return text if len(text) <= MAX_CELL_CHARS else text[: MAX_CELL_CHARS - 1] + "…"


def main() -> None:
    """Serve one request: import first, then read `{"files": ..., "rows": ...}`, then answer."""
    with contextlib.redirect_stdout(sys.stderr):
        import great_expectations.expectations  # noqa: F401 - the slow part, done while we wait
        import pandas  # noqa: F401, ICN001

        request = json.loads(sys.stdin.readline() or "null")
        if request is None:
            return
        verdict = judge_corpus(request["files"], request["rows"])
    json.dump(asdict(verdict), sys.stdout)


if __name__ == "__main__":
    main()
