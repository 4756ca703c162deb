"""JSON that is not a record a line: an array of records, or records over many lines each.

Only where a record begins and ends is found here; what it says is parsed as a line of JSON lines is. So
nothing is held but one record, and a broken record costs only itself, unless its brackets do not close:
then it has no end.
"""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from reinschrift.flows.readers.lines import (
    JSON_OVERHEAD,
    broken_stream,
    page_of_record,
    read_jsonl,
    too_long,
)
from reinschrift.flows.readers.page import BombError, Broken, BrokenStreamError
from reinschrift.flows.readers.sniffing import HEAD_BYTES, without_mark
from reinschrift.flows.readers.unpacking import BUFFER_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reinschrift.flows.readers.page import Content, Page

_MARK = re.compile(rb'["{}\[\]]|[^\s,"{}\[\]]+')
_MARK_IN_RECORD = re.compile(rb'["{}\[\]]')
_MARK_IN_STRING = re.compile(rb'["\\\n]')
_OPENING = (b"{", b"[")
MAX_INDENT = 100


def is_document(head: bytes) -> bool:
    """Whether JSON that begins so is an array, or a record over many lines."""
    text = without_mark(head).lstrip()
    line, newline, rest = text.partition(b"\n")
    if text.startswith(b"["):
        return _is_array_of_records(line)
    if not newline or not line.rstrip().endswith((b"{", b",", b"[", b":")):
        return False
    return not _is_object(line) and not _is_object(rest.lstrip().partition(b"\n")[0])


def _is_array_of_records(line: bytes) -> bool:
    """Whether an array begins with this line: any but one that ends there and holds no object."""
    try:
        values = orjson.loads(line)
    except orjson.JSONDecodeError:
        return True
    return not isinstance(values, list) or any(isinstance(value, dict) for value in values)


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(orjson.loads(line), dict)
    except orjson.JSONDecodeError:
        return False


def read_json(content: Content) -> Iterator[Page | Broken]:
    """The records of a JSON file: a line each, in an array, or over many lines; why one is none."""
    if not is_document(content.stream.peek(HEAD_BYTES)[:HEAD_BYTES]):
        yield from read_jsonl(content)
        return
    longest = content.options.max_page_bytes * JSON_OVERHEAD
    mark = len(BOM_UTF8) if content.stream.peek(HEAD_BYTES).startswith(BOM_UTF8) else 0
    content.stream.read(mark)
    splitter = _Splitter(longest, content.offset + mark)
    number = 0
    while True:
        try:
            chunk = content.stream.read1(BUFFER_BYTES)
        except BrokenStreamError as error:
            yield broken_stream(content.source, error, f"after record {number}, ")
            if isinstance(error, BombError):
                return
            splitter.lose()
            continue
        for value in splitter.take(chunk) if chunk else splitter.end():
            where = f"record {number + 1}, byte {value.position}"
            number += 1
            if value.problem:
                yield Broken(content.source, where, *value.problem)
            elif value.size > longest:
                yield too_long(content, where, value.size)
            else:
                yield page_of_record(value.data, content, value.position, where)
        if not chunk:
            return


@dataclass
class _Value:
    """A value of the document: its bytes, unless there are too many, and where it begins."""

    position: int
    data: bytes = b""
    size: int = 0
    problem: tuple[str, str] | None = None


