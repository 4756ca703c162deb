"""A run that nobody judges and that tells nothing, into a folder that is thrown away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from reinschrift.expectations.verdict import Verdict
from reinschrift.flows.ports import InProcessMapper
from reinschrift.flows.run import Report, run_plan

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import BinaryIO

    from reinschrift.expectations.terms import Terms
    from reinschrift.flows.config import Settings


def run_aside(inputs: Sequence[str], settings: Settings, stdin: BinaryIO | None = None) -> Report:
    """Clean the inputs into `settings.out` in this process, without the gate."""
    return run_plan(inputs, settings, InProcessMapper(), Silent(), Unjudged, stdin=stdin)


class Unjudged:
    """No gate: nothing is published."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None: ...

    def judge(self, corpus: Path, terms: Terms) -> Verdict:
        """Nothing is wrong."""
        del corpus, terms
        return Verdict([])


class Silent:
    """A reporter that reports nothing."""

    def begin(self, stage: str, total: int, size: int = 0) -> None:
        """Say nothing."""

    def advance(self, size: int = 0, pages: int = 0) -> None:
        """Say nothing."""

    def say(self, text: str) -> None:
        """Say nothing."""
