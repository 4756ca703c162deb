"""Nothing changed, nothing done; whatever may have changed is looked at again."""

import os

import pytest

from reinschrift.flows import run as running
from reinschrift.flows.config import load_settings
from reinschrift.flows.ports import InProcessMapper
from reinschrift.flows.run import run_plan
from reinschrift.flows.sources import known_files
from reinschrift.flows.sources.inputs import find_inputs
from reinschrift.flows.sources.known_files import KnownFiles
from tests.conftest import LawsGate, Quiet

TEXT = "The harbour was rebuilt in 1921 after the great storm had taken the old pier.\n"
OWN = '[[expectation]]\nname = "long"\ntable = "documents"\nholds = "n_words > {}"\nwhy = "no stubs"\n'


@pytest.fixture
def pages(tmp_path, monkeypatch):
    folder = tmp_path / "pages"
    folder.mkdir()
    (folder / "one.txt").write_text(TEXT)
    (folder / "two.txt").write_text("A lighthouse needs a keeper who does not sleep.\n")
    (tmp_path / "own.toml").write_text(OWN.format(3))
    monkeypatch.setattr(known_files, "COARSE_NS", 0)
    return folder


class CountingGate(LawsGate):
    """Counts how often a corpus was judged."""

    judged = 0

    def judge(self, corpus, terms):
        type(self).judged += 1
        return super().judge(corpus, terms)


def judged_again(pages, **settings):
    """Whether a run judges; it publishes in any case."""
    CountingGate.judged = 0
    out = pages.parent / "out"
    own = [pages.parent / "own.toml"]
    given = load_settings(out=out, **{"expectations": own, "line_model": False, **settings})
    report = run_plan([str(pages)], given, InProcessMapper(), Quiet(), CountingGate)
    assert report.version
    assert report.verdict.findings
    assert report.is_unchanged or CountingGate.judged
    return bool(CountingGate.judged)


def test_a_run_like_the_last_one_reads_and_judges_nothing(pages):
    assert judged_again(pages)
    assert not judged_again(pages)
    assert not judged_again(pages, workers=3)


def _touch(pages):
    (pages / "one.txt").write_text(TEXT.replace("1921", "1922"))


def _add(pages):
    (pages / "three.txt").write_text("Nobody had told the gulls about the new timetable.\n")


def _remove(pages):
    (pages / "two.txt").unlink()


def _expect_more(pages):
    (pages.parent / "own.toml").write_text(OWN.format(4))


def _damage(pages):
    path = next((pages.parent / "out" / "corpus").rglob("documents/*/*.parquet"))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _lose(pages):
    next((pages.parent / "out" / "corpus").rglob("sentences/*/*.parquet")).unlink()


def _answer(pages):
    folder = pages.parent / "out" / "review"
    folder.mkdir()
    (folder / "keep.toml").write_text(
        '[pack]\nname = "own"\nwhy = "a test"\n[[rule]]\nid = "a"\nkind = "exact"\npattern = "Log in"\n'
        'why = "a button"\nremoves = ["Log in"]\nkeeps = ["Other"]\n'
    )


@pytest.mark.parametrize(
    "change",
    [_touch, _add, _remove, _expect_more, _damage, _lose, _answer],
    ids=lambda one: one.__name__,
)
def test_whatever_changes_is_looked_at(pages, change):
    judged_again(pages)
    change(pages)
    assert judged_again(pages)
    assert not judged_again(pages)


@pytest.mark.parametrize(
    "setting",
    [
        {"verify": True},
        {"min_repeat_chars": 26},
        {"thresholds": {"history.share": 0.2}},
        {"replay_pages": 7},
    ],
    ids=str,
)
def test_other_settings_are_other_runs(pages, setting):
    judged_again(pages)
    assert judged_again(pages, **setting)


def test_another_program_judges_again(pages, monkeypatch):
    judged_again(pages)
    monkeypatch.setattr("reinschrift.flows.unchanged.program_version", lambda: "another")
    assert judged_again(pages)


def test_what_may_pass_is_tried_again(pages):
    judged_again(pages)
    last = running.read_last_run(running.Corpus(pages.parent / "out"))
    assert last is not None
    running.write_last_run(
        running.Corpus(pages.parent / "out"),
        running.replace(last, stages=[f"{name}-passing" for name in last.stages]),
    )
    assert judged_again(pages)


def _digest(pages, known):
    return find_inputs([str(pages)], 1 << 20, known=known)


def test_a_file_nobody_touched_is_not_read(pages, tmp_path, monkeypatch):
    known = KnownFiles("here")
    first = _digest(pages, known)
    known.write(tmp_path / "inputs.jsonl")
    again = KnownFiles.read(tmp_path / "inputs.jsonl", "here")
    monkeypatch.setattr("reinschrift.flows.sources.inputs.plan_cuts", None)
    assert _digest(pages, again) == first
    with pytest.raises(TypeError):
        _digest(pages, KnownFiles.read(tmp_path / "inputs.jsonl", "elsewhere"))


def test_the_same_size_and_time_do_not_hide_another_content(pages, tmp_path):
    known = KnownFiles("here")
    first = _digest(pages, known)
    known.write(tmp_path / "inputs.jsonl")
    path = pages / "one.txt"
    times = path.stat()
    path.write_text(TEXT.replace("1921", "1922"))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert _digest(pages, KnownFiles.read(tmp_path / "inputs.jsonl", "here")).digest != first.digest


def test_a_file_written_while_it_was_hashed_is_not_trusted(pages, tmp_path, monkeypatch):
    monkeypatch.setattr(known_files, "COARSE_NS", 2_000_000_000)
    known = KnownFiles("here")
    _digest(pages, known)
    known.write(tmp_path / "inputs.jsonl")
    again = KnownFiles.read(tmp_path / "inputs.jsonl", "here")
    path = pages / "one.txt"
    assert again.recall(path, str(path), path.stat()) is None


@pytest.mark.parametrize(
    "damage", ["", "{", '"here"\n[1]\n', '"here"\n["x", 1]\n', '"here"\nnull\n', "\x00"]
)
def test_damaged_notes_are_as_none(tmp_path, damage):
    (tmp_path / "inputs.jsonl").write_text(damage)
    known = KnownFiles.read(tmp_path / "inputs.jsonl", "here")
    assert known.recall(tmp_path / "x", "x", (tmp_path / "inputs.jsonl").stat()) is None
