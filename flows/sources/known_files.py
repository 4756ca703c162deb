"""What files held when they were last hashed, so that a file nobody touched is not read again.

A file counts as untouched if its size, times, device and number are the same, and if the last change to
it was a while before it was hashed: clocks of file systems are coarse.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from reinschrift.flows.readers import Piece

if TYPE_CHECKING:
    import os
    from pathlib import Path

COARSE_NS = 2_000_000_000

Cut = tuple[list[tuple[Piece, bytes]], bytes]  # pieces with a digest each, digest of the whole


@dataclass
class KnownFiles:
    """Files by source. `context` names what decides how files are cut; of another nothing is known."""

    context: str
    old: dict[str, Any] = field(default_factory=dict)
    new: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path, context: str) -> KnownFiles:
        """What an earlier run noted; nothing where that can't be read."""
        try:
            with path.open(encoding="utf-8") as lines:
                if json.loads(next(lines)) != context:
                    return cls(context)
                rows = [json.loads(line) for line in lines]
                return cls(context, {row[0]: row for row in rows})
        except (OSError, ValueError, StopIteration, LookupError, TypeError):
            return cls(context)

    def write(self, path: Path) -> None:
        """Note the files of this run, and no others."""
        aside = path.with_suffix(".part")
        with aside.open("w", encoding="utf-8") as handle:
            for row in (self.context, *self.new.values()):
                handle.write(json.dumps(row) + "\n")
        aside.rename(path)

    def recall(self, path: Path, source: str, status: os.stat_result) -> Cut | None:
        """How a file was cut, and its digests; None where it is unknown, or may be another."""
        row = self.old.get(source)
        if row is None:
            return None
        try:
            _, identity, hashed_at, digest, parts = row
            touched = max(status.st_mtime_ns, status.st_ctime_ns)
            if identity != _identity(status) or touched > hashed_at - COARSE_NS:
                return None
            pieces = [
                (
                    Piece(path, source, start, end, line, status.st_mtime_ns, form, offset),
                    bytes.fromhex(part),
                )
                for start, end, line, form, offset, part in parts
            ]
            whole = bytes.fromhex(digest)
        except (ValueError, TypeError):
            return None  # the notes are damaged
        self.new[source] = row
        return pieces, whole

    def note(self, source: str, status: os.stat_result, began_ns: int, cut: Cut) -> None:
        """Note a file that was hashed from `began_ns` on."""
        pieces, digest = cut
        parts = [(p.start, p.end, p.first_line, p.form, p.offset, own.hex()) for p, own in pieces]
        self.new[source] = (source, _identity(status), began_ns, digest.hex(), parts)


def _identity(status: os.stat_result) -> list[int]:
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_dev]


def now_ns() -> int:
    """The clock that the times of files are told by."""
    return time.time_ns()
