"""The law of damage: what an oracle finds whole is a page, or is named in quarantine or as ignored."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reinschrift.flows.readers import Broken, Columns, Ignored, Page, Piece, ReadOptions, read_piece
from reinschrift.flows.readers.sniffing import HEAD_BYTES, suffix_by_content
from reinschrift.flows.readers.unpacking import packing_of
from tests.fuzz import oracle

if TYPE_CHECKING:
    from pathlib import Path

    from reinschrift.flows.readers import Item

OPTIONS = ReadOptions(max_page_bytes=50_000, max_line_chars=20_000)


def read(data: bytes, name: str, folder: Path) -> list[Item]:
    path = folder / name
    path.write_bytes(data)
    return list(read_piece(Piece(path, name, 0, len(data)), OPTIONS))


def is_other(data: bytes, suffix: str) -> bool:
    """Whether the content is read as another format than its name says."""
    told = suffix_by_content(data[:HEAD_BYTES], Columns())
    return packing_of(data) is not None or told not in (None, suffix)


def check_warc(data: bytes, folder: Path) -> None:
    """Pages are of whole records alone, each whole record is one or named, and damage is reported."""
    if is_other(data, ".warc"):
        return
    items = read(data, "a.warc", folder)
    whole = [claim for claim in oracle.warc_records(data) if claim.kind in oracle.PAGE_KINDS]
    pages = {item.position: item for item in items if isinstance(item, Page)}
    named = {item.record for item in items if isinstance(item, Broken)}
    ignored = sum(isinstance(item, Ignored) for item in items)
    starts = {claim.start for claim in whole}
    assert pages.keys() <= starts, "a page of a record that is not whole"
    missing = [c for c in whole if c.start not in pages and f"byte {c.start}" not in named]
    assert len(missing) <= ignored, f"records lost at {[claim.start for claim in missing]}"
    for claim in whole:
        if claim.start in pages:
            assert (pages[claim.start].record_id or "") == claim.record_id
    covered = sorted((claim.start, claim.ends[0]) for claim in oracle.warc_records(data))
    if _gaps(data, covered):
        assert named, "bytes that belong to no record are not reported"


def _gaps(data: bytes, covered: list[tuple[int, int]]) -> bool:
    """Whether other bytes than line ends stand outside of the whole records."""
    at = 0
    for start, end in [*covered, (len(data), len(data))]:
        if data[at:start].strip(b"\r\n"):
            return True
        at = end
    return False


def check_csv(data: bytes, folder: Path) -> None:
    """Each row that a strict parser reads before the first error is a page or named."""
    if is_other(data, ".csv"):
        return
    items = read(data, "a.csv", folder)
    read_pages = [item for item in items if isinstance(item, Page)]
    pages = {data[: page.position].count(b"\n") + 1: page.content for page in read_pages}
    named = {item.record for item in items if isinstance(item, Broken)}
    if None in named or "line 1" in named or re.search(rb"\r(?!\n)", data):
        return  # lines are counted otherwise where a carriage return ends some
    for line, text in oracle.csv_rows(data).items():
        assert line in pages or f"line {line}" in named, f"the row of line {line} is lost"
        assert "\ufffd" in text or pages.get(line, text) == text, f"the row of line {line} is another"


def check_parquet(data: bytes, folder: Path) -> None:
    """Each row that can be read by itself is a page or named, or stands behind a break of its group."""
    if is_other(data, ".parquet"):
        return
    items = read(data, "a.parquet", folder)
    pages = {item.position for item in items if isinstance(item, Page)}
    named = {item.record for item in items if isinstance(item, Broken)}
    if None in named:
        return
    groups = [i for i in items if isinstance(i, Broken) and i.reason.startswith("row group")]
    for row in oracle.parquet_rows(data):
        is_named = row - 1 in pages or f"row {row}" in named
        assert is_named or groups, f"row {row} is lost"
