"""HTML: flattened into blocks as a reader sees them, and an extractor's verdict on each block.

The extractor never rewrites the text: a block is kept where its output covers the block. So HTML and
flat text share one ledger, one set of offsets and one set of laws (measured cost: 0.001 word F1).
"""

from __future__ import annotations

import html as html_entities
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import polars as pl
from selectolax.lexbor import LexborHTMLParser

from transforms.errors import CpuLimitError
from transforms.page_tree import PageTree

if TYPE_CHECKING:
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
_TITLE = re.compile(r"(?is)<title[^>]*>([^<]{1,1000})")


@dataclass(frozen=True)
class Extraction:
    """What an extractor says of one page: its main text, and what it knows about it."""

    text: str
    title: str | None = None
    author: str | None = None
    date: str | None = None


@dataclass(frozen=True)
class FlatPage:
    """A page as lines of text with a kind each, how deep its tree is, and what stood around them."""

    lines: list[str]
    kinds: list[str]
    depth: int
    tree: PageTree


@dataclass
class _Line:
    """The line being written while the tree is walked."""

    cells: list[list[str]] = field(default_factory=lambda: [[]])
    kind: str = "paragraph"
    link_chars: int = 0
    links: int = 0
    inline: int = 0

    def is_empty(self) -> bool:
        return not self.cells[0]  # another cell is begun only where something stands already


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
    tree = PageTree.without_containers(len(lines))
    return FlatPage(lines, ["paragraph"] * len(lines), depth, tree)


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
        self.tree = PageTree()
        self.container = 0
        self.open_links = 0
        self.images = 0
        self.after_break = False

    def flatten(self, tree: LexborHTMLParser) -> FlatPage:
        node: LexborNode | None = tree.body
        entered: list[tuple[LexborNode, str]] = []
        while node is not None:
            child = self.enter(node)
            if child is not None:
                entered.append((node, self.open(node)))
                self.depth = max(self.depth, len(entered))
                node = child
                continue
            node = node.next if entered else None
            while node is None and entered:
                parent, role = entered.pop()
                self.close(role)
                node = parent.next if entered else None
        self.flush()
        self.tree.close(0)
        return FlatPage(self.lines, self.kinds, self.depth, self.tree)

    def enter(self, node: LexborNode) -> LexborNode | None:
        """Take in a leaf; for an element with children, the first of them."""
        tag = node.tag
        if tag == "-text":
            self.add(node.text_content or "")
        elif tag == "br":
            self.flush()
            self.after_break = True
        elif tag == "img":
            self.images += 1
        elif tag is not None and tag not in self.hidden:
            return node.child
        return None

    def add(self, text: str) -> None:
        if self.open_links:
            self.line.link_chars += len(text)
        if self.open_kinds[-1:] == ["code"]:
            first, *rest = text.split("\n")
            self.line.cells[-1].append(first)
            for part in rest:
                self.flush()
                self.line.cells[-1].append(part)
        elif not (self.line.is_empty() and text.isspace()):
            self.line.cells[-1].append(text)

    def open(self, node: LexborNode) -> str:
        """Begin an element; returns its role: block, cell, link or inline."""
        tag = node.tag or ""
        if tag in BLOCK_TAGS:
            self.flush()
            attributes = node.attributes
            self.open_kinds.append(self.kind_of(tag, attributes))
            self.container = self.tree.open(self.container, tag, attributes)
            return "block"
        if tag in CELL_TAGS:
            if not self.line.is_empty():
                self.line.cells.append([])
            self.container = self.tree.open(self.container, tag, node.attributes)
            return "cell"
        if tag == "a":
            self.open_links += 1
            self.line.links += 1
            return "link"
        self.line.inline += 1
        return "inline"

    def kind_of(self, tag: str, attributes: dict[str, str | None]) -> str:
        inherited = self.open_kinds[-1] if self.open_kinds else "paragraph"
        if inherited in ("comment", "code"):
            return inherited
        marks = f"{attributes.get('class') or ''} {attributes.get('id') or ''}"
        if not COMMENT_MARKS.isdisjoint(marks.split()):
            return "comment"
        kind = KIND_OF_TAG.get(tag)
        # A paragraph in a cell is one: the table is there for its layout.
        return kind or ("paragraph" if inherited in ("heading", "table") else inherited)

    def close(self, role: str) -> None:
        if role == "block":
            self.flush()
            self.open_kinds.pop()
        if role in ("block", "cell"):
            self.container = self.tree.close(self.container)
        elif role == "link":
            self.open_links -= 1

    def flush(self) -> None:
        line, began_at_break = self.line, self.after_break
        self.after_break = False
        if line.is_empty():
            line.link_chars = line.links = line.inline = 0
            return
        self.line = _Line()
        kind = self.open_kinds[-1] if self.open_kinds else "paragraph"
        cells = ["".join(cell) for cell in line.cells]
        if kind == "code":
            text = "\t".join(cells).rstrip()
        else:
            text = "\t".join(filter(None, (" ".join(cell.split()) for cell in cells)))
        if not text.strip():
            return
        self.lines.append(text)
        self.kinds.append(kind)
        self.tree.line_facts.append(
            (self.container, line.link_chars, line.links, self.images, line.inline, began_at_break)
        )
        self.images = 0


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


