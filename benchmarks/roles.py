"""How good the verdicts are on hosts held out: the table of the role labels, golds, news and snippets.

    python -m benchmarks.roles [--bench ../shared/bench] [--models FOLDER] [--all-hosts] [--no-rules]

The shipped models were trained on every page, so for an honest figure train without the held-out hosts
first (`python -m benchmarks.train_roles --held-out --out FOLDER`) and give that folder. The read stage
of the program runs on the pages (repair, rule packs, model), nothing is approximated.
"""

from __future__ import annotations

import argparse
import importlib.util
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import polars as pl

from benchmarks.line_corpus import words
from benchmarks.role_corpus import SETS, bench_pages, build_corpus, title_lines
from benchmarks.role_training import clean_versions
from reinschrift.flows.config import load_settings
from reinschrift.transforms.boilerplate import roles
from reinschrift.transforms.boilerplate.rules import RuleBook
from reinschrift.transforms.contracts import RECORDS
from reinschrift.transforms.pipeline.boilerplate import drop_unextracted, strip_boilerplate
from reinschrift.transforms.pipeline.cut import cut_pages
from reinschrift.transforms.pipeline.repair import repair_blocks
from reinschrift.transforms.pipeline.working import Context

if TYPE_CHECKING:
    from types import ModuleType

MIN_REPEAT_CHARS = 25
PAGES_A_BATCH = 100
STAY, GO = set("thpf"), set("xrnl")


def kept_texts(texts: list[str], kind: str, *, rules: bool = True, comments: str = "keep") -> list[str]:
    """What boilerplate removal leaves of each page, a kept block a line. `kind`: html or text."""
    settings = load_settings(builtin_packs=rules, comments=comments)
    options = settings.options()
    context = Context(options, RuleBook(options.packs))
    kept: list[str] = []
    for start in range(0, len(texts), PAGES_A_BATCH):
        some = texts[start : start + PAGES_A_BATCH]
        known = {"source": "bench", "position": 0, "format": kind, "encoding": "utf-8"}
        rows = pl.DataFrame({"page": range(len(some)), "content": some})
        records = RECORDS.conform(rows.with_columns(**{k: pl.lit(v) for k, v in known.items()}))
        working, _ = cut_pages(records, None, with_contexts=True)
        for step in (repair_blocks, strip_boilerplate, drop_unextracted):
            working = step(working, context).working
        blocks = working.units.group_by("page").agg(pl.col("text").str.strip_chars().str.join("\n"))
        found = dict(blocks.select("page", "text").iter_rows())
        kept += [found.get(page, "") for page in range(len(some))]
    return kept


def without_repeats(texts: list[str]) -> list[str]:
    """Pages without lines that stand earlier in them, as a run leaves them: some say all twice."""
    left = []
    for text in texts:
        lines = text.split("\n")
        keys = [" ".join(line.lower().split()) for line in lines]
        first = {key: number for number, key in reversed(list(enumerate(keys)))}
        stays = (len(key) < MIN_REPEAT_CHARS or first[key] == number for number, key in enumerate(keys))
        left.append("\n".join(line for line, stay in zip(lines, stays, strict=True) if stay))
    return left


