"""The language of every block, and of the page: langdetect, settled by the page where a block is short.

langdetect is random unless seeded; seed 0 makes it a pure function of the text. `langdetect-rs` gives
identical answers about fifty times faster, and the Python original stands in where it is absent.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import polars as pl

from transforms.contracts import UNDETERMINED

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SEED = 0
MIN_PROSE_LETTERS = 40  # shorter blocks say little of their language
MIN_OWN_PROBABILITY = 0.9  # below it a block takes the page's language if that is possible at all
MAX_DETECT_CHARS = 1_000  # repetitive text of great length fools detectors, and costs time
ISO_CODES = {"zh-cn": "zh", "zh-tw": "zh"}

Distribution = dict[str, float]  # language -> probability


def detect_with_langdetect(texts: Sequence[str]) -> list[Distribution]:
    """langdetect itself, in Python: the reference."""
    from langdetect import DetectorFactory, LangDetectException, detect_langs

    DetectorFactory.seed = SEED

    def detect(text: str) -> Distribution:
        try:
            return _distribution(detect_langs(text))
        except LangDetectException:
            return {}

    return [detect(text) for text in texts]


def detect_with_langdetect_rs(texts: Sequence[str]) -> list[Distribution]:
    """The accelerated twin: the same answers from compiled code, many texts at once."""
    from langdetect_rs import DetectorFactory, detect_langs_batch

    DetectorFactory.seed = SEED
    return [_distribution(found or ()) for found in detect_langs_batch(list(texts))]


def _distribution(found: Sequence[object]) -> Distribution:
    merged: Distribution = {}
    for guess in found:
        code = ISO_CODES.get(guess.lang, guess.lang)  # type: ignore[attr-defined]
        merged[code] = merged.get(code, 0.0) + guess.prob  # type: ignore[attr-defined]
    return merged


@cache
def detector() -> Callable[[Sequence[str]], list[Distribution]]:
    """The accelerated twin where it is installed, else langdetect."""
    try:
        import langdetect_rs  # noqa: F401
    except ImportError:
        return detect_with_langdetect
    return detect_with_langdetect_rs


def mark_language(blocks: pl.DataFrame) -> pl.DataFrame:
    """Tell the language of every block.

    In: `page`, `text`, in page order. Out: the same rows with `language` (ISO 639-1, `und` where
    there are no letters), `page_language` and `page_score` (the share of the page's letters, in
    blocks long enough to judge, that is in it).
    """
    letters = pl.col("text").str.count_matches(r"\p{L}")
    marked = blocks.with_columns(letters=letters)
    guesses = _guess_blocks(marked)
    marked = marked.with_columns(guess=pl.Series(guesses, dtype=_GUESS))
    pages = _vote(marked)
    own, probability = pl.col("own"), pl.col("probability")
    is_plausible = pl.col("guess").list.eval(pl.element().struct.field("language")).list.contains(
        pl.col("page_language")
    )
    is_sure = (pl.col("letters") >= MIN_PROSE_LETTERS) & (
        (probability >= MIN_OWN_PROBABILITY) | ~is_plausible
    )
    own_first = pl.col("guess").list.first().struct
    return (
        marked.join(pages, on="page", how="left", maintain_order="left")
        .with_columns(own=own_first.field("language"), probability=own_first.field("probability"))
        .with_columns(
            language=pl.when(pl.col("letters") == 0)
            .then(pl.lit(UNDETERMINED))
            .when(is_sure.fill_null(value=False) & own.is_not_null())
            .then(own)
            .otherwise(pl.col("page_language"))
        )
        .drop("guess", "own", "probability", "letters")
    )


_GUESS = pl.List(pl.Struct({"language": pl.String, "probability": pl.Float64}))


def _guess_blocks(blocks: pl.DataFrame) -> list[list[dict[str, object]]]:
    """For each block the languages it may be in, likeliest first; each different text asked once."""
    head = blocks["text"].str.strip_chars().str.slice(0, MAX_DETECT_CHARS)
    asked = head.filter(blocks["letters"] > 0).unique(maintain_order=True)
    found = dict(zip(asked, detector()(asked.to_list()), strict=True))
    return [
        [
            {"language": language, "probability": probability}
            for language, probability in sorted(
                found.get(text, {}).items(), key=lambda item: (-item[1], item[0])
            )
        ]
        for text in head
    ]


def _vote(blocks: pl.DataFrame) -> pl.DataFrame:
    """`page`, `page_language`, `page_score`: the blocks vote with their letters times probability.

    Blocks long enough to judge vote where a page has any; else all of them do.
    """
    is_prose = pl.col("letters") >= MIN_PROSE_LETTERS
    voters = (
        blocks.filter(is_prose | ~is_prose.any().over("page"))
        .select("page", "letters", "guess")
        .explode("guess", empty_as_null=True)
        .unnest("guess")
        .drop_nulls("language")
    )
    weight = (pl.col("letters") * pl.col("probability")).sum()
    tally = voters.group_by("page", "language").agg(weight=weight)
    first = tally.sort("page", "weight", "language", descending=[False, True, False])
    won = first.group_by("page", maintain_order=True).agg(
        page_language=pl.col("language").first(),
        page_score=(pl.col("weight").first() / pl.col("weight").sum()).cast(pl.Float32),
    )
    return (
        blocks.select("page")
        .unique(maintain_order=True)
        .join(won, on="page", how="left", maintain_order="left")
        .with_columns(
            pl.col("page_language").fill_null(UNDETERMINED), pl.col("page_score").fill_null(0.0)
        )
    )
