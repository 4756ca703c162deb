"""What the gate says: observations with what is allowed, findings, and the verdict they make."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ERROR, WARN, OFF = "error", "warn", "off"
SEVERITIES = (ERROR, WARN, OFF)

PROGRAM = (
    "the inputs are not to blame: see the page with `reinschrift explain`, keep the version before, "
    "and report it"
)
# What to do, by the beginning of a name; the first that fits.
REMEDIES = (
    ("seal.", "the files are not as they were published: run again, or `reinschrift rollback`"),
    ("shape.", "the files are not those of this version of the program: run again"),
    ("readable.", "the file is damaged: run again, or `reinschrift rollback`"),
    ("gate.", "run again; if it fails again, report it with its message"),
    (
        "replay.",
        "reading the page again gives another result: clear OUT/.reinschrift/stages and run again",
    ),
    (
        "sanity.",
        "look at the rows; if the corpus is meant to be so, change the threshold or the severity",
    ),
    ("history.", "compare with the version before; if the change is meant, it is the new normal soon"),
    (
        "own.",
        "look at the rows; if they are meant to be so, change the condition, `mostly` or `severity`",
    ),
    ("foreign.", "look at the rows"),
)


@dataclass(frozen=True)
class Observation:
    """One thing measured: a value, and the bounds it must lie between.

    `rows`: up to five rows that are why. `reads`: the columns it depends on, as in `Law`. `error`: why
    it could not be measured.
    """

    name: str
    table: str
    what: str
    value: float = 0
    low: float | None = 0
    high: float | None = 0
    found: str = ""
    allowed: str = "none"
    rows: list[dict[str, Any]] = field(default_factory=list)
    reads: tuple[str, ...] = ()
    severity: str = ERROR
    error: str | None = None
    seconds: float = 0

    @property
    def holds(self) -> bool:
        """Whether the value lies between its bounds."""
        return (
            self.error is None
            and (self.low is None or self.value >= self.low)
            and (self.high is None or self.value <= self.high)
        )


@dataclass(frozen=True)
class Finding:
    """How one expectation fared.

    `follows_from`: the name of an earlier failure that explains this one.
    """

    table: str
    name: str
    what: str
    success: bool
    found: str = ""
    allowed: str = ""
    rows: list[dict[str, Any]] = field(default_factory=list)
    error: str | None = None
    severity: str = ERROR
    remedy: str = ""
    follows_from: str | None = None
    seconds: float = 0


@dataclass(frozen=True)
class Verdict:
    """All findings, and the figures of the corpus they were made on."""

    findings: list[Finding]
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def failures(self) -> list[Finding]:
        """Those that failed and block."""
        return [one for one in self.findings if not one.success and one.severity == ERROR]

    @property
    def warnings(self) -> list[Finding]:
        """Those that failed and are only reported."""
        return [one for one in self.findings if not one.success and one.severity == WARN]

    @property
    def causes(self) -> list[Finding]:
        """Failures that no other explains; those that block first."""
        return [one for one in (*self.failures, *self.warnings) if one.follows_from is None]

    def followers(self, cause: Finding) -> list[str]:
        """Names of the failures that one explains."""
        return [one.name for one in self.findings if one.follows_from == cause.name]

    @property
    def passed(self) -> bool:
        """Whether the corpus may go out."""
        return not self.failures


def find(
    observations: Sequence[Observation], holds: Sequence[bool], severities: Mapping[str, str]
) -> list[Finding]:
    """Findings of observations, in their order; what is switched off is left out."""
    findings: list[Finding] = []
    causes: list[Observation] = []
    for one, success in zip(observations, holds, strict=True):
        severity = severity_of(one, severities)
        if severity == OFF:
            continue
        cause = None if success else _cause_of(one, causes)
        if not success and cause is None and severity == ERROR:
            causes.append(one)
        findings.append(replace(_finding(one, success=success), severity=severity, follows_from=cause))
    return findings


def severity_of(one: Observation, severities: Mapping[str, str]) -> str:
    """The severity asked for by the longest pattern that fits the name; else its own."""
    fitting = [pattern for pattern in severities if fnmatchcase(one.name, pattern)]
    return severities[max(fitting, key=len)] if fitting else one.severity


def _cause_of(one: Observation, causes: Sequence[Observation]) -> str | None:
    """The first failure before it that shares a column with it; `table.*` is every column."""
    for cause in causes:
        if any(_overlap(left, right) for left in cause.reads for right in one.reads):
            return cause.name
    return None


def _overlap(left: str, right: str) -> bool:
    same_table = left.partition(".")[0] == right.partition(".")[0]
    return left == right or (same_table and "*" in (left[-1], right[-1]))


def _finding(one: Observation, *, success: bool) -> Finding:
    remedy = next((text for start, text in REMEDIES if one.name.startswith(start)), PROGRAM)
    return Finding(
        one.table,
        one.name,
        one.what,
        success,
        one.found or f"{one.value:g}",
        one.allowed,
        [] if success else one.rows,
        one.error,
        remedy="" if success else remedy,
        seconds=one.seconds,
    )


def verdict_from(answer: dict[str, Any]) -> Verdict:
    """The verdict that `asdict` made plain."""
    return Verdict([Finding(**one) for one in answer["findings"]], answer["figures"])
