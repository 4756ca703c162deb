"""The tables: columns, types, grain, keys and invariants, the last as expressions.

The gate's laws and suites, the files' metadata and the tables in docs/architecture.md are made from
this. Published tables lie in OUT/corpus/<name>/. The staged ones pass between the stages of a run.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import polars as pl

from reinschrift.transforms.boilerplate.role_names import PAGE_TYPES, ROLES
from reinschrift.transforms.languages.codes import LANGUAGES
from reinschrift.transforms.quality.signals import RULES, SIGNALS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from polars._typing import PolarsDataType

KINDS = ("heading", "paragraph", "list_item", "quote", "table", "code", "comment")
ACTIONS = ("drop", "edit", "note")
UNDETERMINED = "und"
FORMATS = ("text", "html")
UNITS_COUNTED = ("page", "block", "sentence")
# The steps that may write to the ledger: those of the pipeline that drop, edit or note.
LANGUAGE_CODES = (*sorted(LANGUAGES), UNDETERMINED)
LANGUAGE_SHARES = pl.List(pl.Struct({"language": pl.String, "share": pl.Float32}))
SPANS = pl.List(
    pl.Struct({"block": pl.UInt32, "sentence": pl.UInt32, "start": pl.UInt32, "end": pl.UInt32})
)


@dataclass(frozen=True)
class Column:
    """One column: its type, what it means, whether it may be null, and which values it may have.

    `values`: all there are, or a function that gives them; `low`, `high`: bounds, inclusive. `fields`:
    those of a struct.
    """

    name: str
    dtype: PolarsDataType
    meaning: str
    nullable: bool = False
    values: tuple[str, ...] | Callable[[], tuple[str, ...]] = ()
    low: float | None = None
    high: float | None = None
    fields: tuple[Column, ...] = ()

    @property
    def allowed(self) -> tuple[str, ...]:
        """All values there are; empty where there is no such set."""
        return self.values() if callable(self.values) else self.values


def step_names() -> tuple[str, ...]:
    """The steps that the ledger may name: those of the table of steps."""
    from reinschrift.transforms.steps import STEP_NAMES

    return STEP_NAMES


@dataclass(frozen=True)
class Invariant:
    """What every row of a table holds to: a stable name, a sentence, an expression of its columns.

    `broken` is true for a row that does not hold to it. `breaks` are columns that would break it, as an
    example that a test tries.
    """

    name: str
    what: str
    broken: pl.Expr
    breaks: Mapping[str, Any]

    @property
    def columns(self) -> list[str]:
        """The columns it speaks of."""
        return sorted(set(self.broken.meta.root_names()))


@dataclass(frozen=True)
class Reference:
    """A foreign key: each value of `column` that is not null is some row's `key` in `table`."""

    column: str
    table: str
    key: str

    @property
    def what(self) -> str:
        """In words."""
        return f"{self.column} is the {self.key} of a row in {self.table}"


@dataclass(frozen=True)
class Table:
    """One table: its grain in a sentence, its columns in order, its key, foreign keys and invariants.

    What needs other tables is a law in `expectations.laws`.
    """

    name: str
    grain: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    partition_by: str | None = None
    references: tuple[Reference, ...] = ()
    invariants: tuple[Invariant, ...] = field(default=(), hash=False)

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
_KIND = Column("kind", pl.String, " | ".join(KINDS), values=KINDS)
_KEPT_BY = Column("kept_by", pl.String, "rule or keep-list that holds the block, whatever drops", True)
_ROLE = Column(
    "role",
    pl.String,
    f"what the models take the block for: {' | '.join(ROLES)}; null: not asked",
    nullable=True,
    values=ROLES,
)
_PROBABILITY = Column(
    "probability",
    pl.Float32,
    "the model's P(content) of the block, where it was asked",
    nullable=True,
    low=0,
    high=1,
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
    Column("format", pl.String, "text | html", values=FORMATS),
    Column("encoding", pl.String, "the encoding it was read with"),
    Column(
        "page_type",
        pl.String,
        f"{' | '.join(PAGE_TYPES)}; null: no model was asked",
        nullable=True,
        values=PAGE_TYPES,
    ),
    Column(
        "page_type_confidence",
        pl.Float32,
        "how sure the model is of page_type",
        nullable=True,
        low=0,
        high=1,
    ),
    Column(
        "confidence",
        pl.Float32,
        "share of the page's words on which models, rules and page type leave no doubt",
        True,
    ),
)

