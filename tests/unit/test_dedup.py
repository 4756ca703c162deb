import unicodedata

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.dedup import add_hash, find_repeats, normalise


def hashes(*texts, kind="paragraph", min_chars=1):
    frame = pl.DataFrame({"text": texts, "kind": [kind] * len(texts)})
    return add_hash(frame, min_chars)


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


def test_short_sentences_code_and_tables_never_repeat():
    assert hashes("Ja.", min_chars=25)["repeatable"].to_list() == [False]
    assert hashes("x" * 30, kind="code")["repeatable"].to_list() == [False]
    assert hashes("x" * 30, min_chars=25)["repeatable"].to_list() == [True]


def test_the_first_copy_in_its_language_owns_the_sentence():
    keys = pl.DataFrame(
        {
            "position": range(6),
            "hash": [1, 1, 2, 1, 2, 3],
            "language": ["de", "en", "de", "de", "de", "de"],
            "repeatable": [True, True, True, True, True, False],
        }
    )
    assert find_repeats(keys.lazy()).collect().rows() == [(3, 0), (4, 2)]
