"""The tables in the docs are those that follow from the code."""

from pathlib import Path

import pytest

from reinschrift.expectations.thresholds import THRESHOLDS
from reinschrift.transforms.contracts import PUBLISHED
from tests.doc_tables import PAGES, PLACE, TABLES, with_tables

ARCHITECTURE = Path(__file__).parents[2] / "docs" / "architecture.md"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_tables_follow_from_the_code(page):
    text = page.read_text(encoding="utf-8")
    assert text == with_tables(text), "run `python -m tests.doc_tables`"


def test_every_table_stands_somewhere():
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert {name for _, name, _ in PLACE.findall(text)} == set(TABLES)


def head_of(table) -> str:
    keys = ", ".join(f"`{name}`" for name in table.key)
    parts = [
        f"Grain: {table.grain}.",
        f"Key: {keys}." if keys else "",
        f"Foreign keys: {'; '.join(one.what for one in table.references)}." if table.references else "",
        f"A folder by `{table.partition_by}`." if table.partition_by else "",
    ]
    invariants = "; ".join(one.what for one in table.invariants)
    return f"{' '.join(part for part in parts if part)}\n\nInvariants: {invariants}.\n"


@pytest.mark.parametrize("table", PUBLISHED, ids=lambda table: table.name)
def test_keys_and_invariants_are_told(table):
    assert head_of(table) in ARCHITECTURE.read_text(encoding="utf-8")


def test_every_threshold_is_told_with_its_default():
    text = (ARCHITECTURE.parent / "gate.md").read_text(encoding="utf-8")
    for name, default in THRESHOLDS.items():
        assert f"| `{name}` | {default:g} |" in text, name
