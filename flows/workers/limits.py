"""A limit on the CPU time that the work on one page may take, whatever code does the work."""

from __future__ import annotations

import math
import multiprocessing
import os
import resource
import signal
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from reinschrift.transforms.errors import CpuLimitError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import FrameType

KILL_FACTOR = 2  # times the limit, after which code that can't be interrupted is killed
KILL_EXTRA_SECONDS = 1
PAGE_BYTES = 8
REACHED = bytes([signal.SIGPROF])


@dataclass
class PageWatch:
    """Limits the CPU time of each page to `seconds`, and leaves a note of a page that ends the process.

    When the limit is reached, CpuLimitError is raised; CPU is counted, not wall time, for a busy machine
    must not lose pages. C code does not notice; a worker process that goes on for KILL_FACTOR times the
    limit is killed by the kernel. Its `journal` then holds the page and that the limit was reached, so
    that the next attempt can do without it: pages in `stopped` raise at once.

    Signals reach the main thread only; in any other thread there is no limit.
    """

    seconds: float
    journal: Path | None = None
    stopped: frozenset[int] = frozenset()
    why_stopped: str = ""  # instead of that they took too long
    file: int = field(default=-1, init=False)
    is_armed: bool = field(default=False, init=False)

    def __enter__(self) -> Self:
        self.is_armed = threading.current_thread() is threading.main_thread()
        if not self.is_armed:
            return self
        if self.journal:
            # The signal's number is written by its C handler, even if Python code never runs again.
            self.file = os.open(self.journal, os.O_CREAT | os.O_TRUNC | os.O_RDWR | os.O_NONBLOCK)
            self.waker = os.open(self.journal, os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK)
            self.other_waker = signal.set_wakeup_fd(self.waker, warn_on_full_buffer=False)
        self.other_handler = signal.signal(signal.SIGPROF, self._stop)
        return self

    def __exit__(self, *failure: object) -> None:
        if not self.is_armed:
            return
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, self.other_handler)
        if self.journal:
            signal.set_wakeup_fd(self.other_waker)
            os.close(self.waker)
            os.close(self.file)
            self.journal.unlink(missing_ok=True)

    @contextmanager
    def page(self, number: int) -> Iterator[None]:
        """Watch the work on one page.

        Raises CpuLimitError where it takes too long, or did so in an earlier attempt.
        """
        if number in self.stopped:
            raise CpuLimitError(self.why_stopped or self._reason)
        if not self.is_armed:
            yield
            return
        if self.journal:
            os.ftruncate(self.file, 0)
            os.pwrite(self.file, number.to_bytes(PAGE_BYTES), 0)
        _kill_beyond(KILL_FACTOR * self.seconds + KILL_EXTRA_SECONDS)
        # Again and again, should the code that is called swallow the first.
        signal.setitimer(signal.ITIMER_PROF, self.seconds, self.seconds)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            _kill_beyond(math.inf)

    @property
    def _reason(self) -> str:
        return f"took more than {self.seconds:g} CPU seconds"

    def _stop(self, _signal: int, _frame: FrameType | None) -> None:
        raise CpuLimitError(self._reason)


def stopped_page(journal: Path) -> int | None:
    """The page at whose limit a process was killed; None where it ended otherwise, or there was none."""
    try:
        noted = journal.read_bytes()
    except FileNotFoundError:
        return None
    return int.from_bytes(noted[:PAGE_BYTES]) if REACHED in noted[PAGE_BYTES:] else None


def _kill_beyond(seconds: float) -> None:
    """Have a worker process killed once it has used so much more CPU; never the user's own process."""
    if multiprocessing.parent_process() is None:
        return
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    if math.isinf(seconds):
        resource.setrlimit(resource.RLIMIT_CPU, (hard, hard))
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = math.ceil(used.ru_utime + used.ru_stime + seconds)
    if hard == resource.RLIM_INFINITY or soft < hard:
        resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))
