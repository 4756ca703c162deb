"""The role model: a page's scores depend on the page alone, whatever it is and whoever stands beside it."""

from __future__ import annotations

import time

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reinschrift.transforms.boilerplate import roles
from reinschrift.transforms.boilerplate.cut import PROFILES, keep_pages
from reinschrift.transforms.boilerplate.role_names import PAGE_TYPES, ROLES
from reinschrift.transforms.boilerplate.roles import load_role_model, look, score_pages
from reinschrift.transforms.boilerplate.symmetric import (
    UNITS,
    SymmetricTrees,
    load_trees,
    probability,
    save_trees,
    shares,
)
from reinschrift.transforms.html.declared import Declared
from reinschrift.transforms.html.extract import PageContext
from reinschrift.transforms.html.flatten import flatten_html

SENTENCE = (
    "The old bridge over the river was built in 1901 by two brothers, and it still carries trams. "
)
ARTICLE = f"""<html><head><title>The bridge | Town News</title></head><body>
<nav class="menu"><ul><li><a href="/">Home</a><li><a href="/a">About us</a><li><a href="/c">Contact</a></ul></nav>
<main><article class="post-content"><h1>The bridge</h1><p class="byline">By Mara Lindqvist</p>
{"".join(f"<p>{SENTENCE * 3}</p>" for _ in range(8))}
</article><aside class="related"><h3>Related stories</h3>
<ul><li><a href="/1">Ten bridges you should see</a><li><a href="/2">Why trams came back</a></ul></aside></main>
<footer class="site-footer"><p>© 2024 Example. All rights reserved.</p><p>***</p></footer></body></html>"""
RECIPE = """<html><head><title>Plum cake</title><script type="application/ld+json">
{"@type": "Recipe", "name": "Plum cake", "recipeIngredient": ["500 g plums", "2 eggs", "1 pinch of salt"]}
</script></head><body><ul class="nav"><li><a href="/">Home</a></ul><h1>Plum cake</h1>
<ul class="ingredients"><li>500 g plums<li>2 eggs<li>1 pinch of salt</ul>
<p>Halve the plums, beat the eggs with the salt, and bake everything for forty minutes.</p></body></html>"""
CYRILLIC = (
    "<p>Гавань снова открылась после одиннадцати лет работ, и первый паром причалил в субботу.</p>"
)
CHINESE = "<p>经过十一年的施工，港口于星期六重新开放，数百人前来观看第一艘渡轮靠岸。</p>"
PAGES = [ARTICLE, RECIPE, CYRILLIC * 5, CHINESE * 5, "<p>One</p>", "<p>—</p>"]


def blocks_of(*pages: list[str]) -> pl.DataFrame:
    rows = [
        (number, block, text, 0)
        for number, lines in enumerate(pages)
        for block, text in enumerate(lines)
    ]
    schema = {"page": pl.UInt32, "block": pl.UInt32, "text": pl.String, "blank_before": pl.UInt32}
    return pl.DataFrame(rows, schema=schema, orient="row")


def html_pages(*pages: str) -> tuple[pl.DataFrame, dict[int, PageContext]]:
    flat = [flatten_html(page) for page in pages]
    contexts = {n: PageContext(page.tree, page.declared) for n, page in enumerate(flat)}
    return blocks_of(*(page.lines for page in flat)), contexts


line_texts = st.one_of(
    st.sampled_from(["Home", SENTENCE, "Antworten", "* * *", "|", "12", "😀", "登录", "Подписаться"]),
    st.text(min_size=1, max_size=40).filter(lambda text: bool(text.strip())),
)
page_lines = st.lists(line_texts, min_size=1, max_size=10)


@settings(max_examples=30, deadline=None)
@given(st.lists(page_lines, min_size=1, max_size=4))
def test_a_flat_page_scores_the_same_alone_and_in_a_batch(pages: list[list[str]]) -> None:
    together = score_pages(blocks_of(*pages), {})
    alone = [score_pages(blocks_of(page), {}) for page in pages]
    columns = ["role", "role_share", "probability"]
    assert together.blocks.select(columns).equals(pl.concat([s.blocks for s in alone]).select(columns))
    columns = ["page_type", "page_type_confidence", "clean"]
    assert together.pages.select(columns).equals(pl.concat([s.pages for s in alone]).select(columns))


