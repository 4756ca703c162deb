"""HTML: flattened into blocks, and an extractor's verdict on each block.

The extractor never rewrites the text: a block is kept where its output covers the block. So HTML and
flat text share one ledger, one set of offsets and one set of laws (measured cost: 0.001 word F1).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING

import polars as pl

from reinschrift.transforms.errors import CpuLimitError
from reinschrift.transforms.html.declared import NOTHING_DECLARED, Declared
from reinschrift.transforms.html.flatten import MAX_TREE_DEPTH, FlatPage, flatten_html, flatten_tag_soup
from reinschrift.transforms.html.metadata import Metadata

if TYPE_CHECKING:
    from reinschrift.transforms.html.page_tree import PageTree

MAX_EXTRACTOR_DEPTH = 256  # libxml2 cuts deeper trees off, and recursion over them may crash
MIN_COVERED_SHARE = 0.7
SHORT_BLOCK_WORDS = 5
_WORD = re.compile(r"\w+")


def extract_with_trafilatura(html: str) -> str | None:
    """The main text of one page as trafilatura finds it; None where it finds none.

    Its metadata is not asked for: it costs more than the text, and pages say the same of themselves
    whoever judges them (metadata.py). Its `deduplicate` stays off: it keeps a cache for the process
    and depends on the order of pages.
    """
    import trafilatura

    found = trafilatura.bare_extraction(
        html,
        include_comments=True,
        include_tables=True,
        deduplicate=False,
        with_metadata=False,
    )
    if found is None or isinstance(found, dict):  # a dict only where one was asked for
        return None
    return "\n".join(part for part in (found.text, found.comments) if part) or None


def covered_lines(lines: list[str], extracted: str) -> list[bool]:
    """For each line, whether the extractor's output covers it.

    A short line must stand there as a line of its own; a longer one by its word trigrams.
    """
    output = [_WORD.findall(line.lower()) for line in extracted.split("\n")]
    whole = {tuple(words) for words in output}
    flat = [word for words in output for word in words]
    trigrams = set(zip(flat, flat[1:], flat[2:], strict=False))
    return [_is_covered(_WORD.findall(line.lower()), whole, trigrams) for line in lines]


def _is_covered(
    words: list[str], whole: set[tuple[str, ...]], trigrams: set[tuple[str, str, str]]
) -> bool:
    if len(words) < SHORT_BLOCK_WORDS:
        return tuple(words) in whole
    covered = [False] * len(words)
    for i, trigram in enumerate(zip(words, words[1:], words[2:], strict=False)):
        if trigram in trigrams:
            covered[i] = covered[i + 1] = covered[i + 2] = True
    return sum(covered) >= MIN_COVERED_SHARE * len(words)


@dataclass(frozen=True)
class PageContext:
    """What is known of an HTML page besides its lines: the tree around them, what the page declares."""

    tree: PageTree
    declared: Declared = NOTHING_DECLARED


METADATA_FIELDS = tuple(Metadata.__dataclass_fields__)
LINES_SCHEMA: pl.Schema = pl.Schema(
    {
        "page": pl.UInt32(),
        "lines": pl.List(pl.String),
        "kinds": pl.List(pl.String),
        "extracted": pl.List(pl.Boolean),
        **dict.fromkeys(METADATA_FIELDS, pl.String()),
        "origin": pl.String(),
        "skipped": pl.String(),
    }
)


Extractor = Callable[[str], str | None]
# Limits the work on the page of this number; entering or leaving it may raise CpuLimitError.
Watch = Callable[[int], AbstractContextManager[None]]


def no_limit(_page: int) -> AbstractContextManager[None]:
    """A watch that lets every page take its time."""
    return nullcontext()


def flatten_pages(
    records: pl.DataFrame,
    extractor: Extractor | None,
    contexts: dict[int, PageContext] | None = None,
    watch: Watch = no_limit,
) -> pl.DataFrame:
    """Flatten HTML records, and ask the extractor about each, or else note what stands around the lines.

    In: `page`, `content` (HTML). Out: one row a page, LINES_SCHEMA: `lines`, a `kinds` and an
    `extracted` verdict for each (null where there is none), METADATA_FIELDS, `origin` of text that
    only a script would show, and in `skipped` why the extractor was not asked or did not answer, or
    why the page was read by its tags alone. Where `contexts` is given, no extractor is asked, and the
    context of each page is put there.
    """
    contents = list(zip(records["page"].to_list(), records["content"].to_list(), strict=True))
    flattened = [
        _flatten(number, content, watch, with_tree=contexts is not None) for number, content in contents
    ]
    pages = [page for page, _ in flattened]
    verdicts: list[list[bool] | None] = [None] * len(pages)
    if contexts is not None:
        numbers = records["page"].to_list()
        contexts |= {n: PageContext(p.tree, p.declared) for n, p in zip(numbers, pages, strict=True)}
        skipped = [reason or _missing_tree(page) for page, reason in flattened]
    else:
        answers = [
            (None, reason) if reason else _consult(number, content, page, extractor, watch)
            for (number, content), (page, reason) in zip(contents, flattened, strict=True)
        ]
        verdicts = [
            None if text is None else covered_lines(page.lines, text)
            for page, (text, _) in zip(pages, answers, strict=True)
        ]
        skipped = [reason for _, reason in answers]
    rows = [
        (number, page.lines, page.kinds, verdict, *astuple(page.metadata), page.origin, reason)
        for number, page, verdict, reason in zip(records["page"], pages, verdicts, skipped, strict=True)
    ]
    return pl.DataFrame(rows, schema=LINES_SCHEMA, orient="row")


def _flatten(number: int, html: str, watch: Watch, *, with_tree: bool) -> tuple[FlatPage, str | None]:
    """The page, and why it had to be read by its tags alone, if it had to."""
    try:
        with watch(number):
            return flatten_html(html, with_tree=with_tree), None
    except (Exception, CpuLimitError) as error:  # no page may end a run; its text is kept all the same
        reason = error if isinstance(error, CpuLimitError) else f"{type(error).__name__}: {error}"
        return flatten_tag_soup(html, 0), f"{reason}: read by its tags alone"


def _missing_tree(page: FlatPage) -> str | None:
    """Why the model of HTML sees no tree."""
    if page.depth > MAX_TREE_DEPTH:
        return f"nested {page.depth} deep, more than {MAX_TREE_DEPTH}: judged by its text alone"
    return None


def _consult(
    number: int, html: str, page: FlatPage, extractor: Extractor | None, watch: Watch
) -> tuple[str | None, str | None]:
    """The extractor's answer, or why there is none."""
    if extractor is None or not page.lines:
        return None, None
    if page.depth > MAX_EXTRACTOR_DEPTH:
        return None, f"nested {page.depth} deep, more than {MAX_EXTRACTOR_DEPTH}"
    # It may fail in any way a parser can; the page then goes on without its verdict.
    try:
        with watch(number):
            found = extractor(html)
    except (Exception, CpuLimitError) as error:
        return None, f"{type(error).__name__}: {error}"
    return found, None if found else "found no main text"
