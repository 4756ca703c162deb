"""The line model: a page's scores depend on the page alone, and clean pages lose nothing."""

from __future__ import annotations

import textwrap
import time

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reinschrift.transforms.boilerplate.cut import PROFILES
from reinschrift.transforms.boilerplate.features import Pages, line_features, measure_lines
from reinschrift.transforms.boilerplate.linear import LinearModel
from reinschrift.transforms.boilerplate.lines import scan_lines
from reinschrift.transforms.boilerplate.model import keep_blocks, load_model, score_blocks

BODY = [
    "The harbour of the small town opened again on Saturday, eleven years after a storm had "
    "broken its outer wall. Several hundred people came to watch the first ferry dock.",
    "“We had almost stopped believing in it,” the harbour master said, while children waved flags "
    "from the roof of the old customs house. The work cost twice what the council had planned.",
    "Engineers had to replace the foundations of the northern quay because the seabed turned out "
    "to be softer than the surveys of the nineties had promised. A second ferry is to follow.",
]
ARTICLE = [
    "Home",
    "Politics",
    "Subscribe to our newsletter",
    "The harbour reopens after eleven years of work",
    "By Mara Lindqvist",
    *BODY,
    "Share this article",
    "Related articles",
    "Why the ferry is late again",
    "Ten things to do on a rainy day",
    "Leave a comment",
    "Privacy policy",
    "All rights reserved",
]
GERMAN_PROSE = [
    "Die Werft am Nordufer wurde 1871 gegründet und beschäftigte bald mehr als 300 Leute.",
    "Nach dem Tod des Gründers übernahm seine Tochter die Leitung, was damals ungewöhnlich war.",
    "Sie ließ zwei Docks bauen und handelte mit der Stadt einen günstigen Vertrag aus.",
    "Während des Krieges ruhte der Betrieb, weil es an Stahl und an Menschen fehlte.",
    "Erst zehn Jahre später lief wieder ein Schiff vom Stapel, ein Frachter für die Ostsee.",
    "Die Stadt kaufte das Gelände schließlich auf und richtete dort ein Museum ein.",
    "Heute erinnern nur noch der alte Kran und eine Tafel am Eingang an die große Zeit.",
    "Anlässlich des Jubiläums erschien ein Band mit Briefen, die lange als verschollen galten.",
]
CYRILLIC = [
    "Главная",
    "Гавань снова открылась после одиннадцати лет работ, и первый паром причалил в субботу утром.",
    "Несколько сотен человек пришли посмотреть, как он подходит к новому причалу.",
    "Подписаться",
]
CHINESE = ["首页", "经过十一年的施工，港口于星期六重新开放，数百人前来观看第一艘渡轮靠岸。", "登录"]


def blocks_of(*pages: list[str]) -> pl.DataFrame:
    rows = [
        (number, block, text, 0)
        for number, lines in enumerate(pages)
        for block, text in enumerate(lines)
    ]
    return pl.DataFrame(
        rows,
        schema={
            "page": pl.UInt32,
            "block": pl.UInt32,
            "text": pl.String,
            "blank_before": pl.UInt32,
        },
        orient="row",
    )


def kept(blocks: pl.DataFrame, profile: str = "balanced") -> list[str]:
    words = blocks["text"].str.count_matches(r"\w+").to_numpy()
    keep, _ = keep_blocks(score_blocks(blocks), words, blocks["page"].to_numpy(), profile)
    return blocks.filter(pl.Series(keep))["text"].to_list()


line_texts = st.one_of(
    st.sampled_from([*ARTICLE, *GERMAN_PROSE, *CYRILLIC, *CHINESE, "* * *", "|", "12", "😀"]),
    st.text(min_size=1, max_size=40).filter(lambda text: bool(text.strip())),
)
page_lines = st.lists(line_texts, min_size=1, max_size=12)


@settings(max_examples=40, deadline=None)
@given(st.lists(page_lines, min_size=1, max_size=5))
def test_a_page_scores_the_same_alone_and_in_a_batch(pages: list[list[str]]) -> None:
    together = score_blocks(blocks_of(*pages))
    alone = np.concatenate([score_blocks(blocks_of(page)) for page in pages])
    assert together.tobytes() == alone.tobytes()


@settings(max_examples=40, deadline=None)
@given(st.lists(page_lines, min_size=1, max_size=5))
def test_features_are_the_same_alone_and_in_a_batch(pages: list[list[str]]) -> None:
    def matrix(blocks: pl.DataFrame) -> bytes:
        lines = scan_lines(blocks)
        if not len(lines):
            return b""
        borders = Pages.of(lines.page)
        measures = measure_lines(lines, borders)
        linear = load_model().linear.score(lines, measures, borders)
        return line_features(lines, measures, borders, linear)[1].tobytes()

    assert matrix(blocks_of(*pages)) == b"".join(matrix(blocks_of(page)) for page in pages)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=9), min_size=1))
