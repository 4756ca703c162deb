"""Rules of one language: what `languages/<code>.toml` says of the ends of its sentences."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, NamedTuple

from reinschrift.transforms.sentences.characters import LETTER_CHAIN, LOWER, ROMAN, UPPER, last_part

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

MAX_KNOWN_WORDS = 200_000
"""Words of a language of which it is remembered what they say of a full stop."""

# After "Posted by": a name, a date and the time of day.
_BYLINE = (
    rf"\s[^\n.!?]{{1,80}}?\b\d{{1,2}}:\d{{2}}(?::\d{{2}})?(?:\s?[AaPp]\.?[Mm]\b\.?|\s+Uhr\b)?+"
    rf"(?=\s+[\"“„]?[{UPPER}]|\s*$)"
)
_KINDS = (
    "never-ends",
    "may-end",
    "before-number",
    "ordinal-lead",
    "ordinal-follower",
    "abbreviation-follower",
    "letter-lead",
    "marked-name",
    "conjunction",
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


class Phrases(NamedTuple):
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
    nouns_capitalised: bool = False
    never_ends: frozenset[str] = frozenset()
    may_end: frozenset[str] = frozenset()
    before_number: frozenset[str] = frozenset()
    ordinal_leads: frozenset[str] = frozenset()
    ordinal_followers: frozenset[str] = frozenset()
    abbreviation_followers: frozenset[str] = frozenset()
    letter_leads: frozenset[str] = frozenset()
    marked_names: frozenset[str] = frozenset()
    conjunctions: frozenset[str] = frozenset()
    starters: frozenset[str] = frozenset()
    common_words: frozenset[str] = frozenset()
    speech_verbs: frozenset[str] = frozenset()
    restart: re.Pattern[str] | None = None
    closing: Phrases | None = None
    byline: Phrases | None = None
    mail_field: Phrases | None = None
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
        for form in (word,) if word.isalnum() else (word, last_part(word)):
            if form in self.never_ends or form.endswith(self.suffixes.get("never-ends", ())):
                yield "never-ends"
            if form in self.before_number:
                yield "before-number"
            if form in self.may_end or form.endswith(self.suffixes.get("may-end", ())):
                yield "may-end"
        if ROMAN.fullmatch(word):
            yield "roman"
        if (len(word) == 1 and word.isalpha()) or LETTER_CHAIN.fullmatch(word):
            yield "letters"

    def follows_ordinal(self, word: str) -> bool:
        """Whether `word` is one that ordinals are commonly written before."""
        suffixes = self.suffixes.get("ordinal-follower", ())
        return word in self.ordinal_followers or word.lower().endswith(suffixes)


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
    flags = {name: entries.get(name, False) for name in ("starts_small", "nouns_capitalised")}
    return replace(rules, **flags)


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
        abbreviation_followers=frozenset(words["abbreviation-follower"]),
        letter_leads=frozenset(map(str.lower, words["letter-lead"])),
        marked_names=frozenset(word.rstrip("!?") for word in words["marked-name"]),
        conjunctions=frozenset(words["conjunction"]),
        starters=frozenset(words["starter"]),
        common_words=frozenset(words["common-word"]),
        speech_verbs=frozenset(words["speech-verb"]),
        restart=_restart_pattern(words["restart"]),
        closing=_phrases(words["closing"], rf"\s?,(?=\s+[{UPPER}])"),
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
    return re.compile(rf"(?:{_any_of(words)})(?:['’][a-z]+)?\s+[{LOWER}]{{2}}")


def _phrases(phrases: AbstractSet[str], after: str) -> Phrases | None:
    """`phrases` that begin a word, with the pattern `after` behind them."""
    if not phrases:
        return None
    return Phrases(tuple(sorted(phrases)), re.compile(rf"(?<!\w)({_any_of(phrases)}){after}"))


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
