import itertools

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reinschrift.transforms.repeats.near import (
    Shingles,
    band_keys,
    banding,
    components,
    crowd_pairs,
    describe_pages,
    distinct,
    jaccard,
    pack,
    shingle,
    star_pairs,
    unpack,
)

WORDS = st.lists(
    st.sampled_from(["der", "die", "das", "schön", "schon", "1901", "1902", "Weg", "weg"]), max_size=40
)


def grams(text):
    words = text.split(" ")
    return {tuple(words[at : at + 3]) for at in range(len(words) - 2)}


@given(st.lists(WORDS.map(" ".join), min_size=2, max_size=6))
def test_jaccard_is_that_of_sets_of_words(texts):
    sets = distinct(shingle(pl.Series(texts)))
    pairs = np.array(list(itertools.combinations(range(len(texts)), 2)))
    found = jaccard(sets, pairs[:, 0], pairs[:, 1])
    for (left, right), score in zip(pairs, found, strict=True):
        one, other = grams(texts[left]), grams(texts[right])
        assert score == pytest.approx(len(one & other) / max(len(one | other), 1))


def test_the_chance_of_a_pair_at_the_threshold_to_be_proposed():
    for threshold in (0.31, 0.5, 0.7, 0.8, 0.9, 0.99):
        bands, rows = banding(threshold)
        assert 1 - (1 - threshold**rows) ** bands >= 0.99
        assert bands * rows <= 128
    assert banding(1.0) == (1, 128)


def varied(words, changes, rng):
    copy = list(words)
    for at in rng.choice(len(words), changes, replace=False):
        copy[at] = f"neu{rng.integers(1 << 40)}"
    return copy


def test_pairs_above_the_threshold_are_proposed():
    rng = np.random.default_rng(7)
    texts = []
    for _ in range(400):
        words = [f"w{number}" for number in rng.integers(0, 5000, 300)]
        texts += [" ".join(words), " ".join(varied(words, int(rng.integers(1, 10)), rng))]
    shingles = shingle(pl.Series(texts))
    keys = band_keys(shingles, *banding(0.8))
    even = np.arange(0, 800, 2)
    alike = jaccard(distinct(shingles), even, even + 1) >= 0.8
    proposed = (keys[even] == keys[even + 1]).any(axis=1)
    assert alike.sum() > 300
    assert proposed[alike].mean() >= 0.98
    strangers = (keys[even] == np.roll(keys[even], 1, axis=0)).any(axis=1)
    assert not strangers.any()


def test_keys_of_a_text_do_not_depend_on_its_company():
    texts = [f"eins zwei drei vier {number} fünf sechs" for number in range(50)]
    alone = [band_keys(shingle(pl.Series([text])), 16, 6)[0] for text in texts]
    assert np.array_equal(np.array(alone), band_keys(shingle(pl.Series(texts)), 16, 6))


def test_band_keys_are_those_of_every_version():
    """They lie in cached stages."""
    keys = band_keys(shingle(pl.Series(["die Brücke über den Fluss"])), 2, 3)
    assert keys.tolist() == [[17408572097030964342, 7518949917589926482]]


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=40))
def test_a_chain_is_one_cluster(edges):
    left = np.array([edge[0] for edge in edges], dtype=np.int64)
    right = np.array([edge[1] for edge in edges], dtype=np.int64)
    label = list(range(31))
    for _ in range(31):
        for one, other in edges:
            label[one] = label[other] = min(label[one], label[other])
    assert components(31, left, right).tolist() == label


def test_a_bucket_proposes_its_first_and_then_its_crowd():
    keys = np.array([5, 5, 5, 9], dtype=np.uint64)
    ids = np.array([8, 3, 6, 1], dtype=np.uint32)
    assert [side.tolist() for side in unpack(star_pairs(keys, ids))] == [[3, 3], [6, 8]]
    cluster = np.array([3, 3, 6, 1], dtype=np.uint32)
    assert [side.tolist() for side in unpack(crowd_pairs(keys, ids, cluster))] == [[3, 6], [6, 8]]
    assert pack(np.array([2], dtype=np.uint32), np.array([1], dtype=np.uint32)) == [(1 << 32) | 2]


def test_short_pages_have_no_bands():
    units = pl.DataFrame({"page": [0, 0, 1], "text": ["Ein Satz.", "Noch einer.", "wort " * 30]})
    units = units.cast({"page": pl.UInt32})
    keys = describe_pages(units, 0.8, 20)
    assert keys["n_words"].to_list() == [4, 30]
    assert keys["bands"].is_null().to_list() == [True, False]
    assert describe_pages(units, None, 20)["bands"].null_count() == 2
    assert describe_pages(units.clear(), 0.8, 20).is_empty()


def test_pages_are_compared_without_quotes_and_breaks_but_with_umlauts():
    texts = ["„Schön“\tist es  hier", '"Schön" ist es hier', '"Schon" ist es hier']
    units = pl.DataFrame({"page": [0, 1, 2], "text": texts}).cast({"page": pl.UInt32})
    one, same, other = describe_pages(units, 0.8, 3)["text_hash"]
    assert one == same != other


def test_texts_without_three_words_share_nothing():
    sets = distinct(shingle(pl.Series(["eins zwei", "eins zwei", ""])))
    assert sets.ends.tolist() == [0, 0, 0]
    both = np.array([0]), np.array([1])
    assert jaccard(Shingles(sets.values, sets.ends), *both).tolist() == [0.0]
