"""What came of a run or a check, for people and for CI: terminal lines, Markdown, JUnit XML, JSON.

All are made of one Result, which knows whether the corpus was published.
"""

from __future__ import annotations

import html
import json
import re
from dataclasses import asdict, dataclass, field
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import polars as pl

from reinschrift.expectations.states import (
    NOTHING_TO_READ,
    PUBLISHED,
    REFUSED_BY_STRICT,
    SOUND,
)
from reinschrift.expectations.verdict import ERROR, Finding, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

MAX_RULES = 40
MAX_FOLLOWERS = 4
MAX_LISTED = 10
MAX_TEXT_CHARS = 160
# What neither XML nor a terminal may hold.
UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]"
    "|[" + "".join(chr(plane << 16 | last) for plane in range(1, 17) for last in (0xFFFE, 0xFFFF)) + "]"
)
_MARKDOWN = re.compile(r"([\\`*_\[\]|~#!])")


@dataclass(frozen=True)
class Result:
    """The one result all reports are made of.

    `state` is one of the words above. `corpus` is where it lies or would have. `tables` may be absent
    where nothing was read. `message` says what is not in the verdict.
    """

    state: str
    verdict: Verdict
    corpus: str
    version: str | None = None
    metrics: pl.DataFrame | None = None
    previous: pl.DataFrame | None = None
    quarantine: pl.DataFrame | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    message: str = ""

    @property
    def is_good(self) -> bool:
        """Whether the corpus went out, or may."""
        return self.state in (PUBLISHED, SOUND)

    @property
    def refused_inputs(self) -> int:
        """Inputs and records in quarantine."""
        return 0 if self.quarantine is None else self.quarantine.height

    @property
    def findings(self) -> list[Finding]:
        """Those of the gate, and what kept the corpus back besides."""
        return [*_of_the_run(self), *self.verdict.findings]

    @property
    def causes(self) -> list[Finding]:
        """What failed and follows from nothing else, that which blocks first."""
        return [*_of_the_run(self), *self.verdict.causes]

    @property
    def headline(self) -> str:
        """State and counts, in a line."""
        causes = self.causes
        errors = sum(one.severity == ERROR for one in causes)
        counts = [_plural(errors, "failure"), _plural(len(causes) - errors, "warning")]
        judged = f"{len(self.verdict.findings):,} expectations" if self.verdict.findings else ""
        refused = f"{self.refused_inputs:,} in quarantine" if self.refused_inputs else ""
        parts = ", ".join(part for part in (*counts, judged, refused) if part)
        return f"{self.state}: {parts}" if parts else self.state


def _plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' if count != 1 else ''}" if count else ""


def _of_the_run(result: Result) -> list[Finding]:
    """What no expectation on the tables says: refused inputs under strict, nothing to read."""
    if result.state == REFUSED_BY_STRICT:
        rows = result.quarantine.head(MAX_LISTED).to_dicts() if result.quarantine is not None else []
        found = f"{_plural(result.refused_inputs, 'input or record')} in quarantine"
        remedy = "repair or remove them, or run without strict"
        return [Finding("run", "run.strict", "nothing is in quarantine", False, found, "none", rows,
                        remedy=remedy)]  # fmt: skip
    if result.state == NOTHING_TO_READ and not result.verdict.findings:
        return [Finding("run", "run.inputs", "there is something to read", False, result.message,
                        "at least one page", remedy="name files, folders or globs")]  # fmt: skip
    return []


# ---------------------------------------------------------------- lines


def describe(finding: Finding, followers: Sequence[str] = ()) -> str:
    """A failure in one line: what, found, allowed, where, what to do."""
    where = _where(finding)
    found = f"could not be judged: {finding.error}" if finding.error else finding.found
    parts = [
        f"{finding.name}: {finding.what}; found: {found}",
        f"allowed: {finding.allowed}" if finding.allowed else "",
        f"on {where}" if where else "",
        f"what to do: {finding.remedy}" if finding.remedy else "",
        _followers(followers),
    ]
    return printable("; ".join(part for part in parts if part)).replace("\n", " ")


def _followers(names: Sequence[str]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - MAX_FOLLOWERS} more" if len(names) > MAX_FOLLOWERS else ""
    return f"follows from it: {', '.join(names[:MAX_FOLLOWERS])}{more}"


def _where(finding: Finding) -> str:
    """The first page, or file, that is concerned."""
    for row in finding.rows:
        for name in ("source", "document_id", "id", "file"):
            if row.get(name):
                value = str(row[name])
                return PurePath(value).name if name == "file" else value
    return ""


def describe_failures(verdict: Verdict) -> Iterator[str]:
    """Each failure that follows from no other, in a line; then the warnings."""
    for finding in verdict.causes:
        label = "failed" if finding.severity == ERROR else "warning"
        yield f"{label}: {describe(finding, verdict.followers(finding))}"


def printable(text: str) -> str:
    """The text without what terminals act upon and XML refuses."""
    return UNPRINTABLE.sub("\ufffd", text.replace("\r", " "))


# ---------------------------------------------------------------- JUnit


