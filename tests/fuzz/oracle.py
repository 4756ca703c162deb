"""Which records of a damaged file are whole, told by slow and simple parsers of their own.

Nothing here calls a reader of the program. Each oracle follows the definition of its format on the bytes
of a whole file, without thought of memory or time.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE_KINDS = ("response", "conversion", "resource")


# ---------------------------------------------------------------- WARC


@dataclass(frozen=True)
class Claim:
    """A header of a record, wherever it stands, and where the record would end."""

    start: int
    body: int
    ends: tuple[int, ...]
    kind: str
    record_id: str
    is_behind_blank: bool
    line_end: bytes


def warc_records(data: bytes) -> list[Claim]:
    """The whole records of a WARC file, `ends` being where each does.

    A record is a header, a blank line, as many bytes as its Content-Length says, and two line ends
    (ISO 28500, 4). Here the last may be missing at the end of the file and before the next header. A
    record is not whole if others lie in its body: if the last of those ends where it does.
    """
    claims = list(_claims(data))
    whole: list[Claim] = []
    at = 0
    for claim in claims:
        if claim.start < at:
            continue
        end = next((end for end in claim.ends if _is_whole(data, claim, end, claims)), None)
        if end is not None:
            whole.append(Claim(*{**vars(claim), "ends": (end,)}.values()))
            at = end
    return whole


def _claims(data: bytes) -> Iterator[Claim]:
    starts = [
        m.start() for m in re.finditer(rb"(?i)WARC/\d\.\d{1,2}[ \t]*\r?\n[a-z][\w-]*[ \t]*:", data)
    ]
    for number, start in enumerate(starts):
        limit = starts[number + 1] if number + 1 < len(starts) else len(data)
        blank = re.compile(rb"\n\r?\n").search(data, start, limit)
        if not blank:
            continue
        fields = [
            (name.strip().lower(), value.strip().partition(b"\r")[0])
            for name, colon, value in (
                line.partition(b":")
                for line in re.sub(rb"\r?\n[ \t]+", b" ", data[start : blank.end()]).split(b"\n")[1:]
            )
            if colon
        ]
        lengths = sorted(
            {int(v) for n, v in fields if n == b"content-length" and re.fullmatch(rb"\d{1,18}", v)}
        )
        known = dict(reversed(fields))
        if not lengths or not known.get(b"warc-type"):
            continue
        yield Claim(
            start,
            blank.end(),
            tuple(blank.end() + length for length in lengths),
            known[b"warc-type"].decode("latin-1").lower(),
            known.get(b"warc-record-id", b"").decode("latin-1").strip("<>"),
            data[:start].replace(b"\r", b"").endswith(b"\n\n"),
            b"\r\n" if data[: blank.end()].endswith(b"\r\n\r\n") else b"\n",
        )


def _is_whole(data: bytes, claim: Claim, end: int, claims: list[Claim]) -> bool:
    if end > len(data):
        return False
    behind = data[end:]
    rest = behind.lstrip(b"\r\n")
    line_ends = behind[: len(behind) - len(rest)].count(b"\n")
    is_followed = not rest or re.match(rb"(?i)WARC/\d\.\d{1,2}[ \t]*\r?\n", rest) is not None
    if not is_followed and not behind.startswith(claim.line_end * 2):
        return False
    http = re.match(rb"(?s)HTTP/.*?\n\r?\n", data[claim.body : end])
    if http:
        length = re.search(rb"(?im)^content-length:[ \t]*(\d+)[ \t]*\r?$", http[0])
        if length and int(length[1]) == end - claim.body - http.end():
            return True
    inner = [c for c in claims if claim.body <= c.start < end and c.is_behind_blank]
    if not is_followed:
        return not inner and not any(_headers_behind_blank(data, claim.body, end))
    ends = (end,) if line_ends > 1 else range(end - 4, end + 1)
    return not any(at in c.ends for c in inner for at in ends)


def _headers_behind_blank(data: bytes, begin: int, end: int) -> Iterator[bool]:
    for found in re.finditer(rb"(?i)WARC/\d\.\d{1,2}[ \t]*\r?\n[a-z][\w-]*[ \t]*:", data):
        if begin <= found.start() < end:
            yield data[: found.start()].replace(b"\r", b"").endswith(b"\n\n")


# ---------------------------------------------------------------- Parquet


def parquet_rows(data: bytes, column: str = "text") -> dict[int, bytes]:
    """The rows (from 1) of which the text can be read, one row group and one row at a time."""
    rows: dict[int, bytes] = {}
    try:
        file = pq.ParquetFile(io.BytesIO(data))
    except (pa.ArrowException, OSError, ValueError):
        return rows
    first = 0
    for group in range(file.num_row_groups):
        size = file.metadata.row_group(group).num_rows
        try:
            values = file.read_row_group(group, [column], use_threads=False)[column].cast(
                pa.large_binary()
            )
        except (pa.ArrowException, OSError, ValueError, KeyError):
            values = []
        for number, value in enumerate(values):
            if value.is_valid:
                rows[first + number + 1] = value.as_py()
        first += size
    return rows


# ---------------------------------------------------------------- CSV


def csv_rows(data: bytes, column: str = "text") -> dict[int, str]:
    """Number of the first line -> text, for the rows that a strict parser reads before an error."""
    text = io.StringIO(data.decode("utf-8", "replace"), newline="")
    reader = csv.reader(text, strict=True)
    rows: dict[int, str] = {}
    try:
        header = next(reader)
        line = reader.line_num
        for row in reader:
            if len(row) == len(header):
                rows[line + 1] = row[header.index(column)]
            line = reader.line_num
    except (csv.Error, StopIteration, ValueError):
        return rows
    return rows
