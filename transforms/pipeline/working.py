"""What steps work on and give back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import polars as pl

from reinschrift.transforms.boilerplate.cut import cut_at
from reinschrift.transforms.contracts import ACTIONS_TAKEN
from reinschrift.transforms.privacy import Masks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reinschrift.transforms.boilerplate.cut import Profile
    from reinschrift.transforms.boilerplate.packs import Pack
    from reinschrift.transforms.boilerplate.rules import RuleBook
    from reinschrift.transforms.html.extract import PageContext


@dataclass(frozen=True)
class Options:
    """All that decides what is kept; part of the fingerprint of a run."""

    packs: tuple[Pack, ...] = ()
    skip: frozenset[str] = frozenset()
    comments: Literal["auto", "keep", "drop"] = "auto"
    line_model: bool = True
    profile: str = "balanced"
    threshold: float | None = None
    extractor: Literal["blocks", "trafilatura", "none"] = "blocks"
    min_repeat_chars: int = 25
    key_bits: int = 64
    near_threshold: float | None = 0.8
    near_min_words: int = 20
    mask: tuple[str, ...] = ()
    language_engine: Literal["cascade", "langdetect", "cld2", "fasttext"] = "cascade"
    mask_key: str = field(default="", repr=False)
    redact_ledger: bool = False
    quality_drop: tuple[str, ...] = ()

    @property
    def cut(self) -> str | Profile:
        """How the models' probabilities become verdicts."""
        return self.profile if self.threshold is None else cut_at(self.threshold)

    @property
    def masks(self) -> Masks | None:
        """What is masked, and by which key; None where nothing is."""
        return Masks(self.mask, self.mask_key) if self.mask and "privacy" not in self.skip else None


@dataclass(frozen=True)
class Working:
    """What a step works on: the pages, and their blocks (sentences, once they are split).

    `contexts`: what is known of HTML pages besides their lines, by page, for the model of HTML.
    """

    pages: pl.DataFrame
    units: pl.DataFrame
    contexts: Mapping[int, PageContext] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What a step leaves, and what it did: one row of `actions` a unit dropped or edited.

    The runner fills in the name of the step.
    """

    working: Working
    actions: pl.DataFrame = field(default_factory=ACTIONS_TAKEN.empty)


@dataclass(frozen=True)
class Context:
    """What steps may use besides their input."""

    options: Options
    rules: RuleBook


def block_actions(blocks: pl.DataFrame, placed_text: str = "before") -> pl.DataFrame:
    """ACTIONS_TAKEN for whole blocks, texts without outer white space.

    `start` and `end` are those of `placed_text`, the column that stands in the repaired page.
    """
    text = pl.col(placed_text)
    indent = text.str.len_chars() - text.str.strip_chars_start().str.len_chars()
    at = pl.col("offset") if "offset" in blocks.columns else pl.col("start")
    placed = blocks.with_columns(
        start=(at + indent).cast(pl.UInt32),
        end=(at + indent + text.str.strip_chars().str.len_chars()).cast(pl.UInt32),
        sentence=pl.lit(None, dtype=pl.UInt32),
    )
    return actions_of(placed.with_columns(pl.col("before", "after").str.strip_chars()))


def page_actions(actions: pl.DataFrame) -> pl.DataFrame:
    """ACTIONS_TAKEN for whole pages."""
    whole = dict.fromkeys(("block", "sentence", "start", "end"), pl.lit(None, dtype=pl.UInt32))
    return actions_of(actions.with_columns(**whole))


def actions_of(rows: pl.DataFrame) -> pl.DataFrame:
    """ACTIONS_TAKEN out of rows that lack the name of the step, which the runner fills in."""
    return ACTIONS_TAKEN.conform(rows.with_columns(step=pl.lit("")))
