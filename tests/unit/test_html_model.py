import polars as pl
import pytest

from reinschrift.transforms.boilerplate.features import Pages
from reinschrift.transforms.boilerplate.html_model import keep_lines
from reinschrift.transforms.boilerplate.lines import scan_lines
from reinschrift.transforms.html.flatten import MAX_TREE_DEPTH, flatten_html
from reinschrift.transforms.html.page_tree import CONTAINER_FACTS, LINE_FACTS, MARK_BITS, element_marks

SENTENCE = (
    "The old bridge over the river was built in 1901 by two brothers, and it still carries trams. "
)
ARTICLE = f"""<html><body>
<nav class="menu"><ul><li><a href="/">Home</a><li><a href="/a">About us</a><li><a href="/c">Contact</a></ul></nav>
<main><article class="post-content"><h1>The bridge</h1>
{"".join(f"<p>{SENTENCE * 3}</p>" for _ in range(8))}
</article><aside class="related"><h3>Related stories</h3>
<ul><li><a href="/1">Ten bridges you should see</a><li><a href="/2">Why trams came back</a></ul></aside></main>
<footer class="site-footer"><p>© 2024 Example. All rights reserved.</p><p>***</p></footer></body></html>"""
FORUM = f"""<div id="comments">{"".join(f'<div class="comment"><b>user{n}</b><p>{SENTENCE}<br>{SENTENCE}</p></div>' for n in range(9))}</div>"""
TABLE = "<table><tr><th>Year</th><th>Span</th></tr><tr><td>1901</td><td><p>12 m</p></td></tr></table>"
PAGES = [
    ARTICLE,
    FORUM,
    TABLE,
    "<p>One</p>",
    "",
    "<p>—</p>",
    "<p>日本語の橋は一九〇一年に建てられた。</p>" * 3,
]


def flat(*pages):
    return [flatten_html(page) for page in pages]


def test_a_verdict_for_every_line():
    pages = flat(*PAGES)
    for page, keep in zip(pages, keep_lines(pages, "balanced"), strict=True):
        assert len(keep) == len(page.lines)


def test_an_article_is_told_from_what_stands_around_it():
    [page] = flat(ARTICLE)
    [keep] = keep_lines([page], "balanced")
    kept = [line for line, stays in zip(page.lines, keep, strict=True) if stays]
    assert kept == ["The bridge", *[line for line in page.lines if line.startswith("The old bridge")]]


def test_repeats_are_counted_within_a_page():
    # Once a word of one page equalled another word of a page three lines further down.
    lines = scan_lines(
        pl.DataFrame(
            {"page": [0, 0, 0, 1], "text": ["ac", "x", "y", "ab"], "blank_before": [0, 0, 0, 0]}
        )
    )
    assert Pages.of(lines.page).counts_of_equal(lines.line_hash).tolist() == [0, 0, 0, 0]


def test_no_pages_and_no_blocks():
    assert keep_lines([], "balanced") == []
    assert keep_lines(flat("<script>nothing to read</script>"), "balanced") == [[]]


@pytest.mark.parametrize("depth", [MAX_TREE_DEPTH - 1, MAX_TREE_DEPTH + 1, 100_000])
def test_a_deep_page(depth):
    html = "<p>before</p>" + "<div class='content'>" * depth + SENTENCE + "</div>" * depth + "<p>after"
    [keep] = keep_lines(flat(html), "balanced")
    assert len(keep) == 3


def test_the_flattener_notes_what_stands_around_a_line():
    [page] = flat('<div class="commentList"><p>A <a href="#">link</a><img src="x">x<br>new</p></div>')
    facts = [dict(zip(LINE_FACTS, row, strict=True)) for row in page.tree.line_facts]
    assert [fact["link_chars"] for fact in facts] == [4, 0]
    assert [fact["links"] for fact in facts] == [1, 0]
    assert [fact["after_break"] for fact in facts] == [False, True]
    assert facts[0]["images"] == 1
    container = facts[0]["container"]
    containers = [dict(zip(CONTAINER_FACTS, row, strict=True)) for row in page.tree.containers]
    assert containers[container]["marks"] == MARK_BITS["in_paragraph"]
    assert containers[containers[container]["parent"]]["marks"] & MARK_BITS["named_comments"]
    assert (containers[container]["first_line"], page.tree.end_line[container]) == (0, 2)


@pytest.mark.parametrize(
    ("attributes", "mark"),
    [
        ({"class": "entry-content"}, "named_body_text"),
        ({"id": "relatedPosts"}, "named_related"),
        ({"role": "navigation"}, "named_nav"),
        ({"style": "color: red; display: none"}, "named_hidden"),
        ({"hidden": None}, "named_hidden"),
    ],
)
def test_names_and_states_leave_marks(attributes, mark):
    assert element_marks("div", attributes) & MARK_BITS[mark]
    assert element_marks("div", {}) == 0
