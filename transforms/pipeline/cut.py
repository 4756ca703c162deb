"""Records cut into blocks, and what the ledger notes of pages as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from reinschrift.transforms.blocks import guess_kinds, number_blocks, split_lines
from reinschrift.transforms.contracts import ACTIONS_TAKEN
from reinschrift.transforms.html.extract import METADATA_FIELDS, flatten_pages, no_limit
from reinschrift.transforms.pipeline.working import Working
from reinschrift.transforms.text.urls import url_key

if TYPE_CHECKING:
    from reinschrift.transforms.html.extract import Extractor, PageContext, Watch


def cut_pages(
    records: pl.DataFrame,
    extractor: Extractor | None,
    watch: Watch = no_limit,
    *,
    with_contexts: bool = False,
) -> tuple[Working, pl.DataFrame]:
    """Cut records into blocks. Out: pages and raw blocks, and notes on pages for the ledger."""
    is_html = pl.col("format") == "html"
    contexts: dict[int, PageContext] | None = {} if with_contexts else None
    flat = flatten_pages(records.filter(is_html), extractor, contexts, watch)
    html_lines = (
        flat.select("page", raw="lines", kind="kinds", extracted="extracted")
        .filter(pl.col("raw").list.len() > 0)
        .with_columns(
            extracted=pl.coalesce("extracted", pl.col("raw").list.eval(pl.lit(None, dtype=pl.Boolean)))
        )
        .explode("raw", "kind", "extracted", empty_as_null=True)
        .with_columns(line=pl.int_range(pl.len(), dtype=pl.UInt32).over("page"))
    )
    text_lines = split_lines(records.filter(~is_html))
    blocks = (
        pl.concat([html_lines, text_lines], how="diagonal")
        .sort("page", "line", maintain_order=True)
        .pipe(number_blocks)
        .join(records.select("page", "format"), on="page", how="left", maintain_order="left")
    )
    blocks = blocks.with_columns(kind=pl.coalesce("kind", guess_kinds(blocks)))
    pages = _describe_pages(records, flat, blocks)
    return Working(pages, blocks, contexts or {}), _page_notes(records, flat)


def _describe_pages(records: pl.DataFrame, flat: pl.DataFrame, blocks: pl.DataFrame) -> pl.DataFrame:
    size = blocks.group_by("page").agg(
        n_blocks_read=pl.len(), n_chars_read=pl.col("raw").str.len_chars().sum()
    )
    facts = flat.select("page", *METADATA_FIELDS).rename({"title": "found_title"})
    # A page saved to a file has no address but the one it gives itself.
    address = pl.coalesce("url", "canonical_url")
    host = address.str.extract(r"^[A-Za-z][A-Za-z0-9+.-]*://(?:[^/@]*@)?([^/:?#]+)", 1)
    return (
        records.drop("content")
        .join(facts, on="page", how="left", maintain_order="left")
        .join(size, on="page", how="left", maintain_order="left")
        .with_columns(
            title=pl.coalesce("title", "found_title"),
            site=host.str.to_lowercase().str.strip_prefix("www."),
            url_key=url_key("url"),
            n_blocks_read=pl.col("n_blocks_read").fill_null(0),
            n_chars_read=pl.col("n_chars_read").fill_null(0),
        )
    )


def _page_notes(records: pl.DataFrame, flat: pl.DataFrame) -> pl.DataFrame:
    """What the ledger says of a page as a whole: its encoding, that it is empty, who kept silent."""
    encodings = records.filter(pl.col("encoding") != "utf-8").select(
        "page", step=pl.lit("read"), rule=pl.lit("encoding"), before="encoding"
    )
    skipped = flat.filter(pl.col("skipped").is_not_null()).select(
        "page", step=pl.lit("extract"), rule=pl.lit("no-verdict"), before="skipped"
    )
    found = flat.filter(pl.col("origin").is_not_null()).select(
        "page", step=pl.lit("extract"), rule=pl.lit("hidden-text"), before="origin"
    )
    silent = flat.filter(pl.col("lines").list.len() == 0).select(
        "page", step=pl.lit("read"), rule=pl.lit("no-text"), before=pl.lit("the page shows no text")
    )
    notes = pl.concat([encodings, silent, skipped, found]).with_columns(
        action=pl.lit("note"), also=pl.lit([], dtype=pl.List(pl.String))
    )
    return ACTIONS_TAKEN.conform(notes)
