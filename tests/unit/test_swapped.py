"""Functions swapped for broken ones: what no law of the tables sees, sanity, replay or history does."""

import shutil
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.conftest import clean

SEEDS = Path(__file__).parents[2] / "seeds"


@pytest.fixture
def swap(monkeypatch):
    """Put another function in the place of one, wherever it was imported."""

    def change(name, make):
        found = False
        for module in [m for n, m in sys.modules.items() if n.startswith("reinschrift.")]:
            if name in vars(module) and not module.__name__.startswith("reinschrift.expectations"):
                monkeypatch.setattr(module, name, make(getattr(module, name)))
                found = True
        assert found, f"nothing is called {name}"

    return change


def no_repeats(_find):
    return lambda *_: (np.empty(0, np.int64), np.empty(0, np.int64))


def all_english(mark):
    def wrong(blocks, *arguments):
        english = {"language": pl.lit("en"), "page_language": pl.lit("en")}
        return mark(blocks, *arguments).with_columns(**english)

    return wrong


def never_split(split):
    def wrong(blocks):
        cut = split(blocks)
        text = pl.concat_str(
            pl.when(pl.col("sentence") == 0).then(pl.lit("")).otherwise(pl.col("lead")), "text"
        )
        whole = cut.with_columns(text=text).group_by("page", "block", maintain_order=True)
        return whole.agg(
            pl.col("sentence", "start", "lead").first(),
            pl.col("end").last(),
            pl.col("text").str.join(""),
        ).select(cut.columns)

    return wrong


def odd_blocks_dropped(judge):
    def wrong(blocks, *arguments):
        judged = judge(blocks, *arguments)
        odd = pl.col("block") % 2 == 1
        dropped = judged.blocks.with_columns(
            action=pl.when(odd).then(pl.lit("drop")).otherwise("action"),
            rule=pl.when(odd).then(pl.lit("line-model")).otherwise("rule"),
            probability=pl.when(odd).then(pl.lit(0.1)).otherwise("probability"),
        )
        return judged._replace(blocks=dropped)

    return wrong


def no_flags(_flags):
    return lambda *_: pl.lit(["no-such-rule"]).list.head(0)


def no_templates(_find):
    return lambda keys, _: keys.filter(False).select("position", pages=1)


ON_A_FIRST_RUN = [
    ("find_repeats", no_repeats, "repeats.none-kept"),
    ("mark_language", all_english, "sanity.language"),
    ("split_sentences", never_split, "sanity.sentences-split"),
    ("judge_blocks", odd_blocks_dropped, "sanity.prose-kept"),
]


@pytest.mark.parametrize(
    ("name", "make", "says"), ON_A_FIRST_RUN, ids=[name for name, *_ in ON_A_FIRST_RUN]
)
def test_a_first_run_with_a_swapped_function_is_refused(swap, tmp_path, name, make, says):
    swap(name, make)
    report = clean([SEEDS], tmp_path / "out")
    assert report.state == "refused by the gate"
    assert says in [cause.name for cause in report.result.causes]


@pytest.mark.parametrize("name", ["mark_language", "judge_blocks"])
def test_reading_again_in_a_fresh_process_sees_it_too(swap, tmp_path, name):
    swap(name, {n: m for n, m, _ in ON_A_FIRST_RUN}[name])
    report = clean([SEEDS], tmp_path / "out", replay_pages=8)
    failed = {finding.name for finding in report.verdict.failures}
    column = {"mark_language": "documents.language", "judge_blocks": "ledger.rows"}[name]
    assert f"replay.{column}" in failed


@pytest.fixture
def site(tmp_path):
    """Pages of a site with a line of its template on each."""
    folder = tmp_path / "site"
    folder.mkdir()
    for n in range(30):
        story = " ".join(
            f"Im Jahr {1900 + n} trug der Müller {n * k} Säcke über die Brücke Nummer {k}."
            for k in range(3, 9)
        )
        page = f"<html><head><title>Seite {n}</title></head><body><p>{story}</p>"
        page += "<p>Ein Dienst des Heimatvereins am Fluss.</p></body></html>"
        (folder / f"{n}.html").write_text(page)
    rows = [{"url": f"https://mill.example/{p.stem}", "html": p.read_text()} for p in folder.iterdir()]
    pl.DataFrame(rows).sort("url").write_ndjson(tmp_path / "site.jsonl")
    return tmp_path / "site.jsonl"


def runs(site, out, count):
    """So many runs, each with a page more: one that changes nothing publishes no version."""
    more = site.parent / "more"
    more.mkdir()
    for n in range(count):
        (more / f"{n}.txt").write_text(f"Die {n + 2}. Seite erzählt von einer anderen Brücke am Fluss.")
        report = clean([site, more], out)
        assert report.state == "published"
        assert report.result.causes == []
    return [site, more]


AFTER_SOME_RUNS = [
    ("find_templates", no_templates, "history.rules"),
    ("quality_flags", no_flags, "documents.flags-of-signals"),
]  # fmt: skip


@pytest.mark.parametrize("swapped", AFTER_SOME_RUNS, ids=[one[0] for one in AFTER_SOME_RUNS])
def test_after_some_runs_history_sees_what_no_law_does(swap, site, tmp_path, swapped):
    name, make, says = swapped
    inputs = runs(site, tmp_path / "out", 3)
    swap(name, make)
    report = clean(inputs, tmp_path / "out", verify=True)
    causes = {cause.name: cause for cause in report.result.causes}
    assert says in causes, causes.keys()
    if says == "history.rules":
        assert "templates/recurs-on-site: 0 hits after about 3" in causes[says].found


def test_titles_that_are_no_longer_found_are_missed(swap, site, tmp_path):
    inputs = runs(site, tmp_path / "out", 3)
    shutil.rmtree(tmp_path / "out" / ".reinschrift" / "stages")
    swap("flatten_pages", lambda flat: lambda *a: flat(*a).with_columns(title=pl.lit(None, pl.String)))
    causes = {
        cause.name: cause.found for cause in clean(inputs, tmp_path / "out", verify=True).result.causes
    }
    assert "title: 0 after 0.9" in causes["history.present"]
