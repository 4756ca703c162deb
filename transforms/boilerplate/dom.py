"""Features of a line from the tree around it: containers above, siblings, headings, links.

`dom_features` takes the trees of many pages at once and gives one row a line, beside those of
`features.py`. What is summed is an integer, and no sum or comparison crosses the border of a
page, so a page's features do not depend on its batch. The ideas follow boilerplate detection on
DOM trees: link and text density of containers (Weninger et al. 2010, CETR; Sun et al. 2011,
CETD), and class names as in Readability.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from reinschrift.transforms.boilerplate.features import (
    FAR_AWAY,
    Columns,
    Measures,
    Pages,
    is_prose,
    window_features,
)
from reinschrift.transforms.boilerplate.lines import Lines, segment_sums
from reinschrift.transforms.html.page_tree import (
    CONTAINER_FACTS,
    CONTENT_MARKS,
    FURNITURE_MARKS,
    LINE_FACTS,
    MARK_BITS,
    MARKS,
    NUMBERED_TAGS,
    TAG_NUMBERS,
    PageTree,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from reinschrift.transforms.boilerplate.characters import Bools, Floats, Ints

    Steps = NDArray[np.uint8]

NO_SUCH_CONTAINER = 30  # steps up; nearer ones count as they are
CHAIN_LENGTH = 6
DOMINANT_SHARES = {"half": (1, 2), "most": (4, 5)}
NEIGHBOURS = (-2, -1, 1, 2)
TAG_SPAN = 64
HEADING_TAGS = tuple(TAG_NUMBERS[f"h{level}"] for level in range(1, 7))
COUNTED_TAGS = (
    *("article", "main", "p", "li", "h1", "h2", "h3", "table", "tr", "form", "pre", "dl"),
    *("blockquote", "figure", "button", "section", "nav", "aside", "select"),
)
PAGE_MARKS = ("forum", "product", "code", "card", "comments", "story", "body_text", "review")
HEADING_CATEGORIES = ("comments", "teasers", "promotion", "social", "navigation", "legal")
MAX_LEVEL_STEP = 20


@dataclass(frozen=True)
class Containers:
    """Containers of all pages of a batch, in document order; one row a container.

    `parent` is a row of this table, `signature` is unique to its page, [`first_line`, `end_line`)
    are scanned lines.
    """

    parent: Ints
    level: Ints
    tag: Ints
    marks: Ints
    signature: Ints
    page: Ints
    first_line: Ints
    end_line: Ints

    @cached_property
    def levels(self) -> list[Ints]:
        """The containers of each level below the pages, from the outermost on."""
        order = np.argsort(self.level, kind="stable")
        borders = np.searchsorted(self.level[order], np.arange(1, self.level.max() + 2))
        return [order[start:end] for start, end in itertools.pairwise(borders)]

    @cached_property
    def steps_to_marks(self) -> Steps:
        """Steps from each container up to the nearest one with a mark (containers x MARKS)."""
        bits = np.arange(len(MARKS), dtype=np.int64)
        marked = (self.marks[:, None] >> bits) & 1
        steps = np.where(marked, 0, NO_SUCH_CONTAINER).astype(np.uint8)
        for rows in self.levels:
            above = np.minimum(steps[self.parent[rows]], NO_SUCH_CONTAINER - 1) + np.uint8(1)
            steps[rows] = np.minimum(steps[rows], above)
        return steps

    def marked_above(self, names: Sequence[str]) -> Ints:
        """How many of the containers from the page down to each bear one of the marks."""
        bits = sum(bit for mark, bit in MARK_BITS.items() if mark.partition("_")[2] in names)
        counts: Ints = ((self.marks & bits) != 0).astype(np.int64)
        for rows in self.levels:
            counts[rows] += counts[self.parent[rows]]
        return counts

    def children_above(self, roots: Ints) -> Ints:
        """The child of the page's root (a row for each page) each container lies in, else -1."""
        children = np.full(len(self.parent), -1, np.int64)
        for rows in self.levels:
            above = self.parent[rows]
            children[rows] = np.where(above == roots[self.page[rows]], rows, children[above])
        return children


