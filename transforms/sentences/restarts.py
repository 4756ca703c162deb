"""Sentences that begin although nothing ended the one before."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reinschrift.transforms.sentences.characters import CONTEXT_CHARS, LOWER, OPENERS, UPPER
from reinschrift.transforms.sentences.gaps import end_before

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reinschrift.transforms.sentences.rules import SentenceRules

TITLE_WORDS = 3
"""Words after a capitalised word among which another capital makes it part of a title."""

_MARKER_END = re.compile(r"(?:^|\s)\(?(?:[a-zA-Z]|\d{1,2})[).]?$")  # of an item: "(a)", "7)"
_WORD_END = re.compile(rf"[{LOWER}{UPPER}0-9)]")


def restart_ends(text: str, rules: SentenceRules) -> Iterator[int]:
    """Ends before a capitalised word that only begins sentences, where no mark ends the one before."""
    if rules.restart is None:
        return
    for match in rules.restart.finditer(text):
        start = match.start()
        if not text[max(0, start - 1) : start].isspace():
            continue
        before = text[max(0, start - CONTEXT_CHARS) : start].rstrip()
        if not _WORD_END.match(before[-1:]) or (before[-1].isupper() and not before[-2:-1].isalnum()):
            continue
        if _MARKER_END.search(before) or _is_in_title(before, text[start : start + CONTEXT_CHARS]):
            continue
        word = before.split()[-1].strip(OPENERS)
        if word[:1].upper() + word[1:] not in rules.starters:
            yield end_before(text, start)


def _is_in_title(before: str, after: str) -> bool:
    """Whether capitals go on around the word, as in "I Love You to the Moon"."""
    follows = after.split()[1 : 1 + TITLE_WORDS]
    return before.rsplit(maxsplit=1)[-1][:1].isupper() and any(word[0].isupper() for word in follows)
