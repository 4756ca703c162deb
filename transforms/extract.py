"""HTML: flattened into blocks as a reader sees them, and an extractor's verdict on each block.

The extractor never rewrites the text: a block is kept where its output covers the block. So HTML and
flat text share one ledger, one set of offsets and one set of laws (measured cost: 0.001 word F1).
"""

from __future__ import annotations

import html as html_entities
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import polars as pl
from selectolax.lexbor import LexborHTMLParser

from transforms.errors import CpuLimitError

if TYPE_CHECKING:
    from collections.abc import Callable

    from selectolax.lexbor import LexborNode

MAX_EXTRACTOR_DEPTH = 256  # libxml2 cuts deeper trees off, and recursion over them may crash
MAX_TREE_DEPTH = 1_000  # the HTML5 tree builder takes time, and nodes, quadratic in the depth
MAX_OPTIONS = 10_000  # and time quadratic in the options of a select
MAX_ATTRIBUTES_PER_TAG = 200  # on average; and in the attributes of a tag
MIN_COVERED_SHARE = 0.7
SHORT_BLOCK_WORDS = 5
MIN_VISIBLE_CHARS = 600  # below this the text may sit in noscript
BLOCK_TAGS = frozenset(
    [
        "address",
        "article",
        "aside",
        "blockquote",
        "body",
        "button",
        "canvas",
        "center",
        "dd",
        "details",
        "dialog",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
        "footer",
        "form",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "hgroup",
        "hr",
        "html",
        "legend",
        "li",
        "main",
        "menu",
        "nav",
        "ol",
        "option",
        "p",
        "pre",
        "section",
        "select",
        "summary",
        "table",
        "tbody",
        "tfoot",
        "thead",
        "title",
        "tr",
        "ul",
        "caption",
    ]
)
CELL_TAGS = frozenset(("td", "th"))
HIDDEN_TAGS = frozenset(
    [
        "script",
        "style",
        "noscript",
        "template",
        "svg",
        "head",
        "iframe",
        "object",
        "math",
        "textarea",
        "-comment",
        "-doctype",
    ]
)
KIND_OF_TAG = {
    **{f"h{level}": "heading" for level in range(1, 7)},
    "li": "list_item",
    "dd": "list_item",
    "dt": "list_item",
    "blockquote": "quote",
    "tr": "table",
    "pre": "code",
}
COMMENT_MARKS = frozenset(
    ["comments", "comment-list", "commentlist", "comments-area", "comment-content", "comment-body"]
)
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Extraction:
    """What an extractor says of one page: its main text, and what it knows about it."""

    text: str
    title: str | None = None
    author: str | None = None
    date: str | None = None


@dataclass(frozen=True)
class FlatPage:
    """A page as lines of text with a kind each, and how deep its tree is."""

    lines: list[str]
    kinds: list[str]
    depth: int


@dataclass
class _Line:
    """The line being written while the tree is walked."""

    cells: list[list[str]] = field(default_factory=lambda: [[]])
    kind: str = "paragraph"

    def is_empty(self) -> bool:
        return not any(self.cells)


def extract_with_trafilatura(html: str) -> Extraction | None:
    """trafilatura's verdict on one page; None where it finds no main text.

    Its `deduplicate` stays off: it keeps a cache for the process and depends on the order of pages.
    """
    import trafilatura

    found = trafilatura.bare_extraction(
        html,
        include_comments=True,
        include_tables=True,
        deduplicate=False,
        with_metadata=True,
    )
    if found is None or isinstance(found, dict):  # a dict only where one was asked for
        return None
    text = "\n".join(part for part in (found.text, found.comments) if part)
    return Extraction(text, found.title, found.author, found.date)


