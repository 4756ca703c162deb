"""Texts on which a backtracking engine is slow, made from the pattern itself; and a recorder of patterns.

`python -m tests.growth` prints the patterns that our code hands to `re`, as JSON.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from pathlib import Path
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

REPOSITORY = Path(__file__).parents[1]
HOUSES = tuple(str(REPOSITORY / name) for name in ("flows", "transforms", "expectations", "src"))
CATEGORIES = {
    codes.CATEGORY_DIGIT: "1",
    codes.CATEGORY_SPACE: " ",
    codes.CATEGORY_WORD: "a",
    codes.CATEGORY_NOT_DIGIT: "x",
    codes.CATEGORY_NOT_SPACE: "x",
    codes.CATEGORY_NOT_WORD: "-",
}
ENDS = ("", "\x00", "!", "\n", "x ")
MAX_PUMPS = 14


def record_patterns() -> list[tuple[Any, int]]:
    """Every pattern and its flags that our code compiles, or hands to a function of `re`."""
    found: dict[tuple[Any, int], None] = {}
    original = re._compile  # type: ignore[attr-defined]

    def recording(pattern: Any, flags: Any) -> Any:
        frame = sys._getframe(2)
        if not isinstance(pattern, re.Pattern) and frame.f_code.co_filename.startswith(HOUSES):
            found[pattern, int(flags)] = None
        return original(pattern, flags)

    re._compile = recording  # type: ignore[attr-defined]
    import importlib
    import pkgutil

    import reinschrift

    for module in pkgutil.walk_packages(reinschrift.__path__, "reinschrift."):
        if not module.name.endswith(("orchestrate", "__main__")):
            importlib.import_module(module.name)
    from tests.conftest import clean

    with tempfile.TemporaryDirectory() as folder:
        clean(
            [REPOSITORY / "seeds"],
            Path(folder) / "out",
            mask=("email", "phone", "iban", "ip"),
            redact_ledger=True,
        )
    for language in ("de", "en", "es", "fr", "nl"):
        compile_rules(language)
    return list(found)


def compile_rules(language: str) -> None:
    """The patterns made of a language's own rules."""
    import polars as pl

    from reinschrift.transforms.sentences import split_sentences

    blocks = {
        "page": [0], "block": [0], "text": ["Dr. A. B. und die 3. Frau. Ja! (Nein.) \"So.\" z. B. 5 Uhr."],
        "start": [0], "kind": ["paragraph"], "language": [language],
    }  # fmt: skip
    numbers = dict.fromkeys(("page", "block", "start"), pl.UInt32)
    split_sentences(pl.DataFrame(blocks, schema_overrides=numbers))


def sample(node: Any) -> str:
    """A short text that a parsed pattern matches, as far as that can be told without trying."""
    return "".join(_sample(*item) for item in node)


def _sample(code: Any, value: Any) -> str:
    if code is codes.LITERAL:
        return chr(value)
    if code is codes.NOT_LITERAL:
        return "x" if chr(value) != "x" else "y"
    if code is codes.ANY:
        return "x"
    if code is codes.IN:
        return _member(value)
    if code is codes.BRANCH:
        return sample(value[1][0])
    if code is codes.SUBPATTERN:
        return sample(value[3])
    if code is codes.ATOMIC_GROUP:
        return sample(value)
    if code in (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT):
        return sample(value[2]) * min(max(value[0], 1), 3)
    return ""


def _member(items: Any) -> str:
    """One character of a class; of a negated one, a character that is not in it."""
    negated = items[0][0] is codes.NEGATE
    if not negated:
        code, value = items[0]
        if code is codes.LITERAL:
            return chr(value)
        if code is codes.RANGE:
            return chr(value[0])
        return CATEGORIES.get(value, "x")
    taken = re.compile("[" + "".join(map(_source, items[1:])) + "]")
    return next((char for char in "x <1-\"'=.é@" if not taken.match(char)), "\u4e00")


def _source(item: tuple[Any, Any]) -> str:
    code, value = item
    if code is codes.LITERAL:
        return re.escape(chr(value))
    if code is codes.RANGE:
        return f"{re.escape(chr(value[0]))}-{re.escape(chr(value[1]))}"
    names = {codes.CATEGORY_DIGIT: r"\d", codes.CATEGORY_SPACE: r"\s", codes.CATEGORY_WORD: r"\w"}
    names |= {
        codes.CATEGORY_NOT_DIGIT: r"\D",
        codes.CATEGORY_NOT_SPACE: r"\S",
        codes.CATEGORY_NOT_WORD: r"\W",
    }
    return names.get(value, "")


def pumps(node: Any, before: str = "") -> list[tuple[str, str]]:
    """What may be repeated without end: what must stand before it, and one round of it."""
    found: list[tuple[str, str]] = []
    for code, value in node:
        if code in (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT):
            _, most, inner = value
            if most > 20:
                found.append((before, sample(inner) or "x"))
                found += [(before, char) for char in _alternatives(inner)]
            found += pumps(inner, before)
        elif code is codes.SUBPATTERN:
            found += pumps(value[3], before)
        elif code is codes.ATOMIC_GROUP:
            found += pumps(value, before)
        elif code is codes.BRANCH:
            for branch in value[1]:
                found += pumps(branch, before)
        before += _sample(code, value)
    return found


def _alternatives(node: Any) -> list[str]:
    """Other characters that one round may be."""
    if len(node) == 1 and node[0][0] is codes.IN and node[0][1][0][0] is not codes.NEGATE:
        return [_member([item]) for item in node[0][1]][:6]
    return []


def adversarial_texts(compiled: re.Pattern[Any], size: int) -> list[Any]:
    """Texts of about `size` rounds, for each thing the pattern repeats, alone and after what precedes."""
    source = compiled.pattern
    tree = parser.parse(
        source, compiled.flags & ~re.UNICODE if isinstance(source, bytes) else compiled.flags
    )
    whole = sample(tree) or "x"
    rounds = list(dict.fromkeys([*pumps(tree), ("", whole), ("", whole[:1])]))[:MAX_PUMPS]
    texts = []
    for before, one in rounds:
        for text in (before + one * size, before * (1 + size // 4), (before[-1:] + one) * (size // 2)):
            texts += [text + end for end in ENDS]
    texts = list(texts)
    if isinstance(source, bytes):
        return [text.encode("latin-1", "replace") for text in texts]
    return texts


def main() -> None:
    rows = [
        (p.hex() if isinstance(p, bytes) else p, isinstance(p, bytes), flags)
        for p, flags in record_patterns()
    ]
    json.dump(rows, sys.stdout)


if __name__ == "__main__":
    main()
