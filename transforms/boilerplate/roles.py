"""What each line of a page is, how likely it stays, and what kind of page it stands on.

    scores = score_pages(blocks, contexts)
    scores.blocks    # page, block, role, role_share, probability, words
    scores.pages     # page, page_type, page_type_confidence, clean

Two looks at a page. The first gives each line a share of every role (`role_names.py`), from its words,
its neighbours, its place, and in HTML the tree around it and what the page declares. The second sees
these shares of the lines around it, of its list or table as a whole and of the page, and says how likely
the line stays. From the sums over the page follow the kind of page and whether it is clean already.
Training, data and figures: docs/model-card.md.
"""

from __future__ import annotations

import functools
import io
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from reinschrift.transforms.boilerplate.declarations import declared_features
from reinschrift.transforms.boilerplate.dom import Batch, tree_batch, tree_features
from reinschrift.transforms.boilerplate.features import Pages, line_features, measure_lines
from reinschrift.transforms.boilerplate.linear import LinearModel
from reinschrift.transforms.boilerplate.lines import scan_lines
from reinschrift.transforms.boilerplate.role_names import PAGE_TYPES, ROLES, STAYING
from reinschrift.transforms.boilerplate.second_look import SHARE_UNITS, role_units, second_features
from reinschrift.transforms.boilerplate.symmetric import SymmetricTrees, load_trees, probability, shares

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from reinschrift.transforms.boilerplate.characters import Floats, Ints
    from reinschrift.transforms.boilerplate.lines import Lines
    from reinschrift.transforms.html.extract import PageContext
    from reinschrift.transforms.html.page_tree import PageTree

MODEL_FILES = {"html": "role_html.npz", "text": "role_text.npz"}
LINEAR_FILE = "role_linear.npz"
MODEL_FOLDER = resources.files("reinschrift.transforms.boilerplate")
# Working memory is some kilobytes a line; small batches also stay in the cache.
MAX_BATCH_CHARS = 400_000
SAYS_OF_PAGE = ("page_", "tree_", "declares_", "content_lines")
MIN_CLEAN_STAY = 0.6
MIN_CLEAN_PAGE = 0.5  # from here on a page counts as clean: nothing of it falls
BLOCK_SCORES = pl.Schema(
    {
        "page": pl.UInt32(),
        "block": pl.UInt32(),
        "role": pl.String(),
        "role_share": pl.Float32(),
        "probability": pl.Float32(),
        "words": pl.UInt32(),
    }
)
PAGE_SCORES = pl.Schema(
    {
        "page": pl.UInt32(),
        "page_type": pl.String(),
        "page_type_confidence": pl.Float32(),
        "clean": pl.Float32(),
    }
)


@dataclass(frozen=True)
class Scores:
    """`blocks`, one row a block: `page`, `block`, `role` (of `ROLES`), `role_share`, the
    `probability` of staying, and `words` (two characters of a script without spaces are one).

    `pages`, one row a page: `page`, `page_type` (of `PAGE_TYPES`), `page_type_confidence`, and `clean`,
    how likely nothing on a page of flat text is furniture (0 for HTML). Shares and probabilities lie
    in [0, 1].
    """

    blocks: pl.DataFrame
    pages: pl.DataFrame


@dataclass(frozen=True)
class RoleModel:
    """Trees of one kind of input: roles, staying, kind of page, clean pages; and the linear model."""

    first: SymmetricTrees
    second: SymmetricTrees
    page_type: SymmetricTrees
    clean: SymmetricTrees
    linear: LinearModel


@functools.cache
def load_role_model(kind: str) -> RoleModel:
    """The model of `html` or `text` shipped with the package, read once a process."""
    trees = load_trees((MODEL_FOLDER / MODEL_FILES[kind]).read_bytes())
    with np.load(io.BytesIO((MODEL_FOLDER / LINEAR_FILE).read_bytes())) as weights:
        linear = LinearModel(weights["words"], weights["grams"])
    return RoleModel(**trees, linear=linear)


@dataclass(frozen=True)
class FirstLook:
    """The lines of a batch with the features of the first look."""

    lines: Lines
    pages: Pages
    words: Ints
    names: list[str]
    matrix: Floats
    tree: Batch | None


def look(blocks: pl.DataFrame, contexts: Sequence[PageContext] | None, linear: LinearModel) -> FirstLook:
    """Scan some pages. `contexts`: one a page of `blocks`, in order; None for flat text."""
    lines = scan_lines(blocks)
    pages = Pages.of(lines.page)
    measures = measure_lines(lines, pages)
    scores = linear.score(lines, measures, pages)
    names, matrix = line_features(lines, measures, pages, scores)
    if contexts is None:
        return FirstLook(lines, pages, measures.words, names, matrix, None)
    trees = [context.tree for context in contexts]
    tree = tree_batch(trees, _places(blocks, trees)[lines.row], lines, measures, pages)
    tree_names, tree_matrix = tree_features(tree, scores)
    declared = [context.declared for context in contexts]
    more_names, more = declared_features(declared, lines, pages)
    joined = np.concatenate([matrix.T, tree_matrix.T, more.T]).T
    return FirstLook(lines, pages, measures.words, names + tree_names + more_names, joined, tree)


