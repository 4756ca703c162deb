"""The output folder: staging, atomic publication, versions, rollback, the run lock.

OUT/corpus is a link to one whole version under OUT/.reinschrift/versions; publishing is one rename of
that link. A version is never changed once it is published.
"""

from __future__ import annotations

import errno
import fcntl
import filecmp
import json
import os
import re
import shutil
import socket
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from reinschrift.transforms.errors import ReinschriftError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MIN_FREE_BYTES = 100_000
FINGERPRINT_CHARS = 12
VERSION_NAME = re.compile(r"(?<![0-9])[0-9]{6,20}+-[0-9a-f]{12}")


class OutputError(ReinschriftError):
    """The output folder can't be written; nothing was published."""


class DiskFullError(OutputError):
    """There is no room left; nothing was published."""

    exit_code = 1


class LockedError(ReinschriftError):
    """Another run works on the same output."""


@dataclass(frozen=True)
class Corpus:
    """The places under one output folder."""

    out: Path

    @property
    def current(self) -> Path:
        """The published corpus: a link to one version."""
        return self.out / "corpus"

    @property
    def home(self) -> Path:
        """What readers of the corpus need not see."""
        return self.out / ".reinschrift"

    @property
    def versions_folder(self) -> Path:
        """Published versions, newest last by name."""
        return self.home / "versions"

    @property
    def stages(self) -> Path:
        """Cached read stages, one folder each, named by content."""
        return self.home / "stages"

    @property
    def staging(self) -> Path:
        """The version in the making."""
        return self.home / "staging"

    @property
    def removals(self) -> Path:
        """The list of pages taken down on demand; yours, and kept by every run."""
        return self.out / "removed.jsonl"

    @property
    def review(self) -> Path:
        """What a person answered, and the rule packs made of it; yours, and used by every run."""
        return self.out / "review"

    @property
    def last_run(self) -> Path:
        """What the published corpus was made from."""
        return self.home / "last_run.json"

    @property
    def judgement(self) -> Path:
        """What the resolve stage stage of the run in progress found."""
        return self.home / "judgement"

    def prepare(self) -> None:
        """Make the folders, and clear what a killed run left.

        Raises OutputError where the folder can't be written.
        """
        try:
            for folder in (self.stages, self.versions_folder):
                folder.mkdir(parents=True, exist_ok=True)
            for folder in (self.staging, self.judgement):
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
            for left in self.stages.glob("*.part"):
                shutil.rmtree(left, ignore_errors=True)
            for left in self.home.glob("*.part"):
                left.unlink(missing_ok=True)
        except OSError as error:
            raise explain_os_error(error, self.out) from error
        if self.current.exists() and not self.current.is_symlink():
            raise OutputError(
                f"{self.current} is a folder that no run made", "move it away, or use another --out"
            )

    def require(self) -> None:
        """Raise OutputError where no run has published: a mistyped folder is not to be made."""
        if not self.versions_folder.is_dir():
            raise OutputError(f"{self.out}: no run has published here", "check --out")

    def versions(self) -> list[str]:
        """Names of the published versions, oldest first; other folders among them are left alone."""
        if not self.versions_folder.is_dir():
            return []
        names = (path.name for path in self.versions_folder.iterdir() if path.is_dir())
        return sorted(name for name in names if VERSION_NAME.fullmatch(name))

    def version_of(self, fingerprint: str) -> str | None:
        """The current version, if it was made from the same inputs, settings, code and removals."""
        current = self.current_version()
        return current if current and current.endswith(f"-{_short(fingerprint)}") else None

    def current_version(self) -> str | None:
        """Name of the version that readers see."""
        return self.current.readlink().name if self.current.is_symlink() else None

    def publish(self, fingerprint: str, keep: int) -> str:
        """Make the staged version the current one in one step, and forget the oldest.

        A run that would publish what is published already changes nothing, so that idle nights evict no
        version one might return to. Out: the name of the version.
        """
        same = self.version_of(fingerprint)
        if same and same_files(self.staging, self.versions_folder / same):
            return same
        last = max((int(name.split("-")[0]) for name in self.versions()), default=0)
        name = f"{last + 1:06d}-{_short(fingerprint)}"
        before = self.current_version()
        try:
            if before:
                _share_files(self.staging, self.versions_folder / before)
            _sync_tree(self.staging)
            self.staging.rename(self.versions_folder / name)
            self.point_to(name)
        except OSError as error:
            raise explain_os_error(error, self.out) from error
        for old in self.versions()[:-keep]:
            if old != name:
                shutil.rmtree(self.versions_folder / old, ignore_errors=True)
        return name

    def point_to(self, name: str) -> None:
        """Let readers see another version."""
        link = self.out / ".corpus.next"  # beside the link it becomes: .reinschrift may be a mount
        link.unlink(missing_ok=True)
        link.symlink_to(os.path.relpath(self.versions_folder / name, self.out))
        link.rename(self.current)
        _sync_folder(self.out)

    def rollback(self, version: str | None) -> str:
        """Point to `version`, or to the one before the current.

        Raises OutputError where there is none.
        """
        names = self.versions()
        now = self.current_version()
        earlier = [name for name in names if now is None or name < now]
        target = version or (earlier[-1] if earlier else None)
        if target is None or target not in names:
            raise OutputError(
                f"{self.out}: no version {target or 'before the current one'}",
                f"kept are: {', '.join(names) or 'none'}",
            )
        self.point_to(target)
        return target

    @contextmanager
    def lock(self, name: str = "lock") -> Iterator[None]:
        """Hold the output folder for one run, or for serving; the kernel frees it however that ends.

        Raises LockedError naming the holder, OutputError where the folder can't be written.
        """
        try:
            self.home.mkdir(parents=True, exist_ok=True)
            handle = (self.home / name).open("a+", encoding="utf-8")
        except OSError as error:
            raise explain_os_error(error, self.out) from error
        with handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise LockedError(
                    f"{self.out} is in use by {_holder(self.home / name)}",
                    "wait for that run, or use another --out",
                ) from error
            handle.truncate(0)
            since = datetime.now(UTC).isoformat(timespec="seconds")
            json.dump({"pid": os.getpid(), "host": socket.gethostname(), "since": since}, handle)
            handle.flush()
            yield


