"""The model of HTML blocks: how likely each line of a flattened page is content.

    probabilities = score_html([flatten_html(html) for html in pages])

The trees see what the line model sees of the text, its two linear scores included, and the tree
around each line besides (`dom.py`). `keep_blocks` cuts the pages as it does flat text.
Training, data and figures: docs/model-card-html.md.
"""

from __future__ import annotations

import functools
import re
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from reinschrift.transforms.boilerplate.cut import keep_blocks
from reinschrift.transforms.boilerplate.dom import dom_features
from reinschrift.transforms.boilerplate.features import Pages, line_features, measure_lines
from reinschrift.transforms.boilerplate.lines import scan_lines
from reinschrift.transforms.boilerplate.model import import_lightgbm, load_linear, with_wordless_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from reinschrift.transforms.boilerplate.characters import Floats
    from reinschrift.transforms.boilerplate.cut import Profile
    from reinschrift.transforms.html.flatten import FlatPage

HTML_TREES_FILE = "html_model.txt"
# The trees are a small part of a page's cost, and stopping them earlier costs .003 word F1.
EARLY_STOP = {"pred_early_stop": True, "pred_early_stop_freq": 10, "pred_early_stop_margin": 5.0}
MAX_BATCH_CHARS = 200_000
_WORD = re.compile(r"\w+")
BLOCK_SCHEMA = pl.Schema({"page": pl.UInt32(), "text": pl.String(), "blank_before": pl.UInt32()})


@functools.cache
def load_html_trees() -> Any:
    """The trees shipped with the package (a LightGBM booster), read once a process."""
    file = resources.files("reinschrift.transforms.boilerplate") / HTML_TREES_FILE
    return import_lightgbm().Booster(model_str=file.read_text(encoding="utf-8"))


def _blocks(pages: Sequence[FlatPage]) -> pl.DataFrame:
    """The lines of some pages as blocks, one row a line."""
    number = np.arange(len(pages), dtype=np.uint32)
    return pl.DataFrame(
        {
            "page": np.repeat(number, [len(page.lines) for page in pages]),
            "text": [line for page in pages for line in page.lines],
            "blank_before": 0,
        },
        schema=BLOCK_SCHEMA,
    )


def _score_batch(pages: Sequence[FlatPage]) -> list[Floats]:
    """P(content) of the lines of some pages, each with at least one line."""
    blocks = _blocks(pages)
    lines = scan_lines(blocks)
    scores = np.full(len(blocks), np.nan, np.float32)
    if len(lines):
        borders = Pages.of(lines.page)
        measures = measure_lines(lines, borders)
        linear = load_linear().score(lines, measures, borders)
        _, text = line_features(lines, measures, borders, linear)
        _, tree = dom_features([page.tree for page in pages], lines, measures, borders)
        matrix = np.hstack([text, tree])
        scores[lines.row] = load_html_trees().predict(matrix, num_threads=1, **EARLY_STOP)
    filled = with_wordless_rows(scores, blocks["page"].to_numpy().astype(np.int64))
    return np.split(filled, np.cumsum([len(page.lines) for page in pages])[:-1])


def _batches(pages: Sequence[FlatPage]) -> Iterator[list[int]]:
    """Numbers of the pages with lines, together at most `MAX_BATCH_CHARS` unless one is longer."""
    batch: list[int] = []
    chars = 0
    for number, page in enumerate(pages):
        size = sum(map(len, page.lines))
        if batch and chars + size > MAX_BATCH_CHARS:
            yield batch
            batch, chars = [], 0
        if page.lines:
            batch.append(number)
            chars += size
    if batch:
        yield batch


def score_html(pages: Sequence[FlatPage]) -> list[Floats]:
    """P(content) of each line of each page (one float32 array a page).

    The scores of a page depend on nothing but the page. Time is linear in its characters and tags.
    """
    scores: list[Floats] = [np.zeros(0, np.float32) for _ in pages]
    for batch in _batches(pages):
        scored = _score_batch([pages[number] for number in batch])
        for number, probability in zip(batch, scored, strict=True):
            scores[number] = probability
    return scores


def keep_lines(pages: Sequence[FlatPage], profile: str | Profile) -> list[list[bool]]:
    """The verdict on each line of each page: whether it is kept at the profile's cut."""
    verdicts = []
    for page, probability in zip(pages, score_html(pages), strict=True):
        words = np.array([len(_WORD.findall(line)) for line in page.lines], np.int64)
        keep, _ = keep_blocks(probability, words, np.zeros(len(words), np.int64), profile)
        verdicts.append([bool(kept) for kept in keep])
    return verdicts
