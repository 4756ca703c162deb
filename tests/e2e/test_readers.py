"""Whole runs over inputs of every kind."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reinschrift.flows.ports import PoolMapper
from reinschrift.flows.readers import Page, Piece, ReadOptions, read_piece
from reinschrift.flows.sources.inputs import find_inputs
from tests.conftest import clean, file_hashes, read_corpus, shared
from tests.made import (
    PACKED,
    csv_file,
    html_record,
    jsonl,
    parquet,
    tarred,
    text_record,
    warc,
    warc_gz,
    zipped,
    zstd,
)

QUICK = {"line_model": False, "extractor": "none"}
OPTIONS = ReadOptions(20_000_000, 1_000_000)


@pytest.fixture
def crawl(tmp_path):
    """A folder with a bit of everything, some of it broken."""
    folder = tmp_path / "crawl"
    folder.mkdir()
    texts = [text_record(n) for n in range(30)]
    pages = [html_record(n + 100) for n in range(10)]
    for name, data in {
        "a.jsonl": jsonl(texts[:6]) + b'{"text": \n' + jsonl(texts[6:9]),
        "b.csv.xz": PACKED[".xz"]("", csv_file(texts[9:12])),
        "c.parquet": parquet(texts[12:15]),
        "c2.parquet": parquet(texts)[:-20],
        "d.warc.gz": warc_gz(pages) + warc(pages)[:100],
        "e.zip": zipped("in/e.txt", b"Ein Text im Archiv, der f\xc3\xbcr sich steht."),
        "f.tar.gz": PACKED[".tar.gz"]("g.html", b"<p>Eine Seite im Band, die auch zu lesen ist."),
        "g.jsonl.gz": PACKED[".gz"]("", jsonl(texts[15:20]))[:-12],
        "h.tar": tarred("photo.jpg", b"\xff\xd8\xff"),
        "empty.txt": b"",
        "nul.txt": b"Ein Text mit \x00 einer Null und noch vielen Worten, die dahinter stehen.\n" * 3,
        "notes.pdf": b"%PDF-1.4",
    }.items():
        (folder / name).write_bytes(data)
    (folder / os.fsdecode(b"gr\xfc\xdfe.txt")).write_text("Ein Gruß aus der Ferne.")
    (folder / "loop").symlink_to(folder)
    (folder / "nowhere.txt").symlink_to(folder / "nowhere.txt")
    return folder


def test_the_good_survives_and_the_bad_is_told(crawl, tmp_path):
    report = clean([crawl], tmp_path / "out", **QUICK)
    assert report.version
    told = {(Path(row["source"]).name, row["record"]) for row in report.quarantine.iter_rows(named=True)}
    assert told >= {
        ("a.jsonl", "line 7"),
        ("c2.parquet", None),
        ("empty.txt", None),
        ("nowhere.txt", None),
    }
    assert {name for name, _ in told} == {
        "a.jsonl",
        "c2.parquet",
        "empty.txt",
        "nowhere.txt",
        "d.warc.gz",
        "g.jsonl.gz",
    }
    assert not report.quarantine["remedy"].str.len_chars().eq(0).any()
    documents = read_corpus(tmp_path / "out" / "corpus")["documents"]
    names = set(documents["source"].str.split("/").list.last())
    assert names >= {
        "a.jsonl",
        "b.csv.xz",
        "c.parquet",
        "d.warc.gz",
        "e.txt",
        "g.html",
        "nul.txt",
        "gr\\xfc\\xdfe.txt",
    }
    assert any("notes.pdf" in line for line in report.ignored)
    assert any("photo.jpg" in line for line in report.ignored)


def test_shards_lists_globs_and_workers_make_no_difference(crawl, tmp_path):
    clean([crawl], tmp_path / "one", **QUICK)
    (tmp_path / "list.txt").write_bytes(
        b"\n".join(
            os.fsencode(path)
            for path in sorted(crawl.iterdir(), reverse=True)
            if path.name not in ("loop", "notes.pdf")
        )
    )
    clean([f"@{tmp_path}/list.txt"], tmp_path / "two", **QUICK, shard_bytes=1000)
    assert file_hashes(tmp_path / "one" / "corpus") == file_hashes(tmp_path / "two" / "corpus")


def test_a_list_that_is_not_there(tmp_path):
    (broken,) = find_inputs([f"@{tmp_path}/gone.txt"], 1000).broken
    assert "list" in broken.reason


def test_json_lines_on_standard_input(tmp_path, monkeypatch):
    records = jsonl([text_record(n) for n in range(20)])
    for out in ("one", "two"):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(records + b"{broken\n")))
        report = clean(["-"], tmp_path / out, **QUICK, shard_bytes=500)
        assert report.version
        assert report.quarantine.select("source", "record").rows() == [("-", "line 21")]
    documents = read_corpus(tmp_path / "one" / "corpus")["documents"]
    assert (documents.height, set(documents["source"])) == (20, {"-"})
    assert file_hashes(tmp_path / "one" / "corpus") == file_hashes(tmp_path / "two" / "corpus")


def test_a_file_that_changes_while_it_is_read(tmp_path, monkeypatch):
    """It is read as far as it was hashed, and what was read is not taken for the file that was hashed."""
    page = tmp_path / "a.jsonl"
    page.write_bytes(jsonl([text_record(n) for n in range(5)]))
    found = find_inputs([str(page)], 10_000)

    def grown(*args, **kwargs):
        with page.open("ab") as file:
            file.write(jsonl([text_record(99)]))
        return found

    with monkeypatch.context() as patch:
        patch.setattr("reinschrift.flows.run.find_inputs", grown)
        clean([page], tmp_path / "out", **QUICK)
    assert read_corpus(tmp_path / "out" / "corpus")["documents"].height == 5
    clean([page], tmp_path / "out", **QUICK)
    assert read_corpus(tmp_path / "out" / "corpus")["documents"].height == 6


def test_columns_by_setting(tmp_path):
    (tmp_path / "a.jsonl").write_text(
        json.dumps({"inhalt": "Ein Satz steht hier.", "ort": "https://a.org/x"})
    )
    report = clean(
        [tmp_path / "a.jsonl"], tmp_path / "out", columns={"text": "inhalt", "url": "ort"}, **QUICK
    )
    assert report.version
    (row,) = read_corpus(tmp_path / "out" / "corpus")["documents"].iter_rows(named=True)
    assert (row["text"], row["site"]) == ("Ein Satz steht hier.", "a.org")


def pages_of_the_bench():
    for name in ("00000", "00001"):
        file = shared(f"bench/speed/html_warc/{name}.warc.gz")
        items = read_piece(Piece(file, name, 0, file.stat().st_size), OPTIONS)
        yield from (item for item in items if isinstance(item, Page))


def test_the_same_pages_in_every_format_make_the_same_documents(tmp_path):
    pages = list(pages_of_the_bench())
    assert len(pages) == 300
    records = [{"id": p.record_id, "url": p.url, "date": p.fetched_at, "html": p.content} for p in pages]
    (tmp_path / "single").mkdir()
    for number, page in enumerate(pages):
        (tmp_path / "single" / f"{number:03}.html").write_text(page.content, newline="")
    (tmp_path / "a.jsonl.zst").write_bytes(zstd.compress(jsonl(records)))
    pq.write_table(pa.Table.from_pylist(records), tmp_path / "a.parquet", row_group_size=13)
    numbered = [{**record, "id": str(n)} for n, record in enumerate(records)]
    (tmp_path / "a.warc.gz").write_bytes(warc_gz(numbered))
    facts = ("id", "source", "record_id", "url", "site", "fetched_at", "encoding", "duplicate_cluster")
    made = {}
    for name in ("single", "a.jsonl.zst", "a.parquet", "a.warc.gz"):
        report = clean([tmp_path / name], tmp_path / f"out-{name}", **QUICK)
        assert report.version
        assert report.quarantine.height == 0
        documents = read_corpus(tmp_path / f"out-{name}" / "corpus")["documents"].drop(facts)
        made[name] = documents.sort("text", "title")
    assert made["single"].height > 250
    for name, documents in made.items():
        assert documents.equals(made["single"]), name


KILLER = """
import functools, os, signal, sys
sys.path[:0] = {path!r}
import reinschrift.transforms.pipeline.runner as pipeline

