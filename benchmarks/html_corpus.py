"""Labelled HTML pages for the model of blocks: the product's own flattening, a label a line.

Sources, labels and page frame are those of `line_corpus`, with `html` besides: pages with a gold
text (`gold`), and mostly German pages labelled by two extractors and by hand-made snippets (`weak`).
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING

import polars as pl
from line_corpus import (
    CONTENT_LABELS,
    MAX_PAGE_LINES,
    PAGE_SCHEMA,
    Row,
    flatten_with_lxml,
    label_lines,
    weak_labels,
)
from lxml import etree

from reinschrift.transforms.html.flatten import flatten_html

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HTML_SCHEMA = {**PAGE_SCHEMA, "html": pl.String}
FLATTENER = "blocks"


def _page(row: Row, origin: str, lines: list[str], labels: str) -> list[Row]:
    if not CONTENT_LABELS & set(labels):
        return []
    known = {name: row.get(name) for name in HTML_SCHEMA}
    made = {"origin": origin, "flattener": FLATTENER, "text": "\n".join(lines), "labels": labels}
    return [{**known, **made}]


def gold_page(row: Row) -> list[Row]:
    """A page with a gold text; none where no line of it stands there."""
    lines = flatten_html(row["html"]).lines
    if len(lines) > MAX_PAGE_LINES:
        return []
    return _page(row, "gold", lines, label_lines(lines, row["gold_text"]))


def weak_page(row: Row) -> list[Row]:
    """A page with snippets, labelled by two extractors; none where they find nothing."""
    import trafilatura
    from readability import Document

    lines = flatten_html(row["html"]).lines
    extracted = trafilatura.extract(row["html"], include_comments=False) or ""
    if not extracted or len(lines) > MAX_PAGE_LINES:
        return []
    try:
        second = flatten_with_lxml(Document(row["html"]).summary(html_partial=True))
    except (etree.LxmlError, ValueError, TypeError, AttributeError, KeyError):
        second = ""
    return _page(row, "weak", lines, weak_labels(lines, extracted, second, row))


def _mapped(work: Callable[[Row], list[Row]], rows: list[Row], workers: int) -> list[Row]:
    with ProcessPoolExecutor(workers) as pool:
        return [page for pages in pool.map(work, rows, chunksize=8) for page in pages]


def build_html_pages(bench: Path, workers: int = 2) -> pl.DataFrame:
    """Every labelled HTML page of the benchmark folder, sorted by origin and id."""
    gold = pl.read_parquet(bench / "html_dev.parquet").sort("id")
    snippets = pl.read_parquet(bench / "snip_dev.parquet").filter(pl.col("html").is_not_null())
    pages = _mapped(gold_page, gold.to_dicts(), workers)
    pages += _mapped(weak_page, snippets.sort("id").to_dicts(), workers)
    return pl.DataFrame(pages, schema=HTML_SCHEMA)
