"""What CI shows beside the code: GitHub's annotations, and SARIF for rule packs."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reinschrift.expectations.report import describe, printable
from reinschrift.expectations.verdict import ERROR

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from reinschrift.expectations.report import Result
    from reinschrift.transforms.errors import ReinschriftError

MAX_ANNOTATIONS = 10  # of a kind in a step; GitHub shows no more
SARIF_VERSION = "2.1.0"


@dataclass(frozen=True)
class PackProblem:
    """What is wrong with a rule pack, and on which line of it."""

    file: str
    line: int
    message: str


def problems_of(error: ReinschriftError, path: Path) -> list[PackProblem]:
    """The problems that an error about a pack names; one on its first line where it names no line."""
    remedy = f" ({error.remedy})" if error.remedy else ""
    problems = []
    for line in error.message.splitlines():
        number, _, what = line.removeprefix(f"{path}:").partition(": ")
        if number.isdecimal():
            problems.append(PackProblem(str(path), int(number), what + remedy))
    return problems or [PackProblem(str(path), 1, error.message + remedy)]


def in_github() -> bool:
    """Whether this is a job of GitHub Actions."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def annotate(problem: PackProblem) -> str:
    """A workflow command that shows a problem beside its line."""
    place = f"file={_property(problem.file)},line={problem.line}"
    return f"::error {place},title=rule pack::{_data(problem.message)}"


def annotate_findings(result: Result) -> Iterator[str]:
    """A workflow command for each failure and warning that follows from no other."""
    for finding in result.causes[:MAX_ANNOTATIONS]:
        level = "error" if finding.severity == ERROR else "warning"
        line = describe(finding, result.verdict.followers(finding))
        yield f"::{level} title={_property(finding.name)}::{_data(line)}"


def _data(text: str) -> str:
    """Text of a workflow command: nothing in it begins another."""
    return printable(text).replace("%", "%25").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def write_sarif(problems: Sequence[PackProblem]) -> str:
    """Problems of rule packs, for code scanning."""
    rule = {
        "id": "rule-pack",
        "shortDescription": {"text": "a rule pack that can't be used, or an example that does not hold"},
    }
    driver: dict[str, Any] = {"name": "reinschrift", "rules": [rule]}
    run = {"tool": {"driver": driver}, "results": [_sarif_result(problem) for problem in problems]}
    sarif = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": SARIF_VERSION,
        "runs": [run],
    }
    return json.dumps(sarif, indent=1) + "\n"


def _sarif_result(problem: PackProblem) -> dict[str, Any]:
    place = {
        "artifactLocation": {"uri": Path(problem.file).as_posix()},
        "region": {"startLine": problem.line},
    }
    return {
        "ruleId": "rule-pack",
        "level": "error",
        "message": {"text": problem.message},
        "locations": [{"physicalLocation": place}],
    }
