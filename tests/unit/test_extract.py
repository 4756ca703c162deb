from pathlib import Path

import polars as pl
import pytest

from reinschrift.transforms.html.extract import extract_with_trafilatura, flatten_pages
from reinschrift.transforms.html.flatten import MAX_TREE_DEPTH, flatten_html, nesting_depth
from tests.conftest import clean_text

PAGE = """<html><head><title>T</title><script>var x = "<p>no</p>";</script></head><body>
<nav><ul><li>Home<li>About</ul></nav>
<h1>The <b>bridge</b></h1><p>One<br>two &amp; three</p>
<table><tr><th>Year</th><th>Span</th></tr><tr><td>1901</td><td>12 m</td></tr></table>
<pre>a = 1
  b = 2</pre><blockquote><p>Quoted</p></blockquote>
<div id="comments"><p>Nice!</p></div></body></html>"""


def test_blocks_and_kinds():
    page = flatten_html(PAGE)
    assert list(zip(page.kinds, page.lines, strict=True)) == [
        ("list_item", "Home"),
        ("list_item", "About"),
        ("heading", "The bridge"),
        ("paragraph", "One"),
        ("paragraph", "two & three"),
        ("table", "Year\tSpan"),
        ("table", "1901\t12 m"),
        ("code", "a = 1"),
        ("code", "  b = 2"),
        ("quote", "Quoted"),
        ("comment", "Nice!"),
    ]


def test_text_in_noscript_counts_where_there_is_no_other():
    page = flatten_html(f"<p>Loading<noscript><p>{'The real text. ' * 100}</p></noscript>")
    assert any(line.startswith("The real text.") for line in page.lines)


@pytest.mark.parametrize("depth", [MAX_TREE_DEPTH + 1, 100_000])
def test_a_page_too_deep_for_a_tree_loses_nothing(depth):
    html = "<p>before</p>" + "<div>" * depth + "deep" + "</div>" * depth + "<p>after &amp; out"
    assert nesting_depth(html) == depth
    assert flatten_html(html).lines == ["before", "deep", "after & out"]


def records(*pages):
    return pl.DataFrame(
        {"page": range(len(pages)), "content": pages},
        schema={"page": pl.UInt32, "content": pl.String},
    )


def test_the_verdict_is_given_by_block():
    html = "<p>Menu</p><p>The bridge was built in 1901 by two brothers.</p><p>Imprint and more links here</p>"
    found = flatten_pages(records(html), lambda _: "The bridge was built in 1901 by two brothers.")
    row = found.row(0, named=True)
    assert row["extracted"] == [False, True, False]
    assert row["skipped"] is None


def test_what_a_page_says_of_itself_hangs_on_no_extractor():
    html = '<title>Bridge</title><meta name="date" content="1991-05-02"><p>Built by two brothers.</p>'
    for extractor in (None, extract_with_trafilatura):
        row = flatten_pages(records(html), extractor).row(0, named=True)
        assert (row["title"], row["date"]) == ("Bridge", "1991-05-02")


def test_lines_are_the_same_without_the_tree():
    with_tree, without = flatten_html(PAGE), flatten_html(PAGE, with_tree=False)
    assert (without.lines, without.kinds) == (with_tree.lines, with_tree.kinds)
    assert without.tree.line_facts
    assert len(without.tree.containers) == 1


def test_an_extractor_that_fails_costs_its_verdict_only():
    def broken(html):
        raise RecursionError("too deep")

    row = flatten_pages(records("<p>Text</p>"), broken).row(0, named=True)
    assert row["lines"] == ["Text"]
    assert row["extracted"] is None
    assert row["skipped"] == "RecursionError: too deep"


@pytest.mark.parametrize("engine", ["trafilatura", "blocks", "none"])
def test_every_engine_gives_one_verdict_a_block(tmp_path, engine):
    page = (Path(__file__).parents[2] / "seeds/sundial-workshop.html").read_text(encoding="utf-8")
    tables = clean_text(tmp_path, page, "page.html", extractor=engine)
    document = tables["documents"].row(0, named=True)
    assert document["title"] or engine == "none"
    rules = set(tables["ledger"].filter(step="extract", action="drop")["rule"])
    assert rules == ({engine} if engine == "trafilatura" else set())
    judged = tables["ledger"].filter(step="boilerplate", rule="line-model")
    assert judged.is_empty() == (engine != "blocks")
    assert len(document["text"]) > 3000
