"""Every report says what became of the corpus in the same words, failures first, safe for any content."""

import json
import re
from xml.etree import ElementTree as ET

import pytest
from junitparser import JUnitXml

from reinschrift.expectations.report import (
    Result,
    describe,
    summarise,
    write_json,
    write_junit,
)
from reinschrift.expectations.states import (
    NOTHING_TO_READ,
    PUBLISHED,
    REFUSED_BY_GATE,
    REFUSED_BY_STRICT,
    SOUND,
    UNSOUND,
)
from reinschrift.expectations.verdict import Finding, Verdict
from reinschrift.flows.checking import check_corpus
from reinschrift.flows.cli import _reported
from reinschrift.flows.config import load_settings
from reinschrift.flows.face.console import show_report
from reinschrift.flows.run import NothingToReadError, UnreadableError
from tests.conftest import LawsGate, clean

TEXT = "Die Brücke über den Fluss wurde im 19. Jahrhundert gebaut.\nSkip to content\n"
NEVER = '[[expectation]]\nname = "never"\ntable = "documents"\nholds = "false"\nwhy = "nothing holds"\n'


@pytest.fixture
def pages(tmp_path):
    folder = tmp_path / "pages"
    folder.mkdir()
    (folder / "good.txt").write_text(TEXT)
    return folder


def published(pages, tmp_path):
    return clean([pages], tmp_path / "out").result, 0


def with_quarantine(pages, tmp_path):
    (pages / "empty.txt").touch()
    report = clean([pages], tmp_path / "out")
    return report.result, report.exit_code - 3


def by_strict(pages, tmp_path):
    (pages / "empty.txt").touch()
    report = clean([pages], tmp_path / "out", strict=True)
    return report.result, report.exit_code


def by_the_gate(pages, tmp_path):
    (tmp_path / "own.toml").write_text(NEVER)
    report = clean([pages], tmp_path / "out", expectations=(tmp_path / "own.toml",))
    return report.result, report.exit_code


def without_a_page(pages, tmp_path):
    (pages / "good.txt").write_text("\n")
    report = clean([pages], tmp_path / "out")
    return report.result, report.exit_code


def without_a_name(pages, tmp_path):
    return Result(NOTHING_TO_READ, Verdict([]), "", message="gone.txt: no such file"), 2


def checked(pages, tmp_path):
    clean([pages], tmp_path / "out")
    return check_corpus(tmp_path / "out", load_settings(), open_gate=LawsGate), 0


def check_failed(pages, tmp_path):
    clean([pages], tmp_path / "out")
    next((tmp_path / "out" / "corpus").resolve().rglob("*.parquet")).write_bytes(b"PAR1")
    return check_corpus(tmp_path / "out", load_settings(), open_gate=LawsGate), 1


OUTCOMES = {
    published: PUBLISHED,
    with_quarantine: PUBLISHED,
    by_strict: REFUSED_BY_STRICT,
    by_the_gate: REFUSED_BY_GATE,
    without_a_page: NOTHING_TO_READ,
    without_a_name: NOTHING_TO_READ,
    checked: SOUND,
    check_failed: UNSOUND,
}


@pytest.mark.parametrize("make", OUTCOMES, ids=lambda make: make.__name__)
def test_every_report_says_the_same_as_the_exit_code(make, pages, tmp_path):
    result, code = make(pages, tmp_path)
    assert result.state == OUTCOMES[make]
    assert result.is_good == (code == 0)
    markdown = summarise(result)
    assert markdown.startswith(f"## Corpus {result.state}")
    write_junit(result, tmp_path / "junit.xml")
    suites = JUnitXml.fromfile(str(tmp_path / "junit.xml"))
    assert (sum(suite.failures for suite in suites) == 0) == (code == 0)
    states = {p.value for suite in suites for p in suite.properties() if p.name == "state"}
    assert states == {result.state}
    write_json(result, tmp_path / "told.json")
    assert json.loads((tmp_path / "told.json").read_text())["state"] == result.state
    assert not re.search(r"\bpassed\b", markdown)


