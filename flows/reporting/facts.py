"""What a report shows, gathered from a version, the one before it, and the history of figures."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import polars as pl

from reinschrift.expectations.verdict import ERROR
from reinschrift.flows.store.history import read_history
from reinschrift.flows.store.tables import read_table
from reinschrift.transforms.contracts import DOCUMENTS, LEDGER, METRICS, QUARANTINE, SENTENCES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from reinschrift.expectations.report import Result
    from reinschrift.flows.store.local import Corpus

LINES_A_RULE = 10
MAX_RULES = 60
MAX_ROWS = 20
MAX_CLUSTERS = 8
MAX_TRENDS = 8  # a group
MAX_VERSIONS = 60
MAX_CHARS = 220
CLUSTER_CHARS = 600
BINS = 20
NO_SITE = "no site"
_PLACE = ("document_id", "block", "sentence")
# A page as a person names it: its file, and its address or id within the file; `explain` takes both.
_PAGE = pl.coalesce(pl.format("{} ({})", "source", pl.coalesce("url", "record_id")), "source").alias(
    "source"
)


@dataclass(frozen=True)
class Example:
    """A line a rule took, with what stands before and after it in the text that was kept."""

    source: str
    before: str
    after: str | None
    above: str
    below: str
    probability: float | None


@dataclass(frozen=True)
class Rule:
    """What a rule did: counts now and in the version before (None: no version before), and lines."""

    step: str
    name: str
    dropped: int
    edited: int
    chars: int
    dropped_before: int | None
    examples: list[Example] = field(default_factory=list)


@dataclass(frozen=True)
class Cluster:
    """Two pages that share most of their words: dropped and kept, marked where they part."""

    similarity: float | None
    dropped: str
    kept: str
    dropped_text: list[tuple[str, bool]]
    kept_text: list[tuple[str, bool]]


@dataclass(frozen=True)
class Trend:
    """A figure over the versions, oldest first, the last of them this one."""

    group: str
    name: str
    values: list[float]  # shares, or whole numbers


@dataclass(frozen=True)
class Facts:
    """All that a report shows; each list is cut to what a person reads."""

    result: Result
    history: list[dict[str, Any]]
    trends: list[Trend]
    funnel: list[dict[str, Any]]
    rules: list[Rule]
    more_rules: int
    sites: list[dict[str, Any]]
    languages: list[tuple[str, int, int | None]]
    doubtful_drops: list[dict[str, Any]]
    doubtful_keeps: list[dict[str, Any]]
    worst_pages: list[dict[str, Any]]
    clusters: list[Cluster]
    distributions: list[dict[str, Any]]
    signals: list[tuple[str, float | None, float | None]]
    quarantine: list[dict[str, Any]]
    gate: list[dict[str, Any]]


def gather_facts(folder: Path, corpus: Corpus, result: Result) -> Facts:
    """Facts of the tables below `folder`: a version, or the one in the making that was refused."""
    history = [entry for entry in read_history(corpus).values() if entry.version != folder.name]
    before = history[-1].figures if history else None
    figures = dict(result.verdict.figures)
    metrics = read_table(folder, METRICS).collect()
    rules = metrics.filter(pl.col("rule").is_not_null())
    shown = rules.sort("units_dropped", "units_edited", "rule", descending=[True, True, False])
    examples = _examples(folder, shown.head(MAX_RULES))
    return Facts(
        result,
        [*map(_over_time, history[-MAX_VERSIONS:]), _point("now", figures)],
        list(_trends([*(entry.figures for entry in history[-MAX_VERSIONS:]), figures])),
        metrics.filter(pl.col("rule").is_null()).to_dicts(),
        [_rule(row, before, examples) for row in shown.head(MAX_RULES).iter_rows(named=True)],
        max(0, rules.height - MAX_RULES),
        _sites(figures, before),
        _languages(figures, before),
        _doubtful_drops(folder),
        _doubtful_keeps(folder),
        _worst_pages(folder),
        list(_clusters(folder)),
        _distributions(folder, _folder_before(folder, corpus)),
        _signals(figures, before),
        _cut_all(read_table(folder, QUARANTINE).head(MAX_ROWS).collect().to_dicts()),
        _gate(result),
    )


def _folder_before(folder: Path, corpus: Corpus) -> Path | None:
    earlier = [name for name in corpus.versions() if name != folder.name]
    return corpus.versions_folder / earlier[-1] if earlier else None


def _over_time(entry: Any) -> dict[str, Any]:
    return _point(entry.date[:16].replace("T", " "), entry.figures)


def _point(name: str, figures: dict[str, Any]) -> dict[str, Any]:
    read, kept = figures.get("chars_read", 0), figures.get("chars", 0)
    return {
        "name": name,
        "documents": figures.get("documents", 0),
        "characters kept": kept,
        "share removed": 1 - kept / read if read else 0.0,
        "in quarantine": figures.get("quarantine", 0),
    }


def _trends(versions: list[dict[str, Any]]) -> Iterator[Trend]:
    """What is removed by step, rule and site, and the languages; of each the largest of today."""
    now = versions[-1]
    groups: tuple[tuple[str, str, Callable[[Any, dict[str, Any]], float]], ...] = (
        ("share of characters removed, by step", "steps", _share_of_step),
        ("hits for 1,000 pages, by rule", "rules", _hits_of_rule),
        ("share of characters removed, by site", "sites", _share_of_site),
        ("share of documents, by language", "languages", _share_of_language),
    )
    for group, key, measure in groups:
        of = {name: measure(value, now) for name, value in now.get(key, {}).items()}
        largest = sorted((name for name in of if of[name]), key=lambda name: (-of[name], name))
        for name in largest[:MAX_TRENDS]:
            values = [measure(version.get(key, {}).get(name), version) for version in versions]
            yield Trend(group, name, values)


def _share_of_step(counts: dict[str, int] | None, version: dict[str, Any]) -> float:
    return float(counts["chars_dropped"] / max(1, version.get("chars_read", 0))) if counts else 0.0


def _hits_of_rule(hits: int | None, version: dict[str, Any]) -> float:
    return round(1000 * (hits or 0) / max(1, int(version.get("pages", 0))))


def _share_of_site(counts: list[int] | None, _version: dict[str, Any]) -> float:
    return float(1 - counts[1] / counts[2]) if counts and counts[2] else 0.0


def _share_of_language(documents: int | None, version: dict[str, Any]) -> float:
    return float((documents or 0) / max(1, version.get("documents", 0)))


def _rule(row: dict[str, Any], before: dict[str, Any] | None, examples: dict[Any, Any]) -> Rule:
    name = f"{row['step']}/{row['rule']}"
    return Rule(
        row["step"],
        row["rule"],
        row["units_dropped"],
        row["units_edited"],
        row["chars_dropped"],
        None if before is None else before.get("rules", {}).get(name, 0),
        examples.get((row["step"], row["rule"]), []),
    )


# ---------------------------------------------------------------- lines of rules


def _examples(folder: Path, rules: pl.DataFrame) -> dict[tuple[str, str], list[Example]]:
    """Some lines of each rule, always the same of a corpus, with their kept neighbours."""
    ledger = read_table(folder, LEDGER).filter(pl.col("action") != "note")
    wanted = rules.select("step", "rule").lazy()
    turn = pl.struct("document_id", "block", "sentence", "rule").hash(1)
    # Only numbers are sorted; texts are read of those chosen.
    chosen = (
        ledger.select("step", "rule", turn=turn)
        .join(wanted, on=["step", "rule"], how="semi")
        .group_by("step", "rule")
        .agg(pl.col("turn").bottom_k(LINES_A_RULE))
        .explode("turn", empty_as_null=False, keep_nulls=False)
        .collect()
    )
    columns = [*_PLACE, "step", "rule", _PAGE, "before", "after", "probability"]
    lines = (
        ledger.with_columns(turn=turn)
        .join(chosen.lazy(), on=["step", "rule", "turn"], how="semi")
        .sort("turn")
        .select(columns)
        .collect()
    )
    around = _kept_around(folder, lines)
    found: dict[tuple[str, str], list[Example]] = {}
    for row in lines.iter_rows(named=True):
        above, below = around(row["document_id"], row["block"])
        example = Example(
            row["source"], _cut(row["before"]), row["after"] and _cut(row["after"]), above, below,
            row["probability"],
        )  # fmt: skip
        found.setdefault((row["step"], row["rule"]), []).append(example)
    return found


def _kept_around(folder: Path, lines: pl.DataFrame) -> Any:
    """A function that gives the kept text before and after a block of one of these pages."""
    pages = lines.select("document_id").unique().lazy()
    kept = read_table(folder, SENTENCES).join(pages, on="document_id", how="semi")
    blocks: dict[str, list[tuple[int, str]]] = {}
    for document, block, text in kept.select("document_id", "block", "text").collect().iter_rows():
        blocks.setdefault(document, []).append((block, text))

    def around(document: str, block: int | None) -> tuple[str, str]:
        mine = blocks.get(document, [])
        if block is None:
            return "", ""
        above = [text for number, text in mine if number < block]
        below = [text for number, text in mine if number > block]
        return _cut(above[-1]) if above else "", _cut(below[0]) if below else ""

    return around


def _doubtful_drops(folder: Path) -> list[dict[str, Any]]:
    rows = (
        read_table(folder, LEDGER)
        .filter(pl.col("probability").is_not_null() & (pl.col("action") == "drop"))
        .sort("probability", *_PLACE, descending=[True, False, False, False])
        .select(_PAGE, "role", "probability", "before")
        .head(MAX_ROWS)
        .collect()
    )
    return _cut_all(rows.to_dicts())


def _doubtful_keeps(folder: Path) -> list[dict[str, Any]]:
    rows = (
        read_table(folder, SENTENCES)
        .filter(pl.col("probability").is_not_null())
        .sort("probability", *_PLACE)
        .select("document_id", "role", "probability", "text")
        .head(MAX_ROWS)
    )
    sources = read_table(folder, DOCUMENTS).select("id", _PAGE)
    found = rows.join(sources, left_on="document_id", right_on="id", how="left", maintain_order="left")
    return _cut_all(found.collect().to_dicts())


def _worst_pages(folder: Path) -> list[dict[str, Any]]:
    rows = (
        read_table(folder, DOCUMENTS)
        .filter(pl.col("confidence").is_not_null())
        .sort("confidence", "id")
        .select(_PAGE, "page_type", "confidence", "n_chars", "n_chars_read", "text")
        .head(MAX_ROWS)
        .collect()
    )
    return _cut_all(rows.to_dicts())


# ---------------------------------------------------------------- near duplicates


def _clusters(folder: Path) -> Iterator[Cluster]:
    gone = (
        read_table(folder, LEDGER)
        .filter((pl.col("step") == "repeats") & pl.col("block").is_null())
        .sort("similarity", "document_id", nulls_last=True)
        .select(_PAGE, "before", "kept_at", "similarity")
        .head(MAX_CLUSTERS)
        .collect()
    )
    ids = pl.DataFrame({"id": gone["kept_at"].unique()}).lazy()
    kept = read_table(folder, DOCUMENTS).join(ids, on="id", how="semi").select("id", _PAGE, "text")
    texts = {row[0]: row[1:] for row in kept.collect().iter_rows()}
    for row in gone.iter_rows(named=True):
        source, text = texts.get(row["kept_at"], ("", ""))
        mine, other = _differences(row["before"], text)
        yield Cluster(row["similarity"], row["source"], source, mine, other)


def _differences(one: str, other: str) -> tuple[list[tuple[str, bool]], list[tuple[str, bool]]]:
    """Runs of words of both texts, and whether they are in one of them alone."""
    left, right = one[:CLUSTER_CHARS].split(), other[:CLUSTER_CHARS].split()
    mine, theirs = [], []
    for kind, i, j, k, m in difflib.SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        mine.append((" ".join(left[i:j]), kind != "equal"))
        theirs.append((" ".join(right[k:m]), kind != "equal"))
    return mine, theirs


# ---------------------------------------------------------------- shares and distributions


def _sites(figures: dict[str, Any], before: dict[str, Any] | None) -> list[dict[str, Any]]:
    """The largest sites: documents, share removed, and the share removed in the version before."""
    then = (before or {}).get("sites", {})
    rows = []
    for site, (documents, chars, read) in figures.get("sites", {}).items():
        past = then.get(site)
        rows.append(
            {
                "site": site or NO_SITE,
                "documents": documents,
                "removed": 1 - chars / read if read else 0.0,
                "removed_before": 1 - past[1] / past[2] if past and past[2] else None,
            }
        )
    return sorted(rows, key=lambda row: (-row["documents"], row["site"]))[:MAX_ROWS]


def _languages(
    figures: dict[str, Any], before: dict[str, Any] | None
) -> list[tuple[str, int, int | None]]:
    now = figures.get("languages", {})
    then = None if before is None else before.get("languages", {})
    names = sorted({*now, *(then or {})}, key=lambda name: (-now.get(name, 0), name))
    return [(n, now.get(n, 0), None if then is None else then.get(n, 0)) for n in names[:MAX_ROWS]]


def _signals(
    figures: dict[str, Any], before: dict[str, Any] | None
) -> list[tuple[str, float | None, float | None]]:
    def mean(of: dict[str, Any] | None, name: str) -> float | None:
        count = (of or {}).get("signals_present", {}).get(name, 0)
        return of["signals"][name] / 1e6 / count if of and count else None

    return [(name, mean(figures, name), mean(before, name)) for name in figures.get("signals", {})]


def _distributions(folder: Path, before: Path | None) -> list[dict[str, Any]]:
    """Histograms of documents, this version and the one before on the same bins."""
    measures = {
        "words of a document": (pl.col("n_words").cast(pl.Float64) + 1).log10(),
        "share of a page that was kept": pl.col("n_chars") / pl.col("n_chars_read"),
        "confidence": pl.col("confidence").cast(pl.Float64),
    }
    found = []
    for name, value in measures.items():
        limit = 6.0 if name.startswith("words") else 1.0
        now, then = _histogram(folder, value, limit), before and _histogram(before, value, limit)
        labels = ("1", "1,000", "1 million") if limit == 6.0 else ("0", "½", "1")
        found.append({"name": name, "now": now, "before": then, "labels": labels})
    return found


def _histogram(folder: Path, value: pl.Expr, limit: float) -> list[float]:
    """Shares of the documents in each of BINS bins from 0 to `limit`."""
    bin_ = (value / limit * BINS).floor().clip(0, BINS - 1).cast(pl.Int32)
    documents = read_table(folder, DOCUMENTS)
    counts = dict(documents.group_by(bin_.alias("bin")).len().collect().iter_rows())
    total = sum(count for number, count in counts.items() if number is not None)
    return [counts.get(number, 0) / total if total else 0.0 for number in range(BINS)]


# ---------------------------------------------------------------- the gate


def _gate(result: Result) -> list[dict[str, Any]]:
    """Every finding, those that failed first."""
    rows = [
        {
            "name": one.name,
            "what": one.what,
            "state": "passed" if one.success else "failed" if one.severity == ERROR else "warned",
            "found": one.error or one.found,
            "allowed": one.allowed,
            "remedy": "" if one.success else one.remedy,
            "rows": [] if one.success else [_in_words(row) for row in one.rows],
        }
        for one in result.findings
    ]
    order = {"failed": 0, "warned": 1, "passed": 2}
    return sorted(rows, key=lambda row: order[row["state"]])


def _in_words(row: dict[str, Any]) -> str:
    """A row that breaks an expectation: what has a value, the page first."""
    page = {name: row[name] for name in ("id", "document_id", "source") if row.get(name)}
    rest = {name: value for name, value in row.items() if value not in (None, "", [])}
    return "; ".join(f"{name}: {_cut(str(value))}" for name, value in {**page, **rest}.items())


def _cut(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= MAX_CHARS else plain[: MAX_CHARS - 1] + "…"


def _cut_all(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {name: _cut(value) if isinstance(value, str) else value for name, value in row.items()}
        for row in rows
    ]
