import json

from reinschrift.transforms.html.flatten import flatten_html
from tests.conftest import clean_text

STORY = [
    "The bridge was opened in the spring of 1901, when the river was high and the roads were bad.",
    "It was the first of its kind in the valley, and people came from far away to walk over it.",
]
FRAME = "<title>T</title><body><nav>Home</nav><div id=root></div>"


def script(kind, value):
    return f'<script type="{kind}">{json.dumps(value)}</script>'


def test_the_body_of_json_ld_stands_in_for_an_empty_frame():
    thing = {"@type": "NewsArticle", "articleBody": "\n".join(STORY)}
    page = flatten_html(FRAME + script("application/ld+json", thing))
    assert page.lines == ["Home", *STORY]
    assert page.origin == "script data"


def test_html_in_the_data_of_a_script_is_flattened_once():
    story = "".join(f"<p>{line}</p>" for line in STORY)
    data = {"props": {"key": "a" * 500, "teaser": story[:130], "post": {"html": story, "again": story}}}
    page = flatten_html(FRAME + script("application/json", data))
    assert page.lines == ["Home", *STORY]


def test_a_page_that_shows_its_text_is_left_alone():
    shown = "".join(f"<p>{line}</p>" for line in STORY * 4)
    thing = {"@type": "NewsArticle", "articleBody": "\n".join(STORY)}
    page = flatten_html(FRAME + shown + script("application/ld+json", thing))
    assert page.lines == ["Home", *STORY * 4]
    assert page.origin is None


def test_settings_and_code_are_no_text():
    data = {"css": "body{margin:0;padding:0}" * 40, "url": "https://x.example/" + "a" * 400}
    assert flatten_html(FRAME + script("application/json", data)).lines == ["Home"]


def test_the_ledger_says_where_the_text_was_found(tmp_path):
    thing = {"@type": "NewsArticle", "articleBody": "\n".join(STORY)}
    tables = clean_text(tmp_path, FRAME + script("application/ld+json", thing), "page.html")
    notes = tables["ledger"].filter(rule="hidden-text")
    assert notes["before"].to_list() == ["script data"]
    assert STORY[0] in tables["documents"]["text"][0]
