"""Is every non-blank line of the input in `sentences` or in `ledger`? Reads only those files.

    python -m benchmarks.conservation CORPUS TEXT_FILE...

It shares no code with the pipeline: lines are found again by their words alone.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import polars as pl

LINE_BREAK = re.compile("\r\n|[\n\r\x0b\x0c\x1c-\x1f\u2028\u2029]")


def letters(text: str) -> str:
    """Text without any white space, so that only what a reader sees is compared."""
    return "".join(text.split())


def lost_lines(corpus: Path, file: Path, source: str) -> list[str]:
    """Lines of `file` that neither stand in the corpus nor in its ledger, each counted once."""
    documents = pl.read_parquet(sorted((corpus / "documents").rglob("*.parquet")))
    sentences = pl.read_parquet(sorted((corpus / "sentences").rglob("*.parquet")))
    ledger = pl.read_parquet(sorted((corpus / "ledger").rglob("*.parquet"))).filter(
        pl.col("source") == source
    )
    ids = documents.filter(pl.col("source") == source)["id"].to_list()
    kept = sentences.filter(pl.col("document_id").is_in(ids))
    pieces: dict[int, list[tuple[int, str]]] = {}
    for block, sentence, text in kept.select("block", "sentence", "text").iter_rows():
        pieces.setdefault(block, []).append((sentence, text))
    for before, spans in ledger.drop_nulls("spans").select("before", "spans").iter_rows():
        for text, span in zip(before.split("\n"), spans, strict=True):
            pieces.setdefault(span["block"], []).append((span["sentence"], text))
    drops = ledger.filter((pl.col("action") == "drop") & pl.col("block").is_not_null())
    for block, sentence, text in drops.select("block", "sentence", "before").iter_rows():
        pieces.setdefault(block, []).append((-1 if sentence is None else sentence, text))
    found = {
        block: "".join(letters(text) for _, text in sorted(parts)) for block, parts in pieces.items()
    }
    edits = ledger.filter(pl.col("action") == "edit").reverse()
    for block, before, after in edits.select("block", "before", "after").iter_rows():
        if found.get(block) == letters(after):
            found[block] = letters(before)
    with file.open(encoding="utf-8", newline="") as handle:
        lines = [line for line in LINE_BREAK.split(handle.read()) if line.strip()]
    assert len(found) <= len(lines), f"{source}: more blocks than lines"
    return [line for block, line in enumerate(lines) if found.get(block) != letters(line)]


def main() -> None:
    corpus, *files = sys.argv[1:]
    lost = {name: lost_lines(Path(corpus), Path(name), name) for name in files}
    for name, lines in lost.items():
        print(f"{name}: {len(lines)} lines unaccounted for")
        for line in lines[:5]:
            print("   ", line[:100])
    sys.exit(any(lost.values()))


if __name__ == "__main__":
    main()
