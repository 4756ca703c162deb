"""Pages that are copies of others: by address, and by text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from reinschrift.flows.stages.resolve.verdicts import EXACT_PAGE, SAME_URL, STAYS

if TYPE_CHECKING:
    from reinschrift.flows.stages.resolve.verdicts import Resolution


def find_same_urls(work: Resolution) -> None:
    """Of pages with one URL the newest stays; of those as new, the first."""
    if not work.settings.same_url:
        return
    ours = pl.Series(work.rule == STAYS) & work.pages["text_hash"].is_not_null()
    shared = work.pages.filter(ours & work.pages["url_key"].is_not_null()).filter(
        pl.col("url_key").is_duplicated()
    )
    newest = pl.col("page_no").sort_by("fetched", "page_no", descending=[True, False], nulls_last=True)
    winners = shared.select("page_no", kept=newest.first().over("url_key"))
    work.drop_pages(winners, SAME_URL)


def find_exact_pages(work: Resolution) -> None:
    """Of pages with the same text the first stays."""
    if "page" not in work.settings.repeat_units:
        return
    ours = pl.Series(work.rule == STAYS) & (
        work.pages["n_chars"] >= work.settings.min_repeat_chars
    ).fill_null(value=False)
    owner = pl.col("page_no").min().over("text_hash")
    work.drop_pages(work.pages.filter(ours).select("page_no", kept=owner), EXACT_PAGE)
