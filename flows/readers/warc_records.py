"""WARC records in a stream of bytes, and where the stream does not hold what a header promises.

A record is whole where its Content-Length ends at a boundary: two line ends, the header of the next
record, or the end of the file. Where it does not, the record is damaged, and reading goes on with the
next header behind the *start* of the damaged record, so that a wrong length costs no other record. A
length may also end at the boundary of a later record: then the records in between lie in its body, and
the last of them ends where the body ends (see `_Window.swallows`).

Every byte is read once, searched for headers once, and held at most until `window` bytes more were
read, so time grows with the length of the stream and memory with the window.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from reinschrift.flows.readers.page import BombError, BrokenStreamError

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator

CHUNK_BYTES = 1 << 18
MAX_HEADER_BYTES = 1 << 16
MIN_WINDOW_BYTES = 1 << 22
MARGIN_BYTES = 256  # a header is known by its first two lines, which are shorter
MAX_BLANK_BYTES = 64  # line ends looked at behind a record
VERSION = re.compile(rb"WARC/\d\.\d{1,2}[ \t]*\r?\n", re.IGNORECASE)
_HEADER = re.compile(rb"WARC/\d\.\d{1,2}[ \t]*\r?\n[A-Za-z][\w-]{0,99}[ \t]*:", re.IGNORECASE)
HEADER_END = re.compile(rb"\n\r?\n")
_FIELD = re.compile(rb"^([^\s:][^:\r\n]*+):[ \t]*+([^\r\n]*+(?:\r?\n[ \t]++[^\r\n]*+)*+)", re.MULTILINE)
_BLANK = re.compile(rb"[\r\n]*")
_FOLD = re.compile(rb"\r?\n[ \t]+")
_HTTP_LENGTH = re.compile(rb"^content-length:[ \t]*(\d{1,18})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
_MAGIC = b"warc/"
MAX_LENGTHS = 4
_SWALLOWS = "its Content-Length of {:,} is wrong: other records lie within"


class NoRecordError(ValueError):
    """Here no record begins, or it is damaged."""


@dataclass(frozen=True)
class Head:
    """The header of a record: named fields (in lower case, the first of each name) and its lengths.

    `size` is that of the header in bytes. `lengths` are those that Content-Length gives, which may
    stand there twice.
    """

    fields: dict[str, str]
    size: int
    lengths: tuple[int, ...]
    line_end: bytes

    @property
    def kind(self) -> str:
        """The WARC-Type, in lower case."""
        return self.fields.get("warc-type", "").lower()


@dataclass(frozen=True)
class Record:
    """A whole record. `position` is that of its first byte; `body` is None where it exceeds the window.

    `is_clean` says that nothing in the body looks like the header of a record.
    """

    position: int
    head: Head
    length: int
    body: bytes | None
    is_clean: bool


@dataclass(frozen=True)
class Damage:
    """Bytes that are no whole record. `error` is set where the packed stream itself is damaged."""

    position: int
    reason: str
    error: BrokenStreamError | None = None


def read_head(raw: bytes) -> Head:
    """The header of a record, from its version line to the blank line.

    Raises NoRecordError where it has no valid length or no type.
    """
    fields: dict[str, str] = {}
    lengths: list[bytes] = []
    for name, value in _FIELD.findall(raw):
        key = _text(name.strip()).lower()
        fields.setdefault(key, _text(_FOLD.sub(b" ", value).strip()))
        if key == "content-length":
            lengths.append(value.strip())
    valid = dict.fromkeys(int(v) for v in lengths if v.isdigit() and len(v) <= 18)
    if not valid:
        raise NoRecordError("a record without a valid Content-Length")
    if not fields.get("warc-type"):
        raise NoRecordError("a record without a WARC-Type")
    line_end = b"\r\n" if raw.endswith(b"\r\n\r\n") else b"\n"
    return Head(fields, len(raw), tuple(valid)[:MAX_LENGTHS], line_end)


def _text(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


def read_records(
    stream: io.BufferedReader[Any], offset: int = 0, window: int = MIN_WINDOW_BYTES
) -> Iterator[Record | Damage]:
    """The records of a stream of which the first byte stands at `offset`, and what is damaged.

    A record of more than `window` bytes has no body. Damage in the packed stream ends the record it
    stands in; reading goes on behind it.
    """
    ahead = _Window(stream, offset, max(window, MIN_WINDOW_BYTES))
    while True:
        ahead.skip_blank()
        start = ahead.start
        if not ahead.available():
            error = ahead.pass_break()
            if error and not ahead.is_break_known:
                yield Damage(start, error.reason, error)
            if error is None or isinstance(error, BombError):
                return
            ahead.find_header(start)
            continue
        try:
            record = ahead.take_record()
        except NoRecordError as problem:
            error = ahead.breaks_record(start)
            yield Damage(start, error.reason if error else str(problem), error)
            ahead.find_header(start + 1)
            continue
        yield record


@dataclass
class _Window:
    """The bytes ahead in a stream, and the headers among them."""

    stream: io.BufferedReader[Any]
    start: int  # position of the first byte held
    size: int
    data: bytearray = field(default_factory=bytearray)
    scanned: int = 0  # headers before this position are known
    headers: deque[int] = field(default_factory=deque)
    after_blank: deque[int] = field(default_factory=deque)  # of them, those behind a blank line
    unmeasured: deque[int] = field(default_factory=deque)
    ends: dict[int, int] = field(default_factory=dict)  # end of a record -> the last header that says so
    is_at_end: bool = False
    broken: BrokenStreamError | None = None
    is_break_known: bool = False

    @property
    def end(self) -> int:
        """The position behind the last byte held."""
        return self.start + len(self.data)

    def fill(self, upto: int) -> bool:
        """Read on until the bytes before `upto` are held; False where the stream ends or breaks."""
        while self.end < upto:
            if self.is_at_end or self.broken:
                return False
            try:
                chunk = self.stream.read1(max(CHUNK_BYTES, min(upto - self.end, CHUNK_BYTES * 8)))
            except BrokenStreamError as error:
                self.broken, self.is_break_known = error, False
                return False
            self.is_at_end = not chunk
            self.data += chunk
        return True

    def available(self) -> bool:
        """Whether there is a byte to read before the stream ends or breaks."""
        return self.fill(self.start + 1) or bool(self.data)

    def pass_break(self) -> BrokenStreamError | None:
        """Go on behind a break of the stream, all bytes before it being used; None at its end."""
        error, self.broken = self.broken, None
        return error

    def breaks_record(self, start: int) -> BrokenStreamError | None:
        """The break of the stream that ends the record at `start`, unless it was reported before."""
        if self.broken is None or self.is_break_known or not self.is_cut(start):
            return None
        self.is_break_known = True
        return self.broken

    def is_cut(self, start: int) -> bool:
        """Whether the bytes held end before the record at `start` does, and no other begins in them."""
        self.scan(self.end)
        return not self.headers or self.headers[-1] <= start

    def discard(self, upto: int) -> None:
        """Drop the bytes before a position, and what is known of them."""
        if upto <= self.start:
            return
        del self.data[: upto - self.start]
        self.start = upto
        for positions in (self.headers, self.after_blank, self.unmeasured):
            while positions and positions[0] < upto:
                positions.popleft()
        if len(self.ends) > 2 * MAX_LENGTHS * (len(self.headers) + 1):
            self.ends = {end: header for end, header in self.ends.items() if header >= upto}

    def skip_blank(self) -> None:
        """Skip the line ends between records."""
        while self.available():
            blank = _BLANK.match(self.data)
            self.discard(self.start + (blank.end() if blank else 0))
            if self.data:
                return

    # ------------------------------------------------------------ headers

    def scan(self, upto: int) -> None:
        """Search the bytes before `upto` for headers; each byte is searched once."""
        upto = min(upto, self.end)
        begin = max(self.scanned, self.start)
        if upto <= begin:
            return
        self.fill(upto + MARGIN_BYTES)
        lower = self.data[begin - self.start : upto - self.start + len(_MAGIC) - 1].lower()
        at = lower.find(_MAGIC)
        while at >= 0:
            if _HEADER.match(self.data, begin - self.start + at):
                self.note(begin + at)
            at = lower.find(_MAGIC, at + 1)
        self.scanned = upto

    def note(self, header: int) -> None:
        """Remember where a header begins."""
        self.headers.append(header)
        at = header - self.start
        if self.data[max(0, at - 3) : at].replace(b"\r", b"").endswith(b"\n\n"):
            self.after_blank.append(header)
            self.unmeasured.append(header)

    def find_header(self, begin: int) -> None:
        """Go on to the first header from `begin` on, or to where the stream ends or breaks."""
        self.discard(begin)
        while not self.headers and self.available():
            self.scan(self.end)
            if not self.headers:
                self.discard(self.scanned)
        if self.headers:
            self.discard(self.headers[0])

    def head_at(self, start: int) -> Head:
        """The header at a position. Raises NoRecordError where there is none."""
        self.fill(start + MARGIN_BYTES)
        if not VERSION.match(self.data, start - self.start):
            raise NoRecordError("no WARC header where a record should begin")
        end = self._header_end(start)
        if not _HEADER.match(self.data, start - self.start):
            raise NoRecordError("a WARC header without named fields")
        return read_head(bytes(self.data[start - self.start : end - self.start]))

    def _header_end(self, start: int) -> int:
        """Where the header that begins at `start` ends. Raises NoRecordError where it does not.

        It ends before the next one: a header that is cut off does not take the next record with it.
        """
        size, at = 1 << 10, start - self.start
        while True:
            is_held = self.fill(start + size)
            self.scan(start + size)
            following = next((h for h in _first(self.headers, 2) if h > start), start + size)
            end = min(following, start + size) - self.start
            found = HEADER_END.search(self.data, at, end)
            if found:
                return found.end() + self.start
            if following < start + size or not is_held:
                raise NoRecordError("breaks off within the header of a record")
            if size >= MAX_HEADER_BYTES:
                raise NoRecordError(f"a header of more than {MAX_HEADER_BYTES:,} bytes")
            size *= 4

    def measure(self, upto: int) -> None:
        """Note where the records of the headers before `upto` would end; each is measured once."""
        while self.unmeasured and self.unmeasured[0] < upto:
            header = self.unmeasured.popleft()
            following = self.unmeasured[0] if self.unmeasured else upto
            limit = min(following, upto, header + MAX_HEADER_BYTES) - self.start
            found = HEADER_END.search(self.data, header - self.start, limit)
            if found:
                raw = bytes(self.data[header - self.start : found.end()])
                for length in _lengths(raw):
                    self.ends[found.end() + self.start + length] = header

    # ------------------------------------------------------------ records

    def take_record(self) -> Record:
        """The record that begins here, with which the bytes held then begin no more.

        Raises NoRecordError where it is damaged; then nothing of it was dropped that may be a header.
        """
        position, head = self.start, self.head_at(self.start)
        problem: NoRecordError | None = None
        for length in sorted(head.lengths):
            try:
                return self._take(position, head, length)
            except NoRecordError as error:
                problem = problem or error
        assert problem is not None
        raise problem

    def _take(self, position: int, head: Head, length: int) -> Record:
        begin = position + head.size
        end = begin + length
        is_held = length <= self.size
        self.fill(end if is_held else begin + MAX_HEADER_BYTES)
        is_http_length = self._is_length_of_http(begin, end)
        if not is_held:
            self._pass_over(begin, end)
        if self.end < end:
            short = end - self.end
            raise NoRecordError(f"the file ends in the middle of a record, {short:,} bytes short")
        is_clean = self._check(begin, end, head, is_sure=is_http_length)
        body = bytes(self.data[begin - self.start : end - self.start]) if is_held else None
        self.discard(end)
        return Record(position, head, length, body, is_clean)

    def _check(self, begin: int, end: int, head: Head, *, is_sure: bool) -> bool:
        """Whether no header stands in a body. Raises NoRecordError where the length is wrong.

        `is_sure` says that something else gives the same length.
        """
        self.fill(end + MAX_BLANK_BYTES + MARGIN_BYTES)
        tail = bytes(self.data[end - self.start : end - self.start + MAX_BLANK_BYTES + MARGIN_BYTES])
        blank = len(tail) - len(tail.lstrip(b"\r\n"))
        is_followed = blank == len(tail) or VERSION.match(tail, blank) is not None
        if not is_followed and not tail.startswith(head.line_end * 2):
            raise NoRecordError(
                f"its Content-Length of {end - begin:,} is wrong: no record begins behind it"
            )
        self.scan(end)
        if not any(begin <= header < end for header in _first(self.headers, 2)):
            return True
        ends_at_blank = tail[:blank].count(b"\n") > 1
        if not is_sure and self._swallows(begin, end, ends_at_blank, is_followed):
            raise NoRecordError(_SWALLOWS.format(end - begin))
        return False

    def _swallows(self, begin: int, end: int, ends_at_blank: bool, is_followed: bool) -> bool:
        """Whether the body holds records of the file, and not only the text of some headers.

        Then the last of them ends where the body does: behind both stand the same line ends. A page
        that quotes a record has its own end behind that of the record.
        """
        if not is_followed:
            return any(begin <= header < end for header in _first(self.after_blank, 2))
        self.measure(end)
        ends = (end,) if ends_at_blank else range(end - 4, end + 1)
        return any(self.ends.get(at, -1) >= begin for at in ends)

    def _is_length_of_http(self, begin: int, end: int) -> bool:
        """Whether the HTTP header in a body gives the same length as the record does."""
        at = begin - self.start
        if at < 0 or not self.data.startswith(b"HTTP/", at):
            return False
        found = HEADER_END.search(self.data, at, min(at + MAX_HEADER_BYTES, end - self.start))
        length = _HTTP_LENGTH.search(self.data, at, found.end()) if found else None
        if found is None or length is None:
            return False
        return int(length[1]) == end - self.start - found.end()

    def _pass_over(self, begin: int, end: int) -> None:
        """Read to the end of a body too large to be held; keep it from the first header on.

        Where the end is farther away than the window, a header counts if a whole record follows it:
        then it raises NoRecordError.
        """
        self.scan(begin)
        self.discard(begin)
        while self._find_header_before(end):
            header = self.headers[0]
            self.discard(header - 4)
            if not self.fill(min(end, header + self.size)) or self.end >= end:
                return
            if self._is_whole(header):
                raise NoRecordError(_SWALLOWS.format(end - begin))
            self.discard(header + 1)

    def _find_header_before(self, end: int) -> bool:
        """Drop bytes up to a header or to `end`, whichever comes first; whether it is a header."""
        while not self.headers and self.scanned < end:
            self.fill(min(end, self.start + CHUNK_BYTES) + MARGIN_BYTES)
            self.scan(min(end, self.end))
            if not self.headers:
                if self.end < end and self.scanned == self.end:
                    return False
                self.discard(self.scanned - 4)
        if self.headers and self.headers[0] < end:
            return True
        self.discard(end)
        return False

    def _is_whole(self, header: int) -> bool:
        """Whether a record begins with a header within the window, and another one behind it."""
        try:
            head = self.head_at(header)
        except NoRecordError:
            return False
        for length in head.lengths:
            at = header + head.size + length
            if at + MARGIN_BYTES > self.end:
                continue
            tail = bytes(self.data[at - self.start : at - self.start + MARGIN_BYTES]).lstrip(b"\r\n")
            if VERSION.match(tail):
                return True
        return False


def _lengths(raw: bytes) -> tuple[int, ...]:
    try:
        return read_head(raw).lengths
    except NoRecordError:
        return ()


def _first(headers: deque[int], count: int) -> list[int]:
    return [headers[number] for number in range(min(count, len(headers)))]
