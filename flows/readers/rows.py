"""Rows of tables: what their columns are, and the page that a row is."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from reinschrift.flows.readers.columns import read_record
from reinschrift.flows.readers.page import Broken, Page
from reinschrift.flows.readers.whole_files import check_page, is_larger

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reinschrift.flows.readers.page import Content


def unique_names(names: Sequence[str]) -> tuple[str, ...]:
    """The names of columns, the second `text` being `text.2`."""
    counted: Counter[str] = Counter()
    unique = []
    for name in names:
        counted[name] += 1
        unique.append(name if counted[name] == 1 else f"{name}.{counted[name]}")
    return tuple(unique)


def report_columns(
    written: Sequence[str], names: tuple[str, ...], content: Content, where: str | None
) -> tuple[list[Broken], bool]:
    """What is wrong with the columns of a table, and whether there is one to read text from."""
    columns = content.options.columns
    found = columns.find(names)
    absent = {role: (reason, remedy) for role, reason, remedy in columns.absent(names)}
    problems = [Broken(content.source, where, *problem) for problem in absent.values()]
    if not found.keys() & {"text", "html"}:
        return [*problems, Broken(content.source, where, *columns.missing(names))], False
    for name in sorted({n for n in found.values() if written.count(n) > 1}):
        reason = f"{written.count(name)} columns are called {name!r}; the first was read"
        remedy = f'rename them, or name one in columns, such as "{name}.2"'
        problems.append(Broken(content.source, where, reason, remedy))
    return problems, bool((found.keys() & {"text", "html"}) - absent.keys())


def too_large(size: int, limit: int) -> tuple[str, str]:
    """Reason and remedy for a text of so many bytes."""
    reason = f"{size:,} bytes, more than max_page_bytes = {limit:,}"
    return reason, "cut the record, or raise max_page_bytes"


def page_of_row(record: Mapping[str, Any], content: Content, position: int, where: str) -> Page | Broken:
    """The page that a row is; `position` counts as that of the format does."""
    facts = read_record(record, content.options.columns)
    if facts.problem:
        return Broken(content.source, where, *facts.problem)
    limit = content.options.max_page_bytes
    if is_larger(facts.content, limit):
        return Broken(content.source, where, *too_large(len(facts.content.encode()), limit))
    page = Page(
        content.source, position, facts.content, facts.format, facts.encoding, facts.id, facts.url,
        facts.title, facts.date,
    )  # fmt: skip
    return check_page(page, content.options, where)
