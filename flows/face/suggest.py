"""Templates found in a run, as a rule pack to review."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import polars as pl

from reinschrift.flows.store.tables import read_table
from reinschrift.transforms.contracts import DOCUMENTS, LEDGER, SENTENCES
from reinschrift.transforms.errors import ReinschriftError

if TYPE_CHECKING:
    from pathlib import Path

MAX_LINES_PER_SITE = 200
MAX_KEPT = 3


class NothingToSuggestError(ReinschriftError):
    """No line recurred often enough on any site."""


def suggest_packs(corpus: Path) -> dict[str, str]:
    """One pack (TOML) a site, with the lines that fell as its template in the published corpus.

    Out: site -> pack, of one rule with a list. What it must keep are kept sentences of that site; a site
    of which nothing was kept has no pack.
    """
    fallen = (
        read_table(corpus, LEDGER)
        .filter(pl.col("step") == "templates")
        .join(read_table(corpus, DOCUMENTS).select(document_id="id", site="site"), on="document_id")
        .group_by("site", "before")
        .agg(pages=pl.col("pages").max())
        .sort("site", "pages", "before", descending=[False, True, False])
        .collect()
    )
    if fallen.is_empty():
        raise NothingToSuggestError(
            f"{corpus}: no line was found to be a template",
            "it takes pages with a URL, template_min_pages of them on one site",
        )
    kept = set(read_table(corpus, DOCUMENTS).select("site").unique().collect()["site"])
    return {
        str(site): _pack(corpus, str(site), lines.head(MAX_LINES_PER_SITE))
        for (site,), lines in fallen.group_by("site", maintain_order=True)
        if site in kept
    }


def _pack(corpus: Path, site: str, lines: pl.DataFrame) -> str:
    name = "".join(char if char.isalnum() else "-" for char in site.lower()).strip("-")
    texts = lines["before"].to_list()
    listed = "[\n" + "".join(f"  {_quoted(text)},\n" for text in texts) + "]"
    keeps = ", ".join(map(_quoted, _kept_on(corpus, site, texts)))
    counts = sorted({int(count) for count in lines["pages"]})
    pages = " to ".join(map(str, counts[:1] + counts[1:][-1:]))
    return "\n".join(
        [
            "[pack]",
            f"name = {_quoted(name)}",
            'why = "lines that recur on its pages; found by counting, to be reviewed"',
            f"hosts = [{_quoted(site)}]",
            "",
            "[[rule]]",
            'id = "template"',
            'kind = "exact"',
            f"patterns = {listed}",
            f'why = "each stands on {pages} pages of the site"',
            f"removes = {listed}",
            f"keeps = [{keeps}]",
            "",
        ]
    )


def _kept_on(corpus: Path, site: str, texts: list[str]) -> list[str]:
    """Kept sentences of the site: those that contain a line and must stay, then the longest."""
    mine = read_table(corpus, DOCUMENTS).filter(pl.col("site") == site).select(document_id="id")
    kept = (
        read_table(corpus, SENTENCES)
        .join(mine, on="document_id", how="semi")
        .filter(~pl.col("text").is_in(texts))
        .with_columns(near=pl.col("text").str.contains_any(texts), chars=pl.col("text").str.len_chars())
        .sort("near", "chars", "text", descending=[True, True, False])
        .head(MAX_KEPT)
        .collect()
    )
    return kept["text"].to_list()


def _quoted(text: str) -> str:
    """A TOML basic string; JSON's escapes are a part of TOML's."""
    return json.dumps(text, ensure_ascii=False)
