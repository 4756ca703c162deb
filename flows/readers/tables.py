"""Parquet and CSV: a record a row."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

from reinschrift.flows.readers.archives import seekable
from reinschrift.flows.readers.columns import FOLDED, read_record
from reinschrift.flows.readers.lines import broken_stream, skip_line
from reinschrift.flows.readers.page import BombError, Broken, BrokenStreamError, Page
from reinschrift.flows.readers.whole_files import check_page

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pyarrow.parquet as pq

    from reinschrift.flows.readers.page import Content

BATCH_ROWS = 64
BUFFER_BYTES = 1 << 20
DELIMITERS = (",", ";", "\t", "|")


def _page_of_row(
    record: Mapping[str, Any], content: Content, position: int, where: str
) -> Page | Broken:
    facts = read_record(record, content.options.columns)
    if facts.problem:
        return Broken(content.source, where, *facts.problem)
    limit = content.options.max_page_bytes
    if len(facts.content) > limit:
        reason = f"more bytes than max_page_bytes = {limit:,}"
        return Broken(content.source, where, reason, "cut the record, or raise max_page_bytes")
    page = Page(
        content.source, position, facts.content, facts.format, facts.encoding, facts.id, facts.url,
        facts.title, facts.date,
    )  # fmt: skip
    return check_page(page, content.options, where)


# ---------------------------------------------------------------- Parquet


def read_parquet(content: Content) -> Iterator[Page | Broken]:
    """The rows of a Parquet file, a few at a time; a row group that is damaged is told and passed by."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with seekable(content) as handle:
        try:
            file = pq.ParquetFile(handle, buffer_size=BUFFER_BYTES, pre_buffer=False)
            names = tuple(file.schema_arrow.names)
        except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
            reason = f"not readable as Parquet: {_first_line(error)}"
            yield Broken(content.source, None, reason, "write it again: its footer says what it holds")
            return
        found = content.options.columns.find(names)
        if not found.keys() & {"text", "html"}:
            yield Broken(content.source, None, *content.options.columns.missing(names))
            return
        wanted = [n for n in names if n in {c.split(".")[0] for c in found.values()} or n in FOLDED]
        row = 0
        for group in range(file.num_row_groups):
            size = file.metadata.row_group(group).num_rows
            yield from _read_group(file, group, wanted, row, content)
            row += size


def _read_group(
    file: pq.ParquetFile, group: int, columns: list[str], row: int, content: Content
) -> Iterator[Page | Broken]:
    import pyarrow as pa

    try:
        for batch in file.iter_batches(BATCH_ROWS, [group], columns, use_threads=False):
            for record in batch.to_pylist():
                yield _page_of_row(record, content, row, f"row {row + 1}")
                row += 1
    except (pa.ArrowException, OSError, ValueError, MemoryError, OverflowError) as error:
        reason = f"row group {group} can't be read from here on: {_first_line(error)}"
        yield Broken(content.source, f"row {row + 1}", reason, "write the file again")


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


# ---------------------------------------------------------------- CSV


def read_csv(content: Content) -> Iterator[Page | Broken]:
    """The rows of a CSV file with a header; the delimiter is the one the header has most of."""
    yield from _CsvRows(content).read()


class _CsvRows:
    """Rows of a CSV file, with the lines each was made of."""

    def __init__(self, content: Content) -> None:
        self.content = content
        self.position, self.number = content.offset, content.first_line
        self.limit = content.options.max_page_bytes * 2  # a quotation mark is written as two
        self.taken: list[tuple[int, int, str]] = []  # lines of the row at hand: number, byte, text
        self.is_at_end = False
        self.trouble: list[Broken] = []
        csv.field_size_limit(min(self.limit, 2**31 - 1))

    def read(self) -> Iterator[Page | Broken]:
        header_line = next(self._lines(), "")
        delimiter = max(DELIMITERS, key=header_line.count)
        yield from self._troubles()
        try:
            header = next(csv.reader([header_line], delimiter=delimiter), [])
        except csv.Error as error:
            reason = f"no valid CSV header: {error}"
            yield Broken(self.content.source, "line 1", reason, "name the columns in the first line")
            return
        found = self.content.options.columns.find(tuple(header))
        if not found.keys() & {"text", "html"}:
            missing = self.content.options.columns.missing(header)
            yield Broken(self.content.source, None, *missing)
            return
        self.taken.clear()
        while not self.is_at_end:
            yield from self._read_rows(header, delimiter)

    def _read_rows(self, header: list[str], delimiter: str) -> Iterator[Page | Broken]:
        """Rows until the end, or until a quotation mark that nobody closes."""
        rows = csv.reader(self._lines(), delimiter=delimiter)
        while True:
            try:
                row = next(rows, None)
            except csv.Error:
                row = []
            yield from self._troubles()
            taken, self.taken = self.taken, []
            if row is None and not taken:
                return
            if row is None or row == [] or (self.is_at_end and len(taken) > 1):
                if any(text.strip() for _, _, text in taken):
                    yield from self._line_by_line(taken, header, delimiter)
                if not row and row is not None and not self.is_at_end and len(taken) > 1:
                    return  # after an error the parser begins afresh
                continue
            yield self._page(row, header, taken)

    def _line_by_line(
        self, taken: list[tuple[int, int, str]], header: list[str], delimiter: str
    ) -> Iterator[Page | Broken]:
        """The rows among lines that an open quotation mark swallowed, each line for itself."""
        for line in taken:
            try:
                row = next(csv.reader([line[2]], delimiter=delimiter, strict=True), [])
            except csv.Error as error:
                reason = f"not valid CSV: {error} (the line begins at byte {line[1]})"
                yield Broken(self.content.source, f"line {line[0]}", reason, "mend the line")
                continue
            if row:
                yield self._page(row, header, [line])

    def _page(
        self, row: list[str], header: list[str], taken: list[tuple[int, int, str]]
    ) -> Page | Broken:
        number, position, _ = taken[0]
        where = f"line {number}"
        if len(row) != len(header):
            reason = f"{len(row)} fields, but the header has {len(header)} (byte {position})"
            return Broken(self.content.source, where, reason, "mend the line")
        return _page_of_row(dict(zip(header, row, strict=True)), self.content, position, where)

    def _lines(self) -> Iterator[str]:
        """Lines as text; those too long or damaged are put to `trouble`."""
        stream, source = self.content.stream, self.content.source
        while True:
            try:
                line = stream.readline(self.limit + 1)
                size = len(line)
                if size > self.limit:
                    size += skip_line(stream)
            except BrokenStreamError as error:
                self.trouble.append(broken_stream(source, error, f"after line {self.number - 1}, "))
                if isinstance(error, BombError):
                    break
                continue
            if not size:
                break
            number, position = self.number, self.position
            self.number += 1
            self.position += size
            if size > self.limit:
                reason = f"{size:,} bytes, more than max_page_bytes allows"
                self.trouble.append(Broken(source, f"line {number}", reason, "raise max_page_bytes"))
                continue
            text = line.decode("utf-8", "reinschrift-windows-1252")
            if position == 0:
                text = text.removeprefix("\ufeff")
            self.taken.append((number, position, text))
            yield text
        self.is_at_end = True

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
