"""What a second look at a page sees: the roles of a first look, around each line and over the page.

The first look gives each line a share of every role. Their sums over neighbours, containers, lines of
equal make and the page say what the page is, where its content begins and ends, and which of its lists
are wholly content: that no line says of itself. All sums are of integers, none crosses a page.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from reinschrift.transforms.boilerplate.features import FAR_AWAY, Columns, Pages, window_features
from reinschrift.transforms.boilerplate.role_names import ROLES, STAYING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reinschrift.transforms.boilerplate.characters import Floats, Ints
    from reinschrift.transforms.boilerplate.dom import Batch

SHARE_UNITS = 1_000
SUMMED = (
    "stay",
    "title",
    "prose",
    "fact",
    "post",
    "post_furniture",
    "other_item",
    "navigation",
    "notice",
)
IN_CONTAINERS = ("stay", "prose", "fact", "post", "other_item", "navigation")
CONTAINERS_UP = (1, 2, 3, 4, 5)
CONTENT_SHARE = 600


def role_units(shares: Floats) -> Ints:
    """Shares of the roles (lines x `ROLES`) as integers."""
    return np.rint(shares.astype(np.float64) * SHARE_UNITS).astype(np.int64)


def _named(units: Ints) -> dict[str, Ints]:
    named = {role: units[:, number] for number, role in enumerate(ROLES)}
    stay = np.sum([named[role] for role in STAYING], axis=0)
    return {**named, "stay": stay}


def second_features(
    units: Ints, words: Ints, pages: Pages, batch: Batch | None
) -> tuple[list[str], Floats]:
    """Names of the features and their matrix (float32), one row a scanned line.

    `units`: from `role_units`; `words` of each line; `batch`: the tree around the lines, of HTML.
    """
    named = _named(units)
    columns: Columns = {f"first_{name}": values for name, values in named.items()}
    windows = window_features({name: named[name] for name in SUMMED}, pages)
    columns |= {f"second_{name}": values for name, values in windows.items()}
    columns |= _whole_page(named, words, pages)
    columns |= _extent(named["stay"], words, pages)
    if batch is not None:
        columns |= _containers(named, batch)
    matrix = np.empty((len(words), len(columns)), np.float32, order="F")
    for index, column in enumerate(columns.values()):
        matrix[:, index] = column
    return [*columns], matrix


def _whole_page(named: dict[str, Ints], words: Ints, pages: Pages) -> Columns:
    columns: Columns = {}
    total_words = np.maximum(1, pages.totals(words))
    for name, values in named.items():
        columns[f"page_share_{name}"] = pages.totals(values) / pages.size
        columns[f"page_words_{name}"] = pages.totals(values * words) / total_words
    return columns


def _extent(stay: Ints, words: Ints, pages: Pages) -> Columns:
    """Where the line stands to the first and the last line of content, and how much lies beyond it."""
    here = np.arange(len(stay))
    content = stay * words
    total = np.maximum(1, pages.totals(content))
    is_content = stay >= CONTENT_SHARE
    above = np.maximum.accumulate(np.where(is_content, here, -1))
    beyond = len(here) + FAR_AWAY
    below = np.minimum.accumulate(np.where(is_content, here, beyond)[::-1])[::-1]
    return {
        "content_before": _sums(content, pages.first, here) / total,
        "content_after": _sums(content, here + 1, pages.end) / total,
        "content_above": np.where(above >= pages.first, here - above, FAR_AWAY),
        "content_below": np.where(below < pages.end, below - here, FAR_AWAY),
        "content_lines": pages.totals(is_content),
    }


def _sums(values: Ints, starts: Ints, ends: Ints) -> Ints:
    totals = np.zeros(len(values) + 1, np.int64)
    np.cumsum(values, out=totals[1:])
    return totals[ends] - totals[starts]


def _containers(named: dict[str, Ints], batch: Batch) -> Columns:
    """Means over the containers around the line, and over lines of equal make."""
    columns: Columns = {}
    containers = batch.containers
    size = np.maximum(1, containers.end_line - containers.first_line)
    for name in IN_CONTAINERS:
        means = batch.inside(named[name]) / size
        for up in CONTAINERS_UP:
            columns[f"whole_{name}_{up}"] = means[batch.chain[up]]
    own = containers.signature[batch.at]
    above = containers.signature[batch.chain[1]]
    for label, keys in (("alike", own), ("kin", own * (len(containers.parent) + 1) + above)):
        columns |= _groups(named, keys, label, batch)
    return columns


def _groups(named: dict[str, Ints], keys: Ints, label: str, batch: Batch) -> Columns:
    _, group, count = np.unique(keys, return_inverse=True, return_counts=True)
    columns: Columns = {
        f"{label}_{name}": _group_sums(named[name], group) / count[group] for name in IN_CONTAINERS
    }
    words = _group_sums(batch.words, group)
    columns[f"{label}_line_share"] = count[group] / batch.pages.size
    columns[f"{label}_word_share"] = words / np.maximum(1, batch.pages.totals(batch.words))
    return columns


def _group_sums(values: Ints, group: Sequence[int] | Ints) -> Ints:
    return np.bincount(group, values).astype(np.int64)[group]
