"""Small charts as SVG: lines over versions, histograms beside each other. Numbers in, markup out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup, escape

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH, HEIGHT, EDGE = 280, 90, 6


def draw_line(name: str, values: Sequence[float], labels: Sequence[str]) -> Markup:
    """A line over the versions; each point says its label and value on hover, the last is marked."""
    top = max([*values, 0]) or 1
    step = (WIDTH - 2 * EDGE) / max(1, len(values) - 1)
    points = [
        (EDGE + step * number, HEIGHT - EDGE - value / top * (HEIGHT - 2 * EDGE))
        for number, value in enumerate(values)
    ]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dots = Markup("").join(
        Markup('<circle cx="{:.1f}" cy="{:.1f}" r="{}"><title>{}: {}</title></circle>').format(
            x, y, 4 if number == len(points) - 1 else 2, label, write_number(value)
        )
        for number, ((x, y), label, value) in enumerate(zip(points, labels, values, strict=True))
    )
    return _svg(
        f"{name}: {', '.join(map(write_number, values))}",
        Markup('<polyline points="{}"/>').format(line) + dots,
    )


def draw_histogram(
    name: str, now: Sequence[float], before: Sequence[float] | None, labels: Sequence[str]
) -> Markup:
    """Shares as bars, those of the version before as a line over them."""
    top = max([*now, *(before or ()), 0]) or 1
    wide = (WIDTH - 2 * EDGE) / len(now)
    low = HEIGHT - 16
    bars = Markup("").join(
        Markup(
            '<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"><title>{}</title></rect>'
        ).format(
            EDGE + wide * number, low - share / top * (low - EDGE), wide - 1,
            share / top * (low - EDGE), write_number(share),
        )
        for number, share in enumerate(now)
    )  # fmt: skip
    line = Markup("")
    if before:
        points = " ".join(
            f"{EDGE + wide * (number + 0.5):.1f},{low - share / top * (low - EDGE):.1f}"
            for number, share in enumerate(before)
        )
        line = Markup('<polyline class="before" points="{}"/>').format(points)
    places = (EDGE, WIDTH / 2, WIDTH - EDGE)
    texts = Markup("").join(
        Markup('<text x="{}" y="{}" text-anchor="{}">{}</text>').format(x, HEIGHT - 3, anchor, label)
        for x, anchor, label in zip(places, ("start", "middle", "end"), labels, strict=True)
    )
    return _svg(name, bars + line + texts)


def _svg(name: str, inside: Markup) -> Markup:
    return Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        WIDTH, HEIGHT, escape(name), inside
    )


def write_number(value: float) -> str:
    """Shares in per cent, counts with commas."""
    if isinstance(value, float):
        return f"{value:.1%}" if abs(value) <= 1 else f"{value:,.2f}"
    return f"{value:,}"
