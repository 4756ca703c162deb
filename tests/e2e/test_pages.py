"""The pages a person looks at: safe whatever a page holds, whole without a network, readable by all."""

import re

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser

from reinschrift.expectations.report import Result
from reinschrift.expectations.states import PUBLISHED
from reinschrift.expectations.verdict import Verdict
from reinschrift.flows.cli import app
from reinschrift.flows.face.explain import Explained, Passage, explain_page
from reinschrift.flows.reporting.charts import draw_histogram, draw_line
from reinschrift.flows.reporting.explained import group_passages, render_pages
from reinschrift.flows.reporting.facts import Cluster, Example, Facts, Rule, Trend, gather_facts
from reinschrift.flows.reporting.render import render_report
from reinschrift.flows.store.local import Corpus
from reinschrift.flows.store.tables import read_table
from reinschrift.transforms.contracts import SENTENCES
from tests.browser import DESKTOP, PHONE, axe_source, open_browser, violations
from tests.conftest import clean

ALLOWED = {
    "html", "head", "meta", "title", "style", "body", "header", "nav", "ul", "li", "main", "section",
    "h1", "h2", "h3", "p", "a", "code", "div", "span", "strong", "table", "thead", "tbody", "tr", "th",
    "td", "details", "summary", "del", "ins", "br", "small", "mark", "svg", "polyline", "circle", "rect",
    "text", "article", "fieldset", "legend", "label", "input", "-text", "-doctype",
}  # fmt: skip
ATTACKS = (
    "<script>window.pwned = 1</script>",
    "\"><img src=http://127.0.0.1:9/x onerror='window.pwned = 1'>",
    "</style><style>.verdict{display:none}</style>",
    "</title><h1>published: 999 expectations</h1>",
    "{{ 7 * 7 }}{% for x in y %}",
    "javascript:window.pwned=1",
    "<!-- --><svg onload=window.pwned=1>",
    "&lt;script&gt;window.pwned = 1&lt;/script&gt;",
)
TEXT = st.one_of(st.sampled_from(ATTACKS), st.text(max_size=60))


def assert_safe(html):
    """Only our elements, no handler, no address outside the page."""
    tree = LexborHTMLParser(html)
    for node in tree.css("*"):
        assert node.tag in ALLOWED, node.tag
        for name, value in node.attributes.items():
            assert not name.startswith("on"), name
            if name in ("src", "href", "action", "data", "poster"):
                assert value.startswith("#"), value
    style = "".join(node.text() for node in tree.css("style"))
    assert "url(" not in style
    assert "@import" not in style
    assert (
        len(tree.css("style")) == len(tree.css("head > title")) == len(tree.css("meta[http-equiv]")) == 1
    )


def make_facts(text, number=3):
    example = Example(text, text, text, text, text, 0.5)
    cluster = Cluster(0.9, text, text, [(text, True)], [(text, False)])
    return Facts(
        Result(PUBLISHED, Verdict([]), text, text, message=text),
        [{"name": text, "documents": number, "characters kept": number, "share removed": 0.1, "in quarantine": 0}] * 2,
        [Trend(text, text, [0.1, 0.2])],
        [{"step": text, "unit": "block", "units_in": 3, "units_out": 1, "units_dropped": 2, "units_edited": 0}],
        [Rule(text, text, 1, 1, 1, 0, [example])], 3,
        [{"site": text, "documents": 1, "removed": 0.1, "removed_before": 0.2}],
        [(text, 1, 2)],
        [{"source": text, "role": text, "probability": 0.4, "before": text}],
        [{"source": text, "role": text, "probability": 0.6, "text": text}],
        [{"source": text, "page_type": text, "confidence": 0.1, "n_chars": 1, "n_chars_read": 2, "text": text}],
        [cluster],
        [{"name": text, "now": [0.1] * 20, "before": [0.2] * 20, "labels": ("0", "1", "2")}],
        [(text, 0.1, None)],
        [{"source": text, "record": text, "reason": text, "remedy": text}],
        [{"name": text, "what": text, "state": "failed", "found": text, "allowed": text,
          "remedy": text, "rows": [text]}],
    )  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(TEXT)
def test_no_text_becomes_markup_in_the_report(text):
    assert_safe(render_report(make_facts(text)))


@settings(max_examples=60, deadline=None)
@given(TEXT, st.booleans())
def test_no_text_becomes_markup_in_an_explained_page(text, is_kept):
    passages = [Passage(1, text, is_kept, text, "paragraph", "repair", 0.3)] * 5
    names = ("title", "url", "author", "date", "language", "page_type")
    facts = {**dict.fromkeys(names, text), "confidence": 0.5, "n_chars": 3, "n_chars_read": 4}
    assert_safe(render_pages([Explained(text, text, passages, facts)]))


def test_charts_say_their_numbers():
    line = str(draw_line("documents", [1, 3], ["<a>", "now"]))
    assert "<title>&lt;a&gt;: 1</title>" in line
    assert 'aria-label="documents: 1, 3"' in line
    assert str(draw_histogram("words", [0.5] * 20, None, ("0", "1", "2"))).count("<rect") == 20