@pytest.mark.parametrize("order", [1, -1])
def test_an_html_page_scores_the_same_alone_and_in_a_batch(order: int) -> None:
    pages = PAGES[::order]
    blocks, contexts = html_pages(*pages)
    together = score_pages(blocks, contexts)
    for number, page in enumerate(pages):
        alone = score_pages(*html_pages(page))
        here = together.blocks.filter(page=number).drop("page")
        assert here.equals(alone.blocks.drop("page"))
        assert together.pages.filter(page=number).drop("page").equals(alone.pages.drop("page"))


def test_html_and_flat_pages_may_stand_in_one_frame() -> None:
    blocks, contexts = html_pages(ARTICLE, RECIPE, ARTICLE)
    mixed = score_pages(blocks, {0: contexts[0], 2: contexts[2]})
    whole = score_pages(blocks, contexts)
    assert mixed.blocks.filter(page=0).equals(whole.blocks.filter(page=0))
    flat = score_pages(blocks.filter(page=1), {})
    assert mixed.blocks.filter(page=1).equals(flat.blocks)


def test_lines_that_repair_dropped_do_not_shift_the_tree() -> None:
    blocks, contexts = html_pages(ARTICLE)
    without = blocks.filter(pl.col("text") != "***")
    scored = score_pages(without, contexts).blocks
    whole = score_pages(blocks, contexts).blocks
    joined = scored.join(whole, on=["page", "block"])
    assert joined["role"].to_list() == joined["role_right"].to_list()
    assert np.allclose(joined["probability"], joined["probability_right"], atol=0.2)


def test_an_article_and_what_stands_around_it() -> None:
    blocks, contexts = html_pages(ARTICLE)
    scores = score_pages(blocks, contexts)
    scored = blocks.join(scores.blocks, on=["page", "block"])
    role = dict(scored.select("text", "role").iter_rows())
    stays = dict(scored.select("text", "probability").iter_rows())
    assert role["The bridge"] == "title"
    assert role[(SENTENCE * 3).strip()] == "prose"
    assert role["Home"] == "navigation"
    assert min(stays["The bridge"], stays[(SENTENCE * 3).strip()]) > 0.6
    assert max(stays["Home"], stays["Contact"], stays["Why trams came back"]) < 0.4
    assert scores.pages["page_type"].item() in {"article", "blog"}


def test_the_ingredients_a_page_declares_stay() -> None:
    blocks, contexts = html_pages(RECIPE)
    scored = blocks.join(score_pages(blocks, contexts).blocks, on=["page", "block"])
    facts = scored.filter(pl.col("text").is_in(["500 g plums", "2 eggs", "1 pinch of salt"]))
    assert facts["probability"].min() > 0.5


def test_every_block_has_a_role_and_every_page_a_type() -> None:
    blocks, contexts = html_pages(*PAGES)
    scores = score_pages(blocks, contexts)
    assert scores.blocks["role"].is_in(ROLES).all()
    assert scores.blocks.select("page", "block").equals(blocks.select("page", "block"))
    assert scores.blocks["probability"].is_between(0, 1).all()
    assert scores.pages["page"].to_list() == list(range(len(PAGES)))
    assert scores.pages["page_type"].is_in(PAGE_TYPES).all()


def test_no_pages() -> None:
    scores = score_pages(blocks_of(), {})
    assert scores.blocks.is_empty()
    assert scores.pages.is_empty()
    assert len(keep_pages(scores, "balanced")) == 0


def test_profiles_are_nested() -> None:
    blocks, contexts = html_pages(*PAGES)
    scores = score_pages(blocks, contexts)
    precise, balanced, generous = (
        keep_pages(scores, profile) for profile in ("precision", "balanced", "recall")
    )
    assert (precise <= balanced).all()
    assert (balanced <= generous).all()
    assert set(PROFILES) == {"precision", "balanced", "recall"}


def test_a_line_without_words_fares_as_the_worse_neighbour() -> None:
    lines = [SENTENCE * 2, "* * *", SENTENCE]
    scores = score_pages(blocks_of(lines, ["* * *"]), {}).blocks["probability"]
    assert scores[1] == min(scores[0], scores[2])
    assert scores[3] == 0


