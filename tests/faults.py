"""Faults planted in a published corpus, each by one change to one table; what the gate calls each.

`python -m tests.faults` prints the table of docs/gate.md.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from reinschrift.expectations.gate import judge_corpus, judge_plainly
from reinschrift.expectations.terms import Terms
from tests.conftest import clean, read_corpus

if TYPE_CHECKING:
    from collections.abc import Callable

    from reinschrift.expectations.verdict import Verdict

ROOT = Path(__file__).parents[1]
TEXT, FIRST = pl.col("text"), pl.int_range(pl.len()) == 0
LONG = pl.col("text").str.len_chars() > 40


@dataclass(frozen=True)
class Fault:
    """One fault: of which table, in words, and the change."""

    table: str
    what: str
    change: Callable[[pl.DataFrame], pl.DataFrame]


def _set(**columns: object) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """Every row has these values."""
    return lambda f: f.with_columns(**columns).cast(dict(f.schema))


def _null(*names: str) -> Callable[[pl.DataFrame], pl.DataFrame]:
    return lambda f: f.with_columns(pl.lit(None, dtype=f.schema[name]).alias(name) for name in names)


def _where(condition: pl.Expr, **columns: pl.Expr) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """The first row that fits has these values."""

    def change(frame: pl.DataFrame) -> pl.DataFrame:
        at = frame.select(condition.fill_null(value=False).arg_true().first()).item()
        here = pl.int_range(pl.len()) == at
        changed = {name: pl.when(here).then(value).otherwise(name) for name, value in columns.items()}
        return frame.with_columns(**changed).cast(dict(frame.schema))

    return change


def _without(condition: pl.Expr) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """The first row that fits is gone."""

    def change(frame: pl.DataFrame) -> pl.DataFrame:
        at = frame.select(condition.fill_null(value=False).arg_true().first()).item()
        return frame.filter(pl.int_range(pl.len()) != at)

    return change


def _reverse(*names: str) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """Values change places from the first row to the last."""
    return lambda f: f.with_columns(pl.col(names).reverse())


def _twice(frame: pl.DataFrame) -> pl.DataFrame:
    return pl.concat([frame, frame.head(1)])


def _signal(**columns: pl.Expr) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """Signals get other values."""
    return lambda f: f.with_columns(pl.col("signals").struct.with_fields(**columns))


IS_DROP, IS_EDIT = pl.col("action") == "drop", pl.col("action") == "edit"
IS_REPEAT = pl.col("step") == "repeats"
DOCUMENT_FAULTS = (
    Fault("documents", "a language that does not exist", _set(language=pl.lit("xx"))),
    Fault("documents", "another language than that of the folder", _set(language=pl.lit("fr"))),
    Fault("documents", "no language", _null("language")),
    Fault("documents", "a score beyond 1", _set(language_score=pl.lit(7.0))),
    Fault("documents", "a wrong score", _set(language_score=pl.lit(0.123))),
    Fault("documents", "a wrong agreement", _set(language_agreement=pl.lit(0.123))),
    Fault("documents", "languages emptied", lambda f: f.with_columns(languages=pl.col("languages").list.head(0))),
    Fault("documents", "all spaces taken out of the text", _set(text=TEXT.str.replace_all(" ", "", literal=True))),
    Fault(
        "documents", "spaces taken out, counts made to fit",
        lambda f: f.with_columns(text=TEXT.str.replace_all(" ", "", literal=True)).with_columns(
            n_chars=TEXT.str.len_chars(), n_words=TEXT.str.count_matches(r"\S+")
        ),
    ),
    Fault("documents", "the blocks of a text in another order", _set(text=TEXT.str.split("\n").list.reverse().list.join("\n"))),
    Fault("documents", "a text cut", _set(text=TEXT.str.head(100))),
    Fault("documents", "texts of two documents swapped", _reverse("text", "n_chars", "n_words", "n_blocks")),
    Fault("documents", "a word of a text changed", _where(FIRST, text=TEXT.str.replace("die", "das"))),
    Fault("documents", "text emptied", _set(text=pl.lit(""))),
    Fault("documents", "sources swapped", _reverse("source")),
    Fault("documents", "sources null", _null("source")),
    Fault("documents", "a URL out of nowhere", _set(url=pl.lit("https://other.example/"))),
    Fault("documents", "a wrong site", _set(site=pl.lit("pack:other"))),
    Fault("documents", "all titles null", lambda f: _null("title")(f) if f["title"].count() else f),
    Fault("documents", "titles of others", _set(title=pl.lit("A title"))),
    Fault("documents", "all signals null", _null("signals")),
    Fault("documents", "all signals and flags null", _null("quality_flags", "signals")),
    Fault("documents", "a share beyond 1", _signal(gopher_alpha_word_fraction=pl.lit(1.5, pl.Float32))),
    Fault("documents", "flags that the signals do not fail", _set(quality_flags=pl.lit(["gopher_word_count"]))),
    Fault("documents", "wrong n_words", _set(n_words=pl.col("n_words") + 1)),
    Fault("documents", "wrong n_chars", _set(n_chars=pl.col("n_chars") + 1)),
    Fault("documents", "wrong n_blocks", _set(n_blocks=pl.col("n_blocks") - 1)),
    Fault("documents", "wrong n_sentences", _set(n_sentences=pl.col("n_sentences") + 1)),
    Fault("documents", "wrong n_blocks_read", _set(n_blocks_read=pl.col("n_blocks_read") + 1)),
    Fault("documents", "wrong n_chars_read", _set(n_chars_read=pl.col("n_chars_read") + 1)),
    Fault("documents", "a cluster without others", _set(duplicate_cluster=pl.col("id"), duplicate_cluster_size=pl.lit(3))),
    Fault("documents", "a cluster of another", _set(duplicate_cluster=pl.lit("0" * 20), duplicate_cluster_size=pl.lit(2))),
    Fault("documents", "a document twice", _twice),
    Fault("documents", "a document lost", _without(FIRST)),
    Fault("documents", "ids that are none", _set(id=pl.lit("ab"))),
    Fault("documents", "a format that does not exist", _set(format=pl.lit("pdf"))),
    Fault("documents", "a wrong encoding", _set(encoding=pl.lit("utf-7"))),
    Fault("documents", "columns in another order", lambda f: f.select(sorted(f.columns))),
    Fault("documents", "a column gone", lambda f: f.drop("site")),
    Fault("documents", "a wider type", lambda f: f.with_columns(pl.col("n_words").cast(pl.Int64))),
)  # fmt: skip
SENTENCE_FAULTS = (
    Fault("sentences", "a sentence lost", _without(LONG & (pl.col("sentence") > 0))),
    Fault("sentences", "a sentence twice", _twice),
    Fault("sentences", "texts reversed", _set(text=TEXT.str.reverse())),
    Fault("sentences", "a letter changed", _where(LONG, text=TEXT.str.replace("e", "x"))),
    Fault("sentences", "texts of two sentences swapped", _reverse("text", "hash")),
    Fault("sentences", "wrong hashes", _set(hash=pl.lit(7))),
    Fault("sentences", "a kind that does not exist", _set(kind=pl.lit("poem"))),
    Fault("sentences", "a wrong kind", _set(kind=pl.lit("comment"))),
    Fault("sentences", "a wrong language", _set(language=pl.lit("fr"))),
    Fault("sentences", "a span moved", _where(LONG, end=pl.col("end") + 1)),
    Fault("sentences", "all spans moved", _set(start=pl.col("start") + 1, end=pl.col("end") + 1)),
    Fault("sentences", "of another document", _where(LONG, document_id=pl.lit("0" * 20))),
)
LEDGER_FAULTS = (
    Fault("ledger", "a row lost", _without(IS_DROP)),
    Fault("ledger", "a row twice", _twice),
    Fault(
        "ledger", "a row of another document", _where(IS_DROP, document_id=pl.col("document_id").last())
    ),
    Fault("ledger", "before changed", _where(IS_DROP, before=pl.col("before").str.reverse())),
    Fault("ledger", "before emptied", _where(IS_DROP, before=pl.lit(""))),
    Fault("ledger", "after changed", _where(IS_EDIT, after=pl.col("after") + "x")),
    Fault("ledger", "after null", _null("after")),
    Fault("ledger", "another rule", _where(IS_DROP, rule=pl.lit("no-such-rule"))),
    Fault("ledger", "a step that does not exist", _where(IS_DROP, step=pl.lit("sweep"))),
    Fault("ledger", "an action that does not exist", _where(IS_DROP, action=pl.lit("shrug"))),
    Fault("ledger", "kept_at another sentence", _where(IS_REPEAT, kept_at=pl.lit("KEPT"))),
    Fault("ledger", "kept_at null", _null("kept_at")),
    Fault("ledger", "probabilities null", _null("probability")),
    Fault("ledger", "wrong probabilities", _set(probability=pl.col("probability") / 2)),
    Fault("ledger", "other rules that fired left out", _set(also=pl.col("also").list.head(0))),
    Fault("ledger", "a span moved", _where(IS_DROP, start=pl.col("start") + 1)),
    Fault("ledger", "notes cut", _without(pl.col("action") == "note")),
    Fault("ledger", "sources swapped", _reverse("source")),
)
METRICS_FAULTS = (
    Fault("metrics", "a rule lost", _without(pl.col("rule").is_not_null())),
    Fault("metrics", "a step lost", _without(pl.col("step") == "boilerplate")),
    Fault("metrics", "wrong counts", _where(pl.col("rule").is_not_null(), units_dropped=pl.col("units_dropped") + 1)),
    Fault("metrics", "wrong characters", _where(pl.col("rule").is_not_null(), chars_dropped=pl.col("chars_dropped") + 1)),
    Fault("metrics", "a negative count", _where(FIRST, units_edited=pl.lit(-1))),
    Fault("metrics", "emptied", lambda f: f.head(0)),
    Fault("quarantine", "emptied", lambda f: f.head(0)),
    Fault("quarantine", "without reasons", _set(reason=pl.lit(" "))),
)  # fmt: skip
FAULTS = (*DOCUMENT_FAULTS, *SENTENCE_FAULTS, *LEDGER_FAULTS, *METRICS_FAULTS)


@dataclass(frozen=True)
class Sound:
    """A published corpus, and what it was held to."""

    corpus: Path
    terms: Terms


def make_sound(folder: Path) -> Sound:
    """The seeds, a page in another encoding and one that is empty, read again by a fresh process."""
    import os

    shutil.copytree(ROOT / "seeds", folder / "seeds")
    (folder / "seeds" / "empty.txt").touch()
    page = "Ein schöner Satz über die Brücke, die am Fluss steht.\nUnd noch einer über die Mühle."
    (folder / "seeds" / "latin.txt").write_bytes(page.encode("latin-1"))
    here = Path.cwd()
    os.chdir(folder)
    try:
        report = clean(["seeds"], Path("out"), replay_pages=200)
    finally:
        os.chdir(here)
    assert report.state == "published", report.verdict.failures
    replay = folder / "out" / ".reinschrift" / "judgement" / "replay"
    terms = Terms(settings=report.settings, replay=str(replay), quarantined=report.quarantine.height)
    return Sound((folder / "out" / "corpus").resolve(), terms)


def plant(sound: Sound, fault: Fault, folder: Path) -> Path:
    """A copy of the corpus with the fault in the first file that it changes."""
    corpus = folder / "corpus"
    shutil.copytree(sound.corpus, corpus)
    for path in sorted((corpus / fault.table).rglob("*.parquet")):
        frame = pl.read_parquet(path, hive_partitioning=False)
        changed = _name_kept(fault.change(frame), corpus)
        if (
            changed.schema != frame.schema
            or list(changed.schema) != list(frame.schema)
            or not changed.equals(frame)
        ):
            changed.write_parquet(path)
            return corpus
    raise AssertionError(f"{fault.table}: {fault.what}: nothing was changed")


def _name_kept(frame: pl.DataFrame, corpus: Path) -> pl.DataFrame:
    """The placeholder KEPT becomes a sentence that is there."""
    if "kept_at" not in frame.columns or "KEPT" not in frame["kept_at"].to_list():
        return frame
    other = read_corpus(corpus)["sentences"]["id"][0]
    return frame.with_columns(pl.col("kept_at").replace("KEPT", other))


def judge_fault(sound: Sound, fault: Fault) -> Verdict:
    """What the gate says of a corpus with the fault."""
    with tempfile.TemporaryDirectory() as folder:
        return judge_corpus(plant(sound, fault, Path(folder)), sound.terms, judge_plainly)


def row_of(fault: Fault, verdict: Verdict) -> str:
    """A row of the table."""
    names = "<br>".join(f"`{cause.name}`" for cause in verdict.causes)
    return f"| {fault.table} | {fault.what} | {names} | {len(verdict.failures) - 1} |"


def table(sound: Sound) -> str:
    """The table of docs/gate.md."""
    head = ["| table | fault | named | follow from it |", "|---|---|---|---|"]
    return "\n".join([*head, *(row_of(fault, judge_fault(sound, fault)) for fault in FAULTS)])


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        print(table(make_sound(Path(name))))  # noqa: T201 - what it is for
