"""The tables: columns, types, grain. What the gate checks and the Parquet files say is read here.

Published tables lie in OUT/corpus/<name>/. The staged ones pass between the stages of a run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from reinschrift.transforms.boilerplate.role_names import PAGE_TYPES, ROLES
from reinschrift.transforms.quality.signals import SIGNALS

if TYPE_CHECKING:
    from polars._typing import PolarsDataType

KINDS = ("heading", "paragraph", "list_item", "quote", "table", "code", "comment")
ACTIONS = ("drop", "edit", "note")
UNDETERMINED = "und"
LANGUAGE_SHARES = pl.List(pl.Struct({"language": pl.String, "share": pl.Float32}))
SPANS = pl.List(
    pl.Struct({"block": pl.UInt32, "sentence": pl.UInt32, "start": pl.UInt32, "end": pl.UInt32})
)


@dataclass(frozen=True)
class Column:
    """One column: its type, what it means, and whether it may be null."""

    name: str
    dtype: PolarsDataType
    meaning: str
    nullable: bool = False


@dataclass(frozen=True)
class Table:
    """One table: its grain in a sentence, its columns in order, its key, its invariants in words."""

    name: str
    grain: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    partition_by: str | None = None
    invariants: tuple[str, ...] = ()

    @property
    def schema(self) -> pl.Schema:
        """Column names and types, in order."""
        return pl.Schema({column.name: column.dtype for column in self.columns})

    @property
    def names(self) -> list[str]:
        """Column names, in order."""
        return [column.name for column in self.columns]

    def empty(self) -> pl.DataFrame:
        """No rows, the right columns."""
        return pl.DataFrame(schema=self.schema)

    def conform(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Select the columns of this table in order, cast; absent nullable ones become null."""
        absent = [
            pl.lit(None, dtype=column.dtype).alias(column.name)
            for column in self.columns
            if column.nullable and column.name not in frame.columns
        ]
        return frame.with_columns(absent).select(self.names).cast(self.schema)


_PAGE = Column("page", pl.UInt32, "number of the page within its shard")
_BLOCK = Column("block", pl.UInt32, "number of the block (non-blank line) within the page, from 0")
_SENTENCE = Column("sentence", pl.UInt32, "number of the sentence within the block, from 0")
_START = Column("start", pl.UInt32, "first code point in the page's text after repair")
_END = Column("end", pl.UInt32, "code point after the last, in the page's text after repair")
_KIND = Column("kind", pl.String, " | ".join(KINDS))
_KEPT_BY = Column("kept_by", pl.String, "rule or keep-list that holds the block, whatever drops", True)
_ROLE = Column(
    "role", pl.String, f"what the models take the block for: {' | '.join(ROLES)}; null: not asked", True
)
_DOCUMENT_ID = Column("document_id", pl.String, "documents.id of the page")

_PAGE_FACTS = (
    Column("source", pl.String, "path or URI of the input, as given"),
    Column("record_id", pl.String, "the record's own id; null for plain files", nullable=True),
    Column("url", pl.String, "address of the page, where known", nullable=True),
    Column("site", pl.String, "host without www., or pack:<rule pack that knows it>", nullable=True),
    Column(
        "fetched_at", pl.String, "when it was fetched, ISO 8601 in UTC, as the input says", nullable=True
    ),
    Column("title", pl.String, "title, from the record or the HTML", nullable=True),
    Column("author", pl.String, "author, from the HTML", nullable=True),
    Column("date", pl.String, "day of publication, ISO 8601, from the HTML", nullable=True),
    Column("canonical_url", pl.String, "the address the HTML calls its own", nullable=True),
    Column("site_name", pl.String, "name of the site, from the HTML", nullable=True),
    Column("format", pl.String, "text | html"),
    Column("encoding", pl.String, "the encoding it was read with"),
    Column("page_type", pl.String, f"{' | '.join(PAGE_TYPES)}; null: no model was asked", True),
    Column("page_type_confidence", pl.Float32, "how sure the model is of page_type", True),
    Column(
        "confidence",
        pl.Float32,
        "share of the page's words on which models, rules and page type leave no doubt",
        True,
    ),
)

_PAGE_LANGUAGES = (
    Column("language", pl.String, "language of most of the page's prose, ISO 639, or und"),
    Column("language_score", pl.Float32, "share of the page's prose in that language"),
    Column("languages", LANGUAGE_SHARES, "each language with its share of the letters, most first"),
    Column(
        "language_agreement",
        pl.Float32,
        "share of the letters of prose on which the voters agreed; null without a vote",
        nullable=True,
    ),
)

# ---------------------------------------------------------------- staged, between the stages

