"""Worker processes, started when they are first needed, and anew after one of them died."""

from __future__ import annotations

import multiprocessing
import os
import threading
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field


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
            self.pool = ProcessPoolExecutor(self.count, mp_context=spawn, initializer=die_with_parent)
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


def die_with_parent() -> None:
    """Have this worker process end when the one that started it does, however that ends."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
