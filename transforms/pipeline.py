"""The whole program as a list: what happens to a block, in order.

STEPS is the table of contents. A step takes the units still kept and gives back those that go on and
a row for each one it dropped or edited; nothing disappears in between, and `run_steps` counts.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import polars as pl

from reinschrift.transforms.blocks import guess_kind, number_blocks, place_blocks, split_lines
from reinschrift.transforms.boilerplate.cut import cut_at
from reinschrift.transforms.boilerplate.verdict import judge_blocks
from reinschrift.transforms.contracts import (
    ACTIONS_TAKEN,
    BLOCKS,
    LANGUAGE_SHARES,
    METRICS,
    PAGE_METRICS,
    PAGES,
    UNDETERMINED,
    UNITS,
)
from reinschrift.transforms.html.extract import METADATA_FIELDS, flatten_pages
from reinschrift.transforms.languages.mark import mark_language
from reinschrift.transforms.privacy import Masks, mask_pages, mask_sentences, redact_actions
from reinschrift.transforms.quality.rules import measure_documents, quality_flags
from reinschrift.transforms.repeats.exact import add_hash
from reinschrift.transforms.repeats.near import describe_pages
from reinschrift.transforms.sentences import split_sentences
from reinschrift.transforms.text.repair import repair_lines
from reinschrift.transforms.text.urls import url_key

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from reinschrift.transforms.boilerplate.cut import Profile
    from reinschrift.transforms.boilerplate.packs import Pack
    from reinschrift.transforms.boilerplate.rules import RuleBook
    from reinschrift.transforms.html.extract import Extractor, PageContext


@dataclass(frozen=True)
class Options:
    """All that decides what is kept; part of the fingerprint of a run."""

    packs: tuple[Pack, ...] = ()
    skip: frozenset[str] = frozenset()
    comments: Literal["keep", "drop"] = "keep"
    line_model: bool = True
    profile: str = "balanced"
    threshold: float | None = None
    extractor: Literal["blocks", "trafilatura", "none"] = "blocks"
    min_repeat_chars: int = 25
    key_bits: int = 64
    near_threshold: float | None = 0.8
    near_min_words: int = 20
    mask: tuple[str, ...] = ()
    language_engine: Literal["cascade", "langdetect", "cld2", "fasttext"] = "cascade"
    mask_key: str = field(default="", repr=False)
    redact_ledger: bool = False
    quality_drop: tuple[str, ...] = ()

    @property
    def cut(self) -> str | Profile:
        """How the models' probabilities become verdicts."""
        return self.profile if self.threshold is None else cut_at(self.threshold)


