"""Gaps: the places where closing punctuation is followed by white space."""

from __future__ import annotations

import re
from typing import NamedTuple

from reinschrift.transforms.sentences.characters import (
    CLOSERS,
    CONTEXT_CHARS,
    EMOJI,
    EMOTICON,
    LETTER_CHAIN,
    OPENERS,
    OPENERS_AND_SPACES,
    WORD,
)

# Possessive, and never from inside a run of stops: "!!!!" without end must cost linear time.
# Closing punctuation, the marks, [1] and emoticons that belong to it, then white space.
GAP = re.compile(
    rf"(?P<stop>[.!?…](?<![.!?…]{{2}})[.!?…]*+)[{CLOSERS}]*+"
    r"(?>(?:\s?\[\d{1,3}(?:\s?[,–-]\s?\d{1,3})*\])*"
    rf"(?:\s(?:[\"“”»)\]]|''?)(?!\S))?(?P<smile>\s?(?:{EMOTICON}|{EMOJI})(?!\S))?)"
    r"(?=\s+\S)"
)


class Gap(NamedTuple):
    """A place where a sentence may end: `start` of the stop, `end` after all that belongs to it."""

    start: int
    end: int
    stop: str
    word: str
    follower: str
    proposed: bool
    smiles: bool


def end_before(text: str, at: int) -> int:
    """Where the text before `at` ends, white space left out."""
    while at and text[at - 1].isspace():
        at -= 1
    return at


def word_before(text: str, end: int) -> str:
    """The word that ends at `end`, without opening marks; "z.B" for a chain of letters."""
    context = text[max(0, end - CONTEXT_CHARS) : end]
    words = context.rsplit(None, 1)
    if not words:
        return ""
    word = words[-1].lstrip(OPENERS)
    if len(word) == 1 or word[-2:-1] == ".":
        chain = LETTER_CHAIN.search(context)
        if chain:
            return "".join(chain[0].split())
    return word


def word_after(text: str, start: int) -> str:
    """The first word after `start`, without opening marks; one character if it is no word."""
    context = text[start : start + CONTEXT_CHARS].lstrip(OPENERS_AND_SPACES)
    word = WORD.match(context)
    return word[0].replace("’", "'") if word else context[:1]


def previous_word(text: str, gap: Gap) -> str:
    """The word before the gap's own word, with its punctuation; empty at the beginning."""
    words = text[max(0, gap.start - CONTEXT_CHARS) : gap.start].split()
    return words[-2] if len(words) > 1 else ""
