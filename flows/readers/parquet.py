"""Parquet: a record a row, read so that neither a value nor a page of values is larger than it may be.

A dictionary writes a long value once and names it in every row; so such columns are not expanded before
the lengths of their values are known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from reinschrift.flows.readers.archives import seekable
from reinschrift.flows.readers.columns import FOLDED
from reinschrift.flows.readers.page import Broken
from reinschrift.flows.readers.parquet_footer import FooterError, read_chunks
from reinschrift.flows.readers.rows import page_of_row, report_columns, too_large, unique_names

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa
    import pyarrow.parquet as pq

    from reinschrift.flows.readers.page import Content, Page

BATCH_ROWS = 64
MAX_BATCH_ROWS = 1 << 16
DICTIONARY_BATCHES = 16  # into which a row group with a large dictionary is cut
BATCH_BYTES = 1 << 29  # what the values of a batch may take where each is as long as it can be
BUFFER_BYTES = 1 << 20


@dataclass(frozen=True)
class _Unreadable:
    """A value that can't be had: reason and remedy."""

    reason: str
    remedy: str


def read_parquet(content: Content) -> Iterator[Page | Broken]:
    """The rows of a Parquet file; a damaged or too large row group is reported and passed over."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with seekable(content) as handle:
        try:
            file = pq.ParquetFile(handle, buffer_size=BUFFER_BYTES, pre_buffer=False)
            names = unique_names(file.schema_arrow.names)
            reader = _Reader(file, handle, names, content)
        except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
            reason = f"not readable as Parquet: {_first_line(error)}"
            yield Broken(content.source, None, reason, "write it again: its footer says what it holds")
            return
        problems, can_be_read = report_columns(file.schema_arrow.names, names, content, None)
        yield from problems
        if can_be_read:
            yield from reader.read()


class _Reader:
    """Row groups of a file, the columns that are wanted of it, and how they are read."""

    def __init__(
        self, file: pq.ParquetFile, handle: BinaryIO, names: tuple[str, ...], content: Content
    ) -> None:
        self.handle, self.names, self.content = handle, names, content
        self.limit = content.options.max_page_bytes
        found = content.options.columns.find(names)
        roots = {
            column: column if column in names else column.split(".")[0] for column in found.values()
        }
        self.contents = {roots[found[role]] for role in ("html", "text") if role in found}
        self.wanted = [n for n, name in enumerate(names) if name in roots.values() or name in FOLDED]
        self.file, self.metadata = file, file.metadata
        roots_written = {file.schema_arrow.names[n] for n in self.wanted}
        self.chunks = [
            [chunk for chunk in group if _root(chunk.path, roots_written)]
            for group in read_chunks(handle)
        ]
        if len(self.chunks) != file.num_row_groups:
            raise FooterError("the footer does not say what each row group holds")
        self.dictionaries = self._dictionaries()

    def _dictionaries(self) -> list[str]:
        """The columns of strings whose dictionaries are too large to be expanded."""
        import pyarrow as pa

        chunks = [chunk for group in self.chunks for chunk in group]
        large = {chunk.path for chunk in chunks if chunk.longest * BATCH_ROWS > BATCH_BYTES}
        large -= {chunk.path for chunk in chunks if chunk.is_prefixed}  # which Arrow can't read so
        strings = (pa.string(), pa.binary(), pa.large_string(), pa.large_binary())
        types = {field.name: field.type for field in self.file.schema_arrow if field.name in large}
        return [
            name
            for name, kind in types.items()
            if (kind.value_type if pa.types.is_dictionary(kind) else kind) in strings
        ]

    def read(self) -> Iterator[Page | Broken]:
        """The rows of all groups."""
        import pyarrow.parquet as pq

        if self.dictionaries:
            self.file = pq.ParquetFile(
                self.handle,
                buffer_size=BUFFER_BYTES,
                pre_buffer=False,
                read_dictionary=self.dictionaries,
            )
        row = 0
        for group in range(self.metadata.num_row_groups):
            size = self.metadata.row_group(group).num_rows
            if self._is_bomb(group):
                yield self._beyond_ratio(group, row)
            else:
                yield from self._read_group(group, row)
            row += size

    def _beyond_ratio(self, group: int, row: int) -> Broken:
        reason = f"row group {group} unpacks to more bytes from here on than "
        reason += f"{self.content.budget.allowed:,}, beyond max_decompress_ratio"
        remedy = "if it is no bomb, raise max_decompress_ratio"
        return Broken(self.content.source, f"row {row + 1}", reason, remedy)

    def _read_group(self, group: int, row: int) -> Iterator[Page | Broken]:
        import pyarrow as pa

        names = [self.names[n] for n in self.wanted]
        written = self.file.schema_arrow.names
        # Of columns with one name all are read.
        is_unique = len(set(written)) == len(written)
        columns = [written[n] for n in self.wanted] if is_unique else None
        taken = range(len(names)) if is_unique else self.wanted
        spent = 0  # by batches of few rows, whose values may be long and written in a few bytes
        try:
            rows = self._batch_rows(group)
            for batch in self.file.iter_batches(rows, [group], columns, use_threads=False):
                spent += batch.nbytes if rows < BATCH_ROWS else 0
                if spent > self.content.budget.allowed:
                    yield self._beyond_ratio(group, row)
                    return
                values = [list(self._values(batch.column(n))) for n in taken]
                for record in zip(*values, strict=True):
                    yield self._page(dict(zip(names, record, strict=True)), row)
                    row += 1
        except (pa.ArrowException, OSError, ValueError, MemoryError, OverflowError) as error:
            reason = f"row group {group} can't be read from here on: {_first_line(error)}"
            yield Broken(self.content.source, f"row {row + 1}", reason, "write the file again")

    def _batch_rows(self, group: int) -> int:
        """How many rows may be made at once: few of values that may be long, many of short ones."""
        dense = [chunk for chunk in self.chunks[group] if chunk.path not in self.dictionaries]
        most = max([1, *(chunk.longest for chunk in dense)])
        rows = BATCH_ROWS
        if self.dictionaries:  # each batch brings its dictionaries along
            size = 1 + 4 * sum(chunk.size for chunk in dense)
            written = self.metadata.row_group(group).num_rows
            most_rows = min(MAX_BATCH_ROWS, written // DICTIONARY_BATCHES)
            rows = max(rows, min(most_rows, BATCH_BYTES * written // size))
        return max(1, min(rows, BATCH_BYTES // most))

    def _page(self, record: dict[str, Any], row: int) -> Page | Broken:
        where = f"row {row + 1}"
        for column, value in record.items():
            if isinstance(value, _Unreadable):
                if column in self.contents:
                    return Broken(
                        self.content.source, where, f"{column!r}: {value.reason}", value.remedy
                    )
                record[column] = None
        return page_of_row(record, self.content, row, where)

    def _values(self, column: pa.Array) -> Iterator[Any]:
        """The values of a column; those too long or not readable as _Unreadable."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if pa.types.is_dictionary(column.type) and not pa.types.is_nested(column.type.value_type):
            yield from self._expanded(column)
            return
        is_text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
        if is_text or pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
            raw = column.cast(pa.large_binary())
            longest = pc.max(pc.binary_length(raw)).as_py() or 0
            if longest > self.limit:
                yield from (self._value(column, n, raw) for n in range(len(column)))
                return
        try:
            yield from column.to_pylist()
        except (ValueError, OverflowError, pa.ArrowException):
            yield from (self._value(column, n) for n in range(len(column)))

    def _expanded(self, column: pa.DictionaryArray) -> Iterator[Any]:
        """The values that a column of a dictionary names, each made once."""
        import pyarrow.compute as pc

        needed = pc.unique(column.indices).drop_null()
        values = dict(zip(needed.to_pylist(), self._values(column.dictionary.take(needed)), strict=True))
        yield from map(values.get, column.indices.to_pylist())

    def _value(self, column: pa.Array, number: int, raw: pa.Array | None = None) -> Any:
        """One value; what is no UTF-8 as bytes."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if raw is not None:
            length = pc.binary_length(raw.slice(number, 1))[0].as_py() or 0
            if length > self.limit:
                return _Unreadable(*too_large(length, self.limit))
        try:
            return column[number].as_py()
        except UnicodeDecodeError:
            if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
                return column.slice(number, 1).cast(pa.large_binary())[0].as_py()
            return _Unreadable("not valid UTF-8", "write it as UTF-8")
        except (ValueError, OverflowError, pa.ArrowException) as error:
            return _Unreadable(f"can't be read: {_first_line(error)}", "write the row again")

    def _is_bomb(self, group: int) -> bool:
        """Whether a group unpacks to more than the file may; if not, that is spent."""
        chunks = self.chunks[group]
        size = max([sum(chunk.size for chunk in chunks), *(chunk.longest for chunk in chunks)])
        budget = self.content.budget
        if budget.spent + size > budget.allowed:
            return True
        budget.spent += size
        return False


def _root(path: str, names: set[str]) -> bool:
    """Whether a column of the file is one of these, or part of one; a name may hold dots."""
    return path in names or any(path.startswith(f"{name}.") for name in names)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
