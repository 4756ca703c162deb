"""Reading rule packs: TOML in, checked rules out. A rule without reasons or examples is refused.

A pack says by which hosts or marker lines it knows its site; one with neither acts on every page.
A rule says what it looks for, why, what it must remove and what it must keep; the examples are
run when the pack is loaded, so a pack that loads is a pack that works.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any, Literal, get_args

import polars as pl

from reinschrift.transforms.blocks import BULLETS
from reinschrift.transforms.errors import PackError, did_you_mean

Kind = Literal["exact", "contains", "regex", "section"]
Action = Literal["keep", "drop", "trim", "mark"]
Unit = Literal["line", "sentence"]
MARKS = ("comment",)
_TYPES = {
    "max_words": int,
    "max_blocks": int,
    "until": str,
    "unless": str,
    "alongside": str,
    "ignore_case": bool,
    "include_start": bool,
}
_KEEP_KEYS = frozenset(("site", "rule", "line"))
_ID = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_LINE = re.compile(r"line (\d+)")


@dataclass(frozen=True)
class Rule:
    """One rule of a pack. `removes` holds lines; for a trim, pairs of before and after.

    `needs` are texts of which a line must contain one before a slow regex is tried on it. A rule whose
    `unit` is the sentence drops sentences, not blocks, together with those beside them that match
    `alongside`. For a rule that keeps, `keeps` are the lines it holds, `removes` those it lets go.
    `place` is the line of the pack's file where it begins, for messages.
    """

    id: str
    kind: Kind
    patterns: tuple[str, ...]
    why: str
    removes: tuple[Any, ...]
    keeps: tuple[str, ...]
    action: Action = "drop"
    mark: str | None = None
    ignore_case: bool = False
    max_words: int | None = None
    needs: tuple[str, ...] = ()
    unless: str | None = None
    unit: Unit = "line"
    alongside: str | None = None
    until: str | None = None
    max_blocks: int | None = None
    include_start: bool = True
    place: int = field(default=1, compare=False, repr=False)


@dataclass(frozen=True)
class Keep:
    """One entry of a keep-list: a site's lines, those a rule hits, one line, or where all given hold.

    `place` is the line of the pack's file, for messages.
    """

    site: str | None = None
    rule: str | None = None
    line: str | None = None
    place: int = field(default=1, compare=False, repr=False)


@dataclass(frozen=True)
class Pack:
    """The rules of one site, or generic ones. `origin` is the file, for messages."""

    name: str
    why: str
    origin: str
    rules: tuple[Rule, ...]
    hosts: tuple[str, ...] = ()
    markers: tuple[str, ...] = ()
    min_markers: int = 1
    keep: tuple[Keep, ...] = ()
    fingerprint: str = field(default="", compare=False)

    @property
    def is_site(self) -> bool:
        """Belongs to one site, for it names hosts; a kind of software (WordPress) has markers only."""
        return bool(self.hosts)

    @property
    def is_generic(self) -> bool:
        """Acts on every page, for it names no site."""
        return not (self.hosts or self.markers)


def normal_key(text: pl.Expr) -> pl.Expr:
    """What patterns are compared with: no outer white space or bullets, inner white space single.

    Flatteners also write list items as `+ item` and `o item`.
    """
    return (
        text.str.strip_chars()
        .str.strip_chars_start(BULLETS)
        .str.strip_chars()
        .str.replace(r"^[+o]\s+", "")
        .str.replace_all(r"\s{2,}|[^\S ]", " ")  # what is a single space already is passed over
    )


def parse_pack(text: str, origin: str, *, is_proven: bool = False) -> Pack:
    """Read and check one pack. Regexes of a proven one, which come with tests, are not tried.

    Raises PackError, beginning with `origin:line`, for anything that is not a sound pack.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = _LINE.search(str(error))
        raise PackError(
            f"{origin}:{line[1] if line else 1}: not valid TOML: {error}", "fix the syntax"
        ) from error
    return _PackReader(text, origin, is_proven=is_proven).read(data)


