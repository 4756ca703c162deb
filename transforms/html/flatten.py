"""HTML flattened into the lines a reader sees: one a block element, with a kind each.

    page = flatten_html(html)

One walk over the tree gives the lines, and what stood around them (`page_tree.py`) for the model of
blocks. A page that shows almost nothing is looked through for text that its scripts would have shown.
"""

from __future__ import annotations

import functools
import html as html_entities
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from selectolax.lexbor import LexborHTMLParser

from reinschrift.transforms.html.declared import NOTHING_DECLARED, Declared, read_declared
from reinschrift.transforms.html.hidden_text import find_hidden_text, looks_like_html
from reinschrift.transforms.html.metadata import (
    NO_METADATA,
    Metadata,
    json_ld_values,
    meta_tags,
    read_metadata,
)
from reinschrift.transforms.html.page_tree import MAX_CACHED_NAMES, NoTree, PageTree

if TYPE_CHECKING:
    from collections.abc import Mapping

    from selectolax.lexbor import LexborNode

MAX_TREE_DEPTH = 1_000  # the HTML5 tree builder takes time, and nodes, quadratic in the depth
MAX_OPTIONS = 10_000  # and time quadratic in the options of a select
MAX_ATTRIBUTES_PER_TAG = 200  # on average; and in the attributes of a tag
MAX_CONTAINERS = 200_000  # what the model computes of one takes a kilobyte; more are not looked at
MIN_VISIBLE_CHARS = 600  # below this the text may sit where only a script would show it
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


@dataclass(frozen=True)
class FlatPage:
    """A page as lines of text with a kind each, how deep its tree is, and what stood around them.

    `origin` says where the text was found, if a reader without scripts does not see it.
    """

    lines: list[str]
    kinds: list[str]
    depth: int
    tree: PageTree
    metadata: Metadata = NO_METADATA
    origin: str | None = None
    declared: Declared = NOTHING_DECLARED


def flatten_html(html: str, *, with_tree: bool = True) -> FlatPage:
    """Cut a page into lines at its block elements; `pre` keeps its own line breaks.

    A table row is one line, its cells separated by tabs. Text hidden in `noscript` counts where the
    page shows almost none without it. Without `with_tree`, `tree` knows of no containers.
    """
    depth = nesting_depth(html)
    if depth > MAX_TREE_DEPTH or _would_stall(html):
        return flatten_tag_soup(html, depth)
    tree = LexborHTMLParser(html)
    meta, json_values = meta_tags(tree), json_ld_values(tree)
    metadata = read_metadata(tree, meta, json_values)
    declared = read_declared(tree, html, json_values, meta) if with_tree else NOTHING_DECLARED
    page = _Flattener(HIDDEN_TAGS, with_tree=with_tree).flatten(tree)
    shown = _size(page)
    if shown < MIN_VISIBLE_CHARS and "<noscript" in html:
        unhidden = _Flattener(HIDDEN_TAGS - {"noscript"}, with_tree=with_tree).flatten(tree)
        if _size(unhidden) > 2 * shown:
            return replace(unhidden, metadata=metadata, declared=declared, origin="noscript")
    if shown < MIN_VISIBLE_CHARS or '"articleBody"' in html:
        hidden = [line for text in find_hidden_text(tree) for line in _text_lines(text)]
        if sum(map(len, hidden)) > 2 * shown:
            found = _with_lines(page, hidden)
            return replace(found, metadata=metadata, declared=declared, origin="script data")
    return replace(page, metadata=metadata, declared=declared)


def _size(page: FlatPage) -> int:
    return sum(map(len, page.lines))


def _text_lines(text: str) -> list[str]:
    """Lines of a text that lay in a script: HTML, or plain."""
    if looks_like_html(text):
        return _Flattener(HIDDEN_TAGS, with_tree=False).flatten(LexborHTMLParser(text)).lines
    lines = (" ".join(html_entities.unescape(line).split()) for line in text.splitlines())
    return [line for line in lines if line]


def _with_lines(page: FlatPage, hidden: list[str]) -> FlatPage:
    """The page with paragraphs after what it shows; of a page that is empty, no tree is worth much."""
    shown = set(page.lines)
    lines = [*page.lines, *(line for line in hidden if line not in shown)]
    kinds = page.kinds + ["paragraph"] * (len(lines) - len(page.lines))
    return replace(page, lines=lines, kinds=kinds, tree=PageTree.without_containers(len(lines)))


