"""Rebuilds the role models.

    python -m benchmarks.train_roles --bench ../shared/bench [--cache FOLDER]

Hosts are split into six parts: a fifth of them is held out, the others make five folds. Whatever the
second look learns from the first (and the first from the linear model) is out of fold. `--held-out`
trains on the five folds alone and writes the models to a folder of their own, for
`python -m benchmarks.roles --models FOLDER` to measure on the hosts held out; without it the models are
trained on every page. Same data, same version of CatBoost, same number of threads: same files.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from benchmarks.role_corpus import FOLDS, build_corpus
from benchmarks.role_training import (
    HELD_OUT_FOLD,
    RoleCorpus,
    clean_versions,
    exported,
    fit_linear_models,
    role_labels,
    second_matrix,
    transferred,
)
from reinschrift.transforms.boilerplate.role_names import PAGE_TYPES, ROLES
from reinschrift.transforms.boilerplate.roles import LINEAR_FILE, MODEL_FILES, page_rows
from reinschrift.transforms.boilerplate.symmetric import SymmetricTrees, save_trees, shares

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reinschrift.transforms.boilerplate.characters import Bools, Floats, Ints
    from reinschrift.transforms.boilerplate.linear import LinearModel

MODEL_FOLDER = Path("transforms/boilerplate")
MAX_STORED_LINES = 3_000
MIN_STORED_CHARS = 100
LANGUAGE_FEATURES = "page_language_"
COMMON: dict[str, Any] = {
    "depth": 6,
    "l2_leaf_reg": 5,
    "border_count": 32,
    "bootstrap_type": "Bernoulli",
    "random_seed": 7,
    "thread_count": 2,
    "verbose": 0,
    "allow_writing_files": False,
}
FIRST = COMMON | {
    "loss_function": "MultiClass",
    "classes_count": len(ROLES),
    "iterations": 80,
    "learning_rate": 0.22,
    "rsm": 0.1,
    "subsample": 0.5,
}
SECOND = COMMON | {
    "loss_function": "Logloss",
    "iterations": 320,
    "learning_rate": 0.1,
    "rsm": 0.15,
    "subsample": 0.6,
}
PAGE_TYPE = COMMON | {
    "loss_function": "MultiClass",
    "classes_count": len(PAGE_TYPES),
    "iterations": 150,
    "learning_rate": 0.1,
    "depth": 4,
    "rsm": 0.3,
    "subsample": 0.7,
}
CLEAN = COMMON | {
    "loss_function": "Logloss",
    "iterations": 150,
    "learning_rate": 0.1,
    "depth": 4,
    "rsm": 0.3,
    "subsample": 0.7,
}
# What share of the lines of a kind the first look learns from; what is left out is made up by weight.
NAVIGATION_SHARE = 0.35
VARIANT_SHARE = {"blocks": 1.0, "stored": 0.4, "clean": 0.35}
FIRST_WEIGHT = {"blocks": 1.0, "stored": 0.5, "clean": 0.2}
ORIGIN_WEIGHT = {"roles": 1.0, "gold": 0.12, "weak": 0.06}
SECOND_WEIGHT = {"blocks": 1.0, "stored": 0.5, "clean": 0.3}
# Titles are few, and furniture between posts hides among what stays.
ROLE_WEIGHT = {"t": 2.5, "x": 1.3, "f": 1.2}
GOLD_SHARE = 0.35  # of the lines of pages that were not labelled by role


def variants(bench: Path, corpus: pl.DataFrame, workers: int = 2) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Pages as HTML and as flat text: as they flatten here, as their set flattened them, and clean."""
    own = corpus.with_columns(
        variant=pl.lit("blocks"),
        fold=pl.when("held_out").then(pl.lit(HELD_OUT_FOLD)).otherwise("fold"),
    )
    texts = [
        pl.read_parquet(bench / f"{name}.parquet").select("id", "text")
        for name in ("flat_dev", "snip_dev")
    ]
    known = pl.concat(texts).filter(pl.col("text").str.len_chars() > MIN_STORED_CHARS)
    known = known.filter(pl.col("text").str.count_matches("\n") < MAX_STORED_LINES)
    rows = own.join(known.unique("id", keep="first", maintain_order=True), on="id").to_dicts()
    with ProcessPoolExecutor(workers) as pool:
        labels = list(pool.map(_transfer, rows, chunksize=8))
    stored = [
        {**row, "variant": "stored", "lines": row["text"].split("\n"), "labels": letters}
        for row, letters in zip(rows, labels, strict=True)
    ]
    clean = pl.DataFrame(clean_versions(own), schema=own.schema)
    flattened = pl.DataFrame([{k: row[k] for k in own.columns} for row in stored], schema=own.schema)
    return pl.concat([own, clean]), pl.concat([own, flattened, clean])