def join_trees(
    trees: Sequence[PageTree], places: Ints, lines: Lines
) -> tuple[Containers, dict[str, Ints]]:
    """The containers of a batch, and the facts of its lines as `LINE_FACTS` names them.

    `places`: where each scanned line stands among all lines of the trees, ascending.
    """
    sizes = np.array([len(tree.containers) for tree in trees])
    line_counts = np.array([len(tree.line_facts) for tree in trees])
    first_row = np.repeat(np.cumsum(sizes) - sizes, sizes)
    first_line = np.repeat(np.cumsum(line_counts) - line_counts, sizes)

    noted = np.concatenate([np.array(tree.containers, np.int64) for tree in trees])
    end_line = np.concatenate([np.array(tree.end_line, np.int64) for tree in trees])

    def joined(name: str) -> Ints:
        return np.ascontiguousarray(noted[:, CONTAINER_FACTS.index(name)])

    containers = Containers(
        parent=joined("parent") + first_row,
        level=joined("level"),
        tag=joined("tag"),
        marks=joined("marks"),
        # A page has fewer signatures than containers, so these ranges never meet.
        signature=joined("signature") + first_row,
        page=np.repeat(np.arange(len(trees)), sizes),
        # Lines without a word were not scanned; a border there moves to the next line that was.
        first_line=np.searchsorted(places, joined("first_line") + first_line),
        end_line=np.searchsorted(places, end_line + first_line),
    )
    rows = [np.array(tree.line_facts, np.int64).reshape(-1, len(LINE_FACTS)) for tree in trees]
    facts = dict(zip(LINE_FACTS, np.concatenate(rows)[places].T, strict=True))
    facts["container"] = facts["container"] + (np.cumsum(sizes) - sizes)[lines.page]
    return containers, facts


@dataclass(frozen=True)
class Batch:
    """Lines of a batch with their containers, and the integers that are summed over lines."""

    lines: Lines
    pages: Pages
    measures: Measures
    containers: Containers
    facts: dict[str, Ints]

    @cached_property
    def at(self) -> Ints:
        """The container of each line."""
        return self.facts["container"]

    @cached_property
    def words(self) -> Ints:
        """Words of each line."""
        return self.measures.words

    @cached_property
    def link_words(self) -> Ints:
        """Words of each line that stand in links."""
        chars = np.maximum(1, self.measures.chars)
        return self.words * np.minimum(self.facts["link_chars"], chars) // chars

    @cached_property
    def prose(self) -> Ints:
        """Words of each line that is running text and mostly not a link."""
        prose = is_prose(self.measures, self.lines.class_counts)
        return self.words * (prose & (self.link_words * 2 < self.words))

    @cached_property
    def link_share(self) -> Floats:
        """Share of each line's words that stand in links."""
        return (self.link_words / np.maximum(1, self.words)).astype(np.float32)

    @cached_property
    def is_heading(self) -> Bools:
        """Whether the line's block is a heading."""
        return np.isin(self.containers.tag[self.at], HEADING_TAGS)

    @cached_property
    def chain(self) -> list[Ints]:
        """The container of each line, the one around it, and so on."""
        chain = [self.at]
        while len(chain) < CHAIN_LENGTH:
            chain.append(self.containers.parent[chain[-1]])
        return chain

    def inside(self, values: Ints) -> Ints:
        """Sum over the lines of each container."""
        return segment_sums(values, self.containers.first_line, self.containers.end_line)


def mark_features(batch: Batch) -> Columns:
    """Steps up to the nearest container of each kind, and how many kinds speak for or against."""
    steps = batch.containers.steps_to_marks[batch.at]
    columns: Columns = {f"dom_{mark}": steps[:, bit] for bit, mark in enumerate(MARKS)}
    columns["dom_furniture_above"] = batch.containers.marked_above(FURNITURE_MARKS)[batch.at]
    columns["dom_content_above"] = batch.containers.marked_above(CONTENT_MARKS)[batch.at]
    return columns


def block_features(batch: Batch) -> Columns:
    """The line's own block: tags, level, links, images, inline elements."""
    columns: Columns = {f"dom_tag_{up}": batch.containers.tag[batch.chain[up]] for up in range(3)}
    columns["dom_level"] = batch.containers.level[batch.at]
    columns["dom_link_share"] = batch.link_share
    for name in ("links", "images", "inline", "after_break"):
        columns[f"dom_{name}"] = batch.facts[name]
    return columns


def _group_means(keys: Ints, values: Sequence[Ints]) -> tuple[Ints, list[Floats]]:
    """Size of the group of each row, and the means of integers over the group."""
    _, group, counts = np.unique(keys, return_inverse=True, return_counts=True)
    means = [(np.bincount(group, each) / counts)[group] for each in values]
    return counts[group], [mean.astype(np.float32) for mean in means]


def chain_features(batch: Batch) -> Columns:
    """Text, links and prose of the containers around the line, and of their siblings."""
    containers = batch.containers
    words, links = batch.inside(batch.words), batch.inside(batch.link_words)
    prose = batch.inside(batch.prose)
    siblings, (sibling_words, sibling_prose) = _group_means(
        containers.parent * TAG_SPAN + containers.tag, [words, prose]
    )
    page_prose = np.maximum(1, batch.pages.totals(batch.prose))
    columns: Columns = {}
    for up, container in enumerate(batch.chain):
        size = np.maximum(1, words[container])
        columns |= {
            f"chain_words_{up}": words[container],
            f"chain_link_share_{up}": links[container] / size,
            f"chain_prose_share_{up}": prose[container] / page_prose,
            f"chain_prose_density_{up}": prose[container] / size,
            f"chain_lines_{up}": (containers.end_line - containers.first_line)[container],
            f"chain_siblings_{up}": siblings[container],
            f"chain_sibling_words_{up}": sibling_words[container],
            f"chain_sibling_prose_{up}": sibling_prose[container],
        }
    return columns


