"""A page with its ledger: kept text plain, dropped text struck out, the rule beside it."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import polars as pl
from rich.text import Text

from reinschrift.flows.store.tables import read_table
from reinschrift.transforms.contracts import DOCUMENTS, LEDGER, SENTENCES
from reinschrift.transforms.errors import ReinschriftError
from reinschrift.transforms.text.urls import canonical_url

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console


FACTS = (
    "title", "url", "author", "date", "language", "page_type", "confidence", "n_chars", "n_chars_read",
)  # fmt: skip
_NAMES = ("source", "record_id", "url")
SHOWN_NAMES = 5
MAX_NAMES = 2_000  # that are compared letter by letter


class UnknownPageError(ReinschriftError):
    """No page of the corpus goes by that name."""


@dataclass(frozen=True)
class Passage:
    """One kept or struck-out piece of a page, and why; what was dropped has the step that did it."""

    block: int | None
    text: str
    is_kept: bool
    note: str
    kind: str = ""
    step: str = ""
    probability: float | None = None


@dataclass(frozen=True)
class Explained:
    """A page in the order it was read; `facts`: those of its document, empty where nothing is left."""

    document_id: str
    source: str
    passages: list[Passage]
    facts: dict[str, Any] = field(default_factory=dict)


def explain_page(corpus: Path, name: str) -> list[Explained]:
    """Every page that goes by `name`: its id, its record's id, its URL or its path.

    Raises UnknownPageError, with names that resemble it.
    """
    ids = _find(corpus, name)
    return [_explain(corpus, document_id) for document_id in ids]


def _find(corpus: Path, name: str) -> list[str]:
    tables = (
        read_table(corpus, DOCUMENTS).select("id", *_NAMES),
        read_table(corpus, LEDGER).select(pl.col("document_id").alias("id"), *_NAMES),
    )
    ids = [table.filter(_goes_by(name)).select("id").unique(maintain_order=True) for table in tables]
    found = pl.concat(ids).unique(maintain_order=True).collect()["id"].to_list()
    if not found:
        near = _like(pl.concat([table.select(_NAMES) for table in tables]), name)
        raise UnknownPageError(
            f"no page of {corpus} is named {name!r}",
            f"name a path, an id or a URL, such as {', '.join(near)}",
        )
    return found


def _goes_by(name: str) -> pl.Expr:
    """Whether a page goes by a name. In: `id`, `source`, `record_id`, `url`."""
    shown = pl.col("source").str.ends_with("/" + name.removeprefix("./"))
    known = [pl.col(column) == name for column in ("id", *_NAMES)]
    if "://" in name:
        known.append(canonical_url(pl.col("url")) == canonical_url(pl.lit(name)))
    return pl.any_horizontal(*known, shown)


def _like(pages: pl.LazyFrame, name: str) -> list[str]:
    """Some names of pages that resemble one that is not there."""
    words = sorted(re.findall(r"\w{3,}", name.lower()), key=len)
    every = pl.concat([pages.select(name=column) for column in _NAMES]).drop_nulls().unique()
    some = every
    if words:
        lower = pl.col("name").str.to_lowercase()
        shares = [lower.str.contains(word, literal=True) for word in words[-2:]]
        some = every.filter(pl.any_horizontal(shares))
    names = some.sort("name").head(MAX_NAMES).collect()["name"].to_list()
    if not names:
        return every.sort("name").head(SHOWN_NAMES).collect()["name"].to_list()
    return difflib.get_close_matches(name, names, SHOWN_NAMES, 0) or names[:SHOWN_NAMES]


def _explain(corpus: Path, document_id: str) -> Explained:
    mine = pl.col("document_id") == document_id
    sentences = read_table(corpus, SENTENCES).filter(mine).collect()
    ledger = read_table(corpus, LEDGER).filter(mine).collect()
    names = read_table(corpus, DOCUMENTS).filter(pl.col("id") == document_id).collect()
    source = names["source"].item() if names.height else ledger["source"][0]
    rows = [_kept(row) for row in sentences.iter_rows(named=True)]
    for row in ledger.iter_rows(named=True):
        rows += _gone_whole(row) if row["spans"] else [_gone(row)]
    rows.sort(key=lambda row: row[0])
    facts = names.select(FACTS).row(0, named=True) if names.height else {}
    return Explained(document_id, str(source), [passage for _, passage in rows], facts)


_Place = tuple[int, int, int]


def _kept(row: dict[str, object]) -> tuple[_Place, Passage]:
    place = (_number(row["block"]), _number(row["sentence"]), 1)
    return place, Passage(place[0], _visible(row["text"]), True, "", str(row["kind"]))


def _gone(row: dict[str, Any]) -> tuple[_Place, Passage]:
    place = (_number(row["block"]), _number(row["sentence"]), 0)
    note = f"{row['step']}: {row['rule']}"
    if row["kept_at"]:
        note += f", kept at {row['kept_at']}"
    if row["pages"]:
        note += f", on {row['pages']} pages of the site"
    if row["similarity"] is not None:
        note += f", {row['similarity']:.0%} of word 3-grams shared"
    if row["probability"] is not None:
        note += f", P(content) {row['probability']:.2f}"
    also = row["also"]
    if isinstance(also, list) and also:
        note += f" (also {', '.join(map(str, also))})"
    if row["action"] == "edit":
        note = f"edited by {note}, was"
    if row["action"] == "note" and row["block"] is not None:
        return place, Passage(place[0], "", False, f"kept by {note}")
    return place, Passage(
        place[0], _visible(row["before"]), False, note, "", str(row["step"]), row["probability"]
    )


def _gone_whole(row: dict[str, Any]) -> list[tuple[_Place, Passage]]:
    """The sentences of a page dropped whole, each at its place; the first says why."""
    _, page = _gone(row)
    lines = str(row["before"]).split("\n")
    notes = [f"page dropped by {page.note}", *[str(row["rule"])] * len(lines)]
    return [
        (
            (span["block"], span["sentence"], 0),
            Passage(span["block"], _visible(line), False, note, "", page.step),
        )
        for span, line, note in zip(row["spans"], lines, notes, strict=False)
    ]


def _visible(text: object) -> str:
    """Text without the control characters by which a page could command a terminal."""
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", "\ufffd", str(text))


def _number(value: object) -> int:
    return -1 if value is None else int(str(value))


def print_page(page: Explained, console: Console) -> None:
    """The page on a terminal."""
    console.print(Text(f"{page.source}  [{page.document_id}]", style="bold"))
    for passage in page.passages:
        if passage.is_kept:
            text = Text(passage.text, style="italic" if passage.kind == "comment" else "")
        else:
            text = Text.assemble((passage.text, "strike dim"), "  ", (f"◂ {passage.note}", "dim"))
        console.print(text, soft_wrap=True)