def test_a_page_is_cut_the_same_alone_and_in_a_batch(pages: list[list[float]]) -> None:
    probability = np.concatenate([np.array(page, np.float32) for page in pages])
    page = np.repeat(np.arange(len(pages)), [len(lines) for lines in pages])
    words = (np.arange(len(page)) * 7) % 23
    keep, threshold = keep_blocks(probability, words, page)
    for number in range(len(pages)):
        here = page == number
        alone = keep_blocks(probability[here], words[here], page[here])
        assert alone[0].tolist() == keep[here].tolist()
        assert alone[1].tobytes() == threshold[here].tobytes()


def test_scores_repeat() -> None:
    blocks = blocks_of(ARTICLE, GERMAN_PROSE)
    assert score_blocks(blocks).tobytes() == score_blocks(blocks).tobytes()


def test_an_article_keeps_its_body_and_loses_its_furniture() -> None:
    result = kept(blocks_of(ARTICLE))
    assert set(BODY) <= set(result)
    assert not {"Subscribe to our newsletter", "All rights reserved", "Privacy policy"} & set(result)


def test_an_article_with_hard_line_breaks_keeps_its_body() -> None:
    wrapped = [line for paragraph in BODY for line in textwrap.wrap(paragraph, 95)]
    result = kept(blocks_of([*ARTICLE[:5], *wrapped, *ARTICLE[8:]]))
    assert set(wrapped) <= set(result)


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_clean_german_prose_loses_nothing(profile: str) -> None:
    assert kept(blocks_of(GERMAN_PROSE), profile) == GERMAN_PROSE


def test_profiles_are_nested() -> None:
    blocks = blocks_of(ARTICLE, GERMAN_PROSE, CYRILLIC)
    precise, balanced, generous = (
        set(kept(blocks, profile)) for profile in ("precision", "balanced", "recall")
    )
    assert precise <= balanced <= generous


@pytest.mark.parametrize("lines", [["Hello"], ["."], GERMAN_PROSE[:1], ["😀"], ["x" * 10_000]])
def test_a_page_of_one_line_has_a_probability(lines: list[str]) -> None:
    scores = score_blocks(blocks_of(lines))
    assert scores.shape == (1,)
    assert 0 <= scores[0] <= 1


def test_an_empty_frame_gives_no_scores() -> None:
    scores = score_blocks(blocks_of())
    assert scores.dtype == np.float32
    assert scores.shape == (0,)
    keep, threshold = keep_blocks(scores, np.zeros(0, np.int64), np.zeros(0, np.int64))
    assert len(keep) == len(threshold) == 0


def test_a_page_of_short_lines_has_finite_scores() -> None:
    scores = score_blocks(blocks_of([f"Item {number}" for number in range(200)]))
    assert np.isfinite(scores).all()


@pytest.mark.parametrize(("lines", "body"), [(CYRILLIC, CYRILLIC[1]), (CHINESE, CHINESE[1])])
def test_other_scripts_keep_their_sentences(lines: list[str], body: str) -> None:
    assert body in kept(blocks_of(lines))


def test_a_line_without_words_fares_as_the_worse_neighbour() -> None:
    scores = score_blocks(blocks_of([*BODY, "* * *", *BODY], ["* * *"]))
    assert scores[3] == min(scores[2], scores[4])
    assert scores[-1] == 0


def test_line_feeds_inside_a_block_are_spaces() -> None:
    broken = [line.replace(" ", "\n", 1) for line in ARTICLE]
    assert len(score_blocks(blocks_of(broken))) == len(ARTICLE)


def test_a_huge_page_takes_linear_time() -> None:
    def seconds(copies: int) -> float:
        blocks = blocks_of(ARTICLE * copies)
        start = time.process_time()
        score_blocks(blocks)
        return time.process_time() - start

    seconds(100)
    small, large = min(seconds(200) for _ in range(3)), seconds(1600)
    assert large < 8 * small * 6  # quadratic time would be 8 * 8


def test_the_linear_score_is_a_sum_of_integers() -> None:
    lines = scan_lines(blocks_of(ARTICLE))
    pages = Pages.of(lines.page)
    measures = measure_lines(lines, pages)
    shipped = load_model().linear
    silent = LinearModel(np.zeros_like(shipped.word_weights), np.zeros_like(shipped.gram_weights))
    assert shipped.score(lines, measures, pages).dtype == np.int64
    assert not silent.score(lines, measures, pages).any()


def test_the_trees_were_trained_on_these_features() -> None:
    lines = scan_lines(blocks_of(ARTICLE))
    pages = Pages.of(lines.page)
    measures = measure_lines(lines, pages)
    model = load_model()
    names, _ = line_features(lines, measures, pages, model.linear.score(lines, measures, pages))
    assert names == model.trees.feature_name()
