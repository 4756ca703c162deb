"""Which lines of a page to keep, given how likely each is content.

The cut is made for each page apart, where the expected F1 of the kept words is highest (the
plug-in rule: keep what is likelier than half the best F1 that can be expected), and then
clipped by the profile: a low upper clip loses less content and keeps more furniture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from reinschrift.transforms.boilerplate.roles import MIN_CLEAN_PAGE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from reinschrift.transforms.boilerplate.characters import Bools, Floats, Ints
    from reinschrift.transforms.boilerplate.roles import Scores

PROBABILITY_UNITS = 1 << 20
NEVER = 2.0  # a share that no page has


@dataclass(frozen=True)
class Profile:
    """How a page is cut: bounds of its threshold, and when it counts as free of furniture.

    `clean_share`: a page where lines of P >= 1/2 hold that share of the words has no furniture
    worth the risk; it loses only lines below `CLEAN_THRESHOLD`.
    """

    lowest: float
    highest: float
    clean_share: float

    @property
    def spares_clean(self) -> bool:
        """Whether a page that is clean loses nothing."""
        return self.clean_share < NEVER


# The rule itself never asks for more than one half.
PROFILES = {
    "precision": Profile(lowest=0.5, highest=0.5, clean_share=0.995),
    "balanced": Profile(lowest=0.1, highest=0.4, clean_share=0.985),
    "recall": Profile(lowest=0.05, highest=0.25, clean_share=0.95),
}
CLEAN_THRESHOLD = 0.2


def bounds_of(profile: str | Profile) -> Profile:
    """The profile of a name, or the profile itself."""
    return PROFILES[profile] if isinstance(profile, str) else profile


def cut_at(threshold: float) -> Profile:
    """A profile that cuts every page at one threshold, whatever stands on it."""
    return Profile(lowest=threshold, highest=threshold, clean_share=NEVER)


def _best_expected_f1(weight: Ints, expected: Ints, page_end: Ints, first: Ints) -> Floats:
    """Best expected F1 of a page over all prefixes of its lines, best first; one a line."""
    kept = np.cumsum(expected)
    read = np.cumsum(weight)
    before_kept = np.concatenate([[0], kept])[first]
    before_read = np.concatenate([[0], read])[first]
    total = kept[page_end - 1] - before_kept
    score = 2 * (kept - before_kept) / np.maximum(1, (read - before_read) * PROBABILITY_UNITS + total)
    starts = np.flatnonzero(np.diff(first, prepend=-1))
    best = np.maximum.reduceat(score, starts)
    return np.repeat(best, np.diff(np.append(starts, len(first))))


def page_thresholds(probability: Floats, words: Ints, page: Ints, profile: str | Profile) -> Floats:
    """The threshold of each line's page (float32, one a line)."""
    bounds = bounds_of(profile)
    # Fixed-point integers: a page's sums must not depend on the pages before it.
    units = np.rint(probability.astype(np.float64) * PROBABILITY_UNITS).astype(np.int64)
    weight = np.maximum(words.astype(np.int64), 1)
    order = np.lexsort((-units, page))
    starts = np.flatnonzero(np.diff(page[order], prepend=-1))
    sizes = np.diff(np.append(starts, len(page)))
    first, end = np.repeat(starts, sizes), np.repeat(starts + sizes, sizes)
    best = _best_expected_f1(weight[order], (weight * units)[order], end, first)
    threshold = np.clip(best / 2, bounds.lowest, bounds.highest)
    content = np.where(units >= PROBABILITY_UNITS // 2, weight, 0)
    share = np.add.reduceat(content[order], starts) / np.add.reduceat(weight[order], starts)
    clean = np.repeat(share >= bounds.clean_share, sizes)
    threshold[clean] = np.minimum(threshold[clean], CLEAN_THRESHOLD)
    result = np.empty(len(page), np.float32)
    result[order] = threshold
    return result


def keep_blocks(
    probability: Floats,
    words: NDArray[np.integer],
    page: NDArray[np.integer],
    profile: str | Profile = "balanced",
) -> tuple[Bools, Floats]:
    """Whether to keep each line, and the threshold its page was cut at.

    `probability` (P(content)), `words` and `page` have one entry a line; pages are contiguous.
    """
    if not len(probability):
        return np.zeros(0, np.bool_), np.zeros(0, np.float32)
    threshold = page_thresholds(
        np.asarray(probability, np.float32),
        np.asarray(words).astype(np.int64),
        np.asarray(page).astype(np.int64),
        profile,
    )
    return np.asarray(probability, np.float32) >= threshold, threshold


def keep_pages(scores: Scores, profile: str | Profile, gone: Bools | None = None) -> Bools:
    """Whether to keep each block: each page is cut apart, and one that is clean loses nothing.

    `gone`: blocks that are dropped anyway, which the page is cut without.
    """
    blocks = scores.blocks
    if blocks.is_empty():
        return np.zeros(0, np.bool_)
    probability = blocks["probability"].to_numpy()
    certain = probability if gone is None else np.where(gone, np.float32(0), probability)
    keep, _ = keep_blocks(certain, blocks["words"].to_numpy(), blocks["page"].to_numpy(), profile)
    if not bounds_of(profile).spares_clean:
        return keep
    clean = scores.pages.filter(pl.col("clean") >= MIN_CLEAN_PAGE)["page"]
    is_clean = blocks["page"].is_in(clean.implode()).to_numpy()
    spared: Bools = keep | is_clean
    return spared
