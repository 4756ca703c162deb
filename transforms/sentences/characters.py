"""Character classes and small patterns that the modules of this package share."""

from __future__ import annotations

import re

CONTEXT_CHARS = 40
"""How far to the left and right of a gap the rules look."""

# White space as `str.isspace` has it. Rust's `\s` lacks U+001C to U+001F.
SPACES = "".join(char for char in map(chr, range(0x3001)) if char.isspace())
SPACE = r"[\s\x1c-\x1f]"
WIDE_SPACE = re.compile("[" + "".join(char for char in SPACES if not char.isascii()) + "]")
CLOSERS = r"\"'”“’‘»«›‹)\]*_"
OPENERS = "\"'„“”»«‚‘›‹`([*_,"
OPENERS_AND_SPACES = OPENERS + SPACES

BULLETS = "•●▪◦‣■□►▶▸○◆◇⁃"
DOTS = "·∙"
# A "word" after a gap that shows the sentence going on: "40 Einw. / km²".
INNER_MARKS = frozenset(".!?,;:/)]")
LOWER = "a-zß-öø-ÿ"
UPPER = "A-ZÀ-ÖØ-Þ"

# Sentence ends of other scripts, many written without a space after them
# (Unicode Sentence_Break=STerm, Basic Multilingual Plane).
WIDE_STOPS = (
    "\u0589\u061d-\u061f\u06d4\u0700-\u0702\u07f9\u0837\u0839\u083d\u083e\u0964\u0965\u104a\u104b"
    "\u1362\u1367\u1368\u166e\u1735\u1736\u1803\u1809\u1944\u1945\u1aa8-\u1aab\u1b5a\u1b5b\u1b5e"
    "\u1b5f\u1b7d\u1b7e\u1c3b\u1c3c\u1c7e\u1c7f\u203c\u203d\u2047-\u2049\u2e3c\u3002\ua4ff\ua60e"
    "\ua60f\ua6f3\ua6f7\ua876\ua877\ua8ce\ua8cf\ua92f\ua9c8\ua9c9\uaa5d-\uaa5f\uaaf0\uaaf1\uabeb"
    "\ufe52\ufe56\ufe57\uff01\uff0e\uff1f\uff61"
)
EMOTICON = r"[:;]['o^-]?[)(DPp]+"
EMOJI = "[\u2600-\u27bf\U0001f300-\U0001faff][\ufe0f\u200d\u2600-\u27bf\U0001f300-\U0001faff]*"
WORD = re.compile(r"\w+(?:['’-]\w+)*")
_LAST_PART = re.compile(r"(?<!\w)\w++$")
LETTER_CHAIN = re.compile(
    r"(?<!\b[^\W\d_]\.)(?<!\b[^\W\d_]\.\s)(?:\b[^\W\d_]\.\s?)++[^\W\d_]$"  # begun at its beginning
)
ROMAN = re.compile(r"[IVXLC]{1,7}")
SENTENCE_BREAK = re.compile(r"(?<=[.!?:])\s+|\d\s?[AP]M\s+")
QUOTE_ENDS = frozenset("\"'”’»")
OPENER_SET = frozenset(OPENERS)
ASIDE_CLOSERS = frozenset("\"'“”»«’‘)]")


def last_part(word: str) -> str:
    """The part of `word` after its last hyphen, full stop or the like."""
    part = _LAST_PART.search(word)
    return part[0] if part else word


def is_number(word: str) -> bool:
    """Whether `word` begins with a digit or is a Roman number."""
    return word[:1].isdigit() or ROMAN.fullmatch(word) is not None
