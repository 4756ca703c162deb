"""Repeated pages, blocks and sentences, through a whole run."""

import json

import polars as pl
import pytest

from reinschrift.flows.stages import spill
from reinschrift.flows.stages.resolve import verdicts
from tests.conftest import clean, dropped_sentences, file_hashes, read_corpus

PROSE = [
    f"Im Jahr {1800 + 7 * n} kam der Händler {name} über die Brücke in die Stadt und blieb {n + 2} Tage."
    for n, name in enumerate(
        [
            "Anna",
            "Bruno",
            "Clara",
            "Dora",
            "Emil",
            "Frieda",
            "Gustav",
            "Hanna",
            "Ida",
            "Jakob",
            "Karl",
            "Lena",
        ]
    )
]
OTHER = [
    f"The {animal} of the northern islands sleeps for {n + 3} months and wakes when the ice has gone."
    for n, animal in enumerate(
        ["bear", "fox", "hare", "owl", "seal", "wolf", "deer", "lynx", "otter", "crane"]
    )
]


def write(folder, pages):
    folder.mkdir(exist_ok=True)
    for name, lines in pages.items():
        (folder / name).write_text("\n".join(lines), encoding="utf-8")
    return folder


def run(tmp_path, pages, out="out", **settings):
    report = clean([write(tmp_path / "site", pages)], tmp_path / out, **settings)
    assert report.verdict.passed, report.verdict.failures
    return read_corpus(tmp_path / out / "corpus")


def names(tables):
    return sorted(source.rsplit("/", 1)[1] for source in tables["documents"]["source"])


def page_rows(tables):
    rows = tables["ledger"].filter(pl.col("block").is_null() & (pl.col("action") == "drop"))
    return {row["source"].rsplit("/", 1)[1]: row for row in rows.iter_rows(named=True)}


def ids(tables):
    return {
        source.rsplit("/", 1)[1]: name
        for source, name in tables["documents"].select("source", "id").iter_rows()
    }


def test_an_exact_copy_of_a_page_goes_whole(tmp_path):
    tables = run(tmp_path, {"a.txt": PROSE, "b.txt": PROSE, "c.txt": OTHER})
    assert names(tables) == ["a.txt", "c.txt"]
    row = page_rows(tables)["b.txt"]
    assert (row["step"], row["rule"], row["kept_at"]) == ("repeats", "exact-page", ids(tables)["a.txt"])
    assert row["before"].split("\n") == PROSE
    assert len(row["spans"]) == len(PROSE)
    assert tables["ledger"].height == 1
    sizes = dict(tables["documents"].select("source", "duplicate_cluster_size").iter_rows())
    assert sorted(sizes.values()) == [1, 2]


def test_a_page_with_other_quotes_and_breaks_is_an_exact_copy(tmp_path):
    quoted = [*PROSE, "Er sagte: „Ja.“"]
    other = [" ".join(PROSE[:2]), *PROSE[2:], 'Er sagte: "Ja."']
    tables = run(tmp_path, {"a.txt": quoted, "b.txt": other})
    assert page_rows(tables)["b.txt"]["rule"] == "exact-page"


def test_a_near_copy_of_a_page_goes_whole(tmp_path):
    changed = [*PROSE[:5], "Hier steht nun etwas anderes.", *PROSE[6:]]
    tables = run(tmp_path, {"a.txt": PROSE, "b.txt": changed, "c.txt": OTHER})
    row = page_rows(tables)["b.txt"]
    assert row["rule"] == "near-page"
    assert 0.8 <= row["similarity"] < 1
    assert names(tables) == ["a.txt", "c.txt"]


