"""What a page declares of its content: titles, and the values of schema.org data, by kind.

Read from the head, JSON-LD, microdata and RDFa. The values are not published; lines that carry them are
likely to be content (or, of other items, not to be), and the model of HTML blocks sees which ones do.
"""

from __future__ import annotations

import html as html_entities
import itertools
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from selectolax.lexbor import LexborHTMLParser

VALUE_KINDS = ("title", "text", "fact", "byline", "post", "other")
PAGE_KINDS = ("article", "product", "recipe", "forum", "listing", "service", "website")
MAX_VALUES = 400
MAX_VALUE_CHARS = 20_000
MAX_DEPTH = 20
TYPE_PATTERNS = {
    "article": re.compile(r"article|posting|report|(?<!music)blog"),
    "product": re.compile(r"product|book|vehicle|softwareapplication|movie"),
    "recipe": re.compile(r"recipe"),
    "forum": re.compile(r"qapage|question|discussion|comment"),
    "listing": re.compile(r"itemlist|collectionpage|searchresults|offercatalog"),
    "service": re.compile(r"localbusiness|service|restaurant|hotel|store|event\b"),
    "website": re.compile(r"website|organization"),
}
NAMED_TYPES = re.compile(
    r"(?i)article|posting|recipe|product|book|question|event|movie|software|video|course|person|place"
)
OTHER_TYPES = re.compile(r"(?i)breadcrumb|listitem|sitenavigation|website|organization|searchaction")
TITLE_KEYS = frozenset(("headline", "alternativeheadline"))
TEXT_KEYS = frozenset(
    [
        *("articlebody", "description", "text", "abstract", "recipeinstructions", "step"),
        *("itemlistelement.text", "acceptedanswer", "disambiguatingdescription", "servicetype"),
    ]
)
FACT_KEYS = frozenset(
    [
        *(
            "recipeingredient",
            "ingredients",
            "nutrition",
            "brand",
            "sku",
            "mpn",
            "isbn",
            "model",
            "color",
        ),
        *("material", "size", "weight", "width", "height", "depth", "additionalproperty", "offers"),
        *("price", "recipeyield", "preptime", "cooktime", "totaltime", "openinghours", "address"),
        *("openinghoursspecification", "telephone", "numberofpages", "bookformat", "recipecuisine"),
        *("recipecategory", "gtin", "gtin8", "gtin12", "gtin13", "gtin14", "productid", "location"),
        *("startdate", "enddate", "manufacturer", "award", "suitablefordiet", "calories", "value"),
    ]
)
BYLINE_KEYS = frozenset(
    [
        *("author", "creator", "editor", "publisher", "datepublished", "datemodified", "articlesection"),
        *("keywords", "datecreated", "contributor", "copyrightholder"),
    ]
)
POST_KEYS = frozenset(("comment", "review", "reviews", "reviewbody", "suggestedanswer", "commenttext"))
OTHER_KEYS = frozenset(
    [
        *("isrelatedto", "issimilarto", "breadcrumb", "haspart", "relatedlink", "significantlink"),
        *("isaccessoryorsparepartfor", "ispartof", "potentialaction", "mainentityofpage"),
    ]
)
SILENT_KEYS = frozenset(("url", "image", "logo", "sameas"))
KIND_OF_KEY = {
    **dict.fromkeys(TITLE_KEYS, "title"),
    **dict.fromkeys(TEXT_KEYS, "text"),
    **dict.fromkeys(FACT_KEYS, "fact"),
    **dict.fromkeys(BYLINE_KEYS, "byline"),
    **dict.fromkeys(POST_KEYS, "post"),
    **dict.fromkeys(OTHER_KEYS, "other"),
}
# A kind that holds for all that stands inside, whatever the keys there say.
CLOSED_KINDS = frozenset(("byline", "post", "other"))
_ADDRESS = re.compile(r"(?i)^(?:https?:)?//|^data:")
_TAG = re.compile(r"<[^<>]{1,200}>")
_SEPARATOR = re.compile(r"\s[|·•»:–—-]\s")


@dataclass(frozen=True)
class Declared:
    """Values by kind (each of `VALUE_KINDS`, plain text), and the kinds of page that types speak of."""

    values: Mapping[str, Sequence[str]] = field(default_factory=dict)
    page_kinds: frozenset[str] = frozenset()


NOTHING_DECLARED = Declared()


