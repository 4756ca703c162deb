"""Sentences of a block: sentencex proposes ends, and rules kept per language correct them.

The base is `sentencex` (Wikimedia, MIT). It is fast, but breaks German ordinals
("19. Jahrhundert") and joins whatever stands between two quotation marks or brackets, however
far apart. So each *gap* (closing punctuation followed by white space) is judged again with the
data of `languages/<code>.toml`. A language without a file keeps the ends sentencex proposes.

All offsets are code points. Nothing is lost: what lies outside the spans is white space.
"""

from reinschrift.transforms.sentences.prefilter import (
    LANDMARK_PATTERN,
    POSSIBLE_PATTERN,
    RESTART_PATTERN,
)
from reinschrift.transforms.sentences.rules import (
    LanguageRuleError,
    SentenceRules,
    load_rules,
    read_rules,
)
from reinschrift.transforms.sentences.spans import sentence_ends, sentence_spans
from reinschrift.transforms.sentences.tables import SENTENCES_SCHEMA, WHOLE_KINDS, split_sentences

__all__ = [
    "LANDMARK_PATTERN",
    "POSSIBLE_PATTERN",
    "RESTART_PATTERN",
    "SENTENCES_SCHEMA",
    "WHOLE_KINDS",
    "LanguageRuleError",
    "SentenceRules",
    "load_rules",
    "read_rules",
    "sentence_ends",
    "sentence_spans",
    "split_sentences",
]
