"""The plan of a run: read, judge, publish. Plain functions on paths; who maps them is up to the caller.

1. read, a shard at a time: everything that needs only the page. Cached by content, settings, code.
2. judge, over all keys at once: which sentences stand earlier in the corpus. Recomputed in every run,
   which is what makes increments equal a fresh run.
3. publish, a part at a time: apply the verdicts and write the tables, gate them, switch.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import polars as pl

from flows.corpus import Corpus, write_table
from flows.fingerprint import settings_version
from flows.limits import die_with_parent, limited
from flows.readers import Broken, Columns, Ignored, Page, ReadOptions, read_piece
from transforms.boilerplate.rules import RuleBook
from transforms.boilerplate.templates import FIXED_KINDS, find_templates
from transforms.contracts import (
    ACTIONS_TAKEN,
    DOCUMENTS,
    IGNORED,
    LEDGER,
    METRICS,
    PAGES,
    QUARANTINE,
    RECORDS,
    SENTENCES,
    UNITS,
    Table,
)
from transforms.dedup import find_repeats
from transforms.extract import extract_with_trafilatura
from transforms.pipeline import Context, count_rules, read_stage
from transforms.quality import measure_documents

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path
    from typing import Self

    from flows.config import Settings
    from flows.inputs import Inputs, Shard
    from flows.readers import Item
    from transforms.extract import Extraction
    from transforms.pipeline import Stage

    ReadBatch = Callable[[pl.DataFrame, Settings, Callable[[Broken], None]], Iterator[Stage]]

QUARANTINE_ROWS = 10_000  # written at a time
DOCUMENT_ID_CHARS = 20  # hexadecimal: 80 bits, one collision in 10^9 pages is 1 in 10^6


@dataclass(frozen=True)
class Part:
    """A run of pages in corpus order, published as one file a table and language."""

    number: int
    first_page: int
    end_page: int


# ---------------------------------------------------------------- 1. read


def read_shard(shard: Shard, settings: Settings) -> str:
    """Bring one shard through the read stage, unless that was done before.

    Out: the name of its folder under `Corpus.stages`, which holds PAGES, UNITS,
    ACTIONS_TAKEN, METRICS and QUARANTINE, a folder each.
    """
    return _read_shard(shard, settings, read_batch)


def read_shard_carefully(shard: Shard, settings: Settings) -> str:
    """The same, in a process of its own, for shards of which a page kills the process that reads it.

    Such a page is judged without the extractor; one that kills even then is quarantined.
    """
    with CarefulReader(settings) as reader:
        return _read_shard(shard, settings, reader.read)


def _read_shard(shard: Shard, settings: Settings, read: ReadBatch) -> str:
    version = _context(settings)[1]
    name = f"{shard.key}-{version[:16]}"
    stages = Corpus(settings.out).stages
    if _is_whole(stages / name):
        return name
    part = stages / f"{name}.{os.getpid()}.part"
    shutil.rmtree(part, ignore_errors=True)
    aside = _Aside(part)
    batches = _read_batches(shard, settings, aside)
    read_batches = (stage for records in batches for stage in read(records, settings, aside.put))
    for number, stage in enumerate(read_batches):
        for table, frame in (
            (PAGES, stage.pages),
            (UNITS, stage.units),
            (ACTIONS_TAKEN, stage.actions),
            (METRICS, stage.metrics),
        ):
            write_table(frame, table, part / table.name / f"{number:05d}.parquet")
    aside.close()
    if _changed(shard) or aside.is_passing:
        name += "-passing"  # what was read is not what was hashed: never found again
    shutil.rmtree(stages / name, ignore_errors=True)
    part.rename(stages / name)
    return name


def read_batch(
    records: pl.DataFrame, settings: Settings, refuse: Callable[[Broken], None] | None = None
) -> Iterator[Stage]:
    """RECORDS through the read stage."""
    del refuse
    extractor = None
    if settings.extractor == "trafilatura":
        extractor = limited(extract_with_trafilatura, settings.max_page_cpu_seconds)
    yield read_stage(records, _context(settings)[0], extractor)


def _read_in_child(records: pl.DataFrame, settings: Settings) -> list[Stage]:
    return list(read_batch(records, settings))


def _read_without_extractor(records: pl.DataFrame, settings: Settings) -> list[Stage]:
    """The extractor kills the process that asks it: it gives no verdict, and the ledger says why."""

    def refuse(_html: str) -> Extraction | None:
        raise ExtractorDiedError("it killed the process it ran in")

    extractor = refuse if settings.extractor == "trafilatura" else None
    return [read_stage(records, _context(settings)[0], extractor)]


class ExtractorDiedError(RuntimeError):
    """The extractor ended the process it ran in."""


@dataclass
class CarefulReader:
    """Reads batches in a child process, and finds the pages that kill it by halving."""

    settings: Settings
    pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        if self.pool is not None:
            self.pool.shutdown()

    def read(
        self, records: pl.DataFrame, settings: Settings, refuse: Callable[[Broken], None]
    ) -> Iterator[Stage]:
        """RECORDS through the read stage, but for the pages that can't be read; those are refused."""
        stages = self._ask(_read_in_child, records)
        if stages is None and records.height > 1:
            half = records.height // 2
            yield from self.read(records[:half], settings, refuse)
            yield from self.read(records[half:], settings, refuse)
            return
        if stages is None:
            stages = self._ask(_read_without_extractor, records)
        if stages is None:
            row = records.row(0, named=True)
            where = row["record_id"] and f"id {row['record_id']}"
            reason = "reading it kills the process that reads it"
            refuse(Broken(row["source"], where, reason, "remove it, and report it with the page"))
            return
        yield from stages

    def _ask(
        self, function: Callable[[pl.DataFrame, Settings], list[Stage]], records: pl.DataFrame
    ) -> list[Stage] | None:
        """What the child answers; None if it died."""
        if self.pool is None:
            spawn = multiprocessing.get_context("spawn")
            self.pool = ProcessPoolExecutor(1, mp_context=spawn, initializer=die_with_parent)
        try:
            return self.pool.submit(function, records, self.settings).result()
        except BrokenProcessPool:
            self.pool = None
            return None


