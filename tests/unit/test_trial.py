"""Packs and settings tried before a run uses them; a corpus in other forms."""

import json
import subprocess

import polars as pl
import pytest
from typer.testing import CliRunner

from reinschrift.flows.cli import app
from reinschrift.flows.config import load_settings
from reinschrift.flows.export import FORMS, export_corpus
from reinschrift.flows.face.trial import try_pack
from reinschrift.flows.store.local import OutputError
from reinschrift.flows.store.tables import resolve_corpus
from reinschrift.transforms.boilerplate.packs import parse_pack
from tests.conftest import clean, read_corpus

KEPT = "The harbour was rebuilt in 1921 after the great storm had taken the old pier."
PACK = """
[pack]
name = "try"
why = "a test"
[[rule]]
id = "harbour"
kind = "contains"
pattern = "harbour was"
why = "a test"
removes = ["The harbour was here"]
keeps = ["The harbours were here."]
[[rule]]
id = "skip"
kind = "exact"
pattern = "Skip to content"
why = "a test"
removes = ["Skip to content"]
keeps = ["Skip the content."]
"""


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trial")
    for number in range(3):
        text = f'Skip to content\n{KEPT[:-1]} in year {number}.\nÄÖ {number}, = a line with "marks"\n'
        (folder / f"{number}.txt").write_text(text, encoding="utf-8")
    clean([folder / f"{n}.txt" for n in range(3)], folder / "out", line_model=False, near_units=())
    return folder / "out"


def test_a_pack_is_tried_on_kept_and_dropped_lines(out):
    harbour, skip = try_pack(resolve_corpus(out), parse_pack(PACK, "try.toml"))
    assert (harbour.hits, harbour.pages, harbour.kept_now, harbour.models_keep) == (3, 3, 3, 3)
    assert all(is_kept and text.startswith("The harbour was") for text, _, is_kept in harbour.lines)
    assert (skip.hits, skip.kept_now) == (3, 0)


def test_the_command_tries(out, tmp_path):
    (tmp_path / "try.toml").write_text(PACK)
    done = CliRunner().invoke(app, ["rules", "try", str(tmp_path / "try.toml"), "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert "try/harbour (drop): 3 lines on 3 pages; 3 of them are kept now" in done.output


def test_two_settings_are_compared_and_neither_is_published(out, tmp_path):
    (tmp_path / "pack.toml").write_text(PACK)
    (tmp_path / "a.toml").write_text("line_model = false\n")
    (tmp_path / "b.toml").write_text(f'line_model = false\npacks = ["{tmp_path}/pack.toml"]\n')
    arguments = [
        "compare",
        str(tmp_path / "a.toml"),
        str(tmp_path / "b.toml"),
        str(out.parent / "1.txt"),
    ]
    done = CliRunner().invoke(app, [*arguments, "--json", str(tmp_path / "d.json")])
    assert done.exit_code == 0, done.output
    [change] = json.loads((tmp_path / "d.json").read_text())["lines"]
    assert (change["change"], change["rule"]) == ("now dropped", "boilerplate/try/harbour")
    assert load_settings().out.name == "data"
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("form", FORMS)
def test_every_form_holds_what_was_published(out, tmp_path, form):
    corpus = resolve_corpus(out)
    tables = read_corpus(corpus)
    documents, sentences = tables["documents"], tables["sentences"]
    to = tmp_path / f"corpus.{form}"
    assert export_corpus(corpus, form, to) == (sentences if form == "sentences" else documents).height
    if form == "jsonl":
        found = [json.loads(line) for line in to.read_text().splitlines()]
        assert [one["text"] for one in found] == documents["text"].to_list()
        assert found[0]["signals"]["gopher_word_count"] > 0
    elif form == "sentences":
        found = [json.loads(line)["text"] for line in to.read_text().splitlines()]
        assert found == sentences["text"].to_list()
    elif form == "csv":
        found = pl.read_csv(to)
        assert found["text"].to_list() == documents["text"].to_list()
        assert "gopher_word_count" in found.columns
    elif form == "text":
        for name, text in documents.select("id", "text").iter_rows():
            assert (to / f"{name}.txt").read_text() == text + "\n"
        assert pl.read_csv(to / "index.csv").height == documents.height
    else:
        assert read_corpus(to)["documents"].equals(documents)
        assert (to / "README.md").exists()
    with pytest.raises(OutputError, match="there already"):
        export_corpus(corpus, form, to)
    assert [path for path in tmp_path.iterdir() if "part" in path.name] == []


def test_packed_json_lines(out, tmp_path):
    done = CliRunner().invoke(app, ["export", str(tmp_path / "c.jsonl.gz"), "--out", str(out)])
    assert done.exit_code == 0, done.output
    lines = subprocess.run(
        ["gzip", "-dc", tmp_path / "c.jsonl.gz"], check=True, capture_output=True
    ).stdout
    assert len(lines.splitlines()) == 3
    assert export_corpus(resolve_corpus(out), "jsonl", tmp_path / "c.jsonl.zst") == 3
    assert (tmp_path / "c.jsonl.zst").read_bytes()[:4] == b"\x28\xb5\x2f\xfd"
