"""Two workers against one: seconds on the wall of a whole run, on this machine alone and on a cluster.

python -m benchmarks.workers [--mb 60] [--workers 1 2] [--bench ../shared/bench]

The input is that of `benchmarks.memory`. The cluster is a Dask scheduler and workers, each a command of
its own. Meaningful on a machine that does nothing else, with as many processors as workers.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.memory import make_input

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
DASK = str(Path(sys.executable).parent / "dask")
ADDRESS = "tcp://127.0.0.1:18786"
STARTUP_SECONDS = 8


def measure(path: Path, workers: int, *more: str) -> float:
    """Seconds of a run into a folder of its own."""
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "reinschrift", "run", str(path), "--out", out]
        command += ["--workers", str(workers), "--replay-pages", "0", *more]
        start = time.monotonic()
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return time.monotonic() - start


@contextlib.contextmanager
def cluster(workers: int) -> Iterator[None]:
    """A scheduler and workers on loopback."""
    commands = [[DASK, "scheduler", "--host", "127.0.0.1", "--port", "18786", "--no-dashboard"]]
    commands += [[DASK, "worker", ADDRESS, "--nthreads", "1", "--no-dashboard"]] * workers
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    started = [subprocess.Popen(one, start_new_session=True, cwd=ROOT, **quiet) for one in commands]  # type: ignore[call-overload]
    try:
        time.sleep(STARTUP_SECONDS)
        yield
    finally:
        for process in started:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mb", type=int, default=60)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--bench", type=Path, default=ROOT.parent / "shared" / "bench")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pages.jsonl"
        make_input(given.bench, path, given.mb)
        for way in ("processes", "cluster"):
            first = 0.0
            for workers in given.workers:
                if way == "cluster":
                    with cluster(workers):
                        seconds = measure(path, workers, "--cluster", ADDRESS)
                else:
                    seconds = measure(path, workers)
                first = first or seconds
                times = f"{first / seconds:.2f} times"
                print(f"{way}, {workers} workers: {seconds:.1f} s, {times}", flush=True)


if __name__ == "__main__":
    main()
