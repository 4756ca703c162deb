"""The columns in docs/architecture.md are those of the contracts, and its steps those of STEPS."""

from pathlib import Path

import pytest

from reinschrift.transforms.contracts import PUBLISHED
from reinschrift.transforms.steps import STEPS

ARCHITECTURE = Path(__file__).parents[2] / "docs" / "architecture.md"


def columns_of(table) -> str:
    rows = ["| column | type | null | meaning |", "|---|---|---|---|"]
    for column in table.columns:
        null = "yes" if column.nullable else ""
        meaning = column.meaning.replace("|", "\\|")
        rows.append(f"| `{column.name}` | {column.dtype} | {null} | {meaning} |")
    return "\n".join(rows)


@pytest.mark.parametrize("table", PUBLISHED, ids=lambda table: table.name)
def test_the_columns_are_told(table):
    assert columns_of(table) in ARCHITECTURE.read_text(encoding="utf-8")


def test_the_steps_are_told():
    text = ARCHITECTURE.read_text(encoding="utf-8")
    for step in STEPS:
        done_by = f"`{step.run.__name__}`" if step.run else ""
        assert f"| `{step.name}` | {step.stage} | {step.unit} | {step.what} | {done_by} |" in text
