"""How often the language is right, by each engine and by the cascade, and what it costs.

usage: python -m benchmarks.languages [--bench ../shared/bench] [--engine cascade]

Reads `lid_dev.parquet` (UD treebanks, lingua's test data, UDHR, pages that mix two languages) and
`speed/text_jsonl/*.jsonl.gz`. Every text is a page of lines and goes through `mark_language`. Texts are
halved by a hash: constants may be chosen on the seen half, never on the unseen one.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from reinschrift.transforms.languages.detectors import ENGINES, FASTTEXT_LANGUAGES, LANGDETECT_LANGUAGES
from reinschrift.transforms.languages.mark import mark_language

if TYPE_CHECKING:
    from collections.abc import Iterator

ALIASES = {"nb": "no", "nn": "no"}
MIN_SENTENCES = 100  # fewer of a language make no figure
LETTERLESS = [
    "12345",
    "…!?",
    "👩‍🔬🎉",
    "12.10.1990 – 3,50 €",
    "____",
    "(1) 2) [3]",
    "→ ★ ✓",
    "０１２",
    "§ 5 %",
]


def is_seen(text: str) -> bool:
    """Whether the text belongs to the half that constants may be chosen on."""
    return hashlib.sha256(text.encode()).digest()[-1] % 2 == 0


def load(bench: Path) -> pl.DataFrame:
    """The texts: `page`, `text`, `lang`, `kind`, `source`, `line_langs`, `is_seen`."""
    gold = pl.read_parquet(bench / "lid_dev.parquet").with_row_index("page")
    return gold.with_columns(
        pl.col("lang").replace(ALIASES),
        is_seen=pl.col("text").map_elements(is_seen, return_dtype=pl.Boolean),
    )


def label(pages: pl.DataFrame, engine: str) -> tuple[pl.DataFrame, float]:
    """Adds `told` of the page and `told_lines` of its lines that are not blank; and CPU seconds."""
    lines = pages.select("page", pl.col("text").str.split("\n")).explode("text")
    lines = lines.filter(pl.col("text").str.strip_chars() != "")
    began = time.process_time()
    marked = mark_language(lines, engine)
    spent = time.process_time() - began
    told = marked.group_by("page", maintain_order=True).agg(
        told=pl.col("page_language").first(), told_lines="language", lines="text"
    )
    told = told.with_columns(pl.col("told").replace(ALIASES))
    return pages.join(told, on="page", how="left", maintain_order="left").with_columns(
        pl.col("told").fill_null("und")
    ), spent


def precision_recall(texts: pl.DataFrame, language: str) -> tuple[float, float]:
    """Of those said to be in the language, of those that are."""
    both = texts.filter(lang=language, told=language).height
    said, gold = texts.filter(told=language).height, texts.filter(lang=language).height
    return both / max(said, 1), both / max(gold, 1)


def macro_f1(texts: pl.DataFrame, languages: list[str]) -> float:
    """Mean F1 of the languages."""
    pairs = [precision_recall(texts, language) for language in languages]
    return sum(2 * p * r / (p + r) if p + r else 0.0 for p, r in pairs) / len(languages)


def quality(gold: pl.DataFrame, engine: str) -> Iterator[str]:
    """A line a half: sentences, lines of mixed pages, pages, menu items."""
    counted = gold.filter(kind="sentence").group_by("lang").len().filter(pl.col("len") >= MIN_SENTENCES)
    every = sorted(counted["lang"])
    common = [code for code in every if code in LANGDETECT_LANGUAGES & FASTTEXT_LANGUAGES]
    told, spent = label(gold, engine)
    for half, texts in (("seen", told.filter("is_seen")), ("unseen", told.filter(~pl.col("is_seen")))):
        sentences = texts.filter(kind="sentence")
        shared = sentences.filter(pl.col("lang").is_in(common))
        de, en = precision_recall(shared, "de"), precision_recall(shared, "en")
        mixed = texts.filter(kind="mixed")
        lines = mixed.select(pl.col("line_langs").str.split(","), "told_lines", "lines").explode(
            "line_langs", "told_lines", "lines"
        )
        with_letters = lines.filter(pl.col("lines").str.contains(r"\p{L}"))
        figures = [
            macro_f1(shared, common),
            macro_f1(sentences, every),
            *de,
            *en,
            (lines["line_langs"] == lines["told_lines"]).mean(),
            (with_letters["line_langs"] == with_letters["told_lines"]).mean(),
            *(
                (part["lang"] == part["told"]).mean()
                for part in (
                    mixed.filter(source="synthetic-boiler"),
                    mixed.filter(source="synthetic-para"),
                    texts.filter(kind="doc"),
                    texts.filter(kind="nav"),
                )
            ),
        ]
        yield f"{engine:11}{half:7}" + "".join(f"{figure:8.4f}" for figure in figures)
    silent, _ = label(pl.DataFrame({"page": range(len(LETTERLESS)), "text": LETTERLESS}), engine)
    share = silent.filter(told="und").height / silent.height
    rate = told["told_lines"].list.len().sum() / spent
    yield f"{engine:11}{rate:,.0f} lines a CPU second; texts without letters und: {share:.0%}"


HEAD = (
    "F1",
    "F1 all",
    "de P",
    "de R",
    "en P",
    "en R",
    "lines",
    "l.lett",
    "furnit",
    "paras",
    "doc",
    "nav",
)


def speed(bench: Path, engine: str) -> str:
    """Lines a CPU second over the pages of the speed set."""
    files = sorted((bench / "speed" / "text_jsonl").glob("*.jsonl.gz"))
    records = [line for file in files for line in gzip.decompress(file.read_bytes()).splitlines()]
    texts = [json.loads(record)["text"] for record in records]
    pages = pl.DataFrame({"page": range(len(texts)), "text": texts})
    label(pages.head(20), engine)
    told, spent = label(pages, engine)
    count = told["told_lines"].list.len().sum()
    rate = count / spent
    return f"{engine:11}{len(texts)} pages, {count} lines: {spent:.1f} CPU s, {rate:,.0f} a CPU second"


def main() -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bench", type=Path, default=Path("../shared/bench"))
    parser.add_argument("--engine", choices=ENGINES, action="append")
    given = parser.parse_args()
    engines = given.engine or list(ENGINES)
    gold = load(given.bench)
    print(f"{'engine':11}{'half':7}" + "".join(f"{name:>8}" for name in HEAD))
    for engine in engines:
        for line in quality(gold, engine):
            print(line)
    for engine in engines:
        print(speed(given.bench, engine))


if __name__ == "__main__":
    main()