def write_junit(result: Result, path: Path) -> None:
    """One test suite a table, one test case an expectation; only what follows from nothing fails."""
    from junitparser import JUnitXml, TestSuite

    xml = JUnitXml("reinschrift")
    findings = result.findings
    for table in dict.fromkeys(finding.table for finding in findings):
        suite = TestSuite(table)
        for name, value in _properties(result):
            suite.add_property(name, printable(value))
        for finding in findings:
            if finding.table == table:
                suite.add_testcase(_test_case(finding, result.verdict))
        xml.add_testsuite(suite)
    xml.write(str(path), pretty=True)


def _properties(result: Result) -> list[tuple[str, str]]:
    settings = {f"setting.{name}": json.dumps(value) for name, value in result.settings.items()}
    facts = {"state": result.state, "version": result.version or "", "corpus": result.corpus}
    return [*facts.items(), *settings.items()]


def _test_case(finding: Finding, verdict: Verdict) -> Any:
    from junitparser import Failure, Skipped, TestCase

    case = TestCase(finding.name, classname=f"reinschrift.{finding.table}", time=finding.seconds)
    if finding.success:
        return case
    line = describe(finding, verdict.followers(finding))
    if finding.follows_from:
        case.result = [Skipped(f"follows from {finding.follows_from}: {line}")]
    elif finding.severity == ERROR:
        failure = Failure(line, type_=finding.name)
        failure.text = "\n".join(map(_row, finding.rows))
        case.result = [failure]
    else:
        case.system_out = f"warning: {line}"
    return case


def _row(row: dict[str, Any]) -> str:
    return printable(json.dumps(row, ensure_ascii=False, default=str))


# ---------------------------------------------------------------- JSON


def write_json(result: Result, path: Path) -> None:
    """All of it: state, findings, figures, seconds."""
    stated = {
        "state": result.state,
        "version": result.version,
        "corpus": result.corpus,
        "message": result.message,
        "settings": dict(result.settings),
        "seconds": {name: round(lap, 3) for name, lap in result.seconds.items()},
        "figures": result.verdict.figures,
        "findings": [asdict(finding) for finding in result.findings],
        "quarantine": [] if result.quarantine is None else result.quarantine.to_dicts(),
    }
    path.write_text(
        json.dumps(stated, ensure_ascii=True, indent=1, default=str) + "\n", encoding="utf-8"
    )


# ---------------------------------------------------------------- Markdown


def summarise(result: Result) -> str:
    """Markdown: state, failures, then quarantine, funnel and removals, folded away."""
    lines = [f"## Corpus {result.headline}", ""]
    if result.message:
        lines += [_text(result.message), ""]
    lines += _failures(result)
    if result.quarantine is not None and result.quarantine.height:
        lines += [f"### Quarantine: {result.quarantine.height} inputs or records", ""]
        rows = result.quarantine.head(MAX_LISTED).select("source", "record", "reason", "remedy").rows()
        stated = [[code(cell) if cell is not None else "" for cell in row] for row in rows]
        lines += markdown_table(("source", "record", "reason", "remedy"), stated)
    if result.metrics is not None:
        lines += ["<details><summary>Funnel and removals</summary>", ""]
        lines += [*_funnel(result.metrics, result.previous), *_rules(result.metrics), "</details>", ""]
    return "\n".join(lines)


def _failures(result: Result) -> Iterator[str]:
    causes = result.causes
    for finding in causes[:MAX_LISTED]:
        label = "failed" if finding.severity == ERROR else "warning"
        line = describe(finding, result.verdict.followers(finding))
        name, _, rest = line.partition(": ")
        yield f"- **{label}** `{name}`: {_text(rest)}"
    if len(causes) > MAX_LISTED:
        yield f"- … and {len(causes) - MAX_LISTED} more"
    if causes:
        yield ""


def _text(text: str) -> str:
    """Text that Markdown shows as it is: nothing in it is markup, a link or a mention."""
    escaped = _MARKDOWN.sub(r"\\\1", html.escape(printable(text), quote=False))
    safe = escaped.replace("\n", " ").replace("@", "&#64;").replace("://", ":&#47;&#47;")
    return safe.replace("www.", "www&#46;")


def code(text: object) -> str:
    """Text as code in a cell of a table."""
    plain = printable(str(text)).replace("`", "'").replace("\n", " ").replace("|", "\\|")
    cut = plain if len(plain) <= MAX_TEXT_CHARS else plain[: MAX_TEXT_CHARS - 1] + "…"
    return f"`{cut or ' '}`"


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
        counts = [
            _cell(row[name]) for name in ("units_in", "units_dropped", "units_edited", "units_out")
        ]
        rows.append((row["step"], row["unit"], *counts, f"{change:+,}" if before else "new"))
    head = ("step", "unit", "in", "dropped", "edited", "out", "change")
    return ["### Funnel", "", *markdown_table(head, rows)]


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
        *markdown_table(head, [[_cell(cell) for cell in row] for row in rows.rows()]),
        *([f"… and {more} more rules", ""] if more > 0 else []),
    ]


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table in Markdown, whose cells are Markdown already."""

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cells) + " |"

    return [line(head), "|" + " --- |" * len(head), *(line(row) for row in rows), ""]


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else _text(str(value))
