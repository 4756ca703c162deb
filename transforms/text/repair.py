"""Repairing what transport broke in a line: mojibake, entities, invisible characters, doubled buttons.

Detecting is one vectorised look at all lines; only suspicious ones are repaired, one by one.
Every repair is idempotent, and so is their sequence: repairing repaired text changes nothing.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING

import ftfy
import polars as pl

from reinschrift.transforms.blocks import BULLETS
from reinschrift.transforms.languages import known_languages, language_data

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_ROUNDS = 9  # one repair may lay bare what another fixes; nobody has met a fourth layer
MAX_BUTTON_CHARS = 60
MIN_GLUED_CHARS = 3

# What UTF-8 read as Latin-1, Windows-1252 or MacRoman looks like: a lead byte and a continuation.
_MOJIBAKE = (
    r"[\u{C2}-\u{F4}\u{152}\u{160}\u{17D}\u{178}\u{2030}\u{221A}\u{201A}]"
    r"[\u{80}-\u{BF}\u{152}\u{153}\u{160}\u{161}\u{178}\u{17D}\u{17E}\u{192}\u{2C6}\u{2DC}"
    r"\u{2013}\u{2014}\u{2018}-\u{201E}\u{2020}-\u{2022}\u{2026}\u{2030}\u{2039}\u{203A}"
    r"\u{20AC}\u{2122}]"
)
_ENTITY = r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,30});"
_C1 = r"[\u{80}-\u{9F}]"
_CONTROL = r"[\x00-\x08\x0e-\x1b\x7f\u{80}-\u{9F}]"
_INVISIBLE = r"[\u{AD}\u{200B}\u{2060}\u{FEFF}\u{180E}]"
_PRIVATE_USE = r"[\u{E000}-\u{F8FF}]"
_EXOTIC_SPACE = r"[\u{A0}\u{1680}\u{2000}-\u{200A}\u{202F}\u{205F}\u{3000}]"


def _python(pattern: str) -> re.Pattern[str]:
    """The same character classes for Python's `re`."""
    return re.compile(re.sub(r"\\u\{([0-9A-F]+)\}", lambda m: f"\\u{int(m[1], 16):04x}", pattern))


@dataclass(frozen=True)
class Repair:
    """One kind of damage: where it may be, how it is undone, and lines that show both.

    `signs` is a regular expression, in Rust's dialect; null for what none describes.
    """

    rule: str
    signs: str | None
    fix: Callable[[str], str]
    why: str
    repairs: tuple[tuple[str, str], ...]
    leaves: tuple[str, ...]

    @cached_property
    def _sign(self) -> re.Pattern[str] | None:
        return _python(self.signs) if self.signs else None

    def apply(self, line: str) -> str:
        """The line without this damage; as it was where it shows no sign of it."""
        return self.fix(line) if self._sign is None or self._sign.search(line) else line


def _remove(pattern: str) -> Callable[[str], str]:
    compiled = _python(pattern)
    return lambda line: compiled.sub("", line)


_SPACES = _python(_EXOTIC_SPACE)
_ENTITIES = re.compile(_ENTITY)


def _plain_spaces(line: str) -> str:
    return _SPACES.sub(" ", line)


def _unescape(line: str) -> str:
    """Decode entities that end in a semicolon; a line break that comes of it becomes a space."""
    decoded = _ENTITIES.sub(lambda match: html.unescape(match[0]), line)
    if decoded == line:
        return line
    before = decoded
    while (decoded := _ENTITIES.sub(lambda match: html.unescape(match[0]), before)) != before:
        before = decoded  # each round is shorter than the one before
    return re.sub(r"[\n\r\x0b\x0c\x1c-\x1f\u2028\u2029]", " ", decoded)


def _unmangle(line: str) -> str:
    fixed = ftfy.fix_encoding(line)
    return re.sub(r"[\n\r\u2028\u2029]", " ", fixed)


@cache
def _buttons() -> frozenset[str]:
    return frozenset(
        label.casefold()
        for language in known_languages()
        for label in language_data(language).get("furniture", {}).get("buttons", ())
    )


def _is_glued_label(label: str) -> bool:
    """`Notes` in `NotesNotes`: a capitalised word or two that ends in a small letter."""
    return (
        len(label) >= MIN_GLUED_CHARS
        and label[0].isupper()
        and label[-1].islower()
        and label.replace(" ", "").isalpha()
    )


def _undouble(line: str) -> str:
    """`Save Save` (a known button) and `NotesNotes` (glued) become one label."""
    core = line.lstrip()
    if core and core[0] in BULLETS:
        core = core[1:].lstrip()
    lead, core = line[: len(line) - len(core)], core.rstrip()
    half, has_gap = divmod(len(core), 2)
    label = core[:half]
    if len(core) > MAX_BUTTON_CHARS or core != label + " " * has_gap + label:
        return line
    is_doubled = label.casefold() in _buttons() if has_gap else _is_glued_label(label)
    return lead + label if is_doubled else line


