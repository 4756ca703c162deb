"""From what the user named to shards: files found, hashed, cut and grouped in a stable order.

A name is a file, a folder, a glob, `@list.txt` (a file of names, one a line), `-` (JSON lines on
standard input) or an address: `s3://`, `gs://`, `az://`, `https://`.
"""

from __future__ import annotations

import glob
import hashlib
import os
import shutil
import stat
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from reinschrift.flows.readers import READERS, Broken, Columns, Piece, format_of, is_packed
from reinschrift.flows.readers.sniffing import HEAD_BYTES, suffix_by_content
from reinschrift.flows.readers.unpacking import packing_of
from reinschrift.flows.sources.known_files import now_ns
from reinschrift.flows.sources.pieces import plan_cuts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from reinschrift.flows.sources.known_files import Cut, KnownFiles
    from reinschrift.flows.sources.remote import RemoteFile

CHUNK_BYTES = 1 << 20
DIGEST_BYTES = 16
STDIN = "-"
DEFAULT_RATIO = 250.0
USUAL_RATIO = 4  # of text and HTML, packed
CHECK_RIGHTS = "check the path and its rights"


@dataclass(frozen=True)
class Shard:
    """What one task reads: pieces in corpus order. `key` is a hash of their names and content."""

    pieces: tuple[Piece, ...]
    key: str

    @property
    def size(self) -> int:
        """Bytes to read."""
        return sum(piece.end - piece.start for piece in self.pieces)

    @property
    def label(self) -> str:
        """What a person calls it: its first file, and how many more."""
        more = f" +{len(self.pieces) - 1}" if len(self.pieces) > 1 else ""
        return f"{os.path.basename(self.pieces[0].source)}{more}"  # noqa: PTH119 - may be an address


@dataclass(frozen=True)
class Inputs:
    """Everything a run reads. `digest` covers names and content, not how they were cut."""

    shards: tuple[Shard, ...]
    broken: tuple[Broken, ...]
    ignored: tuple[str, ...]
    digest: str

    @property
    def size(self) -> int:
        """Bytes to read."""
        return sum(shard.size for shard in self.shards)


@dataclass
class _Found:
    """What the names led to so far: local files and remote ones by source."""

    spool: Path | None
    stdin: BinaryIO | None
    files: dict[str, str] = field(default_factory=dict)
    remote: dict[str, RemoteFile] = field(default_factory=dict)
    broken: list[Broken] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)


def find_inputs(  # noqa: PLR0913, PLR0917 - what decides how inputs are found and cut
    named: Iterable[str],
    shard_bytes: int,
    max_decompress_ratio: float = DEFAULT_RATIO,
    spool: Path | None = None,
    stdin: BinaryIO | None = None,
    known: KnownFiles | None = None,
) -> Inputs:
    """Find and hash the files, and group them into shards, whatever the order they were named in.

    Files that are `known` are not read. What can't be read is `broken`; files of other formats met in
    folders are `ignored`. Standard input is copied to the folder `spool`, since it is read more than
    once.
    """
    found = _Found(spool, stdin)
    for name in named:
        _find(name, found)
    hasher = hashlib.blake2b(digest_size=DIGEST_BYTES)
    cut: list[list[tuple[Piece, bytes]]] = []
    files: dict[str, str | RemoteFile] = {**_once_each(found.files), **found.remote}
    for source, file in sorted(files.items()):
        try:
            pieces, digest = (
                _cut_file(Path(file), source, shard_bytes, max_decompress_ratio, known)
                if isinstance(file, str)
                else ([(file.piece, file.digest)] if file.piece.end else [], file.digest)
            )
        except OSError as error:
            found.broken.append(Broken(source, None, f"can't be read: {error.strerror}", CHECK_RIGHTS))
            continue
        hasher.update(_framed(os.fsencode(source)) + digest)
        if pieces:
            cut.append(pieces)
        else:
            found.broken.append(Broken(source, None, "empty file", "remove it"))
    shards = tuple(_shard(group) for group in _group(cut, shard_bytes))
    broken = tuple(sorted(set(found.broken), key=repr))
    return Inputs(shards, broken, tuple(sorted(set(found.ignored))), hasher.hexdigest())


