"""What a page says about itself: title, author, date, canonical address, name of the site.

Read from the tree that was parsed anyway: meta tags (Open Graph, Dublin Core, HTML5), links, JSON-LD
(schema.org) and `time` elements, in the order of how far each can be trusted.
"""

from __future__ import annotations

import calendar
import json
import re
from dataclasses import dataclass
from email.utils import parsedate
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from selectolax.lexbor import LexborHTMLParser

MAX_VALUE_CHARS = 1_000
MAX_JSON_DEPTH = 40
EARLIEST_YEAR = 1990  # the web is not older
MONTHS = 12
ARTICLE_TYPES = re.compile(
    r"Article|BlogPosting|Posting|Report|WebPage|Product|Recipe|Question|VideoObject"
)
_ISO_DAY = re.compile(r"(?<!\s)\s*+((?:19|20)\d\d)-?(\d\d)-?(\d\d)")
_DAY_IN_PATH = re.compile(r"/((?:19|20)\d\d)[/-](\d\d)[/-](\d\d)(?:[/-]|$)")
_SEPARATOR = re.compile(r"(?<!\s)\s++[|·•»:–—-]\s++$")
_ADDRESS = re.compile(r"(?i)https?://")
_SPACES = re.compile(r"\s+")

TITLE_KEYS = ("og:title", "twitter:title", "dc.title", "title")
AUTHOR_KEYS = (
    *("author", "article:author", "dc.creator", "dcterms.creator", "parsely-author", "sailthru.author"),
    *("og:article:author", "byl", "citation_author"),
)
DATE_KEYS = (
    *("article:published_time", "og:published_time", "datepublished", "date", "dc.date", "pubdate"),
    *("dcterms.created", "dc.date.issued", "dcterms.date", "publish-date", "parsely-pub-date"),
    *("sailthru.date", "og:article:published_time", "citation_publication_date", "article.published"),
)
SITE_KEYS = ("og:site_name", "application-name", "twitter:site_name")


@dataclass(frozen=True)
class Metadata:
    """What a page says about itself; None for what it does not say. `date` is an ISO 8601 day."""

    title: str | None = None
    author: str | None = None
    date: str | None = None
    canonical_url: str | None = None
    site_name: str | None = None


NO_METADATA = Metadata()


def read_metadata(
    tree: LexborHTMLParser,
    meta: Mapping[str, Sequence[str]] | None = None,
    json_values: Sequence[object] | None = None,
) -> Metadata:
    """What the head of a page, its JSON-LD and its first `time` say.

    `meta` and `json_values` are those of `meta_tags` and `json_ld_values`, where known already.
    """
    meta = meta_tags(tree) if meta is None else meta
    values = json_ld_values(tree) if json_values is None else json_values
    things = [thing for value in values for thing in _objects(value, 0) if _is_article(thing)]
    element, heading = tree.css_first("title"), tree.css_first("h1")
    title = _first(
        *_values(meta, TITLE_KEYS),
        *(thing.get("headline") for thing in things),
        element and element.text(),
        heading and heading.text(),
    )
    canonical = _canonical(tree, meta)
    site_name = _first(*_values(meta, SITE_KEYS), *(_publisher(thing) for thing in things))
    return Metadata(
        title=_without_site(title, site_name),
        author=_first(
            *(_author(thing.get("author")) for thing in things),
            *(None if _ADDRESS.match(value) else value for value in _values(meta, AUTHOR_KEYS)),
            *_marked_authors(tree),
        ),
        date=next(filter(None, map(_day, (*_dates(tree, meta, things), _in_path(canonical)))), None),
        canonical_url=canonical,
        site_name=site_name,
    )


def _without_site(title: str | None, site_name: str | None) -> str | None:
    """The title without the name of the site behind it ("The bridge | The Daily")."""
    if title and site_name and title.endswith(site_name):
        return _SEPARATOR.sub("", title[: -len(site_name)]) or title
    return title


def _in_path(url: str | None) -> str | None:
    """The day in an address such as /2014/05/22/."""
    found = _DAY_IN_PATH.search(url or "")
    return "-".join(found.groups()) if found else None