def _find_doubled(lines: pl.Series) -> pl.Series:
    """Places of short lines of which both halves are the same, with or without a space between."""
    core = lines.str.strip_chars().str.strip_chars_start(BULLETS).str.strip_chars()
    width = pl.col("core").str.len_chars()
    half = width // 2
    return (
        core.to_frame("core")
        .with_row_index("place")
        .filter(width.is_between(2 * MIN_GLUED_CHARS, MAX_BUTTON_CHARS))
        .filter(pl.col("core").str.head(half) == pl.col("core").str.tail(half))["place"]
    )


REPAIRS: tuple[Repair, ...] = (
    Repair(
        "mojibake",
        f"{_MOJIBAKE}|{_C1}",
        _unmangle,
        "UTF-8 that was read as another encoding",
        (("fÃ¼r die BrÃ¼cke", "für die Brücke"), ("itâ€™s", "it’s")),
        ("für die Brücke", "São Paulo", "Å 5 mm", "Ça va"),
    ),
    Repair(
        "entities",
        _ENTITY,
        _unescape,
        "HTML entities that a flattener left in the text",
        (("Tom &amp; Jerry", "Tom & Jerry"), ("&#8220;Ja&#8221;", "“Ja”"), ("a&amp;lt;b", "a<b")),
        ("AT&T; R&D", "a && b", "?a=1&copy=2"),
    ),
    Repair(
        "control-characters",
        _CONTROL,
        _remove(_CONTROL),
        "bytes that no reader can see and most tools choke on",
        (("a\x00b", "ab"), ("bell\x07", "bell")),
        ("a\tb",),
    ),
    Repair(
        "invisible-characters",
        _INVISIBLE,
        _remove(_INVISIBLE),
        "soft hyphens, zero-width spaces and byte order marks split words that look whole",
        (("Donau\u00addampf\u00adschiff", "Donaudampfschiff"), ("\ufeffStart", "Start")),
        ("می‌خواهم", "👩‍🔬"),
    ),
    Repair(
        "private-use",
        _PRIVATE_USE,
        _remove(_PRIVATE_USE),
        "icon fonts put glyphs where Unicode has no character",
        (("\ue8b6 Suche", " Suche"),),
        ("→ Suche",),
    ),
    Repair(
        "white-space",
        _EXOTIC_SPACE,
        _plain_spaces,
        "no-break, thin and wide spaces are one space to a reader",
        (("z.\u00a0B.", "z. B."), ("10\u202f000", "10 000")),
        ("a  b", "a\tb"),
    ),
    Repair(
        "doubled-button",
        None,
        _undouble,
        "a button's label stands twice, once for the eye and once for the screen reader",
        (("Save Save", "Save"), ("  • NotesNotes", "  • Notes")),
        ("New York New York", "Bora Bora", "Mau-Mau", "dada", "1212"),
    ),
)


# One pass for all is five times as fast as one for each.
_SIGNS = "|".join(repair.signs for repair in REPAIRS if repair.signs)


def repair_line(line: str) -> tuple[str, list[str]]:
    """The repaired line, and the rules that changed it in the order they did."""
    rules: list[str] = []
    for _ in range(MAX_ROUNDS):
        before = line
        for repair in REPAIRS:
            fixed = repair.apply(line)
            if fixed != line:
                line = fixed
                rules += [] if repair.rule in rules else [repair.rule]
        if line == before:
            break
    return line, rules


def repair_lines(lines: pl.DataFrame) -> pl.DataFrame:
    """Repair every line.

    In: `raw`. Out: the same rows with `text` (repaired) and `repairs` (rules that changed it;
    null for a line that was fine).
    """
    raw = lines["raw"]
    suspects = pl.concat([raw.str.contains(_SIGNS).arg_true(), _find_doubled(raw)]).unique()
    fixed = [repair_line(line) for line in raw.gather(suspects)]
    repaired = pl.DataFrame(
        {
            "index": suspects,
            "text": [text for text, _ in fixed],
            "repairs": [rules for _, rules in fixed],
        },
        schema={"index": pl.UInt32, "text": pl.String, "repairs": pl.List(pl.String)},
    ).filter(pl.col("repairs").list.len() > 0)
    return (
        lines.with_row_index("index")
        .join(repaired, on="index", how="left", maintain_order="left")
        .with_columns(pl.col("text").fill_null(pl.col("raw")))
        .drop("index")
    )
