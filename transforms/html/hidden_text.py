"""Text that a page holds but does not show without its scripts: JSON-LD and the scripts' own data.

Many pages are an empty frame that a script fills. What it fills in often lies in the page all the same:
as `articleBody` in JSON-LD (schema.org), or in a JSON document the script reads.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from reinschrift.transforms.html.metadata import json_ld

if TYPE_CHECKING:
    from collections.abc import Iterator

    from selectolax.lexbor import LexborHTMLParser

BODY_KEYS = ("articleBody", "reviewBody", "text")
MIN_TEXT_CHARS = 120  # shorter values are labels and settings
MIN_PROSE_WORDS = 15
MAX_JSON_DEPTH = 60
MAX_JSON_CHARS = 20_000_000
_PROSE = re.compile(r"(?<![^\W\d_])[^\W\d_]{2,}+[,;:]? (?=[^\W\d_])")
_TAG = re.compile(
    r"</?(?:p|div|br|h[1-6]|ul|ol|li|blockquote|section|article|strong|em|a|span)\b", re.IGNORECASE
)


def find_hidden_text(tree: LexborHTMLParser) -> list[str]:
    """Texts that scripts would show, in their order, each once: plain or HTML.

    The bodies of JSON-LD where there are any, else running text in the JSON of scripts.
    """
    bodies = [text for thing in json_ld(tree) for text in _bodies(thing)]
    return _once(bodies) or _once(list(_script_texts(tree)))


def looks_like_html(text: str) -> bool:
    """Whether a text holds the tags of running text."""
    return bool(_TAG.search(text))


def _bodies(thing: dict[str, Any]) -> Iterator[str]:
    for key in BODY_KEYS:
        value = thing.get(key)
        if isinstance(value, str) and is_prose(value):
            yield value


def is_prose(text: str) -> bool:
    """Whether a text is long enough, and words follow words in it: no code, no keys, no addresses."""
    return len(text) >= MIN_TEXT_CHARS and len(_PROSE.findall(text[:5_000])) >= MIN_PROSE_WORDS


def _script_texts(tree: LexborHTMLParser) -> Iterator[str]:
    for script in tree.css('script[type="application/json"], script#__NEXT_DATA__'):
        raw = script.text()
        if len(raw) > MAX_JSON_CHARS:
            continue
        try:
            value = json.loads(raw, strict=False)
        except (ValueError, RecursionError):
            continue
        yield from _strings(value, 0)


def _strings(value: object, depth: int) -> Iterator[str]:
    if depth > MAX_JSON_DEPTH:
        return
    if isinstance(value, str):
        if is_prose(value):
            yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _strings(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner, depth + 1)


def _once(texts: list[str]) -> list[str]:
    """Each text once; one that another begins with (a teaser of it) goes."""
    kept: list[str] = []
    heads: set[str] = set()
    for text in sorted(dict.fromkeys(texts), key=lambda text: -len(text)):
        head = " ".join(text.split())[:MIN_TEXT_CHARS]
        if head not in heads:
            heads.add(head)
            kept.append(text)
    chosen = set(kept)
    return [text for text in dict.fromkeys(texts) if text in chosen]
