"""Lines and words of many pages, measured at once.

`scan_lines` lays the lines of a batch out as one array of characters and finds lines and words
in it; every count is an exact integer and every hash is modular, so what is measured on a line
does not depend on the other lines of the batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from reinschrift.transforms.boilerplate.characters import (
    BEYOND_THE_PLANE,
    CLASS_COUNT,
    LAST_WORD_CLASS,
    Bools,
    CharClass,
    Classes,
    Codes,
    Hashes,
    Ints,
    class_table,
    term_table,
)
from reinschrift.transforms.boilerplate.lexicons import BASE

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

POWER_BLOCK = 1 << 20
PADDING = "\n\n"
BASE_INVERSE = pow(BASE, -1, 1 << 64)


class _Powers:
    """Powers of the hash base and of its inverse modulo 2**64, grown on demand."""

    def __init__(self) -> None:
        self.forward: Hashes = np.ones(1, np.uint64)
        self.backward: Hashes = np.ones(1, np.uint64)

    def up_to(self, count: int) -> tuple[Hashes, Hashes]:
        if len(self.forward) < count:
            size = -(-count // POWER_BLOCK) * POWER_BLOCK
            self.forward, self.backward = _powers(BASE, size), _powers(BASE_INVERSE, size)
        return self.forward[:count], self.backward[:count]


def _powers(base: int, count: int) -> Hashes:
    factors = np.full(count, base, np.uint64)
    factors[0] = 1
    return np.cumprod(factors, dtype=np.uint64)


_POWERS = _Powers()


def segment_sums(values: NDArray[np.generic], starts: Ints, ends: Ints) -> Ints:
    """Sums of integer `values` over the half-open segments [start, end); empty ones give 0."""
    totals = np.zeros(len(values) + 1, np.int64)
    np.cumsum(values, out=totals[1:])
    return totals[ends] - totals[starts]


@dataclass(frozen=True)
class Words:
    """One row a word: half-open character span, hash, class of its first character."""

    start: Ints
    end: Ints
    hash: Hashes
    first_class: Classes

    @cached_property
    def length(self) -> Ints:
        """Characters of each word."""
        return self.end - self.start


@dataclass(frozen=True)
class Lines:
    """One row a line that holds at least one word.

    `row` is its row in the frame that was scanned, `page` numbers the pages of the batch from 0,
    [`start`, `end`) are its trimmed characters, [`first_word`, `end_word`) its words.
    """

    codes: Codes
    classes: Classes
    prefix_hash: Hashes
    inverse_powers: Hashes
    words: Words
    row: Ints
    page: Ints
    start: Ints
    end: Ints
    indent: Ints
    blank_before: Ints
    first_word: Ints
    end_word: Ints

    def __len__(self) -> int:
        return len(self.row)

    @cached_property
    def word_count(self) -> Ints:
        """Words of each line; two characters of an unspaced script count as one word."""
        ideographs = self.class_counts[:, CharClass.IDEOGRAPH]
        return self.end_word - self.first_word + ideographs // 2

    @cached_property
    def class_counts(self) -> Ints:
        """Characters by class: a row a line, a column a `CharClass`; plain letters left out."""
        counted = np.flatnonzero((self.classes != CharClass.LOWER) & (self.classes != CharClass.SPACE))
        borders = np.searchsorted(counted, np.stack([self.start, self.end], axis=1).reshape(-1))
        # By turns what stands between lines, counted as one line more, and a line.
        owner = np.full(len(borders) + 1, len(self))
        owner[1::2] = np.arange(len(self))
        line_of = np.repeat(owner, np.diff(borders, prepend=0, append=len(counted)))
        keys = line_of * CLASS_COUNT + self.classes[counted]
        counts = np.bincount(keys, minlength=(len(self) + 1) * CLASS_COUNT)
        return counts.reshape(-1, CLASS_COUNT)[:-1]

    @cached_property
    def line_of_word(self) -> Ints:
        """The line each word stands in."""
        return np.repeat(np.arange(len(self)), self.end_word - self.first_word)

    @cached_property
    def line_hash(self) -> Hashes:
        """Hash of each line, folded to lower case and with all digits alike."""
        span = self.prefix_hash[self.end] - self.prefix_hash[self.start]
        return span * self.inverse_powers[self.start]

    def class_at(self, positions: Ints) -> Classes:
        """Character classes at positions, at most two characters off a line."""
        return self.classes[positions]

    def sums_over_words(self, values: NDArray[np.generic]) -> Ints:
        """Sums a line of an integer value a word."""
        return segment_sums(values, self.first_word, self.end_word)


def _characters(texts: pl.Series) -> tuple[Codes, Ints, Ints]:
    """Codes of all lines, start and end of each line; `PADDING` stands around every line.

    Features look two characters beyond a word: what they find there must not be another page.
    """
    lengths = texts.str.len_chars().to_numpy().astype(np.int64)
    joined = PADDING + texts.str.join(PADDING).item() + PADDING
    wide = np.frombuffer(joined.encode("utf-32-le"), np.uint32)
    codes = np.minimum(wide, BEYOND_THE_PLANE).astype(np.uint16)
    ends = np.cumsum(lengths + len(PADDING))
    return codes, ends - lengths, ends


def _spans(inside: Bools) -> tuple[Ints, Ints]:
    """Start and end of each run of True; the last element is never inside."""
    edges = np.flatnonzero(inside[1:] != inside[:-1]) + 1
    if inside[0]:
        edges = np.concatenate([[0], edges])
    return edges[0::2], edges[1::2]


def _words(codes: Codes, classes: Classes) -> tuple[Words, Hashes, Hashes]:
    starts, ends = _spans(classes <= LAST_WORD_CLASS)
    powers, inverse_powers = _POWERS.up_to(len(codes) + 1)
    prefix = np.zeros(len(codes) + 1, np.uint64)
    terms = term_table()[codes]
    terms *= powers[:-1]
    np.cumsum(terms, out=prefix[1:])
    hashes = (prefix[ends] - prefix[starts]) * inverse_powers[starts]
    return Words(starts, ends, hashes, classes[starts]), prefix, inverse_powers


def scan_lines(blocks: pl.DataFrame) -> Lines:
    """Lines with words of `blocks` (page, text, blank_before; one row a line, sorted by page)."""
    codes, starts, ends = _characters(blocks["text"])
    classes = class_table()[codes]
    words, prefix, inverse_powers = _words(codes, classes)
    first_word = np.searchsorted(words.start, starts)
    end_word = np.searchsorted(words.start, ends)
    row = np.flatnonzero(end_word > first_word)
    visible = np.flatnonzero(classes != CharClass.SPACE)
    trimmed_start = visible[np.searchsorted(visible, starts[row])]
    trimmed_end = visible[np.searchsorted(visible, ends[row]) - 1] + 1
    page = blocks["page"].rle_id().to_numpy().astype(np.int64)
    # A line without words is a gap to the lines around it.
    height = np.cumsum(blocks["blank_before"].to_numpy().astype(np.int64) + 1)[row]
    gap = np.diff(height, prepend=0) - 1
    gap[np.diff(page[row], prepend=-1) != 0] = 0
    return Lines(
        codes=codes,
        classes=classes,
        prefix_hash=prefix,
        inverse_powers=inverse_powers,
        words=words,
        row=row,
        page=page[row],
        start=trimmed_start,
        end=trimmed_end,
        indent=trimmed_start - starts[row],
        blank_before=gap,
        first_word=first_word[row],
        end_word=end_word[row],
    )
