"""Bounds that any corpus lies within: what a first run is held to, which has no history.

Each is a share with a threshold. docs/gate.md says on what it was measured; a setting changes it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reinschrift.expectations.verdict import ERROR, WARN, Observation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from reinschrift.expectations.figures import Figures

MIN_PROSE_SENTENCES = 20  # fewer say nothing of how sentences are cut
MIN_DOCUMENTS = 4
MIN_PROSE_CHARS = 2_000
MIN_PAGES = 5
DEVIATIONS = 3


@dataclass(frozen=True)
class Bound:
    """One bound: `share` gives the part and the whole, or None where there is too little to say.

    `applies`: whether a corpus made with these settings is held to it.
    """

    name: str
    what: str
    high: float
    share: Callable[[Figures], tuple[float, float] | None]
    reads: tuple[str, ...]
    severity: str = ERROR
    without: str = ""  # a step; skipped, the bound says nothing
    varies: bool = False  # few units may lie beyond it by chance

    def allowed(self, high: float, whole: float) -> float:
        """The largest share of so many units: of few, DEVIATIONS standard deviations more."""
        if not (self.varies and whole and 0 < high < 1):
            return high
        return high + DEVIATIONS * math.sqrt(high * (1 - high) / whole)


def _unsplit(figures: Figures) -> tuple[float, float] | None:
    enough = figures["prose_sentences"] >= MIN_PROSE_SENTENCES
    return (figures["unsplit"], figures["prose_sentences"]) if enough else None


def _long(figures: Figures) -> tuple[float, float] | None:
    enough = figures["prose_sentences"] >= MIN_PROSE_SENTENCES
    return (figures["long"], figures["prose_sentences"]) if enough else None


def _wrong_language(figures: Figures) -> tuple[float, float] | None:
    measured = figures["measured_by_function_words"]
    return (figures["few_function_words"], measured) if measured >= MIN_DOCUMENTS else None


def _prose_dropped(figures: Figures) -> tuple[float, float] | None:
    gone = figures["prose_chars_dropped_by_models"]
    whole = gone + figures["prose_chars"]
    return (gone, whole) if whole >= MIN_PROSE_CHARS else None


def _repeats(figures: Figures) -> tuple[float, float] | None:
    step = figures["steps"].get("repeats/sentence", {})
    whole = step.get("units_in") or 0
    return (step["units_dropped"], whole) if whole >= MIN_PROSE_SENTENCES else None


def _emptied(figures: Figures) -> tuple[float, float] | None:
    pages = figures["pages"]
    return (pages - figures["documents"], pages) if pages >= MIN_PAGES else None


def _undetermined(figures: Figures) -> tuple[float, float] | None:
    documents = figures["documents"]
    return (figures["languages"].get("und", 0), documents) if documents >= MIN_DOCUMENTS else None


def _furniture(figures: Figures) -> tuple[float, float] | None:
    return (figures["furniture"], figures["sentences"]) if figures["sentences"] else None


BOUNDS = (
    Bound(
        "sanity.sentences-split",
        "sentences of prose that hold the end of another",
        0.05,
        _unsplit,
        ("sentences.rows", "sentences.text"),
        without="sentences",
        varies=True,
    ),
    Bound(
        "sanity.sentence-length",
        "sentences of prose of more than 600 characters",
        0.05,
        _long,
        ("sentences.rows", "sentences.text"),
        without="sentences",
        varies=True,
    ),
    Bound(
        "sanity.language",
        "documents with hardly any function words of the language they are said to be in",
        0.2,
        _wrong_language,
        ("documents.language",),
        without="language",
    ),
    Bound(
        "sanity.language-undetermined",
        "documents of undetermined language",
        0.5,
        _undetermined,
        ("documents.language",),
        WARN,
        without="language",
    ),
    Bound(
        "sanity.prose-kept",
        "of characters in lines that read as prose, those that the models dropped",
        0.3,
        _prose_dropped,
        ("ledger.rows", "ledger.before"),
        without="boilerplate",
    ),
    Bound(
        "sanity.furniture",
        "sentences that are well-known furniture",
        0.02,
        _furniture,
        ("sentences.text",),
        without="boilerplate",
    ),
    Bound(
        "sanity.repeats",
        "sentences dropped as repeats",
        0.9,
        _repeats,
        ("ledger.rows",),
        WARN,
        without="repeats",
    ),
    Bound(
        "sanity.pages-emptied",
        "pages of which nothing was kept",
        0.8,
        _emptied,
        ("documents.rows",),
        WARN,
    ),
)


def judge_sanity(
    figures: Figures, settings: Mapping[str, Any], thresholds: Mapping[str, float]
) -> Iterator[Observation]:
    """An observation for each bound that can be judged."""
    for bound in BOUNDS:
        if bound.without and bound.without in settings.get("skip", ()):
            continue
        found = bound.share(figures)
        high = thresholds.get(bound.name, bound.high)
        part, whole = found or (0, 0)
        share = part / whole if whole else 0.0
        high = bound.allowed(high, whole)
        yield Observation(
            bound.name,
            "corpus",
            bound.what,
            share,
            None,
            high,
            found=f"{share:.1%} ({part:,} of {whole:,})" if found else "too few to say",
            allowed=f"at most {high:.0%}",
            reads=bound.reads,
            severity=bound.severity,
        )
