"""The report of a run as a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reinschrift.flows.reporting.facts import gather_facts
from reinschrift.flows.reporting.render import render_report
from reinschrift.flows.store.local import Corpus, explain_os_error

if TYPE_CHECKING:
    from pathlib import Path

    from reinschrift.expectations.report import Result
    from reinschrift.flows.config import Settings


def write_report(result: Result, settings: Settings, path: Path) -> None:
    """The page of the version that was published, or else of the one that was refused.

    Raises OutputError where it can't be written.
    """
    corpus = Corpus(settings.out)
    folder = corpus.current.resolve() if result.version else corpus.staging
    html = render_report(gather_facts(folder, corpus, result))
    try:
        path.write_text(html, encoding="utf-8")
    except OSError as error:
        raise explain_os_error(error, path) from error
