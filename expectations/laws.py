"""The laws that need more than one row: nothing is lost, nothing stands twice, pointers lead home.

What concerns single rows, keys and foreign keys is in `expectations.rows`, made from the contracts;
what is computed again from other columns is in `expectations.derived`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from reinschrift.expectations.measuring import (
    Law,
    Measure,
    Tables,
    by_hash,
    count_rows,
    none_of,
    sum_measures,
)
from reinschrift.transforms.repeats.exact import UNREPEATABLE_KINDS, normalise

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


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
    return Measure(count_rows(_dropped_blocks(tables)) + count_rows(_split_blocks(tables)), 0, [])


def _blocks_read(metrics: pl.DataFrame) -> int:
    return _step(metrics, "read", "units_out")


def no_block_twice(tables: Tables) -> Measure:
    """No block is both dropped whole and kept, or dropped twice."""
    dropped = _dropped_blocks(tables)
    both = dropped.join(_split_blocks(tables), on=_BLOCK, how="semi")
    twice = dropped.filter(pl.len().over(_BLOCK) > 1)
    return none_of(pl.concat([both, twice]).select(*_BLOCK, "step", "rule", "before"))


def every_sentence_once(tables: Tables) -> Measure:
    """Sentences cut = sentences kept + sentences dropped."""
    return Measure(count_rows(tables.sentences) + count_rows(_dropped_sentences(tables)), 0, [])


def _sentences_cut(metrics: pl.DataFrame) -> int:
    # Documents that fail the rules go before the resolve stage; the other step of that name measures.
    early = _step(metrics.filter(unit="sentence"), "quality", "units_dropped")
    return _step(metrics, "templates", "units_in") + early


def no_sentence_twice(tables: Tables) -> Measure:
    """No sentence is both kept and dropped, or dropped twice."""
    dropped = _dropped_sentences(tables)
    both = dropped.join(tables.sentences, on=_UNIT, how="semi")
    twice = dropped.filter(pl.len().over(_UNIT) > 1)
    return none_of(pl.concat([both, twice]).select(*_UNIT, "step", "rule", "before"))


def steps_add_up(tables: Tables) -> Measure:
    """What came into a step went on or was dropped, and what went on came into the next."""
    steps = tables.metrics.filter(pl.col("rule").is_null() & (pl.col("unit") != "page"))
    before = pl.col("units_out").shift(1).over("unit")
    broken = steps.with_columns(came=before).filter(
        (pl.col("units_in") != pl.col("units_out") + pl.col("units_dropped"))
        | (pl.col("came").is_not_null() & (pl.col("came") != pl.col("units_in")))
    )
    return none_of(broken.lazy())


def ledger_matches_metrics(tables: Tables) -> Measure:
    """The ledger has as many rows a rule as the rule counted."""
    rows_a_part = [
        part.ledger.group_by("step", "rule").agg(
            in_ledger=pl.col("action").is_in(["drop", "edit"]).sum().cast(pl.Int64),
            chars=pl.col("before").filter(_IS_DROP).str.len_chars().sum().cast(pl.Int64),
        )
        for part in tables.each
    ]
    counts = pl.concat([counted.collect(engine="streaming") for counted in rows_a_part])
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
    return none_of(both.filter(differ))


def repeats_point_home(tables: Tables) -> Measure:
    """What a repeat points at stayed: a kept sentence, or a page that was not dropped whole."""
    ledger = tables.ledger.filter(pl.col("kept_at").is_not_null())
    # What stands in a reference points into that corpus, which is not here.
    repeats = ledger.filter(pl.col("block").is_not_null() & (pl.col("rule") != "in-reference"))
    marked = tables.sentences.filter(pl.col("duplicate_of").is_not_null())
    first = tables.sentences.filter(pl.col("duplicate_of").is_null())
    pointers = pl.concat(
        [
            repeats.select("document_id", "kept_at"),
            marked.select("document_id", kept_at="duplicate_of"),
        ]
    )
    lost = by_hash("kept_at", [pointers, first.select(kept_at="id")], _dangling)
    return sum_measures([lost, _lost_pages(tables)])


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
    return by_hash("kept_at", [pointers, known, gone], _lost)


def _lost(pointers: pl.LazyFrame, known: pl.LazyFrame, gone: pl.LazyFrame) -> pl.LazyFrame:
    dangling = pointers.join(known.unique(), on="kept_at", how="anti")
    return pl.concat([dangling, pointers.join(gone, on="kept_at", how="semi")])


def dropped_pages_are_gone(tables: Tables) -> Measure:
    """No page dropped whole has a row in documents or sentences, or is dropped twice."""
    whole = tables.ledger.filter(_IS_DROP & pl.col("block").is_null()).select("document_id", "rule")
    kept = pl.concat([tables.documents.select(document_id="id"), tables.sentences.select("document_id")])
    both = whole.join(kept, on="document_id", how="semi")
    return none_of(pl.concat([both, whole.filter(pl.len().over("document_id") > 1)]))


def text_stands_where_said(tables: Tables) -> Measure:
    """end - start is the length of the text, unless the sentence itself was edited."""
    edited = tables.ledger.filter((pl.col("action") == "edit") & pl.col("sentence").is_not_null())
    wrong = tables.sentences.filter(
        pl.col("end").cast(pl.Int64) - pl.col("start").cast(pl.Int64)
        != pl.col("text").str.len_chars().cast(pl.Int64)
    ).join(edited, on=_UNIT, how="anti")
    return none_of(wrong.select("id", "start", "end", "text"))


def spans_do_not_overlap(tables: Tables) -> Measure:
    """Within a document, a kept sentence or dropped unit ends before the next begins."""
    span = ["document_id", "block", "start", "end"]
    gone = pl.concat([_dropped_blocks(tables).select(span), _dropped_sentences(tables).select(span)])
    placed = gone.filter(pl.col("end") > pl.col("start"))
    spans = pl.concat([tables.sentences.select(span), placed])
    in_order = ["start", "end"]
    following = pl.col("start", "block").shift(-1).over("document_id", order_by=in_order)
    overlap = spans.with_columns(following.name.prefix("next_"))
    wrong = (pl.col("end") > pl.col("next_start")) | (pl.col("block") > pl.col("next_block"))
    return none_of(overlap.filter(wrong))


def blocks_of_pages(tables: Tables) -> Measure:
    """Of each document as many blocks are accounted for as were read, and none beyond them."""
    touched = pl.concat(
        [
            tables.sentences.select(_BLOCK),
            _dropped_blocks(tables).select(_BLOCK),
            _dropped_sentences(tables).select(_BLOCK),
        ]
    ).unique()
    counted = touched.group_by("document_id").agg(blocks=pl.len(), last_block=pl.col("block").max())
    kept = tables.documents.select("n_blocks_read", "source", document_id="id")
    both = counted.join(kept, on="document_id", how="left")
    # Of a page without a document only the last block is known: those before it must be there.
    read = pl.coalesce("n_blocks_read", pl.col("last_block") + 1)
    wrong = (pl.col("blocks") != read) | (pl.col("last_block") >= read)
    whole = tables.ledger.filter(pl.col("step") == "removals").select("document_id")
    return none_of(both.filter(wrong).join(whole, on="document_id", how="anti"))


def no_kept_repeat(tables: Tables) -> Measure:
    """No two kept sentences repeat each other within a language.

    Texts are looked at only where hashes are equal: what is shorter than a repeat may stand twice.
    """
    shortest = int(tables.settings["min_repeat_chars"])
    may_repeat = ~pl.col("kind").is_in(UNREPEATABLE_KINDS) & (pl.col("text").str.len_chars() >= shortest)
    keys = tables.sentences.filter(may_repeat).select("id", "hash", "language")

    def repeated(rows: pl.LazyFrame) -> pl.LazyFrame:
        again = rows.filter(pl.len().over("hash", "language") > 1)
        texts = tables.sentences.select("id", "text").join(again, on="id")
        is_long = normalise(pl.col("text")).str.len_chars() >= shortest
        groups = texts.filter(is_long).sort("id").group_by("hash", "language")
        first, last = pl.col("id", "text").first(), pl.col("id").last().alias("again")
        return groups.agg(first, last, copies=pl.len()).filter(pl.col("copies") > 1)

    return by_hash(["hash", "language"], [keys], repeated)


def _drops_repeats(settings: Mapping[str, Any]) -> bool:
    return (
        settings.get("repeats_mode") == "drop"
        and "sentence" in settings.get("repeat_units", ())
        and "repeats" not in settings.get("skip", ())
    )


def clusters_have_their_pages(tables: Tables) -> Measure:
    """A cluster has as many pages as documents and dropped pages name it."""
    whole = tables.ledger.filter(
        _IS_DROP & pl.col("block").is_null() & (pl.col("step") == "repeats")
    ).select(cluster="kept_at")
    named = tables.documents.filter(pl.col("duplicate_cluster").is_not_null())
    members = pl.concat([named.select(cluster="duplicate_cluster"), whole])

    def wrong(sizes: pl.LazyFrame, pages: pl.LazyFrame) -> pl.LazyFrame:
        counted = pages.group_by("cluster").agg(pages=pl.len())
        both = sizes.join(counted, on="cluster", how="left")
        return both.filter(pl.col("duplicate_cluster_size").ne_missing(pl.col("pages")))

    # Of a page that a template emptied nothing is left that could name its cluster.
    if _step(tables.metrics, "templates", "units_dropped"):
        return Measure(0, 0, [])
    sizes = named.select("id", "duplicate_cluster_size", cluster="duplicate_cluster")
    return by_hash("cluster", [sizes, members], wrong)


def a_page_was_read(tables: Tables) -> Measure:
    """METRICS speak of at least one page that was read, or taken down."""
    found = tables.metrics["step"].is_in(["read", "removals"]).any()
    return Measure(int(not found), 0, [])


# What says of which units there are rows, and whether they were dropped or kept.
_PLACES = (
    *(f"ledger.{name}" for name in ("rows", "document_id", "block", "sentence", "action", "spans")),
    *(f"sentences.{name}" for name in ("rows", "document_id", "block", "sentence", "id")),
)
LAWS = (
    Law(
        "metrics.pages-read",
        "at least one page was read, or taken down",
        a_page_was_read,
        ("metrics.step", "metrics.rows"),
        is_local=False,
    ),
    Law(
        "conservation.blocks",
        "every block read was dropped or has sentences",
        every_block_once,
        (*_PLACES, "metrics.units_out", "metrics.rows"),
        must_be=_blocks_read,
    ),
    Law(
        "conservation.sentences",
        "every sentence cut was kept or dropped",
        every_sentence_once,
        (*_PLACES, "metrics.units_in", "metrics.units_dropped", "metrics.rows"),
        must_be=_sentences_cut,
    ),
    Law(
        "conservation.pages",
        "of each document as many blocks are accounted for as were read",
        blocks_of_pages,
        (*_PLACES, "documents.n_blocks_read"),
    ),
    Law(
        "conservation.no-block-twice",
        "no block is dropped twice, or dropped and kept",
        no_block_twice,
        _PLACES,
    ),
    Law(
        "conservation.no-sentence-twice",
        "no sentence is dropped twice, or dropped and kept",
        no_sentence_twice,
        _PLACES,
    ),
    Law(
        "conservation.ledger",
        "the ledger has a row for all that a rule did",
        ledger_matches_metrics,
        (
            "ledger.rows",
            "ledger.before",
            "ledger.rule",
            "ledger.step",
            "ledger.action",
            "metrics.units_dropped",
            "metrics.units_edited",
            "metrics.chars_dropped",
            "metrics.rows",
        ),
        is_local=False,
    ),
    Law(
        "metrics.steps-add-up",
        "each step passes on what it did not drop",
        steps_add_up,
        ("metrics.units_in", "metrics.units_out", "metrics.units_dropped", "metrics.rows"),
        is_local=False,
    ),
    Law(
        "repeats.none-kept",
        "no two kept sentences repeat each other within a language",
        no_kept_repeat,
        ("sentences.rows", "sentences.hash", "sentences.language"),
        is_local=False,
        applies=_drops_repeats,
    ),
    Law(
        "repeats.kept-at",
        "the copy a repeat points at was kept",
        repeats_point_home,
        ("ledger.kept_at", "sentences.rows", "sentences.id", "sentences.duplicate_of"),
        is_local=False,
    ),
    Law(
        "repeats.cluster-size",
        "a cluster has as many pages as name it",
        clusters_have_their_pages,
        (
            "documents.duplicate_cluster_size",
            "documents.duplicate_cluster",
            "ledger.kept_at",
            "ledger.rows",
        ),
        is_local=False,
    ),
    Law(
        "repeats.pages-gone",
        "a page dropped whole is nowhere else",
        dropped_pages_are_gone,
        ("ledger.rows", "documents.rows", "sentences.rows", "ledger.document_id"),
    ),
    Law(
        "sentences.span-length",
        "start and end span the text",
        text_stands_where_said,
        ("sentences.start", "sentences.end", "sentences.text"),
    ),
    Law(
        "sentences.spans-in-order",
        "sentences of a document do not overlap, and their blocks follow each other",
        spans_do_not_overlap,
        (
            "sentences.start",
            "sentences.end",
            "sentences.block",
            "sentences.rows",
            "ledger.start",
            "ledger.end",
        ),
    ),
)
