"""A call in the main thread of a process, wherever it was asked for: limits of CPU time need one."""

from __future__ import annotations

import multiprocessing
import os
import threading
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, Any

from reinschrift.flows.workers.processes import Processes

if TYPE_CHECKING:
    from collections.abc import Callable

_OURS = threading.local()


def call_apart(function: Callable[..., str], *arguments: Any) -> str:
    """The result of a call; in a thread of a cluster's worker, by a process that belongs to the thread.

    A page that ends the process that reads it ends no worker so. Raises BrokenProcessPool then.
    """
    if threading.current_thread() is threading.main_thread():
        return function(*arguments)
    if not hasattr(_OURS, "processes"):
        # A worker's process is a daemon, which may start none; ours ends with the thread all the same.
        multiprocessing.current_process().daemon = False
        os.environ.setdefault("POLARS_MAX_THREADS", "1")  # a cluster gives each thread a processor
        _OURS.processes = Processes(1)
    try:
        return str(_OURS.processes.ready(1).submit(function, *arguments).result())
    except BrokenProcessPool:
        _OURS.processes.renew()
        raise


def call_in(folder: str, function: Callable[..., str], *arguments: Any) -> str:
    """The same in the folder `folder`, from which relative paths count, on whatever machine."""
    return call_apart(_enter_and_call, folder, function, *arguments)


def _enter_and_call(folder: str, function: Callable[..., str], *arguments: Any) -> str:
    if os.getcwd() != folder:  # noqa: PTH109 - a string is what was sent
        os.chdir(folder)
    return function(*arguments)