def killing(function):
    @functools.wraps(function)
    def read_stage(records, context, extractor, watch):
        if records["content"].str.contains("KILL-ALWAYS").any():
            os.kill(os.getpid(), signal.SIGSEGV)
        def ask(html):
            if "KILL-EXTRACTOR" in html:
                os.kill(os.getpid(), signal.SIGSEGV)
            return None
        return function(records, context, ask, watch)
    return read_stage

pipeline.read_stage = killing(pipeline.read_stage)
"""


@pytest.fixture
def deadly_pages(tmp_path, monkeypatch):
    """Six pages; processes load a sitecustomize that kills them on two of these."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(KILLER.format(path=sys.path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    folder = tmp_path / "pages"
    folder.mkdir()
    for number in range(6):
        words = {2: "KILL-ALWAYS", 4: "KILL-EXTRACTOR"}.get(number, "fine")
        (folder / f"{number}.html").write_text(
            f"<html><body><p>Seite {number} ist {words} zu lesen.</p>"
        )
    return folder


@pytest.mark.parametrize(("workers", "shard_bytes"), [(2, 1), (1, 1_000_000)])
def test_a_page_that_kills_the_parser_does_not_end_the_run(deadly_pages, tmp_path, workers, shard_bytes):
    pool = PoolMapper(workers)
    report = clean(
        [deadly_pages], tmp_path / "out", pool,
        shard_bytes=shard_bytes, extractor="trafilatura", line_model=False,
    )  # fmt: skip
    pool.close()
    assert report.version
    assert_only_the_deadly_page_is_gone(deadly_pages, tmp_path / "out")


