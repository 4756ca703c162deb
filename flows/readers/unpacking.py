"""Unpacking .gz, .zst, .bz2 and .xz: streamed, within a budget, going on behind damage."""

from __future__ import annotations

import bz2
import io
import lzma
import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, cast

from isal import igzip_lib

from reinschrift.flows.readers.page import EXEMPT_BYTES, BombError, BrokenStreamError, Budget

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Callable

BUFFER_BYTES = 1 << 18
INPUT_BYTES = 1 << 16
TRIAL_BYTES = 1 << 16  # what a stream found behind damage must give without an error
XZ_MEMORY_BYTES = 512_000_000
ZSTD_WINDOW_LOG = 31  # dumps of whole sites are packed with windows of 2 GB
ERRORS: tuple[type[Exception], ...] = (
    OSError, EOFError, ValueError, MemoryError, lzma.LZMAError, zstd.ZstdError,
    cast("type[Exception]", igzip_lib.IsalError),
)  # fmt: skip


class Decoder(Protocol):
    """What bz2, lzma, zstd and igzip give alike: one packed stream after the other."""

    eof: bool
    needs_input: bool
    unused_data: bytes

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        """At most `max_length` bytes."""
        ...


@dataclass(frozen=True)
class Packing:
    """A kind of compression: how its streams begin, and who unpacks one."""

    name: str
    magic: re.Pattern[bytes]
    make: Callable[[], Any]


PACKINGS: dict[str, Packing] = {
    ".gz": Packing(
        "gzip",
        re.compile(rb"\x1f\x8b\x08[\x00-\x1f]"),
        lambda: igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP),
    ),
    ".zst": Packing(
        "zstd",
        re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18"),
        lambda: zstd.ZstdDecompressor(
            options={zstd.DecompressionParameter.window_log_max: ZSTD_WINDOW_LOG}
        ),
    ),
    ".bz2": Packing("bzip2", re.compile(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)"), bz2.BZ2Decompressor),
    ".xz": Packing(
        "xz",
        re.compile(rb"\xfd7zXZ\x00"),
        lambda: lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=XZ_MEMORY_BYTES),
    ),
}
MAGIC_BYTES = 10


def packing_of(head: bytes) -> Packing | None:
    """The compression that content beginning with `head` has, whatever its name says."""
    return next((p for p in PACKINGS.values() if p.magic.match(head)), None)


def allowed_bytes(packed_bytes: int, ratio: float) -> int:
    """What a file may unpack to."""
    return max(EXEMPT_BYTES, int(packed_bytes * ratio))


class Filled(io.RawIOBase):
    """A raw stream that fills the whole buffer it is given, as long as there is something to read.

    An error met after the first byte is raised by the next call, so that no byte before it is lost.
    """

    def __init__(self) -> None:
        self._pending: BrokenStreamError | None = None

    def readable(self) -> bool:
        """It can be read."""
        return True

    def next_bytes(self, limit: int) -> bytes:
        """At least a byte and at most `limit`, or none at the end."""
        raise NotImplementedError

    def readinto(self, target: Any) -> int:
        """Fill the buffer; how many bytes that were."""
        if self._pending:
            error, self._pending = self._pending, None
            raise error
        view = memoryview(target).cast("B")
        filled = 0
        while filled < len(view):
            try:
                data = self.next_bytes(len(view) - filled)
            except BrokenStreamError as error:
                if not filled:
                    raise
                self._pending = error
                break
            if not data:
                break
            view[filled : filled + len(data)] = data
            filled += len(data)
        return filled


class Window(Filled):
    """The next `size` bytes of a file."""

    def __init__(self, file: BinaryIO | io.RawIOBase, size: int) -> None:
        super().__init__()
        self._file = file
        self._left = size

    def next_bytes(self, limit: int) -> bytes:
        """At least a byte and at most `limit`, or none at the end."""
        data = self._file.read(min(limit, self._left)) or b""
        self._left -= len(data)
        return data


