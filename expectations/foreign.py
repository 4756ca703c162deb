"""A folder of foreign Parquet with a column of text, judged without a contract."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from reinschrift.expectations.corpus import POLARS_ERRORS
from reinschrift.expectations.figures import FURNITURE
from reinschrift.expectations.measuring import MAX_EXAMPLES
from reinschrift.expectations.verdict import ERROR, WARN, Observation

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from reinschrift.expectations.terms import Terms

MOJIBAKE = r"Ã[\x80-¿]|â€|Â[ -¿]|\x{FFFD}"
MAX_REPEATS = 0.05
MARKUP = r"</?(?:div|span|p|a|br|script|li)\b[^>]*>"
# Name, sentence, condition of a row that breaks it, share allowed, severity.
_TEXT, _LINES = pl.col("text"), pl.col("text").str.split("\n")
_IS_BLANK = (_TEXT.str.strip_chars() == "").fill_null(value=True)
CHECKS: tuple[tuple[str, str, pl.Expr, float, str], ...] = (
    ("foreign.text-present", "every row has a text", _IS_BLANK, 0, ERROR),
    ("foreign.encoding", "texts without mojibake", _TEXT.str.contains(MOJIBAKE), 0.01, ERROR),
    ("foreign.markup", "texts without HTML tags", _TEXT.str.contains(MARKUP), 0.01, ERROR),
    (
        "foreign.furniture",
        "texts without a line of well-known furniture",
        _LINES.list.eval(pl.element().str.strip_chars().is_in(FURNITURE)).list.any(),
        0.02,
        WARN,
    ),
)  # fmt: skip


def judge_foreign(folder: Path, terms: Terms) -> Iterator[Observation]:
    """Observations of every Parquet file below a folder; its text is the column the terms name."""
    column = terms.foreign_text or "text"
    paths = sorted(folder.rglob("*.parquet"))
    broken = [row for path in paths if (row := _problem(path, column))]
    yield Observation(
        "foreign.files",
        "corpus",
        f"every file can be read and has a column of text, {column!r}",
        len(broken) if paths else 1,
        found="; ".join(f"{row['file']}: {row['is']}" for row in broken[:MAX_EXAMPLES])
        or f"{len(paths):,} files",
        rows=broken[:MAX_EXAMPLES],
    )
    good = [path for path in paths if str(path) not in {row["file"] for row in broken}]
    if not good:
        return
    frames = [pl.scan_parquet(path, hive_partitioning=False).select(text=column) for path in good]
    for name, what, wrong, high, severity in CHECKS:
        yield _observe(name, what, wrong, terms.thresholds.get(name, high), severity, frames)
    yield _repeats(frames, terms.thresholds.get("foreign.repeats", MAX_REPEATS))


def _problem(path: Path, column: str) -> dict[str, Any] | None:
    try:
        frame = pl.scan_parquet(path, hive_partitioning=False)
        dtype = frame.collect_schema().get(column)
        if dtype is None:
            return {"file": str(path), "is": f"has no column {column!r}"}
        if dtype != pl.String:
            return {"file": str(path), "is": f"{column!r} is {dtype}, not String"}
        frame.select(pl.col(column).str.len_bytes().sum()).collect(engine="streaming")
    except POLARS_ERRORS as error:
        return {"file": str(path), "is": f"can't be read: {error}"[:200]}
    return None


def _observe(  # noqa: PLR0913, PLR0917 - a row of CHECKS
    name: str, what: str, wrong: pl.Expr, high: float, severity: str, frames: list[pl.LazyFrame]
) -> Observation:
    broken = height = 0
    rows: list[dict[str, Any]] = []
    for frame in frames:
        counts = frame.select(pl.len(), wrong.fill_null(value=False).sum().alias("broken")).collect()
        height, broken = height + counts["len"].item(), broken + counts["broken"].item()
        if counts["broken"].item() and len(rows) < MAX_EXAMPLES:
            rows += frame.with_row_index("row").filter(wrong).head(MAX_EXAMPLES).collect().to_dicts()
    share = broken / height if height else 0.0
    return Observation(
        name, "corpus", what, share, None, high, f"{broken:,} of {height:,} rows", f"at most {high:.0%}",
        rows[:MAX_EXAMPLES], severity=severity,
    )  # fmt: skip


def _repeats(frames: list[pl.LazyFrame], high: float) -> Observation:
    hashes = [frame.select(pl.col("text").hash(0)).collect(engine="streaming") for frame in frames]
    texts = pl.concat(hashes)
    again = texts.height - texts["text"].n_unique()
    share = again / texts.height if texts.height else 0.0
    return Observation(
        "foreign.repeats", "corpus", "no text stands twice", share, None, high,
        f"{again:,} of {texts.height:,} rows", f"at most {high:.0%}", severity=WARN,
    )  # fmt: skip
