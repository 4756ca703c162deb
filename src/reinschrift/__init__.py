"""Reinschrift turns scraped web pages into a validated Parquet corpus.

    import reinschrift

    page = reinschrift.clean(html, url="https://example.org/a")
    tables = reinschrift.clean_frame(frame, text="body", url="link")
    report = reinschrift.run(["pages/"], out="data")
    corpus = reinschrift.open("data")

What is offered is imported when it is first used, so that importing the package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reinschrift.flows.api import clean, clean_frame, run
    from reinschrift.flows.api import open_corpus as open  # noqa: A004 - reinschrift.open
    from reinschrift.flows.orchestrate import clean_corpus

__all__ = ["clean", "clean_corpus", "clean_frame", "open", "run"]

_PLACES = {
    "clean": ("reinschrift.flows.api", "clean"),
    "clean_frame": ("reinschrift.flows.api", "clean_frame"),
    "run": ("reinschrift.flows.api", "run"),
    "open": ("reinschrift.flows.api", "open_corpus"),
    "clean_corpus": ("reinschrift.flows.orchestrate", "clean_corpus"),
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'reinschrift' has no attribute {name!r}")
    module, attribute = _PLACES[name]
    return getattr(importlib.import_module(module), attribute)


def __dir__() -> list[str]:
    return [*__all__]
