"""Spans of the sentences of one block."""

from __future__ import annotations

from reinschrift.transforms.sentences.characters import CONTEXT_CHARS, QUOTE_ENDS
from reinschrift.transforms.sentences.full_stops import MAX_MARKER_DIGITS
from reinschrift.transforms.sentences.gaps import GAP, Gap, word_after, word_before
from reinschrift.transforms.sentences.landmarks import NO_LANDMARKS, landmarks
from reinschrift.transforms.sentences.prefilter import NO_HINTS, Hints
from reinschrift.transforms.sentences.proposals import ends_without_space, proposed_ends
from reinschrift.transforms.sentences.restarts import restart_ends
from reinschrift.transforms.sentences.rules import MAX_KNOWN_WORDS, SentenceRules, load_rules
from reinschrift.transforms.sentences.verdicts import ends_sentence

MAX_HEAD_CHARS = 12
"""Where the full stop of a marker stands that begins the text: white space may be before it."""


def sentence_spans(text: str, language: str, hints: Hints = NO_HINTS) -> list[tuple[int, int]]:
    """Code-point offsets (start, end) of the sentences of one block, in order and disjoint.

    Agrees with `split_sentences`, whose fast path only leaves out what has no second sentence.
    Newlines always end a sentence. Spans are trimmed; everything outside them is white space.
    `language` is an ISO 639 code; an unknown one is segmented by sentencex's fallback.
    `hints`: whether LANDMARK_PATTERN and RESTART_PATTERN are in the text, where that is known.
    """
    if "\n" not in text:
        return _line_spans(text, language, hints)
    spans: list[tuple[int, int]] = []
    offset = 0
    for line in text.split("\n"):
        found = _line_spans(line, language, hints)
        spans += [(offset + start, offset + end) for start, end in found]
        offset += len(line) + 1
    return spans


def _line_spans(line: str, language: str, hints: Hints) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    start = 0
    ends = sentence_ends(line, language, hints)
    ends.append(len(line.rstrip()))
    for end in ends:
        if start < end and line[start] == " ":
            start += 1
        while start < end and line[start].isspace():
            start += 1
        if start < end:
            spans.append((start, end))
            start = end
    return spans


def sentence_ends(text: str, language: str, hints: Hints = NO_HINTS) -> list[int]:
    """Offsets within `text` at which a sentence ends and another one follows, ascending."""
    rules = load_rules(language)
    proposed = proposed_ends(text, language)
    count = len(proposed)
    may_have_landmarks, may_restart = hints
    markers, more = landmarks(text, rules) if may_have_landmarks else NO_LANDMARKS
    ends: list[int] = []
    at = 0
    for match in GAP.finditer(text):
        start, end = match.span()
        while at < count and proposed[at] <= start:
            if ends_without_space(text, proposed[at], rules):
                ends.append(proposed[at])
            at += 1
        is_proposed = at < count and proposed[at] <= end
        while at < count and proposed[at] <= end:
            at += 1
        if start in markers or _is_inner(text, start, end, is_proposed, rules):
            continue
        if is_proposed and text[end + 1].isupper() and _is_beyond_doubt(text, start, end, rules):
            ends.append(end)
            continue
        gap = Gap(
            start,
            end,
            match["stop"],
            word_before(text, start),
            word_after(text, end),
            is_proposed,
            match["smile"] is not None,
        )
        if ends_sentence(text, gap, language, rules):
            ends.append(end)
    ends += [end for end in proposed[at:] if ends_without_space(text, end, rules)]
    if may_restart:
        more = {*more, *restart_ends(text, rules)}
    return sorted({*ends, *more}) if more else ends


def _is_inner(text: str, stop: int, end: int, proposed: bool, rules: SentenceRules) -> bool:
    """Whether it is plain at a glance that the gap ends nothing."""
    if proposed:
        return stop < MAX_HEAD_CHARS and rules.known and _is_item_head(text, stop, end)
    return _goes_on(text, stop, end)


def _goes_on(text: str, stop: int, end: int) -> bool:
    """Whether a full stop that sentencex did not propose stands before a small letter: cheap."""
    is_small = text[end + 1].islower() and text[end + 1 : end + 4].islower()
    return is_small and text[stop] == "." and text[end - 1] not in "!?"


def _is_item_head(text: str, stop: int, end: int) -> bool:
    """Whether digits that begin the text mark an item ("12. Wash"): cheaper than `judge_full_stop`."""
    digits = text[:stop].lstrip()
    is_short = len(digits) <= MAX_MARKER_DIGITS and digits.isdigit()
    return is_short and text[stop:end] == "." and text[end + 1].isupper()


def _is_beyond_doubt(text: str, stop: int, end: int, rules: SentenceRules) -> bool:
    """Whether no rule could object to a proposed end: so it is in most gaps, and this is cheap."""
    if text[stop] != ".":
        return text[end - 1] not in QUOTE_ENDS
    word = text[text.rfind(" ", max(0, stop - CONTEXT_CHARS), stop) + 1 : stop]
    known = rules.plain_words.get(word)
    if known is None:
        known = rules.is_plain(word)
        if len(rules.plain_words) < MAX_KNOWN_WORDS:
            rules.plain_words[word] = known
    return known