def test_a_chain_is_one_cluster_and_its_first_page_stays(tmp_path):
    def varied(count):
        return [
            line.replace("Händler", "Kaufmann") if n < count else line for n, line in enumerate(PROSE)
        ]

    pages = {"a.txt": varied(0), "b.txt": varied(6), "c.txt": varied(3)}
    tables = run(tmp_path, pages, near_threshold=0.87)
    assert names(tables) == ["a.txt"]
    assert {row["kept_at"] for row in page_rows(tables).values()} == {ids(tables)["a.txt"]}
    without = run(tmp_path, {**pages, "c.txt": OTHER}, "two", near_threshold=0.87)
    assert "b.txt" in names(without)


def test_umlauts_and_digits_keep_short_pages_apart(tmp_path):
    one = "Es ist schön, dass die Brücke seit 1901 über den Fluss führt und alle sie nutzen."
    pages = {
        "a.txt": [one],
        "b.txt": [one.replace("schön", "schon")],
        "c.txt": [one.replace("1901", "1902")],
    }
    assert names(run(tmp_path, pages)) == ["a.txt", "b.txt", "c.txt"]


def test_marking_keeps_all_rows(tmp_path):
    pages = {
        "a.txt": PROSE,
        "b.txt": PROSE,
        "c.txt": [*PROSE[:11], "Hier steht nun etwas anderes."],
        "d.txt": [*OTHER, PROSE[3]],
    }
    marked = run(tmp_path, pages, repeats_mode="mark")
    dropped = run(tmp_path, pages, "drop")
    assert names(marked) == sorted(pages)
    documents = marked["documents"].with_columns(name=pl.col("source").str.extract(r"([^/]*)$"))
    first = ids(marked)["a.txt"]
    told = documents.sort("name").select(
        "name", "duplicate_of", "duplicate_cluster", "duplicate_cluster_size"
    )
    assert told.rows() == [
        ("a.txt", None, first, 3),
        ("b.txt", first, first, 3),
        ("c.txt", first, first, 3),
        ("d.txt", None, None, 1),
    ]
    assert marked["ledger"].filter(step="repeats").is_empty()
    # Leaving out what is marked gives what dropping gives.
    stays = documents.filter(pl.col("duplicate_of").is_null())["id"]
    unmarked = marked["sentences"].filter(
        pl.col("document_id").is_in(stays.implode()) & pl.col("duplicate_of").is_null()
    )
    assert unmarked["id"].to_list() == dropped["sentences"]["id"].to_list()
    again = marked["sentences"].filter(document_id=ids(marked)["d.txt"])["duplicate_of"].drop_nulls()
    assert again.str.starts_with(first).to_list() == [True]


def records(tmp_path, rows, name="pages.jsonl"):
    path = tmp_path / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_of_pages_with_one_url_the_newest_stays(tmp_path):
    rows = [
        {"id": "old", "url": "http://A.de:80/x#top", "date": "2024-01-01", "text": "\n".join(PROSE)},
        {"id": "new", "url": "http://a.de/x", "date": "2024-03-01T00:00:00Z", "text": "\n".join(OTHER)},
        {"id": "also", "url": "http://a.de/x", "date": "2024-03-01", "text": "\n".join(OTHER[:4])},
        {"id": "else", "url": "http://a.de/X", "date": "2023-01-01", "text": "\n".join(PROSE[:3])},
    ]
    file = records(tmp_path, rows)
    assert clean([file], tmp_path / "out").verdict.passed
    tables = read_corpus(tmp_path / "out" / "corpus")
    assert tables["documents"]["record_id"].sort().to_list() == ["else", "new"]
    gone = tables["ledger"].filter(rule="same-url")
    new = tables["documents"].filter(record_id="new")["id"].item()
    assert sorted(gone.select("record_id", "kept_at").rows()) == [("also", new), ("old", new)]
    assert clean([file], tmp_path / "all", same_url=False).verdict.passed
    everything = read_corpus(tmp_path / "all" / "corpus")
    assert everything["ledger"].filter(rule="same-url").is_empty()