class _PackReader:
    """Turns parsed TOML into a Pack, knowing on which line each rule begins."""

    def __init__(self, text: str, origin: str, *, is_proven: bool) -> None:
        self.origin = origin
        self.is_proven = is_proven
        self.lines = text.splitlines()
        self.rule_lines = [
            number for number, line in enumerate(self.lines, 1) if line.lstrip().startswith("[[rule]]")
        ]

    def read(self, data: dict[str, Any]) -> Pack:
        head = data.get("pack")
        if not isinstance(head, dict):
            raise self.error(1, "there is no [pack] table", "begin with [pack], name and why")
        self.check_keys(1, head, {"name", "why", "hosts", "markers", "min_markers", "keep"})
        self.check_keys(1, data, {"pack", "rule"})
        for key in ("name", "why"):
            self.check_text(1, head, key)
        if not isinstance(data.get("rule", []), list):
            raise self.error(1, "'rule' must be tables", "head each rule with [[rule]]")
        if type(head.get("min_markers", 1)) is not int:
            raise self.error(1, f"min_markers = {head['min_markers']!r}", "it must be a whole number")
        rules = tuple(
            self.rule(self.rule_line(number), raw) for number, raw in enumerate(data.get("rule", []))
        )
        self.check_ids(rules)
        return Pack(
            name=head["name"],
            why=head["why"],
            origin=self.origin,
            rules=rules,
            hosts=self.strings(1, head, "hosts"),
            markers=self.strings(1, head, "markers"),
            min_markers=head.get("min_markers", 1),
            keep=self.keep_list(head.get("keep", [])),
        )

    def keep_list(self, entries: Any) -> tuple[Keep, ...]:
        line = next(
            (n for n, text in enumerate(self.lines, 1) if text.partition("=")[0].strip() == "keep"), 1
        )
        if not isinstance(entries, list):
            raise self.error(line, "'keep' must be a list", 'write keep = [{ line = "..." }]')
        return tuple(self.keep_entry(line, entry) for entry in entries)

    def keep_entry(self, line: int, entry: Any) -> Keep:
        """One entry; a text alone is short for a line."""
        given = {"line": entry} if isinstance(entry, str) else entry
        if not isinstance(given, dict) or not given:
            raise self.error(
                line,
                f"keep holds {entry!r}",
                'write { site = "..." }, { rule = "pack/id" } or { line = "..." }',
            )
        line = self.line_of(given, line)
        self.check_keys(line, given, set(_KEEP_KEYS))
        for key in given:
            self.check_text(line, given, key)
        site = given["site"].lower().removeprefix("www.") if "site" in given else None
        return Keep(site=site, rule=given.get("rule"), line=given.get("line"), place=line)

    def line_of(self, entry: dict[str, Any], first: int) -> int:
        """Where an entry stands: the first line from `first` on that holds its texts."""
        texts = [text for text in entry.values() if isinstance(text, str)]
        places = (
            number
            for number, line in enumerate(self.lines[first - 1 :], first)
            if all(text in line for text in texts)
        )
        return next(places, first)

    def rule_line(self, number: int) -> int:
        return self.rule_lines[number] if number < len(self.rule_lines) else 1

    def error(self, line: int, what: str, remedy: str) -> PackError:
        return PackError(f"{self.origin}:{line}: {what}", remedy)

    def check_keys(self, line: int, table: dict[str, Any], known: set[str]) -> None:
        for key in table.keys() - known:
            raise self.error(line, f"unknown key {key!r}", did_you_mean(key, known))

    def check_text(self, line: int, table: dict[str, Any], key: str) -> None:
        if not isinstance(table.get(key), str) or not table[key].strip():
            raise self.error(line, f"{key!r} is missing", f'add {key} = "..."')

    def strings(self, line: int, table: dict[str, Any], key: str) -> tuple[str, ...]:
        values = table.get(key, [])
        if not isinstance(values, list) or not all(isinstance(v, str) and v for v in values):
            raise self.error(line, f"{key!r} must be a list of texts", f'write {key} = ["..."]')
        return tuple(values)

    def check_ids(self, rules: tuple[Rule, ...]) -> None:
        seen: set[str] = set()
        for number, rule in enumerate(rules):
            if rule.id in seen:
                raise self.error(
                    self.rule_line(number), f"the id {rule.id!r} is taken", "ids are ledger keys"
                )
            seen.add(rule.id)

    def rule(self, line: int, raw: dict[str, Any]) -> Rule:
        known = {*Rule.__dataclass_fields__, "pattern"} - {"place"}
        self.check_keys(line, raw, known)
        if "pattern" in raw and "patterns" in raw:
            raise self.error(line, "both 'pattern' and 'patterns'", "keep one of them")
        for key, kind in _TYPES.items():
            if key in raw and (not isinstance(raw[key], kind) or type(raw[key]) is bool is not kind):
                raise self.error(line, f"{key} = {raw[key]!r}", f"it must be a {kind.__name__}")
        for key in ("id", "kind", "why"):
            self.check_text(line, raw, key)
        if not _ID.fullmatch(raw["id"]):
            raise self.error(line, f"the id {raw['id']!r} is not kebab-case", "write it like-this")
        rule = Rule(
            **{
                **{key: raw[key] for key in raw.keys() - {"pattern", "patterns"}},
                "needs": self.strings(line, raw, "needs"),
                "patterns": self.patterns(line, raw),
                "removes": self.examples(line, raw, "removes"),
                "keeps": self.examples(line, raw, "keeps"),
                "place": line,
            }
        )
        self.check_choices(line, rule)
        self.check_patterns(line, rule)
        return rule

    def patterns(self, line: int, raw: dict[str, Any]) -> tuple[str, ...]:
        given = [raw["pattern"]] if "pattern" in raw else raw.get("patterns", [])
        if not given or not all(isinstance(p, str) and p.strip() for p in given):
            raise self.error(line, "the rule has no pattern", 'add pattern = "..."')
        return tuple(given)

    def examples(self, line: int, raw: dict[str, Any], key: str) -> tuple[Any, ...]:
        given = raw.get(key)
        if not isinstance(given, list) or not given:
            raise self.error(
                line,
                f"rule {raw['id']!r} has no {key!r}",
                f"add {key} = [...] with a line that the rule must {key.removesuffix('s')}",
            )
        examples = tuple(tuple(x) if isinstance(x, list) else x for x in given)
        pair = 2  # a line before and after a trim
        if not all(
            isinstance(x, str) or (len(x) == pair and all(isinstance(y, str) for y in x))
            for x in examples
        ):
            raise self.error(line, f"{key!r} must hold texts", "for a trim, pairs of before and after")
        return examples

    def check_choices(self, line: int, rule: Rule) -> None:
        for key, value, allowed in (
            ("kind", rule.kind, get_args(Kind)),
            ("action", rule.action, get_args(Action)),
            ("unit", rule.unit, get_args(Unit)),
            ("mark", rule.mark or MARKS[0], MARKS),
        ):
            if value not in allowed:
                raise self.error(line, f"{key} = {value!r}", f"allowed: {', '.join(allowed)}")
        if rule.action == "trim" and rule.kind != "regex":
            raise self.error(line, f"a trim of kind {rule.kind!r}", 'write kind = "regex"')
        if (rule.action == "mark") != (rule.mark is not None):
            raise self.error(
                line, "action and mark don't fit", 'write action = "mark", mark = "comment"'
            )

        self.check_guards(line, rule)

    def check_guards(self, line: int, rule: Rule) -> None:
        """Guards that go with some kinds and actions only."""
        is_sentence = rule.unit == "sentence"
        if rule.unless and rule.kind not in ("regex", "section"):
            raise self.error(line, f"'unless' on a rule of kind {rule.kind!r}", 'write kind = "regex"')
        if rule.alongside and not is_sentence:
            raise self.error(line, "'alongside' on a rule of lines", 'add unit = "sentence"')
        if is_sentence and (rule.kind, rule.action) != ("regex", "drop"):
            raise self.error(
                line, "sentences are judged by regex, and dropped", 'write kind = "regex", no action'
            )
        if is_sentence and not rule.needs:
            raise self.error(
                line, "a rule of sentences has no 'needs'", "add texts of which a line must contain one"
            )

    def check_patterns(self, line: int, rule: Rule) -> None:
        if self.is_proven or rule.kind not in ("regex", "section"):
            return
        for pattern in filter(None, (*rule.patterns, rule.until, rule.unless, rule.alongside)):
            try:
                pl.Series([""]).str.contains(pattern)
            except pl.exceptions.PolarsError as error:
                raise self.error(
                    line, f"bad regex {pattern!r}: {error}", "use Rust's dialect"
                ) from error


@cache
def builtin_packs() -> tuple[Pack, ...]:
    """The packs that come with the program, sorted by name."""
    folder = resources.files(__package__) / "rules"
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".toml")), key=lambda f: f.name)
    return tuple(
        parse_pack(f.read_text(encoding="utf-8"), f"rules/{f.name}", is_proven=True) for f in files
    )
