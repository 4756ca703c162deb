"""Versions beside each other: what is listed, what changed, what can be made again."""

import json

import pytest

from reinschrift.expectations.states import REFUSED_BY_GATE
from reinschrift.flows.comparing.difference import NOW_DROPPED, NOW_KEPT, OTHER_RULE, compare_corpora
from reinschrift.flows.comparing.reproduction import foretell, make_again
from reinschrift.flows.comparing.versions import (
    describe_refusals,
    describe_versions,
    find_version,
    two_versions,
)
from reinschrift.flows.config import load_settings
from reinschrift.flows.face.differences import print_lines, write_json, write_markdown
from reinschrift.flows.ports import InProcessMapper
from reinschrift.flows.store.local import Corpus, OutputError
from tests.conftest import Quiet, clean, file_hashes

KEPT = "The harbour was rebuilt in 1921 after the great storm had taken the old pier."
ADVERT = "The finest anchors are sold by the house of Bellweather and Sons."
PACK = f"""
[pack]
name = "harbour"
why = "a test"
[[rule]]
id = "anchors"
kind = "exact"
pattern = "{ADVERT}"
why = "an advertisement"
removes = ["{ADVERT}"]
keeps = ["{KEPT}"]
"""
QUIET = {"line_model": False, "quality": "off"}


@pytest.fixture
def pages(tmp_path):
    folder = tmp_path / "pages"
    folder.mkdir()
    (folder / "harbour.txt").write_text(f"{KEPT}\n{ADVERT}\n", encoding="utf-8")
    (folder / "stays.txt").write_text("A lighthouse needs a keeper who does not sleep.\n")
    (tmp_path / "pack.toml").write_text(PACK, encoding="utf-8")
    return folder


def _published(tmp_path, pages, **settings):
    report = clean([pages], tmp_path / "out", **{**QUIET, **settings})
    assert report.version
    return report.version


def test_versions_say_when_what_and_why(tmp_path, pages):
    first = _published(tmp_path, pages)
    second = _published(tmp_path, pages, packs=[tmp_path / "pack.toml"])
    (pages / "third.txt").write_text("Nobody had told the gulls about the new timetable.\n")
    third = _published(tmp_path, pages, packs=[tmp_path / "pack.toml"])
    found = describe_versions(Corpus(tmp_path / "out"))
    assert [one.name for one in found] == [first, second, third]
    assert [one.why for one in found] == ["first", "other settings", "other inputs"]
    assert [one.documents for one in found] == [2, 2, 3]
    assert [one.is_current for one in found] == [False, False, True]
    assert found[0].chars - found[1].chars == len(ADVERT) + 1
    assert all(one.date and one.size and one.verdict.startswith("passed") for one in found)


def test_a_refused_run_is_listed_with_what_failed(tmp_path, pages):
    _published(tmp_path, pages)
    (pages / "third.txt").write_text("Nobody had told the gulls about the new timetable.\n")
    refused = clean([pages], tmp_path / "out", **QUIET, severity={"sanity.*": "error"},
                    thresholds={"sanity.repeats": -1.0})  # fmt: skip
    assert refused.version is None
    [one] = describe_refusals(Corpus(tmp_path / "out"))
    assert (one.state, one.documents, one.is_current) == (REFUSED_BY_GATE, 3, False)
    assert one.verdict == "refused by the gate: sanity.repeats"
    assert len(describe_versions(Corpus(tmp_path / "out"))) == 1


def test_unchanged_files_are_shared_and_survive_the_oldest(tmp_path, pages):
    _published(tmp_path, pages, keep_versions=2)
    second = _published(tmp_path, pages, min_repeat_chars=26, keep_versions=2)
    found = describe_versions(Corpus(tmp_path / "out"))
    assert found[1].shared > found[1].size / 2
    hashes = _of_tables(tmp_path / "out" / "corpus")
    for chars in (27, 28):
        _published(tmp_path, pages, min_repeat_chars=chars, keep_versions=2)
    corpus = Corpus(tmp_path / "out")
    assert second not in corpus.versions()
    assert _of_tables(corpus.current) == hashes


def _of_tables(corpus):
    """Hashes of the tables' files; the card names the settings."""
    return sorted(found for path, found in file_hashes(corpus).items() if path.endswith(".parquet"))


def test_a_difference_names_rule_line_and_site(tmp_path, pages):
    _published(tmp_path, pages)
    _published(tmp_path, pages, packs=[tmp_path / "pack.toml"])
    corpus = Corpus(tmp_path / "out")
    found = compare_corpora(*two_versions(corpus, None, None))
    assert found.documents == {"came": 0, "went": 0, "changed": 1, "same": 1}
    [change] = found.lines
    assert (change.change, change.rule) == (NOW_DROPPED, "boilerplate/harbour/anchors")
    assert change.examples == [(str(pages / "harbour.txt"), ADVERT)]
    assert found.sites == [{"site": "no site", "now_dropped": 1, "now_kept": 0}]
    assert found.languages == [{"language": "en", "now_dropped": 1, "now_kept": 0}]
    assert list(found.settings) == ["packs"]
    back = compare_corpora(*two_versions(corpus, "2", "1"))
    assert [(one.change, one.rule) for one in back.lines] == [(NOW_KEPT, "boilerplate/harbour/anchors")]


