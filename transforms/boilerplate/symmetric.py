"""Symmetric decision trees, evaluated with NumPy: many rows and trees at once.

In a symmetric (oblivious) tree all nodes of a level ask the same question, so a leaf's number is made of
the answers as bits, and whole tables of answers are computed without a branch. Leaves hold integers, so
sums are exact: the same row gives the same bits in any batch. About ten times as fast a tree as a walk
from node to node. Training: `benchmarks/role_training.py`.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reinschrift.transforms.boilerplate.characters import Bools, Floats, Ints

Leaves = NDArray[np.int16]
UNITS = 1 << 10  # of a logit, as leaves hold them
LARGEST_LOGIT = 16
ROWS_A_CHUNK = 2048
TREES_A_STEP = 20
_PARTS = ("feature", "borders", "splits", "leaves", "bias")


@dataclass(frozen=True)
class SymmetricTrees:
    """Trees over named features, with one or more outputs.

    `borders`: float32, those of one feature together, `feature` the column each belongs to, ascending.
    `splits`: trees x depth, rows of `borders`, -1 for a question that is always answered no.
    `leaves`: trees x 2**depth x outputs, in `UNITS` of a logit. `bias`: one an output, the same units.
    """

    names: tuple[str, ...]
    feature: NDArray[np.int16]
    borders: Floats
    splits: NDArray[np.int16]
    leaves: Leaves
    bias: NDArray[np.int32]

    @cached_property
    def _questions(self) -> list[tuple[int, int, int]]:
        """Column, and first and end row of its borders, for each feature that is asked for."""
        starts = np.flatnonzero(np.diff(self.feature, prepend=-1))
        ends = np.append(starts[1:], len(self.feature))
        columns = self.feature[starts]
        return [*zip(columns.tolist(), starts.tolist(), ends.tolist(), strict=True)]

    @cached_property
    def _levels(self) -> list[Ints]:
        never = len(self.borders)
        levels = np.where(self.splits < 0, never, self.splits).astype(np.int64)
        return [np.ascontiguousarray(level) for level in levels.T]

    @cached_property
    def _flat_leaves(self) -> Leaves:
        """One row a leaf, those of one tree after the other."""
        outputs = self.leaves.shape[2]
        flat = np.ascontiguousarray(self.leaves).reshape(-1, outputs)
        return flat[:, 0] if outputs == 1 else flat

    @cached_property
    def _step_type(self) -> type[np.int16 | np.int32]:
        """The narrowest integers that hold the sum of a step's leaves: they are summed the fastest."""
        largest = np.abs(self.leaves.astype(np.int32)).max(axis=(1, 2))
        steps = np.add.reduceat(largest, np.arange(0, len(largest), TREES_A_STEP))
        return np.int16 if steps.max() <= np.iinfo(np.int16).max else np.int32

    def scores(self, matrix: Floats, names: Sequence[str]) -> Ints:
        """Logits in `UNITS` (rows x outputs) of rows with columns `names`, `self.names` among them.

        Fastest on a matrix whose columns are contiguous (Fortran order).
        """
        place = {name: number for number, name in enumerate(names)}
        columns = [place[name] for name in self.names]
        result = np.empty((len(matrix), len(self.bias)), np.int64)
        space = np.empty((len(self.borders) + 1) * min(len(matrix), ROWS_A_CHUNK), np.bool_)
        for start in range(0, len(matrix), ROWS_A_CHUNK):
            answers = self._answer(matrix[start : start + ROWS_A_CHUNK].T, columns, space)
            result[start : start + ROWS_A_CHUNK] = self._sum_leaves(answers.view(np.uint8))
        return result + self.bias

    def _answer(self, features: Floats, columns: Sequence[int], space: Bools) -> Bools:
        """The answers to all questions (borders x rows), and a last row that is all no; in `space`."""
        rows = features.shape[1]
        answers = space[: (len(self.borders) + 1) * rows].reshape(-1, rows)
        for column, start, end in self._questions:
            np.greater(features[columns[column]], self.borders[start:end, None], out=answers[start:end])
        answers[-1] = False
        return answers

    def _sum_leaves(self, bits: NDArray[np.uint8]) -> Ints:
        """Sums over the trees (rows x outputs), some trees at a time so that they stay in the cache."""
        leaf_count = self.leaves.shape[1]
        total = np.zeros((bits.shape[1], len(self.bias)), np.int64)
        for start in range(0, len(self.splits), TREES_A_STEP):
            # The last level is the highest bit. Doubling and `take` are vectorised; shifts are not.
            *lower, highest = (level[start : start + TREES_A_STEP] for level in self._levels)
            leaf = bits.take(highest, axis=0)
            for level in reversed(lower):
                leaf += leaf
                leaf |= bits.take(level, axis=0)
            places = leaf.astype(np.intp)
            places += (np.arange(start, start + len(leaf)) * leaf_count)[:, None]
            found = self._flat_leaves.take(places, axis=0)
            total += found.sum(axis=0, dtype=self._step_type).reshape(total.shape)
        return total


def save_trees(models: Mapping[str, SymmetricTrees]) -> bytes:
    """The content of a model file; the same trees give the same bytes."""
    parts: dict[str, NDArray[np.generic]] = {}
    for name, trees in models.items():
        parts[f"{name}.names"] = np.array(trees.names)
        parts |= {f"{name}.{part}": getattr(trees, part) for part in _PARTS}
    content = io.BytesIO()
    np.savez_compressed(content, **parts)  # type: ignore[arg-type]
    return content.getvalue()


def load_trees(content: bytes) -> dict[str, SymmetricTrees]:
    """The trees of a model file, by name."""
    with np.load(io.BytesIO(content)) as file:
        parts = {name: file[name] for name in file.files}
    models = dict.fromkeys(name.partition(".")[0] for name in parts)
    return {
        model: SymmetricTrees(
            names=tuple(str(name) for name in parts[f"{model}.names"]),
            **{part: parts[f"{model}.{part}"] for part in _PARTS},
        )
        for model in models
    }


# Probabilities are looked up: what `exp` gives may depend on where in an array a number stands.
_STEPS = np.arange(-LARGEST_LOGIT * UNITS, LARGEST_LOGIT * UNITS + 1)
_PROBABILITY: Floats = (1 / (1 + np.exp(-_STEPS / UNITS))).astype(np.float32)
_POWER: Ints = np.rint(np.exp(-np.arange(LARGEST_LOGIT * UNITS + 1) / UNITS) * (1 << 30)).astype(
    np.int64
)


def probability(scores: Ints) -> Floats:
    """The logistic function of logits in `UNITS`."""
    limit = LARGEST_LOGIT * UNITS
    return _PROBABILITY[np.clip(scores, -limit, limit) + limit]


def shares(scores: Ints) -> Floats:
    """The softmax of each row of logits in `UNITS` (rows x outputs)."""
    below = scores.max(axis=1, keepdims=True) - scores
    powers = _POWER[np.minimum(below, LARGEST_LOGIT * UNITS)]
    result: Floats = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
    return result
