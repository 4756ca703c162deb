"""Quality and speed of the sentence segmentation, with sentencex alone beside it.

usage: python -m benchmarks.sentences BENCH_FOLDER

Reads `sent_dev.parquet` (paragraphs of UD treebanks and EmpiriST), `score_sentences.py` and
`speed/text_jsonl/*.jsonl.gz` of the folder. Paragraphs are halved by a hash of their id: rules
may be written while looking at the tuning half, never at the unseen one.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import sentencex  # type: ignore[import-untyped]

from reinschrift.transforms.sentences import sentence_spans, split_sentences

if TYPE_CHECKING:
    from types import ModuleType

Segmenter = Callable[[str, str], list[int]]
MIN_ROUNDS = 3
FIGURES = ("P", "R", "F1", "F1p")


def our_ends(text: str, language: str) -> list[int]:
    """Ends of the sentences of `text`, code points."""
    return [end for _, end in sentence_spans(text, language)]


def base_ends(text: str, language: str) -> list[int]:
    """The same by sentencex alone, line by line."""
    ends = []
    offset = 0
    for line in text.split("\n"):
        found = sentencex.get_sentence_boundaries(language, line) if line else []
        ends += [offset + boundary["end_index"] for boundary in found]
        offset += len(line) + 1
    return ends


def is_tuning(identifier: str) -> bool:
    """Whether the paragraph belongs to the half that rules may be tuned on."""
    return hashlib.sha256(identifier.encode()).digest()[-1] % 2 == 0


def load_scorer(folder: Path) -> ModuleType:
    """The scorer that lies beside the data."""
    spec = importlib.util.spec_from_file_location("score", folder / "score_sentences.py")
    if spec is None or spec.loader is None:
        raise SystemExit(f"{folder}: no score_sentences.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def predict(gold: pl.DataFrame, segment: Segmenter) -> pl.DataFrame:
    """`id` and predicted `boundaries` of every paragraph."""
    rows = gold.select("text", "lang").iter_rows()
    found = pl.Series([segment(text, language) for text, language in rows])
    return gold.select("id").with_columns(boundaries=found)


def quality(folder: Path) -> Iterator[str]:
    """One line a half and treebank or language: P, R, F1, F1 of punctuated ends, of both."""
    score = load_scorer(folder).score
    gold = pl.read_parquet(folder / "sent_dev.parquet")
    halves = gold["id"].map_elements(is_tuning, return_dtype=pl.Boolean)
    yield f"{'half':7} {'set':20} {'n':>5}   P     R     F1    F1p  | sentencex P  R     F1    F1p"
    for half, part in (("tuning", gold.filter(halves)), ("unseen", gold.filter(~halves))):
        ours, base = predict(part, our_ends), predict(part, base_ends)
        for group in ("treebank", "lang"):
            pairs = zip(
                score(part, ours, group).iter_rows(named=True),
                score(part, base, group).iter_rows(named=True),
                strict=True,
            )
            for mine, other in pairs:
                figures = [f"{row[key]:.3f}" for row in (mine, other) for key in FIGURES]
                yield (
                    f"{half:7} {mine[group]:20} {mine['n']:5} "
                    f"{' '.join(figures[:4])} |       {' '.join(figures[4:])}"
                )


def load_blocks(folder: Path) -> pl.DataFrame:
    """The blocks of the speed corpus: non-blank lines as `split_sentences` takes them."""
    records = [
        json.loads(line)
        for path in sorted((folder / "speed" / "text_jsonl").glob("*.jsonl.gz"))
        for line in gzip.decompress(path.read_bytes()).splitlines()
    ]
    pages = pl.DataFrame(
        {
            "text": [record["text"].split("\n") for record in records],
            "language": [record["lang"] for record in records],
        }
    )
    lines = pages.with_row_index("page").explode("text").with_row_index("block")
    ends = (pl.col("text").str.len_chars() + 1).cum_sum().over("page")
    return lines.with_columns(
        start=(ends - pl.col("text").str.len_chars() - 1).cast(pl.UInt32),
        kind=pl.lit("paragraph"),
    ).filter(pl.col("text").str.strip_chars() != "")


def cpu_seconds(work: Callable[[], object]) -> float:
    """The least CPU time of a few rounds: the other rounds measure the neighbours."""
    rounds = []
    for _ in range(MIN_ROUNDS):
        began = time.process_time()
        work()
        rounds.append(time.process_time() - began)
    return min(rounds)


def speed(folder: Path) -> Iterator[str]:
    """Megabytes of UTF-8 a CPU second, blocks into sentence rows and sentencex's bare lists."""
    blocks = load_blocks(folder)
    megabytes = float(blocks["text"].str.len_bytes().sum()) / 1e6
    pairs = list(blocks.select("language", "text").iter_rows())
    ours = cpu_seconds(lambda: split_sentences(blocks))
    base = cpu_seconds(
        lambda: [sentencex.get_sentence_boundaries(language, text) for language, text in pairs]
    )
    yield f"{megabytes:.1f} MB in {blocks.height} blocks"
    yield f"split_sentences {megabytes / ours:6.1f} MB a CPU second"
    yield f"sentencex alone {megabytes / base:6.1f} MB a CPU second"


def main() -> None:
    """Prints both tables."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("../shared/bench")
    for line in (*quality(folder), *speed(folder)):
        print(line)


if __name__ == "__main__":
    main()
