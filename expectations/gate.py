"""The gate: Great Expectations judges the laws' counts and text-free projections of the tables.

`serve_request` is the work of the gate's process. It imports Great Expectations (seconds, and hundreds
of megabytes) while the work goes on elsewhere, waits for one request on standard input, and answers on
standard output.
"""

from __future__ import annotations

import contextlib
import gc
import json
import logging
import math
import os
import re
import sys
import warnings
from dataclasses import asdict, dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from reinschrift.expectations import documents, ledger, metrics, quarantine, sentences
from reinschrift.expectations.laws import MAX_EXAMPLES, Tables, measure_laws
from reinschrift.transforms.contracts import DOCUMENTS, LEDGER, PUBLISHED, SENTENCES, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import pandas as pd

SUITES = {module.TABLE.name: module for module in (documents, sentences, ledger, metrics, quarantine)}
MAX_CELL_CHARS = 200
PART_NAME = re.compile(r"part-\d+-\w+\.parquet")


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
    findings = [_shape_of(table, files[table.name]) for table in PUBLISHED]
    if not all(finding.success for finding in findings):
        return Verdict(findings)
    counts = pl.read_parquet(files["metrics"], hive_partitioning=False)
    law_counts, offenders = measure_laws(replace(_tables(files, counts), parts=_parts(files, counts)))
    frames = {name: _sample(files[name], rows, module.project) for name, module in SUITES.items()}
    suites = {name: module.suite() for name, module in SUITES.items() if name != "sentences"}
    was_stripped = "boilerplate" in counts["step"].to_list()
    suites["sentences"] = sentences.suite(was_stripped=was_stripped)
    found = _validate({**frames, "laws": law_counts}, {**suites, "laws": metrics.law_suite()})
    return Verdict(findings + [_with_offenders(finding, offenders) for finding in found])


def _tables(files: dict[str, list[str]], counts: pl.DataFrame) -> Tables:
    def read(table: Table) -> pl.LazyFrame:
        paths = files[table.name]
        return pl.scan_parquet(paths, hive_partitioning=False) if paths else table.empty().lazy()

    return Tables(read(DOCUMENTS), read(SENTENCES), read(LEDGER), counts)


def _parts(files: dict[str, list[str]], counts: pl.DataFrame) -> tuple[Tables, ...]:
    """The tables part by part: all rows of a document lie in files of one name, in whatever folders.

    None where files are named otherwise.
    """
    by_name: dict[str, dict[str, list[str]]] = {}
    for table in (DOCUMENTS, SENTENCES, LEDGER):
        for path in files[table.name]:
            name = Path(path).name
            if not PART_NAME.fullmatch(name):
                return ()
            part = by_name.setdefault(name, {known: [] for known in SUITES})
            part[table.name].append(path)
    return tuple(_tables(part, counts) for _, part in sorted(by_name.items()))


def _shape_of(table: Table, paths: list[str]) -> Finding:
    """Every file has the pinned schema; told before anything is computed that relies on it."""
    wrong = [problem for path in paths for problem in _problems_of(table, path)]
    if not paths:
        wrong = [{"file": table.name, "is": "no file at all"}]
    what = f"columns and types are those of the contract ({len(table.names)} columns)"
    return Finding(table.name, what, not wrong, None, wrong[:MAX_EXAMPLES])


def _problems_of(table: Table, path: str) -> list[dict[str, Any]]:
    try:
        schema = pl.read_parquet_schema(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        return [{"file": path, "is": f"can't be read: {error}"[:MAX_CELL_CHARS]}]
    return [
        {
            "file": path,
            "column": name,
            "is": f"{schema.get(name)} instead of {table.schema.get(name)}",
        }
        for name in {**table.schema, **schema}
        if schema.get(name) != table.schema.get(name)
    ]


def _sample(
    paths: list[str], rows: int, project: Callable[[pl.LazyFrame], pl.LazyFrame]
) -> pl.DataFrame:
    """About so many rows of a table, evenly spaced, a file at a time."""
    frames = [pl.scan_parquet(path, hive_partitioning=False) for path in paths]
    heights = [int(frame.select(pl.len()).collect().item()) for frame in frames]
    step = max(1, math.ceil(sum(heights) / rows))
    picked = []
    for frame, start in zip(frames, accumulate(heights, initial=0), strict=False):
        numbered = project(frame).with_row_index("row", start % step).filter(pl.col("row") % step == 0)
        picked.append(numbered.drop("row").collect(engine="streaming"))
    return pl.concat(picked)


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


def _import_great_expectations() -> None:
    """The slow part, done while the work goes on: without garbage collection, and without SQL.

    GX does without SQLAlchemy where it is absent; we judge data frames only.
    """
    gc.disable()
    sys.modules["sqlalchemy"] = None  # type: ignore[assignment]
    import great_expectations.expectations  # noqa: F401
    import pandas  # noqa: F401

    gc.enable()
    gc.freeze()


def serve_request() -> None:
    """Serve one request: import first, then read `{"files": ..., "rows": ...}`, then answer."""
    with contextlib.redirect_stdout(sys.stderr):
        _import_great_expectations()
        request = json.loads(sys.stdin.readline() or "null")
        if request is None:
            return
        verdict = judge_corpus(request["files"], request["rows"])
    json.dump(asdict(verdict), sys.stdout)