@dataclass(frozen=True)
class Working:
    """What a step works on: the pages, and their blocks (sentences, once they are split).

    `contexts`: what is known of HTML pages besides their lines, by page, for the model of HTML.
    """

    pages: pl.DataFrame
    units: pl.DataFrame
    contexts: Mapping[int, PageContext] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What a step leaves, and what it did: one row of `actions` a unit dropped or edited."""

    working: Working
    actions: pl.DataFrame = field(default_factory=ACTIONS_TAKEN.empty)


@dataclass(frozen=True)
class Step:
    """One thing that happens to a page: where, to what, by which function."""

    name: str
    stage: Literal["read", "judge", "publish"]
    unit: Literal["block", "sentence", "document"]
    what: str
    run: Callable[[Working, Context], Outcome] | None = None


@dataclass(frozen=True)
class Context:
    """What steps may ask for besides their input."""

    options: Options
    rules: RuleBook


def repair_blocks(working: Working, context: Context) -> Outcome:
    """Undo what transport broke; a block of which nothing is left is dropped."""
    blocks = working.units
    if "repair" in context.options.skip:
        repaired = blocks.with_columns(text="raw", repairs=pl.lit(None, dtype=pl.List(pl.String)))
    else:
        repaired = repair_lines(blocks)
    placed = place_blocks(repaired)
    is_empty = pl.col("text").str.strip_chars() == ""
    # White space at the ends is no part of a sentence, so mending that alone is no edit.
    is_changed = pl.col("raw").str.strip_chars() != pl.col("text").str.strip_chars()
    changed = placed.filter(pl.col("repairs").is_not_null() & is_changed)
    actions = changed.with_columns(
        step=pl.lit("repair"),
        rule=pl.col("repairs").list.first(),
        also=pl.col("repairs").list.slice(1),
        action=pl.when(is_empty).then(pl.lit("drop")).otherwise(pl.lit("edit")),
        before="raw",
        after=pl.when(~is_empty).then("text"),
    )
    kept = placed.filter(~is_empty)
    return Outcome(replace(working, units=BLOCKS.conform(kept)), _block_actions(actions, "text"))


def strip_boilerplate(working: Working, context: Context) -> Outcome:
    """Let rule packs and line model drop, trim or mark blocks, in the order `verdict` documents."""
    options = context.options
    if "boilerplate" in options.skip or working.units.is_empty():
        return Outcome(working)
    lines = context.rules.key_lines(working.units)
    pages = context.rules.recognise(lines, working.pages)
    hits = context.rules.find_hits(lines, working.pages)
    judged = judge_blocks(
        working.units,
        hits,
        options.comments,
        options.cut,
        options.line_model,
        working.contexts,
    ).blocks
    is_drop = pl.col("action") == "drop"
    is_trim = pl.col("action") == "edit"
    touched = judged.filter(is_drop | is_trim).with_columns(
        step=pl.lit("boilerplate"), after=pl.when(is_trim).then("text")
    )
    kept = judged.filter(~is_drop.fill_null(value=False))
    stripped = replace(working, pages=pages, units=BLOCKS.conform(kept))
    return Outcome(stripped, _block_actions(touched))


def drop_unextracted(working: Working, context: Context) -> Outcome:
    """Drop the blocks of HTML pages that the extractor left out; comments go by their own setting."""
    if "boilerplate" in context.options.skip:
        return Outcome(working)
    is_comment = pl.col("kind") == "comment"
    is_unwanted = is_comment & (pl.col("format") == "html") & (context.options.comments == "drop")
    is_left_out = ~pl.col("extracted").fill_null(value=True) & ~is_comment
    is_unwanted &= ~pl.col("page").is_in([*working.contexts])
    is_drop = is_left_out | is_unwanted
    actions = working.units.filter(is_drop).with_columns(
        step=pl.lit("extract"),
        rule=pl.when(is_unwanted).then(pl.lit("comment")).otherwise(pl.lit(context.options.extractor)),
        also=pl.lit([], dtype=pl.List(pl.String)),
        action=pl.lit("drop"),
        before="text",
        after=pl.lit(None, dtype=pl.String),
    )
    return Outcome(replace(working, units=working.units.filter(~is_drop)), _block_actions(actions))


def tell_language(working: Working, context: Context) -> Outcome:
    """Tell the language of each block and page."""
    if "language" in context.options.skip:
        blocks = working.units.with_columns(
            language=pl.lit(UNDETERMINED),
            page_language=pl.lit(UNDETERMINED),
            page_score=pl.lit(0.0, dtype=pl.Float32),
            page_languages=pl.lit([], dtype=LANGUAGE_SHARES),
            page_agreement=pl.lit(None, dtype=pl.Float32),
        )
    else:
        blocks = mark_language(working.units, context.options.language_engine)
    found = {
        "page_language": "language",
        "page_score": "language_score",
        "page_languages": "languages",
        "page_agreement": "language_agreement",
    }
    facts = blocks.select("page", *found).unique("page").rename(found)
    pages = (
        working.pages.drop(found.values(), strict=False)
        .join(facts, on="page", how="left", maintain_order="left")
        .with_columns(
            pl.col("language").fill_null(UNDETERMINED),
            pl.col("language_score").fill_null(0.0),
            pl.col("languages").fill_null([]),
        )
    )
    return Outcome(Working(pages, blocks.drop(found.keys())))


def cut_sentences(working: Working, context: Context) -> Outcome:
    """Cut blocks into sentences, and hash each one."""
    blocks = working.units
    if "sentences" in context.options.skip:
        sentences = _whole_blocks(blocks)
    else:
        sentences = split_sentences(
            blocks.select("page", "block", "text", "start", "kind", "language")
        ).join(
            blocks.select("page", "block", "kind", "language"),
            on=["page", "block"],
            how="left",
            maintain_order="left",
        )
    hashed = add_hash(sentences, context.options.min_repeat_chars, context.options.key_bits)
    return Outcome(replace(working, units=UNITS.conform(hashed)))


def mask_personal_data(working: Working, context: Context) -> Outcome:
    """Mask personal data in sentences and in what is known of their pages, where asked for."""
    masks = _masks(context.options)
    if masks is None:
        return Outcome(working)
    found = pl.col("masked").is_not_null()
    masked = mask_sentences(working.units, masks)
    actions = masked.filter(found).with_columns(
        step=pl.lit("privacy"),
        rule=pl.col("found").list.first(),
        also=pl.col("found").list.slice(1),
        action=pl.lit("edit"),
        before="text",
        after="masked",
    )
    # Hashed anew: the hash of what was masked would let it be guessed.
    again = add_hash(
        masked.filter(found).with_columns(text="masked"),
        context.options.min_repeat_chars,
        context.options.key_bits,
    ).select("page", "block", "sentence", "text", "hash", "hash_high", "repeatable")
    units = masked.update(again, on=["page", "block", "sentence"], maintain_order="left")
    pages, notes = mask_pages(working.pages, masks)
    taken = [ACTIONS_TAKEN.conform(actions), ACTIONS_TAKEN.conform(notes)]
    return Outcome(Working(pages, UNITS.conform(units)), pl.concat(taken))


def _masks(options: Options) -> Masks | None:
    if not options.mask or "privacy" in options.skip:
        return None
    return Masks(options.mask, options.mask_key)


def drop_documents(working: Working, context: Context) -> Outcome:
    """Drop pages whose text fails the rules of the profile, where asked for: with all they have.

    The text is the page's own, before repeats of other pages are taken out of it, so that no page
    loses a sentence to a page that goes.
    """
    profiles = context.options.quality_drop
    if not profiles or working.units.is_empty():
        return Outcome(working)
    languages = working.pages.select("page", "language")
    texts = join_texts(working.units, "page").join(languages, on="page", maintain_order="left")
    flagged = measure_documents(texts).with_columns(flags=quality_flags(profiles))
    failed = flagged.filter(pl.col("flags").list.len() > 0).select("page", "flags")
    actions = (
        working.units.join(failed, on="page", maintain_order="left")
        .group_by("page", maintain_order=True)
        .agg(
            rule=pl.col("flags").first().list.first(),
            also=pl.col("flags").first().list.slice(1),
            before=pl.col("text").str.join("\n"),
            spans=pl.struct("block", "sentence", "start", "end"),
        )
        .with_columns(step=pl.lit("quality"), action=pl.lit("drop"))
    )
    kept = working.units.join(failed, on="page", how="anti", maintain_order="left")
    return Outcome(replace(working, units=kept), _page_actions(actions))


def _page_actions(actions: pl.DataFrame) -> pl.DataFrame:
    """ACTIONS_TAKEN for whole pages."""
    whole = dict.fromkeys(("block", "sentence", "start", "end"), pl.lit(None, dtype=pl.UInt32))
    return ACTIONS_TAKEN.conform(actions.with_columns(**whole))


def join_texts(units: pl.DataFrame, page: str) -> pl.DataFrame:
    """Put sentences together again: the blocks of a page, one a line.

    In: UNITS with the column `page` names, in order. Out: one row a page, `text`, `n_blocks`,
    `n_sentences`.
    """
    is_first = pl.col("sentence") == pl.col("sentence").first()
    is_code = pl.col("kind") == "code"
    lead = pl.when(~is_first | is_code).then("lead").otherwise(pl.lit(""))
    blocks = units.group_by(page, "block", maintain_order=True).agg(
        text=pl.concat_str(lead, "text").str.join(""), n_sentences=pl.len()
    )
    return blocks.group_by(page, maintain_order=True).agg(
        text=pl.col("text").str.join("\n"),
        n_blocks=pl.len(),
        n_sentences=pl.col("n_sentences").sum(),
    )


STEPS = (
    Step("repair", "read", "block", "mend mojibake, entities, invisible characters", repair_blocks),
    Step(
        "boilerplate",
        "read",
        "block",
        "strip furniture: rule packs, then the line model",
        strip_boilerplate,
    ),
    Step("extract", "read", "block", "HTML: strip what the extractor left out", drop_unextracted),
    Step("language", "read", "block", "tell the language of block and page", tell_language),
    Step("sentences", "read", "block", "cut blocks into sentences", cut_sentences),
    Step("privacy", "read", "sentence", "mask personal data, if asked", mask_personal_data),
    Step("quality", "read", "sentence", "drop documents that fail the rules, if asked", drop_documents),
    Step("templates", "judge", "sentence", "drop lines that recur across the pages of a site"),
    Step("repeats", "judge", "sentence", "drop pages and sentences that stand earlier in the corpus"),
    Step("quality", "publish", "document", "measure each document"),
)


@dataclass(frozen=True)
class Stage:
    """The read stage of one shard: PAGES, UNITS still kept, PAGE_KEYS, ACTIONS_TAKEN, PAGE_METRICS."""

    pages: pl.DataFrame
    units: pl.DataFrame
    page_keys: pl.DataFrame
    actions: pl.DataFrame
    metrics: pl.DataFrame


def read_stage(records: pl.DataFrame, context: Context, extractor: Extractor | None) -> Stage:
    """Everything that needs only the page itself.

    In: RECORDS. Out: what is left and what was done, with METRICS for each page and step.
    """
    if "boilerplate" in context.options.skip:
        extractor = None
    with_contexts = context.options.extractor == "blocks" and "boilerplate" not in context.options.skip
    working, notes = cut_pages(records, extractor, with_contexts=with_contexts)
    pages = records.select("page")
    counts = [_count(pages, "read", "block", working.units, working.units, "raw", notes)]
    taken: list[tuple[Step, Working, Working, pl.DataFrame]] = []
    for step in STEPS:
        if step.run is None:
            continue
        before = working
        outcome = step.run(before, context)
        working = outcome.working
        taken.append((step, before, working, outcome.actions))
    # Only now are the languages of the pages known, which say how their numbers are written.
    done = [_redact(actions, working.pages, context.options) for *_, actions in taken]
    for (step, before, after, _), actions in zip(taken, done, strict=True):
        if not _is_skipped(step, context.options):
            counts.append(
                _count(pages, step.name, step.unit, before.units, after.units, "text", actions)
            )
    options = context.options
    units = UNITS.conform(working.units)
    return Stage(
        PAGES.conform(working.pages),
        units,
        describe_pages(units, options.near_threshold, options.near_min_words),
        pl.concat([notes, *done]).sort(
            "page", "block", "sentence", nulls_last=False, maintain_order=True
        ),
        pl.concat(counts),
    )


def _redact(actions: pl.DataFrame, pages: pl.DataFrame, options: Options) -> pl.DataFrame:
    """ACTIONS_TAKEN without personal data, where asked for."""
    masks = _masks(options)
    if masks is None or not options.redact_ledger:
        return actions
    languages = pages.select("page", "language")
    named = actions.join(languages, on="page", how="left", maintain_order="left")
    return ACTIONS_TAKEN.conform(redact_actions(named, masks))


def _is_skipped(step: Step, options: Options) -> bool:
    """A step that was left out has no place in METRICS; extraction is part of stripping."""
    if step.name == "quality":
        return not options.quality_drop
    name = "boilerplate" if step.name == "extract" else step.name
    return name in options.skip


def cut_pages(
    records: pl.DataFrame, extractor: Extractor | None, *, with_contexts: bool = False
) -> tuple[Working, pl.DataFrame]:
    """Cut records into blocks. Out: pages and raw blocks, and notes on pages for the ledger."""
    is_html = pl.col("format") == "html"
    contexts: dict[int, PageContext] | None = {} if with_contexts else None
    flat = flatten_pages(records.filter(is_html), extractor, contexts)
    html_lines = (
        flat.select("page", raw="lines", kind="kinds", extracted="extracted")
        .filter(pl.col("raw").list.len() > 0)
        .with_columns(
            extracted=pl.coalesce("extracted", pl.col("raw").list.eval(pl.lit(None, dtype=pl.Boolean)))
        )
        .explode("raw", "kind", "extracted", empty_as_null=True)
        .with_columns(line=pl.int_range(pl.len(), dtype=pl.UInt32).over("page"))
    )
    text_lines = split_lines(records.filter(~is_html))
    blocks = (
        pl.concat([html_lines, text_lines], how="diagonal")
        .sort("page", "line", maintain_order=True)
        .pipe(number_blocks)
        .join(records.select("page", "format"), on="page", how="left", maintain_order="left")
        .with_columns(kind=pl.coalesce("kind", guess_kind()))
    )
    pages = _describe_pages(records, flat, blocks)
    return Working(pages, blocks, contexts or {}), _page_notes(records, flat)


def _describe_pages(records: pl.DataFrame, flat: pl.DataFrame, blocks: pl.DataFrame) -> pl.DataFrame:
    size = blocks.group_by("page").agg(
        n_blocks_read=pl.len(), n_chars_read=pl.col("raw").str.len_chars().sum()
    )
    facts = flat.select("page", *METADATA_FIELDS).rename({"title": "found_title"})
    host = pl.col("url").str.extract(r"^[A-Za-z][A-Za-z0-9+.-]*://(?:[^/@]*@)?([^/:?#]+)", 1)
    return (
        records.drop("content")
        .join(facts, on="page", how="left", maintain_order="left")
        .join(size, on="page", how="left", maintain_order="left")
        .with_columns(
            title=pl.coalesce("title", "found_title"),
            site=host.str.to_lowercase().str.strip_prefix("www."),
            url_key=url_key("url"),
            n_blocks_read=pl.col("n_blocks_read").fill_null(0),
            n_chars_read=pl.col("n_chars_read").fill_null(0),
        )
    )


def _page_notes(records: pl.DataFrame, flat: pl.DataFrame) -> pl.DataFrame:
    """What the ledger says of a page as a whole: its encoding, that it is empty, who kept silent."""
    encodings = records.filter(pl.col("encoding") != "utf-8").select(
        "page", step=pl.lit("read"), rule=pl.lit("encoding"), before="encoding"
    )
    skipped = flat.filter(pl.col("skipped").is_not_null()).select(
        "page", step=pl.lit("extract"), rule=pl.lit("no-verdict"), before="skipped"
    )
    found = flat.filter(pl.col("origin").is_not_null()).select(
        "page", step=pl.lit("extract"), rule=pl.lit("hidden-text"), before="origin"
    )
    silent = flat.filter(pl.col("lines").list.len() == 0).select(
        "page", step=pl.lit("read"), rule=pl.lit("no-text"), before=pl.lit("the page shows no text")
    )
    notes = pl.concat([encodings, silent, skipped, found]).with_columns(
        action=pl.lit("note"), also=pl.lit([], dtype=pl.List(pl.String))
    )
    return ACTIONS_TAKEN.conform(notes)


def _block_actions(blocks: pl.DataFrame, placed_text: str = "before") -> pl.DataFrame:
    """ACTIONS_TAKEN for whole blocks, texts without outer white space.

    `start` and `end` are those of `placed_text`, the column that stands in the repaired page.
    """
    text = pl.col(placed_text)
    indent = text.str.len_chars() - text.str.strip_chars_start().str.len_chars()
    at = pl.col("offset") if "offset" in blocks.columns else pl.col("start")
    placed = blocks.with_columns(
        start=(at + indent).cast(pl.UInt32),
        end=(at + indent + text.str.strip_chars().str.len_chars()).cast(pl.UInt32),
        sentence=pl.lit(None, dtype=pl.UInt32),
    )
    return ACTIONS_TAKEN.conform(placed.with_columns(pl.col("before", "after").str.strip_chars()))


def _whole_blocks(blocks: pl.DataFrame) -> pl.DataFrame:
    """Every block as one sentence."""
    text = pl.col("text").str.strip_chars()
    indent = pl.col("text").str.len_chars() - pl.col("text").str.strip_chars_start().str.len_chars()
    return blocks.with_columns(
        sentence=pl.lit(0, dtype=pl.UInt32),
        lead=pl.col("text").str.slice(0, indent),
        start=pl.col("start") + indent,
        end=pl.col("start") + indent + text.str.len_chars(),
        text=text,
    )


def _count(  # noqa: PLR0913, PLR0917 - a row of METRICS has these parts
    pages: pl.DataFrame,
    name: str,
    unit: str,
    before: pl.DataFrame,
    after: pl.DataFrame,
    column: str,
    actions: pl.DataFrame,
) -> pl.DataFrame:
    """PAGE_METRICS of one step: the step as a whole from the frames, each rule from its actions."""
    went = pl.struct("page", "block").n_unique() if unit == "block" else pl.len()
    came_in = pl.col(column if column in before.columns else "raw")
    by_rule = count_rules(actions.filter(pl.col("step") == name), unit, by_page=True)
    counted = (
        before.group_by("page").agg(units_in=pl.len(), chars_in=came_in.str.len_chars().sum()),
        after.group_by("page").agg(units_out=went, chars_out=pl.col(column).str.len_chars().sum()),
        actions.group_by("page").agg(units_edited=(pl.col("action") == "edit").sum()),
        by_rule.group_by("page").agg(pl.col("chars_dropped").sum()),
    )
    whole = pages
    for counts in counted:
        whole = whole.join(counts, on="page", how="left", maintain_order="left")
    numbers = ("units_in", "units_out", "units_edited", "chars_in", "chars_out", "chars_dropped")
    whole = whole.with_columns(pl.col(numbers).cast(pl.Int64).fill_null(0)).with_columns(
        step=pl.lit(name), unit=pl.lit(unit), units_dropped=pl.col("units_in") - pl.col("units_out")
    )
    return pl.concat(
        [PAGE_METRICS.conform(whole.with_columns(rule=pl.lit(None, dtype=pl.String))), by_rule]
    )


def count_rules(actions: pl.DataFrame, unit: str, *, by_page: bool = False) -> pl.DataFrame:
    """METRICS rows of the rules in `actions`: units dropped and edited, characters dropped.

    PAGE_METRICS rows with `by_page`.
    """
    is_drop = pl.col("action") == "drop"
    key = ["page", "step", "rule"] if by_page else ["step", "rule"]
    counted = (
        actions.filter(pl.col("action") != "note")
        .group_by(key)
        .agg(
            units_dropped=is_drop.sum(),
            units_edited=(pl.col("action") == "edit").sum(),
            chars_dropped=pl.col("before").filter(is_drop).str.len_chars().sum(),
        )
        .with_columns(unit=pl.lit(unit))
        .sort(key)
    )
    return (PAGE_METRICS if by_page else METRICS).conform(counted)
