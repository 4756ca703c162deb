"""The tables of the docs that follow from the code. `python -m tests.doc_tables` writes them anew.

Each stands between `<!-- table: NAME -->` and `<!-- end -->`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from reinschrift.flows.config import Settings
from reinschrift.flows.store.companions import type_name
from reinschrift.transforms.contracts import PUBLISHED, Table
from reinschrift.transforms.steps import SKIPPABLE, STEPS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic.fields import FieldInfo

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", ROOT / "docs" / "architecture.md")
PLACE = re.compile(r"(<!-- table: ([a-z-]+) -->\n).*?(\n<!-- end -->)", re.DOTALL)
IN_WORDS = {"workers": "one a core", "columns": "by name"}


def table_of(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines
    )


def steps_table() -> str:
    """Every step: where it runs, what it does, how it is left out."""
    rows = [
        (
            f"`{step.name}`",
            step.stage,
            step.unit,
            step.what,
            f"`{step.skip}`" if step.skip else "",
            f"`{function_name(step.function)}`",
        )
        for step in STEPS
    ]
    return table_of(("step", "stage", "unit", "what", "skip", "function"), rows)


def function_name(function: Any) -> str:
    return function.partition(":")[2] if isinstance(function, str) else function.__name__


def columns_table(table: Table) -> str:
    """Every column of a published table."""
    rows = [(f"`{c.name}`", type_name(c), "yes" if c.nullable else "", c.meaning) for c in table.columns]
    return table_of(("column", "type", "null", "meaning"), rows)


def settings_table() -> str:
    """Every setting: its default, its unit or its values, its meaning."""
    rows = [
        (f"`{name}`", default_of(name, field), values_of(name, field), str(field.description))
        for name, field in Settings.model_fields.items()
    ]
    return table_of(("name", "default", "unit or values", "meaning"), rows)


def default_of(name: str, field: FieldInfo) -> str:
    value = field.default
    if name in IN_WORDS:
        return IN_WORDS[name]
    if value is None or value == ():
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, int | float):
        return f"{value:,g}" if value < 1000 else f"{int(value):,}"
    return f"`{','.join(value) if isinstance(value, tuple) else value}`"


def values_of(name: str, field: FieldInfo) -> str:
    facts = field.json_schema_extra
    assert isinstance(facts, dict)
    choices = SKIPPABLE if name == "skip" else literals(field.annotation)
    return ", ".join(f"`{choice}`" for choice in choices) or str(facts["unit"])


def literals(annotation: Any) -> list[str]:
    """The texts that an annotation names, however deep."""
    found: list[str] = []
    for argument in get_args(annotation):
        found += [argument] if isinstance(argument, str) else literals(argument)
    return found


TABLES = {
    "steps": steps_table,
    "settings": settings_table,
    **{table.name: (lambda table=table: columns_table(table)) for table in PUBLISHED},
}


def with_tables(text: str) -> str:
    """A page with its tables as they follow from the code."""
    return PLACE.sub(lambda found: found[1] + TABLES[found[2]]() + found[3], text)


def main() -> None:
    for page in PAGES:
        page.write_text(with_tables(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