def test_blocks_on_request(tmp_path):
    block = " ".join(OTHER[:2])
    pages = {"a.txt": [*PROSE, block], "b.txt": [block, OTHER[1], OTHER[5]]}
    tables = run(tmp_path, pages, repeat_units=("block",))
    rows = dropped_sentences(tables).filter(step="repeats")
    assert rows["rule"].to_list() == ["exact-block"] * 2
    twins = rows.join(tables["sentences"], left_on="kept_at", right_on="id")
    assert twins["text"].to_list() == twins["before"].to_list() == OTHER[:2]


def test_near_sentences_and_blocks_on_request(tmp_path):
    words = [f"Wort{n}" for n in range(60)]
    long = " ".join(words) + "."
    near = " ".join([*words[:59], "Ende"]) + "."
    pages = {"a.txt": [long, *PROSE[:2]], "b.txt": [near, *OTHER[:2]]}
    assert run(tmp_path, pages)["ledger"].filter(step="repeats").is_empty()
    alike = {"line_model": False, "skip": ("language",)}  # such words are in any language
    for unit in ("sentence", "block"):
        units = ("page", unit)
        tables = run(tmp_path, pages, unit, repeat_units=units, near_units=units, **alike)
        row = tables["ledger"].filter(step="repeats").row(0, named=True)
        assert (row["rule"], row["before"]) == (f"near-{unit}", near)
        assert row["similarity"] == pytest.approx(57 / 59)
        kept = tables["sentences"].filter(id=row["kept_at"])
        assert kept["text"].to_list() == [long]


def test_units_are_a_setting(tmp_path):
    pages = {"a.txt": PROSE, "b.txt": PROSE}
    assert names(run(tmp_path, pages, repeat_units=("sentence",))) == ["a.txt"]
    tables = run(tmp_path, {**pages, "c.txt": [PROSE[0], *OTHER]}, "two", repeat_units=("page",))
    assert tables["ledger"]["rule"].to_list() == ["exact-page"]
    (tmp_path / "site" / "c.txt").unlink()
    tables = run(tmp_path, pages, "three", skip=("repeats",))
    assert tables["ledger"].is_empty()
    assert tables["documents"]["duplicate_cluster_size"].to_list() == [None, None]


def test_wide_keys_find_the_same(tmp_path):
    pages = {"a.txt": PROSE, "b.txt": [*OTHER, *PROSE[:5]]}
    narrow = run(tmp_path, pages)
    wide = run(tmp_path, pages, "wide", key_bits=128)
    assert narrow["ledger"].equals(wide["ledger"])
    assert narrow["ledger"].height == 5


def test_parts_end_by_characters_too_and_not_by_shards(tmp_path):
    site = write(tmp_path / "site", {f"{n}.txt": [PROSE[n], OTHER[n % 10]] for n in range(12)})
    settings = {"part_chars": 300, "part_pages": 5}
    assert clean([site], tmp_path / "one", **settings).verdict.passed
    assert clean([site], tmp_path / "two", shard_bytes=1, **settings).verdict.passed
    files = file_hashes(tmp_path / "one" / "corpus")
    assert files == file_hashes(tmp_path / "two" / "corpus")
    assert sum(name.startswith("ledger/") for name in files) > 3


def test_keys_in_files_give_the_same_bytes(tmp_path, monkeypatch):
    pages = {f"{n}.txt": [*PROSE[: n + 2], *OTHER[n:], PROSE[11 - n]] for n in range(9)}
    units = {"repeat_units": ("page", "block", "sentence"), "near_units": ("page", "sentence")}
    site = write(tmp_path / "site", pages)
    clean([site], tmp_path / "whole", **units)
    monkeypatch.setattr(verdicts, "KEYS_A_BUCKET", 5)
    monkeypatch.setattr(spill, "BUFFER_BYTES", 64)
    clean([site], tmp_path / "files", **units)
    assert file_hashes(tmp_path / "files" / "corpus") == file_hashes(tmp_path / "whole" / "corpus")
