"""Peers side by side: CPU seconds of whole process trees, peak memory, and what each kept.

python -m benchmarks.peers [--mb 20] [--html 300] [--bench ../shared/bench]

Prints a Markdown table, row by row as it is measured. datatrove gets an environment of its own, pinned
in `requirements.txt` and kept in the user's cache folder; the others are those of requirements.lock. All
of it runs on one core, one after the other, with bytecode compiled before; a small run warms up caches.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks.peers.comparisons import (
    Bench,
    compare_html,
    compare_repeats,
    compare_text,
    machine_limits,
)
from benchmarks.peers.installation import cache_folder, install
from benchmarks.peers.processes import ROOT, adopt_orphans, ask, pin_to_one_core

HEADER = """\
| job | program | CPU s | beside ours, or rate | peak MB | kept |
|---|---|---|---|---|---|"""

NOTE = """
CPU seconds of whole process trees; of bare calls those of the calls. datatrove here: LanguageFilter with
lid.176.ftz (its lid.176.bin must be fetched), stop words of two languages, a repeat is one sentence.
Ours: one worker, expectations named sanity.* only warn, so that any sample is published."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mb", type=int, default=20, help="flat text to clean")
    parser.add_argument("--html", type=int, default=300, help="pages of HTML")
    parser.add_argument("--bench", type=Path, default=ROOT.parent / "shared" / "bench")
    given = parser.parse_args()
    peers_python = install(cache_folder())
    pinned = pin_to_one_core()
    adopt_orphans()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        facts = ask(sys.executable, "inputs", folder, given.mb, given.html, given.bench.resolve())
        facts["versions"] |= ask(peers_python, "versions", "datatrove", "pyarrow", "xxhash")
        bench = Bench(folder, facts, peers_python)
        bench.run("few.parquet", "warm")
        print(f"Python {facts['python']}, {pinned}.\n\n{HEADER}", flush=True)
        for compare in (compare_text, compare_repeats, compare_html, machine_limits):
            for row in compare(bench):
                print(row, flush=True)
    print(NOTE)


if __name__ == "__main__":
    main()
