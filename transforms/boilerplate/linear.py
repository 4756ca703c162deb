"""A linear model over hashed words, word pairs, character 4-grams and shapes of a line.

Its weights are small integers, so a line's score is an exact sum, whatever stands around it.
The score is not a verdict; it is a feature of the trees, which also see its means over windows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reinschrift.transforms.boilerplate.characters import Hashes, Ints, letter_table
from reinschrift.transforms.boilerplate.features import Measures, Pages, line_shapes
from reinschrift.transforms.boilerplate.lexicons import bucket, pair_hashes
from reinschrift.transforms.boilerplate.lines import Lines, segment_sums

BUCKET_BITS = 17
BUCKETS = 1 << BUCKET_BITS
GRAM_CHARS = 4
MAX_GRAMS = 96
MAX_WORDS = 48
SCORE_SCALE = 8
GRAM_MIXER = np.uint32(0x9E3779B1)
SALTS = {"word": 11, "pair": 5, "first": 1, "last": 2, "shape": 31, "above": 41, "below": 43}
Int8s = NDArray[np.int8]


@dataclass(frozen=True)
class Entries:
    """Hashed entries of one kind; those of line i are `columns[starts[i]:ends[i]]`."""

    columns: Ints
    starts: Ints
    ends: Ints


def _salted(hashes: Hashes, kind: str) -> Ints:
    return bucket(hashes * np.uint64(2) + np.uint64(SALTS[kind]), BUCKET_BITS)


def _one_a_line(hashes: Hashes, kind: str) -> Entries:
    here = np.arange(len(hashes))
    return Entries(_salted(hashes, kind), here, here + 1)


def word_entries(lines: Lines, measures: Measures, pages: Pages) -> list[Entries]:
    """Words, pairs of words, first and last word, and the shapes of the line and around it."""
    hashes = lines.words.hash
    pairs = np.zeros_like(hashes)
    pairs[1:] = pair_hashes(hashes[:-1], hashes[1:])
    stop = np.minimum(lines.end_word, lines.first_word + MAX_WORDS)
    shape = line_shapes(lines, measures).astype(np.uint64) + np.uint64(1)
    above, below = np.zeros_like(shape), np.zeros_like(shape)
    above[1:], below[:-1] = shape[:-1], shape[1:]
    # The borders of a page are a shape of their own.
    here = np.arange(len(lines))
    above[here == pages.first] = 0
    below[here + 1 == pages.end] = 0
    return [
        Entries(_salted(hashes, "word"), lines.first_word, stop),
        Entries(_salted(pairs, "pair"), np.minimum(lines.first_word + 1, stop), stop),
        _one_a_line(hashes[lines.first_word], "first"),
        _one_a_line(hashes[lines.end_word - 1], "last"),
        _one_a_line(pair_hashes(shape, shape), "shape"),
        _one_a_line(pair_hashes(above, shape), "above"),
        _one_a_line(pair_hashes(shape, below), "below"),
    ]


def gram_entries(lines: Lines) -> list[Entries]:
    """Character 4-grams of the first characters of each line."""
    letters = letter_table()[lines.codes]
    pairs = letters[:-1].astype(np.uint16) | (letters[1:].astype(np.uint16) << np.uint16(8))
    grams = pairs[:-2].astype(np.uint32) | (pairs[2:].astype(np.uint32) << np.uint32(16))
    mixed = (grams ^ (grams >> np.uint32(15))) * GRAM_MIXER
    columns = (mixed >> np.uint32(32 - BUCKET_BITS)).astype(np.int64)
    last = np.minimum(lines.end - GRAM_CHARS + 1, lines.start + MAX_GRAMS)
    last = np.minimum(np.maximum(last, lines.start), len(columns))
    return [Entries(columns, np.minimum(lines.start, last), last)]


def entry_counts(entries: list[Entries]) -> Ints:
    """Entries of all kinds a line."""
    total = np.zeros(len(entries[0].starts), np.int64)
    for kind in entries:
        total += kind.ends - kind.starts
    return total


def _score(entries: list[Entries], weights: Int8s) -> Ints:
    """Sum of weights over the root of the number of entries, as a rounded integer."""
    total = np.zeros(len(entries[0].starts), np.int64)
    for kind in entries:
        total += segment_sums(weights[kind.columns], kind.starts, kind.ends)
    count = np.maximum(entry_counts(entries), 1)
    score: Ints = np.rint(total * SCORE_SCALE / np.sqrt(count)).astype(np.int64)
    return score


@dataclass(frozen=True)
class LinearModel:
    """Integer weights a bucket, for entries of words and of characters."""

    word_weights: Int8s
    gram_weights: Int8s

    def score(self, lines: Lines, measures: Measures, pages: Pages) -> Ints:
        """Two integers a line: the score of its words and that of its characters."""
        by_words = _score(word_entries(lines, measures, pages), self.word_weights)
        by_grams = _score(gram_entries(lines), self.gram_weights)
        return np.stack([by_words, by_grams], axis=1)
