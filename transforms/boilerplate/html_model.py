"""The verdict on the lines of HTML pages, from the role model (`roles.py`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from reinschrift.transforms.boilerplate.cut import keep_pages
from reinschrift.transforms.boilerplate.roles import Scores, score_pages
from reinschrift.transforms.html.extract import PageContext

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reinschrift.transforms.boilerplate.cut import Profile
    from reinschrift.transforms.html.flatten import FlatPage

BLOCK_SCHEMA = pl.Schema(
    {"page": pl.UInt32(), "block": pl.UInt32(), "text": pl.String(), "blank_before": pl.UInt32()}
)


def flat_blocks(pages: Sequence[FlatPage]) -> pl.DataFrame:
    """The lines of some pages as blocks: `page` (from 0), `block`, `text`, `blank_before` (0)."""
    number = np.arange(len(pages), dtype=np.uint32)
    frame = pl.DataFrame(
        {
            "page": np.repeat(number, [len(page.lines) for page in pages]),
            "block": [block for page in pages for block in range(len(page.lines))],
            "text": [line for page in pages for line in page.lines],
            "blank_before": 0,
        },
        schema=BLOCK_SCHEMA,
    )
    return frame.filter(pl.col("text").str.strip_chars() != "")


def score_flat_pages(pages: Sequence[FlatPage]) -> Scores:
    """Roles and probabilities of the lines of HTML pages, numbered from 0 in their order."""
    contexts = {n: PageContext(page.tree, page.declared) for n, page in enumerate(pages)}
    return score_pages(flat_blocks(pages), contexts)


def keep_lines(pages: Sequence[FlatPage], profile: str | Profile) -> list[list[bool]]:
    """The verdict on each line of each page: whether it is kept at the profile's cut."""
    blocks = flat_blocks(pages)
    keep = keep_pages(score_flat_pages(pages), profile)
    verdicts = [[False] * len(page.lines) for page in pages]
    for page, block, kept in zip(blocks["page"], blocks["block"], keep.tolist(), strict=True):
        verdicts[page][block] = kept
    return verdicts
