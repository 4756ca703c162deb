"""Quality signals against a plain reading of their definitions, one document at a time."""

from __future__ import annotations

import gc
import math
from collections import Counter
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reinschrift.transforms.boilerplate.lexicons import function_words
from reinschrift.transforms.languages import language_data
from reinschrift.transforms.quality import rules as quality
from reinschrift.transforms.quality.rules import measure_documents, quality_flags
from reinschrift.transforms.quality.signals import PROFILES, RULES, SIGNALS
from reinschrift.transforms.text.tokens import (
    BULLET_MARKS,
    BULLETS,
    OTHER_STOPS,
    STRICT_STOPS,
    TextLines,
    Tokens,
)

DOCS = Path(__file__).parents[2] / "docs" / "quality.md"
WORDS = (
    "der", "die", "und", "Haus", "HAUS", "the", "of", "and", "a", "e\u0301a", "3.15", "42", "-", "•",
    "#", "...", "…", "Ende.", "Ende!“", "{x}", "Lorem", "ipsum", "JavaScript", "cookies", "uses",
    "verwendet", "Cookies", "日本", "😀", "don't", "\u00a0",
)  # fmt: skip
texts = st.lists(st.sampled_from(WORDS), min_size=1, max_size=60).flatmap(
    lambda words: st.lists(
        st.sampled_from([" ", " ", " ", "\n", "\n", "\t"]), min_size=len(words), max_size=len(words)
    ).map(lambda gaps: "".join(w + g for w, g in zip(words, gaps, strict=True)))
)


def frame(*texts: str, language: str = "de") -> pl.DataFrame:
    return pl.DataFrame(
        {"text": texts, "language": [language] * len(texts)},
        schema={"text": pl.String, "language": pl.String},
    )


def core(word: str) -> str:
    return "".join(c.lower() for c in word if c.isalnum() or c == "\u0301")


def share(part: int, whole: int) -> float:
    return part / max(whole, 1)


def is_bulleted(line: str) -> bool:
    return line[0] in BULLETS or (line[0] in BULLET_MARKS and not line[1:2].strip())


def ngrams(words: list[str], n: int) -> list[tuple[str, ...]]:
    return [tuple(words[at : at + n]) for at in range(len(words) - n + 1)]


def top_share(words: list[str], n: int) -> float:
    counts = Counter(ngrams(words, n)).items()
    best = max(((count, len("".join(gram))) for gram, count in counts if count > 1), default=(0, 0))
    chars = len("".join(words))
    return share(min(best[0] * best[1], chars), chars)


def covered_share(words: list[str], n: int) -> float:
    grams = ngrams(words, n)
    counts = Counter(grams)
    covered = {at + k for at, gram in enumerate(grams) if counts[gram] > 1 for k in range(n)}
    return share(sum(len(words[at]) for at in covered), len("".join(words)))


def measured_plainly(text: str, language: str) -> dict[str, float | None]:
    raw = text.split()
    words = [core(word) for word in raw if core(word)]
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    counts = Counter(words)
    seen: set[str] = set()
    again = [line for line in lines if line in seen or seen.add(line)]  # type: ignore[func-returns-value]
    ellipses = [line.endswith(("...", "…")) for line in lines]
    data = language_data(language).get("quality", {})
    common = {core(word) for word in function_words(language)}
    policies = [p.lower() for p in data.get("policy_phrases", [])]
    total = len(words)
    return {
        "n_words": len(raw),
        "gopher_word_count": total,
        "gopher_mean_word_length": share(sum(map(len, words)), total),
        "gopher_hash_word_ratio": share(text.count("#"), len(raw)),
        "gopher_ellipsis_word_ratio": share(text.count("...") + text.count("…"), len(raw)),
        "gopher_bullet_line_fraction": share(sum(map(is_bulleted, lines)), len(lines)),
        "gopher_ellipsis_line_fraction": share(sum(ellipses), len(lines)),
        "gopher_alpha_word_fraction": share(sum(any(c.isalpha() for c in w) for w in raw), len(raw)),
        "gopher_stop_word_count": len(set(words) & set(data["stop_words"])) if data else None,
        "gopher_dup_line_fraction": share(len(again), len(lines)),
        "gopher_dup_line_char_fraction": share(len("".join(again)), len("".join(lines))),
        **{f"gopher_top_{n}_gram_char_fraction": top_share(words, n) for n in (2, 3, 4)},
        **{f"gopher_dup_{n}_gram_char_fraction": covered_share(words, n) for n in range(5, 11)},
        "c4_terminal_punctuation_line_fraction": share(
            sum(li[-1] in STRICT_STOPS and not e for li, e in zip(lines, ellipses, strict=True)),
            len(lines),
        ),
        "c4_short_line_fraction": share(sum(len(line.split()) < 3 for line in lines), len(lines)),
        "c4_javascript_line_count": sum("javascript" in line.lower() for line in lines),
        "c4_policy_line_count": (
            sum(any(p in line.lower() for p in policies) for line in text.split("\n")) if data else None
        ),
        "c4_lorem_ipsum_count": text.lower().count("lorem ipsum"),
        "c4_curly_bracket_count": text.count("{"),
        "fineweb_line_punct_fraction": share(
            sum(line[-1] in STRICT_STOPS + OTHER_STOPS for line in lines), len(lines)
        ),
        "fineweb_short_line_fraction": share(sum(len(line) <= 30 for line in lines), len(lines)),
        "fineweb_newline_word_ratio": share(text.count("\n"), len(raw)),
        "rps_doc_stop_word_fraction": share(sum(w in common for w in words), total) if common else None,
        "rps_doc_frac_unique_words": share(len(counts), total),
        "rps_doc_unigram_entropy": -sum(c / total * math.log(c / total) for c in counts.values()),
        "rps_doc_frac_all_caps_words": share(
            sum(w.upper() == w and any(c.isalpha() and c.isupper() for c in w) for w in raw), len(raw)
        ),
        "rps_doc_symbol_to_word_ratio": share(
            text.count("#") + text.count("...") + text.count("…"), len(raw)
        ),
        "rps_lines_numerical_chars_fraction": share(sum(c.isnumeric() for c in text), len(text)),
        "rps_lines_uppercase_letter_fraction": share(sum(c.isupper() for c in text), len(text)),
    }


