"""Landmarks: what ends sentences besides their punctuation."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reinschrift.transforms.sentences.characters import UPPER
from reinschrift.transforms.sentences.gaps import end_before, word_after
from reinschrift.transforms.sentences.letters import letter_ends
from reinschrift.transforms.sentences.lists import enumeration, list_ends, may_hold_list

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Set as AbstractSet

    from reinschrift.transforms.sentences.rules import SentenceRules

# What ends a line of its own, where a flattener ran lines together: addresses, time stamps, rulers.
_ADDRESS = re.compile(r"@|://|www\.|(?<!\S)<>")
_RUN = re.compile(r"\S*")
_RULER = re.compile(r"(?<!\S)(?:([*_=~#-])\1{4,}+|\*{3,}+)(?=\s|$)|(?<=[^\s*])\*{5,}+(?=\s)")
_FRAME = re.compile(r"([=_~#-])(?<!\S.)\1{4,}+\s?[^\s=_~#-][^=_~#\n]{1,90}?\1{4,}(?=\s|$)")
_FIELD = re.compile(rf"\s{{1,99}}+[{UPPER}][\w-]{{0,99}}+:")
_NOTHING: frozenset[int] = frozenset()
NO_LANDMARKS = (_NOTHING, _NOTHING)
_RULERS = ("*" * 3, "_" * 5, "=" * 5, "~" * 5, "#" * 5, "-" * 5)


def landmarks(text: str, rules: SentenceRules) -> tuple[AbstractSet[int], AbstractSet[int]]:
    """What ends sentences besides their punctuation.

    Out: offsets of full stops that belong to the markers of a list, and the ends found.
    """
    stops: AbstractSet[int] = _NOTHING
    ends: set[int] = set()
    if not rules.known:
        return stops, ends
    if may_hold_list(text):
        stops, ends = enumeration(text, rules)
    ends.update(letter_ends(text, rules))
    ends.update(list_ends(text))
    if "@" in text or "://" in text or "www." in text or "<>" in text:
        ends.update(_address_ends(text, rules))
    if any(map(text.__contains__, _RULERS)):
        ends.update(_ruler_ends(text))
        for match in _FRAME.finditer(text):
            ends.difference_update(range(match.start() + 1, match.end()))
            ends.update((end_before(text, match.start()), match.end()))
    ends.discard(0)
    return stops, ends


def _address_ends(text: str, rules: SentenceRules) -> Iterator[int]:
    """Ends of e-mail and web addresses after which a sentence or a field of a form begins."""
    at = 0
    while address := _ADDRESS.search(text, at):
        at = _end_of_run(text, address.end())
        last = text[at - 1]
        if at == len(text) or not (last.isalnum() or last in "/>]_"):
            continue
        follower = word_after(text, at)
        is_bracketed = last == ">" and address[0] in ("@", "<>") and follower[:1].isupper()
        if is_bracketed or follower in rules.starters or _FIELD.match(text, at):
            yield at


def _end_of_run(text: str, at: int) -> int:
    """Where the run without white space around `at` ends."""
    run = _RUN.match(text, at)
    return run.end() if run else at


def _ruler_ends(text: str) -> Iterator[int]:
    """Both ends of a line drawn with characters; *** ends what stands before it."""
    for match in _RULER.finditer(text):
        if not match[1] and word_after(text, match.end())[:1].islower():
            continue
        yield match.end()
        before = end_before(text, match.start())
        if before and match[1] and before < match.start():
            yield before