_PAGE_LANGUAGES = (
    Column(
        "language",
        pl.String,
        "language of most of the page's prose, ISO 639, or und",
        values=LANGUAGE_CODES,
    ),
    Column("language_score", pl.Float32, "share of the page's prose in that language", low=0, high=1),
    Column("languages", LANGUAGE_SHARES, "each language with its share of the letters, most first"),
    Column(
        "language_agreement",
        pl.Float32,
        "share of the letters of prose on which the voters agreed; null without a vote",
        nullable=True,
        low=0,
        high=1,
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
        _PROBABILITY,
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
        _PROBABILITY,
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
    Column("step", pl.String, "step that decided", values=step_names),
    Column("rule", pl.String, "rule that decided: pack/id for rule packs"),
    Column("also", pl.List(pl.String), "every other rule that fired"),
    Column("action", pl.String, " | ".join(ACTIONS), values=ACTIONS),
    Column("before", pl.String, "text before the action"),
    Column("after", pl.String, "text after an edit; null for a drop", nullable=True),
    Column("pages", pl.UInt32, "for a template: on how many pages of its site it stood", nullable=True),
    _ROLE,
    _PROBABILITY,
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

_TEXT, _BEFORE, _AFTER = pl.col("text"), pl.col("before"), pl.col("after")
_IS_EDIT, _IS_REPEAT = pl.col("action") == "edit", pl.col("step") == "repeats"
_OF_EVERY_LANGUAGE = [signal.name for signal in SIGNALS if not signal.by_language]
_SHARES = pl.col("languages").list.eval(pl.element().struct.field("share"))
_CODES = pl.col("languages").list.eval(pl.element().struct.field("language"))
_RULE_NAMES = [rule.name for rule in RULES]


def _signal_column(name: str, dtype: pl.DataType, meaning: str) -> Column:
    """A signal; a share lies between 0 and 1."""
    high = 1 if "_frac" in name else None
    return Column(name, dtype, meaning, nullable=True, low=0, high=high)


SIGNAL_COLUMNS = tuple(_signal_column(one.name, one.dtype, one.meaning) for one in SIGNALS)


def _signal(name: str) -> pl.Expr:
    return pl.col("signals").struct.field(name)


# Text in the read stage, where it is kept as found; types that tools know in what is published.
_TIMES = {"fetched_at": pl.Datetime("us", "UTC"), "date": pl.Date()}


def with_times(pages: pl.DataFrame) -> pl.DataFrame:
    """PAGES with `fetched_at` and `date` as DOCUMENTS has them."""
    return pages.with_columns(
        pl.col("fetched_at").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_zone="UTC", time_unit="us"),
        pl.col("date").str.to_date("%Y-%m-%d"),
    )


def _published_fact(column: Column) -> Column:
    meanings = {"fetched_at": "when it was fetched, as the input says", "date": "day of publication"}
    if column.name not in _TIMES:
        return column
    return replace(column, dtype=_TIMES[column.name], meaning=meanings[column.name])


DOCUMENTS = Table(
    "documents",
    "one row a page that has any text left",
    (
        Column("id", pl.String, "stable id: a hash of source and record"),
        *map(_published_fact, _PAGE_FACTS),
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
        Column(
            "signals",
            pl.Struct({column.name: column.dtype for column in SIGNAL_COLUMNS}),
            "quality signals, by their published names; null: not measured",
            nullable=True,
            fields=SIGNAL_COLUMNS,
        ),
        Column("quality_flags", pl.List(pl.String), "rules of quality_profile it fails", nullable=True),
    ),
    key=("id",),
    partition_by="language",
    invariants=(
        Invariant(
            "id-form",
            "id is 20 hexadecimal digits",
            ~pl.col("id").str.contains(r"\A[0-9a-f]{20}\z"),
            {"id": pl.lit("no id")},
        ),
        Invariant(
            "text-not-blank",
            "a document has text",
            _TEXT.str.strip_chars() == "",
            {"text": pl.lit(" ")},
        ),
        Invariant(
            "n-chars",
            "n_chars is the number of code points of text",
            pl.col("n_chars") != _TEXT.str.len_chars(),
            {"n_chars": pl.col("n_chars") + 1},
        ),
        Invariant(
            "n-words",
            "n_words is the number of words of text",
            pl.col("n_words") != _TEXT.str.count_matches(r"\S+"),
            {"n_words": pl.col("n_words") + 1},
        ),
        Invariant(
            "n-blocks",
            "n_blocks is the number of lines of text",
            pl.col("n_blocks") != _TEXT.str.count_matches("\n", literal=True) + 1,
            {"n_blocks": pl.col("n_blocks") + 1},
        ),
        Invariant(
            "sentences-of-blocks",
            "a document has at least a sentence a block",
            pl.col("n_sentences") < pl.col("n_blocks"),
            {"n_sentences": pl.lit(0, pl.UInt32)},
        ),
        Invariant(
            "blocks-of-page",
            "no document has more blocks than its page",
            pl.col("n_blocks_read") < pl.col("n_blocks"),
            {"n_blocks_read": pl.lit(0, pl.UInt32)},
        ),
        Invariant(
            "languages-known",
            "each of languages is a known code",
            _CODES.list.set_difference(pl.lit(list(LANGUAGE_CODES))).list.len() > 0,
            {"languages": pl.lit([{"language": "xx", "share": 1.0}], LANGUAGE_SHARES)},
        ),
        Invariant(
            "languages-ordered",
            "the shares of languages descend and make no more than 1",
            (_SHARES.list.sort(descending=True) != _SHARES) | (_SHARES.list.sum() > 1.001),
            {"languages": pl.lit([{"language": "de", "share": 1.5}], LANGUAGE_SHARES)},
        ),
        Invariant(
            "cluster-size",
            "a cluster is named where it has more than one page",
            pl.col("duplicate_cluster").is_not_null()
            != (pl.col("duplicate_cluster_size") > 1).fill_null(value=False),
            {
                "duplicate_cluster_size": pl.lit(7, pl.UInt32),
                "duplicate_cluster": pl.lit(None, pl.String),
            },
        ),
        Invariant(
            "cluster-owner",
            "duplicate_cluster is duplicate_of, or else the document itself",
            pl.col("duplicate_cluster") != pl.coalesce("duplicate_of", "id"),
            {
                "duplicate_cluster": pl.lit("0" * 20),
                "duplicate_cluster_size": pl.lit(2, pl.UInt32),
                "duplicate_of": pl.lit("1" * 20),
            },
        ),
        Invariant(
            "signals-present",
            "a document that was measured has every signal of any language",
            pl.col("quality_flags").is_not_null()
            & pl.any_horizontal(*(_signal(name).is_null() for name in _OF_EVERY_LANGUAGE)),
            {"signals": pl.col("signals").struct.with_fields(gopher_word_count=pl.lit(None, pl.UInt32))},
        ),
        Invariant(
            "flags-known",
            "each of quality_flags is a rule of a profile",
            pl.col("quality_flags").list.set_difference(pl.lit(_RULE_NAMES)).list.len() > 0,
            {"quality_flags": pl.lit(["no-such-rule"])},
        ),
    ),
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
        _PROBABILITY,
        Column("language", pl.String, "language of the block, ISO 639, or und", values=LANGUAGE_CODES),
        Column("text", pl.String, "the sentence"),
        Column("hash", pl.UInt64, "xxh3_64 of the normalised text"),
        Column("duplicate_of", pl.String, "mode mark: sentences.id of the first copy", True),
    ),
    key=("id",),
    partition_by="language",
    references=(Reference("document_id", "documents", "id"),),
    invariants=(
        Invariant(
            "id-form",
            "id is document_id:block:sentence",
            pl.col("id") != pl.format("{}:{}:{}", "document_id", "block", "sentence"),
            {"id": pl.col("id") + "0"},
        ),
        Invariant(
            "span",
            "end is greater than start",
            pl.col("end") <= pl.col("start"),
            {"end": pl.col("start")},
        ),
        Invariant(
            "text-form",
            "a sentence is not blank, has no line break, and no white space at its ends",
            (_TEXT == "") | (_TEXT.str.strip_chars() != _TEXT) | _TEXT.str.contains("\n", literal=True),
            {"text": " " + _TEXT},
        ),
        Invariant(
            "not-its-own-copy",
            "no sentence is marked as a copy of itself",
            pl.col("duplicate_of") == pl.col("id"),
            {"duplicate_of": pl.col("id")},
        ),
    ),
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
            "sentences.id of the copy that stayed, of the reference where it stands there; "
            "documents.id where a page was dropped whole",
            nullable=True,
        ),
        Column(
            "similarity",
            pl.Float32,
            "Jaccard of word 3-grams by which it joined its cluster",
            nullable=True,
            low=0,
            high=1,
        ),
    ),
    invariants=(
        Invariant(
            "after-of-an-edit",
            "an edit has a different text after, and nothing else has one",
            pl.when(_IS_EDIT)
            .then(_AFTER.is_null() | (_AFTER == _BEFORE))
            .otherwise(_AFTER.is_not_null()),
            {"action": pl.lit("drop"), "after": pl.lit("x")},
        ),
        Invariant(
            "kept-at-of-a-repeat",
            "a repeat names the copy that was kept, and nothing else does",
            pl.col("kept_at").is_not_null() != _IS_REPEAT,
            {"step": pl.lit("repeats"), "kept_at": pl.lit(None, pl.String)},
        ),
        Invariant(
            "pages-of-a-template",
            "a template says on how many pages it stood, and nothing else does",
            (pl.col("step") == "templates") != pl.col("pages").is_not_null(),
            {"step": pl.lit("templates"), "pages": pl.lit(None, pl.UInt32)},
        ),
        Invariant(
            "place",
            "what has a sentence has a block, and what has a block has a start and an end in order",
            (pl.col("sentence").is_not_null() & pl.col("block").is_null())
            | (pl.col("block").is_not_null() & (pl.col("start").is_null() | pl.col("end").is_null()))
            | (pl.col("end") < pl.col("start")),
            {"block": pl.lit(0, pl.UInt32), "start": pl.lit(None, pl.UInt32)},
        ),
        Invariant(
            "text-of-a-drop",
            "what was dropped has a text, unless its page was taken down",
            (pl.col("action") == "drop") & (_BEFORE == "") & (pl.col("step") != "removals"),
            {"action": pl.lit("drop"), "step": pl.lit("repair"), "before": pl.lit("")},
        ),
        Invariant(
            "spans-of-a-page",
            "a page dropped whole has a span for each line of its text, and nothing else has spans",
            pl.col("spans").is_not_null()
            & (
                pl.col("block").is_not_null()
                | (pl.col("spans").list.len() != _BEFORE.str.count_matches("\n", literal=True) + 1)
            ),
            {"spans": pl.lit([], SPANS)},
        ),
        Invariant(
            "probability-of-the-line-model",
            "what the line model dropped has the probability by which it did",
            (pl.col("rule") == "line-model") & pl.col("probability").is_null(),
            {"rule": pl.lit("line-model"), "probability": pl.lit(None, pl.Float32)},
        ),
        Invariant(
            "similarity-of-a-near-duplicate",
            "a near duplicate has a similarity, and nothing else has one",
            pl.col("rule").str.starts_with("near-") != pl.col("similarity").is_not_null(),
            {"rule": pl.lit("near-page"), "similarity": pl.lit(None, pl.Float32)},
        ),
    ),
)