def test_sentences_make_paragraphs_and_furniture_folds():
    gone = [Passage(n, "Share", False, "boilerplate: a/share", "", "boilerplate") for n in range(3)]
    kept = [Passage(3, "One.", True, "", "paragraph"), Passage(3, "Two.", True, "", "paragraph")]
    run, paragraph, other = group_passages([*gone, *kept, Passage(4, "Three.", True, "", "paragraph")])
    assert run.summary == "3 lines: boilerplate: a/share (3)"
    assert paragraph.texts == ["One.", "Two."]
    assert other.texts == ["Three."]


PROSE = "The harbour was rebuilt in 1921 after the great storm had taken the old pier and its lamps. "


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    pages = folder / "pages"
    pages.mkdir()
    for number, attack in enumerate(ATTACKS):
        text = f"{PROSE}{attack} is what the keeper of the harbour wrote on wall {number}.\nSkip to content\n"
        (pages / f"{number}.txt").write_text(text + attack + "\n", encoding="utf-8")
    (pages / "broken.jsonl").write_text('{"text": \n')
    clean([pages], folder / "out")
    (pages / "more.txt").write_text("A lighthouse needs a keeper who does not sleep at night.\nLog in\n")
    report = clean([pages], folder / "out")
    corpus = Corpus(folder / "out")
    facts = gather_facts(corpus.current.resolve(), corpus, report.result)
    (folder / "report.html").write_text(render_report(facts), encoding="utf-8")
    explained = explain_page(corpus.current.resolve(), "1.txt")
    (folder / "explain.html").write_text(render_pages(explained), encoding="utf-8")
    return folder


def test_the_pages_of_a_hostile_corpus_are_safe_and_small(out):
    for name in ("report.html", "explain.html"):
        html = (out / name).read_text()
        assert_safe(html)
        assert len(html) < 3_000_000
    report = (out / "report.html").read_text()
    assert "since the version before" in report
    assert "broken.jsonl" in report
    assert re.search(r"<h1>published: [^<]*1 in quarantine</h1>", report)


def test_a_refused_run_says_so_first(tmp_path, out):
    report = clean([out / "pages"], tmp_path / "out", strict=True)
    corpus = Corpus(tmp_path / "out")
    html = render_report(gather_facts(corpus.staging, corpus, report.result))
    assert "<h1>refused by strict" in html
    assert "Nothing was published" in html
    assert html.index("refused by strict") < html.index("What changed")


def test_a_failure_shows_rows_pages_and_what_to_do(tmp_path, out):
    own = tmp_path / "own.toml"
    own.write_text(
        '[[expectation]]\nname = "long"\ntable = "documents"\nholds = "n_words > 12"\nwhy = "no stubs"\n'
    )
    report = clean([out / "pages"], tmp_path / "out", expectations=[own])
    corpus = Corpus(tmp_path / "out")
    html = render_report(gather_facts(corpus.staging, corpus, report.result))
    gate = html[html.index('id="gate"') :]
    assert "more.txt" in gate[: gate.index("</tr>", gate.index("own."))]
    assert "What to do: look at the rows" in gate


def test_keeps_and_trends_are_shown(out):
    report = (out / "report.html").read_text()
    assert "Over time: hits for 1,000 pages, by rule" in report
    corpus = Corpus(out / "out")
    sentences = read_table(corpus.current.resolve(), SENTENCES).collect()
    asked = sentences.filter(pl.col("probability").is_not_null())
    assert 0 < asked.height <= sentences.height
    doubtful = asked.sort("probability", "id").row(0, named=True)
    facts = report[report.index("Keeps the models were least sure of") :]
    assert f"{doubtful['probability']:.2f}" in facts


def test_the_command(out, tmp_path):
    from typer.testing import CliRunner

    path = tmp_path / "r.html"
    done = CliRunner().invoke(app, ["report", str(path), "--out", str(out / "out")])
    assert done.exit_code == 0, done.output
    assert "passes the gate" in path.read_text()


@pytest.mark.slow
def test_in_a_browser_nothing_runs_nothing_loads_and_everybody_can_read_it(out, tmp_path):
    with open_browser() as browser:
        axe = axe_source(tmp_path)
        for name in ("report.html", "explain.html"):
            for size in (DESKTOP, PHONE):
                for scheme in ("light", "dark"):
                    context = browser.new_context(viewport=size, color_scheme=scheme, bypass_csp=True)
                    page = context.new_page()
                    asked = []
                    page.on("request", lambda request, asked=asked: asked.append(request.url))
                    page.goto((out / name).as_uri())
                    assert page.evaluate("window.pwned") is None
                    assert asked == [(out / name).as_uri()]
                    wide = page.evaluate("document.documentElement.scrollWidth")
                    assert wide <= size["width"], f"{name} scrolls sideways at {size}"
                    for summary in page.query_selector_all("summary"):
                        summary.click()
                    assert violations(page, axe) == []
                    context.close()
        page = browser.new_page()
        page.goto((out / "explain.html").as_uri())
        gone = page.locator(".step-boilerplate").first
        assert gone.is_visible()
        page.get_by_label("boilerplate").uncheck()
        assert not gone.is_visible()
