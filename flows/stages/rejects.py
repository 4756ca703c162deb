"""What of a shard is no page: rejected records, and content that is of another kind."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import polars as pl

from reinschrift.flows.readers import Broken, Ignored
from reinschrift.flows.store.tables import write_table
from reinschrift.transforms.contracts import IGNORED, QUARANTINE

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

QUARANTINE_ROWS = 10_000  # written at a time


@dataclass
class RejectSink:
    """Writes rejected records to the stage of a shard, a bounded number of rows at a time."""

    stage: Path
    broken: list[Broken] = field(default_factory=list)
    ignored: Counter[Ignored] = field(default_factory=Counter)
    files: int = 0
    is_passing: bool = False  # whether another try may do better

    def put(self, item: Broken | Ignored) -> None:
        """Remember it."""
        if isinstance(item, Ignored):
            self.ignored[item] += 1
            return
        self.is_passing |= item.is_passing
        self.broken.append(item)
        if len(self.broken) >= QUARANTINE_ROWS:
            self._write()

    def close(self) -> None:
        """Write what is left."""
        self._write()
        rows = [
            (writable(item.source), item.reason, count) for item, count in sorted(self.ignored.items())
        ]
        frame = pl.DataFrame(rows, schema=IGNORED.schema, orient="row")
        write_table(frame, IGNORED, self.stage / IGNORED.name / "00000.parquet")

    def _write(self) -> None:
        path = self.stage / QUARANTINE.name / f"{self.files:05d}.parquet"
        write_table(quarantine(self.broken), QUARANTINE, path)
        self.files += 1
        self.broken.clear()


class NoSink:
    """Leaves what is no page where it is."""

    def put(self, item: Broken | Ignored) -> None:
        """Forget it."""


def quarantine(broken: Iterable[Broken]) -> pl.DataFrame:
    """QUARANTINE rows."""
    rows = [
        {
            name: value if value is None else writable(value)
            for name, value in asdict(item).items()
            if name in QUARANTINE.schema
        }
        for item in broken
    ]
    return pl.DataFrame(rows, schema=QUARANTINE.schema)


def writable(text: str) -> str:
    """Text that a file can hold: no halves of characters."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
