"""A page with its ledger as HTML: paragraphs as paragraphs, runs of furniture folded into a line."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reinschrift.flows.reporting.render import read_style, templates

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reinschrift.flows.face.explain import Explained, Passage

FOLD_FROM = 3  # dropped lines in a row


@dataclass
class Piece:
    """A paragraph (`kind`, its `texts`), or lines that were dropped, one after the other."""

    kind: str
    block: int | None = None
    texts: list[str] = field(default_factory=list)
    gone: list[Passage] = field(default_factory=list)

    @property
    def summary(self) -> str:
        """What a folded run holds: how many lines each rule took."""
        rules = Counter(passage.note.partition(",")[0] for passage in self.gone)
        names = ", ".join(f"{name} ({count})" for name, count in rules.most_common(3))
        more = f" and {len(rules) - 3} more rules" if len(rules) > 3 else ""
        return f"{len(self.gone)} lines: {names}{more}"

    @property
    def steps(self) -> list[str]:
        """The steps that dropped the lines."""
        return sorted({passage.step for passage in self.gone if passage.step})


def render_pages(pages: list[Explained]) -> str:
    """The pages as one self-contained HTML page."""
    steps = sorted({passage.step for page in pages for passage in page.passages if passage.step})
    template = templates().get_template("explain.html.jinja")
    shown = [(page, list(group_passages(page.passages)), _counts(page)) for page in pages]
    return template.render(
        pages=shown, steps=steps, style=read_style(), fold_from=FOLD_FROM, shade=_shade
    )


def group_passages(passages: list[Passage]) -> Iterator[Piece]:
    """Sentences of a block make a paragraph; what was dropped in a row makes a run."""
    piece: Piece | None = None
    for passage in passages:
        if passage.is_kept:
            if piece is None or piece.gone or piece.block != passage.block:
                if piece:
                    yield piece
                piece = Piece(passage.kind or "paragraph", passage.block)
            piece.texts.append(passage.text)
            continue
        if piece is None or not piece.gone:
            if piece:
                yield piece
            piece = Piece("gone")
        piece.gone.append(passage)
    if piece:
        yield piece


def _counts(page: Explained) -> dict[str, int]:
    return {
        "kept": sum(passage.is_kept for passage in page.passages),
        "dropped": sum(not passage.is_kept for passage in page.passages),
    }


def _shade(probability: float | None) -> str:
    """A class of colour for the probability of being content."""
    if probability is None:
        return ""
    return "p0" if probability < 0.2 else "p1" if probability < 0.4 else "p2"
