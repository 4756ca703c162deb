"""The versions of a corpus as a table on a terminal; imports no engine, for it should answer at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import filesize
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from reinschrift.flows.comparing.versions import Version

WIDE = 160  # columns of what is no terminal


def show_versions(versions: Sequence[Version], console: Console) -> None:
    """A row a version, the current one marked."""
    table = Table(show_edge=False, pad_edge=False)
    for name in ("version", "published", "documents", "characters", "size", "why", "verdict"):
        is_number = name in ("documents", "characters", "size")
        is_text = name in ("why", "verdict")
        table.add_column(
            name, justify="right" if is_number else "left", overflow="fold", no_wrap=not is_text
        )
    for one in versions:
        counts = ["" if count is None else f"{count:,}" for count in (one.documents, one.chars)]
        mark = "*" if one.is_current else " "
        date = one.date.replace("T", " ")[:16]
        row = (f"{mark} {one.name}", date, *counts, filesize.decimal(one.size), one.why, one.verdict)
        table.add_row(*map(_printable, row))
    width = console.width if console.is_terminal else max(console.width, WIDE)
    console.print(table, highlight=False, markup=False, width=width)


def _printable(text: str) -> str:
    """Without what terminals act upon: names of expectations may be the user's own."""
    return "".join(char if char.isprintable() else "\ufffd" for char in text)
