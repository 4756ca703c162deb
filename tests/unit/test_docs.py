"""The columns in docs/architecture.md are those of the contracts, and its steps those of STEPS."""

from pathlib import Path

import pytest

from reinschrift.expectations.thresholds import THRESHOLDS
from reinschrift.transforms.contracts import PUBLISHED
from reinschrift.transforms.pipeline import STEPS

ARCHITECTURE = Path(__file__).parents[2] / "docs" / "architecture.md"


def columns_of(table) -> str:
    rows = ["| column | type | null | meaning |", "|---|---|---|---|"]
    for column in table.columns:
        null = "yes" if column.nullable else ""
        meaning = column.meaning.replace("|", "\\|")
        rows.append(f"| `{column.name}` | {column.dtype} | {null} | {meaning} |")
    return "\n".join(rows)


def head_of(table) -> str:
    keys = ", ".join(f"`{name}`" for name in table.key)
    parts = [
        f"Grain: {table.grain}.",
        f"Key: {keys}." if keys else "",
        f"Foreign keys: {'; '.join(one.what for one in table.references)}." if table.references else "",
        f"Hive folders by `{table.partition_by}`." if table.partition_by else "",
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


@pytest.mark.parametrize("table", PUBLISHED, ids=lambda table: table.name)
def test_the_columns_are_told(table):
    assert columns_of(table) in ARCHITECTURE.read_text(encoding="utf-8")


def test_the_steps_are_told():
    text = ARCHITECTURE.read_text(encoding="utf-8")
    for step in STEPS:
        done_by = f"`{step.run.__name__}`" if step.run else ""
        assert f"| `{step.name}` | {step.stage} | {step.unit} | {step.what} | {done_by} |" in text
