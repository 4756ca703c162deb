"""Regular expressions with which Polars finds the blocks that may hold a second sentence."""

from __future__ import annotations

import re
from functools import cache

from reinschrift.transforms.languages import known_languages, language_data
from reinschrift.transforms.sentences.characters import (
    BULLETS,
    CLOSERS,
    DOTS,
    EMOTICON,
    LOWER,
    SPACE,
    UPPER,
    WIDE_STOPS,
)
from reinschrift.transforms.sentences.rules import load_rules


def _words_of(*kinds: str) -> str:
    """The words of these kinds of rule in any language, as alternatives of a regular expression."""
    rules = (language_data(code).get("sentences", {}).get("rule", []) for code in known_languages())
    words = {
        word for entries in rules for rule in entries if rule["kind"] in kinds for word in rule["words"]
    }
    return "|".join(sorted(map(re.escape, words)))


# The second marker of a list in one line.
_LIST_PATTERN = rf"[^\s\x1c-\x1f]{SPACE}+[{BULLETS}{DOTS}]?\(?(?:2|[bB]|ii|II)[.)]"
# Necessary conditions for a second sentence (POSSIBLE or RESTART), in the common subset of Python's
# and Rust's regular expressions, so that Polars can decide them for whole columns.
LANDMARK_PATTERN = (
    rf"{EMOTICON}|(?:@|://|www\.)[^\s\x1c-\x1f]+{SPACE}+[^\s\x1c-\x1f{LOWER}]"
    rf"|(?:{_words_of('closing')}){SPACE}?,{SPACE}+[{UPPER}]|{_words_of('byline', 'mail-field')}"
    rf"|<>{SPACE}|-{SPACE}[^\s\x1c-\x1f]+\.[A-Za-z]{{2}}|(?:[*–-]{SPACE}[{UPPER}0-9].*){{3}}"
    rf"|{_LIST_PATTERN}|\*{{3}}|[_=~#-]{{5}}|[{BULLETS}{DOTS}].*[{BULLETS}{DOTS}]"
    rf"|[/.-][0-9]{{2,4}},?{SPACE}+(?:(?:at|um){SPACE})?[0-9]{{1,2}}:[0-9]{{2}}"
)
RESTART_PATTERN = (
    rf"[{LOWER}{UPPER}0-9)]{SPACE}+(?:{_words_of('restart')})(?:['’][a-z]+)?{SPACE}+[{LOWER}]{{2}}"
)
POSSIBLE_PATTERN = (
    rf"[.!?…][{CLOSERS}]*(?:{SPACE}+[^\s\x1c-\x1f]|\[[0-9]|[:;])|[{WIDE_STOPS}\n]"
    rf"|[{LOWER}]{{2}}[.!?…]+[{CLOSERS}]*[{UPPER}]|[\u2600-\u27bf\U0001f300-\U0001faff]"
    rf"|{LANDMARK_PATTERN}"
)

Hints = tuple[bool, bool]
"""Whether a text may hold landmarks, and sentences that begin without an end before them."""

NO_HINTS: Hints = (True, True)


@cache
def restart_languages() -> list[str]:
    """Codes of the languages with words that restart a sentence."""
    return [code for code in known_languages() if load_rules(code).restart]
