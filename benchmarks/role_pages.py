"""Pages labelled line by line by role, from the bench and from `labels/roles.jsonl`.

The label file holds no text: a letter and the first six hex digits of the SHA-1 for each line. Its lines
are those of the flattened HTML in the bench, and a line whose hash differs is an error, not a guess.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import polars as pl

from reinschrift.transforms.html.flatten import flatten_html

LABELS_FILE = Path(__file__).parent / "labels" / "roles.jsonl"
HASH_DIGITS = 6
UNSEEN_TENTHS = 3
COLUMNS = ("id", "host", "lang", "page_type", "lines", "roles")


def read_role_pages(bench: Path, labels: Path = LABELS_FILE) -> pl.DataFrame:
    """All labelled pages: COLUMNS, and `is_unseen` for the pages of three hosts in ten.

    One row a page; `lines` is a list of texts, `roles` one letter for each of them.
    """
    parts = [pl.read_parquet(bench / "roles_dev.parquet", columns=list(COLUMNS))]
    if labels.exists():
        parts.append(join_labels(bench, labels))
    pages = pl.concat([part.select(COLUMNS) for part in parts]).unique("id", maintain_order=True)
    return pages.with_columns(
        is_unseen=pl.col("host").map_elements(_is_unseen_host, return_dtype=pl.Boolean)
    )


def join_labels(bench: Path, labels: Path) -> pl.DataFrame:
    """Join the label file to the lines of the bench's pages: COLUMNS, one row a page.

    Raises ValueError for a page whose lines aren't those that were labelled.
    """
    records = [json.loads(line) for line in labels.read_text(encoding="utf-8").splitlines()]
    sets = sorted({record["set"] for record in records})
    pages = {name: _pages_of(bench / f"{name}.parquet", records, name) for name in sets}
    rows = []
    for record in records:
        page = pages[record["set"]][record["id"]]
        rows.append({**page, "lines": _labelled_lines(record, page["html"]), "roles": record["roles"]})
    return pl.DataFrame(rows).select(COLUMNS)


def _pages_of(file: Path, records: list[dict[str, str]], name: str) -> dict[str, dict[str, Any]]:
    wanted = [record["id"] for record in records if record["set"] == name]
    pages = pl.read_parquet(file).filter(pl.col("id").is_in(wanted))
    if "page_type" not in pages.columns:
        pages = pages.with_columns(page_type=pl.lit("?"))
    columns = ("id", "host", "lang", "page_type", "html")
    return {page["id"]: page for page in pages.select(columns).iter_rows(named=True)}


def _labelled_lines(record: dict[str, str], html: str) -> list[str]:
    lines = flatten_html(html, with_tree=False).lines
    hashes = "".join(hash_line(line) for line in lines)
    if hashes != record["hashes"]:
        raise ValueError(f"{record['id']}: its lines differ from those labelled. Label the page again")
    return lines


def hash_line(line: str) -> str:
    """What stands for a line in the label file, whatever its white space."""
    spaced = " ".join(line.split())
    return hashlib.sha1(spaced.encode(), usedforsecurity=False).hexdigest()[:HASH_DIGITS]


def _is_unseen_host(host: str) -> bool:
    digest = hashlib.sha1(host.removeprefix("www.").encode(), usedforsecurity=False).digest()
    return digest[0] % 10 < UNSEEN_TENTHS
