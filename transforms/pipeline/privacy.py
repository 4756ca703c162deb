"""Step `privacy`: personal data are masked, in the ledger too if asked."""

from __future__ import annotations

import polars as pl

from reinschrift.transforms.contracts import ACTIONS_TAKEN, UNITS
from reinschrift.transforms.pipeline.working import Context, Options, Outcome, Working, actions_of
from reinschrift.transforms.privacy import mask_pages, mask_sentences, redact_actions
from reinschrift.transforms.repeats.exact import add_hash


def mask_personal_data(working: Working, context: Context) -> Outcome:
    """Mask personal data in sentences and in what is known of their pages, where asked for."""
    masks = context.options.masks
    if masks is None:
        return Outcome(working)
    found = pl.col("masked").is_not_null()
    masked = mask_sentences(working.units, masks)
    actions = masked.filter(found).with_columns(
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
    taken = [actions_of(actions), actions_of(notes)]
    return Outcome(Working(pages, UNITS.conform(units)), pl.concat(taken))


def redact_ledger(actions: pl.DataFrame, pages: pl.DataFrame, options: Options) -> pl.DataFrame:
    """ACTIONS_TAKEN without personal data, where asked for."""
    masks = options.masks
    if masks is None or not options.redact_ledger:
        return actions
    languages = pages.select("page", "language")
    named = actions.join(languages, on="page", how="left", maintain_order="left")
    return ACTIONS_TAKEN.conform(redact_actions(named, masks))
