"""Pages taken down on demand: gone from what is published, for good, and as if never read."""

import json
import shutil

import polars as pl
import pytest

from reinschrift.flows.config import load_settings
from reinschrift.flows.face.explain import UnknownPageError, explain_page
from reinschrift.flows.ports import InProcessMapper
from reinschrift.flows.run import republish
from reinschrift.flows.store.last_run import NotRepeatableError
from reinschrift.flows.store.local import Corpus
from reinschrift.flows.store.removals import RemovalError, add_removal, read_removals, undo_removal
from tests.conftest import LawsGate, Quiet, clean, file_hashes, read_corpus
from tests.e2e.test_cli import reinschrift
from tests.made import jsonl

SHARED = "Die Brücke über den Fluss wurde im 19. Jahrhundert gebaut und steht noch heute."
PAGES = {
    "a.txt": [SHARED, "Im Frühling kommen die Störche aus dem Süden zurück in das Dorf."],
    "b.txt": [SHARED, "Am 3. Oktober 1990 um 12.30 Uhr läuteten in der Stadt alle Glocken."],
    "c.txt": [
        SHARED,
        "Skip to content",
        "Der Müller trug sieben Säcke Mehl über den Hof in die Scheune.",
    ],
}


@pytest.fixture
def site(tmp_path):
    folder = tmp_path / "site"
    folder.mkdir()
    for name, lines in PAGES.items():
        (folder / name).write_text("\n".join(lines), encoding="utf-8")
    assert clean([folder], tmp_path / "out").verdict.passed
    return folder


def remove(out, name, *, undo=False, reason="asked to"):
    change = undo_removal(name) if undo else add_removal(name, "2024-05-01", reason)
    report = republish(load_settings(out=out), change, InProcessMapper(), Quiet(), LawsGate)
    assert report.verdict.passed, report.verdict.failures
    return read_corpus(out / "corpus")


def test_a_page_goes_and_its_sentences_go_to_the_next(site, tmp_path):
    out = tmp_path / "out"
    before = file_hashes(out / "corpus")
    tables = remove(out, str(site / "a.txt"))
    assert sorted(tables["documents"]["source"]) == [str(site / "b.txt"), str(site / "c.txt")]
    owner = tables["documents"].filter(source=str(site / "b.txt"))["id"].item()
    assert tables["sentences"].filter(text=SHARED)["document_id"].to_list() == [owner]
    row = tables["ledger"].filter(source=str(site / "a.txt")).row(0, named=True)
    assert (row["step"], row["rule"], row["action"], row["before"]) == (
        "removals",
        "removed",
        "drop",
        "",
    )
    assert (row["block"], row["spans"]) == (None, None)
    assert tables["ledger"].filter(source=str(site / "a.txt")).height == 1
    steps = tables["metrics"].filter(pl.col("rule").is_null(), step="removals")
    assert steps.select("units_in", "units_out", "units_dropped").rows() == [(3, 2, 1)]
    assert file_hashes(out / "corpus") != before
    remove(out, str(site / "a.txt"), undo=True)
    assert file_hashes(out / "corpus") == before


def test_the_text_is_nowhere_in_the_corpus(site, tmp_path):
    out = tmp_path / "out"
    remove(out, str(site / "c.txt"))
    for file in (out / "corpus").resolve().rglob("*.parquet"):
        frame = pl.read_parquet(file, hive_partitioning=False)
        assert "Müller" not in str(frame.to_dicts())
        assert "Skip to content" not in str(frame.to_dicts())


def test_it_equals_a_fresh_run_with_the_same_list(site, tmp_path):
    remove(tmp_path / "out", str(site / "a.txt"))
    remove(tmp_path / "out", str(site / "c.txt"), reason="other")
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    lines = (tmp_path / "out" / "removed.jsonl").read_text().splitlines()
    (fresh / "removed.jsonl").write_text("\n".join(reversed(lines)))
    clean([site], fresh)
    assert file_hashes(fresh / "corpus") == file_hashes(tmp_path / "out" / "corpus")


