"""The third stage of a run, a part at a time: apply the verdicts and write the tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from reinschrift.flows.stages.rejects import quarantine
from reinschrift.flows.stages.resolve.verdicts import KNOWN, RULES, TEMPLATE
from reinschrift.flows.store.local import Corpus
from reinschrift.flows.store.tables import stage_files, write_table
from reinschrift.flows.workers.memory import trim_malloc
from reinschrift.transforms.contracts import (
    ACTIONS_TAKEN,
    DOCUMENTS,
    LEDGER,
    METRICS,
    PAGE_METRICS,
    PAGES,
    QUARANTINE,
    SENTENCES,
    SIGNAL_COLUMNS,
    UNDETERMINED,
    UNITS,
    Table,
    with_times,
)
from reinschrift.transforms.pipeline.counting import count_rules
from reinschrift.transforms.pipeline.quality import join_texts
from reinschrift.transforms.quality.rules import measure_documents, quality_flags

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from reinschrift.flows.config import Settings
    from reinschrift.flows.sources.inputs import Inputs
    from reinschrift.flows.stages.resolve.pages import Part

MAX_METRICS_ROWS = 1_000_000
SLICE_CHARS = 5_000_000
_PLACE = ("page_no", "block", "sentence")


@dataclass(frozen=True)
class Slice:
    """The tables of some pages: rows in their final order and form; METRICS of the steps done here."""

    ledger: pl.DataFrame
    documents: pl.DataFrame
    sentences: pl.DataFrame
    metrics: pl.DataFrame


def publish_part(part: Part, stages: list[str], tag: str, settings: Settings) -> str:
    """Apply the verdicts to a run of pages, and write its part of the tables to the staging folder.

    `tag` goes into the file names, so that nobody mixes files of two versions. Out: the path of the
    part's METRICS (steps of the resolve stage and publish stages), under `Corpus.judgement`.
    """
    corpus = Corpus(settings.out)
    verdicts = _verdicts(corpus, part)
    # What is joined and sorted on the way is many times what is published, so it is done by slices.
    slices = []
    for index in _slices(_index_of(corpus, part)):
        slices.append(_publish_pages(corpus, stages, index, verdicts, settings))
        trim_malloc()
    name = f"part-{part.number:05d}-{tag}.parquet"
    ledger = pl.concat([one.ledger for one in slices])
    write_table(ledger, LEDGER, corpus.staging / LEDGER.name / name)
    documents = pl.concat([one.documents for one in slices])
    _write_by_language(documents, DOCUMENTS, corpus.staging, name)
    sentences = pl.concat([one.sentences for one in slices])
    _write_by_language(sentences, SENTENCES, corpus.staging, name)
    path = corpus.judgement / f"metrics-{part.number:05d}.parquet"
    write_table(pl.concat([one.metrics for one in slices]), METRICS, path)
    return str(path)


def _slices(index: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Runs of whole shards, for their files are read once, of about `SLICE_CHARS` or a shard each."""
    full = index.with_columns(slice=pl.col("n_chars_read").cast(pl.Int64).cum_sum() // SLICE_CHARS)
    by_shard = full.with_columns(pl.col("slice").first().over("shard"))
    for _, pages in by_shard.group_by("slice", maintain_order=True):
        yield pages.drop("slice")


def _publish_pages(
    corpus: Corpus, stages: list[str], index: pl.DataFrame, verdicts: pl.DataFrame, settings: Settings
) -> Slice:
    """Apply the verdicts to the pages of an index."""
    marks = settings.repeats_mode == "mark"
    is_removed = pl.col("page_rule").eq_missing("removed")
    removed, index = index.filter(is_removed), index.filter(~is_removed)
    pages = _mark_clusters(_rows_of(corpus, stages, index, PAGES), settings)
    units = _rows_of(corpus, stages, index, UNITS)
    judged = _judge_units(units, verdicts, marks=marks).join(
        pages.select("page_no", "page_type"), on="page_no", how="left", maintain_order="left"
    )
    kept, gone = judged.filter(pl.col("step").is_null()), judged.filter(pl.col("step").is_not_null())
    singly = gone.filter(pl.col("rule").is_not_null())
    whole = _whole_pages(gone.filter(pl.col("rule").is_null()))
    actions = _rows_of(corpus, stages, index, ACTIONS_TAKEN)
    facts = pages.select("page_no", "source", "record_id", "url")
    rows = pl.concat([actions, singly, whole], how="diagonal_relaxed").join(
        facts, on="page_no", how="left", maintain_order="left"
    )
    taken_down = _taken_down(_rows_of(corpus, stages, removed, PAGES))
    ledger = pl.concat([rows, taken_down], how="diagonal_relaxed")
    documents = _documents(pages, kept, settings)
    sentence_id = pl.format("{}:{}:{}", "document_id", "block", "sentence")
    counts = _count_published(judged, gone, pages, documents)
    rules = [count_rules(singly, "sentence"), count_rules(whole, "page")]
    return Slice(
        LEDGER.conform(ledger.sort(*_PLACE, nulls_last=False, maintain_order=True)),
        DOCUMENTS.conform(documents),
        SENTENCES.conform(kept.with_columns(id=sentence_id)),
        METRICS.conform(pl.concat([counts, *rules])),
    )


def _index_of(corpus: Corpus, part: Part) -> pl.DataFrame:
    """The pages of a part, and what the resolve stage says of each."""
    in_part = pl.col("page_no").is_between(part.first_page, part.end_page, closed="left")
    pages = pl.scan_parquet(corpus.judgement / "pages.parquet").filter(in_part)
    renamed = {f"page_{name}": name for name in ("rule", "kept_at", "similarity")}
    return pages.select(
        "page_no", "shard", "page", "document_id", "n_chars_read", "cluster_size", **renamed
    ).collect()


def _judge_units(units: pl.DataFrame, verdicts: pl.DataFrame, *, marks: bool) -> pl.DataFrame:
    """Sentences with the step that drops them, if any does, and what the ledger says of it.

    A sentence that goes with its page has a step and no rule. With `marks` repeats stay, and
    `duplicate_of` names the copy.
    """
    judged = units.join(verdicts, on=_PLACE, how="left", maintain_order="left").with_columns(
        also=pl.lit([], dtype=pl.List(pl.String)), action=pl.lit("drop"), before="text"
    )
    step = pl.col("step")
    if marks:
        is_repeat = step == "repeats"
        return judged.with_columns(
            duplicate_of=pl.when(is_repeat).then("kept_at"), step=pl.when(~is_repeat).then(step)
        )
    goes_along = step.is_null() & pl.col("page_rule").is_not_null()
    return judged.with_columns(step=pl.when(goes_along).then(pl.lit("repeats")).otherwise(step))


def _mark_clusters(pages: pl.DataFrame, settings: Settings) -> pl.DataFrame:
    """Add `duplicate_of` (mode mark) and the cluster of each page; null where nobody looked."""
    if "repeats" in settings.skip:
        return pages
    kept_at = pl.col("page_kept_at")
    is_mark = settings.repeats_mode == "mark"
    return pages.with_columns(
        duplicate_of=kept_at if is_mark else pl.lit(None, dtype=pl.String),
        duplicate_cluster=pl.when(pl.col("cluster_size") > 1).then(pl.coalesce(kept_at, "document_id")),
        duplicate_cluster_size="cluster_size",
    )


def _verdicts(corpus: Corpus, part: Part) -> pl.DataFrame:
    """What the resolve stage says of the sentences of a part."""
    rows = np.load(corpus.judgement / f"verdicts-{part.number:05d}.npy")
    ids = np.load(corpus.judgement / "ids.npy", mmap_mode="r")
    verdicts = pl.DataFrame({name: rows[name] for name in rows.dtype.names or ()})
    kept_pages = ids[np.where(rows["rule"] == KNOWN, 0, rows["kept_page"])]
    is_known = rows["rule"] == KNOWN
    if is_known.any():
        known = np.load(corpus.judgement / "known.npy", mmap_mode="r")
        kept_pages[is_known] = known[rows["kept_page"][is_known]]
    kept = pl.Series("kept_id", kept_pages.astype(str), dtype=pl.String)
    is_template = pl.col("rule") == TEMPLATE
    rules = pl.Series(RULES)
    return verdicts.with_columns(kept).select(
        *_PLACE,
        step=pl.when(is_template).then(pl.lit("templates")).otherwise(pl.lit("repeats")),
        rule=pl.lit(rules).gather(pl.col("rule")) if rows.size else pl.lit(None, dtype=pl.String),
        pages=pl.when(is_template).then("pages"),
        similarity=pl.when(pl.col("similarity") > 0).then("similarity"),
        kept_at=pl.when(~is_template).then(
            pl.format("{}:{}:{}", "kept_id", "kept_block", "kept_sentence")
        ),
    )


def _whole_pages(units: pl.DataFrame) -> pl.DataFrame:
    """One row for each page that is dropped whole: its sentences, one a line, and where they stood."""
    spans = pl.struct("block", "sentence", "start", "end")
    return units.group_by("page_no", maintain_order=True).agg(
        pl.col("document_id", "also", "action").first(),
        step=pl.lit("repeats").first(),
        rule=pl.col("page_rule").first(),
        before=pl.col("text").str.join("\n"),
        kept_at=pl.col("page_kept_at").first(),
        similarity=pl.col("page_similarity").first(),
        spans=spans,
    )


def _taken_down(pages: pl.DataFrame) -> pl.DataFrame:
    """One row for each page taken down on demand, without its text."""
    return pages.select(
        "page_no",
        "document_id",
        "source",
        "record_id",
        "url",
        step=pl.lit("removals"),
        rule=pl.lit("removed"),
        also=pl.lit([], dtype=pl.List(pl.String)),
        action=pl.lit("drop"),
        before=pl.lit(""),
    )


def _rows_of(corpus: Corpus, stages: list[str], index: pl.DataFrame, table: Table) -> pl.DataFrame:
    """Rows of a staged table that belong to the pages in `index`, in corpus order.

    The pages of a shard follow each other, so a number added to its own gives the corpus's.
    """
    facts = index.drop("shard", "page", "n_chars_read")
    frames = [table.empty().with_columns(page_no=pl.lit(None, dtype=pl.UInt32))]
    for (shard,), pages in index.group_by("shard", maintain_order=True):
        files = stage_files(corpus, stages[int(str(shard))], table)
        between = pl.col("page").is_between(pages["page"].min(), pages["page"].max())
        offset = pages["page_no"][0] - pages["page"][0]
        frames += [
            pl.read_parquet(file)
            .filter(between)
            .with_columns(page_no=(pl.col("page") + offset).cast(pl.UInt32))
            for file in files
        ]
    return pl.concat(frames).join(facts, on="page_no", maintain_order="left")


def _documents(pages: pl.DataFrame, kept: pl.DataFrame, settings: Settings) -> pl.DataFrame:
    """One row a page that has text left: its kept blocks, one a line, and what they measure."""
    texts = join_texts(kept, "page_no", asides=settings.comments == "auto")
    documents = with_times(pages.join(texts, on="page_no", maintain_order="left"))
    documents = documents.rename({"document_id": "id"})
    if settings.quality == "off" or "quality" in settings.skip:
        text = pl.col("text")
        return documents.with_columns(
            n_chars=text.str.len_chars(), n_words=text.str.count_matches(r"\S+")
        )
    measured = measure_documents(documents)
    signals = pl.struct(column.name for column in SIGNAL_COLUMNS)
    return measured.with_columns(signals=signals, quality_flags=quality_flags(settings.profiles))


def _write_by_language(frame: pl.DataFrame, table: Table, staging: Path, name: str) -> None:
    """One file a language, in folders named by it: not `language=…`, for the column is in the files."""
    for (language,), rows in frame.group_by("language", maintain_order=True):
        write_table(rows, table, staging / table.name / str(language) / name)


def _count_published(
    judged: pl.DataFrame, gone: pl.DataFrame, pages: pl.DataFrame, documents: pl.DataFrame
) -> pl.DataFrame:
    """METRICS of the resolve stage's steps and of publishing, without their rules."""

    def chars(frame: pl.DataFrame) -> int:
        return int(frame["text"].str.len_chars().sum())

    by_template, repeats = gone.filter(step="templates"), gone.filter(step="repeats")
    left, left_chars = judged.height - by_template.height, chars(judged) - chars(by_template)
    kept, kept_chars = left - repeats.height, left_chars - chars(repeats)
    whole = {
        "step": ["templates", "repeats", "quality"],
        "rule": [None, None, None],
        "unit": ["sentence", "sentence", "page"],
        "units_in": [judged.height, left, pages.height],
        "units_out": [left, kept, documents.height],
        "units_dropped": [by_template.height, repeats.height, pages.height - documents.height],
        "units_edited": [0, 0, 0],
        "chars_in": [chars(judged), left_chars, None],
        "chars_out": [left_chars, kept_chars, chars(documents)],
        "chars_dropped": [chars(by_template), chars(repeats), 0],
    }
    return pl.DataFrame(whole, schema=METRICS.schema)


def finish_tables(
    inputs: Inputs, stages: list[str], part_metrics: list[str], tag: str, settings: Settings
) -> pl.DataFrame:
    """Write METRICS and QUARANTINE of the whole run, and see that no table lacks a file.

    Out: METRICS.
    """
    corpus = Corpus(settings.out)
    read = _sum_in_turn(_read_metrics(corpus, stages, pages) for pages in _pages_by_shard(corpus))
    published = [pl.read_parquet(path) for path in part_metrics]
    metrics = _sum_metrics(pl.concat([read, *published, _count_removed(corpus)]))
    refused = pl.concat(
        [
            quarantine(inputs.broken),
            *(
                pl.read_parquet(file)
                for stage in stages
                for file in stage_files(corpus, stage, QUARANTINE)
            ),
        ]
    ).sort("source", "record", "reason", nulls_last=False)
    name = f"part-00000-{tag}.parquet"
    write_table(metrics, METRICS, corpus.staging / METRICS.name / name)
    write_table(refused, QUARANTINE, corpus.staging / QUARANTINE.name / name)
    for table in (DOCUMENTS, SENTENCES, LEDGER):
        folder = corpus.staging / table.name
        if not folder.is_dir():
            place = folder / UNDETERMINED if table.partition_by else folder
            write_table(table.empty(), table, place / name)
    return metrics


def _pages_by_shard(corpus: Corpus) -> list[pl.DataFrame]:
    pages = pl.read_parquet(corpus.judgement / "pages.parquet", columns=["shard", "page", "rule"])
    return pages.partition_by("shard", maintain_order=True)


def _read_metrics(corpus: Corpus, stages: list[str], pages: pl.DataFrame) -> pl.DataFrame:
    """PAGE_METRICS of one shard, but for pages taken down, which count as never read."""
    files = stage_files(corpus, stages[pages["shard"][0]], PAGE_METRICS)
    removed = pages.filter(rule="removed")["page"]
    counts = pl.read_parquet(files)
    return counts.filter(~pl.col("page").is_in(removed.implode())) if len(removed) else counts


def _sum_in_turn(counts: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """METRICS summed as they come, a bounded number of rows at a time."""
    waiting = [METRICS.empty()]
    for frame in counts:
        waiting.append(frame.select(METRICS.names))
        if sum(part.height for part in waiting) >= MAX_METRICS_ROWS:
            waiting = [_sum_metrics(pl.concat(waiting))]
    return _sum_metrics(pl.concat(waiting))


def _count_removed(corpus: Corpus) -> pl.DataFrame:
    """METRICS of what was taken down on demand; no rows where nothing was."""
    rules = pl.read_parquet(corpus.judgement / "pages.parquet", columns=["rule"])["rule"]
    pages, removed = len(rules), int((rules == "removed").sum())
    counts = {
        "step": "removals",
        "rule": [None, "removed"],
        "unit": "page",
        "units_in": [pages, None],
        "units_out": [pages - removed, None],
        "units_dropped": removed,
        "units_edited": 0,
        "chars_dropped": 0,
    }
    return METRICS.conform(pl.DataFrame(counts)) if removed else METRICS.empty()


def _sum_metrics(metrics: pl.DataFrame) -> pl.DataFrame:
    """One row a (step, rule): steps in the order they ran, the step before its rules."""
    counts = [name for name in METRICS.names if name not in ("step", "rule", "unit")]
    return (
        metrics.with_row_index("place")
        .group_by("step", "rule", "unit")
        .agg(
            pl.col("place").min(),
            *(pl.when(pl.col(c).count() > 0).then(pl.col(c).sum()).alias(c) for c in counts),
        )
        .with_columns(order=pl.col("place").min().over("step", "unit"))
        .sort("order", "rule", nulls_last=False)
        .select(METRICS.names)
    )
