"""Pages labelled line by line by role, and pages with a main text beside them.

    python -m benchmarks.role_corpus --bench ../shared/bench     # check the labels, print the counts

`labels/roles.jsonl` holds a role letter a line for pages of the benchmark folder, and a hash of each
line: `join_labels` finds the pages by their id, flattens them, and refuses lines that are not those
that were labelled. Pages with identical HTML count once, the one labelled by role before others.

Labels, one character a line: the role letters of `ROLES.md` where a person read the page; else
    1 content   0 furniture   c, b the same, doubtful   s must stay   g must go   - not scored
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
from lxml import etree

from benchmarks.line_corpus import flatten_with_lxml, label_lines, unit_hash, weak_labels, words
from reinschrift.transforms.html.flatten import flatten_html

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

LABELS = Path(__file__).parent / "labels" / "roles.jsonl"
HASH_DIGITS = 6
MAX_PAGE_LINES = 3_000
MIN_TITLE_WORDS = 2
TITLE_SHARE = 0.8
HELD_OUT_SHARE = 0.2
FOLDS = 5
SETS = ("html_dev", "snip_dev", "news_dev")
PAGE_TYPES = ("article", "blog", "listing", "forum", "service", "product", "documentation", "other")
TYPE_OF = {"collection": "listing", "profile": "other", "?": None}
CORPUS_SCHEMA: dict[str, Any] = {
    **dict.fromkeys(("id", "set", "host", "lang", "page_type", "origin", "html"), pl.String),
    "lines": pl.List(pl.String),
    "labels": pl.String,
    "gold_text": pl.String,
    "with_": pl.List(pl.String),
    "without": pl.List(pl.String),
}
Row = dict[str, Any]


def line_hash(line: str) -> str:
    """Six hex digits of the SHA-1 of a line, its white space normalised."""
    normal = " ".join(line.split())
    return hashlib.sha1(normal.encode(), usedforsecurity=False).hexdigest()[:HASH_DIGITS]


def bench_pages(bench: Path) -> pl.DataFrame:
    """Every page of the three sets that has HTML; one row a page, texts null where a set has none."""
    columns = {"gold_text": pl.String, "page_type": pl.String, "with_": pl.List(pl.String)}
    frames = []
    for name in SETS:
        frame = pl.read_parquet(bench / f"{name}.parquet").filter(pl.col("html").is_not_null())
        absent = {key: pl.lit(None, dtype=kind) for key, kind in columns.items() if key not in frame}
        if "without" not in frame:
            absent["without"] = pl.lit(None, dtype=pl.List(pl.String))
        frames.append(
            frame.with_columns(set=pl.lit(name), **absent).select(
                *("id", "set", "host", "lang", "page_type", "html", "gold_text", "with_", "without")
            )
        )
    return pl.concat(frames).with_columns(pl.col("host").fill_null("").str.strip_prefix("www."))


def join_labels(pages: pl.DataFrame, bench: Path) -> dict[str, tuple[str, str | None]]:
    """Roles (a letter a line) and page type of each page labelled by role, by its id.

    Raises ValueError where a page no longer flattens to the lines that were labelled.
    """
    html = dict(pages.select("id", "html").iter_rows())
    found: dict[str, tuple[str, str | None]] = {}
    for row in pl.read_parquet(bench / "roles_dev.parquet").iter_rows(named=True):
        found[row["id"]] = (row["roles"], row["page_type"])
    types = dict(pages.select("id", "page_type").iter_rows())
    for text in LABELS.read_text(encoding="utf-8").splitlines():
        row = json.loads(text)
        lines = flatten_html(html[row["id"]]).lines
        if "".join(map(line_hash, lines)) != row["hashes"]:
            raise ValueError(f"{row['id']}: the page does not flatten to the lines that were labelled")
        found.setdefault(row["id"], (row["roles"], types[row["id"]]))
    return found


def without_repeats(pages: pl.DataFrame, labelled: Iterable[str]) -> pl.DataFrame:
    """Pages with identical HTML once, the one labelled by role first; all texts known of either."""
    marked = pages.with_columns(
        is_labelled=pl.col("id").is_in(list(labelled)),
        html_hash=pl.col("html").map_elements(
            lambda html: hashlib.sha1(
                html.encode("utf-8", "replace"), usedforsecurity=False
            ).hexdigest(),
            return_dtype=pl.String,
        ),
    )
    texts = ("page_type", "gold_text", "with_", "without")
    return (
        marked.sort(["is_labelled", "id"], descending=[True, False])
        .group_by("html_hash", maintain_order=True)
        .agg(
            pl.exclude("html_hash", *texts).first(),
            *(pl.col(name).drop_nulls().first() for name in texts),
        )
        .drop("html_hash", "is_labelled")
        .sort("set", "id")
    )


def _is_title(line: list[str], titles: list[set[str]]) -> bool:
    return len(line) >= MIN_TITLE_WORDS and any(
        len(title & set(line)) >= TITLE_SHARE * max(len(title), len(set(line))) for title in titles
    )


def title_lines(lines: list[str], html: str) -> list[bool]:
    """Which lines repeat the title that the head of a page gives."""
    names = re.findall(r"(?is)<title[^>]*>([^<]{1,1000})|og:title[^>]*content=\"([^\"]{1,500})", html)
    parts = [part for pair in names for name in pair for part in re.split(r"\s[|·•»:–—-]\s", name)]
    titles = [set(words(part)) for part in parts if len(words(part)) >= MIN_TITLE_WORDS]
    return [_is_title(words(line), titles) for line in lines]


def _unscored_titles(lines: list[str], labels: str, html: str) -> str:
    """Labels in which a line that repeats the page's title counts for nothing: golds leave it out."""
    return "".join(
        "-" if label == "0" and is_title else label
        for label, is_title in zip(labels, title_lines(lines, html), strict=True)
    )


