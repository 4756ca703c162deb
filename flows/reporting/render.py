"""Facts to one self-contained HTML page: no script, no address outside it, every text escaped."""

from __future__ import annotations

import itertools
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

import jinja2
from markupsafe import Markup

from reinschrift.expectations.report import describe_failures, printable
from reinschrift.flows.reporting.charts import draw_histogram, draw_line, write_number

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reinschrift.flows.reporting.facts import Facts

SECTIONS = (
    ("changes", "What changed"),
    ("funnel", "Funnel"),
    ("rules", "Rules"),
    ("doubtful", "Doubtful"),
    ("duplicates", "Repeated pages"),
    ("shares", "Languages and sites"),
    ("distributions", "Distributions"),
    ("quarantine", "Quarantine"),
    ("gate", "Gate"),
)


@cache
def templates() -> jinja2.Environment:
    """The templates beside this module; what they show is escaped unless it is Markup."""
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(read_file),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        finalize=lambda value: printable(value) if type(value) is str else value,
    )
    environment.filters["number"] = _number
    environment.filters["signed"] = _signed
    return environment


def read_file(name: str) -> str:
    """A file that lies beside this module."""
    return (resources.files(__package__) / name).read_text(encoding="utf-8")


def read_style() -> Markup:
    """The style sheet of all pages; ours, so it is not escaped."""
    return Markup(read_file("style.css"))  # noqa: S704


def render_report(facts: Facts) -> str:
    """The report as HTML."""
    return (
        templates()
        .get_template("report.html.jinja")
        .render(
            facts=facts,
            style=read_style(),
            sections=SECTIONS,
            failures=list(describe_failures(facts.result.verdict)),
            draw_line=draw_line,
            draw_histogram=draw_histogram,
            table=_table,
            trends=[
                (group, list(members))
                for group, members in itertools.groupby(facts.trends, lambda trend: trend.group)
            ],
            doubtful_drops=[
                (f"{row['probability']:.2f}", row["role"] or "", row["before"], row["source"])
                for row in facts.doubtful_drops
            ],
            doubtful_keeps=[
                (f"{row['probability']:.2f}", row["role"] or "", row["text"], row["source"])
                for row in facts.doubtful_keeps
            ],
            worst_pages=[
                (
                    f"{row['confidence']:.2f}", row["source"], row["page_type"] or "",
                    f"{row['n_chars']:,} of {row['n_chars_read']:,}", row["text"],
                )
                for row in facts.worst_pages
            ],
            languages=[
                (name, f"{now:,}", "" if then is None else _signed(now - then))
                for name, now, then in facts.languages
            ],
            sites=[
                (
                    row["site"], f"{row['documents']:,}", f"{row['removed']:.1%}",
                    "" if row["removed_before"] is None else f"{row['removed_before']:.1%}",
                )
                for row in facts.sites
            ],
            signals=[(name, _mean(now), _mean(then)) for name, now, then in facts.signals],
            quarantine=[
                (row["source"], row["record"] or "", row["reason"], row["remedy"])
                for row in facts.quarantine
            ],
        )
    )  # fmt: skip


def _table(name: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> Markup:
    """A table that scrolls by itself where it is too wide; every cell is escaped."""
    lines = [
        Markup(
            '<div class="scroll" tabindex="0" role="region" aria-label="{}"><table><thead><tr>'
        ).format(name),
        *(Markup('<th scope="col">{}</th>').format(cell) for cell in head),
        Markup("</tr></thead><tbody>"),
    ]
    for row in rows:
        cells = Markup("").join(Markup("<td>{}</td>").format(printable(cell)) for cell in row)
        lines.append(Markup("<tr>{}</tr>").format(cells))
    return Markup("\n").join([*lines, Markup("</tbody></table></div>")])


def _number(value: Any) -> str:
    return "" if value is None else write_number(value)


def _signed(value: float) -> str:
    return f"{100 * value:+.1f} points" if isinstance(value, float) else f"{value:+,}"


def _mean(value: float | None) -> str:
    return "" if value is None else f"{value:,.4g}"