def test_later_runs_honour_it_and_the_inputs_may_be_gone(site, tmp_path):
    out = tmp_path / "out"
    (site / "d.txt").write_text("Bienen fliegen im Winter nur an warmen Tagen aus dem Stock.")
    clean([site], out)
    shutil.move(site, tmp_path / "away")
    tables = remove(out, str(site / "a.txt"))
    assert tables["documents"].height == 3
    shutil.move(tmp_path / "away", site)
    clean([site], out)
    assert str(site / "a.txt") not in read_corpus(out / "corpus")["documents"]["source"].to_list()
    (site / "a.txt").unlink()
    clean([site], out)
    assert read_corpus(out / "corpus")["ledger"].filter(step="removals").is_empty()


def test_by_id_url_and_record(tmp_path):
    rows = [
        {"id": f"r{n}", "url": f"http://a.de/{n}", "text": "\n".join(lines)}
        for n, lines in enumerate(PAGES.values())
    ]
    file = tmp_path / "pages.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    out = tmp_path / "out"
    clean([file], out)
    first = read_corpus(out / "corpus")["documents"].filter(record_id="r0")["id"].item()
    tables = remove(out, first)
    assert sorted(tables["documents"]["record_id"]) == ["r1", "r2"]
    tables = remove(out, "HTTP://A.de:80/1#part")
    assert sorted(tables["documents"]["record_id"]) == ["r2"]
    tables = remove(out, "r2")
    assert tables["documents"].is_empty()
    assert [one.kind for one in read_removals(Corpus(out))] == ["id", "url", "record"]
    assert remove(out, "http://a.de/1", undo=True)["documents"]["record_id"].to_list() == ["r1"]


def test_what_is_unknown_changes_nothing(site, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(RemovalError, match="no page of"):
        remove(out, "nobody.txt")
    with pytest.raises(RemovalError, match="is not on"):
        remove(out, str(site / "a.txt"), undo=True)
    assert read_removals(Corpus(out)) == ()


def test_without_the_cache_it_is_noted_for_the_next_run(site, tmp_path):
    out = tmp_path / "out"
    before = file_hashes(out / "corpus")
    shutil.rmtree(out / ".reinschrift" / "stages")
    with pytest.raises(NotRepeatableError, match="no longer cached"):
        remove(out, str(site / "a.txt"))
    assert file_hashes(out / "corpus") == before
    clean([site], out)
    assert read_corpus(out / "corpus")["documents"].height == 2


def test_a_list_that_cannot_be_read_stops_the_run(site, tmp_path):
    (tmp_path / "out" / "removed.jsonl").write_text('{"kind": "page", "name": "x"}\n')
    with pytest.raises(RemovalError, match=r"removed\.jsonl:1"):
        clean([site], tmp_path / "out")


def test_the_command(site, tmp_path):
    out = tmp_path / "out"
    # The version of the code is that of this process's.
    done = reinschrift("remove", site / "a.txt", "--out", out, "--reason", "asked to")
    assert done.returncode == 0, done.stderr
    assert "removals" in done.stdout
    listed = json.loads((out / "removed.jsonl").read_text())
    assert (listed["kind"], listed["name"], listed["reason"]) == (
        "source",
        str(site / "a.txt"),
        "asked to",
    )
    done = reinschrift("remove", "nobody.txt", "--out", out)
    assert done.returncode == 2
    assert "nobody.txt" in done.stderr
    shown = reinschrift("explain", site / "a.txt", "--out", out)
    assert "removed" in shown.stdout


PAGES_TEXT = "\n".join(PAGES["a.txt"] + PAGES["b.txt"])


def test_explain_knows_a_page_of_which_nothing_is_left_by_its_address(tmp_path):
    page = {"id": "a", "url": "http://a.de/bruecke", "text": PAGES_TEXT}
    copy = {"id": "b", "url": "http://b.de/kopie-der-bruecke", "text": PAGES_TEXT}
    (tmp_path / "p.jsonl").write_bytes(jsonl([page, copy]))
    clean([tmp_path / "p.jsonl"], tmp_path / "out")
    corpus = tmp_path / "out" / "corpus"
    (found,) = explain_page(corpus, "HTTP://b.de:80/kopie-der-bruecke#oben")
    assert all(not passage.is_kept for passage in found.passages)
    with pytest.raises(UnknownPageError) as refused:
        explain_page(corpus, "http://b.de/kopie-der-brücke")
    assert "kopie-der-bruecke" in str(refused.value)