def read_declared(
    tree: LexborHTMLParser,
    html: str,
    json_values: Sequence[object],
    meta: Mapping[str, Sequence[str]],
) -> Declared:
    """What a page declares.

    `json_values`: its JSON-LD; `meta`: the contents of its meta tags by name.
    """
    values: dict[str, dict[str, None]] = {kind: {} for kind in VALUE_KINDS}
    types: list[str] = [*meta.get("og:type", ())]
    for kind, text in _head_titles(tree, meta):
        values[kind][text] = None
    room = MAX_VALUES
    for value in json_values:
        types += _json_types(value, 0)
        for kind, text in itertools.islice(_walk(value, "", 0), room):
            values[kind].setdefault(text)
            room -= 1
    if "itemprop" in html:
        types += _item_types(tree)
        for kind, text in _microdata(tree, room):
            values[kind].setdefault(text)
    kinds = {kind for kind, rule in TYPE_PATTERNS.items() for name in types if rule.search(name.lower())}
    return Declared({kind: [*texts] for kind, texts in values.items() if texts}, frozenset(kinds))


def _head_titles(tree: LexborHTMLParser, meta: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, str]]:
    element = tree.css_first("title")
    site_names = {_plain(name) for name in meta.get("og:site_name", ())}
    for name in (element.text() if element else "", *meta.get("og:title", ())):
        for part in (name, *_SEPARATOR.split(name)):
            text = _plain(part)
            if text and text not in site_names:
                yield "title", text
    for name in (*meta.get("description", ()), *meta.get("og:description", ())):
        text = _plain(name)
        if text:
            yield "text", text


def _types(thing: Mapping[str, Any]) -> list[str]:
    found = thing.get("@type", ())
    return [found] if isinstance(found, str) else [name for name in found if isinstance(name, str)]


def _json_types(value: object, depth: int) -> Iterator[str]:
    """Types of the things a page is about: those at the top, or in a graph."""
    if isinstance(value, list):
        for inner in value:
            yield from _json_types(inner, depth)
    elif isinstance(value, dict):
        yield from _types(value)
        if depth < 2:
            for key in ("@graph", "mainEntity"):
                yield from _json_types(value.get(key), depth + 1)


def _walk(thing: object, kind: str, depth: int) -> Iterator[tuple[str, str]]:
    """Texts inside a JSON value, with the kind that the keys on the way to them give."""
    if depth > MAX_DEPTH:
        return
    if isinstance(thing, dict):
        for value, inner in _members(thing, kind):
            yield from _walk(value, inner, depth + 1)
    elif isinstance(thing, list):
        for value in thing:
            yield from _walk(value, kind, depth + 1)
    elif isinstance(thing, str | int | float) and not isinstance(thing, bool) and kind:
        text = _plain(str(thing))
        if text and not _ADDRESS.match(text):
            yield kind, text


def _members(thing: Mapping[str, object], kind: str) -> Iterator[tuple[object, str]]:
    """The values of a JSON object that say something, with the kind each has there."""
    names = " ".join(_types(thing))
    if not kind and OTHER_TYPES.search(names):
        kind = "other"
    is_named = not kind and NAMED_TYPES.search(names)
    for key, value in thing.items():
        lower = key.lower()
        if (key.startswith("@") and key != "@graph") or lower in SILENT_KEYS:
            continue
        known = "title" if is_named and lower == "name" else KIND_OF_KEY.get(lower)
        yield value, kind if kind in CLOSED_KINDS else known or kind


def _plain(text: str) -> str:
    """A value without tags, its white space collapsed."""
    head = text[:MAX_VALUE_CHARS]
    if "&" in head:
        head = html_entities.unescape(head)
    return " ".join((_TAG.sub(" ", head) if "<" in head else head).split())


def _item_types(tree: LexborHTMLParser) -> Iterable[str]:
    for node in tree.css("[itemtype]")[:MAX_VALUES]:
        yield (node.attributes.get("itemtype") or "").rpartition("/")[2]


def _microdata(tree: LexborHTMLParser, room: int) -> Iterator[tuple[str, str]]:
    for node in tree.css("[itemprop]")[:room]:
        names = (node.attributes.get("itemprop") or "").lower().split()
        kind = next((KIND_OF_KEY[name] for name in names if name in KIND_OF_KEY), None)
        if kind is None:
            continue
        text = _plain(node.attributes.get("content") or node.text())
        if text and not _ADDRESS.match(text):
            yield kind, text
