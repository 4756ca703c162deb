"""What the footer of a Parquet file says of its column chunks, before Arrow is asked to read them.

Arrow's own view of it ends the process where some of its statistics are damaged. The footer and the
headers of pages are Thrift structures in its compact protocol; unknown fields are passed over.
https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import BinaryIO

MAGIC = b"PAR1"
TAIL_BYTES = 8  # the length of the footer and MAGIC
PAGE_HEADER_BYTES = 1 << 10
DELTA_BYTE_ARRAY = 7  # an encoding in which a value names the beginning of the one before
MAX_NESTING = 16
_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = 1, 2, 3, 7, 8, 9, 10, 11, 12


class FooterError(ValueError):
    """The footer is no Thrift structure."""


@dataclass(frozen=True)
class Chunk:
    """A column of a row group: its path, how large it is unpacked, and how large one value may be.

    `longest` is of values that take no more than a few bytes where they stand once more.
    """

    path: str
    size: int
    longest: int
    is_prefixed: bool


def read_chunks(file: BinaryIO) -> list[list[Chunk]]:
    """The column chunks of each row group. Raises FooterError."""
    file.seek(0, 2)
    end = file.tell()
    file.seek(max(0, end - TAIL_BYTES))
    tail = file.read(TAIL_BYTES)
    length = int.from_bytes(tail[:4], "little")
    if tail[4:] != MAGIC or length > end - TAIL_BYTES:
        raise FooterError("no footer")
    file.seek(end - TAIL_BYTES - length)
    footer = _Reader(file.read(length)).read_struct()
    try:
        groups = footer.get(4, [])
        return [[_chunk(chunk[3], file) for chunk in group[1]] for group in groups]
    except (KeyError, TypeError, AttributeError) as error:
        raise FooterError("the footer lacks what it must say of a column") from error


def _chunk(about: dict[int, Any], file: BinaryIO) -> Chunk:
    path = b".".join(about[3]).decode("utf-8", "replace")
    is_prefixed = DELTA_BYTE_ARRAY in about[2]
    size = max(0, about[6])
    if is_prefixed:
        return Chunk(path, size, size, is_prefixed)
    # Some writers leave out where the dictionary is: then it is the first page.
    return Chunk(path, size, _dictionary_bytes(file, about.get(11) or about[9], size), is_prefixed)


def _dictionary_bytes(file: BinaryIO, offset: int, size: int) -> int:
    """What the dictionary that begins at `offset` unpacks to; 0 where another page begins there."""
    if offset < 0:
        return size
    file.seek(offset)
    try:
        header = _Reader(file.read(PAGE_HEADER_BYTES)).read_struct(last=2)
    except FooterError:
        return size
    is_dictionary = header.get(1) == 2
    unpacked = header.get(2, size)
    return max(0, unpacked) if is_dictionary and isinstance(unpacked, int) else 0


class _Reader:
    """The values of the compact protocol of Thrift, one after the other."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def read_struct(self, last: int | None = None, depth: int = 0) -> dict[int, Any]:
        """The fields by number, up to the field `last` if that is given."""
        if depth > MAX_NESTING:
            raise FooterError("nested too deep")
        fields: dict[int, Any] = {}
        number = 0
        while head := self.byte():
            number = number + (head >> 4) if head >> 4 else self.integer()
            fields[number] = self.value(head & 15, depth)
            if number == last:
                break
        return fields

    def value(self, kind: int, depth: int) -> Any:
        """A value of a kind."""
        if kind in (_TRUE, _FALSE):
            return kind == _TRUE
        if kind < _DOUBLE:
            return self.byte() if kind == _BYTE else self.integer()
        if kind in (_DOUBLE, _BINARY):
            return self.take(8 if kind == _DOUBLE else self.unsigned())
        if kind in (_LIST, _SET):
            return self.read_list(depth + 1)
        if kind == _STRUCT:
            return self.read_struct(depth=depth + 1)
        raise FooterError(f"a value of the unknown kind {kind}")

    def read_list(self, depth: int) -> list[Any]:
        """The values of a list, which are of one kind."""
        head = self.byte()
        count, kind = head >> 4, head & 15
        if count == 15:
            count = self.unsigned()
        if count > len(self.data) - self.at or depth > MAX_NESTING:
            raise FooterError("a list longer than the footer")
        if kind in (_TRUE, _FALSE):  # within lists a byte each
            return [self.byte() == _TRUE for _ in range(count)]
        return [self.value(kind, depth) for _ in range(count)]

    def byte(self) -> int:
        """The next byte."""
        return self.take(1)[0]

    def take(self, size: int) -> bytes:
        """The next bytes."""
        taken = self.data[self.at : self.at + size]
        if len(taken) < size:
            raise FooterError("it breaks off")
        self.at += size
        return taken

    def unsigned(self) -> int:
        """A number of seven bits a byte, the lowest first."""
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80 or shift > 70:
                return value

    def integer(self) -> int:
        """A number of which the lowest bit is the sign."""
        value = self.unsigned()
        return (value >> 1) ^ -(value & 1)
