"""Sentences that stand in another corpus go, and say where they stand."""

import shutil

import polars as pl
import pytest

from reinschrift.flows.config import load_settings
from reinschrift.flows.store.local import OutputError
from reinschrift.transforms.errors import ConfigError
from tests.conftest import clean, read_corpus

SHARED = "The harbour was rebuilt in 1921 after the great storm had taken the old pier."
TWICE = "Nobody had told the gulls about the new timetable of the ferry."
OWN = "A lighthouse needs a keeper who does not sleep when the fog comes in."
QUICK = {"line_model": False, "quality": "off"}


@pytest.fixture
def reference(tmp_path):
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "a.txt").write_text(
        f"{SHARED}\nThe mayor opened the bridge with garden shears.\n"
    )
    assert clean([tmp_path / "old"], tmp_path / "reference", **QUICK).version
    return tmp_path / "reference"


@pytest.fixture
def pages(tmp_path):
    folder = tmp_path / "new"
    folder.mkdir()
    (folder / "b.txt").write_text(f"{OWN}\n{SHARED}\n{TWICE}\n")
    (folder / "c.txt").write_text(
        f"{TWICE}\n{SHARED}\nThe anchors of the house of Bellweather are fine.\n"
    )
    return folder


def test_what_stands_in_the_reference_goes_and_points_there(tmp_path, reference, pages):
    report = clean([pages], tmp_path / "out", **QUICK, against=[reference])
    assert report.verdict.passed, report.verdict.failures
    found = read_corpus(tmp_path / "out" / "corpus")
    texts = found["sentences"]["text"].to_list()
    assert SHARED not in texts
    assert texts.count(TWICE) == 1
    gone = found["ledger"].filter(rule="in-reference")
    assert gone["before"].to_list() == [SHARED, SHARED]
    there = read_corpus(reference / "corpus")["sentences"].filter(text=SHARED)["id"].item()
    assert gone["kept_at"].to_list() == [there, there]
    assert found["ledger"].filter(rule="exact-sentence")["before"].to_list() == [TWICE]
    hits = found["metrics"].filter(rule="in-reference")["units_dropped"].to_list()
    assert hits == [2]


def test_another_language_is_no_repeat(tmp_path, reference, pages):
    for path in (reference / "corpus").rglob("sentences/*/*.parquet"):
        frame = pl.read_parquet(path, hive_partitioning=False)
        frame.with_columns(language=pl.lit("nl")).write_parquet(path)
    assert clean([pages], tmp_path / "out", **QUICK, against=[reference]).version
    assert read_corpus(tmp_path / "out" / "corpus")["ledger"].filter(rule="in-reference").is_empty()


def test_the_index_is_made_once_and_a_new_version_of_the_reference_counts(tmp_path, reference, pages):
    first = clean([pages], tmp_path / "out", **QUICK, against=[reference])
    indexes = tmp_path / "out" / ".reinschrift" / "references"
    [index] = indexes.iterdir()
    made = {path.name: path.stat().st_mtime_ns for path in index.iterdir()}
    again = clean([pages], tmp_path / "out", **QUICK, against=[reference], verify=True)
    assert again.version == first.version
    assert {path.name: path.stat().st_mtime_ns for path in index.iterdir()} == made
    assert clean([pages], tmp_path / "out", **QUICK, against=[reference]).is_unchanged
    (tmp_path / "old" / "z.txt").write_text(f"{OWN}\n")
    assert clean([tmp_path / "old"], reference, **QUICK).version
    other = clean([pages], tmp_path / "out", **QUICK, against=[reference])
    assert other.version != first.version
    assert OWN not in read_corpus(tmp_path / "out" / "corpus")["sentences"]["text"].to_list()


def test_where_the_reference_lies_does_not_matter(tmp_path, reference, pages):
    one = clean([pages], tmp_path / "out", **QUICK, against=[reference])
    shutil.copytree(reference / "corpus", tmp_path / "moved")
    two = clean([pages], tmp_path / "two", **QUICK, against=[tmp_path / "moved"])
    assert one.version == two.version


def test_what_is_no_corpus_is_refused(tmp_path, reference, pages):
    with pytest.raises(OutputError, match="is no corpus"):
        clean([pages], tmp_path / "out", against=[pages])
    (reference / "corpus" / "manifest.json").write_text("{}")
    with pytest.raises(OutputError, match="no published corpus with a seal"):
        clean([pages], tmp_path / "out", against=[reference])
    with pytest.raises(ConfigError, match="marks can't point"):
        load_settings(against=[reference], repeats_mode="mark")
