"""Ends between the items of a list that stands in one line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reinschrift.transforms.sentences.characters import BULLETS, CONTEXT_CHARS, DOTS, UPPER
from reinschrift.transforms.sentences.gaps import end_before, word_after
from reinschrift.transforms.sentences.letters import file_ends

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reinschrift.transforms.sentences.rules import SentenceRules

MIN_BARE_MARKERS = 3
"""Markers needed before an enumeration without punctuation between its items is believed."""

_ROMAN_NUMBERS = ("i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x", "xi", "xii", "xiii")
"""Roman numbers that mark items, from one upwards."""

_LIST_MARKER = re.compile(
    rf"(?<!\S)[{BULLETS}{DOTS}]?(?P<open>\(?)"
    r"(?P<label>\d{1,3}|[a-zA-Z]|[ivx]{2,5}|[IVX]{2,5})(?P<close>\.?\)|\.)(?=\s+[\"“„»«'‘(]?\w)"
)
_ITEM = re.compile(rf"([*–-])(?<!\S.)\s(?=[{UPPER}0-9])")
_BULLET = re.compile(rf"[{BULLETS}{DOTS}](?<!\S.)(?=\s*+[\"“„»«'(]?\w)")
_FIRST_MARKERS = tuple(
    (first + close, second + close)
    for first, second in (("1", "2"), ("a", "b"), ("A", "B"), ("i", "ii"), ("I", "II"))
    for close in ".)"
)


@dataclass(frozen=True, slots=True)
class _Marker:
    """The marker of an item, "(a)" or "2.": its offsets, its style and its number in the list.

    `first`: it stands at the beginning of the text. `led`: there or after a stop. `joined`: after
    a comma or a conjunction, so within a sentence. `capital`: before one. `bulleted`: with a bullet.
    """

    start: int
    stop: int
    end: int
    style: tuple[str, str, str]
    number: int
    led: bool
    first: bool
    joined: bool
    capital: bool
    bulleted: bool

    @property
    def is_initial(self) -> bool:
        """Whether it could as well be somebody's initial ("B.")."""
        return self.style[0] == "upper" and self.style[2] == "."


def list_ends(text: str) -> Iterator[int]:
    """Ends before the items of a list run together, and around attached files."""
    if "- " in text or "* " in text or "– " in text:
        yield from _item_ends(text)
        yield from file_ends(text)
    yield from _bullet_ends(text)


def _bullet_ends(text: str) -> Iterator[int]:
    """Ends before bullets, of which there are two; dots only where one begins the text."""
    bullets = list(_BULLET.finditer(text))
    if len(bullets) > 1 and (bullets[0][0] not in DOTS or not text[: bullets[0].start()].strip()):
        yield from (end_before(text, bullet.start()) for bullet in bullets)


def _item_ends(text: str) -> Iterator[int]:
    """Ends before the items of a list run together ("- Wash the rice - Boil it - Serve warm")."""
    items = list(_ITEM.finditer(text))
    if len(items) < MIN_BARE_MARKERS:
        return
    before = end_before(text, items[0].start())
    if before and text[before - 1] not in ".!?:)":
        return
    if len({item[1] for item in items}) > 1:
        return
    for item in items:
        yield end_before(text, item.start())


def may_hold_list(text: str) -> bool:
    """Whether `text` may hold two markers of one list: cheap, and true for each that does."""
    for first, second in _FIRST_MARKERS:
        if second in text and first in text:
            return True
    return text.lstrip()[:1] in BULLETS


def enumeration(text: str, rules: SentenceRules) -> tuple[set[int], set[int]]:
    """Markers of a list run together in one line ("1. Mix 2. Bake 3. Eat").

    Returns the offsets of the markers' full stops, which end nothing, and the ends of the
    items before them.
    """
    stops: set[int] = set()
    ends: set[int] = set()
    for run in _ascending(text, rules):
        items = _items(run)
        if len(items) > 1 or run[0].style[0] == "digit":
            ends.update(end_before(text, marker.start) for marker in items)
            stops.update(marker.stop for marker in run)
    return stops, ends


def _items(run: list[_Marker]) -> list[_Marker]:
    """The markers that begin a unit of text: those after a stop, and all where the run is a list.

    A comma or a conjunction before a marker shows that the items are parts of one sentence.
    """
    if any(marker.joined for marker in run):
        return [marker for marker in run[1:] if marker.led]
    if _is_list(run):
        return run
    return [marker for marker in run if marker.led]


def _is_list(run: list[_Marker]) -> bool:
    """Whether units of text begin at the markers of `run`, even if no stop is before them."""
    kind, opening, closing = run[0].style
    if kind == "digit" and not opening and len(run) >= MIN_BARE_MARKERS:
        return True
    is_headed = run[0].led or (closing != "." and all(marker.capital for marker in run))
    return is_headed and len(run) >= (MIN_BARE_MARKERS if run[0].is_initial else 2)


def _ascending(text: str, rules: SentenceRules) -> list[list[_Marker]]:
    """The runs of two or more markers of one style that count upwards one by one.

    They begin with 1, a or i, after a bullet at the beginning of the text with anything.
    """
    open_runs: dict[tuple[str, str, str], list[_Marker]] = {}
    runs: list[list[_Marker]] = []
    for marker in _markers(text, rules):
        run = open_runs.get(marker.style)
        if run and marker.number == run[-1].number + 1 and marker.start > run[-1].end + 1:
            run.append(marker)
        elif marker.number == 1 or (marker.first and marker.bulleted):
            open_runs[marker.style] = [marker]
            runs.append(open_runs[marker.style])
    return [run for run in runs if len(run) > 1]


def _markers(text: str, rules: SentenceRules) -> Iterator[_Marker]:
    """The markers of `text`; "i." is one of letters and one of Roman numbers."""
    for match in _LIST_MARKER.finditer(text):
        follower = word_after(text, match.end())
        if match["close"] == "." and (follower[:1].islower() or _is_ordinal(text, match, rules)):
            continue
        before = end_before(text, match.start())
        last = text[max(0, before - CONTEXT_CHARS) : before].rsplit(None, 1)[-1] if before else ""
        if last.rstrip(".") in rules.before_number:
            continue
        for kind, number in _numbers(match["label"]):
            yield _Marker(
                match.start(),
                match.end() - 1 if match["close"] == "." else match.start("close"),
                match.end(),
                (kind, match["open"], match["close"]),
                number,
                not last or last[-1] in ".!?:…)",
                not last,
                last.endswith(",") or last in rules.conjunctions,
                follower[:1].isupper(),
                match[0][0] in BULLETS,
            )


def _numbers(label: str) -> Iterator[tuple[str, int]]:
    """What kind of label it may be, and its place in a list."""
    if label.isdigit():
        yield "digit", int(label)
        return
    case = "lower" if label.islower() else "upper"
    if len(label) == 1:
        yield case, ord(label.lower()) - ord("a") + 1
    if label.lower() in _ROMAN_NUMBERS:
        yield f"{case} Roman", _ROMAN_NUMBERS.index(label.lower()) + 1


def _is_ordinal(text: str, marker: re.Match[str], rules: SentenceRules) -> bool:
    if not marker["label"].isdigit():
        return False
    previous = text[max(0, marker.start() - CONTEXT_CHARS) : marker.start()].split()
    if previous and previous[-1] in rules.ordinal_leads:
        return True
    return rules.follows_ordinal(word_after(text, marker.end()))
