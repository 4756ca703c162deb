"""Words and phrases that betray furniture, per language, looked up by hash.

A language is one TOML file in `lexicons/`: function words, pronouns, words by category and
two-word phrases. Languages share the categories, so a page in two languages needs no verdict
on its language first; function words are counted for each language apart.
"""

from __future__ import annotations

import functools
import tomllib
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np

from reinschrift.transforms.boilerplate.characters import Bools, Codes, Hashes, Ints, fold_codes

if TYPE_CHECKING:
    from numpy.typing import NDArray

CATEGORIES = (
    *("navigation", "legal", "social", "promotion", "teasers"),
    *("comments", "dates", "shop", "credits"),
)
FURNITURE_CATEGORIES = CATEGORIES[:6]
TABLE_BITS = 18
LANES = 8
BASE = 0x9E3779B97F4A7C15
MASK = (1 << 64) - 1
MIXER = np.uint64(0xD6E8FEB86659FD93)
PAIR_MIXER = np.uint64(0xA24BAED4963EE407)
HASH_SHIFT = np.uint64(29)


def bucket(hashes: Hashes, bits: int) -> Ints:
    """The upper bits of the mixed hashes: a table index for each hash."""
    mixed = (hashes ^ (hashes >> HASH_SHIFT)) * MIXER
    return (mixed >> np.uint64(64 - bits)).astype(np.int64)


def pair_hashes(left: Hashes, right: Hashes) -> Hashes:
    """One hash for two words in their order."""
    return left * PAIR_MIXER + right


def word_hash(codes: Codes) -> int:
    """The hash of one folded word, as `lines.py` computes it for all words of a batch."""
    total, power = 0, 1
    for code in codes.tolist():
        total = (total + (code + 1) * power) & MASK
        power = power * BASE & MASK
    return total


@dataclass(frozen=True)
class Lexicon:
    """Hash tables over every language.

    `flag_sets[bucket]` numbers the set of flags a word has; `lanes[set]` holds those flags as
    one byte each, in the order of `flag_names`, so that sums of lanes count them all at once.
    `phrases[bucket]` says whether a pair of words is a furniture phrase.
    """

    flag_names: tuple[str, ...]
    languages: tuple[str, ...]
    flag_sets: NDArray[np.uint8]
    lanes: Hashes
    phrases: Bools

    def flag_sets_of(self, hashes: Hashes) -> NDArray[np.uint8]:
        """The number of the flag set of each word; 0 for a word no list holds."""
        return self.flag_sets[bucket(hashes, TABLE_BITS)]

    def are_phrases(self, left: Hashes, right: Hashes) -> Bools:
        """Whether each pair of neighbouring words is a furniture phrase."""
        return self.phrases[bucket(pair_hashes(left, right), TABLE_BITS)]


def _hashes(words: list[str]) -> Hashes:
    return np.array([word_hash(fold_codes(word)) for word in words], dtype=np.uint64)


def _read_entries() -> list[dict[str, Any]]:
    folder = resources.files("reinschrift.transforms.boilerplate") / "lexicons"
    files = sorted(
        (entry for entry in folder.iterdir() if entry.name.endswith(".toml")),
        key=lambda entry: entry.name,
    )
    return [tomllib.loads(entry.read_text(encoding="utf-8")) for entry in files]


@functools.cache
def load_lexicon() -> Lexicon:
    """All lexicon files of the package as one set of tables."""
    entries = _read_entries()
    languages = tuple(str(entry["language"]) for entry in entries)
    flag_names = (*languages, "pronouns", *CATEGORIES)
    flags = np.zeros((1 << TABLE_BITS, -(-len(flag_names) // LANES) * LANES), np.uint8)
    phrases = np.zeros(1 << TABLE_BITS, np.bool_)
    for entry in entries:
        lists = {
            entry["language"]: entry["function_words"],
            "pronouns": entry["pronouns"],
            **entry["words"],
        }
        for name, words in lists.items():
            hashes = _hashes(sorted(set(words.split())))
            flags[bucket(hashes, TABLE_BITS), flag_names.index(name)] = 1
        pairs = [phrase.split() for phrase in entry["phrases"]["furniture"]]
        left, right = (_hashes([pair[side] for pair in pairs]) for side in (0, 1))
        phrases[bucket(pair_hashes(left, right), TABLE_BITS)] = True
    used = np.flatnonzero(flags.any(axis=1))
    distinct, numbers = np.unique(flags[used], axis=0, return_inverse=True)
    flag_sets = np.zeros(1 << TABLE_BITS, np.uint8)
    flag_sets[used] = numbers.reshape(-1) + 1
    sets = np.concatenate([np.zeros((1, flags.shape[1]), np.uint8), distinct])
    return Lexicon(
        flag_names=flag_names,
        languages=languages,
        flag_sets=flag_sets,
        lanes=sets.view(np.uint64),
        phrases=phrases,
    )


@functools.cache
def function_words(language: str) -> tuple[str, ...]:
    """The function words of a language, ISO 639-1; none for a language without a lexicon."""
    for entry in _read_entries():
        if entry["language"] == language:
            return tuple(sorted(set(entry["function_words"].split())))
    return ()


@functools.cache
def languages_of_words() -> dict[str, frozenset[str]]:
    """Every word of the lexicons, lower case, and the languages (ISO 639-1) whose lexicon lists it."""
    found: dict[str, set[str]] = {}
    for entry in _read_entries():
        for words in (entry["function_words"], entry["pronouns"], *entry["words"].values()):
            for word in words.split():
                found.setdefault(word, set()).add(entry["language"])
    return {word: frozenset(languages) for word, languages in found.items()}


@functools.cache
def words_of_furniture() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Words of menus, notices and shops, in all languages; and all function words, that are neither."""
    entries = _read_entries()
    functional = {word for entry in entries for word in entry["function_words"].split()}
    lists = (entry["words"][name] for entry in entries for name in FURNITURE_CATEGORIES)
    furniture = {word for words in lists for word in words.split()}
    return tuple(sorted(furniture - functional)), tuple(sorted(functional))