def test_another_rule_for_the_same_line(tmp_path, pages):
    _published(tmp_path, pages, packs=[tmp_path / "pack.toml"])
    (tmp_path / "pack.toml").write_text(PACK.replace('id = "anchors"', 'id = "adverts"'))
    _published(tmp_path, pages, packs=[tmp_path / "pack.toml"])
    found = compare_corpora(*two_versions(Corpus(tmp_path / "out"), None, None))
    assert [(one.change, one.lines) for one in found.lines] == [(OTHER_RULE, 1)]
    assert found.documents["same"] == 2


def test_pages_that_come_and_go_are_no_changed_lines(tmp_path, pages):
    _published(tmp_path, pages, packs=[tmp_path / "pack.toml"])
    (pages / "harbour.txt").unlink()
    (pages / "new.txt").write_text("The mayor opened the bridge with a pair of garden shears.\n")
    _published(tmp_path, pages, packs=[tmp_path / "pack.toml"])
    found = compare_corpora(*two_versions(Corpus(tmp_path / "out"), None, None))
    assert (found.documents["came"], found.documents["went"]) == (1, 1)
    assert [one.change for one in found.lines] == ["dropped, no longer read"]
    assert found.sites == []


def test_equal_versions_do_not_differ(tmp_path, pages):
    _published(tmp_path, pages)
    current = Corpus(tmp_path / "out").current.resolve()
    found = compare_corpora(current, current)
    assert found.is_empty
    assert "no line is treated otherwise" in "\n".join(print_lines(found))


def test_a_page_cannot_break_out_of_the_reports(tmp_path, pages):
    evil = "<script>alert(1)</script> | `x` @everyone \x1b[31m told of the finest anchors in town."
    (pages / "evil.txt").write_text(evil + "\n", encoding="utf-8")
    _published(tmp_path, pages)
    pack = PACK.replace(f'pattern = "{ADVERT}"', 'pattern = "@everyone"').replace("exact", "contains")
    pack = pack.replace(f'removes = ["{ADVERT}"]', 'removes = ["To @everyone in town"]')
    (tmp_path / "pack.toml").write_text(pack)
    _published(tmp_path, pages, packs=[tmp_path / "pack.toml"])
    found = compare_corpora(*two_versions(Corpus(tmp_path / "out"), None, None))
    assert len(found.lines) == 1
    markdown = write_markdown(found)
    cells = [line for line in markdown.splitlines() if "script" in line]
    assert len(cells) == 1
    assert cells[0].count("`") == 4  # two cells of code, whatever they hold
    assert "\x1b" not in markdown + "\n".join(print_lines(found))
    assert json.loads(write_json(found))["lines"][0]["lines"] == 1


def test_a_version_is_found_by_number_name_and_folder(tmp_path, pages):
    version = _published(tmp_path, pages)
    corpus = Corpus(tmp_path / "out")
    folder = corpus.versions_folder / version
    for name in ("1", "000001", version):
        assert find_version(corpus, name) == folder
    assert find_version(corpus, str(corpus.out)) == folder.resolve()
    with pytest.raises(OutputError, match="no version 7"):
        find_version(corpus, "7")
    with pytest.raises(OutputError, match="no version before"):
        two_versions(corpus, None, None)


def test_whether_a_version_can_be_made_again(tmp_path, pages):
    version = _published(tmp_path, pages)
    folder = Corpus(tmp_path / "out").versions_folder / version
    settings = load_settings(out=tmp_path / "out", replay_pages=0, **QUIET)
    assert foretell(folder, [str(pages)], settings).differences == []
    made = make_again(folder, [str(pages)], settings, InProcessMapper(), Quiet())
    assert (made.differences, made.is_whole) == ([], True)
    other = settings.model_copy(update={"min_repeat_chars": 30})
    assert foretell(folder, [str(pages)], other).differences == [
        "setting min_repeat_chars: 25 then, 30 now"
    ]
    (pages / "stays.txt").write_text("A lighthouse needs a keeper who reads at night.\n")
    assert "the inputs are others" in foretell(folder, [str(pages)], settings).differences[0]
    made = make_again(folder, [str(pages)], settings, InProcessMapper(), Quiet())
    assert any(line.startswith("documents/") for line in made.differences)


def test_pages_taken_down_since_are_named(tmp_path, pages):
    version = _published(tmp_path, pages)
    corpus = Corpus(tmp_path / "out")
    folder = corpus.versions_folder / version
    from reinschrift.flows.store.removals import add_removal

    add_removal(str(pages / "stays.txt"), "2026-01-01", "asked")(corpus, None)
    settings = load_settings(out=tmp_path / "out", **QUIET)
    [why] = foretell(folder, [str(pages)], settings).differences
    assert "taken down" in why


def test_a_version_that_was_killed_before_it_was_noted_is_noted_by_the_next_run(tmp_path, pages):
    _published(tmp_path, pages)
    _published(tmp_path, pages, min_repeat_chars=26)
    corpus = Corpus(tmp_path / "out")
    before = describe_versions(corpus)
    history = corpus.home / "history.jsonl"
    history.write_text(history.read_text().splitlines()[0] + "\n")
    _published(tmp_path, pages, min_repeat_chars=26)
    again = describe_versions(corpus)
    assert [(one.name, one.why) for one in again] == [(one.name, one.why) for one in before]
