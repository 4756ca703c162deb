"""What `import reinschrift` offers: the functions behind the command, for notebooks and pipelines."""

from __future__ import annotations

import io
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from reinschrift.flows.aside import Silent, run_aside
from reinschrift.flows.config import load_settings
from reinschrift.flows.ports import open_mapper
from reinschrift.flows.readers.decoding import without_surrogates
from reinschrift.flows.readers.sniffing import HEAD_BYTES, looks_like_html
from reinschrift.flows.run import Report, run_plan
from reinschrift.flows.stages.read import read_batch
from reinschrift.flows.store.local import Corpus
from reinschrift.flows.store.tables import read_table, resolve_corpus
from reinschrift.flows.workers.limits import PageWatch
from reinschrift.transforms.contracts import (
    ACTIONS_TAKEN,
    DOCUMENTS,
    LEDGER,
    METRICS,
    QUARANTINE,
    RECORDS,
    SENTENCES,
)
from reinschrift.transforms.errors import ReinschriftError
from reinschrift.transforms.pipeline.quality import join_texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reinschrift.flows.config import Settings
    from reinschrift.flows.face.explain import Explained


class FrameError(ReinschriftError):
    """A data frame that can't be cleaned: a column is not there, or is no text."""


@dataclass(frozen=True)
class Block:
    """A block of a page: its text as read, whether any of it stays, and what decided that.

    `step`, `rule` and `probability` (of being content) are those of its last row in the ledger, None
    where it has none.
    """

    number: int
    text: str
    is_kept: bool
    step: str | None = None
    rule: str | None = None
    probability: float | None = None


@dataclass(frozen=True)
class Page:
    """One page, cleaned.

    `sentences`: UNITS, one row a kept sentence. `ledger`: ACTIONS_TAKEN, one row a dropped or edited
    unit. `facts`: what is known of the page, as in PAGES.
    """

    sentences: pl.DataFrame
    ledger: pl.DataFrame
    facts: dict[str, Any]

    @cached_property
    def text(self) -> str:
        """The kept blocks, one a line."""
        texts = join_texts(self.sentences, "page")
        return str(texts["text"][0]) if texts.height else ""

    @property
    def title(self) -> str | None:
        """Title, where the page says one."""
        title: str | None = self.facts["title"]
        return title

    @property
    def language(self) -> str:
        """Language of most of the page's prose: ISO 639, or und."""
        return str(self.facts["language"])

    @cached_property
    def blocks(self) -> list[Block]:
        """Every block that was read, in order, with its verdict."""
        kept = self.sentences.group_by("block").agg(pl.col("text").str.join(" "))
        shown = {number: Block(number, text, is_kept=True) for number, text in kept.iter_rows()}
        kept_numbers, first_text, singly = set(shown), dict[int, str](), dict[int, str]()
        for row in self.ledger.filter(pl.col("block").is_not_null()).iter_rows(named=True):
            number = row["block"]
            decided = (row["step"], row["rule"], row["probability"])
            if row["sentence"] is None:
                text = first_text.setdefault(number, row["before"])
                shown[number] = Block(number, text, number in kept_numbers, *decided)
            elif number not in kept_numbers and number not in first_text:  # its sentences went singly
                singly[number] = (
                    f"{singly[number]} {row['before']}" if number in singly else row["before"]
                )
                shown[number] = Block(number, singly[number], False, *decided)
        return [block for _, block in sorted(shown.items())]


def clean(content: str, *, url: str | None = None, **settings: Any) -> Page:
    """Clean one page, HTML or text somebody flattened; what needs other pages is left out.

    Sentences that stand earlier in the page go, as in a run on the page alone.

    `settings` are those of reinschrift.toml. Raises ReinschriftError for settings that can't be used.
    """
    content, _ = without_surrogates(content)
    is_html = looks_like_html(content[:HEAD_BYTES].encode("utf-8", "replace")) or "</" in content
    record = {
        "page": 0, "source": url or "page", "position": 0, "url": url, "content": content,
        "format": "html" if is_html else "text", "encoding": "utf-8",
    }  # fmt: skip
    given = load_settings(**settings)
    with PageWatch(given.max_page_cpu_seconds) as watch:
        stage = read_batch(RECORDS.conform(pl.DataFrame([record])), given, watch)
    units, actions = _drop_own_repeats(stage.units, stage.actions, given)
    return Page(units, actions, stage.pages.row(0, named=True))


