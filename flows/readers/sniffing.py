"""What content is, recognised by how it begins, where its name is wrong or says nothing."""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from reinschrift.flows.readers.columns import Columns

HEAD_BYTES = 1 << 16
_FIRST_TAG = re.compile(rb"<(?:!doctype\s{1,99}html|html|head|body)[\s>]", re.IGNORECASE)
_SPACE = re.compile(rb"(?<!\s)\s++")
_OBJECT = re.compile(rb'(?<!\s)\s*+\{\s*+"')
_KEY = re.compile(rb'"([^"\\]{1,64})"\s{0,99}:')
_WARC = re.compile(rb"(?<!\s)\s*+WARC/\d\.\d{1,2}\r?\n", re.IGNORECASE)
TAR_MAGIC_AT = 257


def looks_like_html(head: bytes) -> bool:
    """Whether it begins as an HTML page does: a first tag, behind an XML declaration and comments."""
    text = without_mark(head)
    at = _skip_space(text, 0)
    if text.startswith(b"<?xml", at):
        at = _skip_past(text, b">", at)
    while text.startswith(b"<!--", at):
        at = _skip_past(text, b"-->", at)
    return _FIRST_TAG.match(text, at) is not None


def _skip_past(text: bytes, end: bytes, at: int) -> int:
    """Where the text goes on behind `end` and white space."""
    found = text.find(end, at)
    return len(text) if found < 0 else _skip_space(text, found + len(end))


def _skip_space(text: bytes, at: int) -> int:
    space = _SPACE.match(text, at)
    return space.end() if space else at


def suffix_by_content(head: bytes, columns: Columns) -> str | None:
    """The suffix of the format that content beginning with `head` has; None where it doesn't say."""
    if head.startswith(b"PAR1\x15"):
        return ".parquet"
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return ".zip"
    if head[TAR_MAGIC_AT : TAR_MAGIC_AT + 5] == b"ustar" and b"\0" in head[:100]:
        return ".tar"
    text = without_mark(head)
    if _WARC.match(text):
        return ".warc"
    if looks_like_html(text):
        return ".html"
    if _OBJECT.match(text) and _is_record(text, columns):
        return ".jsonl"
    return None


def _is_record(head: bytes, columns: Columns) -> bool:
    """Whether the first line is, or begins as, a JSON object with a column of text."""
    line, newline, _ = head.lstrip().partition(b"\n")
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError:
        if newline or len(head) < HEAD_BYTES // 2:
            return False
        record = dict.fromkeys(key.decode("utf-8", "replace") for key in _KEY.findall(line))
    found = columns.find(tuple(record)) if isinstance(record, dict) else {}
    return bool(found.keys() & {"text", "html"})


def without_mark(head: bytes) -> bytes:
    """The head as UTF-8, as far as its byte order mark says."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return head[: len(head) // 2 * 2].decode("utf-16", "replace").encode("utf-8", "replace")
    return head.removeprefix(codecs.BOM_UTF8)


def wide_encoding(head: bytes) -> str | None:
    """UTF-16 or UTF-32 by its byte order mark: then no single byte ends a line."""
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32"
    return "utf-16" if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else None
