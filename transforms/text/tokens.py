"""Words and lines of many documents as arrays, once, for everything that is counted over them.

All texts of a batch lie in one array of code points. Counts are integers and hashes are modular, so
what is found in a document does not depend on the other documents of its batch.
"""

from __future__ import annotations

import functools
import sys
import unicodedata
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

Ints: TypeAlias = NDArray[np.int64]
Hashes: TypeAlias = NDArray[np.uint64]
Flags: TypeAlias = NDArray[np.uint8]
Bools: TypeAlias = NDArray[np.bool_]
Floats: TypeAlias = NDArray[np.float64]

TABLE_SIZE = 1 << 16
BEYOND_THE_PLANE = TABLE_SIZE - 1
"""Stands for every character outside the Basic Multilingual Plane, nearly all of them emoji."""

SPACE, LETTER, NUMBER, UPPER, STOP, STRICT_STOP, BULLET, MARK = (1 << bit for bit in range(8))
WORDLIKE = LETTER | NUMBER

STRICT_STOPS = ".!?\"”“»«’‘›‹'"
"""Ends of a sentence as C4 has them (. ! ? and quotation marks), with the marks of other languages."""
OTHER_STOPS = "…:;" + "։؟۔।॥။።፧‼‽⁇⁈⁉。！．？｡"
BULLETS = "•‣▶◀◦■□▪▫▸►●○∙·⁃"
"""Bullet points of RedPajama and a few more; BULLET_MARKS count only before a space."""
BULLET_MARKS = "-–*+"

HASH_BASE = 0x9E3779B97F4A7C15
_BASE_INVERSE = pow(HASH_BASE, -1, 1 << 64)
_MIXERS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_POWER_BLOCK = 1 << 18


@functools.cache
def flag_table() -> Flags:
    """What each character is: an OR of the flags above."""
    by_category = {"L": LETTER, "M": LETTER, "N": NUMBER}
    table = np.zeros(TABLE_SIZE, np.uint8)
    for code in range(TABLE_SIZE - 1):
        char = chr(code)
        category = unicodedata.category(char)
        flags = by_category.get(category[0], 0)
        table[code] = flags | UPPER * (category in ("Lu", "Lt")) | SPACE * char.isspace()
    for flag, chars in (
        (STOP | STRICT_STOP, STRICT_STOPS),
        (STOP, OTHER_STOPS.replace(":", "").replace(";", "")),
        (BULLET, BULLETS),
        (MARK, BULLET_MARKS),
    ):
        table[[ord(char) for char in chars]] |= np.uint8(flag)
    return table


@functools.cache
def _terms() -> Hashes:
    """What a character adds to the hash of its word, in lower case; 0 outside of words."""
    lower = [chr(code).lower()[0] for code in range(TABLE_SIZE)]
    codes = np.fromiter(map(ord, lower), np.uint64, TABLE_SIZE)
    return codes + np.uint64(1)


@functools.lru_cache(maxsize=8)
def _powers(base: int, blocks: int) -> Hashes:
    factors = np.full(blocks * _POWER_BLOCK, base, np.uint64)
    factors[0] = 1
    return np.cumprod(factors, dtype=np.uint64)


def mix(hashes: Hashes) -> Hashes:
    """The finaliser of SplitMix64: every bit of the input changes every bit of the output."""
    for shift, factor in zip((30, 27), _MIXERS, strict=True):
        hashes = (hashes ^ (hashes >> np.uint64(shift))) * factor
    return hashes ^ (hashes >> np.uint64(31))


def word_hashes(words: Sequence[str]) -> Hashes:
    """The hashes of single words, as `Tokens.hash` has them."""
    totals = []
    for word in words:
        total = 0
        for place, char in enumerate(char for char in word.lower() if char.isalnum()):
            total += (ord(char) + 1) * pow(HASH_BASE, place, 1 << 64)
        totals.append(total % (1 << 64))
    return mix(np.array(totals, np.uint64))


def _prefix_counts(chosen: Bools) -> NDArray[np.int32]:
    """How many are chosen before each place, and in all."""
    counts = np.zeros(len(chosen) + 1, np.int32)
    np.cumsum(chosen, out=counts[1:])
    return counts


def _prefix_hashes(terms: Hashes) -> Hashes:
    """Sums modulo 2**64 of the terms before each place."""
    sums = np.zeros(len(terms) + 1, np.uint64)
    np.cumsum(terms, out=sums[1:])
    return sums


def _runs(inside: Bools) -> tuple[Ints, Ints]:
    """Start and end of each run of True; neither the first nor the last element is inside."""
    edges = np.flatnonzero(inside[1:] != inside[:-1]) + 1
    return edges[0::2], edges[1::2]