class Unpacked(Filled):
    """The content of one packed stream after the other.

    Raises BrokenStreamError where the bytes can't be unpacked; reading again goes on with the next
    stream that can. Raises BombError, over and over, once the budget is spent. `on_stream` is called
    where a stream begins, with the bytes used before it and those unpacked.
    """

    def __init__(
        self,
        packed: BinaryIO | io.BufferedReader[Any],
        packing: Packing,
        budget: Budget,
        on_stream: Callable[[int, int], object] | None = None,
    ) -> None:
        super().__init__()
        self._on_stream = on_stream
        self._packed, self._packing, self._budget = packed, packing, budget
        self._rest = b""
        self._given = b""  # what the decoder was given last, to look for the next stream after damage
        self._taken = 0  # bytes of the packed content taken so far, those in _rest included
        self._decoder: Decoder | None = None
        self._is_damaged = False
        self._bomb: BombError | None = None

    @property
    def offset(self) -> int:
        """How many packed bytes were used."""
        return self._taken - len(self._rest)

    def next_bytes(self, limit: int) -> bytes:
        """At least a byte and at most `limit`, or none at the end."""
        if self._bomb:
            raise self._bomb
        while self._decoder is not None or self._begin_stream():
            data = self._unpack(limit)
            if data:
                self._spend(len(data))
                return data
        return b""

    def _unpack(self, limit: int) -> bytes:
        decoder = self._decoder
        assert decoder is not None
        packed = b""
        if decoder.needs_input:
            packed = self._take()
            if not packed:
                self._decoder = None
                raise self._broken("breaks off in the middle")
            self._given = packed
        try:
            data = decoder.decompress(packed, limit)
        except ERRORS as error:
            self._give_up()
            raise self._broken(f"is damaged: {error}") from error
        if decoder.eof:
            self._rest, self._decoder = decoder.unused_data, None
        elif not data and not packed and not decoder.needs_input:
            self._give_up()
            raise self._broken("is damaged")
        return data

    def _give_up(self) -> None:
        """Look for the next stream in what this one was given, beyond its own beginning."""
        self._rest = self._given[1:]
        self._decoder, self._is_damaged = None, True

    def _take(self) -> bytes:
        if self._rest:
            taken, self._rest = self._rest, b""
            return taken
        taken = self._packed.read(INPUT_BYTES) or b""
        self._taken += len(taken)
        return taken

    def _fill(self, size: int) -> None:
        while len(self._rest) < size:
            more = self._packed.read(INPUT_BYTES) or b""
            if not more:
                break
            self._taken += len(more)
            self._rest += more

    def _begin_stream(self) -> bool:
        """Go to the beginning of the next packed stream; False at the end."""
        while True:
            self._fill(MAGIC_BYTES)
            if self._is_damaged:
                if not self._find_stream():
                    return False
            elif not self._rest.lstrip(b"\0"):  # padding, as tapes and some tools leave it
                if not self._rest:
                    return False
                self._rest = b""
                continue
            elif self._rest[0] == 0:
                self._rest = self._rest.lstrip(b"\0")
                continue
            if self._packing.magic.match(self._rest):
                self._decoder = self._packing.make()
                if self._on_stream:
                    self._on_stream(self.offset, self._budget.spent)
                return True
            self._is_damaged = True
            raise self._broken("is followed by other bytes")

    def _find_stream(self) -> bool:
        """Drop bytes up to the beginning of a stream that can be unpacked."""
        while True:
            found = self._packing.magic.search(self._rest)
            if not found:
                self._rest = self._rest[-MAGIC_BYTES:]
                before = self._taken
                self._fill(len(self._rest) + 1)
                if self._taken == before:
                    self._rest, self._is_damaged = b"", False
                    return False
                continue
            self._rest = self._rest[found.start() :]
            self._fill(TRIAL_BYTES)
            try:
                self._packing.make().decompress(self._rest[:TRIAL_BYTES], TRIAL_BYTES)
            except ERRORS:
                self._rest = self._rest[1:]
                continue
            self._is_damaged = False
            return True

    def _broken(self, what: str) -> BrokenStreamError:
        name = self._packing.name
        return BrokenStreamError(
            f"the {name} stream {what}",
            self.offset,
            "fetch it again; what stood before and behind the break was read",
        )

    def _spend(self, size: int) -> None:
        self._budget.spent += size
        if self._budget.spent > self._budget.allowed:
            self._bomb = BombError(
                f"unpacks to more than {self._budget.allowed:,} bytes, beyond max_decompress_ratio",
                self.offset,
                "if it is no bomb, raise max_decompress_ratio",
            )
            raise self._bomb


def unpack(
    stream: BinaryIO | io.BufferedReader[Any], packing: Packing, budget: Budget
) -> io.BufferedReader[Any]:
    """The content of a packed stream, buffered."""
    return io.BufferedReader(Unpacked(stream, packing, budget), BUFFER_BYTES)