def test_the_terminal_says_it_too(pages, tmp_path):
    import io

    from rich.console import Console

    (pages / "empty.txt").touch()
    said = io.StringIO()
    show_report(clean([pages], tmp_path / "out", strict=True), Console(file=said, width=200))
    last = said.getvalue().strip().splitlines()[-1]
    assert last.startswith("refused by strict: 1 failure")
    assert last.endswith("the old corpus stands")


@pytest.mark.parametrize("error", [NothingToReadError, UnreadableError])
def test_a_run_that_ends_with_an_error_leaves_reports(tmp_path, error):
    paths = [tmp_path / name for name in ("junit.xml", "summary.md", "told.json")]
    with pytest.raises(error), _reported(*paths):
        raise error("gone.txt: no such file", "check the path")
    assert JUnitXml.fromfile(str(paths[0])).failures == 1
    assert paths[1].read_text().startswith("## Corpus nothing to read")
    assert "gone.txt" in paths[2].read_text()


EVIL = (
    "</failure>]]>\ufffe\uffff\x00\x1b[31m\u202e <script>alert(1)</script> @everyone `code` | cell\r\n"
    "[link](https://evil.example) ![img](x) # head *b* _i_ \U0001fffe"
)


def evil():
    row = {"source": EVIL, "text": EVIL}
    finding = Finding("documents", "documents.text", EVIL, False, EVIL, EVIL, [row], remedy=EVIL)
    import polars as pl

    quarantine = pl.DataFrame({name: [EVIL] for name in ("source", "record", "reason", "remedy")})
    return Result(REFUSED_BY_GATE, Verdict([finding]), EVIL, quarantine=quarantine, message=EVIL)


def test_junit_holds_any_content(tmp_path):
    write_junit(evil(), tmp_path / "junit.xml")
    root = ET.parse(tmp_path / "junit.xml").getroot()
    assert root.find(".//failure") is not None
    text = (tmp_path / "junit.xml").read_text(encoding="utf-8")
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\U0001fffe]", text)


def test_markdown_shows_any_content_as_it_is():
    markdown = summarise(evil())
    outside = re.sub(r"`[^`\n]*`", "", markdown)
    assert "<script" not in outside
    assert "@everyone" not in outside
    assert "](" not in outside.replace("\\](", "").replace("\\]", "")
    assert "https://" not in outside
    assert not re.search("[\x00-\x08\x1b\u202e]", markdown)
    rows = [line for line in markdown.splitlines() if line.startswith("| `")]
    assert len(rows) == 1
    assert len(re.findall(r"(?<!\\)\|", rows[0])) == 5


def test_a_failure_is_one_line_that_says_what_where_and_what_to_do(pages, tmp_path):
    result, _ = check_failed(pages, tmp_path)
    line = describe(result.causes[0], result.verdict.followers(result.causes[0]))
    assert "\n" not in line
    for part in ("seal.files: ", "found: ", "allowed: ", "on ", "what to do: "):
        assert part in line


def test_failures_come_first_and_fit_a_screen(pages, tmp_path):
    result, _ = by_the_gate(pages, tmp_path)
    lines = summarise(result).splitlines()
    assert lines[2].startswith("- **failed** `own.never`")
    assert next(n for n, line in enumerate(lines) if "<details>" in line) < 25


def test_names_and_durations_are_in_junit(pages, tmp_path):
    result, _ = published(pages, tmp_path)
    write_junit(result, tmp_path / "junit.xml")
    cases = [case for suite in JUnitXml.fromfile(str(tmp_path / "junit.xml")) for case in suite]
    assert {case.name for case in cases} >= {
        "documents.n-words",
        "conservation.blocks",
        "sanity.language",
    }
    assert sum(case.time for case in cases) > 0
    assert len(cases) == len({(case.classname, case.name) for case in cases})
