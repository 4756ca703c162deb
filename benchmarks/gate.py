"""What the gate costs beside the run that made the corpus: CPU seconds of process trees, peak memory.

python -m benchmarks.gate [--mb 20 100] [--bench …]

The run is one worker without a gate; the gate is `reinschrift check` on what it published, less the same
on the seeds, which is its fixed cost. The input is that of `benchmarks.memory`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.memory import make_input

ROOT = Path(__file__).parents[1]
RUN = (
    "import sys; from pathlib import Path; from reinschrift.flows.aside import run_aside; "
    "from reinschrift.flows.config import load_settings; "
    "run_aside([sys.argv[1]], load_settings(out=Path(sys.argv[2]), replay_pages=0))"
)


def measure(command: list[str]) -> tuple[float, float]:
    """CPU seconds of a process tree, and the peak memory of its largest process in MB."""
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    assert os.waitstatus_to_exitcode(status) in (0, 1), command
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mb", type=int, nargs="+", default=[20, 100])
    parser.add_argument("--bench", type=Path, default=ROOT.parent / "shared" / "bench")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        check = [sys.executable, "-m", "reinschrift", "check"]
        measure([sys.executable, "-c", RUN, "seeds", str(work / "seeds")])
        fixed, _ = measure([*check, str(work / "seeds")])
        print(f"fixed cost of the gate: {fixed:.1f} CPU s")
        for megabytes in given.mb:
            out, path = work / f"out-{megabytes}", work / f"{megabytes}.jsonl"
            make_input(given.bench, path, megabytes)
            run, run_peak = measure([sys.executable, "-c", RUN, str(path), str(out)])
            gate, gate_peak = measure([*check, str(out)])
            print(
                f"{megabytes} MB: run {run:.1f} CPU s, {run_peak:.0f} MB; gate beyond its fixed cost "
                f"{gate - fixed:.1f} CPU s ({(gate - fixed) / run:.1%} of the run), {gate_peak:.0f} MB"
            )


if __name__ == "__main__":
    main()