def _drop_own_repeats(
    units: pl.DataFrame, actions: pl.DataFrame, settings: Settings
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """UNITS and ACTIONS_TAKEN without sentences that stand earlier in the page, as a run drops them."""
    drops = settings.repeats_mode == "drop" and "sentence" in settings.repeat_units
    if not drops or "repeats" in settings.skip:
        return units, actions
    key = pl.struct("hash", "hash_high", "language")
    gone = units.filter("repeatable").filter(~key.is_first_distinct())
    if gone.is_empty():
        return units, actions
    rows = gone.with_columns(
        step=pl.lit("repeats"),
        rule=pl.lit("exact-sentence"),
        also=pl.lit([], dtype=pl.List(pl.String)),
        action=pl.lit("drop"),
        before="text",
    )
    place = ["page", "block", "sentence"]
    return units.join(gone, on=place, how="anti"), pl.concat([actions, ACTIONS_TAKEN.conform(rows)])


@dataclass(frozen=True)
class Tables:
    """The tables of a cleaned data frame, as they would be published."""

    documents: pl.DataFrame
    sentences: pl.DataFrame
    ledger: pl.DataFrame
    metrics: pl.DataFrame
    quarantine: pl.DataFrame


def clean_frame(
    frame: pl.DataFrame,
    *,
    text: str | None = None,
    html: str | None = None,
    url: str | None = None,
    id: str | None = None,  # noqa: A002 - the name of the role
    **settings: Any,
) -> Tables:
    """Clean the rows of a data frame, a page each, with repeats among them; nothing is published.

    In: a column of `text` or of `html`, and where there are any of `url` and `id`; without names they
    are found as in a file of records. Out: the tables of a corpus. Raises FrameError for a column that
    is not there.
    """
    roles = {"text": text, "html": html, "url": url, "id": id}
    columns = {role: name for role, name in roles.items() if name is not None}
    for name in columns.values():
        if name not in frame.columns:
            raise FrameError(f"the frame has no column {name!r}", f"it has: {', '.join(frame.columns)}")
    lines = io.BytesIO()
    frame.write_ndjson(lines)
    lines.seek(0)
    with tempfile.TemporaryDirectory(prefix="reinschrift-") as folder:
        given = load_settings(
            out=Path(folder), columns=columns or None, **{"replay_pages": 0, **settings}
        )
        run_aside(["-"], given, lines)
        found = Corpus(given.out).current.resolve()
        tables = (DOCUMENTS, SENTENCES, LEDGER, METRICS, QUARANTINE)
        return Tables(*(read_table(found, table).collect() for table in tables))


def run(inputs: Sequence[str | Path], out: str | Path = "data", **settings: Any) -> Report:
    """Clean files, folders or addresses and publish the corpus, if the gate lets it pass.

    The same as `reinschrift run`. In a script it must stand below `if __name__ == "__main__":`, for
    worker processes import the script. Raises ReinschriftError for what the user can fix.
    """
    given = load_settings(out=Path(out), **settings)
    pool = open_mapper(given)
    try:
        return run_plan([str(name) for name in inputs], given, pool, Silent())
    finally:
        pool.close()


@dataclass(frozen=True)
class OpenCorpus:
    """A published corpus: one version of it, whatever is published later."""

    out: Path
    folder: Path

    @property
    def documents(self) -> pl.LazyFrame:
        """One row a page that has any text left."""
        return read_table(self.folder, DOCUMENTS)

    @property
    def sentences(self) -> pl.LazyFrame:
        """One row a kept sentence."""
        return read_table(self.folder, SENTENCES)

    @property
    def ledger(self) -> pl.LazyFrame:
        """One row a dropped or edited unit."""
        return read_table(self.folder, LEDGER)

    @property
    def metrics(self) -> pl.LazyFrame:
        """One row a step and rule."""
        return read_table(self.folder, METRICS)

    @property
    def quarantine(self) -> pl.LazyFrame:
        """One row an input or record that could not be read."""
        return read_table(self.folder, QUARANTINE)

    def explain(self, page: str) -> list[Explained]:
        """The pages of that path, id, record id or URL: what stayed, what went, and why."""
        from reinschrift.flows.face.explain import explain_page

        return explain_page(self.folder, page)

    def versions(self) -> list[str]:
        """Names of the published versions, oldest first."""
        return Corpus(self.out).versions()


def open_corpus(out: str | Path = "data") -> OpenCorpus:
    """Open what a run published. Raises OutputError where there is no corpus."""
    return OpenCorpus(Path(out), resolve_corpus(Path(out)))
