"""What readers read from and give back."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path  # noqa: TC003 - pickled to worker processes with its class
from typing import TYPE_CHECKING, Any

from reinschrift.flows.readers.columns import Columns

if TYPE_CHECKING:
    import io

EXEMPT_BYTES = 64_000_000  # a file that unpacks to no more is no bomb, whatever its ratio


@dataclass(frozen=True)
class Piece:
    """A file, or the part of one that begins at `start` and ends before `end` (bytes of the file).

    `form` is set for a part only: the suffix it is read by. `first_line` is the number, from 1, of the
    line at `start`; `offset` is the place of `start` in the unpacked content. `source` is the path as
    given.
    """

    path: Path
    source: str
    start: int
    end: int
    first_line: int = 1
    modified_ns: int = 0
    form: str = ""
    offset: int = 0
    remote: str = ""  # for an object of a store: what `flows.sources.remote` finds it by
    address: str = field(default="", repr=False)  # of that object, with what must not be shown


@dataclass(frozen=True)
class ReadOptions:
    """How much a reader takes before it gives a page up, and what the columns of records are called."""

    max_page_bytes: int
    max_line_chars: int
    max_decompress_ratio: float = 250.0
    columns: Columns = field(default_factory=Columns)
    scratch: Path | None = None  # where what must be sought in is unpacked to; None: the system's place


@dataclass
class Budget:
    """How many bytes one file may unpack to, over all layers of it."""

    allowed: int
    spent: int = 0


@dataclass(frozen=True)
class Content:
    """Bytes of one format, unpacked, and how to tell where in the input they stand.

    `offset` and `first_line` are those of its first byte; `size` in bytes, where known.
    """

    stream: io.BufferedReader[Any]
    source: str
    name: str
    options: ReadOptions
    budget: Budget
    offset: int = 0
    first_line: int = 1
    depth: int = 0
    path: Path | None = None  # where the content is a whole file on disk
    member: str | None = None  # its name within the archive it is a member of


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


@dataclass(frozen=True, order=True)
class Ignored:
    """Something within a container that is no page, such as an image: listed, not failed."""

    source: str
    reason: str


Item = Page | Broken | Ignored


class BrokenStreamError(ValueError):
    """The packed bytes can't be unpacked from `offset` (bytes) on; reading again goes on behind it."""

    def __init__(self, reason: str, offset: int, remedy: str = "fetch the file again") -> None:
        super().__init__(reason)
        self.reason = reason
        self.offset = offset
        self.remedy = remedy


class BombError(BrokenStreamError):
    """It unpacks to far more than it should; there is no going on."""
