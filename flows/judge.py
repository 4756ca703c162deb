"""The second stage of a run, over the keys of all shards at once: templates and repeats.

Recomputed in every run, which is what makes increments equal a fresh run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from flows.corpus import Corpus, scan_stage
from transforms.boilerplate.templates import FIXED_KINDS, find_templates
from transforms.contracts import PAGES, UNITS
from transforms.dedup import find_repeats

if TYPE_CHECKING:
    from flows.config import Settings

DOCUMENT_ID_CHARS = 20  # hexadecimal: 80 bits, one collision in 10^9 pages is 1 in 10^6


@dataclass(frozen=True)
class Part:
    """A run of pages in corpus order, published as one file a table and language."""

    number: int
    first_page: int
    end_page: int


def judge(stages: list[str], settings: Settings) -> list[Part]:
    """Number the pages of all shards, name the documents, find templates and repeats.

    Reads keys only, never text. Writes `pages` (page_no, shard, page, document_id, site) and `verdicts`
    under `Corpus.judgement`. Out: the parts to publish.
    """
    corpus = Corpus(settings.out)
    pages = _number_pages(corpus, stages)
    pages.write_parquet(corpus.judgement / "pages.parquet")
    verdicts = pl.DataFrame(schema=_VERDICTS)
    if not pages.is_empty():
        keys = _keys(corpus, stages, pages).with_row_index("position")
        templates = _find_templates(keys, settings)
        repeats = _find_repeats(keys, templates, pages, settings)
        verdicts = pl.concat([templates, repeats], how="diagonal").select(_VERDICTS.names())
    verdicts.write_parquet(corpus.judgement / "verdicts.parquet")
    size = settings.part_pages
    starts = range(0, pages.height, size)
    return [Part(n, start, min(start + size, pages.height)) for n, start in enumerate(starts)]


_PAGE_NUMBERS = pl.Schema(
    {
        "page_no": pl.UInt32,
        "shard": pl.UInt32,
        "page": pl.UInt32,
        "document_id": pl.String,
        "site": pl.String,
    }
)
_VERDICTS = pl.Schema(
    {
        "page_no": pl.UInt32,
        "block": pl.UInt32,
        "sentence": pl.UInt32,
        "step": pl.String,
        "rule": pl.String,
        "pages": pl.UInt32,
        "kept_at": pl.String,
    }
)


def _number_pages(corpus: Corpus, stages: list[str]) -> pl.DataFrame:
    """Pages in corpus order (source, place in the file), with their document ids.

    Two records of one file that claim the same id are told apart by their order.
    """
    frames = [
        scan_stage(corpus, stage, PAGES).select(
            pl.lit(number, dtype=pl.UInt32).alias("shard"),
            "page",
            "source",
            "record_id",
            "position",
            "site",
        )
        for number, stage in enumerate(stages)
    ]
    if not frames:
        return pl.DataFrame(schema=_PAGE_NUMBERS)
    pages = pl.concat(frames).collect().with_row_index("page_no")
    # Lengths before the parts, so that no two pages make the same text of them.
    own = pl.coalesce(pl.format("id {}", "record_id"), pl.format("at {}", "position"))
    named = pl.format("{} {} {}", pl.col("source").str.len_bytes(), "source", own)
    claimed = pages.with_columns(name=named)
    copy = pl.int_range(pl.len()).over("name")
    name = pl.format("{} {}", copy, "name")
    hashed = name.chash.sha2_256().str.slice(0, DOCUMENT_ID_CHARS)  # type: ignore[attr-defined]
    return claimed.select("page_no", "shard", "page", "site", document_id=hashed).select(
        _PAGE_NUMBERS.names()
    )


def _keys(corpus: Corpus, stages: list[str], pages: pl.DataFrame) -> pl.LazyFrame:
    """What the judge sees of every sentence still kept, in corpus order."""
    first_page = pages.group_by("shard", maintain_order=True).agg(pl.col("page_no").first())
    offsets = dict(first_page.iter_rows())
    return pl.concat(
        [
            scan_stage(corpus, stage, UNITS).select(
                (pl.col("page") + offsets[number]).alias("page_no").cast(pl.UInt32),
                *("block", "sentence", "hash", "language", "repeatable", "kind"),
            )
            for number, stage in enumerate(stages)
            if number in offsets
        ]
    )


def _find_templates(keys: pl.LazyFrame, settings: Settings) -> pl.DataFrame:
    """Verdicts on lines that belong to the template of their site."""
    if "boilerplate" in settings.skip:
        return pl.DataFrame(schema=_VERDICTS)
    sites = pl.scan_parquet(Corpus(settings.out).judgement / "pages.parquet")
    fixed = pl.col("kind").is_in(FIXED_KINDS)
    with_sites = keys.select("position", "page_no", "hash", is_fixed=fixed).join(
        sites.select("page_no", "site").drop_nulls(), on="page_no"
    )
    found = find_templates(with_sites, settings.template_min_pages)
    return (
        keys.select("position", "page_no", "block", "sentence")
        .join(found, on="position")
        .sort("position")
        .with_columns(step=pl.lit("templates"), rule=pl.lit("recurs-on-site"))
        .collect()
    )


def _find_repeats(
    keys: pl.LazyFrame, templates: pl.DataFrame, pages: pl.DataFrame, settings: Settings
) -> pl.DataFrame:
    """Verdicts on sentences that stand earlier in the corpus."""
    if "repeats" in settings.skip:
        return pl.DataFrame(schema=_VERDICTS)
    if "position" in templates.columns:
        keys = keys.join(templates.lazy().select("position"), on="position", how="anti")
    found = find_repeats(keys).collect(engine="streaming").lazy()
    places = keys.select("position", "page_no", "block", "sentence")
    names = pages.lazy().select("page_no", "document_id")
    kept = (
        places.join(found.select(position="kept_position").unique(), on="position", how="semi")
        .join(names, on="page_no")
        .select(
            kept_position="position",
            kept_at=pl.format("{}:{}:{}", "document_id", "block", "sentence"),
        )
    )
    return (
        places.join(found, on="position")
        .join(kept, on="kept_position")
        .sort("position")
        .with_columns(step=pl.lit("repeats"), rule=pl.lit("exact-sentence"))
        .collect()
    )
