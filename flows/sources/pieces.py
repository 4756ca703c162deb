"""Where a large file may be cut into pieces, so that results are independent of split points."""

from __future__ import annotations

import io
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from reinschrift.flows.readers import READERS, format_of, has_old_line_ends
from reinschrift.flows.readers.columns import Columns
from reinschrift.flows.readers.documents import is_document
from reinschrift.flows.readers.page import Budget
from reinschrift.flows.readers.sniffing import HEAD_BYTES, suffix_by_content, wide_encoding
from reinschrift.flows.readers.unpacking import PACKINGS, Unpacked, Window, allowed_bytes, packing_of
from reinschrift.flows.readers.warc_records import Damage, read_records

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from reinschrift.flows.readers.unpacking import Packing

CHUNK_BYTES = 1 << 20
WARCS = (".warc", ".wet")


@dataclass(frozen=True)
class Cut:
    """Where a piece begins: byte of the file, and byte of its unpacked content."""

    start: int
    offset: int


@dataclass(frozen=True)
class Plan:
    """Where the pieces of a file begin, and the suffix they are read by; one piece needs none."""

    cuts: tuple[Cut, ...] = (Cut(0, 0),)
    form: str = ""


def plan_cuts(
    file: io.BufferedReader[Any], name: str, size: int, shard_bytes: int, max_decompress_ratio: float
) -> Plan:
    """Where to cut a file of `size` bytes.

    JSON lines are cut at line breaks, WARC at records, packed WARC where a packed stream begins with a
    record. All else, and a WARC with anything wrong in it, is one piece.
    """
    suffix = format_of(name)
    if size <= shard_bytes or suffix is None:
        return Plan()
    head = file.read(HEAD_BYTES)
    packing = packing_of(head)
    sniffed = suffix_by_content(head, Columns())
    if packing and suffix in WARCS:
        cuts = _cut_packed_warc(file, packing, shard_bytes, allowed_bytes(size, max_decompress_ratio))
        suffix += next(end for end, known in PACKINGS.items() if known is packing)
    elif suffix in WARCS and sniffed == ".warc":
        cuts = _cut_warc(file, shard_bytes)
    elif READERS.get(suffix) and READERS[suffix].read_part and sniffed in (None, ".jsonl"):
        is_whole = packing or wide_encoding(head) or is_document(head) or has_old_line_ends(head)
        cuts = [] if is_whole else list(_cut_lines(file, size, shard_bytes))
        suffix = ".jsonl"
    else:
        cuts = []
    return Plan((Cut(0, 0), *cuts), suffix) if cuts else Plan()


def _cut_lines(file: BinaryIO, size: int, shard_bytes: int) -> Iterator[Cut]:
    """The first line break after every `shard_bytes`."""
    start = 0
    while start + shard_bytes < size:
        at = start + shard_bytes
        file.seek(at)
        while chunk := file.read(CHUNK_BYTES):
            found = chunk.find(b"\n") + 1
            at += found or len(chunk)
            if found:
                break
        if at >= size:
            return
        yield Cut(at, at)
        start = at


def _cut_warc(file: BinaryIO, shard_bytes: int) -> list[Cut]:
    """The first record after every `shard_bytes`; none if anything is damaged."""
    file.seek(0)
    stream = io.BufferedReader(Window(file, sys.maxsize), CHUNK_BYTES)
    return _far_apart((Cut(at, at) for at in sorted(_record_starts(stream))), shard_bytes)


def _cut_packed_warc(file: BinaryIO, packing: Packing, shard_bytes: int, allowed: int) -> list[Cut]:
    """The first packed stream that begins with a record after every `shard_bytes`.

    None if anything is damaged, can't be unpacked, or would unpack to more bytes than are allowed.
    """
    file.seek(0)
    places: list[Cut] = []
    unpacked = Unpacked(file, packing, Budget(allowed), lambda *place: places.append(Cut(*place)))
    starts = _record_starts(io.BufferedReader(unpacked, CHUNK_BYTES))
    return _far_apart((place for place in places if place.offset in starts), shard_bytes)


def _record_starts(stream: io.BufferedReader[Any]) -> set[int]:
    """Where the records begin; none unless all are whole and no body holds the header of another.

    So what a record is does not depend on what stands before and behind the piece it is in.
    """
    starts: set[int] = set()
    for item in read_records(stream):
        if isinstance(item, Damage) or not item.is_clean:
            return set()
        starts.add(item.position)
    return starts


def _far_apart(places: Iterable[Cut], shard_bytes: int) -> list[Cut]:
    """Of the places to cut, in order, the first after every `shard_bytes`."""
    cuts: list[Cut] = []
    for place in places:
        if place.start - (cuts[-1].start if cuts else 0) >= shard_bytes:
            cuts.append(place)
    return cuts