def json_ld(tree: LexborHTMLParser) -> Iterator[dict[str, Any]]:
    """Every JSON object in the JSON-LD of a page, outer ones first; broken JSON is passed over."""
    for value in json_ld_values(tree):
        yield from _objects(value, 0)


def json_ld_values(tree: LexborHTMLParser) -> list[object]:
    """The JSON-LD of a page, one value a script; broken JSON is passed over."""
    values: list[object] = []
    for script in tree.css('script[type="application/ld+json"]'):
        try:
            values.append(json.loads(script.text(), strict=False))
        except (ValueError, RecursionError):
            continue
    return values


def _objects(value: object, depth: int) -> Iterator[dict[str, Any]]:
    if depth > MAX_JSON_DEPTH:
        return
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from _objects(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            yield from _objects(inner, depth + 1)


def _is_article(thing: Mapping[str, object]) -> bool:
    return bool(ARTICLE_TYPES.search(str(thing.get("@type", ""))))


def meta_tags(tree: LexborHTMLParser) -> dict[str, list[str]]:
    """Contents of the meta tags by name, property or itemprop, in lower case."""
    found: dict[str, list[str]] = {}
    for tag in tree.css("meta[content]"):
        attributes = tag.attributes
        content = attributes.get("content")
        for key in ("name", "property", "itemprop"):
            name = attributes.get(key)
            if name and content:
                found.setdefault(name.lower(), []).append(content)
    return found


def _values(meta: Mapping[str, Sequence[str]], keys: Sequence[str]) -> Iterator[str]:
    for key in keys:
        yield from meta.get(key, ())


def _first(*values: object) -> str | None:
    """The first value that is a text with something in it, its white space single."""
    for value in values:
        if isinstance(value, str):
            text = _SPACES.sub(" ", value[:MAX_VALUE_CHARS]).strip()
            if text:
                return text
    return None


def _author(value: object) -> str | None:
    """Names of a schema.org author: a text, a thing with a name, or several of them."""
    if isinstance(value, dict):
        return _first(value.get("name"))
    if isinstance(value, list):
        names = [name for name in map(_author, value) if name]
        return "; ".join(dict.fromkeys(names)) or None
    text = _first(value)
    return None if text is None or _ADDRESS.match(text) else text


def _marked_authors(tree: LexborHTMLParser) -> Iterator[str]:
    for node in (tree.css_first('[rel="author"]'), tree.css_first('[itemprop="author"]')):
        if node is not None:
            yield node.text()


def _publisher(thing: Mapping[str, object]) -> object:
    publisher = thing.get("publisher")
    return publisher.get("name") if isinstance(publisher, dict) else None


def _dates(
    tree: LexborHTMLParser, meta: Mapping[str, Sequence[str]], things: Sequence[Mapping[str, object]]
) -> Iterator[object]:
    for thing in things:
        yield thing.get("datePublished")
    yield from _values(meta, DATE_KEYS)
    for marked in tree.css('[itemprop="datePublished"]'):
        yield marked.attributes.get("datetime") or marked.attributes.get("content")
    for time in tree.css("time[datetime]"):
        yield time.attributes.get("datetime")
    for thing in things:
        yield thing.get("dateCreated")


def _day(value: object) -> str | None:
    """ISO 8601 day of a date as the web writes it (ISO 8601 or RFC 2822), if it can be one."""
    if not isinstance(value, str):
        return None
    found = _ISO_DAY.match(value)
    year, month, day = map(int, found.groups()) if found else (parsedate(value) or (0, 0, 0))[:3]
    is_day = (
        year >= EARLIEST_YEAR
        and 1 <= month <= MONTHS
        and 1 <= day <= calendar.monthrange(year, month)[1]
    )
    return f"{year:04}-{month:02}-{day:02}" if is_day else None


def _canonical(tree: LexborHTMLParser, meta: Mapping[str, Sequence[str]]) -> str | None:
    link = tree.css_first('link[rel="canonical"]')
    candidates = [link.attributes.get("href") if link else None, *meta.get("og:url", ())]
    return _first(*(value for value in candidates if value and _ADDRESS.match(value.strip())))
