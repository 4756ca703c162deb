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
    function: Callable[..., Any] | str
    what: str
    needs: str
    gives: str
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
    Step(
        "read", "read", "block", cut_pages,
        "cut pages into blocks",
        needs="records", gives="lines",
    ),
    Step(
        "repair", "read", "block", repair_blocks,
        "fix mojibake, entities, invisible characters",
        needs="lines", gives="blocks", skip="repair",
        instead=leave_unrepaired,
    ),
    Step(
        "boilerplate", "read", "block", strip_boilerplate,
        "strip furniture: rule packs, then the role models",
        needs="blocks", gives="blocks judged", skip="boilerplate",
    ),
    Step(
        "extract", "read", "block", drop_unextracted,
        "HTML: strip what trafilatura left out, where it is asked",
        needs="blocks judged", gives="content", skip="boilerplate",
    ),
    Step(
        "language", "read", "block", tell_language,
        "identify the language of block and page",
        needs="content", gives="content by language", skip="language",
        instead=leave_undetermined,
    ),
    Step(
        "sentences", "read", "block", cut_sentences,
        "cut blocks into sentences",
        needs="content by language", gives="sentences", skip="sentences",
        instead=keep_whole_blocks,
    ),
    Step(
        "privacy", "read", "sentence", mask_personal_data,
        "mask personal data, if asked",
        needs="sentences", gives="sentences masked", skip="privacy",
    ),
    Step(
        "quality", "read", "sentence", drop_documents,
        "drop documents that fail the rules, if asked",
        needs="sentences masked", gives="keys", skip="quality",
        is_wanted=lambda options: bool(options.quality_drop),
    ),
    Step(
        "removals", "resolve", "page", f"{RESOLVE}:number_pages",
        "leave out pages that were taken down",
        needs="keys", gives="keys of pages kept",
        rules=("removed",),
    ),
    Step(
        "repeats", "resolve", "page", f"{RESOLVE}:find_same_urls",
        "of pages with one URL keep the newest",
        needs="keys of pages kept", gives="pages by URL", skip="repeats",
        rules=("same-url",),
    ),
    Step(
        "repeats", "resolve", "page", f"{RESOLVE}:find_exact_pages",
        "of pages with the same text keep the first",
        needs="pages by URL", gives="pages by text", skip="repeats",
        rules=("exact-page",),
    ),
    Step(
        "templates", "resolve", "sentence", f"{RESOLVE}:find_templates",
        "drop lines that recur across the pages of a site",
        needs="pages by text", gives="pages without templates", skip="boilerplate",
        rules=("recurs-on-site",),
    ),
    Step(
        "repeats", "resolve", "page", f"{RESOLVE}:find_near_pages",
        "of near-duplicate pages keep the first",
        needs="pages without templates", gives="pages", skip="repeats",
        rules=("near-page",),
    ),
    Step(
        "repeats", "resolve", "block", f"{RESOLVE}:find_blocks",
        "drop blocks that stand earlier in the corpus, if asked",
        needs="pages", gives="blocks by text", skip="repeats",
        rules=("exact-block", "near-block"),
    ),
    Step(
        "repeats", "resolve", "sentence", f"{RESOLVE}:find_sentences",
        "drop sentences that stand earlier in the corpus, or in a reference",
        needs="blocks by text", gives="verdicts", skip="repeats",
        rules=("in-reference", "exact-sentence", "near-sentence"),
    ),
    Step(
        "quality", "publish", "document", measure_documents,
        "measure each document",
        needs="verdicts", gives="documents", skip="quality",
    ),
)  # fmt: skip

READ_STEPS: tuple[Step, ...] = tuple(step for step in STEPS if step.stage == "read")
RESOLVE_STEPS: tuple[Step, ...] = tuple(step for step in STEPS if step.stage == "resolve")
# Steps that the ledger and METRICS may name.
STEP_NAMES = tuple(dict.fromkeys(step.name for step in STEPS))
# What the setting `skip` may name.
SKIPPABLE = tuple(dict.fromkeys(step.skip for step in STEPS if step.skip))


def rules_of(stage: Stage, unit: Sequence[Unit]) -> tuple[str, ...]:
    """The rules that the steps of a stage decide on such units, in order."""
    return tuple(r for step in STEPS if step.stage == stage and step.unit in unit for r in step.rules)