def _places(blocks: pl.DataFrame, trees: Sequence[PageTree]) -> Ints:
    """Where each block stands among all lines of the trees: repair may have dropped some of them."""
    sizes = np.array([len(tree.line_facts) for tree in trees], np.int64)
    page = blocks["page"].rle_id().to_numpy()
    places: Ints = (np.cumsum(sizes) - sizes)[page] + blocks["block"].to_numpy().astype(np.int64)
    return places


def page_rows(pages: Pages, names: Sequence[str], matrix: Floats) -> tuple[list[str], Floats]:
    """What the features of lines say of their page as a whole: one row a page."""
    firsts = np.unique(pages.first)
    wanted = [number for number, name in enumerate(names) if name.startswith(SAYS_OF_PAGE)]
    return [names[number] for number in wanted], np.asfortranarray(matrix[firsts][:, wanted])


def score_pages(
    blocks: pl.DataFrame, contexts: Mapping[int, PageContext], *, spare_clean: bool = False
) -> Scores:
    """Roles and probabilities of all blocks, kinds of all pages.

    `blocks`: one row a line, sorted by page and block, with `page`, `block` (UInt32), `text` (a line
    that is not blank, its indentation kept) and `blank_before` (blank lines before it). `contexts`: for
    each HTML page, by its number, its tree and what it declares; `block` numbers the lines of the tree.
    With `spare_clean`, lines of pages that are clean have the probability 1, and no second look is
    taken at them. What is said of a page depends on nothing but the page, to the last bit. Time is
    linear in the
    characters.
    """
    scored = [_score_batch(batch, contexts, spare_clean) for batch in _batches(blocks, contexts)]
    return Scores(
        pl.concat([BLOCK_SCORES.to_frame(), *(blocks for blocks, _ in scored)]),
        pl.concat([PAGE_SCORES.to_frame(), *(pages for _, pages in scored)]),
    )


def _batches(blocks: pl.DataFrame, contexts: Mapping[int, PageContext]) -> Iterator[pl.DataFrame]:
    """Whole pages, all HTML or all text, at most `MAX_BATCH_CHARS` where no page is longer by itself."""
    sizes = (
        blocks.select("page", chars=pl.col("text").str.len_bytes() + 1)
        .group_by("page", maintain_order=True)
        .agg(pl.len().alias("rows"), pl.col("chars").sum())
    )
    start = rows = chars = 0
    was_html = False
    for page, page_rows_, page_chars in sizes.iter_rows():
        is_html = page in contexts
        if rows and (is_html != was_html or chars + page_chars > MAX_BATCH_CHARS):
            yield blocks.slice(start, rows)
            start, rows, chars = start + rows, 0, 0
        rows, chars, was_html = rows + page_rows_, chars + page_chars, is_html
    if rows:
        yield blocks.slice(start, rows)


def _score_batch(
    blocks: pl.DataFrame, contexts: Mapping[int, PageContext], spare_clean: bool
) -> tuple[pl.DataFrame, pl.DataFrame]:
    numbers = blocks["page"].unique(maintain_order=True)
    found = [contexts[page] for page in numbers if page in contexts]
    model = load_role_model("html" if found else "text")
    seen = look(blocks, found or None, model.linear)
    if not len(seen.lines):
        return _block_frame(blocks, *_nothing(len(blocks))), _page_frame(numbers, {})
    words = np.zeros(len(blocks), np.int64)
    words[seen.lines.row] = seen.words
    role_shares, stays, pages = score_lines(seen, model, spare_clean=spare_clean)
    page_of_row = blocks["page"].rle_id().to_numpy().astype(np.int64)
    stays_of_row, source = _spread(stays, seen.lines.row, page_of_row)
    role = np.where(source >= 0, role_shares.argmax(axis=1)[source], ROLES.index("navigation"))
    share = np.where(source >= 0, role_shares.max(axis=1)[source], 0)
    with_words = np.unique(seen.lines.page)
    return (
        _block_frame(blocks, role, share, stays_of_row, words),
        _page_frame(numbers, dict(zip(with_words.tolist(), zip(*pages, strict=True), strict=True))),
    )


