"""Sentences of a block: sentencex proposes the ends, rules kept per language correct them.

The base is `sentencex` (Wikimedia, MIT). It is fast, but breaks German ordinals
("19. Jahrhundert") and joins whatever stands between two quotation marks or brackets, however
far apart. So each *gap* (closing punctuation followed by white space) is judged again with the
data of `languages/<code>.toml`. A language without a file keeps the ends sentencex proposes.

All offsets are code points. Nothing is lost: what lies outside the spans is white space.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl
import sentencex

from reinschrift.transforms.languages import known_languages, language_data

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

WHOLE_KINDS = ("code", "table")
"""Kinds of block that are one sentence by definition."""

MAX_PIECE_CHARS = 10_000
"""Longest text handed to sentencex at once: unclosed quotation marks cost it quadratic time."""

MAX_ASIDE_CHARS = 80
"""A quotation or bracket up to this length is never cut inside."""

CONTEXT_CHARS = 40
"""How far to the left and right of a gap the rules look."""

MAX_ORDINAL_DIGITS = 3
"""Longer numbers before a full stop are years or amounts."""

MAX_MARKER_DIGITS = 2
"""Longest number read as the marker of an enumerated item."""

MAX_KNOWN_WORDS = 200_000
"""Words of a language of which it is remembered what they say of a full stop."""

MAX_NAME_WORDS = 4
"""Longest name before a time stamp."""

MAX_SPEAKER_WORDS = 4
TITLE_WORDS = 3  # behind a capitalised word in which a title shows itself
"""Words after a quotation within which somebody is said to have spoken it."""

MIN_TRAILING_WORDS = 3
"""Words that trail off in an ellipsis before it is believed to end them."""

MIN_MAIL_FIELDS = 3
"""Different fields in one line before it is taken for the head of a letter."""

MIN_BARE_MARKERS = 3
"""Markers needed before an enumeration without punctuation between its items is believed."""

SENTENCES_SCHEMA: dict[str, pl.DataType] = {
    "page": pl.UInt32(),
    "block": pl.UInt32(),
    "sentence": pl.UInt32(),
    "start": pl.UInt32(),
    "end": pl.UInt32(),
    "text": pl.String(),
    "lead": pl.String(),
}

# White space as `str.isspace` has it. Rust's `\s` lacks U+001C to U+001F.
_SPACES = "".join(char for char in map(chr, range(0x3001)) if char.isspace())
_SPACE = r"[\s\x1c-\x1f]"
_WIDE_SPACE = re.compile("[" + "".join(char for char in _SPACES if not char.isascii()) + "]")
_CLOSERS = r"\"'”“’‘»«›‹)\]*_"
_OPENERS = "\"'„“”»«‚‘›‹`([*_,"
_MARKER_END = re.compile(r"(?:^|\s)\(?(?:[a-zA-Z]|\d{1,2})[).]?$")  # of an item: "(a)", "7)"
_OPENERS_AND_SPACES = _OPENERS + _SPACES
# A "word" after a gap that shows the sentence going on: "40 Einw. / km²".
_BULLETS = "•●▪◦‣■□"
_INNER_MARKS = frozenset(".!?,;:/)]")
_LOWER = "a-zß-öø-ÿ"
_UPPER = "A-ZÀ-ÖØ-Þ"
# Sentence ends of other scripts, many written without a space after them
# (Unicode Sentence_Break=STerm, Basic Multilingual Plane).
_WIDE_STOPS = (
    "\u0589\u061d-\u061f\u06d4\u0700-\u0702\u07f9\u0837\u0839\u083d\u083e\u0964\u0965\u104a\u104b"
    "\u1362\u1367\u1368\u166e\u1735\u1736\u1803\u1809\u1944\u1945\u1aa8-\u1aab\u1b5a\u1b5b\u1b5e"
    "\u1b5f\u1b7d\u1b7e\u1c3b\u1c3c\u1c7e\u1c7f\u203c\u203d\u2047-\u2049\u2e3c\u3002\ua4ff\ua60e"
    "\ua60f\ua6f3\ua6f7\ua876\ua877\ua8ce\ua8cf\ua92f\ua9c8\ua9c9\uaa5d-\uaa5f\uaaf0\uaaf1\uabeb"
    "\ufe52\ufe56\ufe57\uff01\uff0e\uff1f\uff61"
)
_EMOTICON = r"[:;]['o^-]?[)(DPp]+"
_EMOJI = "[\u2600-\u27bf\U0001f300-\U0001faff][\ufe0f\u200d\u2600-\u27bf\U0001f300-\U0001faff]*"


def _words_of(*kinds: str) -> str:
    """The words of these kinds of rule in any language, as alternatives of a regular expression."""
    rules = (language_data(code).get("sentences", {}).get("rule", []) for code in known_languages())
    words = {
        word for entries in rules for rule in entries if rule["kind"] in kinds for word in rule["words"]
    }
    return "|".join(sorted(map(re.escape, words)))


# Necessary conditions for a second sentence (POSSIBLE or RESTART), in the common subset of Python's
# and Rust's regular expressions, so that Polars can decide them for whole columns.
LANDMARK_PATTERN = (
    rf"{_EMOTICON}|(?:@|://|www\.)[^\s\x1c-\x1f]+{_SPACE}+[^\s\x1c-\x1f{_LOWER}]"
    rf"|(?:{_words_of('closing')}){_SPACE}?,{_SPACE}+[{_UPPER}]|{_words_of('byline', 'mail-field')}"
    rf"|<>{_SPACE}|-{_SPACE}[^\s\x1c-\x1f]+\.[A-Za-z]{{2}}|(?:[*-]{_SPACE}[{_UPPER}0-9].*){{3}}"
    rf"|2[.)]{_SPACE}|\*{{3}}|[_=~#-]{{5}}|[{_BULLETS}].*[{_BULLETS}]"
    rf"|[/.-][0-9]{{2,4}},?{_SPACE}+(?:(?:at|um){_SPACE})?[0-9]{{1,2}}:[0-9]{{2}}"
)
RESTART_PATTERN = (
    rf"[{_LOWER}{_UPPER}0-9)]{_SPACE}+(?:{_words_of('restart')})(?:['’][a-z]+)?{_SPACE}+[{_LOWER}]{{2}}"
)
POSSIBLE_PATTERN = (
    rf"[.!?…][{_CLOSERS}]*(?:{_SPACE}+[^\s\x1c-\x1f]|\[[0-9]|[:;])|[{_WIDE_STOPS}\n]"
    rf"|[{_LOWER}]{{2}}[.!?…]+[{_CLOSERS}]*[{_UPPER}]|[\u2600-\u27bf\U0001f300-\U0001faff]"
    rf"|{LANDMARK_PATTERN}"
)

# Possessive, and never from inside a run of stops: "!!!!" without end must cost linear time.
# Closing punctuation, the marks, [1] and emoticons that belong to it, then white space.
_GAP = re.compile(
    rf"(?P<stop>[.!?…](?<![.!?…]{{2}})[.!?…]*+)[{_CLOSERS}]*+"
    r"(?>(?:\s?\[\d{1,3}(?:\s?[,–-]\s?\d{1,3})*\])*"
    rf"(?:\s(?:[\"“”»)\]]|''?)(?!\S))?(?P<smile>\s?(?:{_EMOTICON}|{_EMOJI})(?!\S))?)"
    r"(?=\s+\S)"
)
# An emoticon in the place of a full stop.
_EMOTICON_END = re.compile(rf"[:;](?<=\s.){_EMOTICON[4:]}(?=\s+[\"„“»]?[{_UPPER}])")
_WORD = re.compile(r"\w+(?:['’-]\w+)*")
_LAST_PART = re.compile(r"\w+$")
_LETTER_CHAIN = re.compile(r"(?:\b[^\W\d_]\.\s?)+[^\W\d_]$")
_ROMAN = re.compile(r"[IVXLC]{1,7}")
_CAMEL_CASE = re.compile(r"[a-z]{1,2}[A-Z]\w")
_WIDE_STOP = re.compile(rf"[{_WIDE_STOPS}][{_CLOSERS}」』]*$")
_GLUED_LEFT = re.compile(rf"\W*(?:[^\W\d_]+-)*[^\W\d_]*[{_LOWER}]{{2}}[.!?…]+[{_CLOSERS}]*")
_GLUED_RIGHT = re.compile(rf"([{_UPPER}]\w*)[,;:]?")
_ASIDE_OPEN = re.compile(r"(?<![^\s(\[–—-])[\"'„“”»«‚‘`(\[]+(?=\S)")
_ASIDE_CLOSE = re.compile(r"(?<=\S)[\"'“”»«’‘)\]]+(?!\w)")
_MARKER = re.compile(r"(\d{1,2})(?<!\S\d)(?<!\S\d\d)(?:\.(?=\s+[^\Wa-z])|\)(?=\s+\w))")
# What ends a line of its own, where a flattener ran lines together: addresses, time stamps, rulers.
_ADDRESS = re.compile(r"@|://|www\.|(?<!\S)<>")
_RUN = re.compile(r"\S*")
_STAMP = re.compile(
    r"\d(?<![\w/.-].)(?:\d?[/.]\d{1,2}[/.]\d{2,4}|\d{3}-\d\d-\d\d),?\s+(?:at\s|um\s)?"
    r"\d{1,2}:\d{2}(?::\d{2})?(?:\s?[AaPp]\.?[Mm]\b\.?|\s+Uhr\b)?(?=\s|$)"
)
_RULER = re.compile(r"(?<!\S)(?:([*_=~#-])\1{4,}|\*{3,})(?=\s|$)|(?<=\S)\*{5,}(?=\s)")
_FRAME = re.compile(r"([=_~#-])(?<!\S.)\1{4,}\s?[^\s=_~#-][^=_~#\n]{1,90}?\1{4,}(?=\s|$)")
_ITEM = re.compile(rf"([*-])(?<!\S.)\s(?=[{_UPPER}0-9])")
_BULLET = re.compile(rf"(?<=\s)[{_BULLETS}](?=\s+\S)")
_FIELD = re.compile(rf"\s+[{_UPPER}][\w-]*:")
_FILE = re.compile(
    r"-(?<!\S.)\s\w[\w.-]*\.(?i:docx?|pdf|xlsx?|pptx?|html?|txt|rtf|csv|zip|jpe?g|gif|png|tiff?|wpd|mp3|eml)"
    r"(?:\s<<\s?File:[^<>]*>>)?(?=\s+[-<*A-Z]|\s*$)"
)
# After "Posted by": a name, a date and the time of day.
_BYLINE = (
    rf"\s[^\n.!?]{{1,80}}?\b\d{{1,2}}:\d{{2}}(?::\d{{2}})?(?:\s?[AaPp]\.?[Mm]\b\.?|\s+Uhr\b)?+"
    rf"(?=\s+[\"“„]?[{_UPPER}]|\s*$)"
)
_WORD_END = re.compile(rf"[{_LOWER}{_UPPER}0-9)]")
_ZONE = re.compile(r"[A-Z]{2,4}(?!\w)")
_SENTENCE_BREAK = re.compile(r"(?<=[.!?:])\s+|\d\s?[AP]M\s+")
_BULLET_SET = frozenset(_BULLETS)
_QUOTE_ENDS = frozenset("\"'”’»")
_OPENER_SET = frozenset(_OPENERS)
_NOTHING: frozenset[int] = frozenset()
_NO_LANDMARKS = (_NOTHING, _NOTHING)
_ASIDE_CLOSERS = frozenset("\"'“”»«’‘)]")
_RULERS = ("*" * 3, "_" * 5, "=" * 5, "~" * 5, "#" * 5, "-" * 5)

_KINDS = (
    "never-ends",
    "may-end",
    "before-number",
    "ordinal-lead",
    "ordinal-follower",
    "starter",
    "common-word",
    "restart",
    "closing",
    "byline",
    "mail-field",
    "speech-verb",
)
_PHRASES = ("closing", "byline", "mail-field")


class LanguageRuleError(ValueError):
    """A rule of a language file that lacks its reason, its examples or a known kind."""


class _Phrases(NamedTuple):
    """Phrases, and what must stand around them; a search for the bare phrases is far cheaper."""

    phrases: tuple[str, ...]
    pattern: re.Pattern[str]

    def find(self, text: str, at_least: int = 1) -> Iterator[re.Match[str]]:
        """Where they stand, if that many different ones of them are in the text at all."""
        missing = at_least
        for phrase in self.phrases:
            if phrase in text:
                missing -= 1
                if not missing:
                    return self.pattern.finditer(text)
        return iter(())


@dataclass(frozen=True, slots=True)
class SentenceRules:
    """What one language knows about the ends of its sentences.

    `never_ends`, `may_end`, `before_number`: abbreviations without their last full stop and
    without inner spaces ("z.B"). `starters`: capitalised words that begin a sentence and are
    never the second half of a name or term. A word written "-straße" stands for all words
    with that ending and is kept in `suffixes` under its kind.
    """

    known: bool = False
    starts_small: bool = False
    never_ends: frozenset[str] = frozenset()
    may_end: frozenset[str] = frozenset()
    before_number: frozenset[str] = frozenset()
    ordinal_leads: frozenset[str] = frozenset()
    ordinal_followers: frozenset[str] = frozenset()
    starters: frozenset[str] = frozenset()
    common_words: frozenset[str] = frozenset()
    speech_verbs: frozenset[str] = frozenset()
    restart: re.Pattern[str] | None = None
    closing: _Phrases | None = None
    byline: _Phrases | None = None
    mail_field: _Phrases | None = None
    abbreviations: frozenset[str] = frozenset()
    suffixes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    plain_words: dict[str, bool] = field(default_factory=dict, repr=False, compare=False)
    word_kinds: dict[str, tuple[str, ...]] = field(default_factory=dict, repr=False, compare=False)

    def is_plain(self, word: str) -> bool:
        """Whether `word` is a common word with no say in whether the full stop after it ends."""
        return (
            len(word) > 1
            and word.isalpha()
            and word[1:].islower()
            and word not in self.abbreviations
            and not word.endswith(self.suffixes.get("may-end", ()))
            and not word.endswith(self.suffixes.get("never-ends", ()))
        )

    def kinds_of(self, word: str) -> tuple[str, ...]:
        """What `word`, or the last part of it, says of the full stop after it; empty for most words."""
        found = self.word_kinds.get(word)
        if found is None:
            found = tuple(self._find_kinds(word))
            if len(self.word_kinds) < MAX_KNOWN_WORDS:
                self.word_kinds[word] = found
        return found

    def _find_kinds(self, word: str) -> Iterator[str]:
        for form in (word,) if word.isalnum() else (word, _last_part(word)):
            if form in self.never_ends or form.endswith(self.suffixes.get("never-ends", ())):
                yield "never-ends"
            if form in self.before_number:
                yield "before-number"
            if form in self.may_end or form.endswith(self.suffixes.get("may-end", ())):
                yield "may-end"
        if _ROMAN.fullmatch(word):
            yield "roman"
        if (len(word) == 1 and word.isalpha()) or _LETTER_CHAIN.fullmatch(word):
            yield "letters"

    def follows_ordinal(self, word: str) -> bool:
        """Whether `word` is one that ordinals are commonly written before."""
        suffixes = self.suffixes.get("ordinal-follower", ())
        return word in self.ordinal_followers or word.lower().endswith(suffixes)


Hints = tuple[bool, bool]
"""Whether a text may hold landmarks, and sentences that begin without an end before them."""

NO_HINTS: Hints = (True, True)


class _Gap(NamedTuple):
    """A place where a sentence may end: `start` of the stop, `end` after all that belongs to it."""

    start: int
    end: int
    stop: str
    word: str
    follower: str
    proposed: bool
    smiles: bool


@cache
def load_rules(language: str) -> SentenceRules:
    """Rules of `language` (ISO 639 code), empty where there is no file for it.

    Raises LanguageRuleError if a rule of the file is incomplete.
    """
    if not language.isalpha():
        return SentenceRules()
    source = files("reinschrift.transforms").joinpath("languages", f"{language}.toml")
    if not source.is_file():
        return SentenceRules()
    entries = tomllib.loads(source.read_text(encoding="utf-8")).get("sentences", {})
    rules = read_rules(entries.get("rule", []), f"languages/{language}.toml")
    return replace(rules, starts_small=entries.get("starts_small", False))


def read_rules(entries: Sequence[Mapping[str, Any]], source: str) -> SentenceRules:
    """Rules from the `[[sentences.rule]]` entries of the file called `source`.

    Raises LanguageRuleError naming the file, the rule and what it lacks.
    """
    words: dict[str, set[str]] = {kind: set() for kind in _KINDS}
    suffixes: dict[str, tuple[str, ...]] = {}
    for position, entry in enumerate(entries, start=1):
        _check_rule(entry, f"{source}: rule {entry.get('id', position)}")
        kind = entry["kind"]
        suffixes[kind] = suffixes.get(kind, ()) + tuple(
            word[1:].rstrip(".") for word in entry["words"] if word.startswith("-")
        )
        join = " " if kind in _PHRASES else ""
        words[kind] |= {join.join(word.split()).rstrip(".") for word in entry["words"]}
    return SentenceRules(
        known=True,
        never_ends=frozenset(words["never-ends"]),
        may_end=frozenset(words["may-end"]),
        before_number=frozenset(words["before-number"]),
        ordinal_leads=frozenset(words["ordinal-lead"]),
        ordinal_followers=frozenset(words["ordinal-follower"]),
        starters=frozenset(words["starter"]),
        common_words=frozenset(words["common-word"]),
        speech_verbs=frozenset(words["speech-verb"]),
        restart=_restart_pattern(words["restart"]),
        closing=_phrases(words["closing"], rf"\s?,(?=\s+[{_UPPER}])"),
        byline=_phrases(words["byline"], _BYLINE),
        mail_field=_phrases(words["mail-field"], r"(?=\s)"),
        abbreviations=frozenset(words["never-ends"] | words["may-end"] | words["before-number"]),
        suffixes=suffixes,
    )


def _any_of(words: AbstractSet[str]) -> str:
    return "|".join(re.escape(word) for word in sorted(words, key=lambda word: (-len(word), word)))


def _restart_pattern(words: AbstractSet[str]) -> re.Pattern[str] | None:
    """One of `words` that goes on in small letters."""
    if not words:
        return None
    return re.compile(rf"(?:{_any_of(words)})(?:['’][a-z]+)?\s+[{_LOWER}]{{2}}")


def _phrases(phrases: AbstractSet[str], after: str) -> _Phrases | None:
    """`phrases` that begin a word, with the pattern `after` behind them."""
    if not phrases:
        return None
    return _Phrases(tuple(sorted(phrases)), re.compile(rf"(?<!\w)({_any_of(phrases)}){after}"))


def _check_rule(entry: Mapping[str, Any], where: str) -> None:
    missing = [key for key in ("id", "kind", "words", "why") if not entry.get(key)]
    if missing:
        raise LanguageRuleError(f"{where} lacks {', '.join(missing)}")
    if entry["kind"] not in _KINDS:
        raise LanguageRuleError(
            f"{where} has the unknown kind {entry['kind']!r}. Hint: use one of {', '.join(_KINDS)}"
        )
    if not entry.get("joins") and not entry.get("splits"):
        raise LanguageRuleError(f"{where} has no example. Hint: add joins = [...] or splits = [...]")


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
    proposed = _proposed_ends(text, language)
    count = len(proposed)
    may_have_landmarks, may_restart = hints
    markers, more = _landmarks(text, rules) if may_have_landmarks else _NO_LANDMARKS
    ends: list[int] = []
    at = 0
    for match in _GAP.finditer(text):
        start, end = match.span()
        while at < count and proposed[at] <= start:
            if _ends_without_space(text, proposed[at], rules):
                ends.append(proposed[at])
            at += 1
        is_proposed = at < count and proposed[at] <= end
        while at < count and proposed[at] <= end:
            at += 1
        if start in markers or (not is_proposed and _goes_on(text, start, end)):
            continue
        if is_proposed and text[end + 1].isupper() and _is_beyond_doubt(text, start, end, rules):
            ends.append(end)
            continue
        gap = _Gap(
            start,
            end,
            match["stop"],
            _word_before(text, start),
            _word_after(text, end),
            is_proposed,
            match["smile"] is not None,
        )
        if _ends_sentence(text, gap, language, rules):
            ends.append(end)
    ends += [end for end in proposed[at:] if _ends_without_space(text, end, rules)]
    if may_restart:
        more = {*more, *_restart_ends(text, rules)}
    return sorted({*ends, *more}) if more else ends


def _landmarks(text: str, rules: SentenceRules) -> tuple[AbstractSet[int], AbstractSet[int]]:
    """What ends sentences besides their punctuation.

    Out: offsets of full stops that belong to the markers of a list, and the ends found.
    """
    stops: AbstractSet[int] = _NOTHING
    ends: set[int] = set()
    if not rules.known:
        return stops, ends
    if ("1." in text and "2." in text) or ("1)" in text and "2)" in text):
        stops, ends = _enumeration(text, rules)
    ends.update(_letter_ends(text, rules))
    ends.update(_list_ends(text))
    if "@" in text or "://" in text or "www." in text or "<>" in text:
        ends.update(_address_ends(text, rules))
    if any(ruler in text for ruler in _RULERS):
        ends.update(_ruler_ends(text))
        for match in _FRAME.finditer(text):
            ends.difference_update(range(match.start() + 1, match.end()))
            ends.update((len(text[: match.start()].rstrip()), match.end()))
    ends.discard(0)
    return stops, ends


def _letter_ends(text: str, rules: SentenceRules) -> Iterator[int]:
    """Ends at what heads and closes letters and comments, and at emoticons."""
    if rules.closing and "," in text:
        yield from _closing_ends(text, rules, rules.closing)
    if ":" in text or ";" in text:
        yield from (match.end() for match in _EMOTICON_END.finditer(text))
        yield from _stamp_ends(text, rules)
    for match in rules.byline.find(text) if rules.byline else ():
        yield len(text[: match.start()].rstrip())
        yield match.end()
    if rules.mail_field:
        yield from _mail_field_ends(text, rules.mail_field)


def _list_ends(text: str) -> Iterator[int]:
    """Ends before the items of a list run together, and around attached files."""
    if "- " in text or "* " in text:
        yield from _item_ends(text)
        yield from _file_ends(text)
    if text.lstrip()[:1] in _BULLET_SET:
        yield from (len(text[: match.start()].rstrip()) for match in _BULLET.finditer(text, 1))


def _mail_field_ends(text: str, labels: _Phrases) -> Iterator[int]:
    """Ends before the fields of a letter's head, where several follow each other."""
    found = list(labels.find(text, at_least=MIN_MAIL_FIELDS))
    if len({match[1].lower() for match in found}) >= MIN_MAIL_FIELDS:
        for match in found:
            yield len(text[: match.start()].rstrip())


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


