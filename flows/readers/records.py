"""Many pages a file: JSON lines, plain or gzipped."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import TYPE_CHECKING, Any, BinaryIO

from flows.readers.decoding import decode
from flows.readers.page import Broken, Limits, Page, Piece
from flows.readers.whole_files import check_page

if TYPE_CHECKING:
    from collections.abc import Iterator

JSON_OVERHEAD = 6  # an escaped character takes up to six bytes of JSON


def read_jsonl(piece: Piece, limits: Limits) -> Iterator[Page | Broken]:
    """The records that begin within the piece."""
    with piece.path.open("rb") as handle:
        handle.seek(piece.start)
        yield from _read_lines(handle, piece, limits)


def read_jsonl_gz(piece: Piece, limits: Limits) -> Iterator[Page | Broken]:
    """The records of a gzipped file; those before a break in the stream are kept."""
    whole = Piece(piece.path, piece.source, 0, 2**63 - 1)
    with gzip.open(piece.path, "rb") as handle:
        reader = _read_lines(handle, whole, limits)
        try:
            yield from reader
        except (EOFError, OSError, zlib.error) as error:
            yield Broken(
                piece.source,
                None,
                f"the gzip stream breaks off: {error}",
                "fetch it again; the records before the break were read",
            )


def _read_lines(
    handle: BinaryIO | gzip.GzipFile, piece: Piece, limits: Limits
) -> Iterator[Page | Broken]:
    position, number = piece.start, piece.first_line
    longest = limits.max_page_bytes * JSON_OVERHEAD
    while position < piece.end:
        line = handle.readline(longest + 1)
        if not line:
            return
        size = len(line)
        if size > longest:
            size += _skip_line(handle)
            yield Broken(
                piece.source,
                f"line {number}",
                f"{size:,} bytes, more than max_page_bytes = {limits.max_page_bytes:,} allows",
                "cut the record, or raise max_page_bytes",
            )
        elif line.strip():
            yield _read_record(line, piece.source, position, number, limits)
        position += size
        number += 1


def _skip_line(handle: BinaryIO | gzip.GzipFile) -> int:
    """Read on to the end of the line, a chunk at a time; how many bytes that was."""
    skipped = 0
    while chunk := handle.readline(1 << 20):
        skipped += len(chunk)
        if chunk.endswith(b"\n"):
            break
    return skipped


def _read_record(line: bytes, source: str, position: int, number: int, limits: Limits) -> Page | Broken:
    where = f"line {number}"
    try:
        text, encoding = decode(line)
        record = json.loads(text)
    except (ValueError, RecursionError) as error:
        return Broken(source, where, f"not valid JSON: {error}", "mend or remove the line")
    if not isinstance(record, dict):
        return Broken(source, where, "not a JSON object", "write one object a line")
    field = next((key for key in ("html", "text") if isinstance(record.get(key), str)), None)
    if field is None:
        return Broken(
            source,
            where,
            f"no text: its keys are {', '.join(sorted(map(str, record))[:8]) or 'none'}",
            'give each record a string "text" or "html"',
        )
    content, is_clean = _without_surrogates(record[field])
    page = Page(
        source=source,
        position=position,
        content=content,
        format="html" if field == "html" else "text",
        encoding=encoding if is_clean else f"{encoding} with lone surrogates",
        record_id=_string(record.get("id")),
        url=_string(record.get("url")),
        title=_string(record.get("title")),
        fetched_at=_string(record.get("fetched_at", record.get("date"))),
    )
    return check_page(page, limits, where)


def _string(value: Any) -> str | None:
    if value is None or isinstance(value, dict | list):
        return None
    return _without_surrogates(str(value))[0]


def _without_surrogates(text: str) -> tuple[str, bool]:
    """JSON may hold halves of characters; they become U+FFFD, for no file can hold them."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        # Pairs written as two escapes are joined on the way.
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace"), False
    return text, True
