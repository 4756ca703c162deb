"""The third stage of a run, a part at a time: apply the verdicts and write the tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from flows.clean import quarantine
from flows.corpus import Corpus, scan_stage, write_table
from transforms.contracts import (
    ACTIONS_TAKEN,
    DOCUMENTS,
    LEDGER,
    METRICS,
    PAGES,
    QUARANTINE,
    SENTENCES,
    UNITS,
    Table,
)
from transforms.pipeline import count_rules, join_texts
from transforms.quality import measure_documents, quality_flags

if TYPE_CHECKING:
    from pathlib import Path

    from flows.config import Settings
    from flows.inputs import Inputs
    from flows.judge import Part


def publish_part(part: Part, stages: list[str], tag: str, settings: Settings) -> str:
    """Apply the verdicts to a run of pages, and write its part of the tables to the staging folder.

    `tag` goes into the file names, so that nobody mixes files of two versions. Out: the path of the
    part's METRICS (steps of the judge and publish stages), under `Corpus.judgement`.
    """
    corpus = Corpus(settings.out)
    numbers = pl.scan_parquet(corpus.judgement / "pages.parquet")
    in_part = pl.col("page_no").is_between(part.first_page, part.end_page, closed="left")
    index = numbers.filter(in_part).drop("site").collect()
    verdicts = pl.scan_parquet(corpus.judgement / "verdicts.parquet").filter(in_part).collect()
    pages = _rows_of(corpus, stages, index, PAGES)
    units = _rows_of(corpus, stages, index, UNITS)
    actions = _rows_of(corpus, stages, index, ACTIONS_TAKEN)

    place = ["page_no", "block", "sentence"]
    judged = units.join(verdicts, on=place, how="left", maintain_order="left")
    kept = judged.filter(pl.col("step").is_null())
    dropped = judged.filter(pl.col("step").is_not_null()).with_columns(
        also=pl.lit([], dtype=pl.List(pl.String)),
        action=pl.lit("drop"),
        before="text",
        after=pl.lit(None, dtype=pl.String),
    )
    documents = _documents(pages, kept, settings)
    ledger = (
        pl.concat([actions, dropped], how="diagonal_relaxed")
        .join(pages.select("page_no", "source", "record_id"), on="page_no", how="left")
        .sort(*place, nulls_last=False, maintain_order=True)
    )
    sentence_id = pl.format("{}:{}:{}", "document_id", "block", "sentence")
    name = f"part-{part.number:05d}-{tag}.parquet"
    write_table(ledger, LEDGER, corpus.staging / LEDGER.name / name)
    _write_by_language(documents, DOCUMENTS, corpus.staging, name)
    _write_by_language(kept.with_columns(id=sentence_id), SENTENCES, corpus.staging, name)
    counts = _count_published(judged, kept, dropped, pages, documents)
    path = corpus.judgement / f"metrics-{part.number:05d}.parquet"
    write_table(counts, METRICS, path)
    return str(path)


def _rows_of(corpus: Corpus, stages: list[str], index: pl.DataFrame, table: Table) -> pl.DataFrame:
    """Rows of a staged table that belong to the pages in `index`, in corpus order."""
    frames = []
    for (shard,), pages in index.group_by("shard", maintain_order=True):
        ids = pages.select("page", "page_no", "document_id").lazy()
        scan = scan_stage(corpus, stages[int(str(shard))], table)
        between = pl.col("page").is_between(pages["page"].min(), pages["page"].max())
        frames.append(scan.filter(between).join(ids, on="page", maintain_order="left"))
    return pl.concat(frames).collect()


def _documents(pages: pl.DataFrame, kept: pl.DataFrame, settings: Settings) -> pl.DataFrame:
    """One row a page that has text left: its kept blocks, one a line, and what they measure."""
    texts = join_texts(kept, "page_no")
    documents = pages.join(texts, on="page_no", maintain_order="left").rename({"document_id": "id"})
    if settings.quality == "off" or "quality" in settings.skip:
        text = pl.col("text")
        return documents.with_columns(
            n_chars=text.str.len_chars(), n_words=text.str.count_matches(r"\S+")
        )
    measured = measure_documents(documents)
    return measured.with_columns(quality_flags=quality_flags(settings.profiles))


def _write_by_language(frame: pl.DataFrame, table: Table, staging: Path, name: str) -> None:
    """One file a language, in Hive folders."""
    for (language,), rows in frame.group_by("language", maintain_order=True):
        write_table(rows, table, staging / table.name / f"language={language}" / name)


def _count_published(
    judged: pl.DataFrame,
    kept: pl.DataFrame,
    dropped: pl.DataFrame,
    pages: pl.DataFrame,
    documents: pl.DataFrame,
) -> pl.DataFrame:
    """METRICS of the judge's steps and of publishing."""

    def chars(frame: pl.DataFrame) -> int:
        return int(frame["text"].str.len_chars().sum())

    by_template = dropped.filter(step="templates")
    left, left_chars = judged.height - by_template.height, chars(judged) - chars(by_template)
    whole = {
        "step": ["templates", "repeats", "quality"],
        "rule": [None, None, None],
        "unit": ["sentence", "sentence", "page"],
        "units_in": [judged.height, left, pages.height],
        "units_out": [left, kept.height, documents.height],
        "units_dropped": [by_template.height, left - kept.height, pages.height - documents.height],
        "units_edited": [0, 0, 0],
        "chars_in": [chars(judged), left_chars, None],
        "chars_out": [left_chars, chars(kept), chars(documents)],
        "chars_dropped": [chars(by_template), left_chars - chars(kept), 0],
    }
    return pl.concat([pl.DataFrame(whole, schema=METRICS.schema), count_rules(dropped, "sentence")])


def finish_tables(
    inputs: Inputs, stages: list[str], part_metrics: list[str], tag: str, settings: Settings
) -> pl.DataFrame:
    """Write METRICS and QUARANTINE of the whole run, and see that no table lacks a file.

    Out: METRICS.
    """
    corpus = Corpus(settings.out)
    frames = [scan_stage(corpus, stage, METRICS) for stage in stages]
    frames += [pl.scan_parquet(path) for path in part_metrics]
    metrics = _sum_metrics(pl.concat([METRICS.empty().lazy(), *frames]).collect())
    refused = pl.concat(
        [
            quarantine(inputs.broken),
            *(scan_stage(corpus, stage, QUARANTINE).collect() for stage in stages),
        ]
    ).sort("source", "record", nulls_last=False)
    name = f"part-00000-{tag}.parquet"
    write_table(metrics, METRICS, corpus.staging / METRICS.name / name)
    write_table(refused, QUARANTINE, corpus.staging / QUARANTINE.name / name)
    for table in (DOCUMENTS, SENTENCES, LEDGER):
        folder = corpus.staging / table.name
        if not folder.is_dir():
            place = folder / "language=und" if table.partition_by else folder
            write_table(table.empty(), table, place / name)
    return metrics


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
