"""What must hold for `documents`."""

from __future__ import annotations

from typing import Any

import polars as pl

from expectations.suites import between, expect, language_codes, no_nulls, one_of
from transforms.contracts import DOCUMENTS as TABLE


def project(documents: pl.LazyFrame) -> pl.LazyFrame:
    """All columns but the text, of which the length is enough."""
    return documents.select(
        pl.exclude("text"), text_chars=pl.col("text").str.strip_chars().str.len_chars()
    )


def suite() -> list[Any]:
    """Shape, keys, value sets, null rules."""
    columns = [name for name in TABLE.names if name != "text"]
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
