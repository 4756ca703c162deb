import unicodedata

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reinschrift.flows.stages.resolve.pages import TooManyPagesError
from reinschrift.transforms.repeats.exact import QUOTES, add_hash, combine, find_repeats, normalise
from tests.conftest import clean


def hashes(*texts, kind="paragraph", min_chars=1):
    frame = pl.DataFrame({"text": texts, "kind": [kind] * len(texts)})
    return add_hash(frame, min_chars)


TABLE = str.maketrans(QUOTES)
SAME = [
    ("schön", unicodedata.normalize("NFD", "schön")),
    ("Er sagte „Ja“.", 'Er sagte "Ja".'),
    ("it’s", "it's"),
    ("a  b", "a b"),
    ("a\tb", " a b "),
    ("»Nein«", "“Nein”"),
    ("5 Å", "5 \u212b"),
]
DIFFERENT = [
    ("schön", "schon"), ("Maße", "Masse"), ("drücken", "drucken"), ("1901", "1902"), ("Weg", "weg"),
    ("3.", "3"), ("1,5", "1.5"), ("naïve", "naive"), ("Straße", "Strasse"), ("H2O", "H₂O"), ("x²", "x2"),
]  # fmt: skip


@pytest.mark.parametrize(("one", "two"), SAME)
def test_alike_in_all_that_matters(one, two):
    assert hashes(one, two)["hash"].n_unique() == 1


@pytest.mark.parametrize(("one", "two"), DIFFERENT)
def test_letters_digits_and_case_matter(one, two):
    assert hashes(one, two)["hash"].n_unique() == 2


def test_hashes_are_those_of_every_version():
    """They go into files: another library version must not change them."""
    golden = {"Die Brücke wurde gebaut.": 0, "schön": 14612539032224635038}
    found = dict(zip(golden, hashes(*golden)["hash"], strict=True))
    assert found["schön"] == golden["schön"]


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_looking_first_gives_what_rewriting_all_would(text):
    rewritten = " ".join(unicodedata.normalize("NFC", text.strip()).split())
    found = pl.select(normalise(pl.lit(text))).item()
    if not any(char in text for char in "„“”‟«»″〝〞‚‘’‛‹›`´′\x1c\x1d\x1e\x1f"):
        assert unicodedata.normalize("NFC", found) == rewritten


def test_long_runs_of_spaces_become_one():
    texts = [f"a{' ' * length}\t\u00a0{' ' * length}„b“  " for length in range(40)]
    found = pl.select(normalise(pl.lit(pl.Series(texts)))).to_series()
    assert set(found) == {'a "b"'}


def test_every_character_is_composed():
    """Looking first overlooks none."""
    chars = [chr(code) for code in range(0x21, 0x110000) if not 0xD800 <= code < 0xE000]
    chars = [char for char in chars if char not in QUOTES and not char.isspace()]
    texts = pl.Series([f"a{char}b" for char in chars])
    found = pl.select(normalise(pl.lit(texts))).to_series().to_list()
    composed = [unicodedata.normalize("NFC", f"a{char}b").translate(TABLE) for char in chars]
    assert [one for one, other in zip(found, composed, strict=True) if one != other] == []


def test_short_sentences_code_and_tables_never_repeat():
    assert hashes("Ja.", min_chars=25)["repeatable"].to_list() == [False]
    assert hashes("x" * 30, kind="code")["repeatable"].to_list() == [False]
    assert hashes("x" * 30, min_chars=25)["repeatable"].to_list() == [True]


def owners(keys, high=None, is_gone=None):
    """(repeat, kept) by row."""
    none = np.zeros(len(keys), dtype=np.uint64)
    found = find_repeats(
        np.array(keys, dtype=np.uint64),
        none if high is None else np.array(high, dtype=np.uint64),
        none.astype(bool) if is_gone is None else np.array(is_gone),
    )
    return sorted(zip(*(side.tolist() for side in found), strict=True))


def test_the_first_copy_owns_the_sentence():
    assert owners([7, 9, 7, 8, 9, 7]) == [(2, 0), (4, 1), (5, 0)]
    assert owners([]) == []


def test_a_copy_on_a_dropped_page_owns_nothing():
    assert owners([7, 7, 7], is_gone=[True, False, False]) == [(0, 1), (2, 1)]
    assert owners([7, 7], is_gone=[True, True]) == []


def test_the_upper_half_of_a_key_counts():
    assert owners([7, 7, 7], high=[1, 2, 1]) == [(2, 0)]


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3), st.booleans()), max_size=60))
def test_keys_that_differ_in_few_bits_are_told_apart(rows):
    keys = [(upper << 60) | lower for upper, lower, _ in rows]
    gone = [is_gone for _, _, is_gone in rows]
    stays = {}
    for row, key in enumerate(keys):
        if not gone[row]:
            stays.setdefault(key, row)
    expected = [(row, stays[key]) for row, key in enumerate(keys) if stays.get(key, row) != row]
    assert owners(keys, is_gone=np.array(gone, dtype=bool)) == expected


@given(st.lists(st.integers(0, 20), max_size=200))
def test_repeats_are_what_a_loop_finds(keys):
    first, expected = {}, []
    for row, key in enumerate(keys):
        if key in first:
            expected.append((row, first[key]))
        first.setdefault(key, row)
    assert owners(keys) == expected


def test_a_block_is_its_sentences_in_order():
    hashes = np.array([1, 2, 2, 1, 1, 2, 1], dtype=np.uint64)
    one, other, again, last = combine(hashes, np.array([0, 2, 4, 6]))
    assert one == again
    assert len({one, other, last}) == 3


def test_wide_keys_are_the_upper_half_of_128_bits():
    frame = pl.DataFrame({"text": ["schön"], "kind": ["paragraph"]})
    wide = add_hash(frame, 1, bits=128)["hash_high"].item()
    assert wide == 7162440667675545865
    assert add_hash(frame, 1)["hash_high"].item() is None


def test_more_pages_than_can_be_numbered_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("reinschrift.flows.stages.resolve.pages.MAX_PAGES", 1)
    for name in ("a", "b"):
        (tmp_path / f"{name}.txt").write_text("A lighthouse needs a keeper who does not sleep.")
    with pytest.raises(TooManyPagesError, match="2 pages: a run numbers its pages with 32 bits"):
        clean([tmp_path / "a.txt", tmp_path / "b.txt"], tmp_path / "out")
