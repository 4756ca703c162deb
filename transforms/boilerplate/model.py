"""The line model: how likely each line of a page is content, for pages nobody has seen.

    probability = score_blocks(blocks)
    keep, threshold = keep_blocks(probability, words, page, "balanced")

A hashed linear model scores the words of each line; gradient-boosted trees see that score, the
line's outer features, its neighbours and its page; `keep_blocks` cuts each page where the
expected F1 of what is kept is highest. Training, data and figures: docs/model-card.md.
"""

from __future__ import annotations

import functools
import io
import sys
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from reinschrift.transforms.boilerplate.cut import PROFILES, Profile, keep_blocks
from reinschrift.transforms.boilerplate.features import Pages, line_features, measure_lines
from reinschrift.transforms.boilerplate.linear import LinearModel
from reinschrift.transforms.boilerplate.lines import scan_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reinschrift.transforms.boilerplate.characters import Floats, Ints

TREES_FILE = "line_model.txt"
LINEAR_FILE = "line_model.npz"
# Working memory is some hundred bytes a character; small batches also stay in the cache.
MAX_BATCH_CHARS = 200_000
EARLY_STOP = {"pred_early_stop": True, "pred_early_stop_freq": 10, "pred_early_stop_margin": 3.0}


@dataclass(frozen=True)
class LineModel:
    """The trees (a LightGBM booster) and the linear scores they build on."""

    trees: Any
    linear: LinearModel

    def score(self, blocks: pl.DataFrame) -> Floats:
        """P(content) of each row of one batch of whole pages; see `score_blocks`."""
        lines = scan_lines(blocks)
        scores = np.full(len(blocks), np.nan, np.float32)
        if len(lines):
            pages = Pages.of(lines.page)
            measures = measure_lines(lines, pages)
            linear = self.linear.score(lines, measures, pages)
            _, matrix = line_features(lines, measures, pages, linear)
            scores[lines.row] = self.trees.predict(matrix, num_threads=1, **EARLY_STOP)
        return with_wordless_rows(scores, blocks["page"].rle_id().to_numpy().astype(np.int64))


@functools.cache
def load_linear() -> LinearModel:
    """The linear model shipped with the package, read once a process."""
    file = resources.files("reinschrift.transforms.boilerplate") / LINEAR_FILE
    with np.load(io.BytesIO(file.read_bytes())) as weights:
        return LinearModel(weights["words"], weights["grams"])


@functools.cache
def load_model() -> LineModel:
    """The model shipped with the package, read once a process."""
    file = resources.files("reinschrift.transforms.boilerplate") / TREES_FILE
    booster = import_lightgbm().Booster(model_str=file.read_text(encoding="utf-8"))
    return LineModel(booster, load_linear())


def import_lightgbm() -> Any:
    """LightGBM without the data frames and learners it brings along, which take a second to load."""
    unwanted = ("pandas", "sklearn", "pyarrow", "dask", "matplotlib")
    absent = [name for name in unwanted if name not in sys.modules]
    sys.modules.update(dict.fromkeys(absent))  # type: ignore[arg-type]
    try:
        import lightgbm
    finally:
        for name in absent:
            del sys.modules[name]
    return lightgbm


def _nearest_above(scores: Floats, first: Ints) -> Floats:
    """The score of the nearest scored row at or above each row of the page, else NaN."""
    here = np.arange(len(scores))
    seen = np.maximum.accumulate(np.where(np.isnan(scores), -1, here))
    return np.where(seen >= first, scores[np.maximum(seen, 0)], np.nan).astype(np.float32)


def with_wordless_rows(scores: Floats, page: Ints) -> Floats:
    """Rows without a word (rules, bullets) fare as the worse of the lines around them."""
    if not np.isnan(scores).any():
        return scores
    pages = Pages.of(page)
    above = _nearest_above(scores, pages.first)
    below = _nearest_above(scores[::-1], (len(scores) - pages.end)[::-1])[::-1]
    return np.nan_to_num(np.fmin(above, below), nan=0.0)


def _batches(blocks: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Whole pages, together at most `MAX_BATCH_CHARS` where a page is not longer by itself."""
    sizes = (
        blocks.select(page=pl.col("page").rle_id(), chars=pl.col("text").str.len_bytes() + 1)
        .group_by("page", maintain_order=True)
        .agg(pl.len().alias("rows"), pl.col("chars").sum())
    )
    start = rows = chars = 0
    for page_rows, page_chars in sizes.select("rows", "chars").iter_rows():
        if rows and chars + page_chars > MAX_BATCH_CHARS:
            yield blocks.slice(start, rows)
            start, rows, chars = start + rows, 0, 0
        rows, chars = rows + page_rows, chars + page_chars
    if rows:
        yield blocks.slice(start, rows)


def score_blocks(blocks: pl.DataFrame) -> Floats:
    """P(content) of each row (float32).

    `blocks`: one row a line, sorted by page and block, with `page`, `block` (integers), `text`
    (a non-blank line, its indentation kept) and `blank_before` (blank lines before it).
    The scores of a page depend on nothing but the page. Time is linear in the characters.
    """
    model = load_model()
    scored = [model.score(batch) for batch in _batches(blocks)]
    return np.concatenate(scored) if scored else np.zeros(0, np.float32)


__all__ = [
    "PROFILES",
    "LineModel",
    "Profile",
    "keep_blocks",
    "load_model",
    "score_blocks",
]