def signature_features(batch: Batch) -> Columns:
    """Lines of the page in containers of the same tag and class, in parents of the same."""
    own, above = (batch.containers.signature[batch.chain[up]] for up in range(2))
    linked = batch.link_words * 5 >= batch.words * 4
    pairs = (own * len(batch.containers.parent) + above) * 2 + linked
    count, means = _group_means(
        pairs,
        [
            batch.words,
            batch.link_words,
            batch.prose,
            batch.measures.ends_sentence.astype(np.int64),
            batch.measures.function_words,
        ],
    )
    names = ("words", "link_words", "prose", "sentence_ends", "function_words")
    columns: Columns = {f"alike_{name}": mean for name, mean in zip(names, means, strict=True)}
    page_prose = np.maximum(1, batch.pages.totals(batch.prose))
    columns["alike_lines"] = count
    columns["alike_prose_share"] = means[2] * count / page_prose
    return columns


def _dominant(batch: Batch, share: tuple[int, int]) -> Ints:
    """For each page its innermost container with at least a share of the page's prose."""
    containers = batch.containers
    prose = batch.inside(batch.prose)
    page_of_container = containers.page
    roots = np.searchsorted(page_of_container, np.arange(page_of_container[-1] + 1))
    holds = prose * share[1] >= prose[roots][page_of_container] * share[0]
    # A page without prose has no such container but itself.
    holds &= (prose > 0) | (containers.level == 0)
    rows = np.flatnonzero(holds)
    last = np.searchsorted(page_of_container[rows], np.arange(len(roots)), side="right") - 1
    return rows[last]


def dominant_features(batch: Batch, name: str, share: tuple[int, int]) -> Columns:
    """Where the line stands to the innermost container that holds most of the prose."""
    containers, here = batch.containers, np.arange(len(batch.lines))
    roots = _dominant(batch, share)
    root = roots[batch.lines.page]
    start, end = containers.first_line[root], containers.end_line[root]
    branch = containers.children_above(roots)[batch.at]
    words, links = batch.inside(batch.words), batch.inside(batch.link_words)
    prose = batch.inside(batch.prose)
    within = (here >= start) & (here < end)
    in_branch = branch >= 0
    size = np.maximum(1, words)
    columns = {
        "inside": within,
        "offset": np.where(here < start, here - start, np.where(within, 0, here - end + 1)),
        "level_below": containers.level[batch.at] - containers.level[root],
        "position": np.where(within, (here - start) / np.maximum(1, end - start), -1),
        "link_share": (links / size)[root],
        "prose_density": (prose / size)[root],
        "branch_words": np.where(in_branch, words[branch], -1),
        "branch_link_share": np.where(in_branch, (links / size)[branch], -1),
        "branch_prose_share": np.where(in_branch, prose[branch] / np.maximum(1, prose[root]), -1),
        "branch_tag": np.where(in_branch, containers.tag[branch], -1),
    }
    return {f"{name}_{column}": values for column, values in columns.items()}


def neighbour_features(batch: Batch) -> Iterator[tuple[str, NDArray[np.generic]]]:
    """Tag, links, size and level of the lines around, and whether they share the container."""
    here = np.arange(len(batch.lines))
    containers = batch.containers
    signature = containers.signature[batch.at]
    level = containers.level[batch.at]
    ends = batch.measures.ends_sentence
    for offset in NEIGHBOURS:
        there = here + offset
        exists = (there >= batch.pages.first) & (there < batch.pages.end)
        there = np.where(exists, there, here)
        values = {
            "tag": containers.tag[batch.at][there],
            "link_share": batch.link_share[there],
            "words": batch.words[there],
            "ends_sentence": ends[there],
            "level": level[there] - level,
            "same_container": batch.at[there] == batch.at,
            "alike": signature[there] == signature,
        }
        for name, column in values.items():
            yield f"beside_{offset}_{name}", np.where(exists, column, -MAX_LEVEL_STEP)


def _last_at_or_above(flags: Bools, pages: Pages) -> Ints:
    """The nearest flagged line at or above each line on its page, else -1."""
    seen = np.maximum.accumulate(np.where(flags, np.arange(len(flags)), -1))
    return np.where(seen >= pages.first, seen, -1)