def _restart_ends(text: str, rules: SentenceRules) -> Iterator[int]:
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
        word = before.split()[-1].strip(_OPENERS)
        if word[:1].upper() + word[1:] not in rules.starters:
            yield len(text[:start].rstrip())


def _is_in_title(before: str, after: str) -> bool:
    """Whether capitals go on around the word, as in "I Love You to the Moon"."""
    follows = after.split()[1 : 1 + TITLE_WORDS]
    return before.rsplit(maxsplit=1)[-1][:1].isupper() and any(word[0].isupper() for word in follows)


def _closing_ends(text: str, rules: SentenceRules, closing: _Phrases) -> Iterator[int]:
    """Ends after "Regards," and after the name that signs the letter."""
    for match in closing.find(text):
        before = text[: match.start()].rstrip()
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
    for word in list(_WORD.finditer(after))[:MAX_NAME_WORDS]:
        is_over = word[0] in rules.starters or word[0] == first or not word[0][0].isupper()
        if is_over or not after[end : word.start()].isspace():
            break
        first = first or word[0]
        end = word.end()
    return 0 if after[end : end + 1] in tuple(",.!?;:") else end


def _file_ends(text: str) -> Iterator[int]:
    """Both ends of the names of attached files: " - plan.doc << File: plan.doc >>"."""
    for match in _FILE.finditer(text):
        before = text[: match.start()].rstrip()
        if before:
            yield len(before)
        yield match.end()


