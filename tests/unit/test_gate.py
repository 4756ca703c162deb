"""The gate finds what is wrong with a corpus, and names the rows."""

import shutil

import polars as pl
import pytest

from reinschrift.expectations import metrics
from reinschrift.flows.workers.gate_process import GateProcess
from reinschrift.transforms.contracts import METRICS
from tests.conftest import clean, read_corpus

SHARED = "Die Brücke über den Fluss wurde im 19. Jahrhundert gebaut."


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """A published corpus with drops, edits and a repeat."""
    folder = tmp_path_factory.mktemp("sound")
    (folder / "a.txt").write_text(
        f"{SHARED}\nEine zweite Zeile über die alte Mühle am Fluss.\nSave Save\nSkip to content"
    )
    (folder / "b.txt").write_text(f"{SHARED}\nLog in\nNoch eine Zeile, die nur auf dieser Seite steht.")
    clean([folder / "a.txt", folder / "b.txt"], folder / "out")
    return (folder / "out" / "corpus").resolve()


def judge(corpus):
    with GateProcess() as gate:
        return gate.judge(corpus, 1000)


def change(corpus, table, how):
    for path in sorted((corpus / table).rglob("*.parquet")):
        frame = pl.read_parquet(path, hive_partitioning=False)
        changed = how(frame)
        if changed.schema != frame.schema or not changed.equals(frame):
            changed.write_parquet(path)
            return
    pytest.fail("nothing was changed")


def test_a_sound_corpus_passes(sound):
    verdict = judge(sound)
    assert verdict.failures == []
    assert len(verdict.findings) > 60


def test_all_that_is_wrong_is_found_at_once(sound, tmp_path):
    """One look, for the judge takes seconds to start; each fault must be named on its own."""
    corpus = tmp_path / "corpus"
    shutil.copytree(sound, corpus)
    change(
        corpus,
        "ledger",
        lambda f: f.filter(pl.col("rule") != "doubled-button").filter(pl.col("before") != "Log in"),
    )
    change(corpus, "sentences", lambda f: pl.concat([f, f.head(1)]))
    change(
        corpus,
        "sentences",
        lambda f: f.with_columns(kind=pl.lit("poem"), language=pl.lit("German")),
    )
    change(corpus, "documents", lambda f: f.with_columns(source=pl.lit(None, dtype=pl.String)))
    failures = {f"{f.table}: {f.expectation}": f for f in judge(corpus).failures}
    told = "\n".join(failures)
    for part in (
        "law of conservation:", "law of ledger-complete", "law of keys", "law of counts",
        "sentences: kind is one of", "sentences: language is an ISO", "documents: source is never null",
        "sentences: id is unique",
    ):  # fmt: skip
        assert part in told
    complete = next(f for what, f in failures.items() if "ledger-complete" in what)
    assert {row["rule"] for row in complete.rows} >= {"doubled-button"}
    assert all(len(f.rows) <= 5 for f in failures.values())


def test_a_wrong_type_and_a_broken_file(sound, tmp_path):
    corpus = tmp_path / "corpus"
    shutil.copytree(sound, corpus)
    change(corpus, "documents", lambda f: f.with_columns(pl.col("n_words").cast(pl.Int64)))
    next((corpus / "ledger").rglob("*.parquet")).write_bytes(b"PAR1 and no more")
    documents, ledger = judge(corpus).failures
    assert "columns and types" in documents.expectation
    assert (documents.rows[0]["column"], documents.rows[0]["is"]) == (
        "n_words",
        "Int64 instead of UInt32",
    )
    assert "can't be read" in ledger.rows[0]["is"]


def test_texts_cannot_be_swapped(sound, tmp_path):
    corpus = tmp_path / "corpus"
    shutil.copytree(sound, corpus)
    change(corpus, "sentences", lambda f: f.with_columns(pl.col("text").str.reverse()))
    change(corpus, "documents", lambda f: f.with_columns(n_chars=pl.lit(7, dtype=pl.UInt32)))
    change(corpus, "ledger", lambda f: f.with_columns(before=pl.lit("x")))
    told = "\n".join(f.expectation for f in judge(corpus).failures)
    assert all(f"law of {law}:" in told for law in ("hashes", "texts", "ledger-complete"))


def test_leftover_furniture_fails(sound, tmp_path):
    corpus = tmp_path / "corpus"
    shutil.copytree(sound, corpus)
    texts = read_corpus(corpus)["sentences"].height
    change(
        corpus,
        "sentences",
        lambda f: f.with_columns(text=pl.lit("Skip to content"), end=pl.col("start") + 15),
    )
    assert texts
    told = [f.expectation for f in judge(corpus).failures]
    assert any("furniture" in what for what in told)


def test_a_corpus_of_which_all_was_taken_down_was_read_once():
    row = {"step": "removals", "unit": "page", "units_dropped": 2, "units_edited": 0, "chars_dropped": 0}
    projected = metrics.project(METRICS.conform(pl.DataFrame([row])).lazy()).collect()
    assert projected["source"].to_list() == ["read"]
