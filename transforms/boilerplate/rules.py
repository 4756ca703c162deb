"""Matching rule packs against blocks. Thousands of exact rules cost one join.

The order of decision, first wins: what keeps, a rule or the keep-list of a pack; rules of a site's own
pack before generic ones; drop before trim before mark; then pack name and place in the file. The ledger
names the first and lists the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from itertools import groupby
from operator import or_
from typing import TYPE_CHECKING

import polars as pl

from reinschrift.transforms.boilerplate.packs import Keep, Pack, Rule, normal_key
from reinschrift.transforms.boilerplate.sentence_cuts import cut_at_stops, judge_sentences, word_limit
from reinschrift.transforms.errors import PackError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

HITS = pl.Schema(
    {
        "page": pl.UInt32,
        "block": pl.UInt32,
        "rank": pl.UInt32,
        "rule": pl.String,
        "action": pl.String,
        "cut_start": pl.UInt32,
        "cut_end": pl.UInt32,
    }
)
_ACTION_ORDER = {"keep": 0, "drop": 1, "trim": 2, "mark": 3}
LITERALS_A_STEP = 100  # up to which Aho and Corasick's automaton is made deterministic
KEEP_LIST_RANK = 0
KEEP_LIST = "keep-list"  # stands for the rule in the name of what a keep-list holds


@dataclass(frozen=True)
class _Ranked:
    """A rule with its place in the order of decision."""

    pack: Pack
    rule: Rule
    rank: int

    @property
    def name(self) -> str:
        return f"{self.pack.name}/{self.rule.id}"


class RuleBook:
    """All packs of a run, compiled once: lookup tables for texts, expressions for regexes."""

    def __init__(self, packs: tuple[Pack, ...]) -> None:
        for number, pack in enumerate(packs):
            if pack.name in {other.name for other in packs[:number]}:
                raise PackError(
                    f"{pack.origin}:1: the name {pack.name!r} is taken", "ledger keys begin with it"
                )
        self.packs = packs
        self.ranked = tuple(_rank(packs))
        self._exact = _pattern_table(self.ranked, "exact")
        self._contains = _pattern_table(self.ranked, "contains")
        self._regexes = [r for r in self.ranked if r.rule.kind == "regex" and r.rule.unit == "line"]
        self._of_sentences = [r for r in self.ranked if r.rule.unit == "sentence"]
        self._sections = [ranked for ranked in self.ranked if ranked.rule.kind == "section"]
        self._info = _rule_table(self.ranked)
        self._check_keep_lists()

    def _check_keep_lists(self) -> None:
        """A keep-list may name rules of any pack of the run, and no others."""
        known = {ranked.name for ranked in self.ranked}
        for pack in self.packs:
            for entry in pack.keep:
                if entry.rule is not None and entry.rule not in known:
                    raise PackError(
                        f"{pack.origin}:{entry.place}: keep names no rule: {entry.rule!r}",
                        f"write pack/id; {did_you_mean(entry.rule, known)}",
                    )

    @staticmethod
    def key_lines(blocks: pl.DataFrame) -> pl.DataFrame:
        """What rules look at: `page`, `block`, `text`, and its `key`, the key `folded`, its `words`."""
        return blocks.select("page", "block", "text", key=normal_key(pl.col("text"))).with_columns(
            folded=pl.col("key").str.to_lowercase(),
            # Words of a key have single spaces between them; so counted, they cost half.
            words=pl.col("key").str.count_matches(" ", literal=True) + (pl.col("key") != ""),
        )

    def recognise(self, lines: pl.DataFrame, pages: pl.DataFrame) -> pl.DataFrame:
        """The site of each page: its host, or `pack:<name>` of the first site pack that knows it.

        In: lines (see `key_lines`), pages (`page`, `site`). Out: the pages with `site` filled in.
        """
        names = [pack.name for pack in self.packs if pack.is_site]
        known = (
            self._active(lines, pages)
            .filter(pl.col("pack").is_in(names))
            .group_by("page")
            .agg(known=pl.format("pack:{}", pl.col("pack").min()))
        )
        return (
            pages.join(known, on="page", how="left", maintain_order="left")
            .with_columns(site=pl.coalesce("site", "known"))
            .drop("known")
        )

    def find_hits(self, lines: pl.DataFrame, pages: pl.DataFrame) -> pl.DataFrame:
        """Every rule that fires, on every block.

        In: lines (see `key_lines`), pages (`page`, `site`). Out: HITS, one row a (block, rule), in the
        order of decision within a block.
        """
        active = self._active(lines, pages)
        found = [
            self._exact_hits(lines),
            self._contains_hits(lines),
            self._regex_hits(lines, active),
            self._section_hits(lines, active),
        ]
        hits = (
            pl.concat(found)
            .join(self._info, on="rank")
            .join(active, on=["page", "pack"], how="semi")
            .filter(pl.col("words") <= pl.col("max_words"))
            .unique(["page", "block", "rank"], keep="any")
        )
        cut = self._with_cuts(hits, lines)
        every = pl.concat([cut.select(HITS.names()), *self._sentence_hits(lines, active)])
        kept = self._kept_lines(every, lines, pages, active)
        return pl.concat([every, *kept]).sort("page", "block", "rank", maintain_order=True)

    def _sentence_hits(self, lines: pl.DataFrame, active: pl.DataFrame) -> list[pl.DataFrame]:
        """HITS of the rules that judge sentences: the whole block, or cuts off its ends."""
        found: list[pl.DataFrame] = []
        if not self._of_sentences:
            return found
        needs = {need.lower() for ranked in self._of_sentences for need in ranked.rule.needs}
        candidates = lines.filter(_holds_any("folded", needs))
        sentences = cut_at_stops(candidates["text"].unique())
        for ranked in self._of_sentences:
            matched = sentences.filter(_may_match(ranked.rule)).filter(_matches(ranked.rule))
            if matched.height:
                verdicts = judge_sentences(sentences, matched, ranked.rule)
                mine = candidates.join(active.filter(pack=ranked.pack.name), on="page", how="semi")
                hits = mine.join(verdicts, on="text").with_columns(
                    rank=pl.lit(ranked.rank, dtype=pl.UInt32), rule=pl.lit(ranked.name)
                )
                found.append(hits.select(HITS.names()).cast(HITS))
        return found

    def _kept_lines(
        self, hits: pl.DataFrame, lines: pl.DataFrame, pages: pl.DataFrame, active: pl.DataFrame
    ) -> list[pl.DataFrame]:
        """HITS of the keep-lists, before all rules, one frame an entry."""
        found = []
        for pack in self.packs:
            on_pages = active.filter(pack=pack.name)
            for entry in pack.keep:
                mine = lines.join(on_pages, on="page", how="semi")
                held = _held_by(entry, mine, hits, pages).select("page", "block").with_columns(*_NO_CUT)
                named = held.with_columns(
                    rank=pl.lit(KEEP_LIST_RANK, dtype=pl.UInt32),
                    rule=pl.lit(f"{pack.name}/{KEEP_LIST}"),
                    action=pl.lit("keep"),
                )
                found.append(named.select(HITS.names()))
        return found

    def _active(self, lines: pl.DataFrame, pages: pl.DataFrame) -> pl.DataFrame:
        """Which packs act on which page: `page`, `pack`."""
        everywhere = [pack.name for pack in self.packs if pack.is_generic]
        parts = [pages.select("page").join(pl.DataFrame({"pack": everywhere}), how="cross")]
        markers = sorted({marker for pack in self.packs for marker in pack.markers})
        marked = lines.filter(_holds_any("key", markers)) if markers else lines.clear()
        for pack in self.packs:
            if pack.is_generic:
                continue
            parts += [_pages_of_hosts(pages, pack), _pages_with_markers(marked, pack)]
        return pl.concat(
            [
                part.select(pl.col("page").cast(pl.UInt32), pl.col("pack").cast(pl.String))
                for part in parts
            ]
        ).unique()

    def _exact_hits(self, lines: pl.DataFrame) -> pl.DataFrame:
        found = []
        for column, table in self._exact.items():
            found.append(lines.join(table, left_on=column, right_on="pattern").select(_FOUND))
        return pl.concat(found)

    def _contains_hits(self, lines: pl.DataFrame) -> pl.DataFrame:
        found = []
        for column, table in self._contains.items():
            if table.is_empty():
                continue
            patterns = table["pattern"].unique(maintain_order=True).to_list()
            found.append(
                lines.filter(pl.col(column).str.contains_any(patterns))
                .with_columns(pattern=pl.col(column).str.extract_many(patterns, overlapping=True))
                .explode("pattern", empty_as_null=True)
                .join(table, on="pattern")
                .select(_FOUND)
            )
        return pl.concat(found) if found else pl.DataFrame(schema=_FOUND_SCHEMA)

    def _regex_hits(self, lines: pl.DataFrame, active: pl.DataFrame) -> pl.DataFrame:
        """Each rule is tried on the different lines of the pages its pack acts on, once a line."""
        generic = [ranked for ranked in self._regexes if ranked.pack.is_generic]
        found = _try_regexes(lines, generic)
        of_sites = [ranked for ranked in self._regexes if not ranked.pack.is_generic]
        for pack, members in groupby(of_sites, key=lambda ranked: ranked.pack.name):
            mine = lines.join(active.filter(pack=pack), on="page", how="semi")
            found += _try_regexes(mine, list(members))
        return pl.concat(found) if found else pl.DataFrame(schema=_FOUND_SCHEMA)

    def _section_hits(self, lines: pl.DataFrame, active: pl.DataFrame) -> pl.DataFrame:
        parts = [_section_of(lines, active, ranked) for ranked in self._sections]
        return pl.concat(parts) if parts else pl.DataFrame(schema=_FOUND_SCHEMA)

    def _with_cuts(self, hits: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
        """For trims, the span to cut, in code points of the block's text; null for the rest."""
        cuts = [hits.filter(pl.col("action") != "trim").with_columns(_NO_CUT)]
        for ranked in self.ranked:
            if ranked.rule.action == "trim":
                mine = hits.filter(rank=ranked.rank)
                if mine.height:
                    cuts.append(_find_cuts(mine, lines, ranked.rule))
        return pl.concat(cuts, how="diagonal_relaxed")


