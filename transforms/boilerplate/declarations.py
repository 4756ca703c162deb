"""Features of a line from what its page declares: titles, and the values of schema.org data.

A line is compared with the declared values of its own page alone: by its whole, word by word, and by
pairs of words. Shares are made of integers, so they do not depend on the batch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from reinschrift.transforms.boilerplate.lexicons import pair_hashes
from reinschrift.transforms.boilerplate.lines import Lines, scan_lines, segment_sums
from reinschrift.transforms.html.declared import PAGE_KINDS, VALUE_KINDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reinschrift.transforms.boilerplate.characters import Floats, Hashes, Ints
    from reinschrift.transforms.boilerplate.features import Columns, Pages
    from reinschrift.transforms.html.declared import Declared

VALUE_SCHEMA = pl.Schema(
    {"page": pl.UInt32(), "kind": pl.UInt8(), "text": pl.String(), "blank_before": pl.UInt32()}
)
MAX_COUNT = 100


class _Keys:
    """Sorted hashes, each with the bits of the kinds of value it was found in."""

    def __init__(self, keys: Hashes, bits: Ints) -> None:
        self.keys, group = np.unique(keys, return_inverse=True)
        self.bits = np.zeros(len(self.keys) + 1, np.int64)
        np.bitwise_or.at(self.bits, group, bits)

    def bits_of(self, keys: Hashes) -> Ints:
        """The bits of each key, 0 for one that was not declared."""
        if not len(self.keys):
            return np.zeros(len(keys), np.int64)
        found = np.searchsorted(self.keys, keys)
        known = self.keys[np.minimum(found, len(self.keys) - 1)] == keys
        return np.where(known, self.bits[found], 0)


def _pairs(hashes: Hashes) -> Hashes:
    pairs = np.zeros_like(hashes)
    pairs[1:] = pair_hashes(hashes[:-1], hashes[1:])
    return pairs


def _values(declared: Sequence[Declared]) -> pl.DataFrame:
    rows = [
        (page, VALUE_KINDS.index(kind), text, 0)
        for page, each in enumerate(declared)
        for kind, texts in each.values.items()
        for text in texts
    ]
    return pl.DataFrame(rows, schema=VALUE_SCHEMA, orient="row")


def _salted(hashes: Hashes, page: Ints) -> Hashes:
    return pair_hashes(hashes, page.astype(np.uint64) + np.uint64(1))


def declared_features(
    declared: Sequence[Declared], lines: Lines, pages: Pages
) -> tuple[list[str], Floats]:
    """Names of the features and their matrix, one row a scanned line (float32).

    `declared`: one a page of the frame the lines were scanned from, in the same order.
    """
    values = _values(declared)
    scanned = scan_lines(values)
    page_of_value = values["page"].to_numpy().astype(np.int64)[scanned.row]
    bit = np.int64(1) << values["kind"].to_numpy().astype(np.int64)[scanned.row]
    in_word = np.repeat(np.arange(len(scanned)), scanned.end_word - scanned.first_word)
    # The words of a scanned frame are those of its lines, in order.
    whole = _Keys(_salted(scanned.line_hash, page_of_value), bit)
    single = _Keys(_salted(scanned.words.hash, page_of_value[in_word]), bit[in_word])
    inner = np.ones(len(in_word), np.bool_)
    inner[scanned.first_word[scanned.first_word < len(inner)]] = False
    salted_pairs = _salted(_pairs(scanned.words.hash), page_of_value[in_word])
    paired = _Keys(salted_pairs[inner], bit[in_word][inner])

    line_page = lines.page[lines.line_of_word]
    equal = whole.bits_of(_salted(lines.line_hash, lines.page))
    word_bits = single.bits_of(_salted(lines.words.hash, line_page))
    pair_bits = paired.bits_of(_salted(_pairs(lines.words.hash), line_page))
    words = np.maximum(1, lines.end_word - lines.first_word)
    columns: Columns = {}
    for number, kind in enumerate(VALUE_KINDS):
        flag = np.int64(1) << number
        columns[f"declared_{kind}_equal"] = (equal & flag) > 0
        columns[f"declared_{kind}_words"] = lines.sums_over_words((word_bits & flag) > 0) / words
        pairs = segment_sums((pair_bits & flag) > 0, lines.first_word + 1, lines.end_word)
        columns[f"declared_{kind}_pairs"] = pairs / np.maximum(1, words - 1)
    columns |= _title_features((equal & 1) > 0, pages)
    columns |= _page_features(declared, lines.page)
    matrix = np.empty((len(lines), len(columns)), np.float32, order="F")
    for index, column in enumerate(columns.values()):
        matrix[:, index] = column
    return [*columns], matrix


def _title_features(is_title: np.ndarray[tuple[int], np.dtype[np.bool_]], pages: Pages) -> Columns:
    """Lines that repeat a declared title: how many stand above and below, how far the last one is."""
    here = np.arange(len(is_title))
    seen = np.maximum.accumulate(np.where(is_title, here, -1)) if len(here) else here
    return {
        "title_above": segment_sums(is_title, pages.first, here),
        "title_below": segment_sums(is_title, here + 1, pages.end),
        "title_since": np.where(seen >= pages.first, here - seen, -1),
    }


def _page_features(declared: Sequence[Declared], page: Ints) -> Columns:
    counts = np.array(
        [[min(MAX_COUNT, len(each.values.get(kind, ()))) for kind in VALUE_KINDS] for each in declared]
    )
    kinds = np.array([[kind in each.page_kinds for kind in PAGE_KINDS] for each in declared])
    columns: Columns = {f"declares_{kind}": counts[page, i] for i, kind in enumerate(VALUE_KINDS)}
    columns |= {f"page_is_{kind}": kinds[page, i] for i, kind in enumerate(PAGE_KINDS)}
    return columns
