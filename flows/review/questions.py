"""Which lines a person is asked about: the most doubtful ones, and a sample of all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from reinschrift.flows.store.tables import read_table
from reinschrift.transforms.contracts import DOCUMENTS, LEDGER, SENTENCES

if TYPE_CHECKING:
    from pathlib import Path

DOUBTFUL, SAMPLE = "doubtful", "sample"
MAX_QUESTIONS = 400  # of each kind
CONTEXT_LINES = 3
MAX_CHARS = 600
_BLOCK = ["document_id", "block"]


@dataclass(frozen=True)
class Question:
    """One block: whether it was kept, what decided, and the kept text around it.

    `why`: doubtful, or part of the sample from which precision is told. `site` is None where the page
    has none, or is known by a rule pack alone.
    """

    id: str
    why: str
    is_kept: bool
    text: str
    rule: str | None
    probability: float | None
    source: str
    site: str | None
    language: str
    above: list[str]
    below: list[str]


def deal_questions(corpus: Path, answered: set[str]) -> list[Question]:
    """Questions in the order they are asked: two doubtful ones, then one of the sample.

    The same of the same corpus; those in `answered` (their ids) are left out.
    """
    dropped, kept = _dropped(corpus), _kept(corpus)
    every = pl.concat([dropped, kept], how="diagonal_relaxed").filter(
        ~pl.col("id").is_in(list(answered))
    )
    doubtful = every.sort("doubt", "id", descending=[True, False]).head(MAX_QUESTIONS)
    turn = pl.col("id").hash(2)
    sample = every.join(doubtful.select("id"), on="id", how="anti").sort(turn).head(MAX_QUESTIONS)
    rows: list[dict[str, Any]] = []
    first, second = (
        frame.with_columns(why=pl.lit(why)).to_dicts()
        for frame, why in ((doubtful, DOUBTFUL), (sample, SAMPLE))
    )
    while first or second:
        rows += [*first[:2], *second[:1]]
        del first[:2], second[:1]
    return _with_context(corpus, rows)


def _dropped(corpus: Path) -> pl.DataFrame:
    """Dropped blocks. Doubt: how near the model was to keeping it, whoever dropped it."""
    rows = (
        read_table(corpus, LEDGER)
        .filter((pl.col("action") == "drop") & (pl.col("step") == "boilerplate"))
        .filter(pl.col("block").is_not_null() & pl.col("sentence").is_null())
    )
    facts = read_table(corpus, DOCUMENTS).select("id", "site", "language")
    return (
        rows.join(facts, left_on="document_id", right_on="id", how="left")
        .select(
            *_BLOCK,
            "source",
            "site",
            "rule",
            "probability",
            id=pl.format("{}:{}", *_BLOCK),
            is_kept=pl.lit(value=False),
            text="before",
            language=pl.col("language").fill_null("und"),
            doubt=pl.col("probability").cast(pl.Float64).fill_null(0.0),
        )
        .unique("id", keep="last", maintain_order=True)
        .collect()
    )


def _kept(corpus: Path) -> pl.DataFrame:
    """Kept blocks. Doubt: how near the model was to dropping it, or why it kept a short one at all."""
    facts = read_table(corpus, DOCUMENTS).select("id", "source", "site", "confidence")
    blocks = (
        read_table(corpus, SENTENCES)
        .group_by(_BLOCK, maintain_order=True)
        .agg(
            pl.col("text").str.join(" "),
            pl.col("language", "kind", "probability").first(),
        )
    )
    # Where no model was asked, the page's own doubt stands for that of its short lines.
    is_short = pl.col("text").str.count_matches(r"\S+") <= 12
    unasked = pl.when(is_short & (pl.col("kind") != "heading")).then(1 - pl.col("confidence"))
    doubt = pl.coalesce(1 - pl.col("probability"), unasked)
    return (
        blocks.join(facts, left_on="document_id", right_on="id", how="left")
        .select(
            *_BLOCK,
            "source",
            "site",
            "text",
            "language",
            "probability",
            id=pl.format("{}:{}", *_BLOCK),
            is_kept=pl.lit(value=True),
            rule=pl.lit(None, dtype=pl.String),
            doubt=doubt.cast(pl.Float64).fill_null(0.0),
        )
        .collect()
    )


def _with_context(corpus: Path, rows: list[dict[str, Any]]) -> list[Question]:
    pages = pl.DataFrame({"document_id": [row["document_id"] for row in rows]}).unique().lazy()
    kept = read_table(corpus, SENTENCES).join(pages, on="document_id", how="semi")
    texts: dict[str, dict[int, str]] = {}
    for document, block, text in kept.select(*_BLOCK, "text").collect().iter_rows():
        mine = texts.setdefault(document, {})
        mine[block] = f"{mine[block]} {text}" if block in mine else text
    return [_question(row, texts.get(row["document_id"], {})) for row in rows]


def _question(row: dict[str, Any], kept: dict[int, str]) -> Question:
    above = [text for block, text in kept.items() if block < row["block"]][-CONTEXT_LINES:]
    below = [text for block, text in kept.items() if block > row["block"]][:CONTEXT_LINES]
    site = row["site"]
    return Question(
        row["id"], row["why"], row["is_kept"], row["text"], row["rule"], row["probability"],
        row["source"], None if site is None or site.startswith("pack:") else site, row["language"],
        [_cut(text) for text in above], [_cut(text) for text in below],
    )  # fmt: skip


def _cut(text: str) -> str:
    return text if len(text) <= MAX_CHARS else text[: MAX_CHARS - 1] + "…"
