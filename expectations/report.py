"""The verdict for people and for CI: JUnit XML and a Markdown summary."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from reinschrift.expectations.gate import Finding, Verdict

MAX_RULES = 40


def write_junit(verdict: Verdict, path: Path) -> None:
    """One test suite a table, one test case an expectation."""
    from junitparser import Failure, JUnitXml, TestCase, TestSuite

    xml = JUnitXml("reinschrift")
    for table in dict.fromkeys(finding.table for finding in verdict.findings):
        suite = TestSuite(table)
        for finding in verdict.findings:
            if finding.table == table:
                case = TestCase(finding.expectation, classname=f"reinschrift.{table}")
                if not finding.success:
                    failure = Failure(finding.error or f"observed: {finding.observed}")
                    failure.text = "\n".join(_row(row) for row in finding.rows)
                    case.result = [failure]
                suite.add_testcase(case)
        xml.add_testsuite(suite)
    xml.write(str(path), pretty=True)


def _row(row: dict[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False, default=str)


def describe_failures(verdict: Verdict) -> Iterator[str]:
    """Each failed expectation in a line, and its offending rows below it."""
    for finding in verdict.failures:
        yield f"{finding.table}: {finding.expectation}{_observed(finding)}"
        yield from (f"    {_row(row)}" for row in finding.rows)


def _observed(finding: Finding) -> str:
    if finding.error:
        return f" (could not be judged: {finding.error})"
    return "" if finding.observed in (None, []) else f" (observed: {finding.observed})"


def summarise(
    verdict: Verdict,
    metrics: pl.DataFrame,
    previous: pl.DataFrame | None = None,
    quarantine: pl.DataFrame | None = None,
) -> str:
    """Markdown: verdict, funnel with the change since the version before, removals, failures."""
    judged = len(verdict.findings)
    title = "passed" if verdict.passed else "failed"
    lines = [f"## Corpus {title}: {judged - len(verdict.failures)} of {judged} expectations", ""]
    lines += _funnel(metrics, previous)
    lines += _rules(metrics)
    if not verdict.passed:
        lines += ["### Failed expectations", ""]
        for finding in verdict.failures:
            lines += [f"- **{finding.table}**: {finding.expectation}{_observed(finding)}"]
            lines += [f"  - `{_row(row)}`" for row in finding.rows]
        lines.append("")
    if quarantine is not None and quarantine.height:
        lines += [f"### Quarantine: {quarantine.height} inputs or records", ""]
        rows = quarantine.head(MAX_RULES).select("source", "record", "reason", "remedy").rows()
        lines += _table(("source", "record", "reason", "remedy"), rows)
    return "\n".join(lines)


def _funnel(metrics: pl.DataFrame, previous: pl.DataFrame | None) -> list[str]:
    steps = metrics.filter(pl.col("rule").is_null())
    before = {
        (step, unit): out
        for step, unit, out in (
            previous.filter(pl.col("rule").is_null()).select("step", "unit", "units_out").rows()
            if previous is not None
            else ()
        )
    }
    rows = []
    for row in steps.iter_rows(named=True):
        change = row["units_out"] - before.get((row["step"], row["unit"]), row["units_out"])
        counts = [row[name] for name in ("units_in", "units_dropped", "units_edited", "units_out")]
        rows.append((row["step"], row["unit"], *counts, f"{change:+,}" if before else "new"))
    head = ("step", "unit", "in", "dropped", "edited", "out", "change")
    return ["### Funnel", "", *_table(head, rows)]


def _rules(metrics: pl.DataFrame) -> list[str]:
    rules = metrics.filter(pl.col("rule").is_not_null()).sort(
        "units_dropped", "units_edited", "rule", descending=[True, True, False]
    )
    if rules.is_empty():
        return []
    rows = rules.head(MAX_RULES).select("step", "rule", "units_dropped", "units_edited", "chars_dropped")
    head = ("step", "rule", "dropped", "edited", "characters")
    more = rules.height - rows.height
    return [
        "### Removed by rule",
        "",
        *_table(head, rows.rows()),
        *([f"… and {more} more rules", ""] if more > 0 else []),
    ]


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    def line(cells: Sequence[object]) -> str:
        return "| " + " | ".join(_cell(cell) for cell in cells) + " |"

    return [line(head), "|" + " --- |" * len(head), *(line(row) for row in rows), ""]


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, int):
        return f"{value:,}"
    return str(value).replace("|", "\\|").replace("\n", " ")
