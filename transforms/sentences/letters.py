"""Ends in letters and comments: greetings, signatures, headers, time stamps, attached files."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reinschrift.transforms.sentences.characters import (
    CONTEXT_CHARS,
    EMOTICON,
    OPENERS_AND_SPACES,
    SENTENCE_BREAK,
    UPPER,
    WORD,
)
from reinschrift.transforms.sentences.gaps import end_before

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reinschrift.transforms.sentences.rules import Phrases, SentenceRules

MAX_NAME_WORDS = 4
"""Longest name before a time stamp."""

MIN_MAIL_FIELDS = 3
"""Different fields in one line before it is taken for the head of a letter."""

# An emoticon in the place of a full stop.
_EMOTICON_END = re.compile(rf"[:;](?<=\s.){EMOTICON[4:]}(?=\s+[\"„“»]?[{UPPER}])")
_STAMP = re.compile(
    r"\d(?<![\w/.-].)(?:\d?[/.]\d{1,2}[/.]\d{2,4}|\d{3}-\d\d-\d\d),?\s+(?:at\s|um\s)?"
    r"\d{1,2}:\d{2}(?::\d{2})?(?:\s?[AaPp]\.?[Mm]\b\.?|\s+Uhr\b)?(?=\s|$)"
)
_FILE = re.compile(
    r"-(?<!\S.)\s\w[\w.-]*\.(?i:docx?|pdf|xlsx?|pptx?|html?|txt|rtf|csv|zip|jpe?g|gif|png|tiff?|wpd|mp3|eml)"
    r"(?:\s<<\s?File:[^<>]*>>)?(?=\s+[-<*A-Z]|\s*$)"
)
_ZONE = re.compile(r"[A-Z]{2,4}(?!\w)")


def letter_ends(text: str, rules: SentenceRules) -> Iterator[int]:
    """Ends at what heads and closes letters and comments, and at emoticons."""
    if rules.closing and "," in text:
        yield from _closing_ends(text, rules, rules.closing)
    if ":" in text or ";" in text:
        yield from (match.end() for match in _EMOTICON_END.finditer(text))
        yield from _stamp_ends(text, rules)
    for match in rules.byline.find(text) if rules.byline else ():
        yield end_before(text, match.start())
        yield match.end()
    if rules.mail_field:
        yield from _mail_field_ends(text, rules.mail_field)


def _mail_field_ends(text: str, labels: Phrases) -> Iterator[int]:
    """Ends before the fields of a letter's head, where several follow each other."""
    found = list(labels.find(text, at_least=MIN_MAIL_FIELDS))
    if len({match[1].lower() for match in found}) >= MIN_MAIL_FIELDS:
        for match in found:
            yield end_before(text, match.start())


def _closing_ends(text: str, rules: SentenceRules, closing: Phrases) -> Iterator[int]:
    """Ends after "Regards," and after the name that signs the letter."""
    for match in closing.find(text):
        before = text[max(0, match.start() - CONTEXT_CHARS) : match.start()].rstrip()
        after = text[match.end() : match.end() + 2 * CONTEXT_CHARS]
        name = _signature(after, rules)
        if name and (not before or (before[-1] in ".!?)" and "." not in before.split()[-1][:-1])):
            yield match.end()
            if name < len(after.rstrip()):
                yield match.end() + name


def _signature(after: str, rules: SentenceRules) -> int:
    """Length of the name that `after` begins with, 0 if it is none or only somebody spoken to."""
    end = 0
    first = ""
    for word in list(WORD.finditer(after))[:MAX_NAME_WORDS]:
        is_over = word[0] in rules.starters or word[0] == first or not word[0][0].isupper()
        if is_over or not after[end : word.start()].isspace():
            break
        first = first or word[0]
        end = word.end()
    return 0 if after[end : end + 1] in tuple(",.!?;:") else end


def file_ends(text: str) -> Iterator[int]:
    """Both ends of the names of attached files: " - plan.doc << File: plan.doc >>"."""
    for match in _FILE.finditer(text):
        if before := end_before(text, match.start()):
            yield before
        yield match.end()


def _stamp_ends(text: str, rules: SentenceRules) -> Iterator[int]:
    """Ends of a date with a time ("08/16/2000 12:05 PM") before a capital, and of a name before it."""
    for match in _STAMP.finditer(text):
        after = text[match.end() : match.end() + CONTEXT_CHARS].lstrip(OPENERS_AND_SPACES)
        before = text[max(0, match.start() - 2 * CONTEXT_CHARS) : match.start()].rstrip()
        is_head = _is_name(before, rules)
        if _ZONE.match(after) or (after and not (after[0].isupper() or is_head)):
            continue
        yield match.end()
        if is_head:
            yield end_before(text, match.start())


def _is_name(before: str, rules: SentenceRules) -> bool:
    """Whether what stands before a time stamp is somebody's name or address, and no more."""
    if before.endswith(">") and "@" in before.rpartition("<")[2]:
        return True
    names = SENTENCE_BREAK.split(before)[-1].split()
    are_names = all(name[0].isupper() or "@" in name for name in names)
    return 1 <= len(names) <= MAX_NAME_WORDS and are_names and names[0] not in rules.starters
