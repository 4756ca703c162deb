"""What the resolve stage found so far, and how it is written for the parts to be published."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from reinschrift.flows.stages.resolve.pages import Part, read_stage_table
from reinschrift.flows.stages.spill import Spill
from reinschrift.flows.store.tables import stage_files
from reinschrift.transforms.contracts import UNITS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from reinschrift.flows.config import Settings
    from reinschrift.flows.store.local import Corpus


KEYS_A_BUCKET = 2_000_000
PAGES_A_ROW_GROUP = 50_000

# What a verdict says, by its number in the files of the judgement.
RULES = (
    "recurs-on-site", "exact-sentence", "exact-block", "near-sentence", "near-block", "in-reference",
)  # fmt: skip
TEMPLATE, SENTENCE, BLOCK, NEAR_SENTENCE, NEAR_BLOCK, KNOWN = range(len(RULES))
ELSEWHERE = (TEMPLATE, KNOWN)  # what points at no sentence of this corpus
PAGE_RULES = (None, "removed", "same-url", "exact-page", "near-page")
STAYS, REMOVED, SAME_URL, EXACT_PAGE, NEAR_PAGE = range(len(PAGE_RULES))

VERDICT = np.dtype(
    [(name, "<u4") for name in ("page_no", "block", "sentence", "rule", "pages")]
    + [(name, "<u4") for name in ("kept_page", "kept_block", "kept_sentence")]
    + [("similarity", "<f4")]
)
PLACE = ("page_no", "block", "sentence")
KEPT = ("kept_page", "kept_block", "kept_sentence")
SPOT = np.dtype([(name, "<u4") for name in PLACE])
KEY = np.dtype([("key", "<u8"), ("high", "<u8"), *((p, "<u4") for p in PLACE), ("is_gone", "?")])
LINE = np.dtype(
    [
        ("hash", "<u8"),
        ("site", "<u4"),
        *((p, "<u4") for p in PLACE),
        ("is_fixed", "?"),
        ("is_long", "?"),
    ]
)
BAND = np.dtype([("key", "<u8"), ("page_no", "<u4")])


@dataclass
class Resolution:
    """What is known so far: of each page what becomes of it, and the verdicts on sentences by part.

    By page number: `rule` (a number in PAGE_RULES), `kept` (the page that stays in its place) and
    `similarity`.
    """

    corpus: Corpus
    stages: list[str]
    settings: Settings
    pages: pl.DataFrame
    parts: list[Part]
    rule: NDArray[np.uint8] = field(init=False)
    kept: NDArray[np.int64] = field(init=False)
    similarity: NDArray[np.float32] = field(init=False)
    verdicts: Spill = field(init=False)

    def __post_init__(self) -> None:
        count = self.pages.height
        self.rule = np.where(self.pages["is_removed"].to_numpy(), REMOVED, STAYS).astype(np.uint8)
        self.kept = np.arange(count)
        self.similarity = np.full(count, np.nan, dtype=np.float32)
        folder = self.corpus.judgement / "verdicts"
        self.verdicts = Spill(folder, VERDICT, len(self.parts))
        first = self.pages.group_by("shard", maintain_order=True).agg(pl.col("page_no").first())
        self.first_page: dict[int, int] = dict(first.iter_rows())

    def drop_pages(self, winners: pl.DataFrame, rule: int) -> None:
        """Let pages (`page_no`) give way to others (`kept`), if these are not themselves."""
        losers = winners.filter(pl.col("page_no") != pl.col("kept"))
        at = losers["page_no"].to_numpy()
        self.rule[at] = rule
        self.kept[at] = losers["kept"].to_numpy()

    def add_verdicts(
        self,
        rows: NDArray[Any],
        rule: int,
        owners: NDArray[Any] | None = None,
        pages: NDArray[Any] | None = None,
        similarity: NDArray[Any] | None = None,
    ) -> None:
        """Verdicts on sentences at the places of `rows`; `owners` are those of the copies that stay."""
        verdicts = np.zeros(len(rows), dtype=VERDICT)
        for name in PLACE:
            verdicts[name] = rows[name]
        verdicts["rule"] = rule
        if owners is not None:
            verdicts["kept_page"] = owners["page_no"]
            verdicts["kept_block"] = owners["block"]
            verdicts["kept_sentence"] = owners["sentence"]
        if pages is not None:
            verdicts["pages"] = pages
        if similarity is not None:
            verdicts["similarity"] = similarity
        ends = np.array([part.end_page for part in self.parts])
        self.verdicts.add(verdicts, np.searchsorted(ends, rows["page_no"], side="right"))

    def buckets(self) -> int:
        """How many files hold the keys of all sentences, a bounded number of them each."""
        files = [file for stage in self.stages for file in stage_files(self.corpus, stage, UNITS)]
        count = pl.scan_parquet(files).select(pl.len()).collect().item() if files else 0
        return 1 + int(count) // KEYS_A_BUCKET

    def units(
        self, columns: list[str], wanted: NDArray[np.uint32] | None = None
    ) -> Iterator[pl.DataFrame]:
        """UNITS with `page_no`, a shard at a time, without what has a verdict already.

        Of `wanted` pages (ascending); else of all that stay or, to be marked, repeat others.
        """
        if wanted is None:
            gone = [REMOVED] if self.settings.repeats_mode == "mark" else [*range(1, len(PAGE_RULES))]
            wanted = np.flatnonzero(~np.isin(self.rule, gone)).astype(np.uint32)
        ends = [*list(self.first_page.values())[1:], self.pages.height][: len(self.first_page)]
        for (shard, first), end in zip(self.first_page.items(), ends, strict=True):
            low, high = np.searchsorted(wanted, [first, end])
            if low == high:
                continue
            mine = pl.Series(wanted[low:high])
            units = read_stage_table(
                self.corpus, self.stages[shard], UNITS, ["page", "block", "sentence", *columns]
            )
            numbered = units.with_columns(page_no=(pl.col("page") + first).cast(pl.UInt32))
            if high - low < end - first:
                numbered = numbered.filter(pl.col("page_no").is_in(mine.implode()))
            yield self.undecided(numbered, first, end)

    def undecided(self, units: pl.DataFrame, first: int, end: int) -> pl.DataFrame:
        """The units of pages `first` to `end` that have no verdict yet."""
        if not self.verdicts.size:
            return units
        parts = [part for part in self.parts if part.first_page < end and part.end_page > first]
        known = np.concatenate([self.verdicts.read(part.number) for part in parts])
        known = known[(known["page_no"] >= first) & (known["page_no"] < end)]
        decided = pl.DataFrame({name: known[name] for name in PLACE})
        return units.join(decided, on=PLACE, how="anti", maintain_order="left")


def write_verdicts(work: Resolution) -> None:
    """Write what was found, for the parts to be published."""
    while not np.array_equal(work.kept, work.kept[work.kept]):
        work.kept = work.kept[work.kept]
    ids = work.pages["document_id"]
    gives_way = pl.Series(work.rule > REMOVED)
    sizes = np.bincount(work.kept, minlength=len(ids))[work.kept]
    names = pl.Series(PAGE_RULES, dtype=pl.String)
    work.pages.select("page_no", "shard", "page", "document_id", "n_chars_read").with_columns(
        rule=names.gather(pl.Series(work.rule, dtype=pl.UInt32)),
        kept_at=pl.when(gives_way).then(ids.gather(pl.Series(work.kept, dtype=pl.UInt32))),
        similarity=pl.Series(work.similarity).fill_nan(None),
        cluster_size=pl.Series(sizes, dtype=pl.UInt32),
    ).write_parquet(work.corpus.judgement / "pages.parquet", row_group_size=PAGES_A_ROW_GROUP)
    moved = _moved_owners(work)
    for part in work.parts:
        path = work.corpus.judgement / f"verdicts-{part.number:05d}.npy"
        np.save(path, _follow(work.verdicts.read(part.number), moved))
    work.verdicts.clear()


def _moved_owners(work: Resolution) -> pl.DataFrame:
    """Sentences that others point at and that repeat a third themselves, and those that stay.

    Only with blocks or near duplicates: then what one judgement keeps the next may drop.
    Out: `kept_page`, `kept_block`, `kept_sentence`, and the same names with `_then`.
    """
    chains = {"block"} & {*work.settings.repeat_units} or {"sentence"} & {*work.settings.near_units}
    rows = np.empty(0, dtype=VERDICT)
    if chains:
        every = [work.verdicts.read(part.number) for part in work.parts]
        rows = np.concatenate([rows, *every])
        rows = rows[~np.isin(rows["rule"], ELSEWHERE)]
    then = {f"{name}_then": rows[name] for name in KEPT}
    moved = pl.DataFrame({kept: rows[own] for own, kept in zip(PLACE, KEPT, strict=True)} | then)
    pointed = pl.DataFrame({name: rows[name] for name in KEPT}).unique()
    while True:
        moved = moved.join(pointed, on=KEPT, how="semi")
        further = _point_on(moved, moved, [f"{name}_then" for name in KEPT])
        if further.equals(moved):
            return moved
        moved = further


def _point_on(frame: pl.DataFrame, moved: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """The frame, the places in `columns` replaced by those that stay for them."""
    on = moved.rename({f"{name}_then": f"{name}_at_last" for name in KEPT})
    joined = frame.join(on, left_on=columns, right_on=KEPT, how="left", maintain_order="left")
    changed = {
        column: pl.coalesce(f"{name}_at_last", column)
        for column, name in zip(columns, KEPT, strict=True)
    }
    return joined.with_columns(**changed).select(frame.columns)


def _follow(verdicts: NDArray[Any], moved: pl.DataFrame) -> NDArray[Any]:
    """The verdicts, each naming a copy that stays."""
    if moved.is_empty() or not len(verdicts):
        return verdicts
    kept = _point_on(pl.DataFrame({name: verdicts[name] for name in KEPT}), moved, KEPT)
    points = ~np.isin(verdicts["rule"], ELSEWHERE)
    for name in KEPT:
        verdicts[name] = np.where(points, kept[name].to_numpy(), verdicts[name])
    return verdicts


def records_of(frame: pl.DataFrame, dtype: np.dtype[Any], columns: Sequence[str]) -> NDArray[Any]:
    """Rows of a frame as fixed-width records."""
    rows = np.zeros(frame.height, dtype=dtype)
    for name in columns:
        rows[name] = frame[name].to_numpy()
    return rows
