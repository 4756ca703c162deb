"""Rebuilds the line model, or measures it on hosts it has not seen.

    python benchmarks/train_lines.py --bench ../shared/bench                  # write the model
    python benchmarks/train_lines.py --bench ../shared/bench --folds          # cross-validation
    python benchmarks/train_lines.py --bench ../shared/bench --held-out       # 15 % of the hosts

The same data give the same files, byte for byte, on the same version of LightGBM.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from line_corpus import PAGE_SCHEMA, build_pages, clean_page
from line_report import Snippets, Verdicts, clean_by_rules, group_line, score_table, worst_pages
from line_training import (
    FOLDS,
    LineCorpus,
    binned,
    fit_linear,
    fit_trees,
    linear_out_of_fold,
    linear_weight,
    with_splits,
)

from reinschrift.transforms.boilerplate.cut import PROFILES
from reinschrift.transforms.boilerplate.model import LINEAR_FILE, TREES_FILE

if TYPE_CHECKING:
    import lightgbm

    from reinschrift.transforms.boilerplate.characters import Floats, Ints
    from reinschrift.transforms.boilerplate.linear import LinearModel

MODEL_FOLDER = Path("transforms/boilerplate")
CLEAN_EVERY = 3
MIN_CLEAN_LINES = 5
FEATURE_GROUPS = (
    *("line_", "layout_", "lexicon_", "repeat_", "page_", "position_", "distance_"),
    *("marker_", "before_", "after_", "linear_"),
)
CURVE_SHARES = (0.1, 0.25, 0.5, 1.0)
LEFT_OUT_TREES = 60


def training_pages(bench: Path, cache: Path | None) -> pl.DataFrame:
    """All labelled pages with their splits and the clean pages made from them.

    `first_hand` marks pages in the flattening their set came in.
    """
    if cache and cache.exists():
        pages = pl.read_parquet(cache)
    else:
        pages = build_pages(bench)
        if cache:
            pages.write_parquet(cache)
    snippets = pl.read_parquet(bench / "snip_dev.parquet").select("id", stored="flattener")
    pages = pages.join(snippets, on="id", how="left", maintain_order="left").with_columns(
        first_hand=(pl.col("origin") == "gold")
        | (pl.col("flattener") == pl.col("stored")).fill_null(False)
    )
    sources = pages.filter("first_hand").to_dicts()
    clean = [
        clean_page(row)
        for number, row in enumerate(sources)
        if number % CLEAN_EVERY == 0 and row["labels"].count("1") >= MIN_CLEAN_LINES
    ]
    clean_pages = pl.DataFrame(clean, schema=PAGE_SCHEMA).with_columns(first_hand=pl.lit(False))
    return with_splits(pl.concat([pages.drop("stored"), clean_pages]))


@dataclass(frozen=True)
class Fitted:
    """A linear model and trees that were trained together."""

    linear: LinearModel
    trees: lightgbm.Booster

    def probability(self, corpus: LineCorpus) -> Floats:
        """P(content) of every line of a corpus."""
        _, matrix = corpus.features(corpus.linear_scores(self.linear))
        return np.asarray(self.trees.predict(matrix, num_threads=1), np.float32)

    def write(self, folder: Path) -> None:
        """Write the two model files."""
        self.trees.save_model(folder / TREES_FILE)
        weights = {"words": self.linear.word_weights, "grams": self.linear.gram_weights}
        with (folder / LINEAR_FILE).open("wb") as file:
            np.savez_compressed(file, **weights)


def fit(pages: pl.DataFrame) -> Fitted:
    """Train on all given pages."""
    corpus = LineCorpus(pages)
    first_hand = LineCorpus(pages.filter("first_hand"))
    names, matrix = corpus.features(linear_out_of_fold(first_hand, corpus))
    rows = np.flatnonzero(corpus.weight > 0)
    trees = fit_trees(binned(corpus, names, matrix), rows)
    weight = linear_weight(first_hand)
    used = np.flatnonzero(weight > 0)
    linear = fit_linear(first_hand.entry_matrix()[used], first_hand.is_content[used], weight[used])
    return Fitted(linear, trees)


def page_numbers(corpus: LineCorpus, origin: str, lang: str | None = None) -> Ints:
    """Rows of the first-hand (or clean) pages of an origin."""
    wanted = (pl.col("origin") == origin) & (pl.col("first_hand") | (origin == "clean"))
    if lang:
        wanted &= pl.col("lang") == lang
    return np.flatnonzero(corpus.pages.select(wanted).to_series().to_numpy())


def report(corpus: LineCorpus, probability: Floats, snippets: Snippets) -> None:
    """Print word F1, snippet rates and losses on clean pages for every profile."""
    clean = page_numbers(corpus, "clean")
    left_whole = clean_by_rules(corpus, clean)
    for profile in PROFILES:
        verdicts = Verdicts.of(corpus, probability, profile)
        print(f"\n## Profile {profile}\n")
        scores = verdicts.page_scores(page_numbers(corpus, "gold"))
        print(score_table(scores))
        for lang in ("de", "en", "es", "fr"):
            stay, go = verdicts.snippet_rates(page_numbers(corpus, "weak", lang), snippets)
            print(f"snippets {lang}: kept {stay:.3f}, removed {go:.3f}")
        lost = verdicts.characters_lost(clean)
        print(f"clean pages lose {lost:.4f} by the model alone", end="")
        kept = Verdicts(corpus, verdicts.keep | np.isin(corpus.page, left_whole))
        print(f", {kept.characters_lost(clean):.4f} where the silence of the rules counts")
        if profile == "balanced":
            print("\nTwenty worst pages\n\n" + worst_pages(scores))


def cross_validate(pages: pl.DataFrame, snippets: Snippets) -> None:
    """Out-of-fold figures, feature groups left out one by one, learning curve."""
    corpus = LineCorpus(pages)
    first_hand = LineCorpus(pages.filter("first_hand"))
    names, matrix = corpus.features(linear_out_of_fold(first_hand, corpus))
    dataset = binned(corpus, names, matrix)
    fold = corpus.of_page("fold")
    probability = np.zeros(len(corpus.page), np.float32)
    for number in range(FOLDS):
        rows = np.flatnonzero((fold != number) & (corpus.weight > 0))
        test = fold == number
        probability[test] = np.asarray(fit_trees(dataset, rows).predict(matrix[test]))
    report(corpus, probability, snippets)
    ablate(first_hand)


def ablate(corpus: LineCorpus) -> None:
    """Small trees on first-hand pages, without one group of features, and with fewer hosts.

    Trained on folds 1 to 4 and measured on fold 0; comparable with each other only.
    """
    names, matrix = corpus.features(linear_out_of_fold(corpus, corpus))
    rows = np.flatnonzero((corpus.of_page("fold") != 0) & (corpus.weight > 0))
    print("\n## Feature groups left out, and learning curve (small trees, fold 0)\n")
    print("| | n | P | R | F1 |\n|---|---|---|---|---|")
    for group in (None, *FEATURE_GROUPS):
        without = matrix.copy()
        if group:
            without[:, [group in name for name in names]] = 0
        print(_one_fold(corpus, names, without, rows, f"without {group or 'nothing'}"))
    hosts = corpus.pages["host"].fill_null("")
    rank = hosts.rank("dense").to_numpy().astype(np.int64) - 1
    order = np.random.default_rng(0).permutation(hosts.n_unique())
    for share in CURVE_SHARES:
        known = order[rank[corpus.page[rows]]] < share * len(order)
        print(_one_fold(corpus, names, matrix, rows[known], f"{share:.0%} of the hosts"))


def _one_fold(corpus: LineCorpus, names: list[str], matrix: Floats, rows: Ints, name: str) -> str:
    """Word F1 on fold 0 of small trees trained on some rows, as a table row."""
    booster = fit_trees(binned(corpus, names, matrix), rows, LEFT_OUT_TREES)
    numbers = page_numbers(corpus, "gold")
    numbers = numbers[corpus.pages["fold"].to_numpy()[numbers] == 0]
    test = np.isin(corpus.page, numbers)
    probability = np.zeros(len(corpus.page), np.float32)
    probability[test] = np.asarray(booster.predict(matrix[test]))
    return group_line(name, Verdicts.of(corpus, probability, "balanced").page_scores(numbers))


def main() -> None:
    """Parse the command line and train or measure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bench", type=Path, required=True, help="folder of the labelled sets")
    parser.add_argument("--out", type=Path, default=MODEL_FOLDER, help="where the files go")
    parser.add_argument("--cache", type=Path, help="Parquet file that keeps the labelled pages")
    parser.add_argument("--folds", action="store_true", help="host-grouped cross-validation")
    parser.add_argument("--held-out", action="store_true", help="measure on 15 %% of the hosts")
    options = parser.parse_args()
    pages = training_pages(options.bench, options.cache)
    rows = pl.read_parquet(options.bench / "snip_dev.parquet").select("id", "with_", "without")
    snippets: Snippets = {row[0]: (row[1], row[2]) for row in rows.iter_rows()}
    known = pages.filter(~pl.col("held_out"))
    if options.folds:
        cross_validate(known, snippets)
    elif options.held_out:
        unseen = LineCorpus(pages.filter("held_out"))
        report(unseen, fit(known).probability(unseen), snippets)
    else:
        fit(pages).write(options.out)


if __name__ == "__main__":
    main()
