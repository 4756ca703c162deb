"""Hostile input and rough treatment: what must not hang, run code, leak, or stay behind."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import psutil
import pytest

from reinschrift.expectations.terms import Terms
from reinschrift.flows.config import load_settings
from reinschrift.flows.ports import PoolMapper
from reinschrift.flows.readers.sniffing import looks_like_html
from reinschrift.flows.serving import (
    SERVED,
    NotServedError,
    check_served,
    served_parameters,
)
from reinschrift.flows.sources.remote import first_line, without_secrets
from reinschrift.flows.store.local import Corpus, OutputError
from reinschrift.flows.workers.gate_process import GateProcess
from reinschrift.flows.workers.limits import PageWatch, stopped_page
from reinschrift.transforms.errors import CpuLimitError
from tests.conftest import clean, file_hashes, read_corpus

QUICK = {"line_model": False, "extractor": "none"}
GOOD = "<html><body><p>Eine gute Seite erzählt von Brücken.</p></body></html>"
REINSCHRIFT = [sys.executable, "-P", "-m", "reinschrift"]


def write_pages(folder, **pages):
    folder.mkdir(exist_ok=True)
    for name, text in pages.items():
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    return folder


def wait_until(condition, seconds=30):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.05)
    return False


# ---------------------------------------------------------------- time


@pytest.mark.parametrize("comments", [1, 40, 20_000])
def test_any_number_of_comments_may_lead_a_page(comments):
    assert looks_like_html(b"<!-- a -->\n" * comments + b"<html><p>y")
    assert not looks_like_html(b"<!-- a -->\n" * comments + b"<title>x</title><p>y")


SLOW_TAGS = {
    "crossed": "<x>" * 60_000 + "</y>" * 60_000,
    "attributes": "<p " + " ".join(f"a{n}" for n in range(60_000)) + ">",
    "options": "<select>" + "<Option>x" * 40_000,
}


@pytest.mark.parametrize("kind", SLOW_TAGS)
def test_a_page_that_stalls_the_parser_is_read_by_its_tags_alone(tmp_path, kind):
    slow = f"<html><body>{SLOW_TAGS[kind]}<p>Der Satz steht am Ende der Seite.</p></body></html>"
    pages = write_pages(tmp_path / "pages", a=GOOD, b=slow, c=GOOD.replace("Brücken", "Türmen"))
    pool = PoolMapper(1)
    report = clean([pages], tmp_path / "out", pool, max_page_cpu_seconds=0.25, **QUICK)
    pool.close()
    tables = read_corpus(tmp_path / "out" / "corpus")
    assert report.quarantine.height == 0
    assert tables["documents"].height == 3
    slow_page = tables["documents"].filter(pl.col("source").str.ends_with("b.html"))
    assert "Der Satz steht am Ende der Seite." in slow_page["text"][0]
    notes = tables["ledger"].filter(rule="no-verdict")
    assert notes["source"].str.ends_with("b.html").all()
    assert "CPU seconds: read by its tags alone" in notes["before"][0]
    assert not list((tmp_path / "out" / ".reinschrift" / "stages").glob("*.watch"))


def test_python_code_over_the_limit_is_interrupted():
    def work():
        with watch.page(0):
            while True:
                pass

    with PageWatch(0.05) as watch, pytest.raises(CpuLimitError, match=r"0\.05 CPU seconds"):
        work()


def test_a_limit_reached_in_c_code_leaves_a_note(tmp_path):
    journal = tmp_path / "stage.watch"
    code = (
        "import hashlib, multiprocessing, sys\n"
        "from pathlib import Path\n"
        "from reinschrift.flows.workers.limits import PageWatch\n"
        "def work():\n"
        "    with PageWatch(0.2, Path(sys.argv[1])) as watch, watch.page(7):\n"
        "        hashlib.pbkdf2_hmac('sha256', b'', b'', 10**9)\n"
        "if __name__ == '__main__':\n"
        "    child = multiprocessing.get_context('fork').Process(target=work)\n"
        "    child.start(); child.join(); print(child.exitcode)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(journal)], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) == -signal.SIGXCPU
    assert stopped_page(journal) == 7


def test_a_process_killed_for_other_reasons_leaves_no_such_note(tmp_path):
    journal = tmp_path / "stage.watch"
    watch = PageWatch(10, journal)
    with watch, watch.page(3):
        assert stopped_page(journal) is None
    assert not journal.exists()


def test_no_child_outlives_its_parent(tmp_path):
    """Not even one that holds the interpreter in C code."""
    pages = write_pages(tmp_path / "pages", slow=SLOW_TAGS["crossed"] * 4)
    run = subprocess.Popen(
        [*REINSCHRIFT, "run", str(pages), "--out", str(tmp_path / "out"), "--workers", "2"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    parent = psutil.Process(run.pid)

    def is_busy():
        return any(
            c.cpu_times().user > 2 and "spawn_main" in " ".join(c.cmdline()) for c in parent.children()
        )

    assert wait_until(is_busy, 60)
    children = parent.children(recursive=True)
    run.kill()
    run.wait()
    gone, alive = psutil.wait_procs(children, timeout=2)
    assert not alive
    assert len(gone) >= 2


# ---------------------------------------------------------------- versions and caches


@pytest.fixture
def published(tmp_path):
    pages = write_pages(tmp_path / "pages", a=GOOD, b=GOOD.replace("Brücken", "Türmen"))
    clean([pages], tmp_path / "out", **QUICK)
    return pages, tmp_path / "out"


def test_idle_nights_evict_no_version(published):
    pages, out = published
    write_pages(pages, c=GOOD.replace("Brücken", "Mauern"))
    before = clean([pages], out, **QUICK)
    for _ in range(4):
        report = clean([pages], out, **QUICK)
        assert report.is_unchanged
        assert report.version == before.version
    assert len(Corpus(out).versions()) == 2
    Corpus(out).rollback(None)
    assert read_corpus(out / "corpus")["documents"].height == 2


def flip_a_byte(file):
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 0xFF
    file.write_bytes(data)


STAGED = ["pages", "units", "page_keys", "actions", "page_metrics", "quarantine", "ignored"]


@pytest.mark.parametrize("damage", [flip_a_byte, Path.unlink, lambda file: file.write_bytes(b"")])
@pytest.mark.parametrize("table", [*STAGED, "manifest.json"])
def test_a_damaged_cache_is_made_again(published, table, damage):
    pages, out = published
    before = file_hashes(out / "corpus")
    (stage,) = Corpus(out).stages.iterdir()
    place = stage / table
    damage(place if place.is_file() else next(place.glob("*.parquet")))
    report = clean([pages], out, **QUICK, verify=True)
    assert report.verdict.passed
    assert file_hashes(out / "corpus") == before
    assert [path.name for path in Corpus(out).stages.iterdir()] == [stage.name]


@pytest.mark.parametrize("table", ["documents", "sentences", "ledger", "metrics", "quarantine"])
def test_a_damaged_old_version_does_not_keep_a_new_one_back(published, table):
    pages, out = published
    old = (out / "corpus").resolve()
    next((old / table).rglob("*.parquet")).write_bytes(b"PAR1")
    (Corpus(out).versions_folder / "1-my-notes").mkdir()
    (Corpus(out).versions_folder / "notes.txt").touch()
    write_pages(pages, c=GOOD.replace("Brücken", "Mauern"))
    report = clean([pages], out, **QUICK)
    assert report.version == Corpus(out).current_version()
    assert read_corpus(out / "corpus")["documents"].height == 3


def test_a_damaged_version_is_published_again_from_the_same_input(published):
    pages, out = published
    whole = file_hashes(out / "corpus")
    flip_a_byte(next((out / "corpus" / "documents").rglob("*.parquet")))
    report = clean([pages], out, **QUICK)
    assert not report.is_unchanged
    assert file_hashes(out / "corpus") == whole


def test_the_home_may_lie_elsewhere(tmp_path):
    """`.reinschrift` on another file system, here in shared memory."""
    shared_memory = Path("/dev/shm")
    if not shared_memory.is_dir() or shared_memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system")
    home = shared_memory / f"reinschrift-test-{os.getpid()}"
    home.mkdir()
    try:
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / ".reinschrift").symlink_to(home)
        pages = write_pages(tmp_path / "pages", a=GOOD)
        assert clean([pages], tmp_path / "out", **QUICK).version
        assert read_corpus(tmp_path / "out" / "corpus")["documents"].height == 1
    finally:
        subprocess.run(["rm", "-rf", str(home)], check=True)


# ---------------------------------------------------------------- secrets and strangers


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://ann:pass@h.org/a", "https://…@h.org/a"),
        ("https://h.org/a?X-Amz-Signature=1", "https://h.org/a?…"),
        ("s3://bucket/a?b", "s3://bucket/a?b"),
        ("https://h.org", "https://h.org"),
    ],
)
def test_addresses_are_shown_without_their_secrets(address, shown):
    assert without_secrets(address) == shown


def test_a_reason_holds_neither_secrets_nor_durations():
    error = OSError("failed after 10 retries in 3.204s: https://ann:pass@h.org/a?sig=1 refused")
    assert first_line(error) == "failed after 10 retries in …: https://…@h.org/a?… refused"


def test_secrets_are_published_nowhere(tmp_path):
    addresses = ["https://ann:geheim@127.0.0.1:9/page.html", "https://127.0.0.1:9/b.html?sig=geheim"]
    (tmp_path / "a.txt").write_text("Ein Satz steht hier für sich allein.")
    report = clean([tmp_path / "a.txt", *addresses], tmp_path / "out", **QUICK)
    assert report.quarantine.height == 2
    for path in (tmp_path / "out").rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert b"geheim" not in data, path
    assert "geheim" not in report.quarantine.write_json()


@pytest.mark.parametrize(
    ("inputs", "changed", "refused"),
    [
        (["pages"], {}, None),
        (["pages/sub/a.html"], {}, None),
        (["pages/../secret"], {}, "secret"),
        (["/etc/passwd"], {}, "/etc/passwd"),
        (["pages/link/b.html"], {}, "link"),
        (["s3://bucket/crawl/a"], {}, None),
        (["s3://other/a"], {}, "s3://other/a"),
        (["pages"], {"out": "elsewhere"}, "out"),
        (["pages"], {"publish": "s3://thief/a"}, "publish"),
        (["pages"], {"packs": ("secret",)}, "packs"),
    ],
)
def test_a_served_flow_takes_no_more_than_it_was_started_with(
    tmp_path, monkeypatch, inputs, changed, refused
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pages" / "sub").mkdir(parents=True)
    (tmp_path / "secret").mkdir()
    (tmp_path / "pages" / "link").symlink_to(tmp_path / "secret")
    settings = load_settings(out=tmp_path / "out")
    monkeypatch.setenv(SERVED, json.dumps(served_parameters(["pages", "s3://bucket/crawl"], settings)))
    asked = settings.model_copy(update=changed)
    if refused is None:
        check_served(inputs, asked)
    else:
        with pytest.raises(NotServedError, match=refused):
            check_served(inputs, asked)


# ---------------------------------------------------------------- the gate, the output


def test_a_killed_gate_starts_again(published):
    _, out = published
    with GateProcess() as gate:
        gate.process.kill()
        gate.process.wait()
        assert gate.judge((out / "corpus").resolve(), Terms()).passed


def test_a_full_standard_output_silences_no_report(published, tmp_path):
    pages, out = published
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = subprocess.run(
            [*REINSCHRIFT, "run", str(pages), "--out", str(out), "--junit", str(tmp_path / "j.xml"),
             "--summary", str(tmp_path / "s.md")],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "warning: standard output can't be written" in done.stderr
    assert (tmp_path / "j.xml").stat().st_size
    assert (tmp_path / "s.md").stat().st_size


def test_a_wrong_folder_is_not_made(tmp_path):
    for command in (["versions"], ["rollback"], ["remove", "a.txt"]):
        done = subprocess.run(
            [*REINSCHRIFT, *command, "--out", str(tmp_path / "nowhere")],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 2, command
        assert "no run has published" in done.stderr
        assert not (tmp_path / "nowhere").exists()


def test_the_reason_why_an_output_cannot_be_written(tmp_path):
    (tmp_path / "a.txt").write_text("Ein Satz steht hier für sich allein.")
    with pytest.raises(OutputError) as refusal:
        clean([tmp_path / "a.txt"], Path("/proc/x"), **QUICK)
    assert "no space left" not in str(refusal.value)