def test_nor_a_run_under_prefect(deadly_pages, tmp_path):
    config = tmp_path / "reinschrift.toml"
    config.write_text('shard_bytes = 1\nextractor = "trafilatura"\nline_model = false\n')
    command = [
        sys.executable,
        "-m",
        "reinschrift",
        "flow",
        str(deadly_pages),
        "--config",
        str(config),
    ]
    home = {
        "PREFECT_HOME": str(tmp_path / "prefect"),
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "200",
    }
    done = subprocess.run(
        [*command, "--out", str(tmp_path / "out")], env={**os.environ, **home},
        capture_output=True, text=True, timeout=500, check=False,
    )  # fmt: skip
    assert done.returncode == 3, done.stderr[-2000:]
    assert_only_the_deadly_page_is_gone(deadly_pages, tmp_path / "out")


def assert_only_the_deadly_page_is_gone(folder, out):
    tables = read_corpus(out / "corpus")
    assert tables["quarantine"]["source"].to_list() == [f"{folder}/2.html"]
    assert "ends the process" in tables["quarantine"]["reason"][0]
    assert {Path(source).stem for source in tables["documents"]["source"]} == {"0", "1", "3", "4", "5"}
    notes = tables["ledger"].filter(rule="no-verdict")
    told = notes.filter(pl.col("source").str.ends_with("4.html"))["before"].to_list()
    assert any("parsing it ends the process" in text for text in told)


def test_a_page_without_text_is_told(tmp_path):
    (tmp_path / "a.html").write_text("<html><body><img src=x></body></html>")
    clean([tmp_path / "a.html"], tmp_path / "out")
    (row,) = read_corpus(tmp_path / "out" / "corpus")["ledger"].to_dicts()
    assert (row["rule"], row["action"]) == ("no-text", "note")
