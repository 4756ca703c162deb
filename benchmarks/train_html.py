"""Rebuilds the model of HTML blocks, or measures it on hosts it has not seen.

    python benchmarks/train_html.py --bench ../shared/bench                  # write the model
    python benchmarks/train_html.py --bench ../shared/bench --folds          # cross-validation
    python benchmarks/train_html.py --bench ../shared/bench --held-out       # 20 % of the hosts

The linear scores the trees learn from are out of fold: for the lines of a host by a linear model
that saw no page of it. The shipped trees read the linear model that ships with the line model,
so rebuild that one first (`train_lines.py`). Same data and LightGBM, same file, byte for byte.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import lightgbm
import numpy as np
import polars as pl
from html_corpus import build_html_pages
from line_report import Snippets, Verdicts, group_line, score_table, worst_pages
from line_training import (
    FOLDS,
    PAGES_A_BATCH,
    TREE_PARAMETERS,
    LineCorpus,
    linear_out_of_fold,
    with_splits,
)
from train_lines import training_pages

from reinschrift.transforms.boilerplate.cut import PROFILES
from reinschrift.transforms.boilerplate.dom import dom_features
from reinschrift.transforms.boilerplate.html_model import EARLY_STOP, HTML_TREES_FILE
from reinschrift.transforms.html.flatten import flatten_html

if TYPE_CHECKING:
    from reinschrift.transforms.boilerplate.characters import Bools, Floats, Ints

MODEL_FOLDER = Path("transforms/boilerplate")
TREES = 220
HELD_OUT_FOLD = 0
LANGUAGES = ("de", "en", "es", "fr", "pl")
LEFT_OUT_TREES = 80
TREE_GROUPS = ("dom_", "chain_", "alike_", "beside_", "heading_", "tree_", "half_", "most_")
FEATURE_GROUPS = (*TREE_GROUPS, "linear_", "before_", "after_")
PARAMETERS = {**TREE_PARAMETERS, "feature_fraction": 0.25, "bagging_fraction": 0.5}


class HtmlCorpus(LineCorpus):
    """Labelled pages as in `LineCorpus`, with the trees of their HTML."""

    def __init__(self, pages: pl.DataFrame) -> None:
        super().__init__(pages)
        self.flat = [flatten_html(html) for html in pages["html"]]
        labelled = pages["text"].to_list()
        if any("\n".join(page.lines) != text for page, text in zip(self.flat, labelled, strict=True)):
            raise ValueError("pages were flattened otherwise when labelled. Hint: remove the cache")

    def features(self, linear: Ints) -> tuple[list[str], Floats]:
        """Names and matrix: what the line model sees, then the tree around the lines."""
        text_names, text = super().features(linear)
        names: list[str] = []
        matrix = np.empty((0, 0), np.float32)
        first_page = first_line = 0
        for batch in self.batches:
            trees = [page.tree for page in self.flat[first_page : first_page + PAGES_A_BATCH]]
            names, part = dom_features(trees, batch.lines, batch.measures, batch.pages)
            if not first_line:
                matrix = np.empty((len(self.page), text.shape[1] + len(names)), np.float32)
                matrix[:, : text.shape[1]] = text
            matrix[first_line : first_line + len(part), text.shape[1] :] = part
            first_page += PAGES_A_BATCH
            first_line += len(part)
        return text_names + names, matrix


def html_pages(bench: Path, cache: Path | None) -> pl.DataFrame:
    """All labelled HTML pages with their splits."""
    if cache and cache.exists():
        return with_splits(pl.read_parquet(cache))
    pages = build_html_pages(bench)
    if cache:
        pages.write_parquet(cache)
    return with_splits(pages)


def out_of_fold_linear(corpus: HtmlCorpus, text_pages: pl.DataFrame) -> Ints:
    """The two linear scores of each line, by models trained on the flat pages of other hosts."""
    return linear_out_of_fold(LineCorpus(text_pages.filter("first_hand")), corpus)


def fit_html_trees(dataset: lightgbm.Dataset, rows: Ints, trees: int = TREES) -> lightgbm.Booster:
    """Gradient-boosted trees on some rows of the binned corpus."""
    return lightgbm.train(PARAMETERS, dataset.subset(np.sort(rows).tolist()), num_boost_round=trees)


def binned(corpus: HtmlCorpus, names: list[str], matrix: Floats) -> lightgbm.Dataset:
    """The corpus as a LightGBM dataset, binned once for all folds."""
    labels = corpus.is_content.astype(np.int8)
    dataset = lightgbm.Dataset(
        matrix, labels, weight=corpus.weight, feature_name=names, params=PARAMETERS
    )
    return dataset.construct()


def predicted(trees: lightgbm.Booster, matrix: Floats) -> Floats:
    """P(content) as the product computes it."""
    return np.asarray(trees.predict(matrix, num_threads=1, **EARLY_STOP), np.float32)


def page_numbers(corpus: HtmlCorpus, tested: Bools, wanted: pl.Expr) -> Ints:
    """Rows of the tested pages of one kind."""
    return np.flatnonzero(tested & corpus.pages.select(wanted).to_series().to_numpy())


def report(corpus: HtmlCorpus, probability: Floats, tested: Bools, snippets: Snippets) -> None:
    """Print word F1 by page type and snippet rates by language for every profile."""
    for profile in PROFILES:
        verdicts = Verdicts.of(corpus, probability, profile)
        scores = verdicts.page_scores(page_numbers(corpus, tested, pl.col("origin") == "gold"))
        print(f"\n## Profile {profile}\n")
        print(score_table(scores))
        for lang in LANGUAGES:
            weak = (pl.col("origin") == "weak") & (pl.col("lang") == lang)
            numbers = page_numbers(corpus, tested, weak)
            stay, go = verdicts.snippet_rates(numbers, snippets)
            print(f"snippets {lang} ({len(numbers)} pages): kept {stay:.3f}, removed {go:.3f}")
        if profile == "balanced":
            print("\nTwenty worst pages\n\n" + worst_pages(scores))


def measure(
    corpus: HtmlCorpus, text_pages: pl.DataFrame, folds: range, snippets: Snippets
) -> pl.DataFrame:
    """Train without each of the folds in turn and report on them; one row a tested line."""
    names, matrix = corpus.features(out_of_fold_linear(corpus, text_pages))
    dataset = binned(corpus, names, matrix)
    fold = corpus.of_page("fold")
    probability = np.zeros(len(corpus.page), np.float32)
    for number in folds:
        rows = np.flatnonzero((fold != number) & (corpus.weight > 0))
        probability[fold == number] = predicted(fit_html_trees(dataset, rows), matrix[fold == number])
    tested = np.isin(corpus.pages["fold"].to_numpy(), folds)
    report(corpus, probability, tested, snippets)
    if len(folds) == 1:
        ablate(corpus, names, matrix, folds[0])
    lines = pl.DataFrame({"id": corpus.pages["id"].gather(corpus.page), "probability": probability})
    return lines.filter(np.isin(fold, folds))


def ablate(corpus: HtmlCorpus, names: list[str], matrix: Floats, held_out: int) -> None:
    """Small trees without one group of features, measured on the held-out fold."""
    fold = corpus.of_page("fold")
    test, rows = fold == held_out, np.flatnonzero((fold != held_out) & (corpus.weight > 0))
    tested = corpus.pages["fold"].to_numpy() == held_out
    numbers = page_numbers(corpus, tested, pl.col("origin") == "gold")
    print("\n## Feature groups left out (small trees)\n\n| | n | P | R | F1 |\n|---|---|---|---|---|")
    groups = ((), *((group,) for group in FEATURE_GROUPS), TREE_GROUPS)
    for group in groups:
        without = matrix.copy()
        if group:
            without[:, [name.startswith(group) for name in names]] = 0
        trees = fit_html_trees(binned(corpus, names, without), rows, LEFT_OUT_TREES)
        probability = np.zeros(len(fold), np.float32)
        probability[test] = predicted(trees, without[test])
        scores = Verdicts.of(corpus, probability, "balanced").page_scores(numbers)
        print(group_line(f"without {' '.join(group) or 'nothing'}", scores), flush=True)


def write_model(corpus: HtmlCorpus, text_pages: pl.DataFrame, folder: Path) -> None:
    """Train on everything and write the model file."""
    names, matrix = corpus.features(out_of_fold_linear(corpus, text_pages))
    rows = np.flatnonzero(corpus.weight > 0)
    fit_html_trees(binned(corpus, names, matrix), rows).save_model(folder / HTML_TREES_FILE)


def main() -> None:
    """Parse the command line and train or measure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bench", type=Path, required=True, help="folder of the labelled sets")
    parser.add_argument("--out", type=Path, default=MODEL_FOLDER, help="where the file goes")
    parser.add_argument("--cache", type=Path, help="Parquet file that keeps the labelled HTML pages")
    parser.add_argument("--text-cache", type=Path, help="the cache of train_lines.py")
    parser.add_argument("--scores", type=Path, help="Parquet file for the out-of-fold probabilities")
    parser.add_argument("--folds", action="store_true", help="host-grouped cross-validation")
    parser.add_argument("--held-out", action="store_true", help="measure on 20 %% of the hosts")
    options = parser.parse_args()
    corpus = HtmlCorpus(html_pages(options.bench, options.cache))
    text_pages = training_pages(options.bench, options.text_cache)
    rows = pl.read_parquet(options.bench / "snip_dev.parquet").select("id", "with_", "without")
    snippets: Snippets = {row[0]: (row[1], row[2]) for row in rows.iter_rows()}
    if options.folds or options.held_out:
        folds = range(FOLDS) if options.folds else range(HELD_OUT_FOLD, HELD_OUT_FOLD + 1)
        scores = measure(corpus, text_pages, folds, snippets)
        if options.scores:
            scores.write_parquet(options.scores)
    else:
        write_model(corpus, text_pages, options.out)


if __name__ == "__main__":
    main()
