"""Columns that follow from others, computed again for every row and compared."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import polars as pl

from reinschrift.expectations.measuring import (
    MAX_EXAMPLES,
    Law,
    Measure,
    Tables,
    by_hash,
    none_of,
    sum_measures,
)
from reinschrift.transforms.quality.signals import RULES, Rule
from reinschrift.transforms.repeats.exact import add_hash

if TYPE_CHECKING:
    from collections.abc import Mapping

DOCUMENT_ID_CHARS = 20
MAX_COPIES = 10_000  # records of one input that claim the same id
# Inputs of one page each, whose pages therefore begin at 0.
ONE_PAGE = r"(?i)\.(txt|text|md|markdown|html?|xhtml)(\.(gz|zst|bz2|xz))?$"
_TEXTS = ("text", "comments")
_UNIT = ["document_id", "block", "sentence"]


def documents_count_their_sentences(tables: Tables) -> Measure:
    """n_sentences of each document is its number of rows in sentences, and none is without."""
    counted = tables.sentences.group_by("document_id").agg(counted=pl.len())
    both = tables.documents.select("id", "source", "n_sentences").join(
        counted, left_on="id", right_on="document_id", how="full", coalesce=True
    )
    return none_of(both.filter(pl.col("n_sentences").ne_missing(pl.col("counted"))))


def text_has_its_hash(tables: Tables) -> Measure:
    """The hash of a sentence is that of its text, as it was published."""
    again = add_hash(tables.sentences.select(*_UNIT, "id", "text", "kind", was="hash"), 1)
    wrong = again.filter(pl.col("hash") != pl.col("was"))
    return none_of(wrong.select("id", "text", "was", "hash"))


def documents_are_their_sentences(tables: Tables) -> Measure:
    """The text of a document is its sentences in order, a block a line, white space kept.

    So are its comments, of the sentences of posts where they have a column of their own.
    """
    joined = _join_sentences(tables)
    pages = tables.documents.select("id", "source", *_TEXTS).join(joined, on="id", how="left")
    is_unlike = [pl.col(name).ne_missing(pl.col(f"{name}_joined")) for name in _TEXTS]
    is_odd = {name: _spaced(name).ne_missing(_spaced(f"{name}_joined")) for name in _TEXTS}
    unlike = pages.filter(pl.any_horizontal(is_unlike))
    odd = unlike.select("id", "source", **is_odd).filter(pl.any_horizontal(_TEXTS))
    found = odd.collect(engine="streaming")
    parts = {name: found.filter(name).select("id", "source") for name in _TEXTS}
    return sum_measures(_look_closely(tables, part, name) for name, part in parts.items())


def _join_sentences(tables: Tables) -> pl.LazyFrame:
    """What sentences make of each document: `id`, `text_joined`, `comments_joined`.

    Pages are numbered first, since numbers are sorted many times faster than ids.
    """
    pages = tables.documents.select("id", has_comments=pl.col("comments").is_not_null())
    numbered = pages.with_row_index("page")
    is_aside = (pl.col("kind") == "comment") & pl.col("has_comments")
    place = pl.struct("page", "block")
    gap = pl.when(place == place.shift()).then(pl.lit(" ")).otherwise(pl.lit("\n"))
    joined = (
        tables.sentences.select(*_UNIT, "kind", "text")
        .join(numbered, left_on="document_id", right_on="id")
        .select("page", "block", "sentence", "text", is_aside=is_aside)
        .sort("page", "block", "sentence")
        .select("page", "is_aside", text=gap + pl.col("text"))
        .group_by("page", maintain_order=True)
        .agg(
            text_joined=pl.col("text").filter(~pl.col("is_aside")).str.join("").str.slice(1),
            comments_joined=pl.col("text").filter("is_aside").str.join("").str.slice(1),
        )
    )
    none = {f"{name}_joined": pl.col(f"{name}_joined").replace("", None) for name in _TEXTS}
    return numbered.select("id", "page").join(joined.with_columns(**none), on="page").drop("page")


def _sentences_of(tables: Tables, column: str) -> pl.LazyFrame:
    """The sentences of which a column of documents is made."""
    apart = tables.documents.select(document_id="id", has_comments=pl.col("comments").is_not_null())
    is_aside = (pl.col("kind") == "comment") & pl.col("has_comments").fill_null(value=False)
    with_facts = tables.sentences.join(apart, on="document_id", how="left")
    return with_facts.filter(is_aside if column == "comments" else ~is_aside)


def _spaced(column: str) -> pl.Expr:
    """White space within lines single, none at their beginnings."""
    # A single space is what it would be made, and most white space is one.
    lines = pl.col(column).str.replace_all(r"[^\S\n]{2,}|[^\S \n]", " ")
    return lines.str.replace_all(r"(?m)^ ", "")


def _look_closely(tables: Tables, odd: pl.DataFrame, column: str) -> Measure:
    """Of documents with sentences that no space parts, those that are not their sentences."""
    wrong: list[dict[str, Any]] = []
    count = 0
    for start in range(0, odd.height, 1000):
        some = odd[start : start + 1000]
        texts = tables.documents.filter(pl.col("id").is_in(some["id"].implode()))
        units = _sentences_of(tables, column)
        units = units.filter(pl.col("document_id").is_in(some["id"].implode())).sort(_UNIT)
        sentences = units.select("document_id", "block", "text").collect()
        by_page = {key[0]: rows for key, rows in sentences.group_by("document_id", maintain_order=True)}
        rows = texts.select("id", "source", pl.col(column).fill_null("")).collect()
        for page, source, text in rows.iter_rows():
            where = _first_difference(text, by_page[page]) if page in by_page else 0
            if where is not None:
                count += 1
                wrong.append({"id": page, "source": source, "at": where, "text": text[where:][:80]})
    return Measure(count, 0, wrong[:MAX_EXAMPLES])


def _first_difference(text: str, sentences: pl.DataFrame) -> int | None:
    """Where a text stops being its sentences; None where it is them."""
    at, before = 0, None
    for block, sentence in sentences.select("block", "text").iter_rows():
        found = text.find(sentence, at)
        gap = text[at:found]
        if found < 0 or gap.strip() or gap.count("\n") != (before not in (None, block)):
            return at
        at, before = found + len(sentence), block
    return at if text[at:].strip() else None


def ids_are_hashes(tables: Tables) -> Measure:
    """The id of a page is the hash of its source and record.

    Of records without an id it is that of a place in the file, which the tables do not have.
    """
    name = ["source", "record_id"]
    pages = pl.concat(
        [tables.documents.select(*name, "id"), tables.ledger.select(*name, id="document_id")]
    ).unique()
    at_start = pl.when(pl.col("source").str.contains(ONE_PAGE)).then(pl.lit("at 0"))
    own = pl.coalesce(pl.format("id {}", "record_id"), at_start)
    size = pl.col("source").str.len_bytes()
    named = pages.with_columns(name=pl.format("{} {} {}", size, "source", own))
    first = pl.format("0 {}", "name").chash.sha2_256().str.slice(0, DOCUMENT_ID_CHARS)  # type: ignore[attr-defined]
    others = named.filter(first != pl.col("id")).collect(engine="streaming")
    wrong = [row for row in others.iter_rows(named=True) if not _is_copy(row["id"], row["name"])]
    shown = [{key: row[key] for key in ("id", *name)} for row in wrong[:MAX_EXAMPLES]]
    return Measure(len(wrong), 0, shown)


def _is_copy(page: str, name: str) -> bool:
    """Whether an id is that of one of several records that claim the same."""
    return any(
        hashlib.sha256(f"{copy} {name}".encode()).hexdigest().startswith(page)
        for copy in range(1, MAX_COPIES)
    )


def pages_have_one_source(tables: Tables) -> Measure:
    """Ledger and documents say the same of a page: source, record id, address."""
    facts = ["source", "record_id", "url"]
    pages = pl.concat(
        [tables.documents.select(*facts, document_id="id"), tables.ledger.select(*facts, "document_id")]
    ).unique()
    return none_of(pages.filter(pl.len().over("document_id") > 1).sort("document_id"))


def sites_are_hosts(tables: Tables) -> Measure:
    """The site of a document is the host of its address, or else of the one it gives itself."""
    host = pl.coalesce("url", "canonical_url").str.extract(
        r"^[A-Za-z][A-Za-z0-9+.-]*://(?:[^/@]*@)?([^/:?#]+)", 1
    )
    site = host.str.to_lowercase().str.strip_prefix("www.")
    own = pl.col("site")
    wrong = site.is_not_null() & own.ne_missing(site)
    wrong |= site.is_null() & own.is_not_null() & ~own.str.starts_with("pack:")
    return none_of(tables.documents.filter(wrong).select("id", "source", "url", "site"))


def copies_are_equal(tables: Tables) -> Measure:
    """A sentence dropped as an exact repeat has the hash of the one it points at."""
    gone = tables.ledger.filter(pl.col("rule") == "exact-sentence").select(
        "document_id", "kept_at", text="before", kind=pl.lit("paragraph")
    )
    pointers = add_hash(gone, 1).select("document_id", "kept_at", "hash", "text")
    marked = tables.sentences.filter(pl.col("duplicate_of").is_not_null()).select(
        "document_id", "hash", "text", kept_at="duplicate_of"
    )
    columns = ["document_id", "kept_at", "hash", "text"]
    pointers = pl.concat([pointers, marked.select(columns)])
    kept = tables.sentences.select(kept_at="id", kept_hash="hash", kept_text="text")
    return by_hash(
        "kept_at",
        [pointers, kept],
        lambda some, known: some.join(known, on="kept_at").filter(pl.col("hash") != pl.col("kept_hash")),
    )


def _points_at_equals(settings: Mapping[str, Any]) -> bool:
    """Blocks and near duplicates move pointers on to sentences that are alike, not equal.

    Text that is masked in the ledger is no longer what was compared.
    """
    near = {"sentence", "block"} & {*settings.get("near_units", ("sentence",))}
    blocks = "block" in settings.get("repeat_units", ("block",))
    return not near and not blocks and not settings.get("redact_ledger")


def edits_lead_to_the_text(tables: Tables) -> Measure:
    """What an edit left of a block is what the next step dropped or edited, or its sentences."""
    place = ["document_id", "block"]
    is_block = pl.col("block").is_not_null() & pl.col("sentence").is_null()
    rows = tables.ledger.filter(is_block).select(*place, "action", "rule", "before", "after")
    edited = rows.filter(pl.col("action") == "edit").select(place).unique()
    chain = rows.join(edited, on=place, how="semi", maintain_order="left").with_columns(
        then=pl.col("before").shift(-1).over(place)
    )
    broken = chain.filter(
        (pl.col("action") == "edit") & pl.col("then").is_not_null() & (_bare("after") != _bare("then"))
    ).select(*place, "rule", "after", "then")
    last = chain.filter((pl.col("action") == "edit") & pl.col("then").is_null())
    units = _units_of(tables, edited)
    ends = last.join(units, on=place, how="inner").filter(_bare("after") != pl.col("then_bare"))
    return none_of(pl.concat([broken, ends.select(*place, "rule", "after", then="then_bare")]))


def _units_of(tables: Tables, blocks: pl.LazyFrame) -> pl.LazyFrame:
    """The sentences of some blocks, kept or dropped, as one text without white space."""
    gone = tables.ledger.filter((pl.col("action") == "drop") & pl.col("sentence").is_not_null()).select(
        *_UNIT, text="before"
    )
    whole = (
        tables.ledger.filter(pl.col("spans").is_not_null())
        .select("document_id", "spans", text=pl.col("before").str.split("\n"))
        .filter(pl.col("spans").list.len() == pl.col("text").list.len())
        .explode("spans", "text", empty_as_null=False, keep_nulls=False)
        .unnest("spans")
        .select(*_UNIT, "text")
    )
    units = pl.concat([tables.sentences.select(*_UNIT, "text"), gone, whole])
    return (
        units.join(blocks, on=["document_id", "block"], how="semi")
        .sort(_UNIT)
        .group_by("document_id", "block", maintain_order=True)
        .agg(then_bare=pl.col("text").str.join("").str.replace_all(r"\s+", ""))
    )


def _bare(column: str) -> pl.Expr:
    return pl.col(column).str.replace_all(r"\s+", "")


def _keeps_texts(settings: Mapping[str, Any]) -> bool:
    """Masks change sentences after they were cut."""
    return not settings.get("mask")


def metrics_count_the_tables(tables: Tables) -> Measure:
    """METRICS say how many documents, sentences and characters there are."""
    of_documents = tables.documents.select(pl.len(), pl.col("n_chars").cast(pl.Int64).sum())
    documents, chars = of_documents.collect(engine="streaming").row(0)
    sentences = tables.sentences.select(pl.len()).collect(engine="streaming").item()
    must_be = [
        ("quality", "page", "units_out", documents),
        ("quality", "page", "chars_out", chars),
        ("repeats", "sentence", "units_out", sentences),
    ]
    rows = []
    for step, unit, column, counted in must_be:
        found = tables.metrics.filter(
            (pl.col("step") == step) & (pl.col("unit") == unit) & pl.col("rule").is_null()
        )[column]
        if len(found) and found.sum() != counted:
            rows.append({"step": step, "unit": unit, column: found.sum(), "counted": counted})
    return Measure(len(rows), 0, rows)


def documents_were_measured(tables: Tables) -> Measure:
    """Every document has its signals and flags."""
    columns = ["quality_flags", "signals"]
    wrong = pl.any_horizontal(pl.col(columns).is_null())
    return none_of(tables.documents.filter(wrong).select("id", "source", *columns))


def _is_measured(settings: Mapping[str, Any]) -> bool:
    return settings.get("quality", "off") != "off" and "quality" not in settings.get("skip", ())


def flags_follow_signals(tables: Tables) -> Measure:
    """quality_flags are the rules of the profiles that the signals fail."""
    asked = tables.settings["quality_profile"]
    rules = [rule for rule in RULES if rule.profile in asked or "all" in asked]
    failed = pl.concat_list(
        [pl.when(_fails(rule)).then(pl.lit(rule.name)) for rule in rules]
    ).list.drop_nulls()
    wrong = pl.col("quality_flags") != failed
    found = tables.documents.unnest("signals").filter(wrong)
    return none_of(found.select("id", "source", "quality_flags", by=failed))


def _fails(rule: Rule) -> pl.Expr:
    column = pl.col(rule.column)
    low = column < pl.lit(rule.low, pl.Float32) if rule.low is not None else pl.lit(value=False)
    high = column > pl.lit(rule.high, pl.Float32) if rule.high is not None else pl.lit(value=False)
    return (low | high).fill_null(value=False)


_STEPS_OF_RULES = ("repair", "boilerplate", "extract", "templates")


def steps_are_their_rules(tables: Tables) -> Measure:
    """What a step dropped and edited is what its rules did."""
    columns = ["units_dropped", "units_edited", "chars_dropped"]
    mine = tables.metrics.filter(pl.col("step").is_in(_STEPS_OF_RULES)).lazy()
    sums = mine.filter(pl.col("rule").is_not_null()).group_by("step").agg(pl.col(columns).sum())
    both = mine.filter(pl.col("rule").is_null()).join(sums, on="step", how="left", suffix="_of_rules")
    wrong = pl.any_horizontal(
        pl.col(name) != pl.col(f"{name}_of_rules").fill_null(0) for name in columns
    )
    return none_of(both.filter(wrong).select("step", *columns, *(f"{n}_of_rules" for n in columns)))


DERIVED = (
    Law(
        "documents.id-of-source",
        "the id of a page is the hash of its source and record",
        ids_are_hashes,
        (
            "documents.id",
            "documents.source",
            "documents.record_id",
            "ledger.document_id",
            "ledger.source",
        ),
    ),
    Law(
        "documents.one-source",
        "documents and ledger say the same of a page",
        pages_have_one_source,
        (
            "documents.id",
            "documents.source",
            "documents.record_id",
            "documents.url",
            "ledger.document_id",
            "ledger.source",
            "ledger.record_id",
            "ledger.url",
        ),
    ),
    Law(
        "documents.site-of-url",
        "the site of a document is the host of its address",
        sites_are_hosts,
        ("documents.site", "documents.url", "documents.canonical_url"),
        applies=_keeps_texts,
    ),
    Law(
        "documents.n-sentences",
        "n_sentences is the number of rows in sentences",
        documents_count_their_sentences,
        (
            "documents.n_sentences",
            "documents.id",
            "documents.rows",
            "sentences.rows",
            "sentences.document_id",
        ),
    ),
    Law(
        "sentences.hash-of-text",
        "the hash of a sentence is that of its text",
        text_has_its_hash,
        ("sentences.hash", "sentences.text"),
    ),
    Law(
        "documents.text-of-sentences",
        "the text of a document is its sentences, a block a line",
        documents_are_their_sentences,
        (
            "documents.text",
            "documents.comments",
            "documents.n_blocks",
            "documents.id",
            "sentences.text",
            "sentences.kind",
            "sentences.rows",
            "sentences.block",
        ),
    ),
    Law(
        "documents.measured",
        "every document has its signals and flags",
        documents_were_measured,
        ("documents.quality_flags", "documents.signals"),
        applies=_is_measured,
    ),
    Law(
        "documents.flags-of-signals",
        "quality_flags are the rules that the signals fail",
        flags_follow_signals,
        ("documents.quality_flags", "documents.signals"),
        applies=lambda settings: _is_measured(settings) and "quality_profile" in settings,
    ),
    Law(
        "ledger.copy-is-equal",
        "an exact repeat has the hash of the sentence it points at",
        copies_are_equal,
        ("ledger.kept_at", "ledger.before", "sentences.hash", "sentences.text"),
        is_local=False,
        applies=_points_at_equals,
    ),
    Law(
        "ledger.edits-lead-on",
        "what an edit left is what the next row had before it, or the sentences of the block",
        edits_lead_to_the_text,
        ("ledger.after", "ledger.before", "sentences.text"),
        applies=_keeps_texts,
    ),
    Law(
        "metrics.of-tables",
        "METRICS count the rows and characters of the tables",
        metrics_count_the_tables,
        (
            "metrics.units_out",
            "metrics.chars_out",
            "documents.rows",
            "sentences.rows",
            "documents.n_chars",
        ),
        is_local=False,
    ),
    Law(
        "metrics.rules-of-steps",
        "what a step dropped and edited is what its rules did",
        steps_are_their_rules,
        (
            "metrics.units_dropped",
            "metrics.units_edited",
            "metrics.chars_dropped",
            "metrics.rows",
        ),
        is_local=False,
    ),
)
