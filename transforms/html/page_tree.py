"""The tree around the lines of an HTML page: what the flattener notes while it walks.

Only what a walk alone can see is noted, as plain integers; all that can be computed from it
(distances, sums over containers, siblings) is left to `boilerplate.dom`, many pages at once.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# Numbers of tags in the facts; 0 stands for every other tag and for the page itself.
NUMBERED_TAGS = (
    *("div", "p", "li", "td", "th", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "section"),
    *("article", "main", "blockquote", "pre", "figcaption", "figure", "dd", "dt", "dl", "table"),
    *("tr", "tbody", "button", "form", "header", "footer", "nav", "aside", "body", "select"),
    *("option", "fieldset", "details", "summary", "dialog", "address"),
)
TAG_NUMBERS = {tag: number for number, tag in enumerate(NUMBERED_TAGS, start=1)}
# Kinds of container whose distance above a line is telling.
TAG_GROUPS = {
    "article": ("article",),
    "main": ("main",),
    "nav": ("nav", "menu"),
    "footer": ("footer",),
    "aside": ("aside",),
    "header": ("header", "hgroup"),
    "form": ("form", "fieldset", "legend"),
    "choice": ("select", "option"),
    "button": ("button",),
    "section": ("section",),
    "list": ("ul", "ol"),
    "item": ("li",),
    "terms": ("dl", "dd", "dt"),
    "table": ("table",),
    "cell": ("td", "th"),
    "paragraph": ("p",),
    "code": ("pre",),
    "quote": ("blockquote",),
    "figure": ("figure", "figcaption"),
    "heading": ("h1", "h2", "h3", "h4", "h5", "h6"),
    "details": ("details", "summary"),
    "dialog": ("dialog",),
}
# What the class, id, role and itemprop of an element say about what it holds.
NAME_PATTERNS = {
    "body_text": r"(?:article|entry|post|story)[-_]*(?:body|content|text|copy)"
    r"|(?:body|content)[-_]*(?:text|copy)|rich[-_]*text|prose|markdown|mw-parser|wysiwyg"
    r"|wpb_text|text[-_]content|page-content|main-?content|artikeltext",
    "comments": r"comment|disqus|respond\b|replies|discussion|kommentar",
    "related": r"related|recommend|recirc|also|popular|trending|latest|most[-_]|teaser"
    r"|read-?(?:more|next)|more-|next-|prev|similar|upsell|cross-?sell|verwandt|mehr-",
    "share": r"shar(?:e|ing)|social|follow|facebook|twitter|whatsapp|pinterest|teilen",
    "overlay": r"cookie|consent|gdpr|modal|popup|overlay|onetrust|dialog|toast|lightbox",
    "account": r"newsletter|subscri|sign-?(?:up|in)|log-?in|paywall|register|account|cart|wish|abo\b",
    "advert": r"\bads?\b|\bad[-_]|advert|sponsor|promo|banner|dfp|taboola|outbrain|anzeige|werbung",
    "nav": r"nav|menu|breadcrumb|\btoc\b|pagination|pager|skip|drawer|mega|brotkrum",
    "footer": r"foot(?!note)|bottom|colophon|copyright|legal|disclaimer|impressum|fuss",
    "header": r"header|masthead|top-?bar|logo|toolbar|kopf",
    "sidebar": r"sidebar|side-|aside|widget|rail|secondary|complementary|marginal",
    "byline": r"author|byline|\bbio\b|profile|avatar|user|member|signature|autor",
    "meta": r"meta|date|time|published|posted|tags?\b|categor|label|badge|kicker|eyebrow|datum",
    "hidden": r"hidden|sr-only|screen-reader|d-none|offscreen|collaps|invisible|assistive",
    "product": r"product|price|spec|sku|shop|buy|offer|variant|stock|shipping|produkt|preis",
    "summary": r"descri|detail|summary|overview|feature|excerpt|intro|lead|abstract|lede|dek"
    r"|standfirst|vorspann|beschreib",
    "review": r"review|rating|testimonial|star|feedback|bewertung",
    "media": r"caption|credit|figure|gallery|image|photo|media|video|slide|carousel|swiper|slick"
    r"|thumb|img|bild",
    "forum": r"message|thread|topic|question|answer|\bqa\b|faq|post[-_]?\d|forum|bbcode|postbody"
    r"|votecell",
    "title": r"title|headline|heading|titel|ueberschrift",
    "card": r"card|grid|tile|\bitem|list|feed|result|row\b|\bcol",
    "code": r"code|highlight|docs?\b|syntax|api|param",
    "control": r"form\b|input|btn|button|search|filter|dropdown|control|toggle|sort|suche",
    "call": r"hero|cta|jumbotron|call-to|action",
    "story": r"article|story|post|entry|blog|news|artikel|beitrag",
    "content": r"content|main|body|text|copy|paragraph|primary|page\b|wrapper|container|inhalt",
    "facts": r"ingredient|zutat|nutri|n(?:ä|ae)hrwert|spec[-_s]|specific|attribut|propert|merkmal"
    r"|datasheet|technical|infobox|\bfacts?\b|steckbrief|opening|(?:ö|oe)ffnungs|biblio|isbn|recipe"
    r"|rezept",
    "votes": r"vote|\breply|replies|\blike|\brank|karma|reput|signatur|quote-|report|permalink|antwort"
    r"|\bbadge|user-?info|post-?(?:meta|head|foot|count)"
    r"|comment-?(?:meta|author|date|head|foot|reply)",
    "posts": r"post-?(?:body|text|content)|comment-?(?:content|body|text)|bbcode"
    r"|message-?(?:body|content|text)|(?:review|answer)-?(?:text|body|content)",
    "prop": r"^(?:name|headline|description|recipeingredient|recipeinstructions|articlebody|reviewbody"
    r"|text)$",
    "part": r"accordion|tabs?\b|panel|section|elementor|block|module|component",
}
# One bit each: the group of an element's tag, then what its names say.
MARKS = (*(f"in_{group}" for group in TAG_GROUPS), *(f"named_{name}" for name in NAME_PATTERNS))
MARK_BITS = {mark: 1 << bit for bit, mark in enumerate(MARKS)}
TAG_MARKS = {tag: MARK_BITS[f"in_{group}"] for group, tags in TAG_GROUPS.items() for tag in tags}
FURNITURE_MARKS = (
    *("nav", "footer", "aside", "comments", "related", "share", "overlay", "account", "advert"),
    *("sidebar", "hidden"),
)
CONTENT_MARKS = ("article", "main", "body_text", "story", "content", "summary", "forum")
HIDDEN_MARK = MARK_BITS["named_hidden"]
# Of each line: its container, characters in links, links, images since the line before, inline
# elements, and whether it began at a line break.
LINE_FACTS = ("container", "link_chars", "links", "images", "inline", "after_break")
MAX_CACHED_NAMES = 1 << 15
MAX_NAMES_CHARS = 1_000
NAMING_ATTRIBUTES = ("class", "id", "role", "itemprop")
_CAMEL_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")
_PATTERNS = [(MARK_BITS[f"named_{name}"], re.compile(rule)) for name, rule in NAME_PATTERNS.items()]
_ANY_PATTERN = re.compile("|".join(NAME_PATTERNS.values()))


@functools.lru_cache(MAX_CACHED_NAMES)
def _marks_of_name(name: str) -> int:
    split = _CAMEL_HUMP.sub("-", name).lower()
    if not _ANY_PATTERN.search(split):
        return 0
    return sum(bit for bit, pattern in _PATTERNS if pattern.search(split))


@functools.lru_cache(MAX_CACHED_NAMES)
def _marks_of_names(names: str) -> int:
    """Marks of all space-separated names of an element together."""
    marks = 0
    for name in names.split():
        marks |= _marks_of_name(name)
    return marks


def element_marks(tag: str, attributes: Mapping[str, str | None]) -> int:
    """The bits of `MARKS` that an element's tag and attributes set."""
    marks = TAG_MARKS.get(tag, 0)
    names = [value for name in NAMING_ATTRIBUTES if (value := attributes.get(name))]
    if names:
        marks |= _marks_of_names(" ".join(names)[:MAX_NAMES_CHARS])
    if _is_hidden(attributes):
        marks |= HIDDEN_MARK
    return marks


