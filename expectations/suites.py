"""Great Expectations' part: a suite a table, by which what was measured is judged.

The tables never pass through pandas: Polars measures every row, and Great Expectations judges one row of
measures, a column each. The suites are made of the same contracts and laws as the measures.
Importing this costs nothing; calling imports Great Expectations.
"""

from __future__ import annotations

import json
import logging
import os
import re
import warnings
from typing import TYPE_CHECKING, Any

from reinschrift.expectations.verdict import ERROR

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from reinschrift.expectations.verdict import Observation

SITE = "docs"
# Great Expectations' pages load styles, scripts and logos from elsewhere; without scripts all is shown.
OUTSIDE = "script, link[href^='http'], img[src^='http']"
OUTSIDE_IMAGE = re.compile(r"url\(['\"]?https?:[^()]*\)")
STYLE = """<meta name="viewport" content="width=device-width"><style>
body { font: 16px/1.5 system-ui, sans-serif; margin: 1rem; overflow-wrap: anywhere; }
table { border-collapse: collapse; }
td, th { border: 1px solid #888; padding: .3em; vertical-align: top; }
.collapse { display: block !important; }
footer, .modal, .ge-walkthrough-modal { display: none !important; }
.fa-check-circle::before { content: "passed"; color: #1a6b35; }
.fa-times::before, .fa-times-circle::before { content: "failed"; color: #b3261e; }
.fa-exclamation-triangle::before { content: "warned"; color: #8a5300; }
</style></head>"""


def suite_of(name: str, observations: Sequence[Observation]) -> Any:
    """The suite of a table: each measure lies between its bounds."""
    from great_expectations.core import ExpectationSuite

    return ExpectationSuite(name=name, expectations=[_expectation(one) for one in observations])


def _expectation(one: Observation) -> Any:
    import great_expectations.expectations as gxe
    from great_expectations.expectations.metadata_types import FailureSeverity

    return gxe.ExpectColumnMaxToBeBetween(  # type: ignore[attr-defined]
        column=one.name,
        min_value=one.low,
        max_value=one.high,
        description=one.what,
        severity=FailureSeverity.CRITICAL if one.severity == ERROR else FailureSeverity.WARNING,
        meta={"allowed": one.allowed},
    )


def judge_by_suites(observations: Sequence[Observation], docs: Path | None = None) -> list[bool]:
    """Whether each observation holds, as Great Expectations says; what has an error does not.

    With `docs` the suites are run by a checkpoint, which writes Data Docs to that folder: pages that
    load nothing from elsewhere, and the suites. A run does without, for a checkpoint costs .3 CPU s.
    """
    measured = [one for one in observations if one.error is None]
    row, suites = _one_row(measured), _suites_of(measured)
    context = _context()
    source = context.data_sources.add_pandas("corpus")
    batches = {
        name: source.add_dataframe_asset(name).add_batch_definition_whole_dataframe("measures")
        for name in suites
    }
    if docs is None:
        results = [
            batches[name].get_batch({"dataframe": row}).validate(suite, result_format="BOOLEAN_ONLY")
            for name, suite in suites.items()
        ]
    else:
        checkpoint = _checkpoint(context, batches, suites, docs)
        results = checkpoint.run(batch_parameters={"dataframe": row}).run_results.values()
        _export_suites(suites, docs / "suites")
        _cut_off(docs)
    holds = {
        one.expectation_config.kwargs["column"]: bool(one.success)
        for result in results
        for one in result.results
    }
    return [holds.get(one.name, False) for one in observations]


def _suites_of(observations: Sequence[Observation]) -> dict[str, Any]:
    tables = dict.fromkeys(one.table for one in observations)
    return {name: suite_of(name, [one for one in observations if one.table == name]) for name in tables}


def _context() -> Any:
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    os.environ.setdefault("DO_NOT_TRACK", "1")
    warnings.simplefilter("ignore")
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    return context


def _checkpoint(context: Any, batches: dict[str, Any], suites: dict[str, Any], docs: Path) -> Any:
    """The checkpoint `gate`: a validation a table, of one frame that holds all measures."""
    import great_expectations as gx
    from great_expectations.checkpoint.actions import UpdateDataDocsAction
    from great_expectations.checkpoint.checkpoint import Checkpoint

    for name in list(context.list_data_docs_sites()):
        context.delete_data_docs_site(name)  # of its own, in a temporary folder
    store = {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(docs.resolve())}
    index = {"class_name": "DefaultSiteIndexBuilder"}
    site = {"class_name": "SiteBuilder", "show_how_to_buttons": False}
    context.add_data_docs_site(
        site_name=SITE, site_config={**site, "store_backend": store, "site_index_builder": index}
    )
    validations = [
        context.validation_definitions.add(
            gx.ValidationDefinition(name=name, data=batches[name], suite=context.suites.add(suite))
        )
        for name, suite in suites.items()
    ]
    return context.checkpoints.add(
        Checkpoint(
            name="gate",
            validation_definitions=validations,
            actions=[UpdateDataDocsAction(name="update-docs", site_names=[SITE])],
            result_format="BASIC",
        )
    )


def _one_row(observations: Sequence[Observation]) -> Any:
    import pandas as pd

    return pd.DataFrame({one.name: [float(one.value)] for one in observations})


def _export_suites(suites: dict[str, Any], folder: Path) -> None:
    """Write each suite as JSON, as Great Expectations reads it back."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, suite in suites.items():
        text = json.dumps(suite.to_json_dict(), indent=1, sort_keys=True)
        (folder / f"{name}.json").write_text(text + "\n", encoding="utf-8")


def _cut_off(site: Path) -> None:
    """Take out of all pages and styles what they would load from elsewhere."""
    from selectolax.lexbor import LexborHTMLParser

    for page in site.rglob("*.html"):
        tree = LexborHTMLParser(page.read_text(encoding="utf-8"))
        for node in tree.css(OUTSIDE):
            node.decompose()
        text = OUTSIDE_IMAGE.sub("none", tree.html or "").replace("</head>", STYLE, 1)
        page.write_text(text, encoding="utf-8")
    for sheet in site.rglob("*.css"):
        sheet.write_text(OUTSIDE_IMAGE.sub("none", sheet.read_text(encoding="utf-8")), encoding="utf-8")
