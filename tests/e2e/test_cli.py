"""The command from outside: exit codes, messages, what stays when things go wrong."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from junitparser import JUnitXml

from tests.conftest import file_hashes, read_corpus

REPOSITORY = Path(__file__).parents[2]

SEEDS = Path(__file__).parents[2] / "seeds"
TEXT = "Die Brücke über den Fluss wurde im 19. Jahrhundert gebaut.\nSkip to content\n"


def reinschrift(*arguments, cwd=None, env=None):
    return subprocess.run(
        [sys.executable, "-m", "reinschrift", *map(str, arguments)],
        capture_output=True, text=True, cwd=cwd, env={**os.environ, **(env or {})}, timeout=300, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def seeds(tmp_path_factory):
    """The main job on the repository's own pages, with both reports."""
    folder = tmp_path_factory.mktemp("seeds")
    done = reinschrift(
        "run", "seeds", "--out", folder / "data", "--junit", folder / "junit.xml",
        "--summary", folder / "summary.md", cwd=SEEDS.parent,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder, done


def test_the_main_job(seeds):
    folder, done = seeds
    tables = read_corpus(folder / "data" / "corpus")
    assert tables["documents"].height == 8
    assert "published" in done.stdout
    assert sorted(tables["documents"]["language"].unique()) == ["de", "en"]
    repeats = tables["ledger"].filter(step="repeats")
    assert repeats["source"].to_list() == ["seeds/humboldt-reise.txt"] * 3
    html = tables["documents"].filter(format="html").sort("source")
    assert html["title"].null_count() == 0
    assert html["author"].null_count() + html["date"].null_count() <= 1


def test_analytics_tools_read_the_folders(seeds):
    duckdb = pytest.importorskip("duckdb")
    corpus = seeds[0] / "data" / "corpus"
    query = f"select language, count(*) from '{corpus}/documents/**/*.parquet' group by all order by all"
    counts = dict(duckdb.sql(query).fetchall())
    frame = pl.read_parquet(corpus / "documents")
    assert counts == dict(frame.group_by("language").len().iter_rows())
    pandas = pytest.importorskip("pandas")
    assert len(pandas.read_parquet(corpus / "documents", partitioning=None)) == frame.height


def test_reports(seeds):
    folder, _ = seeds
    xml = JUnitXml.fromfile(str(folder / "junit.xml"))
    assert sum(suite.tests for suite in xml) > 60
    assert sum(suite.failures for suite in xml) == 0
    summary = (folder / "summary.md").read_text()
    assert summary.startswith("## Corpus published: ")
    assert "| repeats | exact-sentence | 3 |" in summary


def test_check_judges_a_published_corpus(seeds, tmp_path):
    done = reinschrift("check", seeds[0] / "data", "--summary", tmp_path / "s.md")
    assert (done.returncode, "passes the gate" in done.stdout) == (0, True)
    assert reinschrift("check", tmp_path).returncode == 2


@pytest.mark.parametrize("by", ["source", "id"])
def test_explain(seeds, by, tmp_path):
    folder, _ = seeds
    documents = read_corpus(folder / "data" / "corpus")["documents"]
    name = documents.filter(pl.col("source").str.contains("enotes"))[by].item()
    shown = reinschrift("explain", name, "--out", folder / "data").stdout
    assert "◂ boilerplate: enotes/" in shown
    html = tmp_path / "page.html"
    reinschrift("explain", name, "--out", folder / "data", "--html", html)
    page = html.read_text(encoding="utf-8")
    assert "<del>" in page
    assert "://" not in page.split("<body", 1)[0]


@pytest.mark.parametrize("name", ["nothing", "42", "://"])
def test_explain_names_what_there_is(seeds, name):
    done = reinschrift("explain", name, "--out", seeds[0] / "data")
    assert done.returncode == 2
    assert "name a path, an id or a URL" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run", "gone.txt"], "gone.txt: no such file or folder"),
        (["run", "--skip", "rubbish", "."], "these can: repair, boilerplate"),
        (["run", "--config", "gone.toml", "."], "gone.toml: no such file"),
        (["run", "--packs", "bad.toml", "."], "bad.toml:1: there is no [pack] table"),
        (["run", "--workers", "many"], "--workers"),
        (["serve", "."], "--cron or --every"),
    ],
)
def test_usage_errors_end_with_2_and_name_the_key(tmp_path, arguments, says):
    (tmp_path / "bad.toml").write_text("x = 1")
    done = reinschrift(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert says in done.stderr.replace("\n", " ")
    assert "Traceback" not in done.stderr


def test_bad_input_costs_only_itself(tmp_path):
    """Everything wrong at once: the good page is published, each bad one says why, and exit is 3."""
    (tmp_path / "good.txt").write_text(TEXT)
    (tmp_path / "empty.txt").touch()
    (tmp_path / "binary.txt").write_bytes(bytes(range(256)) * 100)
    (tmp_path / "utf16.txt").write_text("Ein Satz über die Brücke in UTF-16.", encoding="utf-16")
    (tmp_path / "latin.txt").write_bytes("Ein Satz über die schöne Brücke in Latin-1.".encode("latin-1"))
    with (tmp_path / "line.txt").open("w") as handle:
        handle.writelines("wort " * 200_000 for _ in range(50))
    (tmp_path / "deep.html").write_text("<div>" * 100_000 + "<p>Der Text ganz tief unten steht hier.")
    (tmp_path / "broken.jsonl").write_text('{"id": 1, "text": "Ein Satz im ersten Datensatz."}\n{"id"\n')
    out = tmp_path / "out"
    done = reinschrift("run", tmp_path, tmp_path / "gone.txt", "--out", out)
    assert done.returncode == 3, done.stderr
    tables = read_corpus(out / "corpus")
    kept = {Path(source).name for source in tables["documents"]["source"]}
    assert kept == {"good.txt", "utf16.txt", "latin.txt", "deep.html", "broken.jsonl"}
    refused = {Path(row["source"]).name: row for row in tables["quarantine"].to_dicts()}
    assert set(refused) == {"empty.txt", "binary.txt", "line.txt", "gone.txt", "broken.jsonl"}
    assert refused["broken.jsonl"]["record"] == "line 2"
    assert all(row["reason"] and row["remedy"] for row in refused.values())
    assert "quarantined: " in done.stdout
    notes = tables["ledger"].filter(action="note").select("rule", "before").rows()
    assert ("encoding", "windows-1252") in notes
    assert any(rule == "no-verdict" and "deep" in before for rule, before in notes)
    junit, told = tmp_path / "junit.xml", tmp_path / "told.json"
    strict = ("--strict", "--junit", junit, "--json", told)
    done = reinschrift("run", out.parent / "good.txt", out.parent / "empty.txt", "--out", out, *strict)
    assert done.returncode == 1
    assert "refused by strict: 1 failure" in done.stdout
    assert sum(suite.failures for suite in JUnitXml.fromfile(str(junit))) == 1
    assert json.loads(told.read_text())["state"] == "refused by strict"


def test_an_output_that_cannot_be_written(tmp_path):
    (tmp_path / "good.txt").write_text(TEXT)
    (tmp_path / "file").touch()
    done = reinschrift("run", tmp_path / "good.txt", "--out", tmp_path / "file" / "out")
    assert done.returncode == 2
    assert "can't be written" in done.stderr


def test_a_full_disk_publishes_nothing_and_keeps_what_was(tmp_path, monkeypatch):
    """A real small file system where we may mount one, else the error it gives."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", disk], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("mounting a small file system needs rights that are not here")
    try:
        (tmp_path / "good.txt").write_text(TEXT)
        assert reinschrift("run", tmp_path / "good.txt", "--out", disk).returncode == 0
        before = file_hashes(disk / "corpus")
        words = [
            f"Satz {n} über {n * 7919} Brücken und {n * 104729} Flüsse, ganz ohne Ende."
            for n in range(60_000)
        ]
        (tmp_path / "large.txt").write_text("\n".join(words))
        done = reinschrift("run", tmp_path / "large.txt", "--out", disk)
        assert done.returncode == 1
        assert "no space left" in done.stderr
        assert file_hashes(disk / "corpus") == before
    finally:
        subprocess.run(["umount", disk], check=True)


def test_the_second_of_two_runs_says_who_holds_the_lock(tmp_path):
    from reinschrift.flows.store.local import Corpus

    (tmp_path / "good.txt").write_text(TEXT)
    with Corpus(tmp_path / "out").lock():
        done = reinschrift("run", tmp_path / "good.txt", "--out", tmp_path / "out")
    assert done.returncode == 2
    assert f"in use by process {os.getpid()} on " in done.stderr


def test_killed_at_any_point_nothing_published_is_lost(tmp_path):
    """Fifty kills, spread over all that a run writes: readers see one whole version after each."""
    (tmp_path / "pages").mkdir()
    for n in range(12):
        (tmp_path / "pages" / f"{n}.txt").write_text(
            f"{TEXT}Satz {n}: hier steht etwas, das nirgends sonst steht.\n" * 20
        )
    done = subprocess.run(
        [sys.executable, "-m", "tests.kills", str(tmp_path), "50"],
        cwd=REPOSITORY, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    assert found["total"] > 50
    for kill in found["kills"]:
        assert kill["ending"] == -signal.SIGKILL
        assert kill["seen"] in ("before", "after")
        assert (kill["last"], kill["at_last"], kill["left"]) == (0, "after", [])
    assert len({kill["stages"] for kill in found["kills"]}) == 1


def test_versions_and_rollback(tmp_path):
    from tests.conftest import clean

    page = tmp_path / "a.txt"
    page.write_text("Der erste Stand dieser Seite über die Brücke.")
    clean([page], tmp_path / "out")
    first = file_hashes(tmp_path / "out" / "corpus")
    page.write_text("Der zweite Stand dieser Seite über die Brücke.")
    clean([page], tmp_path / "out")
    assert file_hashes(tmp_path / "out" / "corpus") != first
    assert reinschrift("rollback", "--out", tmp_path / "out").returncode == 0
    assert file_hashes(tmp_path / "out" / "corpus") == first
    listed = reinschrift("versions", "--out", tmp_path / "out").stdout.splitlines()
    assert [line[:8] for line in listed if "00000" in line] == ["* 000001", "  000002"]
    compared = reinschrift("diff", "1", "2", "--out", tmp_path / "out").stdout
    assert "1 changed" in compared


def test_the_same_bytes_with_one_worker_and_two(tmp_path):
    """A real pool of processes, against this one process."""
    from reinschrift.flows.ports import PoolMapper
    from tests.conftest import clean

    inputs = [SEEDS, tmp_path / "r.jsonl"]
    lines = [json.dumps({"id": n, "text": f"{TEXT}Satz Nummer {n} über die Brücke."}) for n in range(50)]
    (tmp_path / "r.jsonl").write_text("\n".join(lines))
    clean(inputs, tmp_path / "one", workers=1)
    pool = PoolMapper(2)
    try:
        clean(inputs[::-1], tmp_path / "two", pool, workers=2, shard_bytes=2000)
    finally:
        pool.close()
    assert pool.processes.pool is not None
    assert file_hashes(tmp_path / "one" / "corpus") == file_hashes(tmp_path / "two" / "corpus")


@pytest.mark.parametrize(
    "step", ["repair", "boilerplate", "language", "sentences", "repeats", "quality", "privacy"]
)
def test_every_step_can_be_left_out(tmp_path, step):
    from tests.conftest import clean

    report = clean([SEEDS], tmp_path / "out", skip=(step,))
    assert report.verdict.passed, report.verdict.failures
    assert step not in report.metrics["step"].to_list() or step in ("repeats", "quality")