def _transfer(row: dict[str, Any]) -> str:
    return transferred(row, row["text"])


def _fit(
    matrix: Floats, target: Ints, weight: Floats, parameters: dict[str, Any], names: Sequence[str]
) -> SymmetricTrees:
    import catboost

    # The models are neutral to languages: what names one is not learned from.
    unused = [number for number, name in enumerate(names) if name.startswith(LANGUAGE_FEATURES)]
    model = catboost.CatBoost(parameters | {"ignored_features": unused})
    model.fit(catboost.Pool(matrix, target, weight=weight))
    return exported(model, names)


def line_weight(corpus: RoleCorpus) -> Floats:
    """Fourth root of the words: long lines count for more, but lines are what is scored."""
    return np.sqrt(np.sqrt(corpus.words)).astype(np.float32)


def _by_variant(corpus: RoleCorpus, values: dict[str, float]) -> Floats:
    return np.array([values[name] for name in corpus.pages["variant"]], np.float32)[corpus.page]


def fit_first(corpus: RoleCorpus, matrix: Floats, names: Sequence[str], known: Bools) -> SymmetricTrees:
    """The trees of the first look, from lines that a person labelled."""
    labels = role_labels(corpus)
    draw = np.random.default_rng(0).random(len(labels))
    thin = np.where(corpus.label == ord("n"), NAVIGATION_SHARE, _by_variant(corpus, VARIANT_SHARE))
    rows = np.flatnonzero(known & corpus.is_role & (labels >= 0) & (draw < thin))
    weight = line_weight(corpus) * _by_variant(corpus, FIRST_WEIGHT)
    weight = weight / np.where(corpus.label == ord("n"), NAVIGATION_SHARE, 1)
    return _fit(matrix[rows], labels[rows], weight[rows], FIRST, names)


def first_out_of_fold(corpus: RoleCorpus, matrix: Floats, names: Sequence[str]) -> Floats:
    """Shares of roles of every line, by trees that saw no page of its host."""
    result = np.zeros((len(corpus.page), len(ROLES)), np.float32)
    fold = corpus.of_page("fold")
    for number in range(FOLDS + 1):
        # The held-out hosts are never learned from here: they are a sixth fold, asked last.
        known = (fold != number) & (fold != HELD_OUT_FOLD)
        trees = fit_first(corpus, matrix, names, known)
        test = np.flatnonzero(fold == number)
        result[test] = shares(trees.scores(np.asfortranarray(matrix[test]), names))
        print(f"first look, part {number}: {len(test)} lines", flush=True)
    return result


def fit_second(corpus: RoleCorpus, matrix: Floats, names: Sequence[str], known: Bools) -> SymmetricTrees:
    """The trees of the second look: whether a line stays."""
    draw = np.random.default_rng(1).random(len(corpus.page))
    taken = corpus.is_role | (draw < GOLD_SHARE)
    rows = np.flatnonzero(known & (corpus.target >= 0) & taken)
    origin = np.array([ORIGIN_WEIGHT[name] for name in corpus.pages["origin"]], np.float32)[corpus.page]
    weight = line_weight(corpus) * origin * _by_variant(corpus, SECOND_WEIGHT)
    for letter, factor in ROLE_WEIGHT.items():
        weight[corpus.label == ord(letter)] *= factor
    return _fit(matrix[rows], corpus.target[rows], weight[rows], SECOND, names)