def _weak(row: Row, lines: list[str]) -> str:
    """Labels by two extractors and the snippets of the set; none where they find nothing."""
    import trafilatura
    from readability import Document

    extracted = trafilatura.extract(row["html"], include_comments=False) or ""
    try:
        second = flatten_with_lxml(Document(row["html"]).summary(html_partial=True))
    except (etree.LxmlError, ValueError, TypeError, AttributeError, KeyError):
        second = ""
    return weak_labels(lines, extracted, second, row) if extracted else ""


def labelled_page(row: Row) -> Row | None:
    """A page with its lines and labels; None where nothing of it is known to be content."""
    lines = flatten_html(row["html"]).lines
    if not lines or len(lines) > MAX_PAGE_LINES:
        return None
    if row["roles"] is not None:
        origin, labels = "roles", row["roles"]
        if len(labels) != len(lines):
            raise ValueError(f"{row['id']}: {len(labels)} roles for {len(lines)} lines")
    elif row["gold_text"] is not None:
        origin, labels = "gold", label_lines(lines, row["gold_text"])
    else:
        origin, labels = "weak", _weak(row, lines)
    if origin != "roles":
        labels = _unscored_titles(lines, labels, row["html"])
        if not set("1cs") & set(labels):
            return None
    return {**row, "origin": origin, "lines": lines, "labels": labels}


def _mapped(work: Callable[[Row], Row | None], rows: list[Row], workers: int) -> Iterator[Row | None]:
    with ProcessPoolExecutor(workers) as pool:
        yield from pool.map(work, rows, chunksize=8)


def build_corpus(bench: Path, cache: Path | None = None, workers: int = 2) -> pl.DataFrame:
    """Every labelled page of the benchmark folder, with its splits, in an order of its own.

    Columns as `CORPUS_SCHEMA`, and `held_out`, `fold` (0 to 4), which are functions of the host.
    """
    if cache and cache.exists():
        return with_splits(pl.read_parquet(cache))
    pages = bench_pages(bench)
    roles = join_labels(pages, bench)
    rows = []
    for row in without_repeats(pages, roles).iter_rows(named=True):
        letters, page_type = roles.get(row["id"], (None, row["page_type"]))
        page_type = TYPE_OF.get(page_type or "?", page_type)
        rows.append({**row, "roles": letters, "page_type": page_type})
    done = [page for page in _mapped(labelled_page, rows, workers) if page]
    corpus = pl.DataFrame(done, schema=CORPUS_SCHEMA)
    if cache:
        corpus.write_parquet(cache)
    return with_splits(corpus)


def with_splits(pages: pl.DataFrame) -> pl.DataFrame:
    """Adds `held_out` (20 % of the hosts) and `fold` (0 to 4), both functions of the host."""
    hosts = pages["host"].to_list()
    return pages.with_columns(
        pl.Series("held_out", [unit_hash("roles:" + host) < HELD_OUT_SHARE for host in hosts]),
        pl.Series("fold", [int(unit_hash("role fold:" + host) * FOLDS) for host in hosts]),
    )


def main() -> None:
    """Join labels and pages, and print what there is."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bench", type=Path, default=Path("../shared/bench"))
    parser.add_argument("--cache", type=Path, help="Parquet file that keeps the labelled pages")
    options = parser.parse_args()
    corpus = build_corpus(options.bench, options.cache)
    print(
        corpus.group_by("origin", "held_out")
        .agg(pl.len(), pl.col("lines").list.len().sum())
        .sort("origin")
    )
    print(corpus.filter(origin="roles").group_by("lang", "held_out").len().sort("len", descending=True))
    print(Counter("".join(corpus.filter(origin="roles")["labels"].to_list())).most_common())


if __name__ == "__main__":
    main()