def _address_ends(text: str, rules: SentenceRules) -> Iterator[int]:
    """Ends of e-mail and web addresses after which a sentence or a field of a form begins."""
    at = 0
    while address := _ADDRESS.search(text, at):
        at = _end_of_run(text, address.end())
        last = text[at - 1]
        if at == len(text) or not (last.isalnum() or last in "/>]_"):
            continue
        follower = _word_after(text, at)
        is_bracketed = last == ">" and address[0] in ("@", "<>") and follower[:1].isupper()
        if is_bracketed or follower in rules.starters or _FIELD.match(text, at):
            yield at


def _end_of_run(text: str, at: int) -> int:
    """Where the run without white space around `at` ends."""
    run = _RUN.match(text, at)
    return run.end() if run else at


def _stamp_ends(text: str, rules: SentenceRules) -> Iterator[int]:
    """Ends of a date with a time ("08/16/2000 12:05 PM") before a capital, and of a name before it."""
    for match in _STAMP.finditer(text):
        after = text[match.end() : match.end() + CONTEXT_CHARS].lstrip(_OPENERS_AND_SPACES)
        before = text[max(0, match.start() - 2 * CONTEXT_CHARS) : match.start()].rstrip()
        is_head = _is_name(before, rules)
        if _ZONE.match(after) or (after and not (after[0].isupper() or is_head)):
            continue
        yield match.end()
        if is_head:
            yield len(text[: match.start()].rstrip())


