"""What must hold for `sentences`."""

from __future__ import annotations

from typing import Any

import polars as pl

from reinschrift.expectations.suites import between, expect, language_codes, no_nulls, one_of
from reinschrift.transforms.contracts import KINDS
from reinschrift.transforms.contracts import SENTENCES as TABLE

MAX_FURNITURE_SHARE = 0.02
FURNITURE = (
    "Accept all cookies", "Accept cookies", "Alle akzeptieren", "Alle Cookies akzeptieren",
    "Leave a Reply", "Leave a comment", "Schreibe einen Kommentar", "Skip to content",
    "Skip to main content", "Zum Inhalt springen", "Sign in", "Log in", "Anmelden", "Back to top",
    "Nach oben", "Share on Facebook", "Tweet", "Read more", "Weiterlesen", "All rights reserved.",
    "Alle Rechte vorbehalten.", "Your email address will not be published.",
)  # fmt: skip


def project(sentences: pl.LazyFrame) -> pl.LazyFrame:
    """All columns but the text: its length, and whether it is known furniture."""
    text = pl.col("text")
    return sentences.select(
        pl.exclude("text"),
        text_chars=text.str.strip_chars().str.len_chars(),
        is_furniture=text.is_in(FURNITURE),
    )


def suite(*, was_stripped: bool = True) -> list[Any]:
    """Shape, keys, value sets, null rules; leftover furniture where stripping was not skipped."""
    columns = [name for name in TABLE.names if name != "text"]
    expectations = [
        *no_nulls(TABLE, columns),
        expect("ExpectColumnValuesToBeUnique", "id is unique", column="id"),
        expect(
            "ExpectCompoundColumnsToBeUnique",
            "document_id, block and sentence are the key",
            column_list=["document_id", "block", "sentence"],
        ),
        one_of("kind", KINDS),
        language_codes(),
        between("text_chars", 1),
        expect(
            "ExpectColumnPairValuesAToBeGreaterThanB",
            "end is greater than start",
            column_A="end",
            column_B="start",
        ),
    ]
    if was_stripped:
        leftover = expect(
            "ExpectColumnValuesToBeInSet",
            f"at most {MAX_FURNITURE_SHARE:.0%} of sentences are well-known furniture",
            column="is_furniture",
            value_set=[False],
            mostly=1 - MAX_FURNITURE_SHARE,
        )
        expectations.append(leftover)
    return expectations
