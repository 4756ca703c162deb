"""What a process costs with everything it starts, and the core all of them share.

Nothing heavy may be imported here or in `__main__`: Linux hands the peak memory of a parent on to the
child it starts, so a large parent would be counted as the memory of every peer.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parents[2]
SET_CHILD_SUBREAPER = 36
ORPHAN_WAIT_SECONDS = 10
# Without bytecode on disk every start compiles its imports again, which nobody does in earnest.
UNSET = ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")


@dataclass(frozen=True)
class Cost:
    """CPU seconds of a process tree, and the peak memory of its largest process in MB."""

    cpu_seconds: float
    peak_mb: float

    def __sub__(self, fixed: Cost) -> Cost:
        return Cost(self.cpu_seconds - fixed.cpu_seconds, self.peak_mb)


def pin_to_one_core() -> str:
    """Keep this process and all it starts on the last core it may use; says what was done."""
    if not hasattr(os, "sched_setaffinity"):
        return "not pinned to a core"
    core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    return "all on one core"


def adopt_orphans() -> None:
    """Let processes whose parent ended first become ours (Linux), so that `measure` can count them."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def environment(**more: str) -> dict[str, str]:
    """The environment of every process measured: that of the caller without what would skew it."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in UNSET and not name.startswith("REINSCHRIFT_")
    }
    return {**kept, "HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1", **more}


def measure(command: Sequence[str | Path], **more: str) -> Cost:
    """Run a command to its end; raises `RuntimeError` with the end of what it printed if it fails."""
    words = [str(word) for word in command]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            words, cwd=ROOT, env=environment(**more), stdout=log, stderr=subprocess.STDOUT
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        log.seek(0)
        told = log.read().decode(errors="replace")
    if process.returncode:
        raise RuntimeError(f"{' '.join(words[:4])} ended with {process.returncode}:\n{told[-3000:]}")
    usages = [used, *wait_for_orphans()]
    return Cost(
        sum(usage.ru_utime + usage.ru_stime for usage in usages),
        max(usage.ru_maxrss for usage in usages) / 1024,
    )


def wait_for_orphans() -> list[Any]:
    """Resource usage of the processes a command left behind."""
    usages = []
    end = time.monotonic() + ORPHAN_WAIT_SECONDS
    while time.monotonic() < end:
        try:
            pid, _, used = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            break
        if pid:
            usages.append(used)
        else:
            time.sleep(0.05)
    return usages


def ask(python: str | Path, module: str, *arguments: object) -> Any:
    """What a module of this package prints as JSON, run in a process of its own."""
    command = [str(python), "-m", f"benchmarks.peers.{module}", *map(str, arguments)]
    told = subprocess.run(
        command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True, check=True
    )
    return json.loads(told.stdout.splitlines()[-1])
