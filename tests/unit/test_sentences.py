"""Sentences: the examples of the language files, and what must hold for any text at all."""

from __future__ import annotations

import time
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reinschrift.transforms import sentences
from reinschrift.transforms.sentences import (
    SENTENCES_SCHEMA,
    LanguageRuleError,
    load_rules,
    read_rules,
    sentence_spans,
    split_sentences,
)

CASES = Path(__file__).parents[1] / "data" / "sentences"
LANGUAGES = ("de", "en", "es", "fr", "nl", "it", "ja", "und", "xx", "")
MAX_GROWTH = 9  # of the time, where the text grows fourfold: linear is 4, quadratic 16
MIN_CPU_SECONDS = 0.02
HOSTILE = [
    ("", unit)
    for unit in (
        "x",
        "„",
        "(",
        '"',
        "'",
        "[",
        "A.",
        "!",
        ".",
        ". ",
        "- ",
        "-",
        "1. 2. ",
        "1) 2) ",
        "‚A. ",
        "(A. ",
        "@",
        "a@b ",
        "www.",
        "*****",
        "***** ",
        "• ",
        "• a ",
        "1.1.2000 12:00 ",
        "a. ",
        "a. b. ",
        "i. ii. ",
        "(1) ",
        "1",
        "1 ",
        "1. ",
        "1.",
        " ",
        "\t",
        "\u00a0",
        ". . ",
        "?! ",
        '." ',
        ".[1]",
        ".[1,",
        "… ",
        "* A ",
        "– A ",
        "- a.doc ",
        "- a.doc << File:",
        "Thanks, A ",
        "Posted by Ann ",
        "From: To: Sent: ",
        "=====x ",
        ":) ",
        ":-)",
        "😀 ",
        "The end ",
        "It is a ",
        "He's a ",
        "z. B. ",
        "Nr. 1. ",
        '"A. B." ',
        "'a' ",
        "<> ",
        "http://a.b C ",
        "Ann said ",
        '"No!" Ann said ',
        "a.B",
        "。",
        "12. A ",
        "A.M. ",
    )
] + [
    ("x", "*"),
    ("x ", "="),
    (". ", " "),
    ("1.1.2000", " "),
    ("Thanks,", " "),
    ("• a", " "),
    ("1. a", " "),
    ("Posted by", " "),
    ("It is", " "),
    ("a.[1", ",1"),
    ("- a", ".a"),
    ("He’", "s"),
    ("1. A 2.", " "),
]
KINDS = ("heading", "paragraph", "list_item", "quote", "table", "code", "comment")
FRAGMENTS = (
    "Das Haus", "the end", "z. B.", "Dr. h. c.", "19.", "3.15 Uhr", "XXII.", "1.", "2.", "3.",
    ".", "!", "?", "…", "...", ":", ";", "[1]", "„", "“", "”", "»", "«", '"', "'", "(", ")", "``",
    "''", ":-)", "😀", " ", "  ", "\t", "\n", "\u00a0", "\u2028", "\x1c", "\x00", "\u200f", "שלום",
    "。", "日本", "U.S.", "Nr.", "Ende.Der", "www.example.org", "iPhone", "e\u0301", "ß",
    "a@b.org", "<a@b.org>", "https://a.org/b", "08/16/2000 12:05 PM", "16.08.2000 um 12:05", "*****", "1)",
    "2)", "3)", "•", "Web:", "(Applause.)", "?", "Name",
    " He was", "Thanks, Ann", "Posted by Ann 10:46 PM", "From:", "To:", "Date:", " - plan.doc", " - A",
    "* B", "<>", "=====", "• ", "(a) ", "(b) ", "a. ", "b. ", "B) ", "ii. ", " II. ", "1.) ", "2.) ", "⁃10. ", "– C", "and ",
    '"No!" Ann said',
)  # fmt: skip

