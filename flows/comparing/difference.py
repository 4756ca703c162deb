"""What came, went and changed between two corpora, by rule, site and language."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from reinschrift.expectations.seal import read_manifest
from reinschrift.flows.aside import run_aside
from reinschrift.flows.store.tables import read_table
from reinschrift.transforms.contracts import DOCUMENTS, LEDGER, METRICS, SENTENCES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reinschrift.flows.config import Settings

EXAMPLES = 5
NO_SITE = "no site"
# What may become of a line that stands in both corpora, or in one of them.
NOW_DROPPED, NOW_KEPT, OTHER_RULE = "now dropped", "now kept", "dropped by another rule"
NO_LONGER_READ, NEWLY_READ = "dropped, no longer read", "dropped, newly read"
# That which matters most first.
CHANGES = (
    NOW_DROPPED,
    NOW_KEPT,
    OTHER_RULE,
    NEWLY_READ,
    NO_LONGER_READ,
)
_PLACE = ("document_id", "block", "sentence")


@dataclass(frozen=True)
class LineChange:
    """Lines that changed in one way under one rule; `examples`: source and text of a few."""

    change: str
    rule: str
    lines: int
    chars: int
    examples: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Difference:
    """Two corpora, `before` and `after`.

    `totals`: name -> figure before and after. `documents`: came, went, changed, same. `changed`: sources
    of some documents that came, went or changed. `lines`: those of the text first. `sites` and
    `languages`: the lines now dropped and now kept of each. `settings`: those that are other, before
    and after.
    """

    before: str
    after: str
    totals: dict[str, tuple[int, int]]
    documents: dict[str, int]
    changed: dict[str, list[str]]
    lines: list[LineChange]
    sites: list[dict[str, Any]]
    languages: list[dict[str, Any]]
    settings: dict[str, tuple[Any, Any]]
    is_same_code: bool

    @property
    def is_empty(self) -> bool:
        """Whether the corpora hold the same documents and the same ledger of drops."""
        came_and_went = [count for status, count in self.documents.items() if status != "same"]
        return not any(came_and_went) and not self.lines


def compare_corpora(before: Path, after: Path) -> Difference:
    """Compare two folders of tables, as `resolve_corpus` gives them."""
    documents = _compare_documents(before, after)
    lines = _compare_lines(before, after)
    settings, is_same_code = _compare_manifests(before, after)
    status = dict(documents.group_by("status").len().iter_rows())
    return Difference(
        before.name,
        after.name,
        _totals(before, after),
        {name: status.get(name, 0) for name in ("came", "went", "changed", "same")},
        {
            name: documents.filter(status=name)["source"].head(EXAMPLES).to_list()
            for name in ("came", "went", "changed")
        },
        _by_rule(lines),
        _tally(lines, "site"),
        _tally(lines, "language"),
        settings,
        is_same_code,
    )


def compare_settings(before: Settings, after: Settings, inputs: Sequence[str]) -> Difference:
    """Clean a sample under two settings in a folder of its own, unjudged, and compare what comes of it.

    Raises ReinschriftError for what the user can fix.
    """
    with tempfile.TemporaryDirectory(prefix="reinschrift-") as name:
        made = []
        for side, settings in (("before", before), ("after", after)):
            out = Path(name) / side
            aside = {"out": out, "publish": None, "replay_pages": 0}
            run_aside(inputs, settings.model_copy(update=aside))
            (out / "corpus").resolve().rename(Path(name) / f"{side} settings")
            made.append(Path(name) / f"{side} settings")
        return compare_corpora(*made)


def _totals(before: Path, after: Path) -> dict[str, tuple[int, int]]:
    def of(corpus: Path) -> dict[str, int]:
        documents = read_table(corpus, DOCUMENTS).select(pl.len(), pl.col("n_chars").sum()).collect()
        whole = read_table(corpus, METRICS).filter(pl.col("rule").is_null() & (pl.col("step") == "read"))
        return {
            "documents": int(documents.item(0, 0)),
            "characters kept": int(documents.item(0, 1)),
            "characters read": int(whole.select(pl.col("chars_in").sum()).collect().item()),
            "sentences": int(read_table(corpus, SENTENCES).select(pl.len()).collect().item()),
        }

    then, now = of(before), of(after)
    return {name: (then[name], now[name]) for name in then}


def _compare_documents(before: Path, after: Path) -> pl.DataFrame:
    """`id`, `source`, `status`: one row a document of either."""

    def of(corpus: Path) -> pl.LazyFrame:
        texts = pl.struct("text", "comments").hash()
        return read_table(corpus, DOCUMENTS).select("id", "source", hash=texts)

    both = of(before).join(of(after), on="id", how="full", coalesce=True, suffix="_after")
    status = (
        pl.when(pl.col("hash").is_null())
        .then(pl.lit("came"))
        .when(pl.col("hash_after").is_null())
        .then(pl.lit("went"))
        .when(pl.col("hash") != pl.col("hash_after"))
        .then(pl.lit("changed"))
        .otherwise(pl.lit("same"))
    )
    source = pl.coalesce("source", "source_after")
    return (
        both.select("id", source=source, status=status).sort("source", "id").collect(engine="streaming")
    )


def _compare_lines(before: Path, after: Path) -> pl.DataFrame:
    """`change`, `rule`, `source`, `site`, `language`, `text`: one row a line that is treated otherwise.

    The rule is the one that drops it now, or the one that did. A line is known by its place on its page
    and its text.
    """

    def dropped(corpus: Path) -> pl.LazyFrame:
        rows = read_table(corpus, LEDGER).filter(action="drop")
        place = [pl.col(name).cast(pl.Int64).fill_null(-1) for name in _PLACE[1:]]
        rule = pl.concat_str("step", "rule", separator="/")
        return rows.select("document_id", *place, "before", rule=rule, source="source")

    key = [*_PLACE, "before"]
    both = dropped(before).join(
        dropped(after), on=key, how="full", coalesce=True, suffix="_after", maintain_order="left_right"
    )
    other = both.filter(pl.col("rule").ne_missing(pl.col("rule_after"))).collect(engine="streaming")
    was, is_ = _is_kept(other, before), _is_kept(other, after)
    gone, came = pl.col("rule_after").is_null(), pl.col("rule").is_null()
    change = (
        pl.when(~gone & ~came)
        .then(pl.lit(OTHER_RULE))
        .when(came)
        .then(pl.when(was).then(pl.lit(NOW_DROPPED)).otherwise(pl.lit(NEWLY_READ)))
        .otherwise(pl.when(is_).then(pl.lit(NOW_KEPT)).otherwise(pl.lit(NO_LONGER_READ)))
    )
    rule = (
        pl.when(~gone & ~came)
        .then(pl.concat_str("rule", "rule_after", separator=" -> "))
        .otherwise(pl.coalesce("rule", "rule_after"))
    )
    changed = other.select(
        "document_id",
        change=change,
        rule=rule,
        source=pl.coalesce("source", "source_after"),
        text="before",
    )
    return _with_page(changed, before, after)


def _is_kept(lines: pl.DataFrame, corpus: Path) -> pl.Series:
    """Whether the block of each line, or where a page was dropped whole any, has sentences there."""
    wanted = lines.select("document_id", "block").unique().lazy()
    kept = read_table(corpus, SENTENCES).select("document_id", pl.col("block").cast(pl.Int64))
    blocks = kept.join(wanted, on=["document_id", "block"], how="semi")
    pages = kept.join(wanted, on="document_id", how="semi").with_columns(block=pl.lit(-1, pl.Int64))
    found = pl.concat([blocks, pages]).unique().with_columns(there=pl.lit(value=True))
    there = lines.lazy().join(found, on=["document_id", "block"], how="left", maintain_order="left")
    return there.select(pl.col("there").fill_null(value=False)).collect()["there"]


def _with_page(lines: pl.DataFrame, before: Path, after: Path) -> pl.DataFrame:
    """With `site` and `language` of the page, as the later corpus has them, or else the earlier."""
    pages = pl.concat(
        [read_table(corpus, DOCUMENTS).select("id", "site", "language") for corpus in (after, before)]
    ).unique("id", keep="first", maintain_order=True)
    found = lines.lazy().join(
        pages, left_on="document_id", right_on="id", how="left", maintain_order="left"
    )
    return found.with_columns(
        pl.col("site").fill_null(NO_SITE), pl.col("language").fill_null("no text left")
    ).collect()


def _by_rule(lines: pl.DataFrame) -> list[LineChange]:
    """The changes by kind and rule: those of the text first, then those with the most lines."""
    groups = (
        lines.sort("source", "text")
        .group_by("change", "rule", maintain_order=True)
        .agg(
            pl.len().alias("lines"),
            pl.col("text").str.len_chars().sum().alias("chars"),
            pl.struct("source", "text").head(EXAMPLES).alias("examples"),
        )
        .with_columns(pl.col("change").cast(pl.Enum(CHANGES)))
        .sort("change", "lines", "rule", descending=[False, True, False])
    )
    return [
        LineChange(
            row["change"],
            row["rule"],
            row["lines"],
            row["chars"],
            [(one["source"], one["text"]) for one in row["examples"]],
        )
        for row in groups.iter_rows(named=True)
    ]


def _tally(lines: pl.DataFrame, name: str) -> list[dict[str, Any]]:
    """Lines now dropped and now kept, by site or language, the most first."""
    counts = lines.group_by(name).agg(
        (pl.col("change") == NOW_DROPPED).sum().alias("now_dropped"),
        (pl.col("change") == NOW_KEPT).sum().alias("now_kept"),
    )
    some = counts.filter(pl.col("now_dropped") + pl.col("now_kept") > 0)
    total = pl.col("now_dropped") + pl.col("now_kept")
    return some.sort(total, pl.col(name), descending=[True, False]).to_dicts()


def _compare_manifests(before: Path, after: Path) -> tuple[dict[str, tuple[Any, Any]], bool]:
    """Settings that are other, and whether the program is the same; as the manifests say."""
    then, now = read_manifest(before) or {}, read_manifest(after) or {}
    old, new = then.get("settings", {}), now.get("settings", {})
    names = sorted({*old, *new})
    other = {name: (old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name)}
    return other, then.get("code") == now.get("code")
