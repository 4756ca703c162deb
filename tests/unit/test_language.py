import polars as pl
import pytest

from tests.conftest import shared
from transforms.language import detect_with_langdetect, detect_with_langdetect_rs, mark_language

GERMAN = "Die Brücke über den Fluss wurde im Jahr 1901 von zwei Brüdern aus der Stadt gebaut."
ENGLISH = "The bridge over the river was built in 1901 by two brothers from the town."


def languages(*pages):
    rows = [(number, text) for number, page in enumerate(pages) for text in page]
    blocks = pl.DataFrame(rows, schema={"page": pl.UInt32, "text": pl.String}, orient="row")
    marked = mark_language(blocks)
    return marked["language"].to_list(), marked["page_language"].to_list()


def test_blocks_and_pages():
    blocks, pages = languages([GERMAN, GERMAN, ENGLISH], [ENGLISH])
    assert blocks == ["de", "de", "en", "en"]
    assert pages == ["de", "de", "de", "en"]


def test_a_short_block_takes_the_language_of_its_page():
    blocks, _ = languages([GERMAN, "Literatur", "Five-Year Plans"], [ENGLISH, "Five-Year Plans"])
    assert blocks == ["de", "de", "de", "en", "en"]


@pytest.mark.parametrize("text", ["12345", "…!?", "👩‍🔬🎉", "12.10.1990 – 3,50 €"])
def test_no_letters_no_language(text):
    assert languages([GERMAN, text])[0][1] == "und"
    assert languages([text]) == (["und"], ["und"])


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