any_text = st.one_of(
    st.text(max_size=80), st.lists(st.sampled_from(FRAGMENTS), max_size=25).map("".join)
)


def language_files() -> list[tuple[str, dict[str, Any]]]:
    folder = files("reinschrift.transforms").joinpath("languages")
    return [
        (entry.name.removesuffix(".toml"), tomllib.loads(entry.read_text(encoding="utf-8")))
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)
        if entry.name.endswith(".toml")
    ]


def rule_examples() -> list[Any]:
    """One parameter an example; a "|" in it stands where a sentence ends."""
    return [
        pytest.param(language, example, id=f"{language}-{rule['id']}-{position}")
        for language, content in language_files()
        for rule in content.get("sentences", {}).get("rule", [])
        for position, example in enumerate(rule.get("joins", []) + rule.get("splits", []))
    ]


def block_frame(texts: list[str], language: str = "de", kind: str = "paragraph") -> pl.DataFrame:
    return pl.DataFrame(
        {
            "page": [7] * len(texts),
            "block": range(len(texts)),
            "text": texts,
            "start": [100 * position for position in range(len(texts))],
            "kind": [kind] * len(texts),
            "language": [language] * len(texts),
        },
        schema_overrides={
            "page": pl.UInt32, "block": pl.UInt32, "start": pl.UInt32, "text": pl.String
        },
    )  # fmt: skip


def cases() -> list[Any]:
    """One parameter a case of tests/data/sentences; what is known to fail is a strict expected failure."""
    return [
        pytest.param(
            path.stem,
            marked,
            id=f"{path.stem}-{name}-{position}",
            marks=[pytest.mark.xfail(strict=True)] if marked in content.get("fails", []) else [],
        )
        for path in sorted(CASES.glob("*.toml"))
        for name, content in tomllib.loads(path.read_text(encoding="utf-8")).items()
        for position, marked in enumerate(content["cases"])
    ]


def assert_ends(marked: str, language: str) -> None:
    """Asserts that the sentences of the text are those between its "|"."""
    text = marked.replace("| ", "").replace("|", "")
    found = [text[start:end] for start, end in sentence_spans(text, language)]
    assert found == [part.strip() for part in marked.split("|")]


@pytest.mark.parametrize(("language", "marked"), rule_examples())
def test_examples_of_the_rules(language: str, marked: str) -> None:
    assert_ends(marked, language)


@pytest.mark.parametrize(("language", "marked"), cases())
def test_cases_of_a_language(language: str, marked: str) -> None:
    assert_ends(marked, language)


@pytest.mark.parametrize("path", sorted(CASES.glob("*.toml")), ids=lambda path: path.stem)
def test_cases_are_listed_once_and_failures_are_cases(path: Path) -> None:
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    listed = [marked for entry in content.values() for marked in entry["cases"]]
    assert len(listed) == len(set(listed))
    for entry in content.values():
        assert set(entry.get("fails", [])) <= set(entry["cases"])


@pytest.mark.parametrize(("language", "content"), language_files())
def test_rules_of_a_language_are_complete(language: str, content: dict[str, Any]) -> None:
    assert load_rules(language).known
    identifiers = [rule["id"] for rule in content["sentences"]["rule"]]
    assert len(identifiers) == len(set(identifiers))


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"id": "a", "kind": "may-end", "words": ["x."], "joins": ["A x. b."]}, "lacks why"),
        ({"id": "a", "kind": "may-end", "words": ["x."], "why": "b"}, "has no example"),
        ({"id": "a", "kind": "c", "words": ["x."], "why": "b", "joins": ["d"]}, "unknown kind 'c'"),
    ],
)
def test_an_incomplete_rule_is_refused(entry: dict[str, Any], message: str) -> None:
    with pytest.raises(LanguageRuleError, match=f"^de.toml: rule a .*{message}"):
        read_rules([entry], "de.toml")