Extractor = Callable[[str], "Extraction | None"]
BlockJudge = Callable[["list[FlatPage]"], "list[list[bool]]"]


def flatten_pages(
    records: pl.DataFrame, extractor: Extractor | None, judge: BlockJudge | None = None
) -> pl.DataFrame:
    """Flatten HTML records, and ask the extractor, or else the judge of blocks, about each.

    In: `page`, `content` (HTML). Out: one row a page, LINES_SCHEMA: `lines`, a `kinds` and an
    `extracted` verdict for each (null where there is none), what is known of the page, and in
    `skipped` why the extractor was not asked or did not answer.
    """
    contents = records["content"].to_list()
    pages = [_flatten(content) for content in contents]
    if judge is not None:
        verdicts: list[list[bool] | None] = list(judge(pages))
        found: list[tuple[Extraction | None, str | None]] = [
            (Extraction("", _title(content)), None) for content in contents
        ]
    else:
        found = [
            _consult(content, page, extractor) for content, page in zip(contents, pages, strict=True)
        ]
        verdicts = [
            covered_lines(page.lines, answer.text) if answer else None
            for page, (answer, _) in zip(pages, found, strict=True)
        ]
    rows = [
        (
            number,
            page.lines,
            page.kinds,
            verdict,
            *((answer.title, answer.author, answer.date) if answer else (None, None, None)),
            skipped,
        )
        for number, page, verdict, (answer, skipped) in zip(
            records["page"], pages, verdicts, found, strict=True
        )
    ]
    return pl.DataFrame(rows, schema=LINES_SCHEMA, orient="row")


def _flatten(html: str) -> FlatPage:
    try:
        return flatten_html(html)
    except Exception:  # no page may end a run; its text is kept all the same
        return flatten_tag_soup(html, 0)


def _title(html: str) -> str | None:
    found = _TITLE.search(html)
    return " ".join(html_entities.unescape(found[1]).split()) or None if found else None


def _consult(
    html: str, page: FlatPage, extractor: Extractor | None
) -> tuple[Extraction | None, str | None]:
    """The extractor's answer, or why there is none."""
    if extractor is None or not page.lines:
        return None, None
    if page.depth > MAX_EXTRACTOR_DEPTH:
        return None, f"nested {page.depth} deep, more than {MAX_EXTRACTOR_DEPTH}"
    return _ask(extractor, html)


def _ask(extractor: Extractor, html: str) -> tuple[Extraction | None, str | None]:
    """An extractor may fail in any way a parser can; the page then goes on without its verdict."""
    try:
        found = extractor(html)
    except (Exception, CpuLimitError) as error:
        return None, f"{type(error).__name__}: {error}"
    return found, None if found else "found no main text"
