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
        if kind == "before-number" and _is_label(gap.follower) and not is_person:
            return False
        if kind == "may-end":
            return starts or _is_believed(gap, rules)
    return _judge_letters(text, gap, rules, kinds)


def _is_believed(gap: Gap, rules: SentenceRules) -> bool:
    """Whether sentencex ends the sentence, and no small letter or second half of a term follows.

    Where nouns are capitalised, a capital after an abbreviation says nothing.
    """
    if not gap.proposed or rules.nouns_capitalised:
        return False
    return not gap.follower[:1].islower() and gap.follower not in rules.abbreviation_followers


def _judge_letters(text: str, gap: Gap, rules: SentenceRules, kinds: tuple[str, ...]) -> bool | None:
    """Whether a full stop after a Roman number, or after single letters, ends a sentence."""
    starts = gap.follower in rules.starters
    if "roman" in kinds:
        is_ordinal = _follows_lead(text, gap, rules) or (len(gap.word) > 1 and rules.ordinal_leads)
        return starts or (gap.proposed and not is_ordinal) or _is_lettered(text, gap, rules)
    if "letters" in kinds and len(gap.word) > 1:
        is_counted = previous_word(text, gap)[
            :1
        ].isdigit()  # "450 C.E.", not the initials of "A.M. Best"
        return starts or (is_counted and _is_believed(gap, rules))
    if "letters" in kinds:
        return (starts and _is_named_by_letter(text, gap)) or _is_lettered(text, gap, rules)
    return None


def _is_common(text: str, gap: Gap, rules: SentenceRules) -> bool:
    """Whether the word stands for itself: "I am." and "so do I.", but not "5 am." nor "Vol. I."."""
    if gap.word not in rules.common_words or (
        _is_label(gap.follower) and gap.follower not in ("I", "A")
    ):
        return False
    before = previous_word(text, gap)
    return before.isalpha() and (before.islower() or not gap.word[0].isupper())


def _is_label(word: str) -> bool:
    """Whether `word` numbers something: "12", "IV", "B"."""
    return is_number(word) or (len(word) == 1 and word.isupper())


def _is_lettered(text: str, gap: Gap, rules: SentenceRules) -> bool:
    """Whether the letter names the noun before it ("vitamin D.") and a capital follows."""
    return gap.follower[:1].isupper() and previous_word(text, gap).lower() in rules.letter_leads


def _is_named_by_letter(text: str, gap: Gap) -> bool:
    """Whether a letter belongs to the word before, so that it is neither marker nor initial alone."""
    previous = previous_word(text, gap)
    return previous[:1].isupper() or previous.isalpha()


def _follows_lead(text: str, gap: Gap, rules: SentenceRules) -> bool:
    return previous_word(text, gap).lstrip(OPENERS) in rules.ordinal_leads


def _judge_number(text: str, gap: Gap, rules: SentenceRules) -> bool | None:
    """Whether a full stop after digits ends a sentence, marks an item or makes them an ordinal."""
    follower = gap.follower
    if not follower[:1].isupper():
        return None
    is_year = len(gap.word) > MAX_ORDINAL_DIGITS
    if rules.ordinal_leads and not is_year and rules.follows_ordinal(follower):
        return False
    if len(gap.word) <= MAX_MARKER_DIGITS and _is_marker(text, gap, rules):
        return False
    if not rules.ordinal_leads:
        return None
    if follower in rules.starters or is_year:
        return True
    return False if _follows_lead(text, gap, rules) else None


def _is_marker(text: str, gap: Gap, rules: SentenceRules) -> bool:
    """Whether the number begins its sentence, so that it marks an item; not in "Nr. 3." and "5. 12."."""
    previous = previous_word(text, gap)
    if not previous or previous[-1] not in ".!?:":
        return not previous
    word = previous.lstrip(OPENERS).rstrip(".")
    is_street = word.endswith(rules.suffixes.get("may-end", ()))  # "Gartenstr. 4."
    return not is_street and word not in rules.before_number and not word.isdigit()
