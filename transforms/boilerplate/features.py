"""Features of a line: itself, its neighbours, its page.

`line_features` turns scanned lines into a matrix, one row a line. Everything that is summed over
lines is an integer, so no feature depends on the batch a page is scored in, to the last bit.
The recipe follows boilerplate detection with shallow text features (Kohlschütter et al. 2010)
and windows over neighbouring lines as in Web2Text (Vogels et al. 2018).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from reinschrift.transforms.boilerplate.characters import Bools, CharClass, Floats, Hashes, Ints
from reinschrift.transforms.boilerplate.lexicons import (
    CATEGORIES,
    FURNITURE_CATEGORIES,
    LANES,
    load_lexicon,
    pair_hashes,
)
from reinschrift.transforms.boilerplate.lines import Lines, segment_sums

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_COUNTED_WORDS = 255
LONG_WORD_CHARS = 7
PROSE_WORDS = 8
LONG_PROSE_WORDS = 20
PROSE_FUNCTION_SHARE = 0.22
KNOWN_LANGUAGE_SHARE = 0.1
MIN_WORDS_FOR_LANGUAGE = 5
HEADING_WORDS = 7
DATE_LINE_WORDS = 12
WINDOW_RADII = (1, 3, 10, 40)
FAR_AWAY = 999
WORD_TRAITS = (
    *("capitalised", "all_caps", "number", "long"),
    *("sentence_start", "year", "time_or_version", "price"),
)
SHARE_CLASSES = (
    *(CharClass.UPPER, CharClass.OTHER_SCRIPT, CharClass.DIGIT, CharClass.STOP, CharClass.COMMA),
    *(CharClass.QUESTION, CharClass.COLON, CharClass.QUOTE, CharClass.DASH, CharClass.SEPARATOR),
    *(CharClass.BRACKET, CharClass.SYMBOL, CharClass.OTHER, CharClass.COPYRIGHT, CharClass.AT),
)
Columns = dict[str, NDArray[np.generic]]


@dataclass(frozen=True)
class Pages:
    """Where the page of each line begins and ends (line numbers, end exclusive)."""

    first: Ints
    end: Ints

    @classmethod
    def of(cls, page: Ints) -> Pages:
        """Pages of lines that are sorted by page."""
        starts = np.flatnonzero(np.diff(page, prepend=-1))
        sizes = np.diff(np.append(starts, len(page)))
        return cls(np.repeat(starts, sizes), np.repeat(starts + sizes, sizes))

    @property
    def size(self) -> Ints:
        """Lines of the page, for each line."""
        return self.end - self.first

    def totals(self, values: NDArray[np.generic]) -> Ints:
        """Page sums of an integer a line, for each line."""
        return segment_sums(values, self.first, self.end)

    def counts_of_equal(self, keys: Hashes) -> Ints:
        """How many other lines of the page have the same key."""
        # Not by multiples of the hash base: a page would look like the next letter of a word.
        mixed = pair_hashes(keys, self.first.astype(np.uint64))
        _, position, counts = np.unique(mixed, return_inverse=True, return_counts=True)
        return counts[position] - 1


def _unpacked(lanes: Hashes, lines: Lines) -> NDArray[np.uint8]:
    """Counts a line of the flags packed as bytes in `lanes` (words x lane groups)."""
    # Beyond 255 words a byte would overflow; the start of a line says enough.
    end_word = np.minimum(lines.end_word, lines.first_word + MAX_COUNTED_WORDS)
    totals = np.zeros((len(lanes) + 1, lanes.shape[1]), np.uint64)
    np.cumsum(lanes, axis=0, out=totals[1:])
    return (totals[end_word] - totals[lines.first_word]).view(np.uint8)


def _word_traits(lines: Lines) -> NDArray[np.uint8]:
    """A byte a word with one bit for each of `WORD_TRAITS`."""
    words = lines.words
    capitalised = words.first_class == CharClass.UPPER
    number = words.first_class == CharClass.DIGIT
    next_class, after_next = lines.class_at(words.end), lines.class_at(words.end + 1)
    previous, before_previous = lines.class_at(words.start - 1), lines.class_at(words.start - 2)
    ends_sentence = (before_previous == CharClass.STOP) | (before_previous == CharClass.QUESTION)
    joined = (next_class == CharClass.COLON) | (next_class == CharClass.STOP)
    first_code = lines.codes[words.start]
    currency = (previous == CharClass.CURRENCY) | (after_next == CharClass.CURRENCY)
    traits = (
        capitalised,
        capitalised & (words.length > 1) & (lines.class_at(words.start + 1) == CharClass.UPPER),
        number,
        words.length >= LONG_WORD_CHARS,
        capitalised & ends_sentence & (previous == CharClass.SPACE),
        number & (words.length == 4) & ((first_code == ord("1")) | (first_code == ord("2"))),
        number & joined & (after_next == CharClass.DIGIT),
        number & currency,
    )
    packed = np.zeros(len(words.start), np.uint8)
    for bit, trait in enumerate(traits):
        packed |= trait.astype(np.uint8) << np.uint8(bit)
    return packed


def _trait_lanes() -> Hashes:
    """For each byte of traits the same bits spread over the bytes of one integer."""
    values = np.arange(256, dtype=np.uint8)
    bits = (values[:, None] >> np.arange(LANES, dtype=np.uint8)) & 1
    return np.ascontiguousarray(bits).view(np.uint64)


TRAIT_LANES = _trait_lanes()


@dataclass(frozen=True)
class Measures:
    """Counts a line that several groups of features use; all integers, one a line."""

    words: Ints
    counted_words: Ints
    chars: Ints
    traits: Mapping[str, NDArray[np.uint8]]
    lexicon: Mapping[str, NDArray[np.uint8]]
    phrases: Ints
    function_words: Ints
    end_class: NDArray[np.uint8]
    bullet: Bools
    page_language_shares: Mapping[str, NDArray[np.float64]]

    @property
    def page_language_known(self) -> Bools:
        """Whether a lexicon covers the language of the page."""
        best = np.max(list(self.page_language_shares.values()), axis=0)
        return np.asarray(best >= KNOWN_LANGUAGE_SHARE, np.bool_)

    @property
    def ends_sentence(self) -> Bools:
        """Whether the line ends with a stop, a question or an exclamation mark."""
        ends: Bools = (self.end_class == CharClass.STOP) | (self.end_class == CharClass.QUESTION)
        return ends

    @property
    def furniture_words(self) -> Ints:
        """Words of the line that navigation, legal text, promotion and the like are made of."""
        total = np.zeros(len(self.words), np.int64)
        for name in FURNITURE_CATEGORIES:
            total += self.lexicon[name]
        return total


def _end_class(lines: Lines) -> NDArray[np.uint8]:
    """Class of the last character that is not a closing quote or bracket."""
    last = lines.classes[lines.end - 1]
    closing = (last == CharClass.QUOTE) | (last == CharClass.BRACKET)
    closing |= last == CharClass.APOSTROPHE
    inner = lines.classes[np.maximum(lines.end - 2, lines.start)]
    return np.where(closing, inner, last)


def _is_bullet(lines: Lines) -> Bools:
    first = lines.classes[lines.start]
    lone_o = lines.codes[lines.start] == ord("o")
    lone_o &= lines.class_at(lines.start + 1) == CharClass.SPACE
    bullet: Bools = (first == CharClass.SEPARATOR) | (first == CharClass.DASH) | lone_o
    return bullet


def measure_lines(lines: Lines, pages: Pages) -> Measures:
    """Count on each line what the features are made of."""
    lexicon = load_lexicon()
    sets = lexicon.flag_sets_of(lines.words.hash)
    lexicon_counts = _unpacked(lexicon.lanes[sets], lines)
    trait_counts = _unpacked(TRAIT_LANES[_word_traits(lines)], lines)
    named = {name: lexicon_counts[:, index] for index, name in enumerate(lexicon.flag_names)}
    hashes = lines.words.hash
    pairs = np.zeros(len(hashes), np.bool_)
    pairs[1:] = lexicon.are_phrases(hashes[:-1], hashes[1:])
    words = lines.word_count
    by_language = np.stack([named[code] for code in lexicon.languages]).astype(np.int64)
    telling = words >= MIN_WORDS_FOR_LANGUAGE
    text_words = np.maximum(1, pages.totals(words * telling))
    shares = {
        code: pages.totals(counts * telling) / text_words
        for code, counts in zip(lexicon.languages, by_language, strict=True)
    }
    return Measures(
        words=words,
        counted_words=np.minimum(words, MAX_COUNTED_WORDS),
        chars=lines.end - lines.start,
        traits={name: trait_counts[:, index] for index, name in enumerate(WORD_TRAITS)},
        lexicon=named,
        phrases=segment_sums(pairs, lines.first_word + 1, lines.end_word),
        function_words=by_language.max(axis=0),
        end_class=_end_class(lines),
        bullet=_is_bullet(lines),
        page_language_shares=shares,
    )


def is_prose(measures: Measures, counts: Ints) -> Bools:
    """Lines that read as running text, by function words or, failing a lexicon, by marks."""
    function_share = measures.function_words / measures.counted_words
    marks = counts[:, CharClass.STOP] + counts[:, CharClass.COMMA] + counts[:, CharClass.QUESTION]
    by_marks = (marks > 0) & measures.ends_sentence & ~measures.page_language_known
    return (measures.words >= PROSE_WORDS) & ((function_share > PROSE_FUNCTION_SHARE) | by_marks)


def own_features(lines: Lines, measures: Measures) -> Columns:
    """What a line shows without its page."""
    chars, words = measures.chars, measures.counted_words
    counts = lines.class_counts
    columns: Columns = {
        "line_words": measures.words,
        "line_chars": chars,
        "line_word_length": lines.sums_over_words(lines.words.length) / measures.words,
        "line_function_share": measures.function_words / words,
        "line_function_words": measures.function_words,
        "line_end_class": measures.end_class,
        "line_first_class": lines.classes[lines.start],
        "line_first_word_class": lines.words.first_class[lines.first_word],
        "line_bullet": measures.bullet,
        "line_commas": counts[:, CharClass.COMMA],
        "line_separators": counts[:, CharClass.SEPARATOR],
    }
    for char_class in SHARE_CLASSES:
        columns[f"line_{char_class.name.lower()}_share"] = counts[:, char_class] / chars
    for name in ("capitalised", "all_caps", "number", "long"):
        columns[f"line_{name}"] = measures.traits[name] / words
    for name in ("sentence_start", "year", "time_or_version", "price"):
        columns[f"line_{name}"] = measures.traits[name]
    return columns


def layout_features(lines: Lines, pages: Pages) -> Columns:
    """Indentation and blank lines around the line."""
    after = np.append(lines.blank_before[1:], 0)
    after[pages.end - 1 == np.arange(len(lines))] = 0
    return {
        "layout_indent": np.minimum(lines.indent, 12),
        "layout_blank_before": np.minimum(lines.blank_before, 3),
        "layout_blank_after": np.minimum(after, 3),
    }


def lexicon_features(measures: Measures) -> Columns:
    """Words and phrases that furniture is made of."""
    columns: Columns = {
        f"lexicon_{name}": measures.lexicon[name] / measures.counted_words
        for name in (*CATEGORIES, "pronouns")
    }
    columns["lexicon_phrases"] = measures.phrases
    columns["lexicon_furniture"] = measures.furniture_words / measures.counted_words
    return columns


def repeat_features(lines: Lines, pages: Pages) -> Columns:
    """Lines of the page that are the same, or begin with the same word."""
    return {
        "repeat_line": pages.counts_of_equal(lines.line_hash),
        "repeat_first_word": pages.counts_of_equal(lines.words.hash[lines.first_word]),
    }


def _summed_measures(lines: Lines, measures: Measures, linear: Ints) -> dict[str, Ints]:
    """Integers, one a line, that are summed over windows and pages."""
    words = measures.words
    prose = is_prose(measures, lines.class_counts)
    dated = (measures.traits["year"] > 0) | (measures.traits["time_or_version"] > 0)
    dated |= measures.lexicon["dates"] > 0
    sources: Columns = {
        "words": words,
        "prose": words * prose,
        "long_prose": words * (prose & (words >= LONG_PROSE_WORDS) & measures.ends_sentence),
        "sentence_end": measures.ends_sentence,
        "furniture": measures.furniture_words,
        "function": measures.function_words,
        "date": dated & (words < DATE_LINE_WORDS),
        "comment": measures.lexicon["comments"] > 0,
        "capitalised": measures.traits["capitalised"],
        "short": words < 4,
        "bullet": measures.bullet,
        "linear_words": linear[:, 0],
        "linear_chars": linear[:, 1],
    }
    return {name: values.astype(np.int64) for name, values in sources.items()}


def window_features(summed: Mapping[str, Ints], pages: Pages) -> Columns:
    """Means of integers, one a line, over the lines before and after, in windows of several sizes.

    Named after the window and what is summed, `before_3_words` and the like.
    """
    totals = {name: np.append(0, np.cumsum(values)) for name, values in summed.items()}
    here = np.arange(len(pages.first))
    columns: Columns = {}
    for radius in WINDOW_RADII:
        first = np.maximum(pages.first, here - radius)
        last = np.minimum(pages.end, here + 1 + radius)
        lines_before = np.maximum(1, here - first)
        lines_after = np.maximum(1, last - here - 1)
        for name, total in totals.items():
            columns[f"before_{radius}_{name}"] = (total[:-1] - total[first]) / lines_before
        for name, total in totals.items():
            columns[f"after_{radius}_{name}"] = (total[last] - total[1:]) / lines_after
    return columns


def page_features(summed: Mapping[str, Ints], measures: Measures, pages: Pages) -> Columns:
    """What kind of page the line stands on."""
    size = pages.size
    page_words = pages.totals(summed["words"])
    columns: Columns = {"page_lines": size, "page_words": page_words}
    for name in ("prose", "long_prose", "function", "furniture", "capitalised"):
        columns[f"page_{name}"] = pages.totals(summed[name]) / page_words
    for name in ("sentence_end", "date", "comment", "short", "bullet"):
        columns[f"page_{name}"] = pages.totals(summed[name]) / size
    for name in ("linear_words", "linear_chars"):
        columns[f"page_{name}"] = pages.totals(summed[name]) / size
        columns[f"page_{name}_positive"] = pages.totals(summed[name] > 0) / size
    # Gold labels are English, most weak ones German: the trees may treat the two apart.
    for code in ("en", "de"):
        columns[f"page_language_{code}"] = measures.page_language_shares[code]
    columns["page_pronouns"] = pages.totals(measures.lexicon["pronouns"]) / page_words
    columns["page_shop"] = pages.totals(measures.lexicon["shop"]) / page_words
    columns["page_price"] = pages.totals(measures.traits["price"] > 0) / size
    columns["page_question"] = pages.totals(measures.end_class == CharClass.QUESTION) / size
    columns["page_one_word"] = pages.totals(measures.words == 1) / size
    columns["page_words_a_line"] = measures.words * size / page_words
    return columns


def position_features(summed: Mapping[str, Ints], pages: Pages) -> Columns:
    """Where on the page the line stands, in lines, words and prose."""
    here = np.arange(len(pages.first))
    columns: Columns = {
        "position_share": (here - pages.first) / pages.size,
        "position_from_start": here - pages.first,
        "position_from_end": pages.end - 1 - here,
    }
    for name in ("words", "prose"):
        before = segment_sums(summed[name], pages.first, here)
        after = segment_sums(summed[name], here + 1, pages.end)
        columns[f"position_{name}_share"] = before / np.maximum(1, pages.totals(summed[name]))
        columns[f"position_{name}_before"] = before
        columns[f"position_{name}_after"] = after
    return columns


def _last_seen(flags: Bools, pages: Pages) -> Ints:
    """Lines since the last flagged line above on the page."""
    here = np.arange(len(flags))
    seen = np.maximum.accumulate(np.where(flags, here, -1))
    seen = np.concatenate([[-1], seen[:-1]]) if len(seen) else seen
    return np.where(seen >= pages.first, here - seen, FAR_AWAY)


def _next_seen(flags: Bools, pages: Pages) -> Ints:
    """Lines to the next flagged line below on the page."""
    here = np.arange(len(flags))
    beyond = len(flags) + FAR_AWAY
    seen = np.minimum.accumulate(np.where(flags, here, beyond)[::-1])[::-1]
    seen = np.concatenate([seen[1:], [beyond]]) if len(seen) else seen
    return np.where(seen < pages.end, seen - here, FAR_AWAY)


def _marker_features(name: str, flags: Bools, prose: Ints, pages: Pages) -> Columns:
    """Where the line stands to lines of one kind, and how much of the prose came before them."""
    here = np.arange(len(flags))
    before = segment_sums(flags, pages.first, here)
    ahead = _next_seen(flags, pages)
    # Seen from the first line of the page, the next marker is the page's first one.
    first_marker = np.minimum(
        pages.first + np.where(flags[pages.first], 0, ahead[pages.first]), pages.end
    )
    prose_before = segment_sums(prose, pages.first, first_marker)
    return {
        f"marker_{name}_above": _last_seen(flags, pages),
        f"marker_{name}_below": ahead,
        f"marker_{name}_before": before,
        f"marker_{name}_after": segment_sums(flags, here, pages.end),
        f"marker_{name}_since_first": here - first_marker,
        f"marker_{name}_prose_share": prose_before / np.maximum(1, pages.totals(prose)),
    }


def marker_features(summed: Mapping[str, Ints], measures: Measures, pages: Pages) -> Columns:
    """Where the line stands to the short lines after which pages turn into furniture."""
    lexicon = measures.lexicon
    heading = (measures.words <= HEADING_WORDS) & ~measures.ends_sentence
    markers = {
        "comments": heading & (lexicon["comments"] > 0),
        "teasers": heading & (lexicon["teasers"] > 0) & (measures.phrases > 0),
        "byline": (measures.words <= DATE_LINE_WORDS)
        & (lexicon["credits"] > 0)
        & (measures.traits["capitalised"] > 1),
        "promotion": heading & (lexicon["promotion"] + lexicon["social"] > 1),
        "legal": lexicon["legal"] >= 2,
    }
    columns: Columns = {}
    for name, flags in markers.items():
        columns.update(_marker_features(name, flags, summed["prose"], pages))
    return columns


def distance_features(summed: Mapping[str, Ints], pages: Pages) -> Columns:
    """Lines to the nearest prose, and how much long prose stands above and below."""
    here = np.arange(len(pages.first))
    columns: Columns = {}
    for name in ("prose", "long_prose"):
        flags = summed[name] > 0
        columns[f"distance_{name}_above"] = _last_seen(flags, pages)
        columns[f"distance_{name}_below"] = _next_seen(flags, pages)
        columns[f"distance_{name}_before"] = segment_sums(flags, pages.first, here)
        columns[f"distance_{name}_after"] = segment_sums(flags, here + 1, pages.end)
    return columns


def line_shapes(lines: Lines, measures: Measures) -> Ints:
    """A small number a line for its outer shape: size, case of its ends, last mark, bullet."""
    size = np.minimum(np.log2(np.minimum(measures.words, 1023)).astype(np.int64), 9)
    first = lines.words.first_class[lines.first_word].astype(np.int64)
    last = lines.words.first_class[lines.end_word - 1].astype(np.int64)
    shape = (size * 5 + first) * 5 + last
    return (shape * len(CharClass) + measures.end_class) * 2 + measures.bullet


def line_features(
    lines: Lines, measures: Measures, pages: Pages, linear: Ints
) -> tuple[list[str], Floats]:
    """Names of the features and their matrix, one row a line (float32).

    `linear` holds the two scores of the hashed linear model as integers (see `linear.py`).
    """
    summed = _summed_measures(lines, measures, linear)
    columns: Columns = {
        **own_features(lines, measures),
        **layout_features(lines, pages),
        **lexicon_features(measures),
        **repeat_features(lines, pages),
        **page_features(summed, measures, pages),
        **position_features(summed, pages),
        **distance_features(summed, pages),
        **marker_features(summed, measures, pages),
        "linear_words": linear[:, 0],
        "linear_chars": linear[:, 1],
        **window_features(summed, pages),
    }
    matrix = np.empty((len(lines), len(columns)), np.float32, order="F")
    for index, column in enumerate(columns.values()):
        matrix[:, index] = column
    return [*columns], matrix
