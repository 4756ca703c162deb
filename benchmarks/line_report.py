"""Measuring the line model: word F1 against gold texts, snippets, characters lost."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from line_corpus import words
from line_training import line_frame

from reinschrift.transforms.boilerplate.cut import keep_blocks
from reinschrift.transforms.boilerplate.packs import builtin_packs
from reinschrift.transforms.boilerplate.rules import RuleBook
from reinschrift.transforms.boilerplate.verdict import lines_to_ask

if TYPE_CHECKING:
    from line_training import LineCorpus

    from reinschrift.transforms.boilerplate.characters import Bools, Floats, Ints

Snippets = dict[str, tuple[list[str], list[str]]]


def word_f1(kept_text: str, gold_text: str) -> tuple[float, float, float]:
    """Precision, recall and F1 of a bag of words."""
    kept, gold = Counter(words(kept_text)), Counter(words(gold_text))
    common = kept & gold
    shared = common.total()
    precision = shared / kept.total() if kept else 0.0
    recall = shared / gold.total() if gold else 0.0
    return precision, recall, 2 * shared / max(1, kept.total() + gold.total())


@dataclass(frozen=True)
class Verdicts:
    """What of a corpus is kept under a profile."""

    corpus: LineCorpus
    keep: Bools

    @classmethod
    def of(cls, corpus: LineCorpus, probability: Floats, profile: str) -> Verdicts:
        """Cut every page of the corpus."""
        keep, _ = keep_blocks(probability, corpus.words, corpus.page, profile)
        return cls(corpus, keep)

    def kept_text(self, page: int) -> str:
        """The lines of a page that are kept."""
        start, end = np.searchsorted(self.corpus.page, [page, page + 1])
        text = self.corpus.text
        return "\n".join(text[line] for line in range(start, end) if self.keep[line])

    def page_scores(self, numbers: Ints) -> pl.DataFrame:
        """One row a page: id, host, page_type, lang, precision, recall, f1, words kept and gold."""
        rows = []
        columns = ("id", "host", "page_type", "lang", "gold_text")
        for number in numbers.tolist():
            *names, gold = self.corpus.pages.select(columns).row(number)
            kept = self.kept_text(number)
            rows.append((*names, *word_f1(kept, gold), len(words(kept)), len(words(gold))))
        schema = [*columns[:-1], "precision", "recall", "f1", "kept", "gold"]
        return pl.DataFrame(rows, schema=schema, orient="row")

    def snippet_rates(self, numbers: Ints, snippets: Snippets) -> tuple[float, float]:
        """Share of must-stay snippets kept, share of must-go snippets removed."""
        stay, go = [], []
        for number in numbers.tolist():
            must_stay, must_go = snippets[self.corpus.pages["id"][number]]
            text = f" {' '.join(words(self.kept_text(number)))} "
            stay += [f" {' '.join(words(snippet))} " in text for snippet in must_stay]
            go += [f" {' '.join(words(snippet))} " not in text for snippet in must_go]
        return sum(stay) / max(1, len(stay)), sum(go) / max(1, len(go))

    def characters_lost(self, numbers: Ints) -> float:
        """Share of the characters of whole pages that is dropped."""
        lines = np.flatnonzero(np.isin(self.corpus.page, numbers))
        sizes = np.array([len(self.corpus.text[line].strip()) for line in lines])
        return float(sizes[~self.keep[lines]].sum() / max(1, sizes.sum()))


def clean_by_rules(corpus: LineCorpus, numbers: Ints) -> Ints:
    """Which of some pages the product takes to be clean, since no rule finds furniture there."""
    lines = line_frame(corpus.pages["text"].gather(numbers).to_list())
    book = RuleBook(builtin_packs())
    sites = pl.DataFrame(
        {"page": range(len(numbers)), "site": None}, schema={"page": pl.UInt32, "site": pl.String}
    )
    hits = book.find_hits(book.key_lines(lines), sites).filter(pl.col("action") != "mark")
    judged = lines.join(
        hits.select("page", "block", "action").unique(["page", "block"], keep="any"),
        on=["page", "block"],
        how="left",
        maintain_order="left",
    )
    asked = lines_to_ask(judged, trust_rules=True)["page"].unique().to_numpy()
    return np.delete(numbers, asked)


def group_line(name: str, scores: pl.DataFrame) -> str:
    """One row of a Markdown table: pages, precision, recall, F1."""
    means = [scores[column].mean() for column in ("precision", "recall", "f1")]
    return f"| {name} | {len(scores)} | " + " | ".join(f"{mean:.4f}" for mean in means) + " |"


def score_table(scores: pl.DataFrame) -> str:
    """Word F1 of all pages, by page type and by language, as Markdown."""
    lines = ["| pages | n | P | R | F1 |", "|---|---|---|---|---|", group_line("all", scores)]
    other = scores.filter(pl.col("page_type") != "article")
    lines.append(group_line("all but articles", other))
    for column in ("page_type", "lang"):
        for (value,), group in sorted(scores.group_by(column), key=lambda item: str(item[0])):
            lines.append(group_line(str(value), group))
    return "\n".join(lines)


def worst_pages(scores: pl.DataFrame, count: int = 20) -> str:
    """The pages with the lowest F1 and what went wrong there, as Markdown."""
    lines = ["| page | type | P | R | F1 | what |", "|---|---|---|---|---|---|"]
    for row in scores.sort("f1", "id").head(count).iter_rows(named=True):
        figures = " | ".join(f"{row[key]:.2f}" for key in ("precision", "recall", "f1"))
        lines.append(f"| {row['host']} | {row['page_type']} | {figures} | {_diagnosis(row)} |")
    return "\n".join(lines)


def _diagnosis(row: dict[str, float]) -> str:
    kept, gold = int(row["kept"]), int(row["gold"])
    if not kept:
        return f"nothing kept of {gold} words"
    if row["recall"] > 0.9 and kept > 3 * gold:
        return f"gold holds {gold} of {kept} kept words: an introduction, or no comments"
    if row["recall"] < row["precision"]:
        return f"content lost: {kept} words kept, gold {gold}"
    return f"furniture kept: {kept} words kept, gold {gold}"