class _Splitter:
    """Cuts a document into its records: objects that lie in nothing but one array, or in nothing."""

    def __init__(self, longest: int, offset: int) -> None:
        self.longest = longest
        self.offset = offset
        self.depth = 0  # of brackets around the next byte, but for the array around records
        self.in_array = self.in_gap = self.in_string = self.is_escaped = False
        self.is_lost = False  # until the next line that begins as the first record did
        self.indent: bytes | None = None
        self.line = b""  # what was read of the last line
        self.began = 0
        self.parts: list[bytes] = []
        self.size = 0

    def take(self, chunk: bytes) -> Iterator[_Value]:
        """The values that end in the next bytes of the document."""
        start = 0
        for found in self._marks(chunk):
            if self._begins(chunk, found):
                start = found.start()
            elif found[0] == b"\n":
                yield self._unended()
            elif self.depth:
                if self._step(found[0]):
                    self._keep(chunk[start : found.end()])
                    yield self._value()
            elif not self.is_lost and self._is_stray(found[0]):
                yield self._stray(self.offset + found.start())
        if self.depth:
            self._keep(chunk[start:])
        self.offset += len(chunk)
        self.line = (self.line + chunk).rpartition(b"\n")[2][-MAX_INDENT:]

    def lose(self) -> None:
        """Give up the record at hand, for bytes of it are missing."""
        self.depth, self.in_string, self.is_escaped, self.is_lost = 0, False, False, True
        self.parts.clear()
        self.size = 0

    def _unended(self) -> _Value:
        """A line ends within a string: no JSON, and where the record ends nobody can tell."""
        at = self.began if self.depth else self.offset
        self.lose()
        reason = "not valid JSON: a string that does not end with its line"
        return _Value(at, problem=(reason, "fix or remove the record"))

    def _indent(self, chunk: bytes, at: int) -> bytes:
        """What stands before a bracket on its line, but for brackets and commas of the array."""
        before = chunk[max(0, at - MAX_INDENT) : at]
        if at < MAX_INDENT:
            before = self.line + before
        return before.rpartition(b"\n")[2].lstrip(b"[,")

    def end(self) -> Iterator[_Value]:
        """What is wrong at the end of the document."""
        if not self.is_lost and (self.depth or self.in_array or self.in_string):
            at = self.began if self.depth else self.offset
            what = "a record" if self.depth else "the array"
            yield _Value(at, problem=(f"the file ends within {what}", "fetch the file again"))

    def _marks(self, chunk: bytes) -> Iterator[re.Match[bytes]]:
        """Brackets, quotes and what lies outside of records; nothing of what is within strings."""
        at = int(self.is_escaped)
        self.is_escaped = False
        while found := self._pattern().search(chunk, at):
            at = found.end()
            if self.in_string and found[0] != b"\n":
                at += self._end_string(found[0], is_last=at == len(chunk))
            else:
                yield found

    def _pattern(self) -> re.Pattern[bytes]:
        if self.is_lost:
            return _MARK_IN_RECORD
        if self.in_string:
            return _MARK_IN_STRING
        return _MARK_IN_RECORD if self.depth else _MARK

    def _end_string(self, mark: bytes, *, is_last: bool) -> int:
        """Leave the string, or skip what is escaped; returns how many bytes that is."""
        if mark == b'"':
            self.in_string = False
            return 0
        self.is_escaped = is_last
        return not is_last

    def _step(self, mark: bytes) -> bool:
        """Go in or out of a bracket or into a string; whether that ends the record."""
        if mark == b'"':
            self.in_string = True
        elif mark in _OPENING:
            self.depth += 1
        else:
            self.depth -= 1
        return self.depth == 0

    def _begins(self, chunk: bytes, found: re.Match[bytes]) -> bool:
        """Whether a record begins with this bracket; if so it is begun."""
        mark, start = found[0], found.start()
        if self.depth or mark not in _OPENING:
            return False
        if mark == b"[" and (self.is_lost or not self.in_array):
            return False
        if self.indent is None:
            self.indent = self._indent(chunk, start)
        elif self.is_lost and self._indent(chunk, start) != self.indent:
            return False
        self.began = self.offset + start
        self.depth = 1
        self.in_gap = self.is_lost = False
        return True

    def _is_stray(self, mark: bytes) -> bool:
        """The brackets of an array are none; of what else lies between two records the first is."""
        if mark in (b"[", b"]"):
            self.in_array = mark == b"["
            return False
        self.in_string = mark == b'"'
        is_first, self.in_gap = not self.in_gap, True
        return is_first

    def _keep(self, part: bytes) -> None:
        self.size += len(part)
        if self.size > self.longest:
            self.parts.clear()
        else:
            self.parts.append(part)

    def _value(self) -> _Value:
        value = _Value(self.began, b"".join(self.parts), self.size)
        self.parts.clear()
        self.size = 0
        return value

    def _stray(self, position: int) -> _Value:
        return _Value(position, problem=("not a JSON object", "write one object a record"))