def _is_name(before: str, rules: SentenceRules) -> bool:
    """Whether what stands before a time stamp is somebody's name or address, and no more."""
    if before.endswith(">") and "@" in before.rpartition("<")[2]:
        return True
    names = _SENTENCE_BREAK.split(before)[-1].split()
    are_names = all(name[0].isupper() or "@" in name for name in names)
    return 1 <= len(names) <= MAX_NAME_WORDS and are_names and names[0] not in rules.starters


def _ruler_ends(text: str) -> Iterator[int]:
    """Both ends of a line drawn with characters; *** ends what stands before it."""
    for match in _RULER.finditer(text):
        if not match[1] and _word_after(text, match.end())[:1].islower():
            continue
        yield match.end()
        before = text[: match.start()].rstrip()
        if before and match[1] and text[match.start() - 1].isspace():
            yield len(before)


def _goes_on(text: str, stop: int, end: int) -> bool:
    """Whether a full stop that nobody proposed stands before a small letter: cheap to tell."""
    is_small = text[end + 1].islower() and text[end + 1 : end + 4].islower()
    return is_small and text[stop] == "." and text[end - 1] not in "!?"


def _is_beyond_doubt(text: str, stop: int, end: int, rules: SentenceRules) -> bool:
    """Whether no rule could object to a proposed end: so it is in most gaps, and this is cheap."""
    if text[stop] != ".":
        return text[end - 1] not in _QUOTE_ENDS
    word = text[text.rfind(" ", max(0, stop - CONTEXT_CHARS), stop) + 1 : stop]
    known = rules.plain_words.get(word)
    if known is None:
        known = rules.is_plain(word)
        if len(rules.plain_words) < MAX_KNOWN_WORDS:
            rules.plain_words[word] = known
    return known


