"""JSON lines: a record a line."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import orjson

from reinschrift.flows.readers.columns import read_record
from reinschrift.flows.readers.decoding import decode
from reinschrift.flows.readers.page import BombError, Broken, BrokenStreamError, Page
from reinschrift.flows.readers.whole_files import check_page, is_larger

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator

    from reinschrift.flows.readers.page import Content

_GAP = re.compile(r"[\s,]*")
JSON_OVERHEAD = 6  # an escaped character takes up to six bytes of JSON
SKIP_BYTES = 1 << 20


def read_jsonl(content: Content) -> Iterator[Page | Broken]:
    """The records, and why a line is none.

    What can't be unpacked is reported, and reading goes on behind it.
    """
    position, number = content.offset, content.first_line
    longest = content.options.max_page_bytes * JSON_OVERHEAD
    readline = content.stream.readline
    while True:
        try:
            line = readline(longest + 1)
            size = len(line)
            if size > longest:
                size += skip_line(content.stream)
        except BrokenStreamError as error:
            yield broken_stream(content.source, error, f"after line {number - 1}, ")
            if isinstance(error, BombError):
                return
            continue
        if not size:
            return
        if size > longest:
            yield too_long(content, f"line {number}", size)
        elif not line.isspace():
            yield from _read_line(line, content, position, number)
        position += size
        number += 1


def too_long(content: Content, where: str, size: int) -> Broken:
    """The row of the quarantine for a record of so many bytes."""
    limit = content.options.max_page_bytes
    reason = f"{size:,} bytes, more than max_page_bytes = {limit:,} allows"
    return Broken(content.source, where, reason, "cut the record, or raise max_page_bytes")


def broken_stream(source: str, error: BrokenStreamError, after: str = "") -> Broken:
    """The row of the quarantine for bytes that can't be unpacked."""
    return Broken(source, f"{after}byte {error.offset}", error.reason, error.remedy)


def skip_line(stream: io.BufferedReader[Any]) -> int:
    """Read on to the end of the line, a chunk at a time; how many bytes that was."""
    skipped = 0
    while chunk := stream.readline(SKIP_BYTES):
        skipped += len(chunk)
        if chunk.endswith(b"\n"):
            break
    return skipped


def _read_line(line: bytes, content: Content, position: int, number: int) -> Iterator[Page | Broken]:
    """The record of a line; the records, where several stand there or commas behind them."""
    where = f"line {number}"
    first = page_of_record(line, content, position, where)
    parts = _split(line) if isinstance(first, Broken) else None
    if parts is None:
        yield first
        return
    for at, part in parts:
        place = f"{where}, byte {position + at}" if len(parts) > 1 else where
        yield page_of_record(part, content, position + at, place)


def _split(line: bytes) -> list[tuple[int, bytes]] | None:
    """The values of a line with several objects, or with one and a comma, and where each begins.

    What is no JSON ends the line and is the last of them. None where the line does not begin so.
    """
    try:
        text = line.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    decoder, parts = json.JSONDecoder(), list[tuple[int, bytes]]()
    at, offset = 0, len(line) - len(text.encode())
    while gap := _GAP.match(text, at):
        offset += gap.end() - at
        at = gap.end()
        if at == len(text):
            break
        try:
            value, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            value, end = None, len(text)
        if not parts and not isinstance(value, dict):
            return None
        part = text[at:end].encode()
        parts.append((offset, part))
        at, offset = end, offset + len(part)
    return parts


def page_of_record(data: bytes, content: Content, position: int, where: str) -> Page | Broken:
    """The page that a JSON object is; `position` is that of its first byte."""
    source = content.source
    encoding = "utf-8"
    try:
        record = orjson.loads(data)
    except orjson.JSONDecodeError:
        try:
            record, encoding = _parse_slowly(data)
        except (ValueError, RecursionError) as error:
            why = "nested too deep" if isinstance(error, RecursionError) else error
            reason = f"not valid JSON: {why} (the record begins at byte {position})"
            return Broken(source, where, reason, "fix or remove the record")
    if not isinstance(record, dict):
        return Broken(source, where, "not a JSON object", "write one object a record")
    facts = read_record(record, content.options.columns)
    if facts.problem:
        return Broken(source, where, *facts.problem)
    limit = content.options.max_page_bytes
    if is_larger(facts.content, limit):
        reason = f"more bytes of text than max_page_bytes = {limit:,}"
        return Broken(source, where, reason, "cut the record, or raise max_page_bytes")
    page = Page(
        source=source,
        position=position,
        content=facts.content,
        format=facts.format,
        encoding=facts.encoding.replace("utf-8", encoding, 1),
        record_id=facts.id,
        url=facts.url,
        title=facts.title,
        fetched_at=facts.date,
    )
    return check_page(page, content.options, where)


def _parse_slowly(line: bytes) -> tuple[Any, str]:
    """What orjson refuses and others write: a byte order mark, other encodings, halves of characters.

    Raises ValueError or RecursionError for what is no JSON.
    """
    text, encoding = decode(line)
    return json.loads(text), encoding