RECORDS = Table(
    "records",
    "one row a page as read, before anything was done to it",
    (
        _PAGE,
        Column("source", pl.String, "path or URI of the input, as given"),
        Column("record_id", pl.String, "the record's own id", nullable=True),
        Column("position", pl.UInt64, "byte offset of the record in its (decompressed) file"),
        Column("url", pl.String, "address", nullable=True),
        Column("fetched_at", pl.String, "when it was fetched", nullable=True),
        Column("title", pl.String, "title given by the record", nullable=True),
        Column("format", pl.String, "text | html"),
        Column("encoding", pl.String, "the encoding it was read with"),
        Column("content", pl.String, "text or HTML, decoded"),
    ),
)

PAGES = Table(
    "pages",
    "one row a page read, whether or not any of it was kept",
    (
        _PAGE,
        Column("position", pl.UInt64, "byte offset of the record in its (decompressed) file"),
        *_PAGE_FACTS,
        *_PAGE_LANGUAGES,
        Column("n_blocks_read", pl.UInt32, "non-blank blocks read"),
        Column("n_chars_read", pl.UInt32, "code points read, in non-blank blocks"),
        Column("url_key", pl.UInt64, "hash of the address, before anything in it was masked", True),
    ),
    key=("page",),
)

IGNORED = Table(
    "ignored",
    "one row a source and a reason why what it holds is no page",
    (
        Column("source", pl.String, "path or URI of the input, as given"),
        Column("reason", pl.String, "what it is"),
        Column("records", pl.UInt64, "how many"),
    ),
)

BLOCKS = Table(
    "blocks",
    "one row a non-blank block of a page; what the steps hand each other",
    (
        _PAGE,
        _BLOCK,
        Column("text", pl.String, "the block after the steps so far"),
        Column("gap_chars", pl.UInt32, "code points between the block before and this one"),
        _START,
        Column("blank_before", pl.UInt32, "blank lines before it"),
        _KIND,
        Column("format", pl.String, "text | html"),
        Column("extracted", pl.Boolean, "the extractor's verdict; null where it gave none", True),
        _KEPT_BY,
        _ROLE,
    ),
    key=("page", "block"),
)

UNITS = Table(
    "units",
    "one row a sentence still kept, in the read stage",
    (
        _PAGE,
        _BLOCK,
        _SENTENCE,
        _START,
        _END,
        _KIND,
        Column("language", pl.String, "language of the block, ISO 639, or und"),
        Column("text", pl.String, "the sentence"),
        Column("lead", pl.String, "white space between the sentence before, or the block's start"),
        Column("hash", pl.UInt64, "xxh3_64 of the normalised text"),
        Column("repeatable", pl.Boolean, "long enough, and of a kind, to count as a repeat"),
        Column("hash_high", pl.UInt64, "64 more bits of it, where key_bits = 128", nullable=True),
        _KEPT_BY,
        _ROLE,
    ),
    key=("page", "block", "sentence"),
)

PAGE_KEYS = Table(
    "page_keys",
    "one row a page with text left in the read stage: what its repeats are found by",
    (
        _PAGE,
        Column("text_hash", pl.UInt128, "xxh3_128 of the normalised text"),
        Column("n_chars", pl.UInt32, "code points of the normalised text"),
        Column("n_words", pl.UInt32, "words of it"),
        Column("bands", pl.List(pl.UInt64), "MinHash keys, one a band; null: too few words", True),
    ),
    key=("page",),
)

_VERDICT = (
    Column("start", pl.UInt32, _START.meaning, nullable=True),
    Column("end", pl.UInt32, _END.meaning, nullable=True),
    Column("step", pl.String, "step that decided"),
    Column("rule", pl.String, "rule that decided: pack/id for rule packs"),
    Column("also", pl.List(pl.String), "every other rule that fired"),
    Column("action", pl.String, " | ".join(ACTIONS)),
    Column("before", pl.String, "text before the action"),
    Column("after", pl.String, "text after an edit; null for a drop", nullable=True),
    Column("pages", pl.UInt32, "for a template: on how many pages of its site it stood", nullable=True),
    _ROLE,
    Column("probability", pl.Float32, "the model's P(content), where it was asked", nullable=True),
    Column("spans", SPANS, "a page dropped whole: the sentences of before, one a line", nullable=True),
)

ACTIONS_TAKEN = Table(
    "actions",
    "one row a dropped or edited unit, in the read stage",
    (
        _PAGE,
        Column("block", pl.UInt32, _BLOCK.meaning, nullable=True),
        Column("sentence", pl.UInt32, _SENTENCE.meaning, nullable=True),
        *_VERDICT,
    ),
)

# ---------------------------------------------------------------- published