_FOUND_SCHEMA = {"page": pl.UInt32, "block": pl.UInt32, "words": pl.UInt32, "rank": pl.UInt32}
_FOUND = tuple(_FOUND_SCHEMA)
_NO_CUT = (
    pl.lit(None, dtype=pl.UInt32).alias("cut_start"),
    pl.lit(None, dtype=pl.UInt32).alias("cut_end"),
)


def _rank(packs: tuple[Pack, ...]) -> list[_Ranked]:
    pairs = [
        (
            rule.action != "keep",
            pack.is_generic,
            _ACTION_ORDER[rule.action],
            pack.name,
            place,
            pack,
            rule,
        )
        for pack in packs
        for place, rule in enumerate(pack.rules)
    ]
    pairs.sort(key=lambda pair: pair[:5])
    return [_Ranked(pack, rule, rank) for rank, (*_, pack, rule) in enumerate(pairs, KEEP_LIST_RANK + 1)]


def _rule_table(ranked: tuple[_Ranked, ...]) -> pl.DataFrame:
    rows = [(r.rank, r.name, r.pack.name, r.rule.action, word_limit(r.rule)) for r in ranked]
    schema = {
        "rank": pl.UInt32,
        "rule": pl.String,
        "pack": pl.String,
        "action": pl.String,
        "max_words": pl.UInt32,
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


def _pattern_table(ranked: tuple[_Ranked, ...], kind: str) -> dict[str, pl.DataFrame]:
    """`pattern`, `rank` for the column each pattern is compared with: key, or folded."""
    tables = {}
    for column, folded in (("key", False), ("folded", True)):
        rows = [
            (pattern.lower() if folded else pattern, r.rank)
            for r in ranked
            if r.rule.kind == kind and r.rule.ignore_case == folded
            for pattern in r.rule.patterns
        ]
        schema = {"pattern": pl.String, "rank": pl.UInt32}
        tables[column] = pl.DataFrame(rows, schema=schema, orient="row")
    return tables


def _matches(rule: Rule) -> pl.Expr:
    flag = "(?i)" if rule.ignore_case else ""
    matches = pl.col("key").str.contains(flag + "|".join(f"(?:{p})" for p in rule.patterns))
    return matches & ~pl.col("key").str.contains(flag + rule.unless) if rule.unless else matches


def _held_by(entry: Keep, lines: pl.DataFrame, hits: pl.DataFrame, pages: pl.DataFrame) -> pl.DataFrame:
    """The lines for which all holds that an entry of a keep-list gives."""
    if entry.site is not None:
        lines = lines.join(pages.filter(_is_on_host(entry.site)), on="page", how="semi")
    if entry.line is not None:
        key = pl.select(normal_key(pl.lit(entry.line))).item()
        lines = lines.filter(pl.col("key") == key)
    if entry.rule is not None:
        lines = lines.join(hits.filter(rule=entry.rule), on=["page", "block"], how="semi")
    return lines


def _try_regexes(lines: pl.DataFrame, rules: list[_Ranked]) -> list[pl.DataFrame]:
    """The hits of some rules, a frame each."""
    if lines.is_empty() or not rules:
        return []
    keys = lines.select("key", "folded", "words").unique("key")
    # One look for the needs of all rules leaves few lines in which to look for those of each.
    needed = keys.filter(_holds_needs([ranked.rule for ranked in rules]))
    hits = [
        # Two eager filters: a lazy plan would make one of them and try the regex on every line.
        (needed if ranked.rule.needs else keys)
        .filter(_may_match(ranked.rule))
        .filter(_matches(ranked.rule))
        .select("key", rank=pl.lit(ranked.rank, dtype=pl.UInt32))
        for ranked in rules
    ]
    return [lines.join(pl.concat(hits), on="key").select(_FOUND)]


def _may_match(rule: Rule) -> pl.Expr:
    """What is cheap to ask before a regex is tried."""
    cheap = pl.col("words") <= word_limit(rule)
    return cheap & _holds_needs([rule]) if rule.needs else cheap


def _holds_needs(rules: Sequence[Rule]) -> pl.Expr:
    """Whether a line contains a text that one of the rules needs."""
    folded = {need.lower() for rule in rules if rule.ignore_case for need in rule.needs}
    as_written = {need for rule in rules if not rule.ignore_case for need in rule.needs}
    return _holds_any("folded", folded) | _holds_any("key", as_written)


def _holds_any(column: str, literals: Collection[str]) -> pl.Expr:
    """Whether a column holds one of the literals; looked for together, very many take thrice as long."""
    ordered = sorted(literals)
    steps = range(0, len(ordered), LITERALS_A_STEP)
    parts = [ordered[start : start + LITERALS_A_STEP] for start in steps]
    found = [pl.col(column).str.contains_any(part) for part in parts]
    return reduce(or_, found, pl.lit(value=False))


def _pages_of_hosts(pages: pl.DataFrame, pack: Pack) -> pl.DataFrame:
    mine = [_is_on_host(host) for host in pack.hosts]
    return pages.filter(reduce(or_, mine, pl.lit(value=False))).select("page", pack=pl.lit(pack.name))


def _is_on_host(host: str) -> pl.Expr:
    return (pl.col("site") == host) | pl.col("site").str.ends_with("." + host)


def _pages_with_markers(lines: pl.DataFrame, pack: Pack) -> pl.DataFrame:
    """Pages on which enough different markers of the pack occur as part of a line."""
    if not pack.markers:
        return pl.DataFrame(schema={"page": pl.UInt32, "pack": pl.String})
    markers = list(pack.markers)
    return (
        lines.filter(pl.col("key").str.contains_any(markers))
        .select("page", marker=pl.col("key").str.extract_many(markers, overlapping=True))
        .explode("marker", empty_as_null=True)
        .group_by("page")
        .agg(pl.col("marker").n_unique())
        .filter(pl.col("marker") >= pack.min_markers)
        .select("page", pack=pl.lit(pack.name))
    )


def _section_of(lines: pl.DataFrame, active: pl.DataFrame, ranked: _Ranked) -> pl.DataFrame:
    """Blocks from a line that opens the section to the one that closes it, or to the page's end."""
    rule = ranked.rule
    opening = (
        lines.filter(_matches(rule))
        .select("page")
        .unique()
        .join(active.filter(pack=ranked.pack.name), on="page", how="semi")
    )
    if opening.is_empty():
        return pl.DataFrame(schema=_FOUND_SCHEMA)
    until = pl.lit(value=False)
    if rule.until:
        until = pl.col("key").str.contains(("(?i)" if rule.ignore_case else "") + rule.until)
    opens = _matches(rule)
    state = pl.when(opens).then(pl.col("block")).when(until).then(pl.lit(-1)).otherwise(None)
    inside = (
        lines.join(opening, on="page", how="semi", maintain_order="left")
        .with_columns(opened=state.cast(pl.Int64).forward_fill().over("page"))
        .filter(pl.col("opened") >= 0)
        .with_columns(depth=pl.col("block") - pl.col("opened"))
    )
    if not rule.include_start:
        inside = inside.filter(pl.col("depth") > 0)
    if rule.max_blocks is not None:
        inside = inside.filter(pl.col("depth") < rule.max_blocks + (not rule.include_start))
    return inside.with_columns(rank=pl.lit(ranked.rank, dtype=pl.UInt32)).select(_FOUND)


def _find_cuts(hits: pl.DataFrame, lines: pl.DataFrame, rule: Rule) -> pl.DataFrame:
    """Where a trim cuts, in code points of the block's text.

    The cut is the group `cut` of the pattern, or all it matches. It must touch an end of the block:
    a hole in the middle would leave two pieces, which no single offset describes, so it cuts nothing.
    """
    text = pl.col("text").str.strip_chars_end()
    cut = pl.coalesce(_cut_of(text, pattern, rule) for pattern in rule.patterns)
    located = (
        hits.join(lines.select("page", "block", "text"), on=["page", "block"], how="left")
        .with_columns(cut=cut, text=text)
        .filter(pl.col("cut").str.len_chars() > 0)
        .with_columns(
            size=pl.col("text").str.len_chars(),
            indent=pl.col("text").str.len_chars()
            - pl.col("text").str.strip_chars_start().str.len_chars(),
            width=pl.col("cut").str.len_chars(),
        )
    )
    at_end = pl.col("text").str.ends_with(pl.col("cut"))
    at_start = pl.col("text").str.strip_chars_start().str.starts_with(pl.col("cut"))
    return (
        located.filter((at_end | at_start) & (pl.col("width") + pl.col("indent") < pl.col("size")))
        .with_columns(
            cut_start=pl.when(at_end).then(pl.col("size") - pl.col("width")).otherwise(0),
            cut_end=pl.when(at_end).then(pl.col("size")).otherwise(pl.col("indent") + pl.col("width")),
        )
        .drop("text", "cut", "size", "indent", "width")
        .cast({"cut_start": pl.UInt32, "cut_end": pl.UInt32})
    )


def _cut_of(text: pl.Expr, pattern: str, rule: Rule) -> pl.Expr:
    flagged = ("(?i)" if rule.ignore_case else "") + pattern
    if "?P<cut>" in pattern or "?<cut>" in pattern:
        return text.str.extract_groups(flagged).struct.field("cut")
    return text.str.extract(flagged, 0)


# ---------------------------------------------------------------- checking packs by their examples


def check_examples(pack: Pack) -> list[str]:
    """Run every rule's own examples. Out: one message a failure; empty when the pack is sound."""
    return [problem for rule in pack.rules for problem in _failures(pack, rule)]


def _failures(pack: Pack, rule: Rule) -> list[str]:
    alone = Pack(name=pack.name, why=pack.why, origin=pack.origin, rules=(rule,))
    book = RuleBook((alone,))
    where = f"{pack.origin}:{rule.place}: rule {rule.id!r}"
    if rule.action == "keep":
        return _keep_failures(book, where, rule)
    pairs = [example if isinstance(example, tuple) else (example, None) for example in rule.removes]
    broken = [
        f"{where} does not remove {before!r} as it says"
        for before, after in pairs
        if _apply(book, before) != after
    ]
    return broken + [
        f"{where} does not keep {kept!r}" for kept in rule.keeps if _apply(book, kept) != kept
    ]


def _keep_failures(book: RuleBook, where: str, rule: Rule) -> list[str]:
    """A rule that keeps must hold each line of `keeps`, and none of `removes`."""
    loose = [line for line in rule.keeps if _hits_on(book, line).is_empty()]
    held = [line for line in rule.removes if _hits_on(book, line).height]
    return [f"{where} does not keep {line!r}" for line in loose] + [
        f"{where} keeps {line!r}, which others may remove" for line in held
    ]


def _apply(book: RuleBook, line: str) -> str | None:
    """What a rule leaves of one line: the line, a part of it, or nothing."""
    hits = _hits_on(book, line)
    if hits.is_empty():
        return line
    cuts = hits.filter(pl.col("action") == "trim").select("cut_start", "cut_end").rows()
    if not cuts:
        return None
    first = max((end for start, end in cuts if start == 0), default=0)
    last = min((start for start, _ in cuts if start > 0), default=len(line))
    return line[first:last].strip()


def _hits_on(book: RuleBook, line: str) -> pl.DataFrame:
    """HITS on one line of a page of its own."""
    blocks = pl.DataFrame(
        {"page": [0], "block": [0], "text": [line]},
        schema={"page": pl.UInt32, "block": pl.UInt32, "text": pl.String},
    )
    pages = pl.DataFrame({"page": [0], "site": [None]}, schema={"page": pl.UInt32, "site": pl.String})
    return book.find_hits(book.key_lines(blocks), pages)
