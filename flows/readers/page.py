"""What readers read from and give back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 - pickled to worker processes with its class


@dataclass(frozen=True)
class Piece:
    """A file, or the part of one that begins at `start` and ends before `end` (bytes).

    `first_line` is the number, from 1, of the line at `start`. `source` is the path as given.
    """

    path: Path
    source: str
    start: int
    end: int
    first_line: int = 1
    modified_ns: int = 0


@dataclass(frozen=True)
class Limits:
    """How much a reader takes before it gives a page up."""

    max_page_bytes: int
    max_line_chars: int


@dataclass(frozen=True)
class Page:
    """One page as read: its content decoded, and what the input says about it."""

    source: str
    position: int
    content: str
    format: str
    encoding: str = "utf-8"
    record_id: str | None = None
    url: str | None = None
    title: str | None = None
    fetched_at: str | None = None


@dataclass(frozen=True)
class Broken:
    """An input or record that can't be read: a row of the quarantine."""

    source: str
    record: str | None
    reason: str
    remedy: str
    is_passing: bool = False  # another try may do better, so it is not remembered