def _short(fingerprint: str) -> str:
    return fingerprint[:FINGERPRINT_CHARS]


def same_files(one: Path, other: Path) -> bool:
    """Whether two folders hold the same files, to the byte: a version may have been damaged."""
    names = [sorted(p.relative_to(at) for p in at.rglob("*") if p.is_file()) for at in (one, other)]
    if names[0] != names[1]:
        return False
    return all(filecmp.cmp(one / name, other / name, shallow=False) for name in names[0])


def _share_files(staging: Path, before: Path) -> None:
    """Make files that stand in the version before, whatever their name there, links to them."""
    known: dict[tuple[Path, int], list[Path]] = {}
    for path in sorted(before.rglob("*.parquet")):
        known.setdefault((path.parent.relative_to(before), path.stat().st_size), []).append(path)
    for path in sorted(staging.rglob("*.parquet")):
        alike = known.get((path.parent.relative_to(staging), path.stat().st_size), [])
        same = next((one for one in alike if filecmp.cmp(one, path, shallow=False)), None)
        if same:
            _link(same, path)


def _link(known: Path, path: Path) -> None:
    """Replace a file by a link to one of the same bytes; it stays where the disk knows no such links."""
    aside = path.with_suffix(".part")
    try:
        aside.hardlink_to(known)
    except OSError:
        aside.unlink(missing_ok=True)
        return
    aside.rename(path)


def _holder(path: Path) -> str:
    try:
        holder = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return "another run"
    return f"process {holder['pid']} on {holder['host']} since {holder['since']}"


def explain_os_error(error: Exception, path: Path) -> OutputError:
    """The error a user can fix behind one of the system's, or of Polars."""
    full = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or any(
        said in str(error) for said in ("No space left", "os error 28", "Disk quota")
    )
    full = full or _free_bytes(path) < MIN_FREE_BYTES
    if full:
        return DiskFullError(f"{path}: no space left on the disk", "free some, or use another --out")
    reason = getattr(error, "strerror", None) or str(error)
    return OutputError(f"{path}: can't be written: {reason}", "check its rights, or use another --out")


def _free_bytes(path: Path) -> int:
    """Bytes left where `path` is or will be; a half-written file has other complaints than its cause."""
    for place in (path, *path.parents):
        if place.exists():
            usage = shutil.disk_usage(place)
            return usage.free if usage.total else MIN_FREE_BYTES  # /proc and its like have no size
    return MIN_FREE_BYTES


def _sync_tree(folder: Path) -> None:
    """Have the disk hold all of it before anybody is pointed to it."""
    for path in sorted(folder.rglob("*")):
        _sync_folder(path)
    _sync_folder(folder)


def _sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
