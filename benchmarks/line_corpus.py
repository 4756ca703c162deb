"""Labels of the lines of a page, from its main text or from what two extractors make of it.

1 content   0 furniture   c content, doubtful   b furniture, doubtful   - not scored
s must stay, by hand   g must go, by hand
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any

from lxml import etree
from lxml import html as lxml_html
from rapidfuzz.distance import LCSseq

if TYPE_CHECKING:
    from collections.abc import Sequence

# A character of a script that writes no spaces is a word of its own.
UNSPACED = r"\u0e00-\u0eff\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff"
WORD = re.compile(rf"[{UNSPACED}]|[^\W{UNSPACED}]+")
SPACES = re.compile(r"\s+")
BLOCK_TAGS = frozenset(
    """address article aside blockquote body br button center dd details dialog div dl dt fieldset
    figcaption figure footer form h1 h2 h3 h4 h5 h6 header hgroup hr legend li main menu nav ol
    option p pre section select summary table tbody td tfoot th thead title tr ul""".split()  # noqa: SIM905
)
HIDDEN_TAGS = frozenset(
    "script style noscript template svg head iframe object math textarea".split()  # noqa: SIM905
)
MIN_WORDS_FOR_CONTAINMENT = 5
CONTAINMENT = 0.7
Row = dict[str, Any]


def words(text: str | None) -> list[str]:
    """The lower-cased words of a text, as the scorers count them."""
    return WORD.findall((text or "").lower())


def unit_hash(key: str) -> float:
    """A number in [0, 1) that depends on nothing but the key."""
    return int(hashlib.sha1(key.encode(), usedforsecurity=False).hexdigest()[:8], 16) / 2**32


# --- flatteners -------------------------------------------------------------------------------


def flatten_with_lxml(html: str) -> str:
    """One line a block element, spaces collapsed, no blank lines."""
    parser = lxml_html.HTMLParser(encoding="utf-8", huge_tree=True)
    root = lxml_html.document_fromstring(html.encode("utf-8", "replace"), parser=parser)
    parts: list[str] = []
    for event, element in etree.iterwalk(root, events=("start", "end", "comment", "pi")):
        if any(ancestor.tag in HIDDEN_TAGS for ancestor in element.iterancestors()):
            continue
        visible = isinstance(element.tag, str) and element.tag not in HIDDEN_TAGS
        if visible and element.tag in BLOCK_TAGS:
            parts.append("\n")
        if event == "start" and visible:
            parts.append(SPACES.sub(" ", element.text or ""))
        elif event != "start":
            parts.append(SPACES.sub(" ", element.tail or ""))
    lines = (SPACES.sub(" ", line).strip() for line in "".join(parts).split("\n"))
    return "\n".join(line for line in lines if line)


# --- labels -----------------------------------------------------------------------------------


def aligned(page_words: Sequence[str], gold_words: Sequence[str]) -> list[int]:
    """For each word of the page its partner in the longest common subsequence, else -1."""
    numbers: dict[str, int] = {}
    page_ids = [numbers.setdefault(word, len(numbers)) for word in page_words]
    gold_ids = [numbers.setdefault(word, len(numbers)) for word in gold_words]
    partner = [-1] * len(page_ids)
    for piece in LCSseq.opcodes(page_ids, gold_ids):
        if piece.tag == "equal":
            partner[piece.src_start : piece.src_end] = range(piece.dest_start, piece.dest_end)
    return partner


def _covered(line_words: list[str], gold_trigrams: set[tuple[str, str, str]]) -> float:
    """Share of the words of a line that lie in a trigram of the gold text."""
    inside = [False] * len(line_words)
    for start, trigram in enumerate(zip(line_words, line_words[1:], line_words[2:], strict=False)):
        if trigram in gold_trigrams:
            inside[start : start + 3] = [True] * 3
    return sum(inside) / len(line_words)


def label_lines(lines: Sequence[str], gold_text: str) -> str:
    """Labels of a page's lines by alignment with its main text: one of `1`, `0`, `-` a line.

    A long line is content if most of its words align closely together or stand in the gold text
    in the same order; a short one only if all of it aligns in one piece, or it is a gold line.
    """
    line_words = [words(line) for line in lines]
    gold_words = words(gold_text)
    gold_lines = {tuple(words(line)) for line in gold_text.split("\n")}
    trigrams = set(zip(gold_words, gold_words[1:], gold_words[2:], strict=False))
    partner = aligned([word for line in line_words for word in line], gold_words)
    labels: list[str] = []
    start = 0
    for line in line_words:
        count = len(line)
        hits = [index for index in partner[start : start + count] if index >= 0]
        start += count
        if not count:
            labels.append("-")
        elif count >= MIN_WORDS_FOR_CONTAINMENT:
            together = len(hits) >= CONTAINMENT * count and hits[-1] - hits[0] <= 2 * count + 10
            labels.append("1" if together or _covered(line, trigrams) >= CONTAINMENT else "0")
        else:
            whole = len(hits) == count and hits[-1] - hits[0] == count - 1
            listed = len(hits) >= count / 2 and tuple(line) in gold_lines
            labels.append("1" if whole or listed else "0")
    return "".join(labels)


def weak_labels(lines: Sequence[str], extracted: str, second: str, row: Row) -> str:
    """Labels of a page without gold text: trafilatura's, doubtful where readability differs.

    What the snippets of the set say about a line overrides both.
    """
    first_labels, second_labels = label_lines(lines, extracted), label_lines(lines, second)
    must_stay = [words(snippet) for snippet in row["with_"]]
    must_go = [words(snippet) for snippet in row["without"]]
    merged: list[str] = []
    for line, label, other in zip(lines, first_labels, second_labels, strict=True):
        line_words = words(line)
        if label == "-":
            merged.append("-")
        elif any(_contains(line_words, snippet) for snippet in must_stay):
            merged.append("s")
        elif any(_contains(line_words, snippet) for snippet in must_go):
            merged.append("g")
        elif label == other:
            merged.append(label)
        else:
            merged.append("c" if label == "1" else "b")
    return "".join(merged)


def _contains(line_words: list[str], snippet: list[str]) -> bool:
    return bool(snippet) and f" {' '.join(snippet)} " in f" {' '.join(line_words)} "
