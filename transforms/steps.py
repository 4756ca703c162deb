"""The whole program as a list: everything that can drop, edit, mark or note a line, in order.

To add a step: one module under `pipeline/`, one row here. The settings' `skip`, the steps the ledger may
name, METRICS and the tables in the docs follow from the rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

from reinschrift.transforms.errors import ReinschriftError
from reinschrift.transforms.pipeline.boilerplate import drop_unextracted, strip_boilerplate
from reinschrift.transforms.pipeline.cut import cut_pages
from reinschrift.transforms.pipeline.language import leave_undetermined, tell_language
from reinschrift.transforms.pipeline.privacy import mask_personal_data
from reinschrift.transforms.pipeline.quality import drop_documents
from reinschrift.transforms.pipeline.repair import leave_unrepaired, repair_blocks
from reinschrift.transforms.pipeline.sentences import cut_sentences, keep_whole_blocks
from reinschrift.transforms.quality.rules import measure_documents

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from reinschrift.transforms.pipeline.working import Context, Options, Outcome, Working

    StepFunction = Callable[[Working, Context], Outcome]

Stage = Literal["read", "resolve", "publish"]
Unit = Literal["page", "block", "sentence", "document"]
RESOLVE = "reinschrift.flows.stages.resolve"


class StepOrderError(ReinschriftError):
    """The table of steps has an order in which they can't work."""


def always(_options: Options) -> bool:
    """Wanted whatever the options are."""
    return True


@dataclass(frozen=True)
class Step:
    """One thing that happens to pages.

    `needs` and `gives` name the state of the text before and after it. `function` does the work; in the
    resolve stage, which reads keys of the whole corpus, it is named as `module:function`. `skip` is the
    name by which the step can be left out, and `instead` does what later steps need then. `rules` are
    the rules the ledger names, where the step itself decides them.
    """

    name: str
    stage: Stage
    unit: Unit
    what: str
    needs: str
    gives: str
    function: Callable[..., Any] | str
    skip: str | None = None
    instead: StepFunction | None = None
    is_wanted: Callable[[Options], bool] = always
    rules: tuple[str, ...] = ()

    def is_skipped(self, options: Options) -> bool:
        """Whether the options leave it out; then METRICS has no row of it."""
        return self.skip in options.skip or not self.is_wanted(options)


def in_order(*steps: Step) -> tuple[Step, ...]:
    """The steps, if each gives what the next one needs. Raises StepOrderError naming two that do not."""
    for before, after in pairwise(steps):
        if after.needs != before.gives:
            raise StepOrderError(
                f"step {after.name!r} needs {after.needs!r}, but {before.name!r} before it gives "
                f"{before.gives!r}",
                "put each step where its text is made",
            )
    return steps


STEPS = in_order(
    Step("read", "read", "block", "cut pages into blocks", "records", "lines", cut_pages),
    Step(
        *("repair", "read", "block", "fix mojibake, entities, invisible characters"),
        *("lines", "blocks", repair_blocks),
        skip="repair",
        instead=leave_unrepaired,
    ),
    Step(
        *("boilerplate", "read", "block", "strip furniture: rule packs, then the line model"),
        *("blocks", "blocks judged", strip_boilerplate),
        skip="boilerplate",
    ),
    Step(
        *("extract", "read", "block", "HTML: strip what the extractor left out"),
        *("blocks judged", "content", drop_unextracted),
        skip="boilerplate",
    ),
    Step(
        *("language", "read", "block", "identify the language of block and page"),
        *("content", "content by language", tell_language),
        skip="language",
        instead=leave_undetermined,
    ),
    Step(
        *("sentences", "read", "block", "cut blocks into sentences"),
        *("content by language", "sentences", cut_sentences),
        skip="sentences",
        instead=keep_whole_blocks,
    ),
    Step(
        *("privacy", "read", "sentence", "mask personal data, if asked"),
        *("sentences", "sentences masked", mask_personal_data),
        skip="privacy",
    ),
    Step(
        *("quality", "read", "sentence", "drop documents that fail the rules, if asked"),
        *("sentences masked", "keys", drop_documents),
        skip="quality",
        is_wanted=lambda options: bool(options.quality_drop),
    ),
    Step(
        *("removals", "resolve", "page", "leave out pages that were taken down"),
        *("keys", "keys of pages kept", f"{RESOLVE}:number_pages"),
        rules=("removed",),
    ),
    Step(
        *("repeats", "resolve", "page", "of pages with one URL keep the newest"),
        *("keys of pages kept", "pages by URL", f"{RESOLVE}:find_same_urls"),
        skip="repeats",
        rules=("same-url",),
    ),
    Step(
        *("repeats", "resolve", "page", "of pages with the same text keep the first"),
        *("pages by URL", "pages by text", f"{RESOLVE}:find_exact_pages"),
        skip="repeats",
        rules=("exact-page",),
    ),
    Step(
        *("templates", "resolve", "sentence", "drop lines that recur across the pages of a site"),
        *("pages by text", "pages without templates", f"{RESOLVE}:find_templates"),
        skip="boilerplate",
        rules=("recurs-on-site",),
    ),
    Step(
        *("repeats", "resolve", "page", "of near-duplicate pages keep the first"),
        *("pages without templates", "pages", f"{RESOLVE}:find_near_pages"),
        skip="repeats",
        rules=("near-page",),
    ),
    Step(
        *("repeats", "resolve", "block", "drop blocks that stand earlier in the corpus, if asked"),
        *("pages", "blocks by text", f"{RESOLVE}:find_blocks"),
        skip="repeats",
        rules=("exact-block", "near-block"),
    ),
    Step(
        *("repeats", "resolve", "sentence", "drop sentences that stand earlier in the corpus"),
        *("blocks by text", "verdicts", f"{RESOLVE}:find_sentences"),
        skip="repeats",
        rules=("exact-sentence", "near-sentence"),
    ),
    Step(
        *("quality", "publish", "document", "measure each document"),
        *("verdicts", "documents", measure_documents),
        skip="quality",
    ),
)

READ_STEPS: tuple[Step, ...] = tuple(step for step in STEPS if step.stage == "read")
RESOLVE_STEPS: tuple[Step, ...] = tuple(step for step in STEPS if step.stage == "resolve")
# Steps that the ledger and METRICS may name.
STEP_NAMES = tuple(dict.fromkeys(step.name for step in STEPS))
# What the setting `skip` may name.
SKIPPABLE = tuple(dict.fromkeys(step.skip for step in STEPS if step.skip))


def rules_of(stage: Stage, unit: Sequence[Unit]) -> tuple[str, ...]:
    """The rules that the steps of a stage decide on such units, in order."""
    return tuple(r for step in STEPS if step.stage == stage and step.unit in unit for r in step.rules)
