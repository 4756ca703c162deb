"""Ends of sentences as sentencex proposes them."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

import sentencex

from reinschrift.transforms.sentences.characters import (
    CLOSERS,
    CONTEXT_CHARS,
    LOWER,
    OPENER_SET,
    OPENERS,
    UPPER,
    WIDE_SPACE,
    WIDE_STOPS,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reinschrift.transforms.sentences.rules import SentenceRules

MAX_PIECE_CHARS = 10_000
"""Longest text handed to sentencex at once: unclosed quotation marks cost it quadratic time."""

_WIDE_STOP = re.compile(rf"[{WIDE_STOPS}][{CLOSERS}」』]*$")
_GLUED_LEFT = re.compile(
    rf"\W{{0,9}}(?:[^\W\d_]{{1,40}}-){{0,9}}[^\W\d_]{{0,40}}[{LOWER}]{{2}}[.!?…]{{1,9}}[{CLOSERS}]{{0,9}}"
)
_GLUED_RIGHT = re.compile(rf"([{UPPER}]\w*)[,;:]?")


def proposed_ends(text: str, language: str) -> list[int]:
    """Ends of sentences according to sentencex, before the white space and orphaned openers.

    The end of the text is not among them.
    """
    # sentencex panics where a space of several bytes stands before a full stop.
    if not text.isascii():
        text = WIDE_SPACE.sub(" ", text)
    if len(text) > MAX_PIECE_CHARS:
        pieces = [part for _, piece in _pieces(text) for part in sentencex.segment(language, piece)]
    else:
        pieces = sentencex.segment(language, text)
    ends: list[int] = []
    start = 0
    for sentence in pieces[:-1]:
        bare = sentence.rstrip()
        if bare[-1:] in OPENER_SET:
            bare = _without_orphans(bare)
        ends.append(start + len(bare))
        start += len(sentence)
    return ends


def _without_orphans(sentence: str) -> str:
    """`sentence` without the marks at its end that open what comes after it."""
    while len(sentence) > 1 and sentence[-1] in OPENERS and sentence[-2].isspace():
        sentence = sentence[:-1].rstrip()
    return sentence


def _pieces(text: str) -> Iterator[tuple[int, str]]:
    """`text` as (offset, piece) with pieces of bounded length, cut at gaps where there are any."""
    start = 0
    while len(text) - start > MAX_PIECE_CHARS:
        window = text[start : start + MAX_PIECE_CHARS]
        cut = max(window.rfind(". "), window.rfind("! "), window.rfind("? ")) + 1
        cut = cut or window.rfind(" ") + 1 or MAX_PIECE_CHARS
        yield start, text[start : start + cut]
        start += cut
    yield start, text[start:]


def ends_without_space(text: str, end: int, rules: SentenceRules) -> bool:
    """Whether a proposed end that no white space follows is one.

    So it is in scripts that write none, and where a flattener glued two lines together; but
    sentencex also cuts names of files, hosts and modules ("www.Example.org").
    """
    left = text[max(0, end - CONTEXT_CHARS) : end]
    if _WIDE_STOP.search(left):
        return True
    words = left.split()
    right = text[end : end + CONTEXT_CHARS].split(None, 1)
    if not words or not right or not _GLUED_LEFT.fullmatch(words[-1]):
        return False
    follower = _GLUED_RIGHT.fullmatch(right[0])
    return follower is not None and follower[1] in rules.starters


@lru_cache(maxsize=100_000)
def is_base_abbreviation(language: str, word: str) -> bool:
    """Whether sentencex itself takes `word` for an abbreviation: it offers no list to look up."""
    return len(sentencex.get_sentence_boundaries(language, f"{word}. Abc")) == 1
