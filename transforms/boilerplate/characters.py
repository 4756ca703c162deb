"""Classes of characters and case folding, as tables over the Basic Multilingual Plane."""

from __future__ import annotations

import functools
import unicodedata
from enum import IntEnum
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Bools: TypeAlias = NDArray[np.bool_]
Ints: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float32]
Hashes: TypeAlias = NDArray[np.uint64]
Codes: TypeAlias = NDArray[np.uint16]
Classes: TypeAlias = NDArray[np.uint8]

TABLE_SIZE = 1 << 16
BEYOND_THE_PLANE = TABLE_SIZE - 1
LATIN_END = 0x250


class CharClass(IntEnum):
    """What a character is to the line model; the first five make words."""

    LOWER = 0
    UPPER = 1
    OTHER_SCRIPT = 2
    IDEOGRAPH = 3
    DIGIT = 4
    SPACE = 5
    STOP = 6
    QUESTION = 7
    COMMA = 8
    COLON = 9
    SEMICOLON = 10
    QUOTE = 11
    APOSTROPHE = 12
    DASH = 13
    SEPARATOR = 14
    BRACKET = 15
    AT = 16
    COPYRIGHT = 17
    CURRENCY = 18
    SYMBOL = 19
    OTHER = 20


CLASS_COUNT = len(CharClass)
LAST_WORD_CLASS = CharClass.DIGIT
MARKS = {
    CharClass.STOP: ".…。।۔．",
    CharClass.QUESTION: "!?！？؟",
    CharClass.COMMA: ",،、，",
    CharClass.COLON: ":：",
    CharClass.SEMICOLON: ";；؛",
    CharClass.QUOTE: '"“”„»«「」『』',
    CharClass.APOSTROPHE: "'’‘`´‚",
    CharClass.DASH: "-–—‐‑−",
    CharClass.SEPARATOR: "|›·→•/>▪◦●■▶*‣∙»",
    CharClass.BRACKET: "()[]{}",
    CharClass.AT: "@",
    CharClass.COPYRIGHT: "©®™",
    CharClass.CURRENCY: "€$£¥",
}
# Scripts that write no spaces between words: two characters stand for about one word.
UNSPACED_BLOCKS = ((0x0E00, 0x0EFF), (0x1780, 0x17FF), (0x3040, 0x30FF), (0x3400, 0x9FFF))
ZERO_WIDTH = "\u200b\ufeff\u200e\u200f\u00ad"


def _class_of(code: int) -> CharClass:
    character = chr(code)
    if any(first <= code <= last for first, last in UNSPACED_BLOCKS):
        return CharClass.IDEOGRAPH
    category = unicodedata.category(character)
    if category[0] == "L":
        if code >= LATIN_END:
            return CharClass.OTHER_SCRIPT
        return CharClass.UPPER if character.isupper() else CharClass.LOWER
    by_category = {
        "N": CharClass.DIGIT,
        "M": CharClass.OTHER_SCRIPT,
        "Z": CharClass.SPACE,
        "S": CharClass.SYMBOL,
    }
    if character.isspace() or character in ZERO_WIDTH:
        return CharClass.SPACE
    return by_category.get(category[0], CharClass.OTHER)


@functools.cache
def class_table() -> Classes:
    """The class of each code of the plane; the last entry stands for all beyond it."""
    table = np.fromiter(map(_class_of, range(TABLE_SIZE)), np.uint8, TABLE_SIZE)
    for char_class, characters in MARKS.items():
        table[[ord(character) for character in characters]] = char_class
    table[ord("_")] = CharClass.LOWER
    table[BEYOND_THE_PLANE] = CharClass.SYMBOL
    return table


@functools.cache
def fold_table() -> Codes:
    """The code of each character in lower case, digits all alike."""
    table = np.arange(TABLE_SIZE, dtype=np.uint16)
    for code in range(TABLE_SIZE):
        lower = chr(code).lower()
        if lower != chr(code):
            table[code] = ord(lower[0])
    table[class_table() == CharClass.DIGIT] = ord("0")
    return table


@functools.cache
def term_table() -> Hashes:
    """What each character adds to the hash of its word: its folded code, and never nothing."""
    return fold_table().astype(np.uint64) + np.uint64(1)


@functools.cache
def letter_table() -> Classes:
    """One byte for each folded character, for hashes of a few characters in a row."""
    folded = fold_table()
    return (folded ^ (folded >> np.uint16(8)) * np.uint16(29)).astype(np.uint8)


def fold_codes(text: str) -> Codes:
    """The folded codes of a short text, for hashing entries of a lexicon."""
    codes = np.minimum(np.frombuffer(text.encode("utf-32-le"), np.uint32), BEYOND_THE_PLANE)
    return fold_table()[codes]
