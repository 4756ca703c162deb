"""WARC and WET: records are found by their length, headers are read by fastwarc."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from reinschrift.flows.readers.columns import as_utc
from reinschrift.flows.readers.lines import broken_stream, skip_line
from reinschrift.flows.readers.page import BombError, Broken, BrokenStreamError, Ignored, Page
from reinschrift.flows.readers.unpacking import MAGIC_BYTES, packing_of
from reinschrift.flows.readers.whole_files import page_of

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator

    from fastwarc.warc import WarcRecord

    from reinschrift.flows.readers.page import Content, Item

VERSION = re.compile(rb"WARC/\d\.\d\r?\n")
MAX_HEADER_BYTES = 1 << 16
SKIP_BYTES = 1 << 18
Decoding = Literal["none", "all"]
PAGES = ("response", "conversion", "resource")  # records that hold what somebody saw
HTML_TYPES = ("text/html", "application/xhtml+xml")
TEXT_TYPES = ("text/plain", "text/markdown")
_FIELD = re.compile(rb"^(warc-type|content-length):[ \t]*([^\r\n]*)", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True)
class Head:
    """The header of a record: its bytes, what kind of record it is and how long."""

    raw: bytes
    kind: str
    length: int


class NoRecordError(ValueError):
    """Here no record begins."""


def read_warc(content: Content) -> Iterator[Item]:
    """The pages among the records; behind damage it goes on with the next record."""
    cursor = _Cursor(content.stream, content.offset)
    begun = cursor.position
    while True:
        begun = cursor.position
        try:
            if not cursor.skip_blank():
                return
            begun = cursor.position
            head = cursor.read_head()
            if head.kind not in PAGES:
                cursor.skip(head.length)
                continue
            yield from _read_record(cursor, head, content, begun)
        except NoRecordError as error:
            yield Broken(content.source, f"byte {begun}", str(error), "fetch the file again")
            if not cursor.find_record():
                return
        except BrokenStreamError as error:
            yield broken_stream(content.source, error, f"record at byte {begun}, ")
            if isinstance(error, BombError) or not cursor.find_record():
                return


def read_head(stream: io.BufferedReader[Any]) -> tuple[Head, int]:
    """The header of the record that begins here, and how many bytes it takes.

    Raises NoRecordError where there is none.
    """
    line = stream.readline(MAX_HEADER_BYTES)
    if not VERSION.fullmatch(line):
        raise NoRecordError("no WARC header where a record should begin")
    raw = line
    while line not in (b"\r\n", b"\n"):
        line = stream.readline(MAX_HEADER_BYTES)
        raw += line
        if not line:
            raise NoRecordError("breaks off within the header of a record")
        if len(raw) > MAX_HEADER_BYTES:
            raise NoRecordError(f"a header of more than {MAX_HEADER_BYTES:,} bytes")
    fields = {name.lower(): value.strip() for name, value in _FIELD.findall(raw)}
    length = fields.get(b"content-length", b"")
    if not length.isdigit() or len(length) > 18:
        raise NoRecordError("a record without a valid Content-Length")
    return Head(raw, fields.get(b"warc-type", b"").decode("latin-1").lower(), int(length)), len(raw)


class _Cursor:
    """A stream and how far it was read."""

    def __init__(self, stream: io.BufferedReader[Any], position: int) -> None:
        self.stream, self.position = stream, position

    def skip_blank(self) -> bool:
        """Skip the line ends between records; False at the end of the file."""
        while head := self.stream.peek(2)[:2]:
            if head[:1] not in (b"\r", b"\n"):
                return True
            self.position += len(self.stream.read(1))
        return False

    def read_head(self) -> Head:
        head, size = read_head(self.stream)
        self.position += size
        return head

    def read(self, size: int) -> bytes:
        data = self.stream.read(size)
        self.position += len(data)
        return data

    def skip(self, size: int) -> None:
        while size > 0 and (data := self.read(min(size, SKIP_BYTES))):
            size -= len(data)
        if size > 0:
            raise NoRecordError(f"the file ends in the middle of a record, {size:,} bytes short")

    def find_record(self) -> bool:
        """Go on to the next line that begins a record; False if there is none."""
        while True:
            try:
                if VERSION.match(self.stream.peek(16)[:16]):
                    return True
                skipped = skip_line(self.stream)
            except BombError:
                return False
            except BrokenStreamError:
                continue
            self.position += skipped
            if not skipped:
                return False


def _read_record(cursor: _Cursor, head: Head, content: Content, begun: int) -> Iterator[Item]:
    limit = content.options.max_page_bytes
    where = f"byte {begun}"
    if head.length > limit + MAX_HEADER_BYTES:
        cursor.skip(head.length)
        reason = f"{head.length:,} bytes, more than max_page_bytes = {limit:,}"
        yield Broken(content.source, where, reason, "raise max_page_bytes")
        return
    body = cursor.read(head.length)
    if len(body) < head.length:
        raise NoRecordError(
            f"the file ends in the middle of a record, {head.length - len(body):,} bytes short"
        )
    yield _read_page(head, body, content, begun, where)


def _read_page(head: Head, body: bytes, content: Content, begun: int, where: str) -> Item:
    limit = content.options.max_page_bytes
    try:
        record, data = _parse(_marked_http(head, body) + body, limit, "all")
    except (OSError, ValueError) as error:
        return Broken(content.source, where, f"can't be parsed: {error}", "fetch the page again")
    if len(data) > limit:
        reason = f"unpacks to more than max_page_bytes = {limit:,}"
        return Broken(content.source, where, reason, "raise max_page_bytes")
    status = record.http_headers.status_code if record.http_headers else None
    if status is not None and not 200 <= status < 300:
        return Ignored(content.source, f"responses with HTTP status {status}")
    # Pairs, not a dict of the record: by a name with broken characters its value is not found.
    headers = {name.lower(): value for name, value in record.headers.items()}
    kind = _kind(record, head.kind, headers.get("content-type", ""), data)
    if kind is None:
        return Ignored(content.source, f"records of type {record.http_content_type or 'unknown'}")
    about = Page(
        source=content.source,
        position=begun,
        content="",
        format=kind,
        record_id=headers.get("warc-record-id", "").strip("<>") or None,
        url=headers.get("warc-target-uri", "").strip("<>") or None,
        fetched_at=as_utc(headers.get("warc-date")),
    )
    charset = record.http_charset if head.kind == "response" else None
    return page_of(data, about, content.options, charset, where)


def _parse(raw: bytes, limit: int, decoding: Decoding) -> tuple[WarcRecord, bytes]:
    """A record and its payload, `limit` bytes of it and one.

    Crawlers often unpack a page and leave the header that says it is packed; then it is taken as it is.
    """
    from fastwarc.warc import WarcRecord

    record = WarcRecord.from_bytes(raw)
    try:
        if record.is_http:
            record.parse_http(auto_decode=decoding, quirks_mode=True)
        return record, record.reader.read(limit + 1)
    except OSError:
        if decoding == "none":
            raise
        record, data = _parse(raw, limit, "none")
        if packing_of(data[:MAGIC_BYTES]):
            raise
        return record, data


def _marked_http(head: Head, body: bytes) -> bytes:
    """The header of a record, said to hold HTTP if it does, and with the line ends of the standard."""
    lines = head.raw.split(b"\n")
    raw = b"\r\n".join(line.rstrip(b"\r") for line in lines)
    if head.kind == "response" and body.startswith(b"HTTP/") and b"application/http" not in raw:
        raw = raw.removesuffix(b"\r\n") + b"Content-Type: application/http; msgtype=response\r\n\r\n"
    return raw


def _kind(record: WarcRecord, record_kind: str, content_type: str, data: bytes) -> str | None:
    """html, text, or None for what is no page."""
    from reinschrift.flows.readers.sniffing import looks_like_html

    if record_kind == "conversion":
        return "text"
    given = (record.http_content_type or "").strip().lower()
    if record_kind == "resource":
        given = content_type.split(";", maxsplit=1)[0].strip().lower()
    if given in HTML_TYPES:
        return "html"
    if given in TEXT_TYPES:
        return "html" if looks_like_html(data[:1024]) else "text"
    return "html" if not given and looks_like_html(data[:1024]) else None
