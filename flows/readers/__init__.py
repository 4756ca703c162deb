"""Readers: what is packed is unpacked, and then one function a format makes pages of it.

READERS, PACKINGS and ARCHIVES are the tables. A new format is one function that takes a Content and
gives Pages, Brokens and Ignoreds, and its rows in READERS.
"""

from __future__ import annotations

import io
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from reinschrift.flows.readers import (
    archives,
    documents,
    lines,
    parquet,
    tables,
    web_archives,
    whole_files,
)
from reinschrift.flows.readers.columns import Columns
from reinschrift.flows.readers.page import (
    Broken,
    BrokenStreamError,
    Budget,
    Content,
    Ignored,
    Item,
    Page,
    Piece,
    ReadOptions,
)
from reinschrift.flows.readers.sniffing import HEAD_BYTES, suffix_by_content, wide_encoding
from reinschrift.flows.readers.unpacking import (
    BUFFER_BYTES,
    PACKINGS,
    Window,
    allowed_bytes,
    packing_of,
    unpack,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = [
    "ARCHIVES", "PACKINGS", "READERS", "Broken", "Columns", "Format", "Ignored", "Item", "Page", "Piece",
    "ReadOptions", "format_of", "is_packed", "read_piece",
]  # fmt: skip

MAX_DEPTH = 4  # packings and archives within each other


@dataclass(frozen=True)
class Format:
    """How content of one suffix is read, and a part of it where a plain file may be cut at lines."""

    read: Callable[[Content], Iterator[Item]]
    read_part: Callable[[Content], Iterator[Item]] | None = None
    is_lines: bool = False  # UTF-16 is recoded for it, and line ends of old Macs


READERS: dict[str, Format] = {
    ".txt": Format(whole_files.read_text),
    ".md": Format(whole_files.read_text),
    ".html": Format(whole_files.read_html),
    ".htm": Format(whole_files.read_html),
    ".xhtml": Format(whole_files.read_html),
    ".jsonl": Format(documents.read_json, lines.read_jsonl, is_lines=True),
    ".ndjson": Format(documents.read_json, lines.read_jsonl, is_lines=True),
    ".json": Format(documents.read_json, lines.read_jsonl, is_lines=True),
    ".csv": Format(tables.read_csv, is_lines=True),
    ".tsv": Format(tables.read_csv, is_lines=True),
    ".parquet": Format(parquet.read_parquet),
    ".warc": Format(web_archives.read_warc),
    ".wet": Format(web_archives.read_warc),
}
ARCHIVES = {".zip": archives.read_zip, ".tar": archives.read_tar}
SHORT_NAMES = {".tgz": ".tar.gz", ".tbz2": ".tar.bz2", ".txz": ".tar.xz", ".tzst": ".tar.zst"}
MISNAMED = (
    ".html",
    ".jsonl",
    ".warc",
    ".parquet",
    ".zip",
    ".tar",
)  # recognised by content, against the name


def format_of(name: str) -> str | None:
    """The suffix that says what a file is, without those of packings; None for one we don't read."""
    stem = _unpacked_name(name.lower())
    known = (suffix for suffix in (*READERS, *ARCHIVES) if stem.endswith(suffix))
    return max(known, key=len, default=None)


def is_packed(name: str) -> bool:
    """Whether a file's name says that its content is packed."""
    lower = name.lower()
    return lower.endswith((*PACKINGS, *SHORT_NAMES, ".zip"))


def _unpacked_name(name: str) -> str:
    lower = name.lower()
    for short, long in SHORT_NAMES.items():
        if lower.endswith(short):
            return name[: -len(short)] + long[:4]
    while True:
        packed = next((suffix for suffix in PACKINGS if lower.endswith(suffix)), None)
        if packed is None:
            return name
        name = name[: -len(packed)]
        lower = name.lower()


def read_piece(piece: Piece, options: ReadOptions) -> Iterator[Item]:
    """The pages that begin within the piece, and what can't be read or isn't a page.

    Raises OSError where the file itself can't be read or fetched.
    """
    if piece.remote:
        from reinschrift.flows.sources.remote import fetched

        with fetched(piece, options.scratch) as path:
            yield from _read_file(path, piece, options)
    else:
        yield from _read_file(piece.path, piece, options)


def _read_file(path: Path, piece: Piece, options: ReadOptions) -> Iterator[Item]:
    size = piece.end - piece.start
    # A packed file is cut only where the whole of it is within its budget.
    allowed = sys.maxsize if piece.form else allowed_bytes(size, options.max_decompress_ratio)
    budget = Budget(allowed)
    with path.open("rb", buffering=0) as file:
        file.seek(piece.start)
        content = Content(
            stream=io.BufferedReader(Window(file, size), BUFFER_BYTES),
            source=piece.source,
            name=piece.path.name,
            options=options,
            budget=budget,
            offset=piece.offset,
            first_line=piece.first_line,
            path=None if piece.form else path,
        )
        if not piece.form:
            is_empty = True
            for item in read_content(content):
                is_empty = False
                yield item
            if is_empty:
                yield Ignored(piece.source, "files without a page")
            return
        suffix = _unpacked_name(piece.form)
        packing = PACKINGS.get(piece.form.removeprefix(suffix))
        if packing:
            content = replace(content, stream=unpack(content.stream, packing, budget))
        form = READERS[suffix]
        yield from (form.read_part or form.read)(content)


def read_content(content: Content) -> Iterator[Item]:
    """Unpack what is packed, tell the format, read it."""
    if content.depth > MAX_DEPTH:
        yield Broken(content.source, None, f"packed more than {MAX_DEPTH} times over", "unpack it")
        return
    try:
        head = content.stream.peek(HEAD_BYTES)[:HEAD_BYTES]
        packing = packing_of(head)
        if packing:
            stream = unpack(content.stream, packing, content.budget)
            name = _unpacked_name(content.name)
            inner = replace(content, stream=stream, name=name, path=None, depth=content.depth + 1)
            yield from read_content(inner)
            return
        yield from _read_format(content, head)
    except BrokenStreamError as error:
        yield lines.broken_stream(content.source, error)


def has_old_line_ends(head: bytes) -> bool:
    """Whether lines end with a carriage return alone, as old Macs and some spreadsheets write them."""
    return b"\r" in head[:-1] and b"\n" not in head


def _read_format(content: Content, head: bytes) -> Iterator[Item]:
    named = format_of(content.name)
    sniffed = suffix_by_content(head, content.options.columns)
    suffix = sniffed if sniffed in MISNAMED and sniffed != named else named
    if content.member and (suffix is None or archives.is_hidden(content.member)):
        yield archives.ignored_member(content.source)
        return
    if suffix is None:
        yield Broken(content.source, None, "unknown format", f"name it {', '.join(READERS)}")
        return
    if suffix in ARCHIVES:
        yield from ARCHIVES[suffix](content, read_content)
        return
    if not head:
        yield Broken(content.source, None, "empty file", "remove it")
        return
    form = READERS[suffix]
    wide = wide_encoding(head) if form.is_lines else None
    if wide:
        content = replace(content, stream=tables.as_utf8(content.stream, wide), path=None)
    elif form.is_lines and has_old_line_ends(head):
        content = replace(content, stream=tables.with_line_feeds(content.stream), path=None)
    yield from form.read(content)
