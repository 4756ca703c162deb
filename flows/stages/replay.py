"""Pages read again by a fresh process without any cache, for the gate to compare with what is published.

The sample is the pages with the smallest hashes of their ids, so it is the same in every run of the same
inputs. Which shards are opened again is bounded: reading a shard costs more than cleaning a page of it.
"""

from __future__ import annotations

from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from reinschrift.expectations.replayed import FAILED, WANTED
from reinschrift.flows.stages.read import read_batch, records_of, was_changed
from reinschrift.flows.stages.resolve.pages import read_stage_table
from reinschrift.flows.store.local import Corpus
from reinschrift.flows.workers.limits import PageWatch
from reinschrift.flows.workers.processes import Processes
from reinschrift.transforms.contracts import ACTIONS_TAKEN, PAGES, UNITS, Table

if TYPE_CHECKING:
    from concurrent.futures import Future
    from pathlib import Path
    from typing import Self

    from reinschrift.flows.config import Settings
    from reinschrift.flows.sources.inputs import Inputs, Shard
    from reinschrift.transforms.pipeline.runner import Stage

MAX_SHARDS = 8  # opened again
KEY = ["source", "record_id", "position"]


@dataclass(frozen=True)
class Wanted:
    """What of a shard is read again: `pages` have KEY and `document_id`."""

    shard: Shard
    pages: pl.DataFrame


class Replay:
    """Reads a sample again in a process of its own, while others publish. Used in a `with` block."""

    def __init__(self, inputs: Inputs, stages: list[str], settings: Settings) -> None:
        self.settings = settings
        self.folder = Corpus(settings.out).judgement / "replay"
        self.wanted = choose_pages(inputs, stages, settings)
        self.processes = Processes(1)
        self.future: Future[None] | None = None

    def __enter__(self) -> Self:
        if self.wanted:
            pool = self.processes.ready(1)
            self.future = pool.submit(read_again, self.wanted, self.folder, self.settings)
        return self

    def __exit__(self, *failure: object) -> None:
        self.processes.close()

    def finish(self) -> Path | None:
        """The folder for the gate; None where there was nothing to read again.

        What kept the pages from being read is written there: the gate fails, and says so.
        """
        if self.future is None:
            return None
        self.folder.mkdir(parents=True, exist_ok=True)
        pl.concat([one.pages for one in self.wanted]).write_parquet(self.folder / WANTED)
        try:
            self.future.result()
        except BrokenProcessPool:
            (self.folder / FAILED).write_text("the process that read them again died", encoding="utf-8")
        except Exception as error:  # noqa: BLE001, RUF100 - becomes a failed expectation
            reason = f"{type(error).__name__}: {error}"
            (self.folder / FAILED).write_text(reason, encoding="utf-8")
        return self.folder


def choose_pages(inputs: Inputs, stages: list[str], settings: Settings) -> list[Wanted]:
    """The pages to read again, by shard; none where there are no shards to read from.

    Left out are pages taken down, pages of which the extractor gave no verdict (a matter of time, not of
    the page), and shards that changed or lie elsewhere: what was read of them was not what is there.
    """
    corpus = Corpus(settings.out)
    if not settings.replay_pages or not inputs.shards:
        return []
    pages = pl.scan_parquet(corpus.judgement / "pages.parquet").filter(
        pl.col("rule").ne_missing("removed")
    )
    ranked = pages.select("shard", "page", "document_id", rank=pl.col("document_id").str.slice(8))
    sample = ranked.sort("rank", "document_id").head(settings.replay_pages).collect()
    first = sample["shard"].unique(maintain_order=True).head(MAX_SHARDS)
    found = []
    for number in first.sort():
        shard = inputs.shards[number]
        if any(piece.remote for piece in shard.pieces) or was_changed(shard):
            continue
        mine = sample.filter(pl.col("shard") == number).select("page", "document_id")
        named = _name(corpus, stages[number], mine)
        if named.height:
            found.append(Wanted(shard, named))
    return found


def _name(corpus: Corpus, stage: str, sample: pl.DataFrame) -> pl.DataFrame:
    """KEY of the pages, without those the extractor gave no verdict on."""
    facts = read_stage_table(corpus, stage, PAGES, ["page", *KEY])
    notes = read_stage_table(corpus, stage, ACTIONS_TAKEN, ["page", "rule"])
    silent = notes.filter(pl.col("rule") == "no-verdict")
    named = sample.join(facts, on="page").join(silent, on="page", how="anti")
    return named.filter(~pl.struct(KEY).is_duplicated()).select(*KEY, "document_id")


def _read_batch(records: pl.DataFrame, settings: Settings) -> Stage:
    with PageWatch(settings.max_page_cpu_seconds) as watch:
        return read_batch(records, settings, watch)


def read_again(wanted: list[Wanted], folder: Path, settings: Settings) -> None:
    """Write `pages.parquet`, `units.parquet`, `actions.parquet` of the wanted pages, with their ids."""
    folder.mkdir(parents=True, exist_ok=True)
    frames: dict[str, list[pl.DataFrame]] = {"pages": [], "units": [], "actions": []}
    for one in wanted:
        _read_shard_again(one, settings, frames)
    for name, table in (("units", UNITS), ("actions", ACTIONS_TAKEN), ("pages", PAGES)):
        empty = _with_id(table)
        pl.concat([empty, *frames[name]]).write_parquet(folder / f"{name}.parquet")


def _with_id(table: Table) -> pl.DataFrame:
    return table.empty().with_columns(document_id=pl.lit(None, dtype=pl.String))


def _read_shard_again(one: Wanted, settings: Settings, frames: dict[str, list[pl.DataFrame]]) -> None:
    left = one.pages.height
    for records in records_of(one.shard, settings):
        mine = records.join(one.pages, on=KEY, how="semi", nulls_equal=True, maintain_order="left")
        left -= mine.height
        if mine.height:
            stage = _read_batch(mine, settings)
            names = stage.pages.select("page", *KEY).join(one.pages, on=KEY, nulls_equal=True)
            names = names.select("page", "document_id")
            for name, found in frames.items():
                found.append(getattr(stage, name).join(names, on="page", maintain_order="left"))
        if left <= 0:
            return