def flatten_html(html: str) -> FlatPage:
    """Cut a page into lines at its block elements; `pre` keeps its own line breaks.

    A table row is one line, its cells separated by tabs. Text hidden in `noscript` counts where the
    page shows almost none without it.
    """
    depth = nesting_depth(html)
    if depth > MAX_TREE_DEPTH or _would_stall(html):
        return flatten_tag_soup(html, depth)
    tree = LexborHTMLParser(html)
    page = _Flattener(HIDDEN_TAGS).flatten(tree)
    if sum(map(len, page.lines)) < MIN_VISIBLE_CHARS and "<noscript" in html:
        unhidden = _Flattener(HIDDEN_TAGS - {"noscript"}).flatten(tree)
        if sum(map(len, unhidden.lines)) > 2 * sum(map(len, page.lines)):
            return unhidden
    return page


_NESTING_TAG = re.compile(
    r"<(/?)(?:div|span|font|b|i|em|strong|a|table|ul|ol|section|blockquote|center|small|big|u|s|form|"
    r"article|main|aside|header|footer|nav|figure|details|fieldset|button|label|svg|g)\b",
    re.IGNORECASE,
)
_SOUP_HIDDEN = re.compile(
    r"(?is)<(script|style|template|noscript)\b.*?(?:</\1\s*>|\Z)|<!--.*?(?:-->|\Z)"
)
_SOUP_BREAK = re.compile(rf"(?i)</?(?:br|td|th|{'|'.join(sorted(BLOCK_TAGS))})\b[^<>]*>")
_SOUP_TAG = re.compile(r"</?[a-zA-Z][^>]*>?")


def nesting_depth(html: str) -> int:
    """How deep the tags nest, estimated without building a tree; 0 where they can't be too many."""
    if html.count("<") <= MAX_TREE_DEPTH:
        return 0
    depth = deepest = 0
    for tag in _NESTING_TAG.finditer(html):
        depth = max(0, depth - 1) if tag[1] else depth + 1
        deepest = max(deepest, depth)
    return deepest


def flatten_tag_soup(html: str, depth: int) -> FlatPage:
    """Lines of a page too deep for a tree, by its tags alone: all are paragraphs."""
    visible = _SOUP_HIDDEN.sub(" ", html)
    parts = (_SOUP_TAG.sub("", part) for part in _SOUP_BREAK.split(visible))
    lines = [" ".join(html_entities.unescape(part).split()) for part in parts]
    lines = [line for line in lines if line]
    return FlatPage(lines, ["paragraph"] * len(lines), depth)


def _would_stall(html: str) -> bool:
    """Whether building the tree would take time out of all proportion."""
    many_attributes = html.count("=") > MAX_OPTIONS + MAX_ATTRIBUTES_PER_TAG * html.count("<")
    return many_attributes or html.count("<option") + html.count("<OPTION") > MAX_OPTIONS


