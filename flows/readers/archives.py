""".zip and .tar: each member is read as a file of its own, named `archive!/member`."""

from __future__ import annotations

import io
import lzma
import struct
import tarfile
import tempfile
import zipfile
import zlib
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, BinaryIO

from reinschrift.flows.readers.page import BombError, Broken, BrokenStreamError, Ignored
from reinschrift.flows.readers.unpacking import BUFFER_BYTES, Filled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from reinschrift.flows.readers.page import Budget, Content, Item

ERRORS = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, NotImplementedError,
    RuntimeError, struct.error, ValueError, OverflowError, IndexError, OSError,
)  # fmt: skip
COPY_BYTES = 1 << 20
ENCRYPTED = 0x1


class _Member(Filled):
    """The bytes of a member; what goes wrong within is a BrokenStreamError."""

    def __init__(self, inner: Any, budget: Budget | None) -> None:
        super().__init__()
        self._inner, self._budget, self._read, self._has_failed = inner, budget, 0, False

    def next_bytes(self, limit: int) -> bytes:
        """At least a byte and at most `limit`, or none at the end."""
        if self._has_failed:
            return b""
        try:
            data: bytes = self._inner.read(min(limit, BUFFER_BYTES))
        except BrokenStreamError:
            self._has_failed = True
            raise
        except ERRORS as error:
            self._has_failed = True
            raise BrokenStreamError(f"can't be unpacked: {said(error)}", self._read) from error
        self._read += len(data)
        if self._budget:
            self._budget.spent += len(data)
            if self._budget.spent > self._budget.allowed:
                self._has_failed = True
                raise BombError(
                    f"unpacks to more than {self._budget.allowed:,} bytes, beyond max_decompress_ratio",
                    self._read,
                    "if it is no bomb, raise max_decompress_ratio",
                )
        return data


def read_zip(content: Content, read: Callable[[Content], Iterator[Item]]) -> Iterator[Item]:
    """The pages of the members of a zip archive."""
    with seekable(content) as file:
        try:
            archive = zipfile.ZipFile(file)
        except ERRORS as error:
            remedy = "fetch it again; the members before the break were read"
            yield Broken(content.source, None, f"no whole zip archive: {said(error)}", remedy)
            yield from _read_without_directory(content, file, read)
            return
        with archive:
            for info in archive.infolist():
                if not info.filename:
                    yield Broken(content.source, None, "a member without a name", "pack it again")
                    continue
                if info.is_dir():
                    continue
                member = member_name(content.source, info.filename)
                if content.budget.spent > content.budget.allowed:
                    return  # reported with the member that spent it
                if info.flag_bits & ENCRYPTED:
                    yield Broken(member, None, "encrypted", "decrypt it")
                    continue
                try:
                    inner = archive.open(info)
                except ERRORS as error:
                    yield Broken(member, None, f"can't be unpacked: {said(error)}", "pack it again")
                    continue
                with inner:
                    stream = io.BufferedReader(_Member(inner, content.budget), BUFFER_BYTES)
                    yield from read(_inside(content, stream, member, info.filename))


def _read_without_directory(
    content: Content, file: BinaryIO, read: Callable[[Content], Iterator[Item]]
) -> Iterator[Item]:
    """The members of a zip archive whose end, and the directory with it, is missing."""
    from stream_unzip import UnzipError, stream_unzip

    file.seek(0)
    last = "its beginning"
    try:
        for raw_name, _, chunks in stream_unzip(iter(lambda: file.read(COPY_BYTES), b"")):
            last = name = raw_name.decode("utf-8", "surrogateescape")
            inner = _Member(_Chunks(chunks), content.budget)
            if name and not name.endswith("/"):
                member = member_name(content.source, name)
                stream = io.BufferedReader(inner, BUFFER_BYTES)
                yield from read(_inside(content, stream, member, name))
            while inner.next_bytes(COPY_BYTES):
                pass  # what the reader left over stands before the next member
    except (UnzipError, BrokenStreamError, *ERRORS) as error:
        reason = f"no member behind {_shown(last)} can be read: {said(error)}"
        yield Broken(content.source, f"after {_shown(last)}", reason, "fetch the archive again")


def said(error: BaseException) -> str:
    """What an error says, or its name where it says nothing."""
    return str(error).strip() or type(error).__name__


def _shown(name: str) -> str:
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


class _Chunks:
    """Chunks of bytes as a file to read from."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._rest = chunks, b""

    def read(self, size: int) -> bytes:
        """At most `size` bytes; none at the end. Raises ValueError where the bytes are damaged."""
        while not self._rest:
            try:
                self._rest = next(self._chunks)
            except StopIteration:
                return b""
        data, self._rest = self._rest[:size], self._rest[size:]
        return data


def read_tar(content: Content, read: Callable[[Content], Iterator[Item]]) -> Iterator[Item]:
    """The pages of the members of a tar archive, read from its beginning to its end."""
    try:
        archive = tarfile.open(fileobj=content.stream, mode="r|", encoding="utf-8")  # noqa: SIM115
        for info in archive:
            member = member_name(content.source, info.name)
            if info.issparse():
                yield Broken(member, None, "a sparse file", "pack it without holes")
            elif info.issym() or info.islnk():
                # A link is not followed: what it leads to is a member of its own, or not in the archive.
                yield Ignored(member, "links")
            elif info.isdev():
                yield Ignored(member, "devices and pipes")
            elif info.isreg():
                inner = archive.extractfile(info)
                assert inner is not None
                stream = io.BufferedReader(_Member(inner, None), BUFFER_BYTES)
                yield from read(_inside(content, stream, member, info.name))
    except BombError as error:
        yield Broken(content.source, f"byte {error.offset}", error.reason, error.remedy)
    except BrokenStreamError as error:
        remedy = "fetch it again; the members before the break were read"
        yield Broken(content.source, f"byte {error.offset}", error.reason, remedy)
    except ERRORS as error:
        remedy = "fetch it again; the members before the break were read"
        yield Broken(content.source, None, f"the tar archive is damaged: {said(error)}", remedy)


def member_name(source: str, name: str) -> str:
    """What a member of an archive is called as a source."""
    return f"{source}!/{_shown(name)}"


def is_hidden(name: str) -> bool:
    """Whether it is a file that archivers leave behind, or one that its owner hid."""
    parts = name.split("/")
    return any(part.startswith(".") and part not in (".", "..") for part in parts) or (
        "__MACOSX" in parts
    )


def _inside(content: Content, stream: io.BufferedReader[Any], source: str, name: str) -> Content:
    return replace(
        content,
        stream=stream,
        source=source,
        name=name.rsplit("/", 1)[-1],
        offset=0,
        first_line=1,
        depth=content.depth + 1,
        path=None,
        member=name,
    )


@contextmanager
def seekable(content: Content) -> Iterator[BinaryIO]:
    """The content as a file that can be sought in: itself if it is one, else a copy on disk."""
    if content.path is not None:
        with content.path.open("rb") as file:
            yield file
        return
    with tempfile.TemporaryFile(dir=content.options.scratch) as copy:
        while data := content.stream.read(COPY_BYTES):
            copy.write(data)
        copy.seek(0)
        yield copy


def ignored_member(source: str) -> Ignored:
    """A member of a format that isn't read."""
    return Ignored(source, "files of other formats")
