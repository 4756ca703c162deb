"""A difference between two corpora as text, Markdown and JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from reinschrift.expectations.report import code, markdown_table, printable
from reinschrift.flows.comparing.difference import EXAMPLES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reinschrift.flows.comparing.difference import Difference

MAX_ROWS = 40
MAX_TEXT_CHARS = 100


def print_lines(difference: Difference) -> Iterator[str]:
    """For a terminal: totals, documents, then each rule with some of its lines."""
    yield f"{difference.before} -> {difference.after}"
    for name, (then, now) in difference.totals.items():
        yield f"  {name}: {then:,} -> {now:,} ({now - then:+,})"
    counts = ", ".join(f"{count:,} {name}" for name, count in difference.documents.items())
    yield f"  of the documents: {counts}"
    for status, sources in difference.changed.items():
        yield from (f"    {status}: {printable(source)}" for source in sources)
    yield from (f"  {line}" for line in _circumstances(difference))
    if not difference.lines:
        yield "  no line is treated otherwise"
    for change in difference.lines[:MAX_ROWS]:
        yield f"{change.change}: {change.rule}: {change.lines:,} lines, {change.chars:,} characters"
        yield from (f"    {_cut(text)}  [{printable(source)}]" for source, text in change.examples)
    yield from _more(difference)
    for name, rows in (("site", difference.sites), ("language", difference.languages)):
        for row in rows[:EXAMPLES]:
            yield f"{name} {row[name]}: {row['now_dropped']:,} now dropped, {row['now_kept']:,} now kept"


def write_markdown(difference: Difference) -> str:
    """For a job's summary or a comment: verdict first, the lines of each rule folded away."""
    totals = [
        (name, f"{then:,}", f"{now:,}", f"{now - then:+,}")
        for name, (then, now) in difference.totals.items()
    ]
    status = [(name, f"{count:,}") for name, count in difference.documents.items()]
    lines = [
        f"## What changed: {code(difference.before)} → {code(difference.after)}",
        "",
        *markdown_table(("", "before", "after", "change"), totals),
        *markdown_table(("documents", "count"), status),
        *(f"- {code(line)}" for line in _circumstances(difference)),
        "",
    ]
    if not difference.lines:
        return "\n".join([*lines, "No line is treated otherwise.", ""])
    for change in difference.lines[:MAX_ROWS]:
        head = f"{change.change}: {code(change.rule)}: {change.lines:,} lines"
        lines += [f"<details><summary>{_plain(head)}</summary>", ""]
        examples = [(code(source), code(text)) for source, text in change.examples]
        lines += [*markdown_table(("page", "line"), examples), "</details>", ""]
    lines += [*_more(difference), ""]
    for name, rows in (("site", difference.sites), ("language", difference.languages)):
        if rows:
            cells = [
                (code(row[name]), f"{row['now_dropped']:,}", f"{row['now_kept']:,}")
                for row in rows[:MAX_ROWS]
            ]
            lines += markdown_table((name, "now dropped", "now kept"), cells)
    return "\n".join(lines)


def write_json(difference: Difference) -> str:
    """All of it."""
    stated: dict[str, Any] = {**asdict(difference), "is_empty": difference.is_empty}
    return json.dumps(stated, ensure_ascii=True, indent=1, default=str) + "\n"


def _circumstances(difference: Difference) -> Iterator[str]:
    for name, (then, now) in difference.settings.items():
        yield f"setting {name}: {then!r} -> {now!r}"
    if not difference.is_same_code:
        yield "made by another version of the program"


def _more(difference: Difference) -> list[str]:
    more = len(difference.lines) - MAX_ROWS
    return [f"… and {more} more rules"] if more > 0 else []


def _plain(head: str) -> str:
    """Markdown within a summary tag is not read as such."""
    return head.replace("`", "").replace("<", "&lt;").replace(">", "&gt;")


def _cut(text: str) -> str:
    plain = printable(text).replace("\n", " ")
    return plain if len(plain) <= MAX_TEXT_CHARS else plain[: MAX_TEXT_CHARS - 1] + "…"
