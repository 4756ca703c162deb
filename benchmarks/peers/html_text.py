"""Bare calls of an extractor on the pages of a Parquet file, after some to warm it up; prints JSON.

python -m benchmarks.peers.html_text trafilatura|resiliparse|readability PAGES.parquet WARM
"""

from __future__ import annotations

import json
import logging
import resource
import sys
import time
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Callable


def trafilatura_text() -> Callable[[str], str]:
    from trafilatura import extract

    return lambda html: extract(html) or ""


def resiliparse_text() -> Callable[[str], str]:
    from resiliparse.extract.html2text import extract_plain_text

    return lambda html: str(extract_plain_text(html, main_content=True))


def readability_html() -> Callable[[str], str]:
    """The main content still as HTML: it makes no text of it."""
    from readability import Document

    return lambda html: str(Document(html).summary())


EXTRACTORS = {
    "trafilatura": trafilatura_text,
    "resiliparse": resiliparse_text,
    "readability": readability_html,
}


def extract(call: Callable[[str], str], page: str) -> str:
    """The text, or none where the program gives up on a page."""
    try:
        return call(page)
    except Exception:  # each has its own errors; a page without text is the result to count
        return ""


def main() -> None:
    program, file, warm = sys.argv[1], sys.argv[2], int(sys.argv[3])
    logging.disable(logging.CRITICAL)  # readability logs a trace for every page it gives up on
    pages = pl.read_parquet(file)["html"].to_list()
    call = EXTRACTORS[program]()
    for page in pages[:warm]:
        extract(call, page)
    start = time.process_time()
    texts = [extract(call, page) for page in pages[warm:]]
    told = {
        "cpu_seconds": time.process_time() - start,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "documents": sum(bool(text.strip()) for text in texts),
        "characters": sum(map(len, texts)),
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
