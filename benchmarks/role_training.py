"""Fitting the role models: scanned pages, linear scores out of fold, features, symmetric trees.

Everything is split by host. Whatever one model learns from another (linear scores, first-pass
probabilities, kinds of page) comes from models that saw no page of the line's host.
"""

from __future__ import annotations

import html as html_entities
import json
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmarks.line_corpus import aligned, words
from benchmarks.linear_training import entry_matrix, fit_linear
from benchmarks.role_corpus import FOLDS, unit_hash
from reinschrift.transforms.boilerplate.declarations import declared_features
from reinschrift.transforms.boilerplate.dom import Batch as TreeBatch
from reinschrift.transforms.boilerplate.dom import tree_batch, tree_features
from reinschrift.transforms.boilerplate.features import Measures, Pages, line_features, measure_lines
from reinschrift.transforms.boilerplate.lines import Lines, scan_lines
from reinschrift.transforms.boilerplate.role_names import ROLE_OF_LETTER
from reinschrift.transforms.boilerplate.second_look import role_units, second_features
from reinschrift.transforms.boilerplate.symmetric import UNITS, SymmetricTrees
from reinschrift.transforms.html.declared import Declared
from reinschrift.transforms.html.flatten import flatten_html

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reinschrift.transforms.boilerplate.characters import Bools, Floats, Ints
    from reinschrift.transforms.boilerplate.linear import LinearModel

PAGES_A_BATCH = 100
HELD_OUT_FOLD = FOLDS
WEAK_WEIGHT = 0.5
STAY, GO = "thpf", "xrnl"
CLEAN_SHARE = 0.35
MIN_CLEAN_LINES = 5
TAG_OF_KIND = {"heading": "h2", "list_item": "li", "quote": "blockquote", "code": "pre"}
Row = dict[str, Any]
Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Batch:
    """Some pages of the corpus, scanned and measured."""

    lines: Lines
    borders: Pages
    measures: Measures
    tree: TreeBatch | None
    declared: list[Declared]


def stays(label: str, page_type: str | None) -> bool | None:
    """Whether a line with this label is to be kept; None where that is not scored."""
    if label in STAY or label in "1cs":
        return True
    if label in GO or label in "0bg":
        return False
    if label == "q" and page_type == "forum":
        return True
    return None


def clean_version(row: Row) -> Row | None:
    """The lines of a page that stay, as a page of their own; None where they are few."""
    kept = [
        (line, label)
        for line, label in zip(row["lines"], row["labels"], strict=True)
        if label in "thpf1s" or (label == "q" and row["page_type"] == "forum")
    ]
    if len(kept) < MIN_CLEAN_LINES:
        return None
    page = flatten_html(row["html"], with_tree=False)
    kind_of = dict(zip(page.lines, page.kinds, strict=True))
    body = "\n".join(_element(kind_of.get(line, "paragraph"), line) for line, _ in kept)
    html = f"<html><body>{body}</body></html>"
    flat = flatten_html(html, with_tree=False)
    if len(flat.lines) != len(kept):
        return None
    labels = "".join(label for _, label in kept)
    return {**row, "variant": "clean", "html": html, "lines": flat.lines, "labels": labels}


def _element(kind: str, line: str) -> str:
    tag = TAG_OF_KIND.get(kind, "p")
    return f"<{tag}>{html_entities.escape(line)}</{tag}>"


def clean_versions(pages: pl.DataFrame) -> list[Row]:
    """Clean versions of the pages labelled by role, and of a share of the others."""
    rows = []
    for row in pages.iter_rows(named=True):
        if row["origin"] == "roles" or unit_hash("clean:" + row["id"]) < CLEAN_SHARE:
            made = clean_version(row)
            if made:
                rows.append(made)
    return rows


def transferred(row: Row, text: str) -> str:
    """Labels for the lines of another flattening of a page, from those of its own lines."""
    own = [words(line) for line in row["lines"]]
    other = [words(line) for line in text.split("\n")]
    label_of_word = [label for line, label in zip(own, row["labels"], strict=True) for _ in line]
    partner = aligned([w for line in other for w in line], [w for line in own for w in line])
    labels, start = [], 0
    for line in other:
        hits = [label_of_word[i] for i in partner[start : start + len(line)] if i >= 0]
        start += len(line)
        if not line or 2 * len(hits) < len(line):
            labels.append("-")
        else:
            labels.append(max(sorted(set(hits)), key=hits.count))
    return "".join(labels)