def score_lines(
    seen: FirstLook, model: RoleModel, *, spare_clean: bool = False
) -> tuple[Floats, Floats, tuple[list[int], list[float], list[float]]]:
    """Role shares and probabilities of staying, a row a scanned line; and of each page with words its
    type (a number of `PAGE_TYPES`), how sure that is, and how likely it is clean.
    """
    first = shares(model.first.scores(seen.matrix, seen.names))
    more_names, more = second_features(role_units(first), seen.words, seen.pages, seen.tree)
    names = seen.names + more_names
    both = np.concatenate([seen.matrix.T, more.T]).T
    page_names, page_matrix = page_rows(seen.pages, names, both)
    types = shares(model.page_type.scores(page_matrix, page_names))
    clean = _clean(seen, model, page_names, page_matrix)
    stays = np.ones(len(first), np.float32)
    asked = np.ones(len(first), np.bool_)
    if spare_clean:
        asked = (clean < MIN_CLEAN_PAGE)[np.cumsum(np.diff(seen.pages.first, prepend=-1) != 0) - 1]
    if asked.any():
        rows = both if asked.all() else both[asked]
        stays[asked] = probability(model.second.scores(rows, names)[:, 0])
    pages = (types.argmax(axis=1).tolist(), types.max(axis=1).tolist(), clean.tolist())
    return _agreeing(first, stays), stays, pages


def _clean(seen: FirstLook, model: RoleModel, names: list[str], pages: Floats) -> Floats:
    """How likely each page is clean; 0 for HTML, whose furniture and content differ by their tags.

    (Clean HTML to learn from has to be made, and a page with few tags looks like it.) Nor is a page
    clean of which the first look lets less than `MIN_CLEAN_STAY` of the words stay.
    """
    if seen.tree is not None:
        return np.zeros(len(pages), np.float32)
    clean = probability(model.clean.scores(pages, names)[:, 0])
    stay = sum(pages[:, names.index(f"page_words_{role}")] for role in ("stay", "post"))
    return np.where(stay >= MIN_CLEAN_STAY * SHARE_UNITS, clean, np.float32(0))


def _agreeing(role_shares: Floats, stays: Floats) -> Floats:
    """Role shares that agree with the second look: those of staying roles sum up to `stays`.

    Posts, captions and bylines keep their share: whether they stay is for the settings to say.
    """
    staying = np.isin(ROLES, STAYING)
    going = np.isin(ROLES, ("post_furniture", "other_item", "navigation", "notice"))
    total = np.zeros(len(stays), np.float64)
    stay = np.zeros(len(stays), np.float64)
    for number in np.flatnonzero(staying | going):
        total += role_shares[:, number]
        if staying[number]:
            stay += role_shares[:, number]
    result = role_shares.astype(np.float64)
    result[:, staying] *= (stays * total / np.maximum(stay, 1e-9))[:, None]
    result[:, going] *= ((1 - stays) * total / np.maximum(total - stay, 1e-9))[:, None]
    return result.astype(np.float32)


def _nothing(rows: int) -> tuple[Ints, Floats, Floats, Ints]:
    """Blocks of which none holds a word."""
    role = np.full(rows, ROLES.index("navigation"))
    nothing = np.zeros(rows, np.float32)
    return role, nothing, nothing, np.zeros(rows, np.int64)


def _spread(scores: Floats, row: Ints, page: Ints) -> tuple[Floats, Ints]:
    """Scores of all rows, and the scored line each comes from (-1: none).

    A row without a word (rules, bullets) fares as the worse of the lines around it.
    """
    line_of_row = np.full(len(page), -1, np.int64)
    line_of_row[row] = np.arange(len(row))
    pages = Pages.of(page)
    here = np.arange(len(page))
    known = line_of_row >= 0
    above = np.maximum.accumulate(np.where(known, here, -1))
    above = np.where(above >= pages.first, line_of_row[above], -1)
    below = np.minimum.accumulate(np.where(known, here, len(here))[::-1])[::-1]
    below = np.where(below < pages.end, line_of_row[np.minimum(below, len(here) - 1)], -1)
    scored = np.append(scores, np.float32(2))
    source = np.where(scored[below] < scored[above], below, above)
    return np.where(source >= 0, scored[source], 0).astype(np.float32), source


def _block_frame(
    blocks: pl.DataFrame, role: Ints, share: Floats, stays: Floats, words: Ints
) -> pl.DataFrame:
    names = pl.Series("role", ROLES).gather(pl.Series(role))
    said = {
        "role": names,
        "role_share": pl.Series(share, dtype=pl.Float32),
        "probability": pl.Series(stays, dtype=pl.Float32),
        "words": pl.Series(words, dtype=pl.UInt32),
    }
    return blocks.select(pl.col("page", "block").cast(pl.UInt32)).with_columns(**said)


def _page_frame(numbers: pl.Series, known: Mapping[int, tuple[int, float, float]]) -> pl.DataFrame:
    """One row a page; a page without a word is of the type `other`, surely not, and not clean."""
    nothing = (PAGE_TYPES.index("other"), 0.0, 0.0)
    found = [known.get(place, nothing) for place in range(len(numbers))]
    rows = [
        (page, PAGE_TYPES[kind], sure, clean)
        for page, (kind, sure, clean) in zip(numbers, found, strict=True)
    ]
    return pl.DataFrame(rows, schema=PAGE_SCORES, orient="row")
