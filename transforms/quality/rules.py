"""Quality signals of documents, measured over many documents at once, and the rules they fail.

What is measured, and where it was published, is the table in `transforms.quality.signals`. Where an
original assumes English, the words of the document's language are taken; a language without a list has
null there, and passes.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from reinschrift.transforms.boilerplate.lexicons import function_words
from reinschrift.transforms.languages import language_data
from reinschrift.transforms.quality.signals import (
    DUPLICATE_SIZES,
    RULES,
    SHORT_LINE_CHARS,
    SHORT_LINE_WORDS,
    SIGNALS,
    TOP_SIZES,
    Rule,
)
from reinschrift.transforms.text.repetition import (
    MAX_BATCH_DOCS,
    covered_chars,
    entropy,
    group_equal,
    repeated_ngrams,
    top_chars,
)
from reinschrift.transforms.text.tokens import (
    LETTER,
    NUMBER,
    STOP,
    STRICT_STOP,
    UPPER,
    Bools,
    Cores,
    Floats,
    Hashes,
    Ints,
    TextLines,
    Tokens,
    tokenise,
    word_hashes,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

BATCH_CHARS = 1 << 20
SIEVE_BITS = 16


def measure_documents(documents: pl.DataFrame) -> pl.DataFrame:
    """Add counts and quality signals.

    In: `text`, blocks one a line, and `language` (ISO 639). Out: the same rows with `n_chars`,
    `n_words` and a column for each of SIGNALS. A document's values depend on it alone.
    """
    sizes = documents["text"].str.len_chars()
    parts = [
        _measure_batch(documents[start:end].select("text", "language"))
        for start, end in cut_batches(sizes.to_numpy().astype(np.int64))
    ]
    measured = pl.concat([pl.DataFrame(schema=_MEASURED), *parts])
    return documents.with_columns(sizes.alias("n_chars"), *measured.get_columns())


_MEASURED = pl.Schema([("n_words", pl.UInt32), *((signal.name, signal.dtype) for signal in SIGNALS)])


def cut_batches(sizes: Ints) -> Iterator[tuple[int, int]]:
    """Runs of documents of about BATCH_CHARS: small enough for a cache, large enough for arrays."""
    part = np.cumsum(sizes) // BATCH_CHARS
    edges = np.flatnonzero(np.diff(part, prepend=-1)).tolist()
    for first, last in zip(edges, [*edges, len(sizes)][1:], strict=True):
        for start in range(first, last, MAX_BATCH_DOCS):
            yield start, min(start + MAX_BATCH_DOCS, last)


def _measure_batch(documents: pl.DataFrame) -> pl.DataFrame:
    tokens = tokenise(documents["text"])
    words = np.diff(tokens.word_bounds)
    values: dict[str, Ints | Floats | pl.Series] = {"n_words": words}
    for measure in (measure_words, measure_lines, measure_repetition):
        values |= measure(tokens)
    values |= measure_language(tokens.cores, documents["language"])
    values |= measure_phrases(documents, words)
    columns = [pl.Series(name, values[name]).cast(dtype) for name, dtype in _MEASURED.items()]
    return pl.DataFrame(columns)


def _share(part: Ints, whole: Ints) -> Floats:
    """One division at the end of integers; nothing of nothing is 0."""
    return part / np.maximum(whole, 1)


def measure_words(tokens: Tokens) -> dict[str, Ints | Floats]:
    """Signals of characters and words, one value a document."""
    words = np.diff(tokens.word_bounds)
    chars = tokens.doc_end - tokens.doc_start
    letters = tokens.per_word(LETTER)
    is_core = tokens.core_chars > 0
    cores = tokens.words_where(is_core)
    core_chars = tokens.per_doc(LETTER) + tokens.per_doc(NUMBER)
    is_capital = (letters > 0) & (tokens.per_word(UPPER) == letters)
    return {
        "gopher_word_count": cores,
        "gopher_mean_word_length": _share(core_chars, cores),
        "gopher_alpha_word_fraction": _share(tokens.words_where(letters > 0), words),
        "rps_doc_frac_all_caps_words": _share(tokens.words_where(is_capital), words),
        "rps_lines_numerical_chars_fraction": _share(tokens.per_doc(NUMBER), chars),
        "rps_lines_uppercase_letter_fraction": _share(tokens.per_doc(UPPER), chars),
        "fineweb_newline_word_ratio": _share(_count_breaks(tokens), words),
    }


def _count_breaks(tokens: Tokens) -> Ints:
    breaks = np.flatnonzero(tokens.codes == ord("\n"))
    return np.searchsorted(breaks, tokens.doc_end) - np.searchsorted(breaks, tokens.doc_start)


def measure_lines(tokens: Tokens) -> dict[str, Ints | Floats]:
    """Signals of lines that are not blank, one value a document."""
    lines: TextLines = tokens.find_lines()
    every = np.bincount(lines.doc, minlength=tokens.n_docs)
    groups, _ = group_equal(lines.doc, lines.hash)
    again = np.bincount(groups.doc, groups.count - 1, minlength=tokens.n_docs).astype(np.int64)
    again_chars = (groups.count - 1) * lines.chars[groups.place]
    chars_again = np.bincount(groups.doc, again_chars, minlength=tokens.n_docs).astype(np.int64)
    shares = {
        "gopher_bullet_line_fraction": lines.is_bulleted,
        "gopher_ellipsis_line_fraction": lines.ends_in_ellipsis,
        "c4_terminal_punctuation_line_fraction": lines.last_is(STRICT_STOP) & ~lines.ends_in_ellipsis,
        "c4_short_line_fraction": lines.words < SHORT_LINE_WORDS,
        "fineweb_line_punct_fraction": lines.last_is(STOP),
        "fineweb_short_line_fraction": lines.chars <= SHORT_LINE_CHARS,
    }
    return {
        **{name: _share(lines.count(chosen), every) for name, chosen in shares.items()},
        "gopher_dup_line_fraction": _share(again, every),
        "gopher_dup_line_char_fraction": _share(
            chars_again, np.bincount(lines.doc, lines.chars, minlength=tokens.n_docs).astype(np.int64)
        ),
    }


def measure_repetition(tokens: Tokens) -> dict[str, Ints | Floats]:
    """Signals of words and runs of words that occur more than once, one value a document."""
    words = tokens.cores
    groups, is_repeated = group_equal(words.doc, words.hash)
    totals = np.bincount(words.doc, minlength=words.n_docs)
    distinct = np.bincount(groups.doc, minlength=words.n_docs)
    chars = tokens.per_doc(LETTER) + tokens.per_doc(NUMBER)
    values: dict[str, Ints | Floats] = {
        "rps_doc_frac_unique_words": _share(distinct, totals),
        "rps_doc_unigram_entropy": entropy(groups, totals),
    }
    for found in repeated_ngrams(words, is_repeated, DUPLICATE_SIZES[-1]):
        if found.n in TOP_SIZES:
            top = np.minimum(top_chars(found, words), chars)
            values[f"gopher_top_{found.n}_gram_char_fraction"] = _share(top, chars)
        else:
            share = _share(covered_chars(found, words), chars)
            values[f"gopher_dup_{found.n}_gram_char_fraction"] = share
    return values


def measure_language(words: Cores, languages: pl.Series) -> dict[str, pl.Series]:
    """What is counted with a list of words of the document's language; null without one."""
    totals = np.bincount(words.doc, minlength=words.n_docs)
    shares: list[tuple[Bools, Ints | Floats]] = []
    counts: list[tuple[Bools, Ints | Floats]] = []
    for language in languages.unique().drop_nulls().to_list():
        is_document = (languages == language).fill_null(value=False).to_numpy()
        rows = np.flatnonzero(is_document[words.doc])
        docs, hashes = words.doc[rows], words.hash[rows]
        common, frequent = _function_hashes(language), _frequent_hashes(language)
        if len(common):
            found = _among(hashes, common) >= 0
            hits = np.bincount(docs[found], minlength=words.n_docs)
            shares.append((is_document, _share(hits, totals)))
        if len(frequent):
            which = _among(hashes, frequent)
            pairs = np.unique(docs[which >= 0] * len(frequent) + which[which >= 0])
            distinct = np.bincount(pairs // len(frequent), minlength=words.n_docs)
            counts.append((is_document, distinct))
    return {
        "rps_doc_stop_word_fraction": _with_nulls(shares, words.n_docs),
        "gopher_stop_word_count": _with_nulls(counts, words.n_docs),
    }


def _with_nulls(parts: list[tuple[Bools, Ints | Floats]], height: int) -> pl.Series:
    """The values of each part where it applies, null where none does."""
    values, known = np.zeros(height), np.zeros(height, np.bool_)
    for applies, part in parts:
        values[applies] = part[applies]
        known |= applies
    return pl.Series(values).set(pl.Series(~known), None)


def _among(hashes: Hashes, chosen: Hashes) -> Ints:
    """The place of each hash in the sorted `chosen`; -1 where it is none of them."""
    likely = np.zeros(1 << SIEVE_BITS, np.bool_)
    shift = np.uint64(64 - SIEVE_BITS)
    likely[chosen >> shift] = True
    places = np.full(len(hashes), -1, np.int64)
    rows = np.flatnonzero(likely[hashes >> shift])
    at = np.minimum(np.searchsorted(chosen, hashes[rows]), len(chosen) - 1)
    is_equal = chosen[at] == hashes[rows]
    places[rows[is_equal]] = at[is_equal]
    return places


@cache
def _function_hashes(language: str) -> Hashes:
    return np.unique(word_hashes(function_words(language)))


@cache
def _frequent_hashes(language: str) -> Hashes:
    return np.unique(word_hashes(_quality_data(language, "stop_words")))


def _quality_data(language: str, key: str) -> list[str]:
    """A list of the language's file; empty where it has none."""
    found: list[str] = language_data(language).get("quality", {}).get(key, [])
    return found


def measure_phrases(documents: pl.DataFrame, words: Ints) -> dict[str, pl.Series]:
    """What is found by its letters."""
    texts = documents["text"]
    hashes, dots, marks, brackets = (
        texts.str.count_matches(mark, literal=True).cast(pl.Int64) for mark in ("#", "...", "…", "{")
    )
    per_word = pl.Series(np.maximum(words, 1))
    return {
        "gopher_hash_word_ratio": hashes / per_word,
        "gopher_ellipsis_word_ratio": (dots + marks) / per_word,
        "rps_doc_symbol_to_word_ratio": (hashes + dots + marks) / per_word,
        "c4_curly_bracket_count": brackets,
        "c4_lorem_ipsum_count": _count_where(texts, ["lorem ipsum"], "(?i)lorem ipsum"),
        "c4_javascript_line_count": _count_where(texts, ["javascript"], "(?im)^.*javascript.*$"),
        "c4_policy_line_count": _policy_lines(documents),
    }


def _count_where(texts: pl.Series, needles: list[str], pattern: str) -> pl.Series:
    """Matches of `pattern`, looked for only in texts that hold one of the needles in any case."""
    rows = texts.str.contains_any(needles, ascii_case_insensitive=True).arg_true()
    counts = np.zeros(len(texts), np.int64)
    counts[rows.to_numpy()] = texts.gather(rows).str.count_matches(pattern).to_numpy()
    return pl.Series(counts)


def _policy_lines(documents: pl.DataFrame) -> pl.Series:
    parts: list[tuple[Bools, Ints | Floats]] = []
    for language in documents["language"].unique().drop_nulls().to_list():
        phrases = _quality_data(language, "policy_phrases")
        if phrases:
            is_language = (documents["language"] == language).fill_null(value=False)
            counts = np.zeros(documents.height, np.int64)
            pattern = "(?im)^.*(?:" + "|".join(map(re.escape, phrases)) + ").*$"
            texts = documents["text"].filter(is_language)
            counts[is_language.to_numpy()] = _count_where(texts, phrases, pattern).to_numpy()
            parts.append((is_language.to_numpy(), counts))
    return _with_nulls(parts, documents.height)


def quality_flags(profiles: Sequence[str]) -> pl.Expr:
    """The names of the rules of these profiles that a document fails, in the order of RULES."""
    failed = [
        pl.when(_fails(rule)).then(pl.lit(rule.name)) for rule in RULES if rule.profile in profiles
    ]
    return pl.concat_list(failed).list.drop_nulls()


def _fails(rule: Rule) -> pl.Expr:
    column = pl.col(rule.column)
    too_low = column < pl.lit(rule.low, pl.Float32) if rule.low is not None else pl.lit(value=False)
    too_high = column > pl.lit(rule.high, pl.Float32) if rule.high is not None else pl.lit(value=False)
    return (too_low | too_high).fill_null(value=False)