def _proposed_ends(text: str, language: str) -> list[int]:
    """Ends of sentences according to sentencex, before the white space and orphaned openers.

    The end of the text is not among them.
    """
    # sentencex panics where a space of several bytes stands before a full stop.
    if not text.isascii():
        text = _WIDE_SPACE.sub(" ", text)
    if len(text) > MAX_PIECE_CHARS:
        pieces = [part for _, piece in _pieces(text) for part in sentencex.segment(language, piece)]
    else:
        pieces = sentencex.segment(language, text)
    ends: list[int] = []
    start = 0
    for sentence in pieces[:-1]:
        bare = sentence.rstrip()
        if bare[-1:] in _OPENER_SET:
            bare = _without_orphans(bare)
        ends.append(start + len(bare))
        start += len(sentence)
    return ends


def _without_orphans(sentence: str) -> str:
    """`sentence` without the marks at its end that open what comes after it."""
    while len(sentence) > 1 and sentence[-1] in _OPENERS and sentence[-2].isspace():
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


def _ends_without_space(text: str, end: int, rules: SentenceRules) -> bool:
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


def _word_before(text: str, end: int) -> str:
    """The word that ends at `end`, without opening marks; "z.B" for a chain of letters."""
    context = text[max(0, end - CONTEXT_CHARS) : end]
    words = context.rsplit(None, 1)
    if not words:
        return ""
    word = words[-1].lstrip(_OPENERS)
    if len(word) == 1 or word[-2:-1] == ".":
        chain = _LETTER_CHAIN.search(context)
        if chain:
            return "".join(chain[0].split())
    return word