def scorer(bench: Path, name: str) -> ModuleType:
    """One of the scorers beside the data."""
    spec = importlib.util.spec_from_file_location(name, bench / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass(frozen=True)
class RoleFigures:
    """Line F1 by language (and `all`), F1 by words, and the kept share of each role letter."""

    line_f1: dict[str, float]
    word_f1: float
    kept: dict[str, float]

    def __str__(self) -> str:
        cells = [f"{key} {self.line_f1[key]:.3f}" for key in ("de", "en", "all") if key in self.line_f1]
        shares = " ".join(f"{role} {share:.2f}" for role, share in sorted(self.kept.items()))
        return f"line F1 {', '.join(cells)}; words {self.word_f1:.3f}\n    kept by role: {shares}"


def role_figures(bench: Path, pages: pl.DataFrame, kept: list[str]) -> RoleFigures:
    """What is kept of pages labelled by role, as `score_roles.py` counts."""
    score = scorer(bench, "score_roles")
    sums: dict[str, list[float]] = defaultdict(lambda: [0.0] * 6)
    by_role: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for row, text in zip(pages.iter_rows(named=True), kept, strict=True):
        got, size = score.shares(row["lines"], text)
        for role, share, count in zip(row["labels"], got, size, strict=True):
            if not count:
                continue
            by_role[role][0] += share >= 0.5
            by_role[role][1] += 1
            side = "p" if role == "q" and row["page_type"] == "forum" else role
            for key in ("all", row["lang"]):
                _count(sums[key], side, share, count)
    return RoleFigures(
        {key: score.prf(*found[:3])[2] for key, found in sums.items()},
        score.prf(*sums["all"][3:])[2],
        {role: kept_lines / lines for role, (kept_lines, lines) in by_role.items()},
    )


def _count(sums: list[float], side: str, share: float, count: int) -> None:
    """Add a line to the sums: kept of what must stay and must go, what must stay; then by words."""
    if side in STAY:
        sums[0] += share >= 0.5
        sums[2] += 1
        sums[3] += share * count
        sums[5] += count
    elif side in GO:
        sums[1] += share >= 0.5
        sums[4] += share * count


def word_f1(kept: str, gold: str) -> float:
    """F1 of two bags of words; a character of an unspaced script is a word."""
    left, right = Counter(words(kept)), Counter(words(gold))
    return 2 * (left & right).total() / max(1, left.total() + right.total())


def mean_f1(kept: list[str], golds: list[str], htmls: list[str]) -> str:
    """Mean word F1 over pages; a title that the gold leaves out, as most do, is not counted."""
    scores = [
        word_f1(_without_title(text, gold, html), gold)
        for text, gold, html in zip(kept, golds, htmls, strict=True)
    ]
    return f"{sum(scores) / max(1, len(scores)):.4f} ({len(scores)} pages)"


def _without_title(kept: str, gold: str, html: str) -> str:
    lines = kept.split("\n")
    known = {tuple(words(line)) for line in gold.split("\n")}
    pairs = zip(lines, title_lines(lines, html), strict=True)
    return "\n".join(line for line, title in pairs if not title or tuple(words(line)) in known)


def snippet_rates(pages: pl.DataFrame, kept: list[str]) -> str:
    """Share of must-stay snippets kept, of must-go snippets removed, F1 as in `score_flat.py`."""
    stay, go = [], []
    for row, text in zip(pages.iter_rows(named=True), kept, strict=True):
        found = f" {' '.join(words(text))} "
        stay += [f" {' '.join(words(snippet))} " in found for snippet in row["with_"]]
        go += [f" {' '.join(words(snippet))} " not in found for snippet in row["without"]]
    missed, wrong = len(stay) - sum(stay), len(go) - sum(go)
    f1 = 2 * sum(stay) / max(1, 2 * sum(stay) + missed + wrong)
    return (
        f"F {f1:.3f}, kept {sum(stay) / max(1, len(stay)):.3f}, "
        f"removed {sum(go) / max(1, len(go)):.3f} ({len(pages)} pages)"
    )


def characters_lost(pages: list[dict[str, Any]], *, rules: bool) -> str:
    """Share of the characters of pages of content alone that is lost, as flat text."""
    texts = ["\n".join(page["lines"]) for page in pages]
    kept = kept_texts(texts, "text", rules=rules)
    sizes = [sum(len(line.strip()) for line in text.splitlines()) for text in texts]
    left = [sum(len(line) for line in text.splitlines()) for text in kept]
    return f"{1 - sum(left) / sum(sizes):.4f} ({len(pages)} pages)"


def measure(bench: Path, cache: Path | None, *, all_hosts: bool, rules: bool) -> None:
    """Print every row that the benchmark folder can give."""
    corpus = build_corpus(bench, cache)
    pages = corpus if all_hosts else corpus.filter("held_out")
    labelled = pages.filter(origin="roles")
    for kind, texts in (
        ("html", labelled["html"].to_list()),
        ("text", ["\n".join(lines) for lines in labelled["lines"]]),
    ):
        figures = role_figures(bench, labelled, kept_texts(texts, kind, rules=rules))
        print(f"roles, {kind}, {len(labelled)} pages: {figures}", flush=True)
    clean = clean_versions(labelled)
    print(f"content alone, characters lost: {characters_lost(clean, rules=rules)}", flush=True)
    known = set(pages["id"])
    gold = bench_pages(bench).filter(pl.col("id").is_in(list(known)))
    html = gold.filter(set=SETS[0])
    golds = html["gold_text"].to_list()
    htmls = html["html"].to_list()
    print(f"HTML, word F1: {mean_f1(kept_texts(htmls, 'html', rules=rules), golds, htmls)}")
    flat = pl.read_parquet(bench / "flat_dev.parquet").join(html.select("id", "html"), on="id")
    texts = kept_texts(flat["text"].to_list(), "text", rules=rules)
    figure = mean_f1(texts, flat["gold_text"].to_list(), flat["html"].to_list())
    print(f"flat, word F1: {figure}", flush=True)
    for (lang,), news in sorted(gold.filter(set=SETS[2]).group_by("lang")):
        htmls = news["html"].to_list()
        texts = kept_texts(htmls, "html", rules=rules)
        figure = mean_f1(texts, news["gold_text"].to_list(), htmls)
        again = mean_f1(without_repeats(texts), news["gold_text"].to_list(), htmls)
        print(f"news in {lang}, word F1: {figure}; repeats in the page dropped: {again}", flush=True)
    snippets = gold.filter(set=SETS[1])
    texts = kept_texts(snippets["html"].to_list(), "html", rules=rules)
    print(f"snippets, HTML: {snippet_rates(snippets, texts)}")


def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bench", type=Path, default=Path("../shared/bench"))
    parser.add_argument("--models", type=Path, help="folder of models to measure instead of the shipped")
    parser.add_argument("--cache", type=Path, help="Parquet file that keeps the labelled pages")
    parser.add_argument("--all-hosts", action="store_true", help="also the hosts the models know")
    parser.add_argument("--no-rules", action="store_true", help="the model alone")
    options = parser.parse_args()
    run = partial(measure, options.bench, options.cache)
    folder = options.models
    if folder is None:
        run(all_hosts=options.all_hosts, rules=not options.no_rules)
        return
    with patch.object(roles, "MODEL_FOLDER", folder):
        run(all_hosts=options.all_hosts, rules=not options.no_rules)


if __name__ == "__main__":
    main()
