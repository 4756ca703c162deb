"""Today's figures against those of the versions before: silent while nothing is wrong, else by name."""

import copy
import json
from pathlib import Path

import pytest

from reinschrift.expectations.history import judge_history
from reinschrift.flows.store.history import past_figures
from reinschrift.flows.store.local import Corpus
from tests.conftest import clean

SEEDS = Path(__file__).parents[2] / "seeds"
STORIES = {
    "de": "Im Jahr {n} trug der Müller die Säcke über die Brücke, und der Fluss stieg über Nacht.",
    "en": "In {n} the miller carried the sacks across the bridge, and the river rose in the night.",
}
FURNITURE = "Home\nContact us\nPrivacy Policy\nShare on Facebook\n"


@pytest.fixture(scope="module")
def figures(tmp_path_factory):
    """Of the seeds, and of a site with more pages than any of theirs."""
    found = clean([SEEDS], tmp_path_factory.mktemp("seeds") / "out").verdict.figures
    return {**found, "sites": {**found["sites"], "large.example": [40, 90_000, 120_000]}}


def warned(today, before, **thresholds):
    return {one.name: one for one in judge_history(today, before, thresholds) if not one.holds}


def test_the_first_runs_are_silent(figures):
    ruined = {**figures, "documents": 1}
    assert list(judge_history(ruined, [figures] * 2, {})) == []
    assert warned(ruined, [figures] * 3)


def test_what_did_not_change_is_no_warning(figures):
    assert warned(figures, [figures] * 5) == {}


def ruin(figures, *path, to):
    changed = copy.deepcopy(figures)
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = to(inner.get(path[-1]))
    return changed


RUINED = [
    (("documents",), lambda n: n // 2, "history.documents", "4 after 8"),
    (("chars",), lambda n: n // 2, "history.kept", "kept"),
    (("languages",), lambda _: {"en": 8}, "history.languages", "de: 0 after"),
    (("kinds", "paragraph"), lambda n: n // 2, "history.kinds", "paragraph"),
    (("present", "title"), lambda _: 0, "history.present", "title: 0"),
    (("signals_present", "gopher_word_count"), lambda _: 0, "history.present", "gopher_word_count: 0"),
    (("quarantine",), lambda _: 8, "history.quarantine", "quarantined: 0.5"),
    (("sentences",), lambda n: n // 3, "history.means", "sentences a document"),
    (("rules", "boilerplate/line-model"), lambda _: 0, "history.rules", "line-model: 0 hits after about"),
    (("rules", "repair/doubled-button"), lambda _: 90, "history.rules", "doubled-button: 90 hits after about 5"),
    (("steps", "boilerplate/block", "chars_dropped"), lambda n: n * 3, "history.steps", "boilerplate/block"),
    (("sites", "large.example"), lambda n: [n[0], n[1] // 3, n[2]], "history.sites", "large.example"),
]  # fmt: skip


@pytest.mark.parametrize("ruined", RUINED, ids=lambda one: "-".join(one[0]))
def test_what_changed_is_a_warning_by_name(figures, ruined):
    path, to, name, found = ruined
    before = [{**figures, "inputs": "same"}] * 4
    names = warned({**ruin(figures, *path, to=to), "inputs": "same"}, before)
    assert found in names[name].found
    assert names[name].severity == "warn"


def test_thresholds_can_be_set(figures):
    fewer = ruin(figures, "documents", to=lambda n: n // 2)
    before = [figures] * 4
    assert "history.documents" in warned(fewer, before)
    assert "history.documents" not in warned(fewer, before, **{"history.shrink": 0.4})


def test_forty_growing_runs_warn_of_nothing(tmp_path):
    """A page more in each, in one language or the other, long and short, with and without furniture."""
    pages = tmp_path / "pages"
    pages.mkdir()
    for n in range(40):
        story = STORIES["en" if n % 3 else "de"]
        lines = [story.format(n=1500 + 40 * n + k) for k in range(3 + n % 7)]
        text = "\n".join(lines) + "\n" + (FURNITURE if n % 4 else "")
        (pages / f"{n}.txt").write_text(text)
        report = clean([pages], tmp_path / "out", keep_versions=2)
        assert report.state == "published", report.result.causes
        assert [cause for cause in report.result.causes if cause.name.startswith("history.")] == []
    assert len(past_figures(Corpus(tmp_path / "out"), _digest(tmp_path), 100)) == 40


def _digest(tmp_path):
    lines = (tmp_path / "out" / ".reinschrift" / "history.jsonl").read_text().splitlines()
    return json.loads(lines[-1])["settings"]


def test_what_was_rolled_back_is_no_part_of_the_past(tmp_path):
    page = tmp_path / "a.txt"
    corpus = Corpus(tmp_path / "out")
    for n in range(3):
        page.write_text("\n".join(STORIES["de"].format(n=1900 + k) for k in range(n + 1)))
        clean([page], tmp_path / "out")
    corpus.rollback(corpus.versions()[0])
    assert [f["sentences"] for f in past_figures(corpus, _digest(tmp_path), 9)] == [1]
    page.write_text("\n".join(STORIES["de"].format(n=1900 + k) for k in range(7)))
    clean([page], tmp_path / "out")
    assert [f["sentences"] for f in past_figures(corpus, _digest(tmp_path), 9)] == [1, 7]
    clean([page], tmp_path / "out", min_repeat_chars=5)
    assert len(past_figures(corpus, _digest(tmp_path), 9)) == 1
