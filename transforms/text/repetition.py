"""How much a document repeats itself: words, lines and n-grams that occur more than once in it.

A run of n words can only occur twice if both runs of n - 1 words in it do. So the words are sorted
once, and for each longer n only what is left of the candidates, which soon are few.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from reinschrift.transforms.text.tokens import HASH_BASE, Bools, Cores, Floats, Hashes, Ints, mix

if TYPE_CHECKING:
    from collections.abc import Iterator

DOC_BITS = 12
MAX_BATCH_DOCS = 1 << DOC_BITS
_HASH_BITS = np.uint64(64 - DOC_BITS)
ENTROPY_UNIT = 1 << 24
"""Entropy is summed in whole parts of this, since a sum of floats depends on its order."""


@dataclass(frozen=True)
class Groups:
    """Equal things of one document: their document, how many, and the place of one of them."""

    doc: Ints
    count: Ints
    place: Ints


def _keys(doc: Ints, hashes: Hashes) -> Hashes:
    """Document and hash in one number; what collides in a document depends on it alone."""
    return (doc.astype(np.uint64) << _HASH_BITS) | (hashes >> np.uint64(DOC_BITS))


def group_equal(doc: Ints, hashes: Hashes) -> tuple[Groups, Bools]:
    """Groups of equal hashes within a document, and for each row whether it has an equal."""
    keys = _keys(doc, hashes)
    order = np.argsort(keys)
    ordered = keys[order]
    first = np.flatnonzero(np.diff(ordered, prepend=~ordered[:1]) != 0)
    count = np.diff(first, append=len(ordered))
    is_repeated = np.empty(len(keys), np.bool_)
    is_repeated[order] = np.repeat(count > 1, count)
    place = order[first]
    return Groups(doc[place], count, place), is_repeated


def entropy(groups: Groups, totals: Ints) -> Floats:
    """Entropy in nats of the distribution of words of each document; 0 without words."""
    parts = np.rint(groups.count * _logarithms(groups.count) * ENTROPY_UNIT).astype(np.int64)
    summed = np.zeros(len(totals), np.int64)
    np.add.at(summed, groups.doc, parts)
    totals = np.maximum(totals, 1)
    return np.maximum(_logarithms(totals) - summed / ENTROPY_UNIT / totals, 0.0)


def _logarithms(numbers: Ints) -> Floats:
    """Natural logarithms, the same for a number wherever it stands in an array."""
    distinct, places = np.unique(numbers, return_inverse=True)
    return np.array([math.log(number) for number in distinct.tolist()], np.float64)[places]


@dataclass(frozen=True)
class Repeated:
    """The n-grams of one length that occur more than once in their document.

    `groups.place` and `starts` are the places of first words.
    """

    n: int
    groups: Groups
    starts: Ints


def repeated_ngrams(words: Cores, is_repeated: Bools, longest: int) -> Iterator[Repeated]:
    """Repeated n-grams of n = 2 to `longest`; `is_repeated` says which words are."""
    starts = np.flatnonzero(is_repeated)
    hashes = words.hash[starts]
    for n in range(2, longest + 1):
        # The run of n - 1 words one place further on is repeated too, in the same document.
        is_candidate = np.diff(starts, append=-1) == 1
        starts, hashes = starts[is_candidate], hashes[is_candidate]
        is_inside = words.doc[starts] == words.doc[starts + n - 1]
        starts, hashes = starts[is_inside], hashes[is_inside]
        hashes = mix(hashes * np.uint64(HASH_BASE) + words.hash[starts + n - 1])
        groups, again = group_equal(words.doc[starts], hashes)
        chosen = groups.count > 1
        places = starts[groups.place[chosen]]
        starts, hashes = starts[again], hashes[again]
        yield Repeated(n, Groups(groups.doc[chosen], groups.count[chosen], places), starts)


def top_chars(repeated: Repeated, words: Cores) -> Ints:
    """Letters and digits in all copies of the most frequent n-gram of each document.

    Of several as frequent the longest counts; 0 where none occurs twice.
    """
    before = np.concatenate([[0], np.cumsum(words.chars)])
    groups = repeated.groups
    chars = before[groups.place + repeated.n] - before[groups.place]
    order = np.lexsort((chars, groups.count, groups.doc))
    last = np.flatnonzero(np.diff(groups.doc[order], append=-1) != 0)
    best = order[last]
    found = np.zeros(words.n_docs, np.int64)
    found[groups.doc[best]] = groups.count[best] * chars[best]
    return found


def covered_chars(repeated: Repeated, words: Cores) -> Ints:
    """Letters and digits of each document that lie in some repeated n-gram, each counted once."""
    before = np.concatenate([[0], np.cumsum(words.chars)])
    starts = repeated.starts
    beyond = np.iinfo(np.int64).max
    ends = np.minimum(starts + repeated.n, np.append(starts[1:], beyond)[: len(starts)])
    found = np.bincount(words.doc[starts], before[ends] - before[starts], minlength=words.n_docs)
    return found.astype(np.int64)
