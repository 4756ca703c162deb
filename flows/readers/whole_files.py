"""One page a file: .txt and .html."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows.readers.decoding import NotTextError, decode
from flows.readers.page import Broken, Limits, Page, Piece

if TYPE_CHECKING:
    from collections.abc import Iterator


def read_text(piece: Piece, limits: Limits) -> Iterator[Page | Broken]:
    """A text file as one page."""
    yield _read(piece, limits, "text")


def read_html(piece: Piece, limits: Limits) -> Iterator[Page | Broken]:
    """An HTML file as one page."""
    yield _read(piece, limits, "html")


def _read(piece: Piece, limits: Limits, kind: str) -> Page | Broken:
    if piece.end > limits.max_page_bytes:
        return Broken(
            piece.source,
            None,
            f"{piece.end:,} bytes, more than max_page_bytes = {limits.max_page_bytes:,}",
            "cut the file, or raise max_page_bytes",
        )
    try:
        with piece.path.open("rb") as handle:
            data = handle.read(limits.max_page_bytes + 1)
    except OSError as error:
        return Broken(
            piece.source, None, f"can't be read: {error.strerror}", "check its rights", is_passing=True
        )
    try:
        content, encoding = decode(data, is_html=kind == "html")
    except NotTextError as error:
        return Broken(piece.source, None, str(error), "remove it, or name it by what it is")
    page = Page(piece.source, 0, content, kind, encoding)
    return check_page(page, limits, None)


def check_page(page: Page, limits: Limits, record: str | None) -> Page | Broken:
    """The page, or why it can't be worked on: no text at all, or a line beyond the limit."""
    if not page.content.strip("\ufeff \t\r\n"):
        return Broken(page.source, record, "empty: there is no text", "remove it")
    longest = max(map(len, page.content.splitlines())) if page.format == "text" else 0
    if longest > limits.max_line_chars:
        return Broken(
            page.source,
            record,
            f"a line of {longest:,} characters, more than max_line_chars = {limits.max_line_chars:,}",
            "break the line, or raise max_line_chars",
        )
    return page
