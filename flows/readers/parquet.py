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
from reinschrift.flows.readers.rows import page_of_row, report_columns, too_large, unique_names

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa
    import pyarrow.parquet as pq

    from reinschrift.flows.readers.page import Content, Page

BATCH_ROWS = 64
MAX_BATCH_ROWS = 1 << 16
BATCH_BYTES = 1 << 28  # what the values of a batch may take where each is as long as it can be
BUFFER_BYTES = 1 << 20
PAGE_HEADER_BYTES = 16
PREFIXED = "DELTA_BYTE_ARRAY"  # an encoding in which a value names the beginning of the one before


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
        self.leaves = self._leaves()
        self.longest = [self._longest(group) for group in range(file.num_row_groups)]
        self.dictionaries = self._dictionaries()

    def _leaves(self) -> list[int]:
        """The columns of the file below those that are wanted."""
        schema, names = self.file.schema, self.file.schema_arrow.names
        roots = [schema.column(n).path.split(".")[0] for n in range(len(schema))]
        wanted = {names[n] for n in self.wanted}
        return [n for n, root in enumerate(roots) if root in wanted or root not in names]

    def _longest(self, group: int) -> dict[int, int]:
        """Column -> bytes that one value of it may take and yet be written in no more than a few."""
        longest = {}
        for leaf in self.leaves:
            column = self.metadata.row_group(group).column(leaf)
            if PREFIXED in column.encodings:
                longest[leaf] = column.total_uncompressed_size
            elif column.has_dictionary_page:
                size = self._dictionary_bytes(column)
                longest[leaf] = column.total_uncompressed_size if size is None else size
        return longest

    def _dictionary_bytes(self, column: Any) -> int | None:
        """What the dictionary of a column chunk unpacks to, as the header of its page says.

        That is a Thrift structure of which the second field is the size; None where it is no such.
        """
        self.handle.seek(column.dictionary_page_offset or column.data_page_offset)
        header = self.handle.read(PAGE_HEADER_BYTES)
        at, values = 0, list[int]()
        while len(values) < 2:
            if header[at : at + 1] != b"\x15":
                return None
            value, shift, at = 0, 0, at + 1
            while at < len(header):
                byte = header[at]
                value, shift, at = value | (byte & 0x7F) << shift, shift + 7, at + 1
                if byte < 0x80:
                    break
            values.append(value >> 1)
        return values[1]

    def _dictionaries(self) -> list[str]:
        """The columns of strings whose dictionaries are too large to be expanded."""
        import pyarrow as pa

        schema = self.file.schema_arrow
        large = {n for longest in self.longest for n, size in longest.items() if _is_large(size)}
        large -= {n for n in large if self._is_prefixed(n)}  # which Arrow can't read so
        roots = {self.file.schema.column(n).path for n in large}
        strings = (pa.string(), pa.binary(), pa.large_string(), pa.large_binary())
        types = {field.name: field.type for field in schema if field.name in roots}
        return [
            name
            for name, kind in types.items()
            if (kind.value_type if pa.types.is_dictionary(kind) else kind) in strings
        ]

    def _is_prefixed(self, leaf: int) -> bool:
        groups = range(self.metadata.num_row_groups)
        return any(PREFIXED in self.metadata.row_group(n).column(leaf).encodings for n in groups)

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
        path = {leaf: self.file.schema.column(leaf).path for leaf in self.leaves}
        dense = [leaf for leaf in self.leaves if path[leaf] not in self.dictionaries]
        most = max([1, *(self.longest[group].get(leaf, 1) for leaf in dense)])
        rows = BATCH_ROWS
        if self.dictionaries:  # each batch brings its dictionaries along
            info = self.metadata.row_group(group)
            size = sum(info.column(leaf).total_uncompressed_size for leaf in dense)
            rows = max(rows, min(MAX_BATCH_ROWS, BATCH_BYTES * info.num_rows // (4 * size + 1)))
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
        made: dict[int | None, Any] = {None: None}
        for number in column.indices.to_pylist():
            if number not in made:
                made[number] = next(self._values(column.dictionary.slice(number, 1)))
            yield made[number]

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
        columns = (self.metadata.row_group(group).column(leaf) for leaf in self.leaves)
        size = sum(max(column.total_uncompressed_size, 0) for column in columns)
        size = max([size, *self.longest[group].values()])
        budget = self.content.budget
        if budget.spent + size > budget.allowed:
            return True
        budget.spent += size
        return False


def _is_large(size: int) -> bool:
    return size * BATCH_ROWS > BATCH_BYTES


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