def _word_after(text: str, start: int) -> str:
    """The first word after `start`, without opening marks; one character if it is no word."""
    context = text[start : start + CONTEXT_CHARS].lstrip(_OPENERS_AND_SPACES)
    word = _WORD.match(context)
    return word[0].replace("’", "'") if word else context[:1]


def _ends_sentence(text: str, gap: _Gap, language: str, rules: SentenceRules) -> bool:
    if not rules.known:
        return gap.proposed
    if gap.stop == ".":
        verdict = _judge_full_stop(text, gap, rules)
        if verdict is not None:
            return verdict
    return _judge_follower(text, gap, language, rules)


def _judge_full_stop(text: str, gap: _Gap, rules: SentenceRules) -> bool | None:
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
        if kind == "before-number" and _is_number(gap.follower) and not is_person:
            return False
        if kind == "may-end":
            return starts
    return _judge_letters(text, gap, rules, kinds)


def _judge_letters(text: str, gap: _Gap, rules: SentenceRules, kinds: tuple[str, ...]) -> bool | None:
    """Whether a full stop after a Roman number, or after single letters, ends a sentence."""
    starts = gap.follower in rules.starters
    if "roman" in kinds:
        is_letter = gap.proposed and not _follows_lead(text, gap, rules) and len(gap.word) == 1
        return starts or is_letter
    if "letters" in kinds:
        return starts and _is_named_by_letter(text, gap, rules)
    return None


def _is_common(text: str, gap: _Gap, rules: SentenceRules) -> bool:
    """Whether the word stands for itself: "I am." and "so do I.", but not "5 am." nor "Vol. I."."""
    is_numbered = _is_number(gap.follower) and gap.follower != "I"
    if gap.word not in rules.common_words or is_numbered:
        return False
    before = _previous_word(text, gap)
    return before.isalpha() and (before.islower() or not gap.word[0].isupper())


