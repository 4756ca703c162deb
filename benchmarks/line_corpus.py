"""Labelled lines for the line model: flattened pages with one label character a line.

Sources (see docs/model-card.md): gold main texts in several flattenings, German pages with weak
labels from two extractors, and clean pages made of content lines alone. Every label alphabet is
    1 content   0 boilerplate   c content, doubtful   b boilerplate, doubtful   - not scored
    s must stay, by hand   g must go, by hand

Page frame: one row a flattened page with `id`, `origin` (gold | flattened | weak | clean),
`host`, `page_type`, `lang`, `flattener`, `text` and `labels` (a character for each line of
`text.split("\\n")`), plus `gold_text` where the page has one.
"""

from __future__ import annotations

import hashlib
import re
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING, Any

import polars as pl
from lxml import etree
from lxml import html as lxml_html
from rapidfuzz.distance import LCSseq

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

WORD = re.compile(r"\w+")
SPACES = re.compile(r"\s+")
BLOCK_TAGS = frozenset(
    """address article aside blockquote body br button center dd details dialog div dl dt fieldset
    figcaption figure footer form h1 h2 h3 h4 h5 h6 header hgroup hr legend li main menu nav ol
    option p pre section select summary table tbody td tfoot th thead title tr ul""".split()  # noqa: SIM905
)
HIDDEN_TAGS = frozenset(
    "script style noscript template svg head iframe object math textarea".split()  # noqa: SIM905
)
MAX_PAGE_LINES = 3000
CONTENT_LABELS = frozenset("1cs")
MIN_WORDS_FOR_CONTAINMENT = 5
CONTAINMENT = 0.7
PAGE_SCHEMA = dict.fromkeys(
    ("id", "origin", "host", "page_type", "lang", "flattener", "text", "labels", "gold_text"),
    pl.String,
)
Row = dict[str, Any]


def words(text: str | None) -> list[str]:
    """The lower-cased words of a text, as the scorers count them."""
    return WORD.findall((text or "").lower())


def unit_hash(key: str) -> float:
    """A number in [0, 1) that depends on nothing but the key."""
    return int(hashlib.sha1(key.encode(), usedforsecurity=False).hexdigest()[:8], 16) / 2**32


# --- flatteners -------------------------------------------------------------------------------


def flatten_with_lxml(html: str) -> str:
    """One line a block element, spaces collapsed, no blank lines."""
    parser = lxml_html.HTMLParser(encoding="utf-8", huge_tree=True)
    root = lxml_html.document_fromstring(html.encode("utf-8", "replace"), parser=parser)
    parts: list[str] = []
    for event, element in etree.iterwalk(root, events=("start", "end", "comment", "pi")):
        if any(ancestor.tag in HIDDEN_TAGS for ancestor in element.iterancestors()):
            continue
        visible = isinstance(element.tag, str) and element.tag not in HIDDEN_TAGS
        if visible and element.tag in BLOCK_TAGS:
            parts.append("\n")
        if event == "start" and visible:
            parts.append(SPACES.sub(" ", element.text or ""))
        elif event != "start":
            parts.append(SPACES.sub(" ", element.tail or ""))
    lines = (SPACES.sub(" ", line).strip() for line in "".join(parts).split("\n"))
    return "\n".join(line for line in lines if line)


def flatten_with_inscriptis(html: str) -> str:
    """Layout kept as spaces and blank lines."""
    from inscriptis import get_text
    from inscriptis.css_profiles import CSS_PROFILES
    from inscriptis.model.config import ParserConfig

    return str(get_text(html, ParserConfig(css=CSS_PROFILES["strict"])))


def flatten_with_resiliparse(html: str) -> str:
    """Blank lines between blocks, bullets for lists."""
    from resiliparse.extract.html2text import extract_plain_text

    return str(extract_plain_text(html, main_content=False, alt_texts=True))


FLATTENERS: dict[str, Callable[[str], str]] = {
    "resiliparse": flatten_with_resiliparse,
    "inscriptis": flatten_with_inscriptis,
    "lxml": flatten_with_lxml,
}


def flattened(html: str, flattener: str) -> str:
    """The flattened page, or nothing where the flattener cannot read it."""
    try:
        return FLATTENERS[flattener](html)
    except (ValueError, TypeError, etree.LxmlError, RecursionError, AssertionError):
        return ""


# --- labels -----------------------------------------------------------------------------------


def _aligned(page_words: Sequence[str], gold_words: Sequence[str]) -> list[int]:
    """For each word of the page its partner in the longest common subsequence, else -1."""
    numbers: dict[str, int] = {}
    page_ids = [numbers.setdefault(word, len(numbers)) for word in page_words]
    gold_ids = [numbers.setdefault(word, len(numbers)) for word in gold_words]
    partner = [-1] * len(page_ids)
    for piece in LCSseq.opcodes(page_ids, gold_ids):
        if piece.tag == "equal":
            partner[piece.src_start : piece.src_end] = range(piece.dest_start, piece.dest_end)
    return partner


def _covered(line_words: list[str], gold_trigrams: set[tuple[str, str, str]]) -> float:
    """Share of the words of a line that lie in a trigram of the gold text."""
    inside = [False] * len(line_words)
    for start, trigram in enumerate(zip(line_words, line_words[1:], line_words[2:], strict=False)):
        if trigram in gold_trigrams:
            inside[start : start + 3] = [True] * 3
    return sum(inside) / len(line_words)