@given(any_text, st.sampled_from(LANGUAGES))
@example("Ja. " * 3000, "de")
@example("x" * 25_000, "en")
@example("\x00. \x00. A", "de")
@settings(max_examples=600, deadline=None)
def test_spans_are_ordered_trimmed_and_lose_nothing(text: str, language: str) -> None:
    previous = 0
    for start, end in sentence_spans(text, language):
        assert previous <= start < end <= len(text)
        assert text[start:end] == text[start:end].strip()
        assert text[previous:start].strip() == ""
        previous = end
    assert text[previous:].strip() == ""


@given(any_text, st.sampled_from(LANGUAGES))
@settings(max_examples=600, deadline=None)
def test_the_fast_path_passes_over_no_boundary(text: str, language: str) -> None:
    line = text.replace("\n", " ")
    frame = pl.DataFrame({"text": [line]}, schema={"text": pl.String})
    pattern = f"{sentences.POSSIBLE_PATTERN}|{sentences.RESTART_PATTERN}"
    possible = frame.select(pl.col("text").str.contains(pattern)).item()
    ends = sentences.sentence_ends(line, language)
    assert possible or not [end for end in ends if line[end:].strip()]


@given(st.lists(any_text, max_size=6), st.sampled_from(LANGUAGES), st.sampled_from(KINDS))
@settings(max_examples=200, deadline=None)
def test_a_frame_gives_what_the_single_blocks_give(texts: list[str], language: str, kind: str) -> None:
    found = split_sentences(block_frame(texts, language, kind))
    assert dict(found.schema) == SENTENCES_SCHEMA
    expected = [
        (7, block, count, 100 * block + start, 100 * block + end, text[start:end])
        for block, text in enumerate(texts)
        for count, (start, end) in enumerate(expected_spans(text, language, kind))
    ]
    assert found.drop("lead").rows() == expected


def expected_spans(text: str, language: str, kind: str) -> list[tuple[int, int]]:
    if kind not in sentences.WHOLE_KINDS:
        return sentence_spans(text, language)
    start = len(text) - len(text.lstrip())
    return [(start, len(text.rstrip()))] if text.strip() else []


@given(st.lists(any_text, max_size=6), st.sampled_from(LANGUAGES))
@settings(max_examples=200, deadline=None)
def test_lead_and_text_rebuild_the_block(texts: list[str], language: str) -> None:
    found = split_sentences(block_frame(texts, language))
    for block, text in enumerate(texts):
        rows = found.filter(pl.col("block") == block)
        rebuilt = "".join(lead + kept for lead, kept in rows.select("lead", "text").iter_rows())
        assert rebuilt == (text.rstrip() if rows.height else "")


@pytest.mark.parametrize("space", ["\u00a0", "\u2003", "\u3000"])
def test_a_wide_space_before_a_stop_is_no_panic(space: str) -> None:
    assert sentence_spans(f"Plan A{space}. Good.", "en")


def test_no_blocks_give_no_sentences() -> None:
    assert dict(split_sentences(block_frame([])).schema) == SENTENCES_SCHEMA


def cpu_seconds(text: str, language: str) -> float:
    """The least CPU time of two rounds over `text`: the others measure the neighbours."""
    rounds = []
    for _ in range(2):
        began = time.process_time()
        sentence_spans(text, language)
        rounds.append(time.process_time() - began)
    return min(rounds)


@pytest.mark.parametrize("language", ["de", "en"])
@pytest.mark.parametrize(("head", "unit"), HOSTILE)
def test_four_times_the_text_costs_four_times_the_time(head: str, unit: str, language: str) -> None:
    short, long = (head + (unit * count)[:count] + "x" for count in (25_000, 100_000))
    spans = sentence_spans(long, language)
    assert spans[-1][1] == len(long)
    growth = cpu_seconds(long, language) / max(cpu_seconds(short, language), MIN_CPU_SECONDS)
    assert growth < MAX_GROWTH
