"""Lines that recur across the pages of a site."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from reinschrift.flows.stages.resolve.verdicts import LINE, PLACE, STAYS, TEMPLATE, records_of
from reinschrift.flows.stages.spill import Spill
from reinschrift.transforms.boilerplate import templates

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from reinschrift.flows.stages.resolve.verdicts import Resolution


def find_templates(work: Resolution) -> None:
    """Verdicts on lines that belong to the template of their site."""
    ours = pl.Series(work.rule == STAYS) & work.pages["text_hash"].is_not_null()
    many = pl.len().over("site") >= work.settings.template_min_pages
    sites = work.pages.filter(ours & work.pages["site"].is_not_null()).filter(many)
    if sites.is_empty():
        return
    code = np.zeros(work.pages.height, dtype=np.uint32)  # 0: too few pages to tell
    code[sites["page_no"].to_numpy()] = sites["site"].rank("dense").to_numpy()
    spill = Spill(work.corpus.judgement / "lines", LINE, work.buckets())
    traits = (
        (pl.col("kind").is_in(templates.FIXED_KINDS) | pl.col("kept_by").is_not_null()).alias(
            "is_fixed"
        ),
        pl.col("repeatable").alias("is_long"),
    )
    wanted = np.flatnonzero(code).astype(np.uint32)
    for units in work.units(["hash", "kind", "repeatable", "kept_by"], wanted):
        rows = records_of(units.with_columns(traits), LINE, ("hash", "is_fixed", "is_long", *PLACE))
        rows["site"] = code[rows["page_no"]]
        spill.add(rows, rows["site"] % spill.buckets)
    for bucket in range(spill.buckets):
        rows = spill.read(bucket)
        if len(rows):
            _add_templates(work, rows)
    spill.clear()


def _add_templates(work: Resolution, rows: NDArray[Any]) -> None:
    lines = pl.DataFrame({name: rows[name] for name in rows.dtype.names or ()})
    keys = lines.with_row_index("position").lazy()
    found = templates.find_templates(keys, work.settings.template_min_pages).collect()
    gone = rows[found["position"].to_numpy()]
    work.add_verdicts(gone, TEMPLATE, pages=found["pages"].to_numpy())
