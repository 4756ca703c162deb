"""What must hold for `documents`."""

from __future__ import annotations

from typing import Any

import polars as pl

from reinschrift.expectations.suites import between, expect, language_codes, no_nulls, one_of
from reinschrift.transforms.contracts import DOCUMENTS as TABLE
from reinschrift.transforms.quality.signals import SIGNALS

_SHARES = [signal.name for signal in SIGNALS if "_frac" in signal.name]
_NOT_PROJECTED = {"text", "quality_flags", *(signal.name for signal in SIGNALS)}


def project(documents: pl.LazyFrame) -> pl.LazyFrame:
    """All columns but the text, of which the length is enough, and the shares, whose range is."""
    return documents.select(
        pl.exclude(*_NOT_PROJECTED),
        text_chars=pl.col("text").str.strip_chars().str.len_chars(),
        shares_in_range=pl.all_horizontal(pl.col(_SHARES).is_between(0, 1).fill_null(value=True)),
    )


def suite() -> list[Any]:
    """Shape, keys, value sets, null rules."""
    columns = [name for name in TABLE.names if name not in _NOT_PROJECTED]
    return [
        *no_nulls(TABLE, columns),
        expect("ExpectColumnValuesToBeUnique", "id is unique", column="id"),
        one_of("format", ("text", "html")),
        language_codes(),
        between("language_score", 0, 1.000001),
        between("text_chars", 1),
        between("n_words", 1),
        between("n_sentences", 1),
        expect(
            "ExpectColumnValuesToBeInSet",
            "quality signals that are shares lie between 0 and 1",
            column="shares_in_range",
            value_set=[True],
        ),
        expect(
            "ExpectColumnPairValuesAToBeGreaterThanB",
            "a document has at least a sentence a block",
            column_A="n_sentences",
            column_B="n_blocks",
            or_equal=True,
        ),
        expect(
            "ExpectColumnPairValuesAToBeGreaterThanB",
            "no document has more blocks than its page",
            column_A="n_blocks_read",
            column_B="n_blocks",
            or_equal=True,
        ),
    ]
