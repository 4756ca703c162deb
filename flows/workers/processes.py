"""Worker processes, started when they are first needed, and again after one of them died."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

PR_SET_PDEATHSIG = 1


@dataclass
class Processes:
    """At most `count` worker processes. A pool that lost one takes no more calls: `renew` it."""

    count: int
    pool: ProcessPoolExecutor | None = field(default=None, repr=False)

    def ready(self, calls: int) -> ProcessPoolExecutor:
        """The pool; a new one shares the processors among as many processes as have something to do."""
        if self.pool is None:
            busy = max(1, min(self.count, calls))
            share = str(max(1, (os.cpu_count() or 1) // busy))
            for variable in ("POLARS_MAX_THREADS", "RAYON_NUM_THREADS"):
                os.environ.setdefault(variable, share)
            # Polars' threads do not survive a fork.
            spawn = multiprocessing.get_context("spawn")
            self.pool = ProcessPoolExecutor(
                self.count, mp_context=spawn, initializer=start_worker, initargs=(os.getpid(),)
            )
        # The kernel ends a process with the *thread* that started it, and tasks of Prefect have
        # short-lived threads; so as many as are needed are started here and now.
        for _ in range(max(1, min(self.count, calls))):
            self.pool.submit(os.getpid)
        return self.pool

    def renew(self) -> None:
        """Have the next call start another pool."""
        if self.pool is not None:
            self.pool.shutdown(wait=False, cancel_futures=True)
        self.pool = None

    def close(self) -> None:
        """End the processes."""
        if self.pool is not None:
            self.pool.shutdown(cancel_futures=True)


def start_worker(parent: int) -> None:
    """What a worker process does first: it ends with its parent, and leaves Ctrl-C to it."""
    die_with_parent(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def die_with_parent(parent: int) -> None:
    """Have this process end when the one that started it does, whatever either is doing.

    On Linux the kernel sees to it, even while C code holds the interpreter; elsewhere a thread does.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)  # it died before the kernel was asked
        return
    watched = multiprocessing.parent_process()

    def watch() -> None:
        if watched is not None:
            watched.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