def _last_part(word: str) -> str:
    part = _LAST_PART.search(word)
    return part[0] if part else word


def _is_number(word: str) -> bool:
    return word[:1].isdigit() or _ROMAN.fullmatch(word) is not None


def _previous_word(text: str, gap: _Gap) -> str:
    """The word before the gap's own word, with its punctuation; empty at the beginning."""
    words = text[max(0, gap.start - CONTEXT_CHARS) : gap.start].split()
    return words[-2] if len(words) > 1 else ""


def _is_named_by_letter(text: str, gap: _Gap, rules: SentenceRules) -> bool:
    """Whether a letter belongs to the word before: "Vitamin C." may end, "plan B.", hardly "von A."."""
    previous = _previous_word(text, gap)
    return previous[:1].isupper() or (previous.isalpha() and previous.capitalize() not in rules.starters)


def _follows_lead(text: str, gap: _Gap, rules: SentenceRules) -> bool:
    return _previous_word(text, gap).lstrip(_OPENERS) in rules.ordinal_leads


def _judge_number(text: str, gap: _Gap, rules: SentenceRules) -> bool | None:
    """Whether a full stop after digits ends a sentence or makes them an ordinal."""
    follower = gap.follower
    if not follower[:1].isupper() or not rules.ordinal_leads:
        return None
    is_year = len(gap.word) > MAX_ORDINAL_DIGITS
    if not is_year and rules.follows_ordinal(follower):
        return False
    previous = _previous_word(text, gap)
    is_named = previous.lstrip(_OPENERS).rstrip(".") in rules.before_number  # "Nr. 3."
    if len(gap.word) <= MAX_MARKER_DIGITS and not is_named and (not previous or previous[-1] in ".!?:"):
        return False
    if follower in rules.starters or is_year:
        return True
    return False if _follows_lead(text, gap, rules) else None


def _judge_follower(text: str, gap: _Gap, language: str, rules: SentenceRules) -> bool:
    """Decides by what comes after the gap, where the word before it is not conclusive."""
    follower = gap.follower
    first = follower[:1]
    if first.islower():
        if rules.starts_small and _is_loud(text, gap):
            return True
        return _may_start_small(text, gap) and _is_ordinary(gap.word, language, rules)
    if gap.stop[-1] in "!?" and _is_spoken(text, gap, rules):
        return False
    if gap.proposed:
        return first not in _INNER_MARKS
    if first.isdigit():
        return _is_ordinary(gap.word, language, rules)
    if not first.isupper():
        return False
    if gap.stop[-1] == "…" or gap.stop.endswith(".."):
        return _trails_off(text, gap, rules)
    if gap.stop == "." and not _is_ordinary(gap.word, language, rules):
        return False
    # What closes with the stop is over, if a word follows that begins sentences: "(Laughter.) But".
    at = gap.end if gap.follower in rules.starters and text[gap.end - 1] in _ASIDE_CLOSERS else gap.start
    return not _in_short_aside(text, at)


def _trails_off(text: str, gap: _Gap, rules: SentenceRules) -> bool:
    """Whether an ellipsis ends a sentence of some length; "I... I" stammers."""
    words = _SENTENCE_BREAK.split(text[max(0, gap.start - CONTEXT_CHARS) : gap.start])[-1].split()
    return (
        gap.follower in rules.starters and len(words) >= MIN_TRAILING_WORDS and words[-1] != gap.follower
    )


def _is_spoken(text: str, gap: _Gap, rules: SentenceRules) -> bool:
    """Whether the sentence goes on to say who spoke: "Why?" Ann asked."""
    if text[gap.end - 1] not in _QUOTE_ENDS or not rules.speech_verbs:
        return False
    words = text[gap.end : gap.end + CONTEXT_CHARS].split()[: MAX_SPEAKER_WORDS + 1]
    for word, following in zip(words[1:MAX_SPEAKER_WORDS], [*words[2:], ""], strict=False):
        if word.rstrip(",.;:") in rules.speech_verbs:
            # What is said next begins another sentence: "Who?" I said, "You."
            return not (word.endswith(",") and following.startswith(tuple(_OPENERS)))
        if not word[0].isupper():
            return False
    return False


def _is_loud(text: str, gap: _Gap) -> bool:
    """Whether the gap is a question or a cry that nobody quotes; a lone ! may be part of a name."""
    stop = gap.stop
    if gap.smiles:
        return True
    if text[gap.end - 1] not in "!?":
        return False
    return "?" in stop or len(stop) > 1 or gap.proposed or text[gap.start - 1].isspace()


def _may_start_small(text: str, gap: _Gap) -> bool:
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
    part = _last_part(word.rstrip("\"'”“’»«›‹)]*_"))
    if part in rules.common_words:
        return True
    if part.isdigit():
        return len(part) > MAX_ORDINAL_DIGITS and len(word) > len(part)  # a telephone number
    return len(part) > 1 and not _is_base_abbreviation(language, part)


