"""Fitting the hashed linear model of lines (`transforms/boilerplate/linear.py`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, sparse

from reinschrift.transforms.boilerplate.linear import (
    BUCKETS,
    LinearModel,
    entry_counts,
    gram_entries,
    word_entries,
)

if TYPE_CHECKING:
    from reinschrift.transforms.boilerplate.characters import Bools
    from reinschrift.transforms.boilerplate.features import Measures, Pages
    from reinschrift.transforms.boilerplate.lines import Lines

WORDS_L2 = 1.5e-5
GRAMS_L2 = 6e-5
LINEAR_STEPS = 30
LARGEST_WEIGHT_QUANTILE = 0.998
Doubles = NDArray[np.float64]


def entry_matrix(lines: Lines, measures: Measures, pages: Pages) -> sparse.csr_matrix:
    """Hashed entries of every line (lines x both tables), as the linear model weighs them."""
    families = (
        (0, word_entries(lines, measures, pages)),
        (BUCKETS, gram_entries(lines)),
    )
    total = sparse.csr_matrix((len(lines), 2 * BUCKETS), dtype=np.float32)
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
