"""JSON that is not a record a line: an array of records, or records over many lines each.

Only where a record begins and ends is told here; what it says is parsed as a line of JSON lines is. So
nothing is held but one record, and a broken record costs only itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from flows.readers.lines import JSON_OVERHEAD, broken_stream, page_of_record, read_jsonl, too_long
from flows.readers.page import BombError, Broken, BrokenStreamError
from flows.readers.sniffing import HEAD_BYTES, without_mark
from flows.readers.unpacking import BUFFER_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flows.readers.page import Content, Page

_MARK = re.compile(rb'["{}\[\]]|[^\s,"{}\[\]]+')
_MARK_IN_RECORD = re.compile(rb'["{}\[\]]')
_MARK_IN_STRING = re.compile(rb'"|\\')
_OPENING = frozenset(b"{[")


def is_document(head: bytes) -> bool:
    """Whether JSON that begins so is an array, or a record over many lines."""
    text = without_mark(head).lstrip()
    if text.startswith(b"["):
        return True
    line, newline, _ = text.partition(b"\n")
    try:
        orjson.loads(line)
    except orjson.JSONDecodeError:
        return bool(newline) and line.rstrip().endswith((b"{", b",", b"[", b":"))
    return False


def read_json(content: Content) -> Iterator[Page | Broken]:
    """The records of a `.json` file: a line each, in an array, or over many lines; why one is none."""
    if not is_document(content.stream.peek(HEAD_BYTES)[:HEAD_BYTES]):
        yield from read_jsonl(content)
        return
    longest = content.options.max_page_bytes * JSON_OVERHEAD
    splitter = _Splitter(longest, content.offset)
    number = 0
    while True:
        try:
            chunk = content.stream.read1(BUFFER_BYTES)
        except BrokenStreamError as error:
            yield broken_stream(content.source, error, f"after record {number}, ")
            if isinstance(error, BombError):
                return
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
        self.began = 0
        self.parts: list[bytes] = []
        self.size = 0

    def take(self, chunk: bytes) -> Iterator[_Value]:
        """The values that end in the next bytes of the document."""
        start = 0
        for found in self._marks(chunk):
            mark = found[0]
            if self.depth:
                if self._step(mark):
                    self._keep(chunk[start : found.end()])
                    yield self._value()
            elif mark[0] in _OPENING and (mark == b"{" or self.in_array):
                start = found.start()
                self._begin(start)
            elif self._is_stray(mark):
                yield self._stray(self.offset + found.start())
        if self.depth:
            self._keep(chunk[start:])
        self.offset += len(chunk)

    def end(self) -> Iterator[_Value]:
        """What is wrong at the end of the document."""
        if self.depth or self.in_array or self.in_string:
            at = self.began if self.depth else self.offset
            what = "a record" if self.depth else "the array"
            yield _Value(at, problem=(f"the file ends within {what}", "fetch the file again"))

    def _marks(self, chunk: bytes) -> Iterator[re.Match[bytes]]:
        """Brackets, quotes and what lies outside of records; nothing of what is within strings."""
        at = int(self.is_escaped)
        self.is_escaped = False
        while found := self._pattern().search(chunk, at):
            at = found.end()
            if self.in_string:
                at += self._end_string(found[0], is_last=at == len(chunk))
            else:
                yield found

    def _pattern(self) -> re.Pattern[bytes]:
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
        elif mark[0] in _OPENING:
            self.depth += 1
        else:
            self.depth -= 1
        return self.depth == 0

    def _begin(self, start: int) -> None:
        self.began = self.offset + start
        self.depth = 1
        self.in_gap = False

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
