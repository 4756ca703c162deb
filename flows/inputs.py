"""From what the user named to shards: files found, hashed, cut and grouped in a stable order."""

from __future__ import annotations

import glob
import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from flows.readers import READERS, Broken, Piece, format_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CHUNK_BYTES = 1 << 20
DIGEST_BYTES = 16


@dataclass(frozen=True)
class Shard:
    """What one task reads: pieces in corpus order. `key` is a hash of their names and content."""

    pieces: tuple[Piece, ...]
    key: str

    @property
    def size(self) -> int:
        """Bytes to read."""
        return sum(piece.end - piece.start for piece in self.pieces)


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


def find_inputs(named: Sequence[str], shard_bytes: int) -> Inputs:
    """Find and hash the files, and group them into shards, whatever the order they were named in.

    What can't be read is `broken`; files of other formats met in folders are `ignored`.
    """
    files: dict[str, Path] = {}
    broken: list[Broken] = []
    ignored: list[str] = []
    for name in named:
        _find(name, files, broken, ignored)
    hasher = hashlib.blake2b(digest_size=DIGEST_BYTES)
    cut: list[list[tuple[Piece, bytes]]] = []
    for source, path in sorted(_once_each(files).items()):
        try:
            pieces, digest = _cut_file(path, source, shard_bytes)
        except OSError as error:
            broken.append(Broken(source, None, f"can't be read: {error.strerror}", "check its rights"))
            continue
        hasher.update(_framed(os.fsencode(source)) + digest)
        if pieces:
            cut.append(pieces)
        else:
            broken.append(Broken(source, None, "empty file", "remove it"))
    shards = tuple(_shard(group) for group in _group(cut, shard_bytes))
    return Inputs(
        shards, tuple(sorted(broken, key=repr)), tuple(sorted(set(ignored))), hasher.hexdigest()
    )


def _find(name: str, files: dict[str, Path], broken: list[Broken], ignored: list[str]) -> None:
    path = Path(os.path.normpath(name))
    if os.path.isdir(path):  # noqa: PTH112 - never raises, unlike Path.is_dir
        for found in _walk(path, broken):
            if found.exists() and not found.is_file():
                ignored.append(readable(found))
            elif format_of(found.name):
                files[readable(found)] = found
            else:
                ignored.append(readable(found))
        return
    matches = sorted(glob.glob(name, recursive=True)) if glob.has_magic(name) else []  # noqa: PTH207
    if matches and not os.path.lexists(path):
        for match in matches:
            _find(match, files, broken, ignored)
        return
    problem = _problem_with(path)
    if problem:
        broken.append(Broken(readable(path), None, *problem))
    else:
        files[readable(path)] = path


def _problem_with(path: Path) -> tuple[str, str] | None:
    """Why a named file can't be an input, and the remedy."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return "no such file or folder", "check the path"
    except OSError as error:
        return f"can't be read: {error.strerror}", "check the path and its rights"
    if not stat.S_ISREG(mode):
        return "not a regular file", "name files or folders"
    if format_of(path.name) is None:
        return "unknown format", f"name it by its format: {', '.join(READERS)}"
    return None


def _walk(folder: Path, broken: list[Broken]) -> Iterator[Path]:
    """Files and links below a folder; links to folders are not followed, so loops can't trap us."""

    def refuse(error: OSError) -> None:
        where = readable(Path(str(error.filename)))
        broken.append(Broken(where, None, f"can't be read: {error.strerror}", "check its rights"))

    for parent, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(parent, name)
            if not name.startswith("."):
                yield path


def readable(path: Path) -> str:
    """The path as text; bytes that are no UTF-8 are shown as escapes."""
    raw = os.fsencode(path.as_posix())
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace")


def _once_each(files: dict[str, Path]) -> dict[str, Path]:
    """A file reached under two names counts once, under the first of them in sorted order."""
    seen: set[str] = set()
    once = {}
    for source, path in sorted(files.items()):
        real = os.path.realpath(path)
        if real not in seen:
            seen.add(real)
            once[source] = path
    return once


def _cut_file(path: Path, source: str, shard_bytes: int) -> tuple[list[tuple[Piece, bytes]], bytes]:
    """The pieces of one file with a digest each, and the digest of the whole.

    A format that allows it is cut at the first line break after every `shard_bytes`.
    """
    form = format_of(path.name)
    may_cut = form is not None and form.is_cuttable
    whole = hashlib.blake2b(digest_size=DIGEST_BYTES)
    part = hashlib.blake2b(digest_size=DIGEST_BYTES)
    pieces: list[tuple[Piece, bytes]] = []
    start = position = 0
    line = first_line = 1
    with path.open("rb") as handle:
        modified = os.fstat(handle.fileno()).st_mtime_ns
        while chunk := handle.read(CHUNK_BYTES):
            whole.update(chunk)
            while may_cut and position + len(chunk) - start >= shard_bytes:
                at = chunk.find(b"\n", max(0, start + shard_bytes - position)) + 1
                if at == 0:
                    break
                part.update(chunk[:at])
                line += chunk.count(b"\n", 0, at)
                position += at
                pieces.append(
                    (Piece(path, source, start, position, first_line, modified), part.digest())
                )
                start, first_line = position, line
                part = hashlib.blake2b(digest_size=DIGEST_BYTES)
                chunk = chunk[at:]
            part.update(chunk)
            line += chunk.count(b"\n")
            position += len(chunk)
    if position > start:
        pieces.append((Piece(path, source, start, position, first_line, modified), part.digest()))
    return pieces, whole.digest()


def _group(
    cut: list[list[tuple[Piece, bytes]]], shard_bytes: int
) -> Iterator[list[tuple[Piece, bytes]]]:
    """Pieces in order, as groups of about `shard_bytes`.

    Whether a group ends after a file hangs on the file's own name and size, so that adding one file
    to a folder leaves most groups, and the work cached for them, as they were.
    """
    group: list[tuple[Piece, bytes]] = []
    size = 0
    for pieces in cut:
        for piece, digest in pieces:
            length = piece.end - piece.start
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
