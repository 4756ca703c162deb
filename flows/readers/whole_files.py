"""One page a file: .txt, .md and .html."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reinschrift.flows.readers.decoding import NotTextError, decode
from reinschrift.flows.readers.page import Broken, Page

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reinschrift.flows.readers.page import Content, ReadOptions

_TAG = re.compile(r"<[A-Za-z!/?]")


def read_text(content: Content) -> Iterator[Page | Broken]:
    """A text file as one page."""
    yield _read(content, "text")


def read_html(content: Content) -> Iterator[Page | Broken]:
    """An HTML file as one page; one without a single tag is text."""
    yield _read(content, "html")


def _read(content: Content, kind: str) -> Page | Broken:
    limit = content.options.max_page_bytes
    data = content.stream.read(limit + 1)
    if len(data) > limit:
        return Broken(
            content.source,
            None,
            f"more bytes than max_page_bytes = {limit:,}",
            "cut the file, or raise max_page_bytes",
        )
    if not data:
        return Broken(content.source, None, "empty file", "remove it")
    return page_of(data, Page(content.source, 0, "", kind), content.options)


def page_of(
    data: bytes,
    about: Page,
    options: ReadOptions,
    http_charset: str | None = None,
    record: str | None = None,
) -> Page | Broken:
    """The page that these bytes are, with what is known about it."""
    kind = about.format
    try:
        text, encoding = decode(data, is_html=kind == "html", http_charset=http_charset)
    except NotTextError as error:
        return Broken(about.source, record, str(error), "remove it, or name it by what it is")
    if kind == "html" and not _TAG.search(text):
        kind = "text"
    page = Page(
        about.source, about.position, text, kind, encoding, about.record_id, about.url, about.title,
        about.fetched_at,
    )  # fmt: skip
    return check_page(page, options, record)


def is_larger(text: str, limit: int) -> bool:
    """Whether a text takes more than `limit` bytes as UTF-8."""
    return len(text) > limit or (4 * len(text) > limit and len(text.encode()) > limit)


def check_page(page: Page, options: ReadOptions, record: str | None) -> Page | Broken:
    """The page, or why it can't be worked on: no text at all, or a line beyond the limit."""
    text = page.content.replace("\ufeff", "")
    if not text or text.isspace():
        return Broken(page.source, record, "empty: there is no text", "remove it")
    if page.format == "text" and len(page.content) > options.max_line_chars:
        longest = max(map(len, page.content.splitlines()))
        if longest > options.max_line_chars:
            return Broken(
                page.source,
                record,
                f"a line of {longest:,} characters, more than max_line_chars = "
                f"{options.max_line_chars:,}",
                "break the line, or raise max_line_chars",
            )
    return page