@given(st.lists(texts, min_size=1, max_size=5), st.sampled_from(["de", "en", "xx"]))
@settings(max_examples=200, deadline=None)
def test_signals_are_what_their_definitions_say(documents: list[str], language: str) -> None:
    found = measure_documents(frame(*documents, language=language))
    for text, row in zip(documents, found.iter_rows(named=True), strict=True):
        expected = measured_plainly(text, language)
        assert set(expected) - {"n_words"} == {signal.name for signal in SIGNALS}
        for name, value in expected.items():
            is_close = value is None or pytest.approx(value, rel=1e-5, abs=1e-6) == row[name]
            assert is_close, (name, value, row[name])
            assert (row[name] is None) == (value is None), name


@given(st.lists(texts, min_size=2, max_size=8), st.integers(1, 40))
@settings(max_examples=60, deadline=None)
def test_a_document_is_measured_alike_in_any_batch(documents: list[str], chars: int) -> None:
    whole = measure_documents(frame(*documents))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quality, "BATCH_CHARS", chars)
        assert measure_documents(frame(*documents)).equals(whole)
    assert measure_documents(frame(*documents[::-1])).reverse().equals(whole)


def test_no_documents_and_empty_ones_are_measured() -> None:
    assert measure_documents(frame()).height == 0
    empty = measure_documents(frame("", " \n "))
    assert empty["gopher_word_count"].to_list() == [0, 0]
    assert empty["rps_doc_unigram_entropy"].to_list() == [0.0, 0.0]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_each_rule_fails_beyond_its_threshold_alone(rule: quality.Rule) -> None:
    for bound, step in ((rule.low, -1), (rule.high, 1)):
        if bound is None:
            continue
        values = pl.Series([bound, bound + step * 0.01 * max(abs(bound), 1), None], dtype=pl.Float32)
        row = pl.DataFrame(
            {r.column: [None] * 3 for r in RULES}, schema={r.column: pl.Float32 for r in RULES}
        )
        flags = row.with_columns(values.alias(rule.column)).select(f=quality_flags(PROFILES))["f"]
        assert [rule.name in names for names in flags.to_list()] == [False, True, False]


def test_flags_are_those_of_the_profile() -> None:
    page = frame("Ein { kurzer Text.\n" * 4, language="de").with_columns(n_sentences=pl.lit(4))
    measured = measure_documents(page)
    by_profile = {
        profile: measured.select(f=quality_flags([profile]))["f"].to_list()[0] for profile in PROFILES
    }
    assert by_profile["c4"] == ["c4_sentence_count", "c4_curly_bracket_count"]
    assert by_profile["gopher"][0] == "gopher_word_count"
    assert by_profile["fineweb"] == ["fineweb_dup_line_char_fraction", "fineweb_short_line_fraction"]


def test_german_prose_passes_where_english_words_would_refuse_it() -> None:
    prose = (
        "Die Stadt liegt am Fluss, und von den Hügeln aus sieht man in der Ferne das Meer. "
        "Wer zu Fuß kommt, braucht mit etwas Glück kaum eine Stunde bis zum alten Markt. "
        "Dort ist am Morgen mehr los als am Abend, denn die Händler bieten Fisch, Brot und Obst an. "
        "Viele bleiben nur kurz stehen, andere trinken Kaffee und reden über das Wetter."
    )
    measured = measure_documents(frame(prose)).with_columns(n_sentences=pl.lit(4))
    assert measured.select(f=quality_flags(["gopher", "fineweb"]))["f"].to_list() == [[]]
    as_english = measure_documents(frame(prose, language="en")).with_columns(n_sentences=pl.lit(4))
    assert "gopher_stop_word_count" in as_english.select(f=quality_flags(["gopher"]))["f"].to_list()[0]


def test_the_documentation_has_every_signal_and_rule() -> None:
    text = DOCS.read_text(encoding="utf-8")
    for line in quality_table():
        assert line in text


def quality_table() -> list[str]:
    """The lines that docs/quality.md must hold."""
    rules = {rule.name: rule for rule in RULES}
    lines = [f"| `{s.name}` | {s.meaning} | {s.also} |" for s in SIGNALS]
    for rule in rules.values():
        low = "" if rule.low is None else f"{rule.low:g}"
        high = "" if rule.high is None else f"{rule.high:g}"
        lines.append(f"| `{rule.name}` | {rule.profile} | `{rule.column}` | {low} | {high} |")
    return lines


def test_arrays_are_freed_when_they_are_no_longer_used():
    """A ring of objects waits for the collector, and its arrays with it: hundreds of MB in a run."""
    gc.collect()
    gc.disable()
    try:
        measure_documents(pl.DataFrame({"text": ["Der Bach fließt.\nWeiter."], "language": ["de"]}))
        left = [type(thing) for thing in gc.get_objects() if isinstance(thing, Tokens | TextLines)]
    finally:
        gc.enable()
    assert left == []
