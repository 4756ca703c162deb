"""The user's own expectations: SQL conditions in a TOML file, or laws in a Python module.

    [[expectation]]
    name = "licence"
    table = "documents"
    holds = "site <> 'example.org' OR title IS NOT NULL"
    why = "pages of example.org must have a title"
    severity = "warn"
    mostly = 0.98

A module has EXPECTATIONS, a sequence of `reinschrift.expectations.measuring.Law`.
"""

from __future__ import annotations

import runpy
import tomllib
from typing import TYPE_CHECKING, Any

import polars as pl

from reinschrift.expectations.measuring import MAX_EXAMPLES, Law, Tables
from reinschrift.expectations.verdict import ERROR, SEVERITIES, Observation
from reinschrift.transforms.contracts import PUBLISHED
from reinschrift.transforms.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

KEYS = {"name": str, "table": str, "holds": str, "why": str, "severity": str, "mostly": float}
REQUIRED = ("name", "table", "holds", "why")


def read_own(path: Path) -> list[dict[str, Any]] | list[Law]:
    """The expectations of a file.

    Raises ConfigError naming the file, the expectation and what is wrong with it.
    """
    try:
        if path.suffix == ".py":
            return _laws_in(path)
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"expectations: {path}: can't be read: {error}", "check the file") from error
    tables = found.get("expectation", [])
    if not isinstance(tables, list) or not tables or len(found) > 1:
        raise ConfigError(f"expectations: {path}: no [[expectation]]", "see docs/gate.md")
    for number, one in enumerate(tables, 1):
        problem = _problem_of(one)
        if problem:
            raise ConfigError(
                f"expectations: {path}: expectation {number}: {problem}", "see docs/gate.md"
            )
    return tables


def _laws_in(path: Path) -> list[Law]:
    laws = list(runpy.run_path(str(path)).get("EXPECTATIONS", ()))
    if not laws or not all(isinstance(law, Law) for law in laws):
        raise ConfigError(f"expectations: {path}: no EXPECTATIONS of laws", "see docs/gate.md")
    return laws


def _problem_of(one: Any) -> str:
    if not isinstance(one, dict):
        return "it is no table"
    for key, value in one.items():
        if key not in KEYS:
            return f"unknown key {key!r}; known are {', '.join(KEYS)}"
        if not isinstance(value, (float, int) if KEYS[key] is float else KEYS[key]):
            return f"{key} = {value!r} is no {KEYS[key].__name__}"
    absent = [key for key in REQUIRED if key not in one]
    if absent:
        return f"there is no {absent[0]}"
    if one["table"] not in [table.name for table in PUBLISHED]:
        return f"table = {one['table']!r} is none of {', '.join(t.name for t in PUBLISHED)}"
    if one.get("severity", ERROR) not in SEVERITIES:
        return f"severity = {one['severity']!r} is none of {', '.join(SEVERITIES)}"
    return "" if 0 <= one.get("mostly", 1.0) <= 1 else "mostly lies between 0 and 1"


def measure_own(tables: Tables, path: Path) -> list[Observation]:
    """The observations a file asks for."""
    return [
        _of_law(tables, one) if isinstance(one, Law) else _of_condition(tables, one)
        for one in read_own(path)
    ]


def _of_law(tables: Tables, law: Law) -> Observation:
    found = law.measured(tables)
    return Observation(
        f"own.{law.name}",
        law.table,
        law.what,
        found.is_ - found.must_be,
        found=f"{found.is_:,}",
        allowed=f"exactly {found.must_be:,}",
        rows=found.rows,
    )


def _of_condition(tables: Tables, one: dict[str, Any]) -> Observation:
    """Share of the rows for which the condition does not hold; null counts as not holding."""
    holds = pl.sql_expr(one["holds"]).fill_null(value=False)
    broken = height = 0
    rows: list[dict[str, Any]] = []
    for frame in tables.frames(one["table"]):
        counts = frame.select(pl.len(), (~holds).sum().alias("broken")).collect(engine="streaming")
        height += counts["len"].item()
        broken += counts["broken"].item()
        if counts["broken"].item() and len(rows) < MAX_EXAMPLES:
            rows += frame.filter(~holds).head(MAX_EXAMPLES - len(rows)).collect().to_dicts()
    share, high = broken / height if height else 0.0, 1 - one.get("mostly", 1.0)
    return Observation(
        f"own.{one['name']}",
        one["table"],
        one["why"],
        share,
        None,
        high + 1e-12,
        found=f"{broken:,} of {height:,} rows",
        allowed=f"at most {high:.4g} of the rows" if high else "none",
        rows=[{key: value for key, value in row.items() if value is not None} for row in rows],
        severity=one.get("severity", ERROR),
    )
