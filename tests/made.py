"""Pages in every format and packing, made for tests."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
import sys
import tarfile
import zipfile
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Record = dict[str, str | None]
URL = "https://example.org/{}"
DATE = "2023-05-01T00:00:00Z"


def text_record(number: int) -> Record:
    return {
        "id": str(number),
        "url": URL.format(number),
        "date": DATE,
        "text": f"Seite {number} erzählt von schönen Dingen.\nUnd eine zweite Zeile steht auch da.",
    }


def html_record(number: int) -> Record:
    page = f"<html><body><p>Seite {number} erzählt von schönen Dingen.</p></body></html>"
    return {"id": str(number), "url": URL.format(number), "date": DATE, "html": page}


def jsonl(records: Sequence[Record]) -> bytes:
    return "".join(json.dumps(record) + "\n" for record in records).encode()


def csv_file(records: Sequence[Record]) -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(records[0]))
    writer.writeheader()
    writer.writerows(records)
    return out.getvalue().encode()


def parquet(records: Sequence[Record], rows_a_group: int = 5) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(list(records)), out, row_group_size=rows_a_group)
    return out.getvalue()


def warc_record(
    record: Record, kind: str = "response", http: str = "", content_type: str = "text/html"
) -> bytes:
    """One record; the HTTP header says nothing of the charset unless `http` does."""
    content = (record.get("html") or record.get("text") or "").encode()
    made = warc_record_of(content, str(record["id"]), kind, http, content_type)
    return made.replace(URL.format(record["id"]).encode(), str(record["url"]).encode(), 1)


def warc_record_of(  # noqa: PLR0913, PLR0917 - one argument a thing that can be odd
    content: bytes,
    record_id: str = "1",
    kind: str = "response",
    http: str = "",
    content_type: str = "text/html",
    status: str = "200 OK",
) -> bytes:
    if kind == "response":
        header = f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\n{http}\r\n"
        content = header.encode() + content
    head = (
        f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Record-ID: <urn:x:{record_id}>\r\n"
        f"WARC-Date: {DATE}\r\nWARC-Target-URI: {URL.format(record_id)}\r\n"
        f"Content-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content + b"\r\n\r\n"


def warc(records: Sequence[Record], kind: str = "response") -> bytes:
    return b"".join(warc_record(record, kind) for record in records)


def warc_gz(records: Sequence[Record], kind: str = "response") -> bytes:
    """As crawlers write it: a gzip stream a record."""
    return b"".join(gzip.compress(warc_record(record, kind), mtime=0) for record in records)


def zipped(name: str, data: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return out.getvalue()


def tarred(name: str, data: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


PACKED: dict[str, Callable[[str, bytes], bytes]] = {
    "": lambda _, data: data,
    ".gz": lambda _, data: gzip.compress(data, mtime=0),
    ".zst": lambda _, data: zstd.compress(data),
    ".bz2": lambda _, data: bz2.compress(data),
    ".xz": lambda _, data: lzma.compress(data),
    ".zip": zipped,
    ".tar": tarred,
    ".tar.gz": lambda name, data: gzip.compress(tarred(name, data), mtime=0),
}