_TITLE = re.compile(r"(?is)<title[^<>]*+>([^<]{1,1000})")
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
    title = _TITLE.search(html)
    known = Metadata(title=" ".join(html_entities.unescape(title[1]).split()) or None if title else None)
    return FlatPage(lines, ["paragraph"] * len(lines), depth, tree, known)


def _would_stall(html: str) -> bool:
    """Whether building the tree would take time out of all proportion."""
    many_attributes = html.count("=") > MAX_OPTIONS + MAX_ATTRIBUTES_PER_TAG * html.count("<")
    return many_attributes or html.count("<option") + html.count("<OPTION") > MAX_OPTIONS


class _Flattener:
    """Walks a tree without recursion, for trees may be 100,000 elements deep.

    Every node of every page comes by here, so the walk is one loop, and a line is kept in the parts
    of it: `parts` of the text begun last, `cells` before it, and what was counted.
    """

    def __init__(self, hidden: frozenset[str], *, with_tree: bool) -> None:
        self.hidden = hidden
        self.lines: list[str] = []
        self.kinds: list[str] = []
        self.parts: list[str] = []
        self.cells: list[str] = []
        self.link_chars = self.links = self.inline = 0
        self.open_kinds: list[str] = []
        self.tree = PageTree() if with_tree else NoTree()
        self.container = 0
        self.open_links = 0
        self.images = 0
        self.after_break = False

    def flatten(self, tree: LexborHTMLParser) -> FlatPage:
        node: LexborNode | None = tree.body
        entered: list[tuple[LexborNode, str]] = []
        depth = 0
        while node is not None:
            child = self.enter(node)
            if child is not None:
                entered.append((node, self.open(node)))
                node = child
                continue
            depth = max(depth, len(entered))
            node = node.next if entered else None
            while node is None and entered:
                parent, role = entered.pop()
                if role != "inline":
                    self.close(role)
                node = parent.next if entered else None
        self.flush()
        self.tree.close(0)
        if len(self.tree.containers) > MAX_CONTAINERS:
            self.tree = self.tree.flattened()
        return FlatPage(self.lines, self.kinds, depth, self.tree)

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
            self.link_chars += len(text)
        if self.open_kinds and self.open_kinds[-1] == "code":
            first, *rest = text.split("\n")
            self.parts.append(first)
            for part in rest:
                self.flush()
                self.parts.append(part)
        elif self.parts or self.cells or not text.isspace():
            self.parts.append(text)

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
            if self.parts or self.cells:
                self.cells.append("".join(self.parts))
                self.parts.clear()
            self.container = self.tree.open(self.container, tag, node.attributes)
            return "cell"
        if tag == "a":
            self.open_links += 1
            self.links += 1
            return "link"
        self.inline += 1
        return "inline"

    def kind_of(self, tag: str, attributes: Mapping[str, str | None]) -> str:
        inherited = self.open_kinds[-1] if self.open_kinds else "paragraph"
        if inherited in ("comment", "code"):
            return inherited
        if attributes and _is_comment(attributes.get("class") or "", attributes.get("id") or ""):
            return "comment"
        kind = KIND_OF_TAG.get(tag)
        # A paragraph in a cell is one: the table is there for its layout.
        return kind or ("paragraph" if inherited in ("heading", "table") else inherited)

    def close(self, role: str) -> None:
        if role == "link":
            self.open_links -= 1
            return
        if role == "block":
            self.flush()
            self.open_kinds.pop()
        self.container = self.tree.close(self.container)

    def flush(self) -> None:
        """End the line, if one was begun."""
        if self.parts or self.cells:
            self.write_line()
        self.after_break = False
        self.link_chars = self.links = self.inline = 0

    def write_line(self) -> None:
        kind = self.open_kinds[-1] if self.open_kinds else "paragraph"
        cells = [*self.cells, "".join(self.parts)] if self.cells else ["".join(self.parts)]
        self.parts.clear()
        self.cells.clear()
        if kind == "code":
            text = "\t".join(cells).rstrip()
        else:
            text = "\t".join(filter(None, (" ".join(cell.split()) for cell in cells)))
        if not text.strip():
            return
        self.lines.append(text)
        self.kinds.append(kind)
        self.tree.line_facts.append(
            (self.container, self.link_chars, self.links, self.images, self.inline, self.after_break)
        )
        self.images = 0


@functools.lru_cache(MAX_CACHED_NAMES)
def _is_comment(classes: str, name: str) -> bool:
    return not COMMENT_MARKS.isdisjoint(f"{classes} {name}".split())