METRICS = Table(
    "metrics",
    "one row a (step, rule, unit); rule null: the step as a whole",
    (
        Column("step", pl.String, "step of the pipeline"),
        Column("rule", pl.String, "rule; null: the whole step", nullable=True),
        Column("unit", pl.String, "page | block | sentence: what is counted", values=UNITS_COUNTED),
        Column("units_in", pl.Int64, "units that came in", nullable=True, low=0),
        Column("units_out", pl.Int64, "units that went on", nullable=True, low=0),
        Column("units_dropped", pl.Int64, "units dropped", low=0),
        Column("units_edited", pl.Int64, "units edited", low=0),
        Column("chars_in", pl.Int64, "code points that came in", nullable=True, low=0),
        Column("chars_out", pl.Int64, "code points that went on", nullable=True, low=0),
        Column("chars_dropped", pl.Int64, "code points of dropped units", low=0),
    ),
    key=("step", "rule", "unit"),
    invariants=(
        Invariant(
            "units-add-up",
            "units_in is units_out and units_dropped together",
            pl.col("units_in") != pl.col("units_out") + pl.col("units_dropped"),
            {"units_in": pl.lit(-1, pl.Int64), "units_out": pl.lit(0, pl.Int64)},
        ),
        Invariant(
            "whole-steps",
            "a step as a whole has units_in and units_out, and its rules have none",
            (pl.col("rule").is_null() != pl.col("units_in").is_not_null())
            | (pl.col("rule").is_null() != pl.col("units_out").is_not_null()),
            {"units_in": pl.lit(None, pl.Int64), "rule": pl.lit(None, pl.String)},
        ),
    ),
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
    invariants=(
        Invariant(
            "says-why",
            "what was refused says why, and what to do",
            (pl.col("reason").str.strip_chars() == "") | (pl.col("remedy").str.strip_chars() == ""),
            {"remedy": pl.lit("")},
        ),
    ),
)

PUBLISHED = (DOCUMENTS, SENTENCES, LEDGER, METRICS, QUARANTINE)
