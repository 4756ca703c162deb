"""Verdicts on a gap: whether a sentence ends there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from reinschrift.transforms.sentences.characters import (
    ASIDE_CLOSERS,
    CONTEXT_CHARS,
    INNER_MARKS,
    OPENERS,
    QUOTE_ENDS,
    SENTENCE_BREAK,
    last_part,
)
from reinschrift.transforms.sentences.full_stops import MAX_ORDINAL_DIGITS, judge_full_stop
from reinschrift.transforms.sentences.proposals import is_base_abbreviation

if TYPE_CHECKING:
    from reinschrift.transforms.sentences.gaps import Gap
    from reinschrift.transforms.sentences.rules import SentenceRules

MAX_QUOTATION_CHARS = 120
"""A quotation up to this length is never cut inside."""

MAX_BRACKET_CHARS = 300
"""A bracket up to this length is never cut inside."""

MAX_SPEAKER_WORDS = 4
"""Words after a quotation among which a verb says who spoke it."""

MIN_TRAILING_WORDS = 3
"""Words that trail off in an ellipsis before it is believed to end them."""

_CAMEL_CASE = re.compile(r"[a-z]{1,2}[A-Z]\w")
_SINGLE_QUOTES = frozenset("'’‘›‹")


class _Aside(NamedTuple):
    """A kind of quotation or bracket: what opens it, what closes it, and its longest length."""

    opening: re.Pattern[str]
    closing: re.Pattern[str]
    max_chars: int


def _aside(openers: str, closers: str, max_chars: int) -> _Aside:
    opening = re.compile(rf"(?<![^\s(\[–—-])[{openers}]+(?=\S)")
    return _Aside(opening, re.compile(rf"(?<=\S)[{closers}]+(?!\w)"), max_chars)


_ANY_ASIDE = _aside(r"\"'„“”»«‚‘`(\[", r"\"'“”»«’‘)\]", MAX_QUOTATION_CHARS)
_DOUBLE_QUOTES = _aside(r"\"„“”»«", r"\"“”»«", MAX_QUOTATION_CHARS)
_BRACKETS = _aside(r"(\[", r")\]", MAX_BRACKET_CHARS)


def ends_sentence(text: str, gap: Gap, language: str, rules: SentenceRules) -> bool:
    """Whether a sentence ends at the gap; without rules, what sentencex proposes."""
    if not rules.known:
        return gap.proposed
    if gap.stop == ".":
        verdict = judge_full_stop(text, gap, rules)
        if verdict is not None:
            return verdict
    return _judge_follower(text, gap, language, rules)


def _judge_follower(text: str, gap: Gap, language: str, rules: SentenceRules) -> bool:
    """Decides by what comes after the gap, where the word before it is not conclusive."""
    follower = gap.follower
    first = follower[:1]
    if first.islower():
        return _judge_small_letter(text, gap, language, rules)
    if gap.stop[-1] in "!?" and _is_spoken(text, gap, rules):
        return False
    if gap.proposed:
        return first not in INNER_MARKS
    if first.isdigit():
        return _is_ordinary(gap.word, language, rules)
    if not first.isupper():
        return False
    if gap.stop[-1] == "…" or gap.stop.endswith(".."):
        return _trails_off(text, gap, rules)
    if gap.stop == "." and not _is_ordinary(gap.word, language, rules):
        return False
    # What closes with the stop is over, if a word follows that begins sentences: "(Laughter.) But".
    closes = gap.follower in rules.starters and text[gap.end - 1] in ASIDE_CLOSERS
    if closes and text[gap.end - 1] in _SINGLE_QUOTES and _is_within(text, gap.start, _DOUBLE_QUOTES):
        return False
    return not _in_short_aside(text, gap.end if closes else gap.start)


def _judge_small_letter(text: str, gap: Gap, language: str, rules: SentenceRules) -> bool:
    """Whether a sentence ends before a small letter: careless writers and brand names begin so."""
    if gap.stop[-1] in "!?" and (gap.word in rules.marked_names or _is_attributed(text, gap, rules)):
        return False
    if rules.starts_small and _is_loud(text, gap):
        return not _in_short_aside(text, gap.start)
    return _may_start_small(text, gap) and _is_ordinary(gap.word, language, rules)


def _is_attributed(text: str, gap: Gap, rules: SentenceRules) -> bool:
    """Whether the words after a cry without quotation marks say who uttered it: "Stop! he cried"."""
    words = text[gap.end : gap.end + CONTEXT_CHARS].split()[:2]
    return any(word.rstrip(",.;:") in rules.speech_verbs for word in words)


def _trails_off(text: str, gap: Gap, rules: SentenceRules) -> bool:
    """Whether an ellipsis ends a sentence of some length; "I... I" stammers."""
    words = SENTENCE_BREAK.split(text[max(0, gap.start - CONTEXT_CHARS) : gap.start])[-1].split()
    return (
        gap.follower in rules.starters and len(words) >= MIN_TRAILING_WORDS and words[-1] != gap.follower
    )


def _is_spoken(text: str, gap: Gap, rules: SentenceRules) -> bool:
    """Whether the sentence goes on to say who spoke: "Why?" Ann asked."""
    if text[gap.end - 1] not in QUOTE_ENDS or not rules.speech_verbs:
        return False
    words = text[gap.end : gap.end + CONTEXT_CHARS].split()[: MAX_SPEAKER_WORDS + 1]
    for word, following in zip(words[1:MAX_SPEAKER_WORDS], [*words[2:], ""], strict=False):
        if word.rstrip(",.;:") in rules.speech_verbs:
            # What is said next begins another sentence: "Who?" I said, "You."
            return not (word.endswith(",") and following.startswith(tuple(OPENERS)))
        if not word[0].isupper():
            return False
    return False


def _is_loud(text: str, gap: Gap) -> bool:
    """Whether the gap is a question or a cry that nobody quotes; a lone ! may be part of a name."""
    stop = gap.stop
    if gap.smiles:
        return True
    if text[gap.end - 1] not in "!?":
        return False
    return "?" in stop or len(stop) > 1 or gap.proposed or text[gap.start - 1].isspace()


def _may_start_small(text: str, gap: Gap) -> bool:
    """Whether a sentence may begin with the small letter after the gap.

    Brand names do ("iPhone"), and careless writers where sentencex believes it; what follows
    an ellipsis or a closed quotation ("Stop!" he said) goes on.
    """
    if _CAMEL_CASE.match(gap.follower):
        return gap.stop == "."
    ends_open = gap.stop in (".", "!", "?") or gap.stop[-1] in "!?"
    return gap.proposed and ends_open and text[gap.end - 1] in ".!?" and gap.follower[0].isascii()


def _is_ordinary(word: str, language: str, rules: SentenceRules) -> bool:
    """Whether `word` is a plain word: no number, no initial, no abbreviation known to anybody."""
    part = last_part(word.rstrip("\"'”“’»«›‹)]*_"))
    if part in rules.common_words:
        return True
    if part.isdigit():
        return len(part) > MAX_ORDINAL_DIGITS and len(word) > len(part)  # a telephone number
    return len(part) > 1 and not is_base_abbreviation(language, part)


def _in_short_aside(text: str, at: int) -> bool:
    """Whether `at` lies in a quotation or bracket short enough never to be cut inside."""
    return _is_within(text, at, _ANY_ASIDE) or _is_within(text, at, _BRACKETS)


def _is_within(text: str, at: int, aside: _Aside) -> bool:
    """Whether an aside of this kind opens before `at` and closes after it."""
    closing = aside.closing.search(text, at, at + aside.max_chars)
    if closing is None:
        return False
    window_start = max(0, at - aside.max_chars)
    before = text[window_start:at]
    opened = _last_start(aside.opening, before)
    if opened < 0 or _last_start(aside.closing, before) > opened:
        return False
    window_end = window_start + opened + aside.max_chars
    opening = aside.opening.search(text, at, window_end)
    return closing.end() <= window_end and (opening is None or closing.start() < opening.start())


def _last_start(pattern: re.Pattern[str], text: str) -> int:
    return max((match.start() for match in pattern.finditer(text)), default=-1)
