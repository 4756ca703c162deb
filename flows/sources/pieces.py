"""Where a large file may be cut into pieces, so that what is read does not hang on where it was."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from reinschrift.flows.readers import READERS, format_of
from reinschrift.flows.readers.columns import Columns
from reinschrift.flows.readers.documents import is_document
from reinschrift.flows.readers.page import Budget
from reinschrift.flows.readers.sniffing import HEAD_BYTES, suffix_by_content, wide_encoding
from reinschrift.flows.readers.unpacking import ERRORS, PACKINGS, allowed_bytes, packing_of
from reinschrift.flows.readers.web_archives import VERSION, NoRecordError, read_head

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator

    from reinschrift.flows.readers.unpacking import Packing

CHUNK_BYTES = 1 << 20
MAX_BLANK_BYTES = 1 << 10
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
    told = suffix_by_content(head, Columns())
    if packing and suffix in WARCS:
        cuts = _cut_packed_warc(file, packing, shard_bytes, allowed_bytes(size, max_decompress_ratio))
        suffix += next(end for end, known in PACKINGS.items() if known is packing)
    elif suffix in WARCS and told == ".warc":
        cuts = _cut_warc(file, size, shard_bytes)
    elif READERS.get(suffix) and READERS[suffix].is_cuttable and told in (None, ".jsonl"):
        is_whole = packing or wide_encoding(head) or is_document(head)
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


def _cut_warc(file: io.BufferedReader[Any], size: int, shard_bytes: int) -> list[Cut]:
    """The first record after every `shard_bytes`; none if a record is broken."""
    cuts: list[Cut] = []
    at = 0
    try:
        while at < size:
            if at - (cuts[-1].start if cuts else 0) >= shard_bytes:
                cuts.append(Cut(at, at))
            file.seek(at)
            head, taken = read_head(file)
            at += taken + head.length
            file.seek(at)
            blank = file.read(MAX_BLANK_BYTES)
            at += len(blank) - len(blank.lstrip(b"\r\n"))
    except NoRecordError:
        return []
    return cuts if at == size else []


def _cut_packed_warc(file: BinaryIO, packing: Packing, shard_bytes: int, allowed: int) -> list[Cut]:
    """The first packed stream that begins with a record after every `shard_bytes`.

    None if anything can't be unpacked, or would unpack to more bytes than are allowed.
    """
    cuts: list[Cut] = []
    file.seek(0)
    rest, at, budget = b"", 0, Budget(allowed)
    while rest := rest or file.read(CHUNK_BYTES):
        decoder, offset, is_first = packing.make(), budget.spent, True
        began = at
        while not decoder.eof:
            packed = b""
            if decoder.needs_input:
                packed, rest = rest or file.read(CHUNK_BYTES), b""
                at += len(packed)
                if not packed:
                    return []
            try:
                data = decoder.decompress(packed, CHUNK_BYTES)
            except ERRORS:
                return []
            budget.spent += len(data)
            if budget.spent > budget.allowed or not (data or packed or decoder.eof):
                return []
            if data and is_first:
                is_first = False
                far = began - (cuts[-1].start if cuts else 0) >= shard_bytes
                if far and VERSION.match(data[:16]):
                    cuts.append(Cut(began, offset))
        rest = decoder.unused_data
        at -= len(rest)
    return cuts