class RoleCorpus:
    """Labelled pages and their lines; arrays have one entry a line that holds a word.

    `page` is the row of the line's page in `pages`, `label` its label (a code point), `row` the number
    of the line on its page.
    """

    def __init__(self, pages: pl.DataFrame, *, with_trees: bool) -> None:
        self.pages = pages
        self.batches: list[Batch] = []
        numbers, labels, rows = [], [], []
        for start in range(0, len(pages), PAGES_A_BATCH):
            some = pages.slice(start, PAGES_A_BATCH)
            frame = _line_frame(some)
            lines = scan_lines(frame)
            borders = Pages.of(lines.page)
            measures = measure_lines(lines, borders)
            tree, declared = None, list[Declared]()
            if with_trees:
                flat = [flatten_html(html) for html in some["html"]]
                tree = tree_batch([page.tree for page in flat], lines.row, lines, measures, borders)
                declared = [page.declared for page in flat]
            self.batches.append(Batch(lines, borders, measures, tree, declared))
            at = frame.with_row_index("i")[lines.row]
            numbers.append(at["page"].to_numpy().astype(np.int64) + start)
            labels.append(np.array([ord(c) for c in at["label"]], np.uint8))
            rows.append(at["line"].to_numpy().astype(np.int64))
        self.page = np.concatenate(numbers)
        self.label = np.concatenate(labels)
        self.row = np.concatenate(rows)
        self.words = np.concatenate([batch.measures.words for batch in self.batches])

    def of_page(self, column: str) -> NDArray[Any]:
        """A column of the page frame, for each line."""
        return np.asarray(self.pages[column].to_numpy()[self.page])

    @cached_property
    def target(self) -> Ints:
        """1 for a line that stays, 0 for one that goes, -1 where neither is scored."""
        table = {}
        for forum in (False, True):
            for code in np.unique(self.label).tolist():
                kept = stays(chr(code), "forum" if forum else None)
                table[forum, code] = -1 if kept is None else int(kept)
        forum = self.of_page("page_type") == "forum"
        pairs = zip(forum.tolist(), self.label.tolist(), strict=True)
        return np.array([table[pair] for pair in pairs], np.int64)

    @cached_property
    def is_role(self) -> Bools:
        """Lines of pages that a person labelled by role."""
        return np.asarray(self.of_page("origin") == "roles")

    def linear_scores(self, model: LinearModel) -> Ints:
        """The linear scores of every line."""
        parts = [model.score(b.lines, b.measures, b.borders) for b in self.batches]
        return np.concatenate(parts)

    def entries(self) -> Any:
        """Hashed entries of every line, as the linear model weighs them."""
        from scipy import sparse

        return sparse.vstack(
            [entry_matrix(b.lines, b.measures, b.borders) for b in self.batches]
        ).tocsr()

    def features(self, linear: Ints) -> tuple[list[str], Floats]:
        """Names and matrix of the features, given the linear scores."""
        matrices, names, start = [], list[str](), 0
        for batch in self.batches:
            end = start + len(batch.lines)
            names, matrix = batch_features(batch, linear[start:end])
            matrices.append(matrix)
            start = end
        return names, np.concatenate(matrices)


def batch_features(batch: Batch, linear: Ints) -> tuple[list[str], Floats]:
    """Names and matrix of the features of a batch."""
    lines, measures, borders = batch.lines, batch.measures, batch.borders
    names, matrix = line_features(lines, measures, borders, linear)
    if batch.tree is None:
        return names, matrix
    tree_names, tree = tree_features(batch.tree, linear)
    more_names, more = declared_features(batch.declared, lines, borders)
    return names + tree_names + more_names, np.hstack([matrix, tree, more])


