"""What the comparison with peers counts, and what it pins."""

import json
import re
import subprocess
import sys

from benchmarks.peers.comparisons import Row
from benchmarks.peers.inputs import change_one_page
from benchmarks.peers.installation import REQUIREMENTS
from benchmarks.peers.processes import ROOT, Cost

BURN = "import time\nwhile time.process_time() < 0.3: pass"
# The child ends at once; what it left behind goes on working.
LEAVE = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {BURN!r}])"
ASK = """
import json, sys
from benchmarks.peers.processes import adopt_orphans, environment, measure
adopt_orphans()
cost = measure([sys.executable, "-c", sys.argv[1]])
print(json.dumps([cost.cpu_seconds, cost.peak_mb, "PYTHONDONTWRITEBYTECODE" in environment()]))
"""


def ask(program: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", ASK, program]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_what_a_process_leaves_behind_is_counted() -> None:
    seconds, _, _ = json.loads(ask(LEAVE).stdout)
    assert seconds > (0.3 if sys.platform == "linux" else 0)


def test_the_peak_is_that_of_the_process_measured() -> None:
    small = json.loads(ask("pass").stdout)[1]
    large = json.loads(ask("bytearray(100_000_000)").stdout)[1]
    assert large - small > 80


def test_bytecode_may_be_written_whatever_the_caller_set(monkeypatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    assert json.loads(ask("pass").stdout)[2] is False


def test_a_command_that_fails_says_why() -> None:
    done = ask("raise SystemExit('no such model')")
    assert done.returncode == 1
    assert "no such model" in done.stderr


def test_a_fixed_cost_leaves_the_peak() -> None:
    assert Cost(9.0, 400.0) - Cost(6.0, 300.0) == Cost(3.0, 400.0)


def test_a_row_has_a_cell_for_each_heading() -> None:
    row = str(Row("job", "program", 0.00042, "1.0 times", 1234.5, "2 documents"))
    assert row == "| job | program | 0.00042 | 1.0 times | 1,234 | 2 documents |"


def test_all_that_is_installed_is_pinned() -> None:
    lines = REQUIREMENTS.read_text(encoding="utf-8").splitlines()
    wanted = [line for line in lines if not line.startswith("#")]
    assert [line for line in wanted if not re.match(r"[a-z0-9-]+==\S+( ;|$)", line)] == []
    assert "datatrove==0.10.1" in wanted


def test_one_page_is_changed_and_no_line_is_split(tmp_path) -> None:
    pages = [{"text": f"Zeile {number}\u2028und\x85weiter."} for number in range(3)]
    source, target = tmp_path / "text.jsonl", tmp_path / "changed.jsonl"
    lines = [json.dumps(page, ensure_ascii=False) + "\n" for page in pages]
    source.write_text("".join(lines), encoding="utf-8")
    change_one_page(source, target)
    changed = [json.loads(line) for line in target.read_bytes().split(b"\n")[:-1]]
    assert [old == new for old, new in zip(pages, changed, strict=True)] == [True, False, True]
