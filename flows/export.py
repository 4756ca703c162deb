"""A published corpus in other forms: JSON lines, CSV, text files, sentences, a folder for a hub."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import polars as pl

from reinschrift.expectations.seal import MANIFEST
from reinschrift.flows.store.local import OutputError, explain_os_error
from reinschrift.transforms.contracts import DOCUMENTS, SENTENCES, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

FORMS = ("jsonl", "csv", "text", "sentences", "hub")


def export_corpus(corpus: Path, form: str, to: Path) -> int:
    """Write `corpus` (a folder of tables) in one of FORMS to a file or folder that is not there yet.

    jsonl, sentences: a document or sentence a line, packed where the name ends in .zst or .gz. csv: flat
    columns, a document a row. text: a folder with a file a document, and index.csv. hub: a folder as
    `load_dataset` and the Hugging Face hub have it. Out: documents or sentences. Raises OutputError.
    """
    if to.exists():
        raise OutputError(f"{to} is there already", "name another file or folder")
    aside = to.with_name(f".{to.name}.part{''.join(to.suffixes[-1:])}")
    try:
        count = _WRITERS[form](corpus, aside)
        aside.rename(to)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise explain_os_error(error, to) from error
    return count


def _frames(corpus: Path, table: Table) -> Iterator[pl.DataFrame]:
    for path in sorted((corpus / table.name).rglob("*.parquet")):
        yield pl.read_parquet(path, hive_partitioning=False)


def _write_lines(corpus: Path, aside: Path, table: Table) -> int:
    import pyarrow as pa

    packing = {".zst": "zstd", ".gz": "gzip"}.get(aside.suffix)
    count = 0
    with pa.CompressedOutputStream(str(aside), packing) if packing else aside.open("wb") as file:
        for frame in _frames(corpus, table):
            count += frame.height
            file.write(frame.write_ndjson().encode())
    return count


def _write_documents(corpus: Path, aside: Path) -> int:
    return _write_lines(corpus, aside, DOCUMENTS)


def _write_sentences(corpus: Path, aside: Path) -> int:
    return _write_lines(corpus, aside, SENTENCES)


def _write_csv(corpus: Path, aside: Path) -> int:
    count = 0
    with aside.open("wb") as file:
        for frame in _frames(corpus, DOCUMENTS):
            _flat(frame).write_csv(file, include_header=not count)
            count += frame.height
    return count


def _flat(documents: pl.DataFrame) -> pl.DataFrame:
    """Columns that CSV can hold; texts are as they are, also where a spreadsheet sees a formula."""
    shares = pl.col("languages").list.eval(
        pl.format("{}:{}", pl.element().struct.field("language"), pl.element().struct.field("share"))
    )
    return documents.with_columns(
        languages=shares.list.join(" "), quality_flags=pl.col("quality_flags").list.join(" ")
    ).unnest("signals")


def _write_texts(corpus: Path, aside: Path) -> int:
    aside.mkdir()
    rows = []
    for frame in _frames(corpus, DOCUMENTS):
        for name, source, url, language, text in frame.select(
            "id", "source", "url", "language", "text"
        ).iter_rows():
            (aside / f"{name}.txt").write_text(text + "\n", encoding="utf-8")
            rows.append((f"{name}.txt", source, url, language))
    index = pl.DataFrame(rows, schema=["file", "source", "url", "language"], orient="row")
    index.write_csv(aside / "index.csv")
    return len(rows)


def _write_hub(corpus: Path, aside: Path) -> int:
    """The tables, the card and the dictionary; in the card the licence is still to be filled in."""
    shutil.copytree(corpus.resolve(), aside)
    facts = json.loads((aside / MANIFEST).read_text(encoding="utf-8"))
    return int(facts["figures"]["documents"])


_WRITERS: dict[str, Callable[[Path, Path], int]] = {
    "jsonl": _write_documents,
    "csv": _write_csv,
    "text": _write_texts,
    "sentences": _write_sentences,
    "hub": _write_hub,
}