def test_a_huge_page_takes_linear_time() -> None:
    def seconds(copies: int) -> float:
        blocks, contexts = html_pages("<ul>" + f"<li><p>{SENTENCE}</p><a>Reply</a></li>" * copies)
        start = time.process_time()
        score_pages(blocks, contexts)
        return time.process_time() - start

    seconds(100)
    small, large = min(seconds(1_000) for _ in range(3)), seconds(8_000)
    assert large < 8 * small * 6  # quadratic time would be 8 * 8


@pytest.mark.parametrize("kind", ["html", "text"])
def test_the_trees_were_trained_on_these_features(kind: str) -> None:
    blocks, contexts = html_pages(RECIPE)
    model = load_role_model(kind)
    seen = look(blocks, [contexts[0]] if kind == "html" else None, model.linear)
    assert set(model.first.names) <= set(seen.names)


def test_the_models_are_a_few_megabytes_together() -> None:
    files = [*roles.MODEL_FILES.values(), roles.LINEAR_FILE]
    assert sum(len((roles.MODEL_FOLDER / file).read_bytes()) for file in files) < 5_000_000


def made_trees(rng: np.random.Generator, outputs: int) -> SymmetricTrees:
    return SymmetricTrees(
        names=("a", "b", "c"),
        feature=np.array([0, 0, 1, 2], np.int16),
        borders=np.array([-0.5, 0.5, 0.0, 0.25], np.float32),
        splits=rng.integers(-1, 4, (9, 3)).astype(np.int16),
        leaves=rng.integers(-900, 900, (9, 8, outputs)).astype(np.int16),
        bias=np.arange(outputs, dtype=np.int32),
    )


@pytest.mark.parametrize("outputs", [1, 3])
def test_symmetric_trees_are_walked_as_they_are_written(outputs: int) -> None:
    rng = np.random.default_rng(1)
    trees = made_trees(rng, outputs)
    matrix = rng.normal(size=(2_500, 4)).astype(np.float32)
    names = ["c", "unused", "a", "b"]
    by_name = dict(zip(names, matrix.T, strict=True))
    expected = np.tile(trees.bias.astype(np.int64), (len(matrix), 1))
    for split, leaves in zip(trees.splits, trees.leaves, strict=True):
        leaf = np.zeros(len(matrix), np.int64)
        for level, question in enumerate(split):
            if question >= 0:
                column = by_name[trees.names[trees.feature[question]]]
                leaf += (column > trees.borders[question]).astype(np.int64) << level
        expected += leaves[leaf]
    assert (trees.scores(matrix, names) == expected).all()
    assert (trees.scores(np.asfortranarray(matrix), names) == expected).all()


def test_trees_come_back_from_their_file() -> None:
    trees = made_trees(np.random.default_rng(2), 2)
    content = save_trees({"first": trees, "second": trees})
    assert save_trees(load_trees(content)) == content
    matrix = np.random.default_rng(3).normal(size=(50, 3)).astype(np.float32)
    loaded = load_trees(content)["second"]
    assert (loaded.scores(matrix, trees.names) == trees.scores(matrix, trees.names)).all()


def test_probabilities_and_shares() -> None:
    scores = np.array([[0, 2 * UNITS, -UNITS], [90 * UNITS, 0, 0]])
    assert np.allclose(probability(scores[:, 0]), [0.5, 1])
    expected = np.exp([0, 2, -1]) / np.exp([0, 2, -1]).sum()
    assert np.allclose(shares(scores)[0], expected, atol=1e-5)
    assert np.allclose(shares(scores).sum(axis=1), 1, atol=1e-5)


def test_what_a_page_declares() -> None:
    page = flatten_html(
        RECIPE.replace("<body>", '<body><b itemprop="sku">A-17</b><i itemprop="author">Ina Berg</i>')
    )
    assert isinstance(page.declared, Declared)
    assert page.declared.values["title"] == ["Plum cake"]
    assert page.declared.values["fact"] == ["500 g plums", "2 eggs", "1 pinch of salt", "A-17"]
    assert page.declared.values["byline"] == ["Ina Berg"]
    assert page.declared.page_kinds == {"recipe"}


@pytest.mark.parametrize(
    "script",
    ['{"@type": ["Product", 3], "name": 5}', "[[[]]]", '{"@graph": null}', "not json", '"text"'],
)
def test_odd_declarations_end_no_page(script: str) -> None:
    page = flatten_html(f'<script type="application/ld+json">{script}</script><p>{SENTENCE}</p>')
    assert page.lines == [SENTENCE.strip()]
