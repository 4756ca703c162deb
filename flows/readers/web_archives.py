"""WARC and WET: the pages among the records; HTTP is parsed by fastwarc."""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING, Literal

from reinschrift.flows.readers.columns import as_utc
from reinschrift.flows.readers.lines import broken_stream
from reinschrift.flows.readers.page import Broken, Ignored, Page
from reinschrift.flows.readers.unpacking import MAGIC_BYTES, packing_of
from reinschrift.flows.readers.warc_records import HEADER_END, MAX_HEADER_BYTES, Damage, read_records
from reinschrift.flows.readers.whole_files import page_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastwarc.warc import WarcRecord

    from reinschrift.flows.readers.page import Content, Item
    from reinschrift.flows.readers.warc_records import Head, Record

Decoding = Literal["none", "transfer", "all"]
PAGES = ("response", "conversion", "resource")  # records that hold what somebody saw
ABOUT_PAGES = ("warcinfo", "request", "metadata", "revisit", "continuation")
HTML_TYPES = ("text/html", "application/xhtml+xml")
TEXT_TYPES = ("text/plain", "text/markdown")
RAW_DEFLATE = -zlib.MAX_WBITS
_X_GZIP = re.compile(
    rb"^((?:content|transfer)-encoding:[^\r\n]{0,99}?)x-gzip", re.IGNORECASE | re.MULTILINE
)


def read_warc(content: Content) -> Iterator[Item]:
    """The pages among the records; behind damage it goes on with the next record."""
    limit = content.options.max_page_bytes
    for item in read_records(content.stream, content.offset, limit + MAX_HEADER_BYTES):
        if isinstance(item, Damage):
            yield _damaged(item, content.source)
        elif item.head.kind in PAGES:
            yield _read_record(item, content)
        elif item.head.kind not in ABOUT_PAGES:
            yield Ignored(content.source, f"records of the WARC-Type {item.head.kind[:40]}")


def _damaged(damage: Damage, source: str) -> Broken:
    if damage.error:
        return broken_stream(source, damage.error, f"record at byte {damage.position}, ")
    remedy = "fetch it again; the records around it were read"
    return Broken(source, f"byte {damage.position}", damage.reason, remedy)


def _read_record(record: Record, content: Content) -> Item:
    limit = content.options.max_page_bytes
    where = f"byte {record.position}"
    if record.body is None or record.length > limit + MAX_HEADER_BYTES:
        reason = f"{record.length:,} bytes, more than max_page_bytes = {limit:,}"
        return Broken(content.source, where, reason, "raise max_page_bytes")
    return _read_page(record.head, record.body, content, record.position, where)


def _read_page(head: Head, body: bytes, content: Content, begun: int, where: str) -> Item:
    limit = content.options.max_page_bytes
    try:
        record, data = _parse(head, body, limit)
    except (OSError, ValueError) as error:
        return Broken(content.source, where, f"can't be parsed: {error}", "fetch the page again")
    if len(data) > limit:
        reason = f"unpacks to more than max_page_bytes = {limit:,}"
        return Broken(content.source, where, reason, "raise max_page_bytes")
    status = record.http_headers.status_code if record.http_headers else None
    if status is not None and not 200 <= status < 300:
        return Ignored(content.source, f"responses with HTTP status {status}")
    kind = _kind(record, head.kind, head.fields.get("content-type", ""), data)
    if kind is None:
        return Ignored(content.source, f"records of type {record.http_content_type or 'unknown'}")
    about = Page(
        source=content.source,
        position=begun,
        content="",
        format=kind,
        record_id=head.fields.get("warc-record-id", "").strip("<>") or None,
        url=head.fields.get("warc-target-uri", "").strip("<>") or None,
        fetched_at=as_utc(head.fields.get("warc-date")),
    )
    charset = record.http_charset if head.kind == "response" else None
    return page_of(data, about, content.options, charset, where)


def _parse(head: Head, body: bytes, limit: int) -> tuple[WarcRecord, bytes]:
    """A record and its payload, `limit` bytes of it and one.

    Crawlers often unpack a page and leave the header that says it is packed; then it is taken as it is.
    """
    raw = _plain_record(head, body)
    try:
        return _decode_http(raw, limit, "all")
    except OSError:
        deflated = _inflate(raw, limit)
        if deflated:
            return deflated
        record, data = _decode_http(raw, limit, "none")
        if packing_of(data[:MAGIC_BYTES]):
            raise
        return record, data


def _decode_http(raw: bytes, limit: int, decoding: Decoding) -> tuple[WarcRecord, bytes]:
    from fastwarc.warc import WarcRecord

    record = WarcRecord.from_bytes(raw)
    if record.is_http:
        record.parse_http(auto_decode=decoding, quirks_mode=True)
    return record, record.reader.read(limit + 1)


def _inflate(raw: bytes, limit: int) -> tuple[WarcRecord, bytes] | None:
    """A record whose payload is deflated without the header of zlib, as some servers send it."""
    for decoding in ("transfer", "none"):
        try:
            record, packed = _decode_http(raw, len(raw), decoding)
        except OSError:
            continue
        headers = record.http_headers.items() if record.http_headers else ()
        coding = next((v for name, v in headers if name.lower() == "content-encoding"), "")
        if coding.strip().lower() != "deflate":
            return None
        decoder = zlib.decompressobj(RAW_DEFLATE)
        try:
            data = decoder.decompress(packed, limit + 1)
        except zlib.error:
            continue
        if decoder.eof or len(data) > limit:
            return record, data
    return None


def _plain_record(head: Head, body: bytes) -> bytes:
    """The record with a header that says no more than what it takes to parse the body."""
    content_type = head.fields.get("content-type", "")
    if head.kind == "response" and body.startswith(b"HTTP/"):
        content_type = "application/http; msgtype=response"
        body = _with_known_codings(body)
    plain = f"WARC/1.0\r\nWARC-Type: {head.kind}\r\nContent-Type: {content_type}\r\n"
    return b"%sContent-Length: %d\r\n\r\n%s" % (plain.encode(), len(body), body)


def _with_known_codings(body: bytes) -> bytes:
    """An HTTP response that says gzip where it said x-gzip, an older name of the same."""
    blank = HEADER_END.search(body, 0, MAX_HEADER_BYTES)
    header = body[: blank.end()] if blank else b""
    if b"x-gzip" not in header.lower():
        return body
    return _X_GZIP.sub(rb"\1gzip", header) + body[len(header) :]


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