def _is_whole(stage: Path) -> bool:
    """Whether a cached stage is there, and every file of it can be opened."""
    try:
        for file in stage.rglob("*.parquet"):
            pl.read_parquet_schema(file)
    except (OSError, pl.exceptions.PolarsError):
        return False
    return (stage / QUARANTINE.name).is_dir()


def _changed(shard: Shard) -> bool:
    """Whether a file is another than the one that was hashed."""
    local = (piece for piece in shard.pieces if not piece.remote)
    try:
        return any(piece.path.stat().st_mtime_ns != piece.modified_ns for piece in local)
    except OSError:
        return True


@dataclass
class _Aside:
    """What of a shard is no page: written to its stage, a bounded number of rows at a time."""

    stage: Path
    broken: list[Broken] = field(default_factory=list)
    ignored: Counter[Ignored] = field(default_factory=Counter)
    files: int = 0
    is_passing: bool = False

    def put(self, item: Broken | Ignored) -> None:
        """Remember it."""
        if isinstance(item, Ignored):
            self.ignored[item] += 1
            return
        self.is_passing |= item.is_passing
        self.broken.append(item)
        if len(self.broken) >= QUARANTINE_ROWS:
            self._write()

    def close(self) -> None:
        """Write what is left."""
        self._write()
        rows = [
            (_writable(item.source), item.reason, count) for item, count in sorted(self.ignored.items())
        ]
        frame = pl.DataFrame(rows, schema=IGNORED.schema, orient="row")
        write_table(frame, IGNORED, self.stage / IGNORED.name / "00000.parquet")

    def _write(self) -> None:
        path = self.stage / QUARANTINE.name / f"{self.files:05d}.parquet"
        write_table(quarantine(self.broken), QUARANTINE, path)
        self.files += 1
        self.broken.clear()


def _read_batches(shard: Shard, settings: Settings, aside: _Aside) -> Iterator[pl.DataFrame]:
    """RECORDS of a shard, a bounded number of bytes at a time; what is no page goes aside."""
    batch: list[dict[str, Any]] = []
    size = page = 0
    for item in _read_pieces(shard, settings):
        if not isinstance(item, Page):
            aside.put(item)
            continue
        batch.append({"page": page, **vars(item)})
        page += 1
        size += len(item.content)
        if size >= settings.shard_bytes:
            yield _frame(batch)
            size = 0
    if batch:
        yield _frame(batch)


def _frame(batch: list[dict[str, Any]]) -> pl.DataFrame:
    """RECORDS, and the list is empty, so that no text is held twice."""
    frame = pl.DataFrame(batch, schema=RECORDS.schema)
    batch.clear()
    return frame


def _read_pieces(shard: Shard, settings: Settings) -> Iterator[Item]:
    options = ReadOptions(
        max_page_bytes=settings.max_page_bytes,
        max_line_chars=settings.max_line_chars,
        max_decompress_ratio=settings.max_decompress_ratio,
        columns=Columns(settings.columns),
        scratch=Corpus(settings.out).stages,
    )
    for piece in shard.pieces:
        try:
            yield from read_piece(piece, options)
        except OSError as error:
            reason = f"can't be read: {error.strerror or error}"
            yield Broken(piece.source, None, reason, "check it", is_passing=True)


def count_pages(stage: str, settings: Settings) -> int:
    """Pages that were read in a shard."""
    return int(_scan(Corpus(settings.out), stage, PAGES).select(pl.len()).collect().item())


