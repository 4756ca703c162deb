"""Building blocks that the suites share. Importing this costs nothing; calling imports GX."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reinschrift.transforms.contracts import Table

LANGUAGE_CODE = r"^[a-z]{2,3}$"


def expect(kind: str, what: str, **arguments: Any) -> Any:
    """One expectation with the sentence that people read when it fails."""
    import great_expectations.expectations as gxe

    return getattr(gxe, kind)(description=what, **arguments)


def no_nulls(table: Table, columns: list[str]) -> list[Any]:
    """The columns the contract calls not nullable have no nulls, of those projected."""
    required = {column.name for column in table.columns if not column.nullable}
    return [
        expect("ExpectColumnValuesToNotBeNull", f"{name} is never null", column=name)
        for name in columns
        if name in required
    ]


def one_of(column: str, values: tuple[str, ...]) -> Any:
    """The column has these values only."""
    return expect(
        "ExpectColumnValuesToBeInSet",
        f"{column} is one of {', '.join(values)}",
        column=column,
        value_set=list(values),
    )


def between(column: str, low: float | None, high: float | None = None) -> Any:
    """The column's values lie between the two."""
    bounds = f">= {low}" if high is None else f"between {low} and {high}"
    return expect(
        "ExpectColumnValuesToBeBetween",
        f"{column} is {bounds}",
        column=column,
        min_value=low,
        max_value=high,
    )


def language_codes(column: str = "language") -> Any:
    """ISO 639 codes."""
    return expect(
        "ExpectColumnValuesToMatchRegex",
        f"{column} is an ISO 639 code or und",
        column=column,
        regex=LANGUAGE_CODE,
    )
