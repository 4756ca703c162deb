"""The five documents the project was asked for, by their own labels."""

import hashlib
import importlib.util
import json
from pathlib import Path

import pytest

from benchmarks.conservation import lost_lines
from tests.conftest import blocks_with_repeats, clean, file_hashes, read_corpus, shared

FLOORS = json.loads((Path(__file__).parents[1] / "floors.json").read_text())


@pytest.fixture(scope="module")
def five(tmp_path_factory):
    files = sorted(shared("seeds").glob("*.txt"))
    out = tmp_path_factory.mktemp("five")
    report = clean(files, out)
    assert report.verdict.passed
    return files, read_corpus(out / "corpus"), out / "corpus"


def scorer():
    spec = importlib.util.spec_from_file_location("score_lines", shared("bench/score_lines.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_labels_are_those_the_floors_were_set_on():
    data = shared("seeds/gold.jsonl").read_bytes()
    assert hashlib.sha256(data).hexdigest() == FLOORS["sha256"]


def test_lines(five):
    """What boilerplate removal keeps; repeats are another judgement, and are put back for this one."""
    files, tables, _ = five
    blocks = blocks_with_repeats(tables)
    ids = dict(tables["documents"].select("source", "id").iter_rows())
    gold = [json.loads(line) for line in shared("seeds/gold.jsonl").read_text().splitlines()]
    score = scorer()
    pages = []
    for file in files:
        kept = blocks.filter(document_id=ids[str(file)])["text"].to_list()
        pages.append(score.page(next(g for g in gold if g["id"] == file.name), kept))
    micro, _ = score.summary(pages)
    assert micro["F1"] >= FLOORS["line_f1_micro"]
    assert micro["boiler_removed"] >= FLOORS["boilerplate_lines_removed"]
    assert micro["content_ch_lost"] <= FLOORS["content_chars_lost"]
    assert micro["comment_kept"] == 1.0
    for file, page in zip(files, pages, strict=True):
        if file.name.startswith(("000", "001")):
            assert score.rates(page)["content_lost"] == 0


def test_exactly_the_shared_sentences_are_repeats(five):
    files, tables, _ = five
    gold = json.loads(shared("seeds/gold.jsonl").read_text().splitlines()[1])
    repeats = tables["ledger"].filter(step="repeats")
    german = repeats.filter(source=str(files[1])).sort("block")
    assert german["before"].to_list() == [r["sentence"] for r in gold["repeated_across_german_seeds"]]
    assert repeats.filter(source=str(files[0])).is_empty()
    twins = german.join(tables["sentences"], left_on="kept_at", right_on="id")
    first = tables["documents"].filter(source=str(files[0]))["id"].item()
    assert twins["document_id_right"].to_list() == [first] * 3
    assert twins["text"].to_list() == twins["before"].to_list()


def test_languages(five):
    _, tables, _ = five
    assert tables["documents"].sort("source")["language"].to_list() == [
        "de",
        "de",
        "en",
        "en",
        "en",
    ]


def test_every_line_is_accounted_for(five):
    files, _, corpus = five
    for file in files:
        assert lost_lines(corpus, file, str(file)) == []


def test_reversed_input_gives_the_same_bytes(five, tmp_path):
    files, _, corpus = five
    clean(files[::-1], tmp_path / "out", shard_bytes=9000)
    assert file_hashes(tmp_path / "out" / "corpus") == file_hashes(corpus)


def test_offsets_point_into_the_file(five):
    files, tables, _ = five
    text = files[0].read_text(encoding="utf-8")
    mine = tables["documents"].filter(source=str(files[0]))["id"].item()
    for start, end, sentence in (
        tables["sentences"].filter(document_id=mine).select("start", "end", "text").iter_rows()
    ):
        assert text[start:end] == sentence
