"""What the flow costs beside the run: CPU seconds of process trees, on a running server and on its own.

python -m benchmarks.flow_cost [--mb 20] [--bench ../shared/bench]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.memory import make_input
from reinschrift.flows.serving import server

ROOT = Path(__file__).parents[1]


def cpu_seconds(command: str, path: Path, folder: Path, environment: dict[str, str]) -> float:
    """CPU seconds of the processes of a command that cleans a file into a folder of its own."""
    with tempfile.TemporaryDirectory(dir=folder) as out:
        words = [sys.executable, "-m", "reinschrift", command, str(path), "--out", out]
        process = subprocess.Popen(words, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        assert os.waitstatus_to_exitcode(status) == 0, command
        return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mb", type=int, default=20)
    parser.add_argument("--bench", type=Path, default=ROOT.parent / "shared" / "bench")
    given = parser.parse_args()
    plain = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "pages.jsonl"
        make_input(given.bench, path, given.mb)
        run = cpu_seconds("run", path, folder, plain)
        os.environ["PREFECT_HOME"] = str(folder / "prefect")
        (folder / "prefect").mkdir()
        with server(folder / "server.log") as url:
            shared = cpu_seconds("flow", path, folder, {**plain, "PREFECT_API_URL": url})
        embedded = cpu_seconds("flow", path, folder, plain)
    print(f"run: {run:.1f} CPU s")
    print(f"flow on a running server: {shared:.1f} CPU s, {shared / run:.2f} times")
    print(f"flow with a server of its own, made anew: {embedded:.1f} CPU s, {embedded / run:.2f} times")


if __name__ == "__main__":
    main()