def _find(name: str, found: _Found) -> None:
    if name == STDIN and found.spool:
        found.files[STDIN] = str(_spool(found.stdin or sys.stdin.buffer, found.spool))
    elif "://" in name:
        _find_remote(name, found)
    elif name.startswith("@") and not os.path.lexists(name):
        _find_listed(name[1:], found)
    else:
        _find_local(name, found)


def _spool(stream: BinaryIO, folder: Path) -> Path:
    """Copy standard input to a file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "stdin.jsonl"
    with path.open("wb") as copy:
        shutil.copyfileobj(stream, copy, CHUNK_BYTES)
    return path


def _find_listed(name: str, found: _Found) -> None:
    """Every name of a list, a name a line; they mean what they would on the command line."""
    try:
        with Path(name).open("rb") as lines:
            names = [os.fsdecode(line.rstrip(b"\r\n")) for line in lines]
    except OSError as error:
        reason = f"this list can't be read: {error.strerror}"
        found.broken.append(Broken(f"@{readable(name)}", None, reason, "check the path"))
        return
    for listed in names:
        if listed.strip() and listed != STDIN and not listed.startswith(("@", "#")):
            _find(listed, found)


def _find_remote(name: str, found: _Found) -> None:
    from reinschrift.flows.sources.remote import find_remote

    files, broken, ignored = find_remote(name)
    found.remote.update(files)
    found.broken += broken
    found.ignored += ignored


def _find_local(name: str, found: _Found) -> None:
    path = os.path.normpath(name)
    if os.path.isdir(path):  # noqa: PTH112 - never raises, unlike Path.is_dir
        for entry in _walk(path, found.broken):
            if format_of(os.path.basename(entry)) and _is_file_or_gone(entry):  # noqa: PTH119 - speed
                found.files[readable(entry)] = entry
            else:
                found.ignored.append(readable(entry))
        return
    try:
        matches = sorted(glob.glob(name, recursive=True)) if glob.has_magic(name) else []  # noqa: PTH207
    except RecursionError:
        reason = "folders nested too deep for a glob"
        found.broken.append(Broken(readable(name), None, reason, "name the folder itself"))
        return
    if matches and not os.path.lexists(path):
        for match in matches:
            _find_local(match, found)
        return
    problem = _problem_with(Path(path))
    if problem:
        found.broken.append(Broken(readable(path), None, *problem))
    else:
        found.files[readable(path)] = path


def _is_file_or_gone(path: str) -> bool:
    """Whether it is a regular file, or a link that leads nowhere, which is reported when it is read."""
    try:
        return stat.S_ISREG(os.stat(path).st_mode)  # noqa: PTH116 - speed
    except OSError:
        return True


def _problem_with(path: Path) -> tuple[str, str] | None:
    """Why a named file can't be an input, and the remedy."""
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            return "not a regular file", "name files or folders"
        if format_of(path.name) is None and not _is_known(path):
            return "unknown format", f"name it by its format: {', '.join(READERS)}"
    except FileNotFoundError:
        return "no such file or folder", "check the path"
    except OSError as error:
        return f"can't be read: {error.strerror}", CHECK_RIGHTS
    return None


def _is_known(path: Path) -> bool:
    """Whether a file whose name says nothing begins as one we read."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    return packing_of(head) is not None or suffix_by_content(head, Columns()) is not None


def _walk(folder: str, broken: list[Broken]) -> Iterator[str]:
    """Files and links below a folder; links to folders are not followed, so loops can't trap us."""
    waiting = [folder]
    while waiting:  # os.walk of Python 3.11 calls itself for each level
        parent = waiting.pop()
        try:
            with os.scandir(parent) as found:
                entries = sorted((e for e in found if not e.name.startswith(".")), key=lambda e: e.name)
        except OSError as error:
            reason = f"can't be read: {error.strerror}"
            broken.append(Broken(readable(parent), None, reason, CHECK_RIGHTS))
            continue
        waiting += [e.path for e in reversed(entries) if e.is_dir(follow_symlinks=False)]
        yield from (os.path.normpath(e.path) for e in entries if not _leads_to_folder(e))


