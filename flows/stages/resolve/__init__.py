"""The second stage of a run, over the keys of all shards at once: templates and repeats.

Recomputed in every run, which is what makes increments equal a fresh run. Keys are scattered over files
by their hash and each file is resolved alone, so memory does not grow with them (docs/repeats.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from reinschrift.flows.stages.resolve.copies import find_exact_pages, find_same_urls
from reinschrift.flows.stages.resolve.near import find_near_pages
from reinschrift.flows.stages.resolve.pages import DOCUMENT_ID_CHARS, Part, cut_parts, number_pages
from reinschrift.flows.stages.resolve.sentences import find_blocks, find_sentences
from reinschrift.flows.stages.resolve.templates import find_templates
from reinschrift.flows.stages.resolve.verdicts import Resolution, write_verdicts
from reinschrift.flows.store.local import Corpus
from reinschrift.flows.store.removals import read_removals
from reinschrift.transforms.steps import RESOLVE_STEPS

if TYPE_CHECKING:
    from collections.abc import Callable

    from reinschrift.flows.config import Settings

__all__ = ["RESOLVERS", "Part", "number_pages", "resolve"]

# The functions that the table of steps names, but for the first, which numbers the pages.
RESOLVERS: dict[str, Callable[[Resolution], None]] = {
    function.__name__: function
    for function in (
        find_same_urls, find_exact_pages, find_templates, find_near_pages, find_blocks, find_sentences,
    )
}  # fmt: skip


def resolve(stages: list[str], settings: Settings) -> list[Part]:
    """Number the pages of all shards, name the documents, find templates and repeats.

    Reads keys; text only of pages that are near duplicates of others as far as their keys can tell.
    Writes `pages.parquet` (page_no, shard, page, document_id, n_chars_read; rule, kept_at, similarity,
    cluster_size), `ids.npy` (document ids by page_no) and, a part each, `verdicts` on sentences under
    `Corpus.judgement`. Out: the parts to publish.
    """
    corpus, options = Corpus(settings.out), settings.options()
    pages = number_pages(corpus, stages, read_removals(corpus))
    np.save(
        corpus.judgement / "ids.npy", pages["document_id"].to_numpy().astype(f"S{DOCUMENT_ID_CHARS}")
    )
    parts = cut_parts(pages, settings)
    work = Resolution(corpus, stages, settings, pages, parts)
    for step in RESOLVE_STEPS[1:]:
        if not step.is_skipped(options):
            RESOLVERS[str(step.function).partition(":")[2]](work)
    write_verdicts(work)
    return parts