class _Flattener:
    """Walks a tree without recursion, for trees may be 100,000 elements deep."""

    def __init__(self, hidden: frozenset[str]) -> None:
        self.hidden = hidden
        self.lines: list[str] = []
        self.kinds: list[str] = []
        self.line = _Line()
        self.open_kinds: list[str] = []
        self.depth = 0

    def flatten(self, tree: LexborHTMLParser) -> FlatPage:
        node: LexborNode | None = tree.body
        entered: list[tuple[LexborNode, bool]] = []
        while node is not None:
            child = self.enter(node)
            if child is not None:
                entered.append((node, self.open(node)))
                self.depth = max(self.depth, len(entered))
                node = child
                continue
            node = node.next if entered else None
            while node is None and entered:
                parent, is_block = entered.pop()
                self.close(parent, is_block)
                node = parent.next if entered else None
        self.flush()
        return FlatPage(self.lines, self.kinds, self.depth)

    def enter(self, node: LexborNode) -> LexborNode | None:
        """Take in a leaf; for an element with children, the first of them."""
        tag = node.tag
        if tag == "-text":
            self.add(node.text_content or "")
        elif tag == "br":
            self.flush()
        elif tag is not None and tag not in self.hidden:
            return node.child
        return None

    def add(self, text: str) -> None:
        if self.open_kinds[-1:] == ["code"]:
            first, *rest = text.split("\n")
            self.line.cells[-1].append(first)
            for part in rest:
                self.flush()
                self.line.cells[-1].append(part)
        elif not (self.line.is_empty() and text.isspace()):
            self.line.cells[-1].append(text)

    def open(self, node: LexborNode) -> bool:
        tag = node.tag or ""
        if tag in CELL_TAGS:
            if not self.line.is_empty():
                self.line.cells.append([])
            return False
        if tag not in BLOCK_TAGS:
            return False
        self.flush()
        self.open_kinds.append(self.kind_of(node, tag))
        return True

    def kind_of(self, node: LexborNode, tag: str) -> str:
        inherited = self.open_kinds[-1] if self.open_kinds else "paragraph"
        if inherited in ("comment", "code"):
            return inherited
        attributes = node.attributes
        marks = f"{attributes.get('class') or ''} {attributes.get('id') or ''}"
        if not COMMENT_MARKS.isdisjoint(marks.split()):
            return "comment"
        kind = KIND_OF_TAG.get(tag)
        # A paragraph in a cell is one: the table is there for its layout.
        return kind or ("paragraph" if inherited in ("heading", "table") else inherited)

    def close(self, node: LexborNode, is_block: bool) -> None:
        del node
        if is_block:
            self.flush()
            self.open_kinds.pop()

    def flush(self) -> None:
        kind = self.open_kinds[-1] if self.open_kinds else "paragraph"
        cells = ["".join(cell) for cell in self.line.cells]
        if kind == "code":
            text = "\t".join(cells).rstrip()
        else:
            text = "\t".join(filter(None, (" ".join(cell.split()) for cell in cells)))
        if text.strip():
            self.lines.append(text)
            self.kinds.append(kind)
        self.line = _Line()


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


LINES_SCHEMA: pl.Schema = pl.Schema(
    {
        "page": pl.UInt32(),
        "lines": pl.List(pl.String),
        "kinds": pl.List(pl.String),
        "extracted": pl.List(pl.Boolean),
        "title": pl.String(),
        "author": pl.String(),
        "date": pl.String(),
        "skipped": pl.String(),
    }
)


def flatten_pages(
    records: pl.DataFrame, extractor: Callable[[str], Extraction | None] | None
) -> pl.DataFrame:
    """Flatten HTML records and ask the extractor about each.

    In: `page`, `content` (HTML). Out: one row a page, LINES_SCHEMA: `lines`, a `kinds` and an
    `extracted` verdict for each (null where there is none), what the extractor knows of the page,
    and in `skipped` why it was not asked or did not answer.
    """
    rows = [
        (page, *_judge_page(content, extractor))
        for page, content in records.select("page", "content").iter_rows()
    ]
    return pl.DataFrame(rows, schema=LINES_SCHEMA, orient="row")


def _judge_page(
    html: str, extractor: Callable[[str], Extraction | None] | None
) -> tuple[list[str], list[str], list[bool] | None, str | None, str | None, str | None, str | None]:
    try:
        flat = flatten_html(html)
    except Exception:  # no page may end a run; its text is kept all the same
        flat = flatten_tag_soup(html, 0)
    skipped, found = None, None
    if extractor is not None and flat.lines:
        if flat.depth > MAX_EXTRACTOR_DEPTH:
            skipped = f"nested {flat.depth} deep, more than {MAX_EXTRACTOR_DEPTH}"
        else:
            found, skipped = _ask(extractor, html)
    if found is None:
        return flat.lines, flat.kinds, None, None, None, None, skipped
    verdict = covered_lines(flat.lines, found.text)
    return flat.lines, flat.kinds, verdict, found.title, found.author, found.date, None


def _ask(
    extractor: Callable[[str], Extraction | None], html: str
) -> tuple[Extraction | None, str | None]:
    """An extractor may fail in any way a parser can; the page then goes on without its verdict."""
    try:
        found = extractor(html)
    except (Exception, CpuLimitError) as error:
        return None, f"{type(error).__name__}: {error}"
    return found, None if found else "found no main text"
