"""Runs the steps of the read stage, and counts what each of them did.

Skipping, counting and the ledger are done here: a step only says what goes on and what it did.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from reinschrift.transforms.contracts import PAGES, UNITS
from reinschrift.transforms.html.extract import no_limit
from reinschrift.transforms.pipeline.counting import count_step
from reinschrift.transforms.pipeline.cut import cut_pages
from reinschrift.transforms.pipeline.privacy import redact_ledger
from reinschrift.transforms.pipeline.working import Outcome
from reinschrift.transforms.repeats.near import describe_pages
from reinschrift.transforms.steps import READ_STEPS

if TYPE_CHECKING:
    from reinschrift.transforms.html.extract import Extractor, Watch
    from reinschrift.transforms.pipeline.working import Context, Working
    from reinschrift.transforms.steps import Step


@dataclass(frozen=True)
class Stage:
    """The read stage of one shard: PAGES, UNITS still kept, PAGE_KEYS, ACTIONS_TAKEN, PAGE_METRICS."""

    pages: pl.DataFrame
    units: pl.DataFrame
    page_keys: pl.DataFrame
    actions: pl.DataFrame
    metrics: pl.DataFrame


@dataclass(frozen=True)
class Done:
    """A step that ran: what it was given, and what came of it."""

    step: Step
    before: Working
    outcome: Outcome


def read_stage(
    records: pl.DataFrame, context: Context, extractor: Extractor | None, watch: Watch = no_limit
) -> Stage:
    """Everything that needs only the page itself.

    In: RECORDS; `watch` limits the work on a page. Out: what is left and what was done, with METRICS for
    each page and step.
    """
    options = context.options
    if "boilerplate" in options.skip:
        extractor = None
    cut, *steps = READ_STEPS
    with_contexts = options.extractor == "blocks" and "boilerplate" not in options.skip
    working, notes = cut_pages(records, extractor, watch, with_contexts=with_contexts)
    pages = records.select("page")
    counts = [count_step(pages, cut, working.units, working.units, "raw", notes)]
    done = []
    for step in steps:
        outcome = _run(step, working, context)
        done.append(Done(step, working, outcome))
        working = outcome.working
    # Only now are the languages of the pages known, which say how their numbers are written.
    taken = [redact_ledger(one.outcome.actions, working.pages, options) for one in done]
    for one, actions in zip(done, taken, strict=True):
        if not one.step.is_skipped(options):
            after = one.outcome.working.units
            counts.append(count_step(pages, one.step, one.before.units, after, "text", actions))
    units = UNITS.conform(working.units)
    ledger = pl.concat([notes, *taken])
    return Stage(
        PAGES.conform(working.pages),
        units,
        describe_pages(units, options.near_threshold, options.near_min_words),
        ledger.sort("page", "block", "sentence", nulls_last=False, maintain_order=True),
        pl.concat(counts),
    )


def _run(step: Step, working: Working, context: Context) -> Outcome:
    """One step, or what stands in for it where it is skipped; its actions bear its name."""
    function = step.instead if step.is_skipped(context.options) else step.function
    if function is None:
        return Outcome(working)
    assert not isinstance(function, str)
    outcome: Outcome = function(working, context)
    return Outcome(outcome.working, outcome.actions.with_columns(step=pl.lit(step.name)))
