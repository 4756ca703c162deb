"""Pages labelled line by line: what of each role the program keeps.

The models know these pages, so this guards against breaks, not against overfitting; figures on hosts
they do not know are in docs/model-card.md.
"""

import json
from pathlib import Path

import polars as pl
import pytest

from benchmarks.roles import kept_texts, role_figures
from tests.conftest import shared

FLOORS = json.loads((Path(__file__).parents[1] / "floors.json").read_text())["roles"]
EVERY = 12


@pytest.mark.parametrize("kind", ["html", "text"])
def test_roles(kind):
    bench = shared("bench/roles_dev.parquet").parent
    labelled = pl.read_parquet(bench / "roles_dev.parquet").sort("id").gather_every(EVERY)
    labelled = labelled.rename({"roles": "labels"})
    if kind == "html":
        sets = [pl.scan_parquet(bench / f"{name}_dev.parquet") for name in ("html", "snip", "news")]
        html = pl.concat([pages.select("id", "html") for pages in sets]).unique("id").collect()
        texts = labelled.join(html, on="id", how="left", maintain_order="left")["html"].to_list()
    else:
        texts = ["\n".join(lines) for lines in labelled["lines"]]
    figures = role_figures(bench, labelled, kept_texts(texts, kind))
    floors = FLOORS[kind]
    assert figures.line_f1["all"] >= floors["line_f1"]
    assert figures.word_f1 >= floors["word_f1"]
    for role, floor in floors["kept_at_least"].items():
        assert figures.kept[role] >= floor, role
    for role, ceiling in floors["kept_at_most"].items():
        assert figures.kept[role] <= ceiling, role