DOCUMENTS = Table(
    "documents",
    "one row a page that has any text left",
    (
        Column("id", pl.String, "stable id: a hash of source and record"),
        *_PAGE_FACTS,
        *_PAGE_LANGUAGES,
        Column("duplicate_of", pl.String, "mode mark: documents.id of the page it repeats", True),
        Column("duplicate_cluster", pl.String, "documents.id of the first of its cluster", True),
        Column("duplicate_cluster_size", pl.UInt32, "pages of the cluster, with those dropped", True),
        Column("text", pl.String, "the kept blocks, one a line"),
        Column("comments", pl.String, "posts of readers, one a line, where they are not the text", True),
        Column("n_chars", pl.UInt32, "code points of text"),
        Column("n_words", pl.UInt32, "words of text"),
        Column("n_blocks", pl.UInt32, "blocks of text"),
        Column("n_sentences", pl.UInt32, "rows of this document in sentences"),
        Column("n_blocks_read", pl.UInt32, "non-blank blocks read"),
        Column("n_chars_read", pl.UInt32, "code points read, in non-blank blocks"),
        *(Column(signal.name, signal.dtype, signal.meaning, nullable=True) for signal in SIGNALS),
        Column("quality_flags", pl.List(pl.String), "rules of quality_profile it fails", nullable=True),
    ),
    key=("id",),
    partition_by="language",
    invariants=("n_sentences is the number of rows with this document_id in sentences",),
)

SENTENCES = Table(
    "sentences",
    "one row a kept sentence",
    (
        Column("id", pl.String, "document_id:block:sentence"),
        _DOCUMENT_ID,
        _BLOCK,
        _SENTENCE,
        _START,
        _END,
        _KIND,
        _ROLE,
        Column("language", pl.String, "language of the block, ISO 639, or und"),
        Column("text", pl.String, "the sentence"),
        Column("hash", pl.UInt64, "xxh3_64 of the normalised text"),
        Column("duplicate_of", pl.String, "mode mark: sentences.id of the first copy", True),
    ),
    key=("id",),
    partition_by="language",
    invariants=("end > start", "no two kept sentences repeat each other within a language"),
)

LEDGER = Table(
    "ledger",
    "one row a dropped or edited unit; sentence null: the whole block; block null: the whole page",
    (
        _DOCUMENT_ID,
        Column("source", pl.String, "path or URI of the input, as given"),
        Column("record_id", pl.String, "the record's own id", nullable=True),
        Column("url", pl.String, "address of the page, where known", nullable=True),
        Column("block", pl.UInt32, _BLOCK.meaning, nullable=True),
        Column("sentence", pl.UInt32, _SENTENCE.meaning, nullable=True),
        *_VERDICT,
        Column(
            "kept_at",
            pl.String,
            "sentences.id of the copy that stayed; documents.id where a page was dropped whole",
            nullable=True,
        ),
        Column("similarity", pl.Float32, "Jaccard of word 3-grams by which it joined its cluster", True),
    ),
    invariants=("a drop has no after", "a repeat has a kept_at, which was not itself dropped"),
)

METRICS = Table(
    "metrics",
    "one row a (step, rule, unit); rule null: the step as a whole",
    (
        Column("step", pl.String, "step of the pipeline"),
        Column("rule", pl.String, "rule; null: the whole step", nullable=True),
        Column("unit", pl.String, "page | block | sentence: what is counted"),
        Column("units_in", pl.Int64, "units that came in", nullable=True),
        Column("units_out", pl.Int64, "units that went on", nullable=True),
        Column("units_dropped", pl.Int64, "units dropped"),
        Column("units_edited", pl.Int64, "units edited"),
        Column("chars_in", pl.Int64, "code points that came in", nullable=True),
        Column("chars_out", pl.Int64, "code points that went on", nullable=True),
        Column("chars_dropped", pl.Int64, "code points of dropped units"),
    ),
    key=("step", "rule", "unit"),
    invariants=("units_in = units_out + units_dropped", "units_out = units_in of the next step"),
)

PAGE_METRICS = Table(
    "page_metrics",
    "one row a (page, step, rule) of the read stage",
    (_PAGE, *METRICS.columns),
    key=("page", "step", "rule"),
)

QUARANTINE = Table(
    "quarantine",
    "one row an input or record that could not be read",
    (
        Column("source", pl.String, "path or URI of the input, as given"),
        Column("record", pl.String, "its line, row or byte; null: the whole input", nullable=True),
        Column("reason", pl.String, "what is wrong"),
        Column("remedy", pl.String, "what to do about it"),
    ),
)

PUBLISHED = (DOCUMENTS, SENTENCES, LEDGER, METRICS, QUARANTINE)