def _leads_to_folder(entry: os.DirEntry[str]) -> bool:
    """Whether it is a folder or a link to one."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def readable(path: str | Path) -> str:
    """The path as text; bytes that are no UTF-8 are shown as escapes."""
    raw = os.fsencode(path)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace")


def _once_each(files: dict[str, str]) -> dict[str, str]:
    """A file reached under two names counts once, under the first of them in sorted order."""
    seen: set[str] = set()
    parents: dict[str, str] = {}
    once = {}
    for source, path in sorted(files.items()):
        parent, name = os.path.split(path)
        if os.path.islink(path):  # noqa: PTH114 - speed
            real = os.path.realpath(path)
        else:
            if parent not in parents:
                parents[parent] = os.path.realpath(parent)
            real = os.path.join(parents[parent], name)  # noqa: PTH118 - speed
        if real not in seen:
            seen.add(real)
            once[source] = path
    return once


def _cut_file(path: Path, source: str, shard_bytes: int, ratio: float, known: KnownFiles | None) -> Cut:
    """The pieces of one file with a digest each, and the digest of the whole."""
    recalled = known and known.recall(path, source, path.stat())
    if recalled:
        return recalled
    began = now_ns()
    whole = hashlib.blake2b(digest_size=DIGEST_BYTES)
    pieces: list[tuple[Piece, bytes]] = []
    line = 1
    with path.open("rb") as handle:
        status = os.fstat(handle.fileno())
        plan = plan_cuts(handle, path.name, status.st_size, shard_bytes, ratio)
        ends = [*(cut.start for cut in plan.cuts[1:]), sys.maxsize]
        handle.seek(0)
        for cut, end in zip(plan.cuts, ends, strict=True):
            part = hashlib.blake2b(digest_size=DIGEST_BYTES)
            position, first_line = cut.start, line
            while position < end and (chunk := handle.read(min(CHUNK_BYTES, end - position))):
                whole.update(chunk)
                part.update(chunk)
                position += len(chunk)
                if plan.form:
                    line += chunk.count(b"\n")
            if position > cut.start:
                piece = Piece(
                    path,
                    source,
                    cut.start,
                    position,
                    first_line,
                    status.st_mtime_ns,
                    plan.form,
                    cut.offset,
                )
                pieces.append((piece, part.digest()))
    if known:
        known.note(source, status, began, (pieces, whole.digest()))
    return pieces, whole.digest()


def _group(
    cut: list[list[tuple[Piece, bytes]]], shard_bytes: int
) -> Iterator[list[tuple[Piece, bytes]]]:
    """Pieces in order, as groups of about `shard_bytes`.

    Whether a group ends after a file depends on the file's own name and size, so that adding one file
    to a folder leaves most groups, and the work cached for them, as they were. What is packed counts as
    what it is likely to unpack to.
    """
    group: list[tuple[Piece, bytes]] = []
    size = 0
    for pieces in cut:
        for piece, digest in pieces:
            length = (piece.end - piece.start) * (USUAL_RATIO if is_packed(piece.path.name) else 1)
            if group and size + length > 2 * shard_bytes:
                yield group
                group, size = [], 0
            group.append((piece, digest))
            size += length
            lot = hashlib.blake2b(os.fsencode(piece.source), digest_size=4).digest()
            if int.from_bytes(lot) * shard_bytes < length << 32:
                yield group
                group, size = [], 0
    if group:
        yield group


def _shard(group: list[tuple[Piece, bytes]]) -> Shard:
    hasher = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for piece, digest in group:
        place = f"{piece.start}:{piece.end}:{piece.first_line}".encode()
        hasher.update(_framed(os.fsencode(piece.source)) + _framed(place) + digest)
    return Shard(tuple(piece for piece, _ in group), hasher.hexdigest())


def _framed(data: bytes) -> bytes:
    return len(data).to_bytes(8) + data
