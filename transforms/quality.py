"""Signals of a document's quality, by the names under which they were published.

Gopher: Rae et al. 2021, "Scaling Language Models", table A1. C4: Raffel et al. 2020, section 2.2.
"""

from __future__ import annotations

import polars as pl

SIGNALS = (
    "mean_word_length",
    "symbol_word_ratio",
    "bullet_line_share",
    "ellipsis_line_share",
    "alpha_word_share",
    "end_punctuation_share",
)


def measure_documents(documents: pl.DataFrame) -> pl.DataFrame:
    """Add counts and quality signals.

    In: `text`, blocks one a line. Out: the same rows with `n_chars`, `n_words` and SIGNALS, each a
    share or mean over the document's words or lines.
    """
    text = pl.col("text")
    words = text.str.count_matches(r"\S+").cast(pl.UInt32)
    lines = text.str.count_matches(r"(?m)^.*\S.*$")
    per_word = words.clip(lower_bound=1)
    per_line = lines.clip(lower_bound=1)
    return documents.with_columns(
        n_chars=text.str.len_chars(),
        n_words=words,
        mean_word_length=text.str.count_matches(r"[\p{L}\p{N}]") / per_word,
        symbol_word_ratio=text.str.count_matches(r"#|…|\.\.\.") / per_word,
        bullet_line_share=text.str.count_matches(r"(?m)^\s*[•●▪*‣-]\s") / per_line,
        ellipsis_line_share=text.str.count_matches(r"(?m)(?:…|\.\.\.)$") / per_line,
        alpha_word_share=text.str.count_matches(r"\S*\p{L}\S*") / per_word,
        end_punctuation_share=text.str.count_matches(r"""(?m)[.!?…][\"'”’»“)\]]*$""") / per_line,
    ).with_columns(pl.col(SIGNALS).cast(pl.Float32))
