"""Lines that recur across the pages of one site: its template, found from hashes alone.

A line that stands on many pages of a site may be furniture, or a heading that recurs for a good reason
("Ingredients"). They differ in their neighbours: furniture stands together, at the top, at the bottom or
in boxes; a heading stands alone between things said once. So what goes is runs of recurring lines that
touch an end of the page, or are long; a recurring line between lines that are the page's own stays.
"""

from __future__ import annotations

import polars as pl

FIXED_KINDS = ("code", "table", "comment")  # never furniture
MIN_OWN_SHARE = 0.2  # of the sentences of a page; a site's furniture is mostly labels
MIN_INNER_RUN = 3  # lines; shorter runs within a page may be a heading and its first label


def find_templates(keys: pl.LazyFrame, min_pages: int) -> pl.LazyFrame:
    """Sentences that belong to the template of their site.

    In: `position` (ascending within a page), `page_no`, `site` (null: unknown, nothing is found),
    `hash`, `is_fixed` (code, tables, comments: never furniture), `is_long` (a sentence rather than a
    label). Out: `position`, and `pages`, the number of pages of the site on which the line stands.
    """
    on_pages = pl.col("page_no").n_unique().over("site", "hash").cast(pl.UInt32)
    lines = keys.filter(pl.col("site").is_not_null()).with_columns(pages=on_pages)
    recurs = (pl.col("pages") >= min_pages) & ~pl.col("is_fixed")
    run = pl.col("recurs").rle_id().over("page_no", order_by="position")
    runs = lines.with_columns(recurs=recurs).with_columns(run=run)
    place = ["page_no", "run"]
    is_edge = (pl.col("run") == 0) | (pl.col("run") == pl.col("run").max().over("page_no"))
    is_long = pl.len().over(place) >= MIN_INNER_RUN
    # A page that hardly has a line, or a sentence, of its own is a copy, for the repeats to judge.
    is_own = ~pl.col("recurs")
    own_sentences = (is_own & pl.col("is_long")).sum().over("page_no")
    sentences = pl.col("is_long").sum().over("page_no")
    has_own = is_own.any().over("page_no") & (own_sentences >= MIN_OWN_SHARE * sentences)
    return (
        runs.filter(has_own)
        .filter(pl.col("recurs") & (is_edge | is_long))
        .select("position", "pages")
        .sort("position")
    )
