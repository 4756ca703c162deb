"""A limit on CPU time for calls into code that is not ours."""

from __future__ import annotations

import math
import multiprocessing
import resource
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from reinschrift.transforms.errors import CpuLimitError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType


IDLE_SECONDS = 1e8  # no limit
HANGING = 3  # times the limit, after which code that can't be interrupted is killed


@contextmanager
def cpu_limit(seconds: float) -> Iterator[None]:
    """Raise CpuLimitError inside the block once it has used `seconds` of this process's CPU.

    It counts CPU, not wall time: a busy machine must not lose pages. Signals reach the main thread
    only, so the block must run there.
    """
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("cpu_limit works in the main thread of a process only")

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise CpuLimitError(f"took more than {seconds:g} CPU seconds")

    _die_beyond(HANGING * seconds + 5)
    before = signal.signal(signal.SIGPROF, stop)
    # Again and again, should the code called swallow the first.
    signal.setitimer(signal.ITIMER_PROF, seconds, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        _die_beyond(IDLE_SECONDS)
        signal.signal(signal.SIGPROF, before)


def _die_beyond(seconds: float) -> None:
    """Have a worker process killed once it has used so much more CPU.

    Code that never comes back from C hears no signal; the run then goes on without its page.
    """
    if multiprocessing.parent_process() is None:
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    soft = math.ceil(used.ru_utime + used.ru_stime + seconds)
    if hard == resource.RLIM_INFINITY or soft < hard:
        resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


def limited(extractor: Callable[[str], str | None], seconds: float) -> Callable[[str], str | None]:
    """The extractor under a limit of CPU time a page."""

    def extract(html: str) -> str | None:
        with cpu_limit(seconds):
            return extractor(html)

    return extract
