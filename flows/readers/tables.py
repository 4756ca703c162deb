"""CSV: a record a row, which may be of many lines."""

from __future__ import annotations

import csv
import io
import re
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from reinschrift.flows.readers.lines import broken_stream, skip_line
from reinschrift.flows.readers.page import BombError, Broken, BrokenStreamError
from reinschrift.flows.readers.rows import page_of_row, report_columns, unique_names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reinschrift.flows.readers.page import Content, Page

BUFFER_BYTES = 1 << 20
_INNER_LINE_END = re.compile(r"(?<=\r)(?![\r\n]|\Z)")
DELIMITERS = (",", ";", "\t", "|")


class _Line(NamedTuple):
    """A line of the file: its number, the byte where it begins, and its text."""

    number: int
    position: int
    text: str


def read_csv(content: Content) -> Iterator[Page | Broken]:
    """The rows of a CSV file with a header; the delimiter is the one the header has most of."""
    yield from _CsvRows(content).read()


class _CsvRows:
    """Rows of a CSV file, with the lines each was made of.

    Where the quotation marks of a row over many lines are wrong, its first line is reported and the
    others are read afresh: the mark stands open there, and what follows is other rows.
    """

    def __init__(self, content: Content) -> None:
        self.content = content
        self.limit = content.options.max_page_bytes * 2  # a quotation mark is written as two
        self.waiting: deque[_Line] = deque()  # lines to be read once more
        self.taken: list[_Line] = []  # lines of the row at hand
        self.size = 0  # of these, in characters
        self.is_at_end = False
        self.fresh = self._fresh_lines()
        self.trouble: list[Broken] = []
        self.delimiter = ","
        self.header: tuple[str, ...] = ()
        csv.field_size_limit(min(self.limit, 2**31 - 1))

    def read(self) -> Iterator[Page | Broken]:
        """The rows, and what is wrong with lines."""
        first = next(self._lines(), "")
        self.delimiter = max(DELIMITERS, key=first.count)
        yield from self._troubles()
        try:
            written = next(csv.reader([first], delimiter=self.delimiter), [])
        except csv.Error as error:
            reason = f"no valid CSV header: {error}"
            yield Broken(self.content.source, "line 1", reason, "name the columns in the first line")
            return
        self.header = unique_names(written)
        problems, can_be_read = report_columns(written, self.header, self.content, "line 1")
        yield from problems
        self._take()
        while can_be_read and (self.waiting or not self.is_at_end):
            yield from self._read_rows()

    def _read_rows(self) -> Iterator[Page | Broken]:
        """Rows until the end, or until a row whose quotation marks are wrong."""
        rows = csv.reader(self._lines(), delimiter=self.delimiter, strict=True)
        while True:
            error = "a quotation mark that does not end"
            try:
                row = next(rows, None)
            except csv.Error as problem:
                row, error = [], str(problem)
            yield from self._troubles()
            taken = self._take()
            if not taken:
                return
            if row and (len(taken) == 1 or not self._is_open(row, taken)):
                yield self._page(row, taken[0])
            elif any(line.text.strip() for line in taken):
                yield from self._reread(taken, error)
                return

    def _is_open(self, row: list[str], taken: list[_Line]) -> bool:
        """Whether a row over many lines has swallowed others: the lines behind its first are rows."""
        if len(row) == len(self.header):
            return False
        try:
            texts = [line.text for line in taken[1:]]
            rows = list(csv.reader(texts, delimiter=self.delimiter, strict=True))
        except csv.Error:
            return False
        return all(len(row) in (0, len(self.header)) for row in rows)

    def _reread(self, taken: list[_Line], error: str) -> Iterator[Page | Broken]:
        """The row of the first line, or why it is none; the other lines are read once more."""
        parts = _INNER_LINE_END.split(taken[-1].text)
        if len(parts) > 1:
            self.waiting.extendleft(taken[-1]._replace(text=part) for part in reversed(parts))
            self.waiting.extendleft(reversed(taken[:-1]))
            return
        first, *others = taken
        self.waiting.extendleft(reversed(others))
        if not others and first.text.count('"') % 2 == 0:  # text behind a mark, by a careless writer
            row = next(csv.reader([first.text], delimiter=self.delimiter), [])
            if len(row) == len(self.header):
                yield self._page(row, first)
                return
        reason = f"not valid CSV: {error} (the line begins at byte {first.position})"
        remedy = "correct the quotation marks of the line"
        yield Broken(self.content.source, f"line {first.number}", reason, remedy)

    def _page(self, row: list[str], first: _Line) -> Page | Broken:
        where = f"line {first.number}"
        if len(row) != len(self.header):
            reason = f"{len(row)} fields, but the header has {len(self.header)} (byte {first.position})"
            return Broken(self.content.source, where, reason, "correct the line")
        record = dict(zip(self.header, row, strict=True))
        return page_of_row(record, self.content, first.position, where)

    def _take(self) -> list[_Line]:
        taken, self.taken, self.size = self.taken, [], 0
        return taken

    def _lines(self) -> Iterator[str]:
        """Lines as text, those that are read once more first; at most as many as a row may have."""
        waiting, limit, fresh = self.waiting, self.limit, self.fresh
        while self.size <= limit:
            line = waiting.popleft() if waiting else next(fresh, None)
            if line is None:
                return
            self.taken.append(line)
            self.size += len(line[2])
            yield line[2]

    def _fresh_lines(self) -> Iterator[_Line]:
        """The lines of the file; those too long or damaged are put to `trouble`."""
        stream, source, limit = self.content.stream, self.content.source, self.limit
        end, number = self.content.offset, self.content.first_line
        while True:
            try:
                line = stream.readline(limit + 1)
            except BrokenStreamError as error:
                self.trouble.append(broken_stream(source, error, f"after line {number - 1}, "))
                if isinstance(error, BombError):
                    break
                continue
            if not line:
                break
            position, end = end, end + len(line)
            if len(line) <= limit:
                text = line.decode("utf-8", "reinschrift-windows-1252")
                yield _Line(number, position, text if position else text.removeprefix("\ufeff"))
            else:
                end += self._skip_line(number, len(line))
            number += 1
        self.is_at_end = True

    def _skip_line(self, number: int, size: int) -> int:
        """Pass over the rest of a line that is too long; how many bytes that is."""
        source = self.content.source
        try:
            rest = skip_line(self.content.stream)
        except BrokenStreamError as error:
            self.trouble.append(broken_stream(source, error, f"in line {number}, "))
            return 0
        reason = f"{size + rest:,} bytes, more than max_page_bytes allows"
        self.trouble.append(Broken(source, f"line {number}", reason, "raise max_page_bytes"))
        return rest

    def _troubles(self) -> list[Broken]:
        trouble, self.trouble = self.trouble, []
        return trouble


def as_utf8(stream: io.BufferedReader[Any], encoding: str) -> io.BufferedReader[Any]:
    """A stream of UTF-16 or UTF-32 as one of UTF-8."""
    from reinschrift.flows.readers.unpacking import Filled

    text = io.TextIOWrapper(stream, encoding, "replace", newline="")

    class Recoded(Filled):
        def next_bytes(self, limit: int) -> bytes:
            return text.read(max(1, limit // 4)).encode("utf-8", "replace")

    return io.BufferedReader(Recoded(), BUFFER_BYTES)


def with_line_feeds(stream: io.BufferedReader[Any]) -> io.BufferedReader[Any]:
    """A stream with a line feed for each carriage return."""
    from reinschrift.flows.readers.unpacking import Filled

    class Recoded(Filled):
        def next_bytes(self, limit: int) -> bytes:
            return stream.read1(min(limit, BUFFER_BYTES)).replace(b"\r", b"\n")

    return io.BufferedReader(Recoded(), BUFFER_BYTES)