def heading_features(batch: Batch) -> Columns:
    """The heading above the line: its level, its words, how far it is and whether it still rules."""
    here = np.arange(len(batch.lines))
    tags, levels = batch.containers.tag[batch.at], batch.containers.level[batch.at]
    words, lexicon = batch.words, batch.measures.lexicon
    furniture: Ints = np.sum([lexicon[name] for name in HEADING_CATEGORIES], axis=0, dtype=np.int64)
    heading: Ints = _last_at_or_above(batch.is_heading, batch.pages)
    known = heading >= 0
    first_title = _last_at_or_above(tags == TAG_NUMBERS["h1"], batch.pages)
    # Whether the line still lies in what holds the heading: its section is not over.
    parent = batch.containers.parent[batch.at]
    over = here >= batch.containers.end_line[parent[heading]]
    furniture_headings = batch.is_heading & (furniture > 0)
    return {
        "heading_tag": np.where(known, tags[heading], 0),
        "heading_words": np.where(known, words[heading], -1),
        "heading_furniture": np.where(known, furniture[heading], -1),
        "heading_distance": np.where(known, here - heading, FAR_AWAY),
        "heading_level": np.where(known, levels - levels[heading], -MAX_LEVEL_STEP),
        "heading_over": np.where(known, over, -1),
        "heading_since_title": np.where(first_title >= 0, here - first_title, -1),
        "heading_furniture_before": segment_sums(furniture_headings, batch.pages.first, here),
        "heading_before": segment_sums(batch.is_heading, batch.pages.first, here),
    }


def link_windows(batch: Batch) -> Columns:
    """Words in links and prose outside links, in the lines before and after."""
    linked = {
        "link_words": batch.link_words,
        "unlinked_prose": batch.prose,
        "links": batch.facts["links"],
    }
    return window_features(linked, batch.pages)


def tree_page_features(batch: Batch) -> Columns:
    """What kind of page the line stands on, by its tags and class names."""
    containers, pages = batch.containers, batch.pages
    page = batch.lines.page
    page_count = int(containers.page[-1]) + 1
    tags = np.bincount(containers.page * TAG_SPAN + containers.tag, minlength=page_count * TAG_SPAN)
    tags = tags.reshape(page_count, TAG_SPAN)
    columns: Columns = {f"tree_{tag}": tags[page, TAG_NUMBERS[tag]] for tag in COUNTED_TAGS}
    columns["tree_containers"] = np.bincount(containers.page)[page]
    columns["tree_link_share"] = pages.totals(batch.link_words) / pages.totals(batch.words)
    columns["tree_prose_share"] = pages.totals(batch.prose) / pages.totals(batch.words)
    columns["tree_images"] = pages.totals(batch.facts["images"])
    steps = batch.containers.steps_to_marks[batch.at]
    for name in PAGE_MARKS:
        marked = steps[:, MARKS.index(f"named_{name}")] < NO_SUCH_CONTAINER
        columns[f"tree_{name}"] = pages.totals(marked) / pages.size
    return columns


def whole_features(batch: Batch, linear: Ints) -> Columns:
    """Linear scores of the list, table or other container that a line is part of, as a whole."""
    lines_inside = np.maximum(1, batch.containers.end_line - batch.containers.first_line)
    sums = [batch.inside(linear[:, column]) for column in range(linear.shape[1])]
    columns: Columns = {}
    for up in range(1, CHAIN_LENGTH):
        at = batch.chain[up]
        for column, total in enumerate(sums):
            columns[f"whole_linear_{column}_{up}"] = (total / lines_inside)[at]
    own = batch.containers.signature[batch.at]
    _, means = _group_means(own, [*linear.T])
    columns |= {f"alike_linear_{number}": mean for number, mean in enumerate(means)}
    return columns


def tree_batch(
    trees: Sequence[PageTree], places: Ints, lines: Lines, measures: Measures, pages: Pages
) -> Batch:
    """The lines of a batch with the trees around them: one tree a page, in the order of the pages.

    `places`: where each scanned line stands among all lines of the trees, ascending.
    """
    assert len(NUMBERED_TAGS) < TAG_SPAN
    return Batch(lines, pages, measures, *join_trees(trees, places, lines))


def tree_features(batch: Batch, linear: Ints) -> tuple[list[str], Floats]:
    """Names of the features and their matrix, one row a scanned line (float32).

    `linear`: the scores of the linear model, a row a line.
    """
    columns: Columns = {
        **mark_features(batch),
        **block_features(batch),
        **chain_features(batch),
        **signature_features(batch),
        **dict(neighbour_features(batch)),
        **heading_features(batch),
        **link_windows(batch),
        **tree_page_features(batch),
        **whole_features(batch, linear),
    }
    for name, share in DOMINANT_SHARES.items():
        columns |= dominant_features(batch, name, share)
    matrix = np.empty((len(batch.lines), len(columns)), np.float32, order="F")
    for index, column in enumerate(columns.values()):
        matrix[:, index] = column
    return [*columns], matrix
