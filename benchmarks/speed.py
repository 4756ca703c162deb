"""What cleaning costs, in CPU seconds, beside simpler jobs on the same pages in the same run.

python -m benchmarks.speed [--bench ../shared/bench]
"""

from __future__ import annotations

import argparse
import gzip
import json
import resource
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from reinschrift.flows.config import load_settings
from reinschrift.transforms.boilerplate.html_model import keep_lines
from reinschrift.transforms.boilerplate.rules import RuleBook
from reinschrift.transforms.contracts import RECORDS
from reinschrift.transforms.html.extract import extract_with_trafilatura, flatten_pages
from reinschrift.transforms.html.flatten import flatten_html
from reinschrift.transforms.pipeline.boilerplate import strip_boilerplate
from reinschrift.transforms.pipeline.cut import cut_pages
from reinschrift.transforms.pipeline.repair import repair_blocks
from reinschrift.transforms.pipeline.working import Context, Working
from tests.conftest import clean, read_corpus

if TYPE_CHECKING:
    from collections.abc import Callable


WARM_PAGES = 5


def cpu_seconds(work: Callable[[], object]) -> float:
    """CPU seconds of this process for one call."""
    start = time.process_time()
    work()
    return time.process_time() - start


def strip_seconds(texts: list[str]) -> float:
    """CPU seconds of the whole strip step, rules and model, on flat pages of a run's usual batches."""
    options = load_settings().options()
    context = Context(options, RuleBook(options.packs))
    rows = [{"page": page, "content": text} for page, text in enumerate(texts)]
    known = {"source": "bench", "position": 0, "format": "text", "encoding": "utf-8"}
    records = RECORDS.conform(
        pl.DataFrame(rows).with_columns(**{k: pl.lit(v) for k, v in known.items()})
    )
    working, _ = cut_pages(records, None)
    repaired = repair_blocks(working, context).working
    few = pl.col("page") < WARM_PAGES
    warm = Working(repaired.pages.filter(few), repaired.units.filter(few))
    strip_boilerplate(warm, context)
    return cpu_seconds(lambda: strip_boilerplate(repaired, context))


def with_metadata(html: str) -> list[str] | None:
    """trafilatura's text and what it knows of the page: the same columns as a run's."""
    import trafilatura

    found = trafilatura.bare_extraction(html, include_comments=True, with_metadata=True)
    if found is None or isinstance(found, dict):
        return None
    return [str(part) for part in (found.text, found.comments, found.title, found.author, found.date)]


def blocks_verdict(pages: list[str]) -> list[list[bool]]:
    """Flatten pages and judge their lines with the model of HTML."""
    return keep_lines([flatten_html(page) for page in pages], "balanced")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bench", type=Path, default=Path("../shared/bench"))
    bench = parser.parse_args().bench
    files = sorted((bench / "speed" / "text_jsonl").glob("*.jsonl.gz"))
    lines = [line for file in files for line in gzip.decompress(file.read_bytes()).splitlines()]
    texts = [json.loads(line)["text"] for line in lines]
    size = sum(len(text.encode()) for text in texts) / 1e6
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "out")
        clean([files[0]], Path(folder, "warm"))
        whole = cpu_seconds(lambda: clean(files, out))
        again = cpu_seconds(lambda: clean(files, out))
        sentences = read_corpus(out / "corpus")["sentences"]
    unique = cpu_seconds(lambda: sentences.select("text").unique(maintain_order=True, keep="first"))
    print(f"text: {len(texts)} pages, {size:.1f} MB")
    strip = len(texts) / strip_seconds(texts)
    print(f"  the strip step: {strip:.0f} pages of {1e3 * size / len(texts):.1f} KB a CPU second")
    print(f"  whole run, gate aside: {whole:.1f} CPU s, {size / whole:.2f} MB a CPU second")
    print(f"  the same run again, read stage cached: {again:.1f} CPU s ({again / whole:.0%})")
    print(
        f"  bare Polars unique over its sentences: {unique:.2f} CPU s ({whole / unique:.0f} times less)"
    )
    pages = pl.read_parquet(bench / "html_dev.parquet").sample(60, seed=0)["html"].to_list()
    records = pl.DataFrame(
        {"page": range(len(pages)), "content": pages}, schema={"page": pl.UInt32, "content": pl.String}
    )
    flatten_pages(records.head(1), extract_with_trafilatura)
    blocks_verdict(pages[:1])
    flat = cpu_seconds(lambda: flatten_pages(records, None))
    ours = cpu_seconds(lambda: blocks_verdict(pages))
    theirs = cpu_seconds(lambda: flatten_pages(records, extract_with_trafilatura))
    bare = cpu_seconds(lambda: [extract_with_trafilatura(page) for page in pages])
    print(f"HTML, pages a CPU second: flattening alone {len(pages) / flat:.0f}")
    print(f"  a verdict by blocks {len(pages) / ours:.0f}, by trafilatura {len(pages) / theirs:.0f}")
    told = cpu_seconds(lambda: [with_metadata(page) for page in pages])
    print(f"  bare trafilatura: text {len(pages) / bare:.0f}, and metadata {len(pages) / told:.0f}")
    print(f"  blocks is {bare / ours:.1f} and {told / ours:.1f} times as fast")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(f"peak memory of this process: {peak:.0f} MB")


if __name__ == "__main__":
    main()
