"""The figures of a corpus: what its manifest says of it, and what later runs are compared with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from reinschrift.transforms.quality.signals import SIGNALS

if TYPE_CHECKING:
    from reinschrift.expectations.measuring import Tables

MAX_SITES = 200
MIN_WORDS = 50  # of a document whose function words are counted
FEW_FUNCTION_WORDS = 0.15  # share of words; see docs/gate.md
LONG_CHARS = 600  # of a sentence of prose
MIN_PROSE_CHARS = 80
MODELS = ("line-model", "blocks", "trafilatura")
PRESENT = ("title", "url", "site", "author", "date", "record_id", "fetched_at")
FURNITURE = (
    "Accept all cookies", "Accept cookies", "Alle akzeptieren", "Alle Cookies akzeptieren",
    "Leave a Reply", "Leave a comment", "Schreibe einen Kommentar", "Skip to content",
    "Skip to main content", "Zum Inhalt springen", "Sign in", "Log in", "Anmelden", "Back to top",
    "Nach oben", "Share on Facebook", "Tweet", "Read more", "Weiterlesen", "All rights reserved.",
    "Alle Rechte vorbehalten.", "Your email address will not be published.",
)  # fmt: skip
# A small letter, an end, a capitalised word: two sentences in one, in most alphabets that have capitals.
UNSPLIT = r"\p{Ll}{2}[.!?] \p{Lu}\p{Ll}"
PROSE_END = r"[.!?][\"'”“’»)]?$"

Figures = dict[str, Any]


def measure_figures(tables: Tables) -> Figures:
    """The figures: counts by part, summed; shares are made of them where they are compared."""
    parts = [_measure_part(part.documents, part.sentences, part.ledger) for part in tables.each]
    counts = _sum(parts)
    return {**counts, **_of_metrics(tables.metrics), "quarantine": _count(tables.quarantine)}


def _count(frame: pl.LazyFrame) -> int:
    return int(frame.select(pl.len()).collect().item())


def _measure_part(documents: pl.LazyFrame, sentences: pl.LazyFrame, ledger: pl.LazyFrame) -> Figures:
    return {
        **_of_documents(documents),
        **_of_sentences(sentences, ledger),
        **_of_ledger(ledger),
        "languages": _by(documents, "language"),
        "kinds": _by(sentences, "kind"),
        "sites": _by_site(documents),
    }


def _of_documents(documents: pl.LazyFrame) -> Figures:
    share, words = pl.col("rps_doc_stop_word_fraction"), pl.col("n_words")
    is_measured = share.is_not_null() & (words >= MIN_WORDS)
    signals = [signal.name for signal in SIGNALS]
    found = documents.unnest("signals").select(
        pl.len().alias("documents"),
        chars=pl.col("n_chars").cast(pl.Int64).sum(),
        words=words.cast(pl.Int64).sum(),
        measured_by_function_words=is_measured.sum(),
        few_function_words=(is_measured & (share < FEW_FUNCTION_WORDS)).sum(),
        present=pl.struct(pl.col(PRESENT).is_not_null().sum().cast(pl.Int64)),
        signals_present=pl.struct(pl.col(signals).is_not_null().sum().cast(pl.Int64)),
        # In millionths: a sum of floats would depend on the order of its terms.
        signals=pl.struct((pl.col(signals).cast(pl.Float64) * 1e6).round().cast(pl.Int64).sum()),
        flagged=(pl.col("quality_flags").list.len() > 0).sum(),
    )
    return dict(found.collect(engine="streaming").row(0, named=True))


def _of_sentences(sentences: pl.LazyFrame, ledger: pl.LazyFrame) -> Figures:
    # What a keep rule holds against a rule that drops is meant to stay, furniture or not.
    is_held = (pl.col("action") == "note") & pl.col("block").is_not_null()
    held = ledger.filter(is_held).select("document_id", "block", held=pl.lit(value=True)).unique()
    sentences = sentences.join(held, on=["document_id", "block"], how="left")
    text, is_prose = pl.col("text"), pl.col("kind") == "paragraph"
    length = text.str.len_chars()
    reads_as_prose = (length >= MIN_PROSE_CHARS) & text.str.contains(PROSE_END)
    found = sentences.select(
        pl.len().alias("sentences"),
        prose_sentences=is_prose.sum(),
        furniture=(text.is_in(FURNITURE) & pl.col("held").is_null()).sum(),
        unsplit=(is_prose & text.str.contains(UNSPLIT)).sum(),
        long=(is_prose & (length > LONG_CHARS)).sum(),
        sentence_chars=length.filter(is_prose).cast(pl.Int64).sum(),
        prose_chars=length.filter(reads_as_prose).cast(pl.Int64).sum(),
    )
    return dict(found.collect(engine="streaming").row(0, named=True))


def _of_ledger(ledger: pl.LazyFrame) -> Figures:
    text = pl.col("before")
    reads_as_prose = (text.str.len_chars() >= MIN_PROSE_CHARS) & text.str.contains(PROSE_END)
    by_model = (pl.col("action") == "drop") & pl.col("rule").is_in(MODELS)
    chars = text.str.len_chars().cast(pl.Int64)
    found = ledger.select(
        pl.len().alias("ledger"),
        prose_chars_dropped_by_models=chars.filter(by_model & reads_as_prose).sum(),
        notes=(pl.col("action") == "note").sum(),
    )
    return dict(found.collect(engine="streaming").row(0, named=True))


def _by(frame: pl.LazyFrame, column: str) -> dict[str, int]:
    counts = frame.group_by(column).agg(pl.len()).collect(engine="streaming")
    return {str(name): int(count) for name, count in counts.rows() if name is not None}


def _by_site(documents: pl.LazyFrame) -> dict[str, list[int]]:
    """By site: documents, characters kept, characters read; the largest."""
    sums = documents.group_by("site").agg(
        pl.len().cast(pl.Int64),
        pl.col("n_chars").cast(pl.Int64).sum(),
        pl.col("n_chars_read").cast(pl.Int64).sum(),
    )
    largest = sums.drop_nulls("site").sort("n_chars_read", "site", descending=[True, False])
    return {site: counts for site, *counts in largest.head(MAX_SITES).collect().rows()}


def _of_metrics(metrics: pl.DataFrame) -> Figures:
    whole = metrics.filter(pl.col("rule").is_null())
    rules = metrics.filter(pl.col("rule").is_not_null())
    return {
        "steps": {
            f"{row['step']}/{row['unit']}": {
                name: row[name] for name in ("units_in", "units_out", "units_dropped", "chars_dropped")
            }
            for row in whole.iter_rows(named=True)
        },
        "chars_read": int(whole.filter(step="read")["chars_out"].sum() or 0),
        "pages": int(whole.filter(step="quality", unit="page")["units_in"].sum() or 0),
        "rules": {
            f"{row['step']}/{row['rule']}": row["units_dropped"] + row["units_edited"]
            for row in rules.sort("step", "rule", "unit").iter_rows(named=True)
        },
    }


def _sum(parts: list[Figures]) -> Figures:
    """Figures of several parts, added up; of sites the largest."""
    total: Figures = {}
    for part in parts:
        for name, value in part.items():
            total[name] = _add(total.get(name), value)
    total["languages"] = dict(sorted(total["languages"].items()))
    total["kinds"] = dict(sorted(total["kinds"].items()))
    sites = sorted(total["sites"].items(), key=lambda site: (-site[1][2], site[0]))
    return {**total, "sites": dict(sites[:MAX_SITES])}


def _add(left: Any, right: Any) -> Any:
    if left is None:
        return right
    if isinstance(right, dict):
        return {name: _add(left.get(name), right.get(name)) for name in {**left, **right}}
    if isinstance(right, list):
        return [_add(one, other) for one, other in zip(left, right, strict=True)]
    return left if right is None else left + right
