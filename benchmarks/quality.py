"""How good the cleaning is, printed as a table.

    python -m benchmarks.quality [--bench ../shared/bench] [--pages N]

The five documents by their labels; flattened pages by word F1, with the rules alone and with the model
(which was trained on these hosts: for hosts it has not seen, `benchmarks/roles.py`);
HTML pages with trafilatura's verdict on blocks, beside trafilatura's own text.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from reinschrift.transforms.html.extract import extract_with_trafilatura
from tests.conftest import clean, read_corpus

if TYPE_CHECKING:
    from types import ModuleType


def scorer(bench: Path, name: str) -> ModuleType:
    """One of the scorers beside the data."""
    spec = importlib.util.spec_from_file_location(name, bench / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def cleaned(records: list[dict[str, Any]], **settings: object) -> dict[str, str]:
    """The text left of each record, by its id."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "pages.jsonl")
        file.write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
        clean([file], Path(folder, "out"), skip=("repeats",), template_min_pages=10**6, **settings)
        documents = read_corpus(Path(folder, "out", "corpus"))["documents"]
    return dict(documents.select("record_id", "text").iter_rows())


def five_documents(bench: Path) -> None:
    score = scorer(bench, "score_lines")
    seeds = bench.parent / "seeds"
    gold = [json.loads(line) for line in (seeds / "gold.jsonl").read_text().splitlines()]
    for name, model in (("rules and model", True), ("rules alone", False)):
        records = [{"id": g["id"], "text": (seeds / g["id"]).read_text()} for g in gold]
        texts = cleaned(records, line_model=model)
        micro, _ = score.summary([score.page(g, texts[g["id"]].split("\n")) for g in gold])
        print(
            f"five documents, {name}: line F1 {micro['F1']:.3f}, furniture removed "
            f"{micro['boiler_removed']:.3f}, characters of content lost {micro['content_ch_lost']:.4f}"
        )


def flattened(bench: Path, pages: int) -> None:
    score = scorer(bench, "score_flat")
    gold = pl.read_parquet(bench / "flat_dev.parquet").sample(pages, seed=0)
    records = gold.select("id", "url", "text").to_dicts()
    for name, model in (("rules alone", False), ("rules and model (hosts it knows)", True)):
        texts = cleaned(records, line_model=model)
        pred = pl.DataFrame({"id": list(texts), "text": list(texts.values())}).to_pandas()
        frame = gold.to_pandas()
        rows = score.score(pred, frame)
        print(f"{pages} flattened pages, {name}: {score.summary(rows)}")


def html(bench: Path, pages: int) -> None:
    score = scorer(bench, "score_html")
    gold = pl.read_parquet(bench / "html_dev.parquet").sample(pages, seed=0)
    records = gold.select("id", "url", "html").to_dicts()
    texts = cleaned(records)
    bare = {r["id"]: extract_with_trafilatura(r["html"]) for r in records}
    for name, found in (
        ("verdict on blocks, with rules", texts),
        ("trafilatura's own text", {k: v or "" for k, v in bare.items()}),
    ):
        pred = pl.DataFrame({"id": list(found), "text": list(found.values())}).to_pandas()
        print(f"{pages} HTML pages, {name}: {score.summary(score.score(pred, gold.to_pandas()))}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bench", type=Path, default=Path("../shared/bench"))
    parser.add_argument("--pages", type=int, default=300)
    options = parser.parse_args()
    five_documents(options.bench)
    flattened(options.bench, options.pages)
    html(options.bench, options.pages // 3)


if __name__ == "__main__":
    main()
