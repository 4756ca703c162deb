"""Rows scattered over files by bucket, so that each bucket can be judged alone, in bounded memory."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np

from reinschrift.flows.store.local import explain_os_error

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from numpy.typing import NDArray

BUFFER_BYTES = 64 << 20


class Spill:
    """Rows of one shape; those of a bucket come back in the order they were added.

    As long as they fit the buffer nothing is written.
    """

    def __init__(self, folder: Path, dtype: np.dtype[Any], buckets: int) -> None:
        self.folder = folder
        self.dtype = dtype
        self.buckets = buckets
        self.size = 0
        self.waiting: list[tuple[NDArray[Any], NDArray[np.uint32]]] = []
        self.waiting_bytes = 0

    def add(self, rows: NDArray[Any], bucket: NDArray[Any]) -> None:
        """Add rows, each with the number of its bucket."""
        if not len(rows):
            return
        self.size += len(rows)
        self.waiting.append((rows, bucket.astype(np.uint32)))
        self.waiting_bytes += rows.nbytes
        if self.waiting_bytes >= BUFFER_BYTES:
            self._write()

    def read(self, bucket: int) -> NDArray[Any]:
        """All rows of a bucket."""
        file = self._file(bucket)
        written = [np.fromfile(file, dtype=self.dtype)] if file.exists() else []
        waiting = [rows[np.flatnonzero(of == bucket)] for rows, of in self.waiting]
        return np.concatenate([np.empty(0, dtype=self.dtype), *written, *waiting])

    def clear(self) -> None:
        """Give disk and memory back."""
        self.waiting, self.waiting_bytes = [], 0
        shutil.rmtree(self.folder, ignore_errors=True)

    def _write(self) -> None:
        rows = np.concatenate([rows for rows, _ in self.waiting])
        bucket = np.concatenate([of for _, of in self.waiting])
        self.waiting, self.waiting_bytes = [], 0
        order = np.argsort(bucket, kind="stable")
        found, starts = np.unique(bucket[order], return_index=True)
        ends = np.append(starts[1:], len(order))
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for number, start, end in zip(found, starts, ends, strict=True):
                with self._file(int(number)).open("ab") as handle:
                    rows[order[start:end]].tofile(handle)
        except OSError as error:
            raise explain_os_error(error, self.folder) from error

    def _file(self, bucket: int) -> Path:
        return self.folder / f"{bucket:06d}.bin"
