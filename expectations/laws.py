"""The laws over a whole corpus, counted in Polars: for each, what is and what must be.

Great Expectations judges the counts; the tables themselves never pass through pandas. A law gives two
numbers that must be equal, and up to five rows of the tables that break it.

So that a large corpus takes no more memory than a small one, laws of single documents are measured part
by part (a part holds all rows of its documents), and what any row may break with any other by ranges of
a hash.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from reinschrift.transforms.repeats.exact import add_hash

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

MAX_EXAMPLES = 5
ROWS_AT_ONCE = 2_000_000


@dataclass(frozen=True)
class Tables:
    """The published tables of one corpus, lazily; METRICS is small and in memory.

    `parts`: the same, cut so that no document lies in two of them; without any, all is one part.
    """

    documents: pl.LazyFrame
    sentences: pl.LazyFrame
    ledger: pl.LazyFrame
    metrics: pl.DataFrame
    parts: tuple[Tables, ...] = ()

    @property
    def each(self) -> tuple[Tables, ...]:
        """The parts, or else the whole."""
        return self.parts or (self,)


@dataclass(frozen=True)
class Measure:
    """What a law found."""

    is_: int
    must_be: int
    rows: list[dict[str, Any]]


@dataclass(frozen=True)
class Law:
    """One law: a stable name, a sentence, how it is measured, and on what.

    `is_local`: on each part; what is found is summed. `must_be`: what the sum must be, by METRICS.
    """

    name: str
    what: str
    measure: Callable[[Tables], Measure]
    is_local: bool = True
    must_be: Callable[[pl.DataFrame], int] | None = None


def _sum(measures: Iterable[Measure]) -> Measure:
    """What several measures of one law come to."""
    is_ = must_be = 0
    rows: list[dict[str, Any]] = []
    for one in measures:
        is_ += one.is_
        must_be += one.must_be
        rows += one.rows[: MAX_EXAMPLES - len(rows)]
    return Measure(is_, must_be, rows)


def _by_hash(
    column: str,
    frames: Sequence[pl.LazyFrame],
    offenders: Callable[..., pl.LazyFrame],
) -> Measure:
    """`offenders` of some frames, by ranges of the hash of a column that all of them have."""
    rounds = sum(map(_count, frames)) // ROWS_AT_ONCE + 1
    turn = pl.col(column).hash(0) % rounds
    return _sum(
        _none_of(offenders(*(frame.filter(turn == number) for frame in frames)))
        for number in range(rounds)
    )


def _none_of(offenders: pl.LazyFrame) -> Measure:
    """There must be no such rows."""
    count = int(offenders.select(pl.len()).collect(engine="streaming").item())
    rows = offenders.head(MAX_EXAMPLES).collect().to_dicts() if count else []
    return Measure(count, 0, rows)


def _count(frame: pl.LazyFrame) -> int:
    return int(frame.select(pl.len()).collect(engine="streaming").item())


def _step(metrics: pl.DataFrame, step: str, column: str) -> int:
    """A count of a step as a whole; 0 where the step did not run."""
    found = metrics.filter((pl.col("step") == step) & pl.col("rule").is_null())[column]
    return int(found.sum() or 0)


_IS_DROP = pl.col("action") == "drop"
_BLOCK = ["document_id", "block"]
_UNIT = [*_BLOCK, "sentence"]


def _dropped_blocks(tables: Tables) -> pl.LazyFrame:
    whole = _IS_DROP & pl.col("sentence").is_null() & pl.col("block").is_not_null()
    return tables.ledger.filter(whole)


_DROPPED = ["document_id", "block", "sentence", "start", "end", "step", "rule", "before"]


def _dropped_sentences(tables: Tables) -> pl.LazyFrame:
    """Sentences dropped one by one, and those of pages dropped whole (`before`: the whole text)."""
    singly = tables.ledger.filter(_IS_DROP & pl.col("sentence").is_not_null())
    with_pages = (
        tables.ledger.filter(_IS_DROP & pl.col("spans").is_not_null())
        .select("document_id", "spans", "step", "rule", "before")
        .explode("spans", empty_as_null=False, keep_nulls=False)
        .unnest("spans")
    )
    return pl.concat([singly.select(_DROPPED), with_pages.select(_DROPPED)])


def _split_blocks(tables: Tables) -> pl.LazyFrame:
    """Blocks that were cut into sentences, kept or dropped."""
    parts = [tables.sentences.select(_BLOCK), _dropped_sentences(tables).select(_BLOCK)]
    return pl.concat(parts).unique()


def every_block_once(tables: Tables) -> Measure:
    """Blocks read = blocks dropped + blocks that have sentences, kept or dropped."""
    return Measure(_count(_dropped_blocks(tables)) + _count(_split_blocks(tables)), 0, [])


def _blocks_read(metrics: pl.DataFrame) -> int:
    return _step(metrics, "read", "units_out")


def no_block_twice(tables: Tables) -> Measure:
    """No block is both dropped whole and kept, or dropped twice."""
    dropped = _dropped_blocks(tables)
    both = dropped.join(_split_blocks(tables), on=_BLOCK, how="semi")
    twice = dropped.filter(pl.len().over(_BLOCK) > 1)
    return _none_of(pl.concat([both, twice]).select(*_BLOCK, "step", "rule", "before"))


def every_sentence_once(tables: Tables) -> Measure:
    """Sentences cut = sentences kept + sentences dropped."""
    return Measure(_count(tables.sentences) + _count(_dropped_sentences(tables)), 0, [])


def _sentences_cut(metrics: pl.DataFrame) -> int:
    # Documents that fail the rules go before the judge sees them; the other step of that name measures.
    early = _step(metrics.filter(unit="sentence"), "quality", "units_dropped")
    return _step(metrics, "templates", "units_in") + early


def no_sentence_twice(tables: Tables) -> Measure:
    """No sentence is both kept and dropped, or dropped twice."""
    dropped = _dropped_sentences(tables)
    both = dropped.join(tables.sentences, on=_UNIT, how="semi")
    twice = dropped.filter(pl.len().over(_UNIT) > 1)
    return _none_of(pl.concat([both, twice]).select(*_UNIT, "step", "rule", "before"))


def steps_add_up(tables: Tables) -> Measure:
    """What came into a step went on or was dropped, and what went on came into the next."""
    steps = tables.metrics.filter(pl.col("rule").is_null() & (pl.col("unit") != "page"))
    before = pl.col("units_out").shift(1).over("unit")
    broken = steps.with_columns(came=before).filter(
        (pl.col("units_in") != pl.col("units_out") + pl.col("units_dropped"))
        | (pl.col("came").is_not_null() & (pl.col("came") != pl.col("units_in")))
    )
    return _none_of(broken.lazy())


def ledger_matches_metrics(tables: Tables) -> Measure:
    """The ledger has as many rows a rule as the rule counted."""
    told = [
        part.ledger.group_by("step", "rule").agg(
            in_ledger=pl.col("action").is_in(["drop", "edit"]).sum().cast(pl.Int64),
            chars=pl.col("before").filter(_IS_DROP).str.len_chars().sum().cast(pl.Int64),
        )
        for part in tables.each
    ]
    counts = pl.concat([counted.collect(engine="streaming") for counted in told])
    rows = counts.lazy().group_by("step", "rule").agg(pl.col("in_ledger", "chars").sum())
    counted = tables.metrics.lazy().filter(pl.col("rule").is_not_null())
    both = rows.filter(pl.col("in_ledger") > 0).join(
        counted.select(
            "step", "rule", "chars_dropped", counted=pl.col("units_dropped") + pl.col("units_edited")
        ),
        on=["step", "rule"],
        how="full",
        coalesce=True,
    )
    differ = pl.col("in_ledger").fill_null(0) != pl.col("counted").fill_null(0)
    differ |= pl.col("chars").fill_null(0) != pl.col("chars_dropped").fill_null(0)
    return _none_of(both.filter(differ))


def repeats_point_home(tables: Tables) -> Measure:
    """What a repeat points at stayed: a kept sentence, or a page that was not dropped whole."""
    ledger = tables.ledger.filter(pl.col("kept_at").is_not_null())
    repeats = ledger.filter(pl.col("block").is_not_null())
    marked = tables.sentences.filter(pl.col("duplicate_of").is_not_null())
    first = tables.sentences.filter(pl.col("duplicate_of").is_null())
    pointers = pl.concat(
        [
            repeats.select("document_id", "kept_at"),
            marked.select("document_id", kept_at="duplicate_of"),
        ]
    )
    lost = _by_hash("kept_at", [pointers, first.select(kept_at="id")], _dangling)
    return _sum([lost, _lost_pages(tables)])


def _dangling(pointers: pl.LazyFrame, targets: pl.LazyFrame) -> pl.LazyFrame:
    return pointers.join(targets, on="kept_at", how="anti")


def _lost_pages(tables: Tables) -> Measure:
    """Pages whose copy was dropped or marked itself, or never was."""
    whole = tables.ledger.filter(_IS_DROP & pl.col("block").is_null())
    marked = tables.documents.filter(pl.col("duplicate_of").is_not_null())
    pointers = pl.concat(
        [
            whole.filter(pl.col("kept_at").is_not_null()).select("document_id", "kept_at"),
            marked.select(document_id="id", kept_at="duplicate_of"),
        ]
    )
    known = pl.concat(
        [tables.documents.select(kept_at="id"), tables.ledger.select(kept_at="document_id")]
    )
    gone = pl.concat([whole.select(kept_at="document_id"), marked.select(kept_at="id")])
    return _by_hash("kept_at", [pointers, known, gone], _lost)


def _lost(pointers: pl.LazyFrame, known: pl.LazyFrame, gone: pl.LazyFrame) -> pl.LazyFrame:
    dangling = pointers.join(known.unique(), on="kept_at", how="anti")
    return pl.concat([dangling, pointers.join(gone, on="kept_at", how="semi")])


def pages_keep_their_lines(tables: Tables) -> Measure:
    """A page dropped whole has a line for each of its spans."""
    whole = tables.ledger.filter(pl.col("spans").is_not_null())
    lines = pl.col("before").str.count_matches("\n", literal=True) + 1
    return _none_of(
        whole.filter(lines != pl.col("spans").list.len()).select("document_id", "rule", "before")
    )


def dropped_pages_are_gone(tables: Tables) -> Measure:
    """No page dropped whole has a row in documents or sentences, or is dropped twice."""
    whole = tables.ledger.filter(_IS_DROP & pl.col("block").is_null()).select("document_id", "rule")
    kept = pl.concat([tables.documents.select(document_id="id"), tables.sentences.select("document_id")])
    both = whole.join(kept, on="document_id", how="semi")
    return _none_of(pl.concat([both, whole.filter(pl.len().over("document_id") > 1)]))


def text_stands_where_said(tables: Tables) -> Measure:
    """end - start is the length of the text, unless the sentence itself was edited."""
    edited = tables.ledger.filter((pl.col("action") == "edit") & pl.col("sentence").is_not_null())
    wrong = tables.sentences.filter(
        pl.col("end").cast(pl.Int64) - pl.col("start").cast(pl.Int64)
        != pl.col("text").str.len_chars().cast(pl.Int64)
    ).join(edited, on=_UNIT, how="anti")
    return _none_of(wrong.select("id", "start", "end", "text"))


def spans_do_not_overlap(tables: Tables) -> Measure:
    """Within a document, a kept sentence or dropped unit ends before the next begins."""
    span = ["document_id", "block", "start", "end"]
    gone = pl.concat([_dropped_blocks(tables).select(span), _dropped_sentences(tables).select(span)])
    placed = gone.filter(pl.col("end") > pl.col("start"))
    spans = pl.concat([tables.sentences.select(span), placed])
    following = pl.col("start").shift(-1).over("document_id", order_by=["start", "end"])
    overlap = spans.with_columns(next_start=following)
    return _none_of(overlap.filter(pl.col("end") > pl.col("next_start")))


def documents_count_their_sentences(tables: Tables) -> Measure:
    """n_sentences of each document is its number of rows in sentences, and none is without."""
    counted = tables.sentences.group_by("document_id").agg(counted=pl.len())
    both = tables.documents.select("id", "source", "n_sentences").join(
        counted, left_on="id", right_on="document_id", how="full", coalesce=True
    )
    return _none_of(both.filter(pl.col("n_sentences").ne_missing(pl.col("counted"))))


def text_has_its_hash(tables: Tables) -> Measure:
    """The hash of a sentence is that of its text, as it was published."""
    again = add_hash(tables.sentences.select(*_UNIT, "id", "text", "kind", was="hash"), 1)
    wrong = again.filter(pl.col("hash") != pl.col("was"))
    return _none_of(wrong.select("id", "text", "was", "hash"))


def documents_are_their_sentences(tables: Tables) -> Measure:
    """The text of a document is its sentences, but for white space, and n_chars its length."""
    bare = pl.col("text").str.replace_all(r"\s+", "")
    joined = (
        tables.sentences.select("document_id", "block", "sentence", bare=bare)
        .sort("document_id", "block", "sentence")
        .group_by("document_id")
        .agg(pl.col("bare").str.join("").hash(0))
    )
    both = tables.documents.select("id", "source", "n_chars", "text", own=bare.hash(0)).join(
        joined, left_on="id", right_on="document_id", how="left"
    )
    differ = pl.col("own").ne_missing(pl.col("bare"))
    differ |= pl.col("n_chars") != pl.col("text").str.len_chars()
    return _none_of(both.filter(differ).select("id", "source", "n_chars"))


def ids_are_unique(tables: Tables) -> Measure:
    """No two documents, and no two sentences, share an id."""
    ids = (tables.documents.select("id"), tables.sentences.select("id"))
    return _sum(_by_hash("id", [frame], _doubled) for frame in ids)


def _doubled(ids: pl.LazyFrame) -> pl.LazyFrame:
    return ids.group_by("id").agg(copies=pl.len()).filter(pl.col("copies") > 1)


LAWS = (
    Law(
        "conservation",
        "every block read was dropped or has sentences",
        every_block_once,
        must_be=_blocks_read,
    ),
    Law("conservation-once", "no block is dropped twice, or dropped and kept", no_block_twice),
    Law(
        "conservation-sentences",
        "every sentence cut was kept or dropped",
        every_sentence_once,
        must_be=_sentences_cut,
    ),
    Law("conservation-sentences-once", "no sentence is dropped and kept", no_sentence_twice),
    Law("steps-add-up", "each step passes on what it did not drop", steps_add_up, is_local=False),
    Law(
        "ledger-complete",
        "the ledger has a row for all that a rule did",
        ledger_matches_metrics,
        is_local=False,
    ),
    Law("kept-at", "the copy a repeat points at was kept", repeats_point_home, is_local=False),
    Law("pages-whole", "a page dropped whole has a line a sentence", pages_keep_their_lines),
    Law("pages-gone", "a page dropped whole is nowhere else", dropped_pages_are_gone),
    Law("replay", "start and end span the text", text_stands_where_said),
    Law("replay-order", "sentences of a document do not overlap", spans_do_not_overlap),
    Law("counts", "documents count their sentences", documents_count_their_sentences),
    Law("keys", "ids are unique", ids_are_unique, is_local=False),
    Law("hashes", "every hash is that of its text", text_has_its_hash),
    Law("texts", "documents are their sentences, put together", documents_are_their_sentences),
)


def measure_laws(tables: Tables) -> tuple[pl.DataFrame, dict[str, list[dict[str, Any]]]]:
    """Measure every law.

    Out: one row a law (`law`, `is`, `must_be`, `difference`), and rows that break it by law.
    """
    measures = {}
    for law in LAWS:
        found = _sum(map(law.measure, tables.each)) if law.is_local else law.measure(tables)
        must_be = law.must_be(tables.metrics) if law.must_be else found.must_be
        measures[law.name] = Measure(found.is_, must_be, found.rows)
    frame = pl.DataFrame(
        {
            "law": list(measures),
            "is": [m.is_ for m in measures.values()],
            "must_be": [m.must_be for m in measures.values()],
            "difference": [m.is_ - m.must_be for m in measures.values()],
        }
    )
    return frame, {name: m.rows for name, m in measures.items() if m.rows}