def ignored_within(stages: list[str], settings: Settings) -> tuple[str, ...]:
    """What of the inputs' content is no page, such as images in an archive, as lines to show."""
    corpus = Corpus(settings.out)
    frames = [_scan(corpus, stage, IGNORED) for stage in stages]
    if not frames:
        return ()
    sums = pl.concat(frames).group_by("source", "reason").agg(pl.col("records").sum())
    rows = sums.sort("source", "reason").collect().iter_rows()
    return tuple(f"{source}: {records:,} {reason}" for source, reason, records in rows)


@lru_cache(maxsize=4)
def _context(settings: Settings) -> tuple[Context, str]:
    """The compiled rules, once for each process, and the version of settings and code."""
    options = settings.options()
    return Context(options, RuleBook(options.packs)), settings_version(settings, options)


def quarantine(broken: Iterable[Broken]) -> pl.DataFrame:
    """QUARANTINE rows."""
    rows = [
        {
            name: value if value is None else _writable(value)
            for name, value in asdict(item).items()
            if name in QUARANTINE.schema
        }
        for item in broken
    ]
    return pl.DataFrame(rows, schema=QUARANTINE.schema)


def _writable(text: str) -> str:
    """Text that a file can hold: no halves of characters."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


# ---------------------------------------------------------------- 2. judge


def judge(stages: list[str], settings: Settings) -> list[Part]:
    """Number the pages of all shards, name the documents, find templates and repeats.

    Reads keys only, never text. Writes `pages` (page_no, shard, page, document_id, site) and `verdicts`
    under `Corpus.judgement`. Out: the parts to publish.
    """
    corpus = Corpus(settings.out)
    pages = _number_pages(corpus, stages)
    pages.write_parquet(corpus.judgement / "pages.parquet")
    verdicts = pl.DataFrame(schema=_VERDICTS)
    if not pages.is_empty():
        keys = _keys(corpus, stages, pages).with_row_index("position")
        templates = _find_templates(keys, settings)
        repeats = _find_repeats(keys, templates, pages, settings)
        verdicts = pl.concat([templates, repeats], how="diagonal").select(_VERDICTS.names())
    verdicts.write_parquet(corpus.judgement / "verdicts.parquet")
    size = settings.part_pages
    starts = range(0, pages.height, size)
    return [Part(n, start, min(start + size, pages.height)) for n, start in enumerate(starts)]


_PAGE_NUMBERS = pl.Schema(
    {
        "page_no": pl.UInt32,
        "shard": pl.UInt32,
        "page": pl.UInt32,
        "document_id": pl.String,
        "site": pl.String,
    }
)
_VERDICTS = pl.Schema(
    {
        "page_no": pl.UInt32,
        "block": pl.UInt32,
        "sentence": pl.UInt32,
        "step": pl.String,
        "rule": pl.String,
        "pages": pl.UInt32,
        "kept_at": pl.String,
    }
)


def _number_pages(corpus: Corpus, stages: list[str]) -> pl.DataFrame:
    """Pages in corpus order (source, place in the file), with their document ids.

    Two records of one file that claim the same id are told apart by their order.
    """
    frames = [
        _scan(corpus, stage, PAGES).select(
            pl.lit(number, dtype=pl.UInt32).alias("shard"),
            "page",
            "source",
            "record_id",
            "position",
            "site",
        )
        for number, stage in enumerate(stages)
    ]
    if not frames:
        return pl.DataFrame(schema=_PAGE_NUMBERS)
    pages = pl.concat(frames).collect().with_row_index("page_no")
    # Lengths before the parts, so that no two pages make the same text of them.
    own = pl.coalesce(pl.format("id {}", "record_id"), pl.format("at {}", "position"))
    named = pl.format("{} {} {}", pl.col("source").str.len_bytes(), "source", own)
    claimed = pages.with_columns(name=named)
    copy = pl.int_range(pl.len()).over("name")
    name = pl.format("{} {}", copy, "name")
    hashed = name.chash.sha2_256().str.slice(0, DOCUMENT_ID_CHARS)  # type: ignore[attr-defined]
    return claimed.select("page_no", "shard", "page", "site", document_id=hashed).select(
        _PAGE_NUMBERS.names()
    )


def _keys(corpus: Corpus, stages: list[str], pages: pl.DataFrame) -> pl.LazyFrame:
    """What the judge sees of every sentence still kept, in corpus order."""
    first_page = pages.group_by("shard", maintain_order=True).agg(pl.col("page_no").first())
    offsets = dict(first_page.iter_rows())
    return pl.concat(
        [
            _scan(corpus, stage, UNITS).select(
                (pl.col("page") + offsets[number]).alias("page_no").cast(pl.UInt32),
                *("block", "sentence", "hash", "language", "repeatable", "kind"),
            )
            for number, stage in enumerate(stages)
            if number in offsets
        ]
    )


def _find_templates(keys: pl.LazyFrame, settings: Settings) -> pl.DataFrame:
    """Verdicts on lines that belong to the template of their site."""
    if "boilerplate" in settings.skip:
        return pl.DataFrame(schema=_VERDICTS)
    sites = pl.scan_parquet(Corpus(settings.out).judgement / "pages.parquet")
    fixed = pl.col("kind").is_in(FIXED_KINDS)
    with_sites = keys.select("position", "page_no", "hash", is_fixed=fixed).join(
        sites.select("page_no", "site").drop_nulls(), on="page_no"
    )
    found = find_templates(with_sites, settings.template_min_pages)
    return (
        keys.select("position", "page_no", "block", "sentence")
        .join(found, on="position")
        .sort("position")
        .with_columns(step=pl.lit("templates"), rule=pl.lit("recurs-on-site"))
        .collect()
    )


def _find_repeats(
    keys: pl.LazyFrame, templates: pl.DataFrame, pages: pl.DataFrame, settings: Settings
) -> pl.DataFrame:
    """Verdicts on sentences that stand earlier in the corpus."""
    if "repeats" in settings.skip:
        return pl.DataFrame(schema=_VERDICTS)
    if "position" in templates.columns:
        keys = keys.join(templates.lazy().select("position"), on="position", how="anti")
    found = find_repeats(keys).collect(engine="streaming").lazy()
    places = keys.select("position", "page_no", "block", "sentence")
    names = pages.lazy().select("page_no", "document_id")
    kept = (
        places.join(found.select(position="kept_position").unique(), on="position", how="semi")
        .join(names, on="page_no")
        .select(
            kept_position="position",
            kept_at=pl.format("{}:{}:{}", "document_id", "block", "sentence"),
        )
    )
    return (
        places.join(found, on="position")
        .join(kept, on="kept_position")
        .sort("position")
        .with_columns(step=pl.lit("repeats"), rule=pl.lit("exact-sentence"))
        .collect()
    )


def _scan(corpus: Corpus, stage: str, table: Table) -> pl.LazyFrame:
    """A staged table of one shard, in page order."""
    files = sorted((corpus.stages / stage / table.name).glob("*.parquet"))
    if not files:
        return table.empty().lazy()
    return pl.scan_parquet(files)


# ---------------------------------------------------------------- 3. publish


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
        scan = _scan(corpus, stages[int(str(shard))], table)
        between = pl.col("page").is_between(pages["page"].min(), pages["page"].max())
        frames.append(scan.filter(between).join(ids, on="page", maintain_order="left"))
    return pl.concat(frames).collect()


def _documents(pages: pl.DataFrame, kept: pl.DataFrame, settings: Settings) -> pl.DataFrame:
    """One row a page that has text left: its kept blocks, one a line, and what they measure."""
    is_first = pl.col("sentence") == pl.col("sentence").first()
    is_code = pl.col("kind") == "code"
    lead = pl.when(~is_first | is_code).then("lead").otherwise(pl.lit(""))
    blocks = kept.group_by("page_no", "block", maintain_order=True).agg(
        text=pl.concat_str(lead, "text").str.join(""), n_sentences=pl.len()
    )
    texts = blocks.group_by("page_no", maintain_order=True).agg(
        text=pl.col("text").str.join("\n"),
        n_blocks=pl.len(),
        n_sentences=pl.col("n_sentences").sum(),
    )
    documents = pages.join(texts, on="page_no", maintain_order="left").rename({"document_id": "id"})
    if "quality" in settings.skip:
        text = pl.col("text")
        return documents.with_columns(
            n_chars=text.str.len_chars(), n_words=text.str.count_matches(r"\S+")
        )
    return measure_documents(documents)


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
    frames = [_scan(corpus, stage, METRICS) for stage in stages]
    frames += [pl.scan_parquet(path) for path in part_metrics]
    metrics = _sum_metrics(pl.concat([METRICS.empty().lazy(), *frames]).collect())
    refused = pl.concat(
        [
            quarantine(inputs.broken),
            *(_scan(corpus, stage, QUARANTINE).collect() for stage in stages),
        ]
    ).sort("source", "record", "reason", nulls_last=False)
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
        .with_columns(order=pl.col("place").min().over("step"))
        .sort("order", "rule", nulls_last=False)
        .select(METRICS.names)
    )


def forget_stages(keep: list[str], settings: Settings) -> None:
    """Remove cached read stages that the published corpus was not made from."""
    for folder in Corpus(settings.out).stages.iterdir():
        if folder.name not in keep:
            shutil.rmtree(folder, ignore_errors=True)
