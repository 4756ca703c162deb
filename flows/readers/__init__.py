"""Readers: one module a format, and a table of suffix -> reader.

A new format is one module with a `read(piece, limits)` generator, and its rows in READERS.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flows.readers import records, whole_files
from flows.readers.page import Broken, Limits, Page, Piece

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["READERS", "Broken", "Format", "Limits", "Page", "Piece", "format_of"]


@dataclass(frozen=True)
class Format:
    """How files of one suffix are read, and whether they may be cut at line breaks."""

    read: Callable[[Piece, Limits], Iterator[Page | Broken]]
    is_cuttable: bool = False


READERS: dict[str, Format] = {
    ".txt": Format(whole_files.read_text),
    ".html": Format(whole_files.read_html),
    ".htm": Format(whole_files.read_html),
    ".jsonl": Format(records.read_jsonl, is_cuttable=True),
    ".jsonl.gz": Format(records.read_jsonl_gz),
}


def format_of(name: str) -> Format | None:
    """The format of a file by the end of its name; None for one we don't read."""
    lower = name.lower()
    suffixes = (suffix for suffix in READERS if lower.endswith(suffix))
    longest = max(suffixes, key=len, default=None)
    return READERS[longest] if longest else None
