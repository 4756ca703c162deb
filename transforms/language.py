"""The language of every block, and of the page: langdetect, settled by the page where a block is short.

langdetect is random unless seeded; seed 0 makes it a pure function of the text. `langdetect-rs` gives
identical answers about fifty times faster, and the Python original stands in where it is absent.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Protocol

import polars as pl

from transforms.contracts import UNDETERMINED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

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


class _Guess(Protocol):
    lang: str
    prob: float


def _distribution(found: Iterable[_Guess]) -> Distribution:
    merged: Distribution = {}
    for guess in found:
        code = ISO_CODES.get(guess.lang, guess.lang)
        merged[code] = merged.get(code, 0.0) + guess.prob
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
    the blocks that voted, that is in it).

    Blocks of MIN_PROSE_LETTERS or more are asked, and vote on the page's language with their letters
    times probability; on a page without such a block all of them do. A block keeps its own language
    where it was asked and is sure, or where the page's can't be right; else it takes the page's.
    """
    letters = pl.col("text").str.count_matches(r"\p{L}")
    is_prose = pl.col("letters") >= MIN_PROSE_LETTERS
    marked = blocks.with_columns(letters=letters).with_columns(
        head=pl.when((pl.col("letters") > 0) & (is_prose | ~is_prose.any().over("page"))).then(
            pl.col("text").str.strip_chars().str.slice(0, MAX_DETECT_CHARS)
        )
    )
    guesses = _guess(marked["head"])
    pages = _vote(marked, guesses)
    first = guesses.group_by("head", maintain_order=True).first()
    plausible = guesses.select("head", page_language="language", is_plausible=pl.lit(value=True))
    is_sure = is_prose & (
        (pl.col("probability") >= MIN_OWN_PROBABILITY) | pl.col("is_plausible").is_null()
    )
    return (
        marked.join(pages, on="page", how="left", maintain_order="left")
        .with_columns(
            pl.col("page_language").fill_null(UNDETERMINED), pl.col("page_score").fill_null(0.0)
        )
        .join(first.rename({"language": "own"}), on="head", how="left", maintain_order="left")
        .join(plausible, on=["head", "page_language"], how="left", maintain_order="left")
        .with_columns(
            language=pl.when(pl.col("letters") == 0)
            .then(pl.lit(UNDETERMINED))
            .when(is_sure & pl.col("own").is_not_null())
            .then("own")
            .otherwise("page_language")
        )
        .drop("head", "own", "probability", "letters", "is_plausible")
    )


def _guess(heads: pl.Series) -> pl.DataFrame:
    """`head`, `language`, `probability`, likeliest first; each different text is asked once."""
    asked = heads.drop_nulls().unique(maintain_order=True)
    rows = [
        (text, language, probability)
        for text, found in zip(asked, detector()(asked.to_list()), strict=True)
        for language, probability in sorted(found.items(), key=lambda item: (-item[1], item[0]))
    ]
    schema = {"head": pl.String, "language": pl.String, "probability": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _vote(blocks: pl.DataFrame, guesses: pl.DataFrame) -> pl.DataFrame:
    """`page`, `page_language`, `page_score`, of the pages on which any block was asked."""
    voters = blocks.select("page", "letters", "head").drop_nulls().join(guesses, on="head")
    weight = (pl.col("letters") * pl.col("probability")).sum()
    # Sorted before summing: a sum of floats hangs on its order.
    tally = (
        voters.sort("page", "language", "letters", "probability")
        .group_by("page", "language", maintain_order=True)
        .agg(weight=weight)
        .sort("page", "weight", "language", descending=[False, True, False])
    )
    return tally.group_by("page", maintain_order=True).agg(
        page_language=pl.col("language").first(),
        page_score=(pl.col("weight").first() / pl.col("weight").sum()).cast(pl.Float32),
    )
