"""Step `language`: the language of each block and page."""

from __future__ import annotations

import polars as pl

from reinschrift.transforms.contracts import LANGUAGE_SHARES, UNDETERMINED
from reinschrift.transforms.languages.mark import mark_language
from reinschrift.transforms.pipeline.working import Context, Outcome, Working


def tell_language(working: Working, context: Context) -> Outcome:
    """Identify the language of each block and page."""
    return _with_pages(working, mark_language(working.units, context.options.language_engine))


def leave_undetermined(working: Working, context: Context) -> Outcome:
    """Every block is of undetermined language."""
    del context
    blocks = working.units.with_columns(
        language=pl.lit(UNDETERMINED),
        page_language=pl.lit(UNDETERMINED),
        page_score=pl.lit(0.0, dtype=pl.Float32),
        page_languages=pl.lit([], dtype=LANGUAGE_SHARES),
        page_agreement=pl.lit(None, dtype=pl.Float32),
    )
    return _with_pages(working, blocks)


def _with_pages(working: Working, blocks: pl.DataFrame) -> Outcome:
    """The blocks, and what was found of their pages in PAGES."""
    found = {
        "page_language": "language",
        "page_score": "language_score",
        "page_languages": "languages",
        "page_agreement": "language_agreement",
    }
    facts = blocks.select("page", *found).unique("page").rename(found)
    pages = (
        working.pages.drop(found.values(), strict=False)
        .join(facts, on="page", how="left", maintain_order="left")
        .with_columns(
            pl.col("language").fill_null(UNDETERMINED),
            pl.col("language_score").fill_null(0.0),
            pl.col("languages").fill_null([]),
        )
    )
    return Outcome(Working(pages, blocks.drop(found.keys())))
