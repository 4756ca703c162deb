"""Cost of the quality signals, and how many documents each rule would refuse.

usage: python -m benchmarks.quality_signals [BENCH_FOLDER]

Reads `speed/text_jsonl/*.jsonl.gz` for the cost; the gold texts of `flat_dev.parquet` (what people took
for the main content) and the pages they stand in for the rates, by language and kind of page.
"""

from __future__ import annotations

import gzip
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from reinschrift.transforms.quality import rules as quality
from reinschrift.transforms.quality.rules import measure_documents, quality_flags
from reinschrift.transforms.quality.signals import PROFILES, RULES, SIGNALS
from reinschrift.transforms.sentences import split_sentences
from reinschrift.transforms.text.tokens import tokenise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MIN_ROUNDS = 3


def load_texts(folder: Path) -> pl.DataFrame:
    """`text`, `language` of the speed corpus."""
    records = [
        json.loads(line)
        for path in sorted((folder / "speed" / "text_jsonl").glob("*.jsonl.gz"))
        for line in gzip.decompress(path.read_bytes()).splitlines()
    ]
    return pl.DataFrame({"text": [r["text"] for r in records], "language": [r["lang"] for r in records]})


def cpu_seconds(work: Callable[[], object]) -> float:
    """The least CPU time of a few rounds: the other rounds measure the neighbours."""
    rounds = []
    for _ in range(MIN_ROUNDS):
        began = time.process_time()
        work()
        rounds.append(time.process_time() - began)
    return min(rounds)


def groups() -> dict[str, Callable[[pl.DataFrame], object]]:
    """What is measured together, since it shares its arrays: each from the text on."""
    return {
        "tokens alone": lambda d: tokenise(d["text"]).cores,
        "characters and words": lambda d: quality.measure_words(tokenise(d["text"])),
        "lines": lambda d: quality.measure_lines(tokenise(d["text"])),
        "repetition": lambda d: quality.measure_repetition(tokenise(d["text"])),
        "words of the language": lambda d: quality.measure_language(
            tokenise(d["text"]).cores, d["language"]
        ),
        "phrases": lambda d: quality.measure_phrases(d, np.ones(d.height, np.int64)),
    }


def cost(folder: Path) -> Iterator[str]:
    """CPU seconds and megabytes a CPU second, by group and for all signals."""
    documents = load_texts(folder)
    megabytes = float(documents["text"].str.len_bytes().sum()) / 1e6
    batches = [
        documents[start:end]
        for start, end in quality.cut_batches(documents["text"].str.len_chars().to_numpy())
    ]
    yield f"{megabytes:.1f} MB in {documents.height} documents"
    for name, work in groups().items():
        seconds = cpu_seconds(lambda work=work: [work(batch) for batch in batches])
        yield f"{name:24} {seconds:6.2f} CPU s {megabytes / seconds:7.1f} MB a CPU second"
    seconds = cpu_seconds(lambda: measure_documents(documents))
    name = f"all {len(SIGNALS)} signals"
    yield f"{name:24} {seconds:6.2f} CPU s {megabytes / seconds:7.1f} MB a CPU second"


def with_sentences(texts: pl.DataFrame) -> pl.DataFrame:
    """Add `n_sentences`, as the pipeline would count them."""
    blocks = (
        texts.select(pl.int_range(pl.len(), dtype=pl.UInt32).alias("page"), "text", "language")
        .with_columns(pl.col("text").str.split("\n"))
        .explode("text")
        .with_columns(
            block=pl.int_range(pl.len(), dtype=pl.UInt32),
            start=pl.lit(0, pl.UInt32),
            kind=pl.lit("paragraph"),
        )
    )
    counted = split_sentences(blocks).group_by("page").agg(n_sentences=pl.len())
    return (
        texts.with_row_index("page")
        .join(counted, on="page", how="left", maintain_order="left")
        .with_columns(pl.col("n_sentences").fill_null(0))
    )


def rates(folder: Path) -> Iterator[str]:
    """Share of documents that fail, by rule and profile: gold texts by language and kind, raw pages."""
    pages = pl.read_parquet(folder / "flat_dev.parquet").with_columns(
        language=pl.col("lang").fill_null("en")
    )
    texts = load_texts(folder)
    is_article = pl.col("page_type") == "article"
    sets = {
        "gold, articles": pages.filter(is_article).select("language", text="gold_text"),
        "gold, others": pages.filter(~is_article).select("language", text="gold_text"),
        "pages as scraped": pages.select("language", "text"),
        "speed, English": texts.filter(language="en"),
        "speed, German": texts.filter(language="de"),
    }
    flagged = {}
    for name, part in sets.items():
        measured = measure_documents(with_sentences(part.filter(pl.col("text").str.len_chars() > 0)))
        flagged[name] = measured.select(flags=quality_flags(PROFILES))["flags"]
    yield f"{'share that fails':34}" + "".join(f"{name:>18}" for name in sets)
    yield f"{'documents':34}" + "".join(f"{len(flags):18}" for flags in flagged.values())
    wanted = {rule.name: {rule.name} for rule in RULES}
    wanted |= {
        f"any of {profile}": {rule.name for rule in RULES if rule.profile == profile}
        for profile in PROFILES
    }
    wanted["any of gopher, fineweb"] = wanted["any of gopher"] | wanted["any of fineweb"]
    for name, rules in wanted.items():
        shares = [
            flags.list.set_intersection(list(rules)).list.len().gt(0).mean()
            for flags in flagged.values()
        ]
        yield f"{name:34}" + "".join(f"{share:18.3f}" for share in shares)


def main() -> None:
    """Prints both tables."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("../shared/bench")
    for line in (*cost(folder), *rates(folder)):
        print(line)


if __name__ == "__main__":
    main()