def _line_frame(pages: pl.DataFrame) -> pl.DataFrame:
    """Non-blank lines of pages as blocks; `line` numbers them with the blank ones."""
    lines = (
        pages.with_row_index("page")
        .select("page", text="lines", label=pl.col("labels").str.split(""))
        .explode("text", "label")
        .with_columns(line=pl.int_range(pl.len()).over("page"))
        .filter(pl.col("text").str.strip_chars() != "")
    )
    above = pl.col("line").shift(1, fill_value=-1).over("page")
    return lines.with_columns(blank_before=(pl.col("line") - above - 1).cast(pl.UInt32))


def fit_linear_models(
    first_hand: RoleCorpus, corpora: Sequence[RoleCorpus], *, held_out: bool
) -> tuple[LinearModel, list[Ints]]:
    """The linear model, and the out-of-fold scores of each corpus.

    The scores of the hosts held out come from a model of all others; with `held_out` that is the one
    returned, else it is fitted on every page.
    """
    entries = first_hand.entries()
    is_content = first_hand.target == 1
    weight = np.sqrt(first_hand.words) * np.where(first_hand.is_role, 2.0, 1.0)
    weight *= np.where(first_hand.of_page("origin") == "weak", WEAK_WEIGHT, 1.0)
    weight[first_hand.target < 0] = 0
    folds = first_hand.of_page("fold")

    def fitted(known: Bools) -> LinearModel:
        rows = np.flatnonzero(known & (weight > 0))
        return fit_linear(entries[rows], is_content[rows], weight[rows])

    scores = [np.zeros((len(corpus.page), 2), np.int64) for corpus in corpora]
    for fold in range(FOLDS + 1):
        model = fitted((folds != fold) & (folds != HELD_OUT_FOLD))
        for corpus, score in zip(corpora, scores, strict=True):
            test = corpus.of_page("fold") == fold
            score[test] = corpus.linear_scores(model)[test]
    return (model if held_out else fitted(np.ones(len(folds), np.bool_))), scores


def role_labels(corpus: RoleCorpus) -> Ints:
    """The number of each line's role in `ROLES`; -1 where no role is known."""
    letters = "".join(ROLE_OF_LETTER)
    table = np.array([letters.find(chr(code)) for code in range(256)])
    return table[corpus.label]


def second_matrix(corpus: RoleCorpus, first: Floats) -> tuple[list[str], Floats]:
    """Names and matrix of the features of the second look, from the shares of the first."""
    names, parts, start = list[str](), [], 0
    for batch in corpus.batches:
        end = start + len(batch.lines)
        units = role_units(first[start:end])
        names, matrix = second_features(units, batch.measures.words, batch.borders, batch.tree)
        parts.append(matrix)
        start = end
    return names, np.concatenate(parts)


def exported(model: Any, names: Sequence[str]) -> SymmetricTrees:
    """The trees of a fitted CatBoost model, their leaves rounded to whole units."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "model.json")
        model.save_model(str(file), format="json")
        fitted = json.loads(file.read_text())
    trees = fitted["oblivious_trees"]
    outputs = max(1, len(fitted["scale_and_bias"][1]))
    asked = sorted(
        {(split["float_feature_index"], split["border"]) for tree in trees for split in tree["splits"]}
    )
    used = sorted({feature for feature, _ in asked})
    place = {question: number for number, question in enumerate(asked)}
    depth = max(len(tree["splits"]) for tree in trees)
    splits = np.full((len(trees), depth), -1, np.int16)
    leaves = np.zeros((len(trees), 2**depth, outputs), np.float64)
    for number, tree in enumerate(trees):
        for level, split in enumerate(tree["splits"]):
            splits[number, level] = place[split["float_feature_index"], split["border"]]
        values = np.array(tree["leaf_values"]).reshape(-1, outputs)
        leaves[number, : len(values)] = values
    scale, bias = fitted["scale_and_bias"]
    return SymmetricTrees(
        names=tuple(names[feature] for feature in used),
        feature=np.array([used.index(feature) for feature, _ in asked], np.int16),
        borders=np.array([border for _, border in asked], np.float32),
        splits=splits,
        leaves=np.clip(np.rint(leaves * scale * UNITS), -32767, 32767).astype(np.int16),
        bias=np.rint(np.atleast_1d(bias) * UNITS).astype(np.int32),
    )
