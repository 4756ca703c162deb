"""Signals of a document's quality and the rules made of them, by their published names: the table.

Each says what it measures, where that was published, and between which values a document passes.
docs/quality.md prints it. `transforms.quality.rules` measures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterator

GOPHER = "Rae et al. 2021, Scaling Language Models, arXiv:2112.11446, appendix A.1.1 and table A1"
C4 = "Raffel et al. 2020, Exploring the Limits of Transfer Learning, JMLR 21(140), section 2.2"
FINEWEB = "Penedo et al. 2024, The FineWeb Datasets, arXiv:2406.17557, section 3.5"
REDPAJAMA = "Weber et al. 2024, RedPajama, arXiv:2411.12372, appendix; the names are those of its data"

PROFILES = ("gopher", "c4", "fineweb")
SHORT_LINE_CHARS = 30
SHORT_LINE_WORDS = 3
TOP_SIZES = (2, 3, 4)
DUPLICATE_SIZES = (5, 6, 7, 8, 9, 10)


@dataclass(frozen=True)
class Signal:
    """One column of `documents`: what it measures, who published it, under which other names."""

    name: str
    meaning: str
    source: str
    also: str = ""
    by_language: bool = False

    @property
    def dtype(self) -> pl.DataType:
        """Counts are whole numbers."""
        return pl.UInt32() if self.name.endswith("_count") else pl.Float32()


@dataclass(frozen=True)
class Rule:
    """One rule of a profile: a document passes with `low` <= column <= `high`, or where it is null."""

    name: str
    profile: str
    column: str
    low: float | None = None
    high: float | None = None


def _repetition_signals() -> Iterator[Signal]:
    for n in TOP_SIZES:
        yield Signal(
            f"gopher_top_{n}_gram_char_fraction",
            f"share of the letters and digits in copies of the most frequent run of {n} words",
            GOPHER,
            f"rps_doc_frac_chars_top_{n}gram",
        )
    for n in DUPLICATE_SIZES:
        yield Signal(
            f"gopher_dup_{n}_gram_char_fraction",
            f"share of the letters and digits within any run of {n} words that occurs twice",
            GOPHER,
            f"rps_doc_frac_chars_dupe_{n}grams",
        )


SIGNALS = (
    Signal("gopher_word_count", "words with a letter or digit", GOPHER, "rps_doc_word_count"),
    Signal(
        "gopher_mean_word_length",
        "letters and digits of such a word, on average",
        GOPHER,
        "rps_doc_mean_word_length",
    ),
    Signal("gopher_hash_word_ratio", "# a word", GOPHER),
    Signal("gopher_ellipsis_word_ratio", "ellipses (… or three full stops) a word", GOPHER),
    Signal(
        "gopher_bullet_line_fraction",
        "share of lines that begin with a bullet",
        GOPHER,
        "rps_lines_start_with_bulletpoint",
    ),
    Signal(
        "gopher_ellipsis_line_fraction",
        "share of lines that end in an ellipsis",
        GOPHER,
        "rps_doc_frac_lines_end_with_ellipsis",
    ),
    Signal(
        "gopher_alpha_word_fraction",
        "share of words with a letter",
        GOPHER,
        "1 - rps_doc_frac_no_alph_words",
    ),
    Signal(
        "gopher_stop_word_count",
        "how many of eight very frequent words occur at all",
        GOPHER,
        by_language=True,
    ),
    Signal("gopher_dup_line_fraction", "share of lines that stood before in the document", GOPHER),
    Signal(
        "gopher_dup_line_char_fraction",
        "share of characters in lines that stood before in the document",
        GOPHER,
        "FineWeb's fraction of characters in duplicated lines",
    ),
    *_repetition_signals(),
    Signal(
        "c4_terminal_punctuation_line_fraction",
        "share of lines that end in . ! ? or a quotation mark, and not in an ellipsis",
        C4,
    ),
    Signal("c4_short_line_fraction", f"share of lines of fewer than {SHORT_LINE_WORDS} words", C4),
    Signal("c4_javascript_line_count", "lines with the word Javascript", C4),
    Signal("c4_policy_line_count", "lines that speak of cookies or terms of use", C4, by_language=True),
    Signal("c4_lorem_ipsum_count", "occurrences of lorem ipsum", C4, "rps_doc_lorem_ipsum"),
    Signal("c4_curly_bracket_count", "opening curly brackets", C4, "rps_doc_curly_bracket"),
    Signal(
        "fineweb_line_punct_fraction",
        "share of lines that end in any mark that ends a sentence, of any script",
        FINEWEB,
        "rps_lines_ending_with_terminal_punctution_mark",
    ),
    Signal(
        "fineweb_short_line_fraction",
        f"share of lines of at most {SHORT_LINE_CHARS} characters",
        FINEWEB,
    ),
    Signal("fineweb_newline_word_ratio", "line breaks a word", FINEWEB),
    Signal(
        "rps_doc_stop_word_fraction",
        "share of words that are function words",
        REDPAJAMA,
        by_language=True,
    ),
    Signal("rps_doc_frac_unique_words", "different words by words", REDPAJAMA),
    Signal("rps_doc_unigram_entropy", "entropy of the distribution of words, in nats", REDPAJAMA),
    Signal("rps_doc_frac_all_caps_words", "share of words whose letters are all capitals", REDPAJAMA),
    Signal("rps_doc_symbol_to_word_ratio", "# and ellipses a word", REDPAJAMA),
    Signal(
        "rps_lines_numerical_chars_fraction",
        "share of characters that are digits, over the whole document",
        REDPAJAMA,
    ),
    Signal(
        "rps_lines_uppercase_letter_fraction",
        "share of characters that are capitals, over the whole document",
        REDPAJAMA,
    ),
)

RULES = (
    Rule("gopher_word_count", "gopher", "gopher_word_count", 50, 100_000),
    Rule("gopher_mean_word_length", "gopher", "gopher_mean_word_length", 3, 10),
    Rule("gopher_hash_word_ratio", "gopher", "gopher_hash_word_ratio", high=0.1),
    Rule("gopher_ellipsis_word_ratio", "gopher", "gopher_ellipsis_word_ratio", high=0.1),
    Rule("gopher_bullet_line_fraction", "gopher", "gopher_bullet_line_fraction", high=0.9),
    Rule("gopher_ellipsis_line_fraction", "gopher", "gopher_ellipsis_line_fraction", high=0.3),
    Rule("gopher_alpha_word_fraction", "gopher", "gopher_alpha_word_fraction", low=0.8),
    Rule("gopher_stop_word_count", "gopher", "gopher_stop_word_count", low=2),
    Rule("gopher_dup_line_fraction", "gopher", "gopher_dup_line_fraction", high=0.3),
    Rule("gopher_dup_line_char_fraction", "gopher", "gopher_dup_line_char_fraction", high=0.2),
    *(
        Rule(name, "gopher", name, high=high)
        for name, high in zip(
            (signal.name for signal in _repetition_signals()),
            (0.20, 0.18, 0.16, 0.15, 0.14, 0.13, 0.12, 0.11, 0.10),
            strict=True,
        )
    ),
    Rule("c4_sentence_count", "c4", "n_sentences", low=5),
    Rule("c4_lorem_ipsum_count", "c4", "c4_lorem_ipsum_count", high=0),
    Rule("c4_curly_bracket_count", "c4", "c4_curly_bracket_count", high=0),
    Rule("fineweb_line_punct_fraction", "fineweb", "fineweb_line_punct_fraction", low=0.12),
    Rule("fineweb_dup_line_char_fraction", "fineweb", "gopher_dup_line_char_fraction", high=0.1),
    Rule("fineweb_short_line_fraction", "fineweb", "fineweb_short_line_fraction", high=0.67),
    Rule("fineweb_newline_word_ratio", "fineweb", "fineweb_newline_word_ratio", high=0.3),
)