@dataclass(frozen=True)
class Tokens:
    """Documents, their lines that are not blank, and their words.

    A *word* is a run without white space; its letters and digits, in lower case, are its *core*.
    `doc_chars` counts code points a document; the other arrays have one element a line or word.
    """

    flags: Flags
    codes: NDArray[np.uint16]
    doc_start: Ints
    doc_end: Ints
    word_start: Ints
    word_end: Ints

    @property
    def n_docs(self) -> int:
        """Documents in the batch."""
        return len(self.doc_start)

    @cached_property
    def word_doc(self) -> Ints:
        """The document of each word."""
        return np.repeat(np.arange(self.n_docs), np.diff(self.word_bounds))

    @cached_property
    def word_bounds(self) -> Ints:
        """Words before each document, and of all."""
        first = np.searchsorted(self.word_start, self.doc_start)
        return np.append(first, len(self.word_start))

    def per_word(self, flag: int) -> NDArray[np.int32]:
        """Characters of each word that have one of the flags."""
        sums = self._sums(flag)
        return sums[self.word_end] - sums[self.word_start]

    def per_doc(self, flag: int) -> Ints:
        """Characters of each document that have one of the flags."""
        sums = self._sums(flag)
        return (sums[self.doc_end] - sums[self.doc_start]).astype(np.int64)

    def _sums(self, flag: int) -> NDArray[np.int32]:
        if flag not in self._cache:
            self._cache[flag] = _prefix_counts((self.flags & np.uint8(flag)) != 0)
        return self._cache[flag]

    @cached_property
    def _cache(self) -> dict[int, NDArray[np.int32]]:
        return {}

    def words_where(self, chosen: Bools) -> Ints:
        """How many words of each document are chosen."""
        sums = _prefix_counts(chosen)
        return np.diff(sums[self.word_bounds]).astype(np.int64)

    @cached_property
    def core_chars(self) -> NDArray[np.int32]:
        """Letters and digits of each word."""
        return self.per_word(WORDLIKE)

    @cached_property
    def cores(self) -> Cores:
        """The words that have a letter or digit."""
        chosen = np.flatnonzero(self.core_chars)
        kept = np.flatnonzero((self.flags & np.uint8(WORDLIKE)) != 0)
        blocks = len(kept) // _POWER_BLOCK + 1
        terms = _terms()[self.codes[kept]] * _powers(HASH_BASE, blocks)[: len(kept)]
        prefix = _prefix_hashes(terms)
        sums = self._sums(WORDLIKE)
        start, end = sums[self.word_start[chosen]], sums[self.word_end[chosen]]
        inverse = _powers(_BASE_INVERSE, blocks)[start]
        hashes = mix((prefix[end] - prefix[start]) * inverse)
        return Cores(self.word_doc[chosen], hashes, (end - start).astype(np.int64), self.n_docs)

    def find_lines(self) -> TextLines:
        """Lines that hold at least one word; not kept here, for the ring would outlive its use."""
        breaks = np.flatnonzero(self.codes == ord("\n"))
        row = np.searchsorted(breaks, self.word_start)
        is_first = np.diff(row, prepend=-1) != 0
        first = np.flatnonzero(is_first)
        last = np.append(first, len(row))[1:] - 1
        return TextLines(self, first, last)


@dataclass(frozen=True)
class Cores:
    """One row a word with a letter or digit: its document, hash, and letters and digits."""

    doc: Ints
    hash: Hashes
    chars: Ints
    n_docs: int


@dataclass(frozen=True)
class TextLines:
    """One row a line that is not blank, with the numbers of its first and last word."""

    tokens: Tokens
    first_word: Ints
    last_word: Ints

    @cached_property
    def doc(self) -> Ints:
        """The document of each line."""
        return self.tokens.word_doc[self.first_word]

    @cached_property
    def start(self) -> Ints:
        """Its first character that is no space."""
        return self.tokens.word_start[self.first_word]

    @cached_property
    def end(self) -> Ints:
        """The place after its last character that is no space."""
        return self.tokens.word_end[self.last_word]

    @cached_property
    def chars(self) -> Ints:
        """Code points without the white space around it."""
        return self.end - self.start

    @cached_property
    def words(self) -> Ints:
        """Words of each line."""
        return self.last_word - self.first_word + 1

    @cached_property
    def hash(self) -> Hashes:
        """A hash of its characters, spaces between them included."""
        codes = self.tokens.codes
        blocks = len(codes) // _POWER_BLOCK + 1
        terms = codes.astype(np.uint64)
        terms += np.uint64(1)
        terms *= _powers(HASH_BASE, blocks)[: len(codes)]
        prefix = _prefix_hashes(terms)
        inverse = _powers(_BASE_INVERSE, blocks)[self.start]
        return mix((prefix[self.end] - prefix[self.start]) * inverse)

    @cached_property
    def ends_in_ellipsis(self) -> Bools:
        """Whether the line ends in … or three full stops."""
        codes, last = self.tokens.codes, self.end - 1
        dots = codes[last] == ord(".")
        dots &= (codes[last - 1] == ord(".")) & (codes[last - 2] == ord(".")) & (self.chars > 2)
        ends: Bools = dots | (codes[last] == ord("…"))
        return ends

    @cached_property
    def is_bulleted(self) -> Bools:
        """Whether the line begins with a bullet, or with a dash or star and a space."""
        flags = self.tokens.flags
        first = flags[self.start]
        marked = ((first & MARK) != 0) & ((flags[self.start + 1] & SPACE) != 0)
        begins: Bools = ((first & BULLET) != 0) | marked
        return begins

    def last_is(self, flag: int) -> Bools:
        """Whether the last character has the flag."""
        has: Bools = (self.tokens.flags[self.end - 1] & flag) != 0
        return has

    def count(self, chosen: Bools) -> Ints:
        """How many lines of each document are chosen."""
        return np.bincount(self.doc[chosen], minlength=self.tokens.n_docs)


def tokenise(texts: pl.Series) -> Tokens:
    """Lay the texts out as one array, and find their words."""
    lengths = texts.str.len_chars().to_numpy().astype(np.int64)
    # White space before and after each text, so that one may look a character beyond it.
    joined = "\n\n" + "\n\n".join(texts.to_list()) + "\n\n"
    encoding = "utf-32-le" if sys.byteorder == "little" else "utf-32-be"
    wide = np.frombuffer(joined.encode(encoding), np.uint32)
    codes = np.minimum(wide, BEYOND_THE_PLANE).astype(np.uint16)
    ends = np.cumsum(lengths + 2)
    flags = flag_table()[codes]
    starts, word_ends = _runs((flags & np.uint8(SPACE)) == 0)
    return Tokens(flags, codes, ends - lengths, ends, starts, word_ends)
