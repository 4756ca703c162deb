"""Ends between the items of a list that stands in one line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reinschrift.transforms.sentences.characters import BULLET_SET, BULLETS, CONTEXT_CHARS, UPPER
from reinschrift.transforms.sentences.gaps import word_after
from reinschrift.transforms.sentences.letters import file_ends

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reinschrift.transforms.sentences.rules import SentenceRules

MIN_BARE_MARKERS = 3
"""Markers needed before an enumeration without punctuation between its items is believed."""

_MARKER = re.compile(r"(\d{1,2})(?<!\S\d)(?<!\S\d\d)(?:\.(?=\s+[^\Wa-z])|\)(?=\s+\w))")
_ITEM = re.compile(rf"([*-])(?<!\S.)\s(?=[{UPPER}0-9])")
_BULLET = re.compile(rf"(?<=\s)[{BULLETS}](?=\s+\S)")


def list_ends(text: str) -> Iterator[int]:
    """Ends before the items of a list run together, and around attached files."""
    if "- " in text or "* " in text:
        yield from _item_ends(text)
        yield from file_ends(text)
    if text.lstrip()[:1] in BULLET_SET:
        yield from (len(text[: match.start()].rstrip()) for match in _BULLET.finditer(text, 1))


def _item_ends(text: str) -> Iterator[int]:
    """Ends before the items of a list run together ("- Wash the rice - Boil it - Serve warm")."""
    items = list(_ITEM.finditer(text))
    if len(items) < MIN_BARE_MARKERS:
        return
    before = text[: items[0].start()].rstrip()
    if before and before[-1] not in ".!?:)":
        return
    if len({item[1] for item in items}) > 1:
        return
    for item in items:
        yield len(text[: item.start()].rstrip())


def enumeration(text: str, rules: SentenceRules) -> tuple[set[int], set[int]]:
    """Markers of a list run together in one line ("1. Mix 2. Bake 3. Eat").

    Returns the offsets of the markers' full stops, which end nothing, and the ends of the
    items before them.
    """
    stops: set[int] = set()
    ends: set[int] = set()
    for chain in _ascending(text, rules):
        for marker in chain:
            last = text[marker.start() - 2 : marker.start() - 1]
            if last and (last in ".!?:…)" or len(chain) >= MIN_BARE_MARKERS):
                ends.add(marker.start() - 1)
            stops.add(marker.end() - 1)
    return stops, ends


def _ascending(text: str, rules: SentenceRules) -> list[list[re.Match[str]]]:
    """The runs of two or more markers of one kind that count upwards from 1 one by one."""
    runs: list[list[re.Match[str]]] = [[]]
    for marker in _MARKER.finditer(text):
        number = int(marker[1])
        if marker[0][-1] == "." and _is_ordinal(text, marker, rules):
            continue
        if number == 1:
            runs.append([marker])
        elif number == len(runs[-1]) + 1 and marker[0][-1] == runs[-1][0][0][-1]:
            runs[-1].append(marker)
    return [run for run in runs if len(run) > 1]


def _is_ordinal(text: str, marker: re.Match[str], rules: SentenceRules) -> bool:
    previous = text[max(0, marker.start() - CONTEXT_CHARS) : marker.start()].split()
    if previous and previous[-1] in rules.ordinal_leads:
        return True
    return rules.follows_ordinal(word_after(text, marker.end()))