@lru_cache(maxsize=100_000)
def _is_base_abbreviation(language: str, word: str) -> bool:
    """Whether sentencex itself takes `word` for an abbreviation: it offers no list to look up."""
    return len(sentencex.get_sentence_boundaries(language, f"{word}. Abc")) == 1


def _in_short_aside(text: str, at: int) -> bool:
    """Whether `at` lies in a quotation or bracket of at most MAX_ASIDE_CHARS."""
    window_start = max(0, at - MAX_ASIDE_CHARS)
    opened = _last_start(_ASIDE_OPEN, text[window_start:at])
    if opened < 0 or _last_start(_ASIDE_CLOSE, text[window_start:at]) > opened:
        return False
    window_end = window_start + opened + MAX_ASIDE_CHARS
    closing = _ASIDE_CLOSE.search(text, at, window_end)
    opening = _ASIDE_OPEN.search(text, at, window_end)
    return closing is not None and (opening is None or closing.start() < opening.start())


def _last_start(pattern: re.Pattern[str], text: str) -> int:
    return max((match.start() for match in pattern.finditer(text)), default=-1)


def _enumeration(text: str, rules: SentenceRules) -> tuple[set[int], set[int]]:
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
    return rules.follows_ordinal(_word_after(text, marker.end()))


@cache
def _restart_languages() -> list[str]:
    return [code for code in known_languages() if load_rules(code).restart]


def split_sentences(blocks: pl.DataFrame) -> pl.DataFrame:
    """Cuts blocks into sentences.

    In: one row a block with `page` and `block` (UInt32), `text`, `start` (UInt32, code-point
    offset of the block in its page's text), `kind`, `language` (ISO 639). Blocks of
    WHOLE_KINDS stay whole.
    Out: one row a sentence, in the order of the blocks, with the columns of SENTENCES_SCHEMA:
    `sentence` counts from 0 within the block, `start` and `end` are code-point offsets in the
    page's text, `lead` is the white space between the sentence and what stands before it in
    its block. Blocks of white space alone have no row.
    """
    rows = blocks.select("page", "block", "text", "start", "kind", "language").with_row_index("row")
    # Only languages with such words are searched for them.
    searched = pl.when(pl.col("language").is_in(_restart_languages())).then("text")
    restarts = searched.str.contains(RESTART_PATTERN).fill_null(False)
    possible = pl.col("text").str.contains(POSSIBLE_PATTERN) | pl.col("restarts")
    splits = ~pl.col("kind").is_in(WHOLE_KINDS) & possible
    marked = rows.with_columns(restarts=restarts).with_columns(splits=splits)
    parts = marked.partition_by("splits", as_dict=True)
    empty = rows.clear().with_columns(restarts=pl.lit(False))
    whole = _whole_blocks(parts.get((False,), empty))
    split = _split_blocks(parts.get((True,), empty))
    return whole.merge_sorted(split, key="row").select(list(SENTENCES_SCHEMA))


def _whole_blocks(rows: pl.DataFrame) -> pl.DataFrame:
    """One sentence a block: the fast path, without a Python call a row."""
    text = pl.col("text")
    lead_chars = text.str.len_chars() - text.str.strip_chars_start(_SPACES).str.len_chars()
    return (
        rows.with_columns(trimmed=text.str.strip_chars(_SPACES), lead_chars=lead_chars)
        .filter(pl.col("trimmed") != "")
        .select(
            "row",
            "page",
            "block",
            sentence=pl.lit(0, pl.UInt32),
            start=pl.col("start") + pl.col("lead_chars"),
            end=pl.col("start") + pl.col("lead_chars") + pl.col("trimmed").str.len_chars(),
            lead=text.str.head(pl.col("lead_chars")),
            text=pl.col("trimmed"),
        )
    )


def _split_blocks(rows: pl.DataFrame) -> pl.DataFrame:
    """The sentences of blocks that may hold several, block by block."""
    counts: list[int] = []
    starts: list[int] = []
    leads: list[str] = []
    texts: list[str] = []
    chosen = rows.select(
        "text",
        pl.col("language").fill_null(""),
        pl.col("text").str.contains(LANDMARK_PATTERN).alias("landmarks"),
        "restarts",
    )
    columns = (column.to_list() for column in chosen.get_columns())
    for text, language, landmarks, restarts in zip(*columns, strict=True):
        spans = sentence_spans(text, language, (landmarks, restarts))
        counts.append(len(spans))
        previous = 0
        for start, end in spans:
            starts.append(start)
            leads.append(text[previous:start])
            texts.append(text[start:end])
            previous = end
    cut = pl.DataFrame(
        {"from": starts, "lead": leads, "text": texts},
        schema={"from": pl.UInt32, "lead": pl.String, "text": pl.String},
    )
    count = np.array(counts, np.int64)
    origin = rows.select("row", "page", "block", "start")[np.repeat(np.arange(len(count)), count)]
    number = np.arange(len(starts)) - np.repeat(np.cumsum(count) - count, count)
    page_start = pl.col("start") + pl.col("from")
    return pl.concat([origin, cut], how="horizontal").select(
        "row",
        "page",
        "block",
        sentence=pl.Series(number, dtype=pl.UInt32),
        start=page_start,
        end=page_start + pl.col("text").str.len_chars(),
        lead="lead",
        text="text",
    )
