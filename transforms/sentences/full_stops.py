"""Verdicts on a single full stop: abbreviations, initials, numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reinschrift.transforms.sentences.characters import OPENERS, is_number
from reinschrift.transforms.sentences.gaps import Gap, previous_word

if TYPE_CHECKING:
    from reinschrift.transforms.sentences.rules import SentenceRules

MAX_ORDINAL_DIGITS = 3
"""Longer numbers before a full stop are years or amounts."""

MAX_MARKER_DIGITS = 2
"""Longest number read as the marker of an enumerated item."""


def judge_full_stop(text: str, gap: Gap, rules: SentenceRules) -> bool | None:
    """Whether a single full stop ends its sentence, None where its word says nothing."""
    word = gap.word
    if word.isdigit():
        return _judge_number(text, gap, rules)
    kinds = rules.kinds_of(word)
    if not kinds or _is_common(text, gap, rules):
        return None
    starts = gap.follower in rules.starters
    for kind in kinds:
        if kind == "never-ends":
            return False
        # "I" is a number after "Vol.", and somebody after a word that may end a sentence.
        is_person = starts and "may-end" in kinds
        if kind == "before-number" and is_number(gap.follower) and not is_person:
            return False
        if kind == "may-end":
            return starts
    return _judge_letters(text, gap, rules, kinds)


def _judge_letters(text: str, gap: Gap, rules: SentenceRules, kinds: tuple[str, ...]) -> bool | None:
    """Whether a full stop after a Roman number, or after single letters, ends a sentence."""
    starts = gap.follower in rules.starters
    if "roman" in kinds:
        is_letter = gap.proposed and not _follows_lead(text, gap, rules) and len(gap.word) == 1
        return starts or is_letter
    if "letters" in kinds:
        return starts and _is_named_by_letter(text, gap, rules)
    return None


def _is_common(text: str, gap: Gap, rules: SentenceRules) -> bool:
    """Whether the word stands for itself: "I am." and "so do I.", but not "5 am." nor "Vol. I."."""
    is_numbered = is_number(gap.follower) and gap.follower != "I"
    if gap.word not in rules.common_words or is_numbered:
        return False
    before = previous_word(text, gap)
    return before.isalpha() and (before.islower() or not gap.word[0].isupper())


def _is_named_by_letter(text: str, gap: Gap, rules: SentenceRules) -> bool:
    """Whether a letter belongs to the word before: "Vitamin C." may end, "plan B.", hardly "von A."."""
    previous = previous_word(text, gap)
    return previous[:1].isupper() or (previous.isalpha() and previous.capitalize() not in rules.starters)


def _follows_lead(text: str, gap: Gap, rules: SentenceRules) -> bool:
    return previous_word(text, gap).lstrip(OPENERS) in rules.ordinal_leads


def _judge_number(text: str, gap: Gap, rules: SentenceRules) -> bool | None:
    """Whether a full stop after digits ends a sentence or makes them an ordinal."""
    follower = gap.follower
    if not follower[:1].isupper() or not rules.ordinal_leads:
        return None
    is_year = len(gap.word) > MAX_ORDINAL_DIGITS
    if not is_year and rules.follows_ordinal(follower):
        return False
    previous = previous_word(text, gap)
    is_named = previous.lstrip(OPENERS).rstrip(".") in rules.before_number  # "Nr. 3."
    if len(gap.word) <= MAX_MARKER_DIGITS and not is_named and (not previous or previous[-1] in ".!?:"):
        return False
    if follower in rules.starters or is_year:
        return True
    return False if _follows_lead(text, gap, rules) else None
