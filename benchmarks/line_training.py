"""Fitting the line model: scanned pages, the hashed linear model, the trees.

Everything is split by host: no host is ever on both sides of a split. Linear scores that the
trees learn from are always out of fold, else the trees would trust them too much.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import lightgbm
import numpy as np
import polars as pl
from line_corpus import CONTENT_LABELS, unit_hash
from numpy.typing import NDArray
from scipy import optimize, sparse

from reinschrift.transforms.boilerplate.features import Measures, Pages, line_features, measure_lines
from reinschrift.transforms.boilerplate.linear import (
    BUCKETS,
    LinearModel,
    entry_counts,
    gram_entries,
    word_entries,
)
from reinschrift.transforms.boilerplate.lines import Lines, scan_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reinschrift.transforms.boilerplate.characters import Bools, Floats, Ints

FOLDS = 5
HELD_OUT_SHARE = 0.15
PAGES_A_BATCH = 200
ORIGIN_WEIGHTS = {"gold": 1.0, "flattened": 0.5, "weak": 0.5, "clean": 0.2}
# How far a label is to be trusted; hand-made ones are few and worth more than their words.
LABEL_WEIGHTS = {"1": 1.0, "0": 1.0, "c": 0.3, "b": 0.3, "s": 3.0, "g": 3.0, "-": 0.0}
# On gold pages F1 is best a little above the calibrated cut, for the errors of a page come in
# company; weak labels leave content out, so there what is labelled content counts for more.
BOILERPLATE_BOOST = {"gold": 1.2, "flattened": 1.2, "weak": 1.0, "clean": 1.0}
CONTENT_BOOST = {"gold": 1.0, "flattened": 1.0, "weak": 1.3, "clean": 1.0}
WORDS_L2 = 1.5e-5
GRAMS_L2 = 6e-5
LINEAR_STEPS = 30
LINEAR_WEAK_WEIGHT = 0.7
LARGEST_WEIGHT_QUANTILE = 0.998
TREES = 200
TREE_PARAMETERS = {
    "objective": "binary",
    "learning_rate": 0.08,
    "num_leaves": 31,
    "min_data_in_leaf": 80,
    "feature_fraction": 0.3,
    "bagging_fraction": 0.35,
    "bagging_freq": 1,
    "lambda_l2": 5.0,
    "max_bin": 127,
    "seed": 7,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbose": -1,
}
Doubles = NDArray[np.float64]


def with_splits(pages: pl.DataFrame) -> pl.DataFrame:
    """Adds `held_out` (15 % of the hosts) and `fold` (0 to 4), both functions of the host."""
    hosts = pages["host"].fill_null("").to_list()
    return pages.with_columns(
        pl.Series("held_out", [unit_hash("held:" + host) < HELD_OUT_SHARE for host in hosts]),
        pl.Series("fold", [int(unit_hash("fold:" + host) * FOLDS) for host in hosts]),
    )


def line_frame(texts: Sequence[str]) -> pl.DataFrame:
    """Non-blank lines of pages as blocks, with `line`, the number of the line in its page."""
    number = np.arange(len(texts), dtype=np.uint32)
    lines = (
        pl.DataFrame({"page": number, "text": texts}, schema_overrides={"text": pl.String})
        .with_columns(pl.col("text").str.split("\n"))
        .explode("text")
        .with_columns(line=pl.int_range(pl.len()).over("page"))
        .filter(pl.col("text").str.strip_chars() != "")
    )
    above = pl.col("line").shift(1, fill_value=-1).over("page")
    return lines.with_columns(
        block=pl.int_range(pl.len(), dtype=pl.UInt32).over("page"),
        blank_before=(pl.col("line") - above - 1).cast(pl.UInt32),
    )


@dataclass(frozen=True)
class Batch:
    """Some pages of the corpus, scanned and measured."""

    lines: Lines
    pages: Pages
    measures: Measures


class LineCorpus:
    """Labelled pages and their lines; arrays have one entry a line that holds a word.

    `page` is the row of the line's page in `pages`, `label` its label character, `text` its text.
    """

    def __init__(self, pages: pl.DataFrame) -> None:
        self.pages = pages
        self.batches: list[Batch] = []
        labels, numbers, self.text = [], [], list[str]()
        for start in range(0, len(pages), PAGES_A_BATCH):
            some = pages.slice(start, PAGES_A_BATCH)
            frame = line_frame(some["text"].to_list())
            lines = scan_lines(frame)
            borders = Pages.of(lines.page)
            self.batches.append(Batch(lines, borders, measure_lines(lines, borders)))
            page_labels = some["labels"].to_list()
            ends = np.cumsum([len(each) for each in page_labels])
            offsets = ends - [len(each) for each in page_labels]
            characters = np.frombuffer("".join(page_labels).encode(), np.uint8)
            labels.append(characters[offsets[lines.page] + frame["line"].to_numpy()[lines.row]])
            numbers.append(lines.page + start)
            self.text += frame["text"].gather(lines.row).to_list()
        self.label = np.concatenate(labels)
        self.page = np.concatenate(numbers)
        self.words = np.concatenate([batch.measures.words for batch in self.batches])

    @cached_property
    def is_content(self) -> Bools:
        """Lines labelled content, by whomever and however surely."""
        return np.isin(self.label, [ord(label) for label in CONTENT_LABELS])

    def of_page(self, column: str) -> NDArray[np.generic]:
        """A column of the page frame, for each line."""
        return self.pages[column].to_numpy()[self.page]

    @cached_property
    def trust(self) -> Doubles:
        """Root of the words, by how far label and page are to be trusted."""
        by_label = np.zeros(128)
        by_label[[ord(label) for label in LABEL_WEIGHTS]] = list(LABEL_WEIGHTS.values())
        trust = np.sqrt(self.words) * by_label[self.label] * self._by_origin(ORIGIN_WEIGHTS)
        return np.asarray(trust, np.float64)

    @cached_property
    def weight(self) -> Doubles:
        """The weight of each line for the trees: its trust, leaning to one side by origin."""
        boost = np.where(
            self.is_content, self._by_origin(CONTENT_BOOST), self._by_origin(BOILERPLATE_BOOST)
        )
        return np.asarray(self.trust * boost, np.float64)

    def _by_origin(self, values: dict[str, float]) -> Doubles:
        """A value a line, by the origin of its page."""
        return self.pages["origin"].replace_strict(values).to_numpy()[self.page]

    def linear_scores(self, model: LinearModel) -> Ints:
        """The two linear scores of every line."""
        return np.concatenate(
            [model.score(batch.lines, batch.measures, batch.pages) for batch in self.batches]
        )

    def features(self, linear: Ints) -> tuple[list[str], Floats]:
        """Names and matrix of the features, given the linear scores."""
        matrices, start = [], 0
        names: list[str] = []
        for batch in self.batches:
            end = start + len(batch.lines)
            names, matrix = line_features(batch.lines, batch.measures, batch.pages, linear[start:end])
            matrices.append(matrix)
            start = end
        return names, np.concatenate(matrices)

    def entry_matrix(self) -> sparse.csr_matrix:
        """Hashed entries of every line (lines x both tables), as the linear model weighs them."""
        return sparse.vstack([_batch_entries(batch) for batch in self.batches]).tocsr()


def _batch_entries(batch: Batch) -> sparse.csr_matrix:
    families = (
        (0, word_entries(batch.lines, batch.measures, batch.pages)),
        (BUCKETS, gram_entries(batch.lines)),
    )
    total = sparse.csr_matrix((len(batch.lines), 2 * BUCKETS), dtype=np.float32)
    for offset, entries in families:
        value = 1 / np.sqrt(np.maximum(1, entry_counts(entries)))
        for kind in entries:
            sizes = kind.ends - kind.starts
            pointers = np.concatenate([[0], np.cumsum(sizes)])
            inside = np.arange(pointers[-1]) + np.repeat(kind.starts - pointers[:-1], sizes)
            cells = (
                np.repeat(value, sizes).astype(np.float32),
                (kind.columns[inside] + offset).astype(np.int32),
                pointers,
            )
            total = total + sparse.csr_matrix(cells, shape=total.shape)
    return total


def fit_linear(entries: sparse.csr_matrix, content: Bools, weight: Doubles) -> LinearModel:
    """The two tables of the linear model, each fitted alone: together they fit worse."""
    words, grams = entries[:, :BUCKETS].tocsr(), entries[:, BUCKETS:].tocsr()
    return LinearModel(
        word_weights=_fit_table(words, content, weight, WORDS_L2),
        gram_weights=_fit_table(grams, content, weight, GRAMS_L2),
    )


def _fit_table(
    entries: sparse.csr_matrix, content: Bools, weight: Doubles, penalty: float
) -> NDArray[np.int8]:
    """Weighted logistic regression with an L2 penalty, its weights rounded to 8 bits."""
    share = weight / weight.sum()
    transposed = entries.T.tocsr()

    def loss(weights: Doubles) -> tuple[float, Doubles]:
        score = entries @ weights[:-1] + weights[-1]
        value = float(share @ np.logaddexp(0, np.where(content, -score, score)))
        value += penalty / 2 * float(weights[:-1] @ weights[:-1])
        slope = share * (1 / (1 + np.exp(-np.clip(score, -50, 50))) - content)
        gradient = np.append(transposed @ slope + penalty * weights[:-1], slope.sum())
        return value, gradient

    start = np.zeros(entries.shape[1] + 1)
    options = {"maxiter": LINEAR_STEPS, "maxcor": 5}
    fitted = optimize.minimize(loss, start, jac=True, method="L-BFGS-B", options=options)
    weights = fitted.x[:-1]
    unit = np.quantile(np.abs(weights[weights != 0]), LARGEST_WEIGHT_QUANTILE) / 127
    return np.clip(np.rint(weights / unit), -127, 127).astype(np.int8)


def linear_weight(corpus: LineCorpus) -> Doubles:
    """Weights for the linear model: weak pages count for more, as each comes once."""
    weak = corpus.of_page("origin") == "weak"
    return corpus.trust / np.where(weak, ORIGIN_WEIGHTS["weak"] / LINEAR_WEAK_WEIGHT, 1)


def linear_out_of_fold(first_hand: LineCorpus, corpus: LineCorpus) -> Ints:
    """Linear scores of the corpus, each by a model that saw no page of the line's host."""
    entries = first_hand.entry_matrix()
    weight = linear_weight(first_hand)
    scores = np.zeros((len(corpus.page), 2), np.int64)
    for fold in range(FOLDS):
        train = np.flatnonzero((first_hand.of_page("fold") != fold) & (weight > 0))
        model = fit_linear(entries[train], first_hand.is_content[train], weight[train])
        test = corpus.of_page("fold") == fold
        scores[test] = corpus.linear_scores(model)[test]
    return scores


def fit_trees(
    dataset: lightgbm.Dataset, rows: Ints | None = None, trees: int = TREES
) -> lightgbm.Booster:
    """Gradient-boosted trees on some rows of a binned dataset."""
    part = dataset if rows is None else dataset.subset(np.sort(rows).tolist())
    return lightgbm.train(TREE_PARAMETERS, part, num_boost_round=trees)


def binned(corpus: LineCorpus, names: list[str], matrix: Floats) -> lightgbm.Dataset:
    """The corpus as a LightGBM dataset, binned once for all folds."""
    dataset = lightgbm.Dataset(
        matrix,
        corpus.is_content.astype(np.int8),
        weight=corpus.weight,
        feature_name=names,
        params=TREE_PARAMETERS,
    )
    return dataset.construct()