def label_lines(lines: Sequence[str], gold_text: str) -> str:
    """Labels of a page's lines by alignment with its main text: one of `1`, `0`, `-` a line.

    A long line is content if most of its words align closely together or stand in the gold text
    in the same order; a short one only if all of it aligns in one piece, or it is a gold line.
    """
    line_words = [words(line) for line in lines]
    gold_words = words(gold_text)
    gold_lines = {tuple(words(line)) for line in gold_text.split("\n")}
    trigrams = set(zip(gold_words, gold_words[1:], gold_words[2:], strict=False))
    partner = _aligned([word for line in line_words for word in line], gold_words)
    labels: list[str] = []
    start = 0
    for line in line_words:
        count = len(line)
        hits = [index for index in partner[start : start + count] if index >= 0]
        start += count
        if not count:
            labels.append("-")
        elif count >= MIN_WORDS_FOR_CONTAINMENT:
            together = len(hits) >= CONTAINMENT * count and hits[-1] - hits[0] <= 2 * count + 10
            labels.append("1" if together or _covered(line, trigrams) >= CONTAINMENT else "0")
        else:
            whole = len(hits) == count and hits[-1] - hits[0] == count - 1
            listed = len(hits) >= count / 2 and tuple(line) in gold_lines
            labels.append("1" if whole or listed else "0")
    return "".join(labels)


def weak_labels(lines: Sequence[str], extracted: str, second: str, row: Row) -> str:
    """Labels of a page without gold text: trafilatura's, doubtful where readability differs.

    What the snippets of the set say about a line overrides both.
    """
    first_labels, second_labels = label_lines(lines, extracted), label_lines(lines, second)
    must_stay = [words(snippet) for snippet in row["with_"]]
    must_go = [words(snippet) for snippet in row["without"]]
    merged: list[str] = []
    for line, label, other in zip(lines, first_labels, second_labels, strict=True):
        line_words = words(line)
        if label == "-":
            merged.append("-")
        elif any(_contains(line_words, snippet) for snippet in must_stay):
            merged.append("s")
        elif any(_contains(line_words, snippet) for snippet in must_go):
            merged.append("g")
        elif label == other:
            merged.append(label)
        else:
            merged.append("c" if label == "1" else "b")
    return "".join(merged)


def _contains(line_words: list[str], snippet: list[str]) -> bool:
    return bool(snippet) and f" {' '.join(snippet)} " in f" {' '.join(line_words)} "


# --- pages ------------------------------------------------------------------------------------


def _page(row: Row, origin: str, flattener: str, text: str, labels: str) -> Row:
    return {
        **{name: row.get(name) for name in PAGE_SCHEMA},
        "origin": origin,
        "flattener": flattener,
        "text": text,
        "labels": labels,
    }


def other_flattenings(row: Row) -> list[Row]:
    """A gold page through the flatteners its stored text was not made with."""
    pages = []
    for flattener in FLATTENERS:
        if flattener == row["flattener"]:
            continue
        text = flattened(row["html"], flattener)
        lines = text.split("\n")
        labels = label_lines(lines, row["gold_text"]) if len(lines) <= MAX_PAGE_LINES else ""
        if "1" in labels:
            pages.append(_page(row, "flattened", flattener, text, labels))
    return pages


def weakly_labelled(row: Row) -> list[Row]:
    """A page with snippets through every flattener, labelled by two extractors."""
    import trafilatura
    from readability import Document

    extracted = trafilatura.extract(row["html"], include_comments=False, favor_recall=False) or ""
    try:
        summary = Document(row["html"]).summary(html_partial=True)
        second = flatten_with_lxml(summary)
    except (etree.LxmlError, ValueError, TypeError, AttributeError, KeyError):
        second = ""
    pages = []
    for flattener in FLATTENERS:
        text = row["text"] if flattener == row["flattener"] else ""
        text = text or flattened(row["html"], flattener)
        lines = text.split("\n")
        if len(lines) > MAX_PAGE_LINES or not extracted:
            continue
        labels = weak_labels(lines, extracted, second, row)
        if CONTENT_LABELS & set(labels):
            pages.append(_page(row, "weak", flattener, text, labels))
    return pages


def clean_page(row: Row) -> Row:
    """The content lines of a page alone: a page from which nothing may be lost."""
    lines = row["text"].split("\n")
    kept = [line for line, label in zip(lines, row["labels"], strict=True) if label in "1s"]
    return _page(
        {**row, "id": row["id"] + ":clean"},
        *("clean", row["flattener"], "\n".join(kept), "1" * len(kept)),
    )


def _mapped(work: Callable[[Row], list[Row]], rows: list[Row], workers: int) -> Iterator[Row]:
    with ProcessPoolExecutor(workers) as pool:
        for pages in pool.map(work, rows, chunksize=8):
            yield from pages


def build_pages(bench: Path, workers: int = 2) -> pl.DataFrame:
    """Every training page of the benchmark folder, in an order that depends on its files only."""
    flat = pl.read_parquet(bench / "flat_dev.parquet")
    html = pl.read_parquet(bench / "html_dev.parquet").select("id", "html")
    snippets = pl.read_parquet(bench / "snip_dev.parquet").filter(pl.col("html").is_not_null())
    gold_rows = flat.join(html, on="id").sort("id").to_dicts()
    pages = [_page(row, "gold", row["flattener"], row["text"], row["labels"]) for row in gold_rows]
    pages += _mapped(other_flattenings, gold_rows, workers)
    pages += _mapped(weakly_labelled, snippets.sort("id").to_dicts(), workers)
    return pl.DataFrame(pages, schema=PAGE_SCHEMA)
