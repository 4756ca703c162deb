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


class NothingToSuggestError(ReinschriftError):
    """No line recurred often enough on any site."""


def suggest_packs(corpus: Path) -> dict[str, str]:
    """One pack (TOML) a site, with the lines that fell as its template in the published corpus.

    Out: site -> pack. Each line is an exact rule; what it must keep is a sentence of the site that
    contains it, or, where there is none, the line with more words around it.
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
    return {
        str(site): _pack(corpus, str(site), lines.head(MAX_LINES_PER_SITE))
        for (site,), lines in fallen.group_by("site", maintain_order=True)
    }


def _pack(corpus: Path, site: str, lines: pl.DataFrame) -> str:
    name = "".join(char if char.isalnum() else "-" for char in site.lower()).strip("-")
    head = [
        "[pack]",
        f"name = {_quoted(name)}",
        'why = "lines that recur on its pages; found by counting, to be reviewed"',
        f"hosts = [{_quoted(site)}]",
    ]
    rules = [
        _rule(corpus, site, number, text, pages)
        for number, (text, pages) in enumerate(lines.select("before", "pages").iter_rows(), 1)
    ]
    return "\n".join([*head, "", *rules])


def _rule(corpus: Path, site: str, number: int, text: str, pages: int) -> str:
    return "\n".join(
        [
            "[[rule]]",
            f'id = "line-{number}"',
            'kind = "exact"',
            f"pattern = {_quoted(text)}",
            f'why = "stands on {pages} pages of the site"',
            f"removes = [{_quoted(text)}]",
            f"keeps = [{_quoted(_kept_with(corpus, site, text))}]",
            "",
        ]
    )


def _kept_with(corpus: Path, site: str, text: str) -> str:
    """A kept sentence of the site in which the line occurs, or one made up."""
    mine = read_table(corpus, DOCUMENTS).filter(pl.col("site") == site).select(document_id="id")
    found = (
        read_table(corpus, SENTENCES)
        .filter(pl.col("text").str.contains(text, literal=True) & (pl.col("text") != text))
        .join(mine, on="document_id", how="semi")
        .select(pl.col("text").min())
        .collect()
    )
    return str(found["text"].item() or f"They spoke of {text!r} at length.")


def _quoted(text: str) -> str:
    """A TOML basic string; JSON's escapes are a part of TOML's."""
    return json.dumps(text, ensure_ascii=False)