def _is_hidden(attributes: Mapping[str, str | None]) -> bool:
    if "hidden" in attributes or attributes.get("aria-hidden") == "true":
        return True
    style = attributes.get("style")
    return bool(style) and "display:none" in (style or "").replace(" ", "")


# Of each container: `parent` (a container number; 0 for the page), `level` (steps to the page), `tag`
# (`TAG_NUMBERS`), `marks` (bits of `MARKS`), `signature` (equal numbers for equal tag and class), and
# the first line inside.
CONTAINER_FACTS = ("parent", "level", "tag", "marks", "signature", "first_line")
PAGE_ITSELF = (0,) * len(CONTAINER_FACTS)


@dataclass
class PageTree:
    """What is known of the containers and lines of one page.

    `containers`, in document order, number 0 being the page itself: one row each, as
    `CONTAINER_FACTS` names them; `end_line` is the line after the last inside, a number each.
    `line_facts`: one row a line, as `LINE_FACTS` names them.
    """

    containers: list[tuple[int, ...]] = field(default_factory=lambda: [PAGE_ITSELF])
    end_line: list[int] = field(default_factory=lambda: [0])
    line_facts: list[tuple[int, ...]] = field(default_factory=list)
    signatures: dict[tuple[str, str], int] = field(default_factory=dict)

    @classmethod
    def without_containers(cls, lines: int) -> PageTree:
        """The facts of a page whose tree is not known."""
        return cls(end_line=[lines], line_facts=[(0,) * len(LINE_FACTS)] * lines)

    def flattened(self) -> PageTree:
        """The same lines, all of them in the page itself."""
        facts = [(0, *facts[1:]) for facts in self.line_facts]
        return PageTree(end_line=[len(facts)], line_facts=facts)

    def open(self, parent: int, tag: str, attributes: Mapping[str, str | None]) -> int:
        """Note a container that begins before the next line; returns its number."""
        number = len(self.containers)
        signatures = self.signatures
        self.containers.append(
            (
                parent,
                self.containers[parent][1] + 1,
                TAG_NUMBERS.get(tag, 0),
                element_marks(tag, attributes) if attributes else TAG_MARKS.get(tag, 0),
                signatures.setdefault((tag, attributes.get("class") or ""), len(signatures) + 1),
                len(self.line_facts),
            )
        )
        self.end_line.append(0)
        return number

    def close(self, container: int) -> int:
        """Note that a container ends after the last line; returns the one around it."""
        self.end_line[container] = len(self.line_facts)
        return self.containers[container][0]


class NoTree(PageTree):
    """For who asks for lines alone: containers are not noted, all lines lie in the page itself."""

    def open(self, parent: int, tag: str, attributes: Mapping[str, str | None]) -> int:  # noqa: ARG002
        """Note nothing."""
        return 0

    def close(self, container: int) -> int:
        """Note where the page ends."""
        self.end_line[container] = len(self.line_facts)
        return 0
