"""The contracts know every language that a detector can give."""

import pytest

from reinschrift.transforms.contracts import LANGUAGE_CODES
from reinschrift.transforms.languages import known_languages
from reinschrift.transforms.languages.codes import LANGUAGES
from reinschrift.transforms.languages.detectors import CODES, NO_LANGUAGE


def cld2():
    pycld2 = pytest.importorskip("pycld2")
    return [code for _, code in pycld2.LANGUAGES]


def langdetect():
    from langdetect import detector_factory

    detector_factory.init_factory()
    return detector_factory._factory.get_lang_list()


def langid():
    from reinschrift.transforms.languages.detectors import _langid

    return _langid().labels


def fasttext():
    from reinschrift.transforms.languages.detectors import _fasttext_model

    labels, _ = _fasttext_model().predict("hello world", 400)  # all it knows
    return [label.removeprefix("__label__") for label in labels]


@pytest.mark.parametrize("engine", [cld2, langdetect, langid, fasttext])
def test_every_code_of_an_engine_is_known(engine):
    codes = {CODES.get(code, code) for code in engine() if not NO_LANGUAGE.match(code)}
    assert len(codes) > 50
    assert codes <= LANGUAGES


def test_our_own_languages_are_known():
    assert {*known_languages()} <= LANGUAGES
    assert "und" in LANGUAGE_CODES
    assert "xx" not in LANGUAGE_CODES
