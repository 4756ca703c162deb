"""What a corpus is held to besides the contracts: its settings, its past, thresholds, severities."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Terms:
    """The terms of one judgement; plain values, for they go to another process.

    `settings`: those that decide what is kept, where they are known. `severity`: by patterns of names.
    `history`: figures of the versions before, oldest first. `inputs`: their digest. `replay`: a folder
    of pages read again (see `expectations.replayed`). `quarantined`: how many inputs and records were
    refused. `own`: files with the user's own expectations. `sealed`: whether the files must be those
    that manifest.json names. `data_docs`: a folder for pages of Great Expectations and its suites.
    """

    settings: dict[str, Any] = field(default_factory=dict)
    severity: dict[str, str] = field(default_factory=dict)
    thresholds: dict[str, float] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    inputs: str | None = None
    replay: str | None = None
    quarantined: int | None = None
    own: list[str] = field(default_factory=list)
    sealed: bool = False
    foreign_text: str | None = None
    data_docs: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """What `Terms(**…)` takes."""
        return asdict(self)