def fit_pages(
    corpus: RoleCorpus, matrix: Floats, names: Sequence[str], known: Bools
) -> tuple[SymmetricTrees, SymmetricTrees]:
    """The trees for the kind of page, and for whether a page is clean."""
    page_names, rows = page_rows_of(corpus, names, matrix)
    numbers = np.unique(corpus.page)
    pages = corpus.pages[numbers.tolist()]
    seen = known[np.searchsorted(corpus.page, numbers)]
    kinds = np.array([PAGE_TYPES.index(t) if t in PAGE_TYPES else -1 for t in pages["page_type"]])
    is_clean = (pages["variant"] == "clean").to_numpy()
    typed = np.flatnonzero(seen & (kinds >= 0) & ~is_clean)
    by_role = (pages["origin"] == "roles").to_numpy()
    weight = np.where(by_role, 2.0, 1.0).astype(np.float32)
    types = _fit(rows[typed], kinds[typed], weight[typed], PAGE_TYPE, page_names)
    some = np.flatnonzero(seen)
    clean = _fit(rows[some], is_clean[some].astype(np.int64), weight[some], CLEAN, page_names)
    return types, clean


def page_rows_of(corpus: RoleCorpus, names: Sequence[str], matrix: Floats) -> tuple[list[str], Floats]:
    """What the features say of each page with a word, one row a page."""
    from reinschrift.transforms.boilerplate.features import Pages

    return page_rows(Pages.of(corpus.page), names, matrix)


def fit_kind(
    corpus: RoleCorpus, linear: Ints, *, held_out: bool
) -> tuple[dict[str, SymmetricTrees], Floats]:
    """All trees of one kind of input, by the name the file gives them."""
    fold = corpus.of_page("fold")
    known = fold != HELD_OUT_FOLD if held_out else np.ones(len(fold), np.bool_)
    names, matrix = corpus.features(linear)
    first = first_out_of_fold(corpus, matrix, names)
    shipped = fit_first(corpus, matrix, names, known)
    more_names, more = second_matrix(corpus, first)
    names, matrix = names + more_names, np.hstack([matrix, more])
    second = fit_second(corpus, matrix, names, known)
    types, clean = fit_pages(corpus, matrix, names, known)
    return {"first": shipped, "second": second, "page_type": types, "clean": clean}, matrix


def write(folder: Path, models: dict[str, dict[str, SymmetricTrees]], linear: LinearModel) -> None:
    """Write the three model files."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind, trees in models.items():
        (folder / MODEL_FILES[kind]).write_bytes(save_trees(trees))
    with (folder / LINEAR_FILE).open("wb") as file:
        np.savez_compressed(file, words=linear.word_weights, grams=linear.gram_weights)


def main() -> None:
    """Parse the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bench", type=Path, default=Path("../shared/bench"))
    parser.add_argument("--cache", type=Path, help="Parquet file that keeps the labelled pages")
    parser.add_argument("--out", type=Path, default=MODEL_FOLDER, help="where the files go")
    parser.add_argument("--held-out", action="store_true", help="do not learn from the hosts held out")
    options = parser.parse_args()
    html_pages, text_pages = variants(options.bench, build_corpus(options.bench, options.cache))
    html = RoleCorpus(html_pages, with_trees=True)
    text = RoleCorpus(text_pages, with_trees=False)
    first_hand = RoleCorpus(html_pages.filter(pl.col("variant") == "blocks"), with_trees=False)
    linear, scores = fit_linear_models(first_hand, [html, text], held_out=options.held_out)
    models = {}
    for kind, corpus, linear_scores in (("html", html, scores[0]), ("text", text, scores[1])):
        models[kind], _ = fit_kind(corpus, linear_scores, held_out=options.held_out)
        print(f"{kind}: fitted", flush=True)
    write(options.out, models, linear)


if __name__ == "__main__":
    main()
