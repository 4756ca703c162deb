"""Rules that judge sentences: a notice glued to text goes alone, the text stays."""

import polars as pl
import pytest

from reinschrift.transforms.boilerplate.packs import builtin_packs, parse_pack
from reinschrift.transforms.boilerplate.rules import RuleBook
from reinschrift.transforms.errors import PackError
from tests.conftest import clean_text

STORY = (
    "The ferry to Hoy leaves at nine. Its last crossing is at six in winter, and at eight from May on."
)
GESCHICHTE = "Die Fähre nach Hoy legt um neun Uhr ab. Die letzte fährt im Winter um sechs."
BANNER = "We use cookies to analyse traffic on our website. You can change your preferences at any time."
HINWEIS = (
    "Diese Website verwendet Cookies, z. B. Matomo, um Zugriffe zu analysieren. Mehr Informationen."
)
CONSENT = "By subscribing you agree to our Privacy Policy."


def left_of(line):
    """What the built-in packs leave of one line."""
    book = RuleBook(builtin_packs())
    blocks = pl.DataFrame(
        {"page": [0], "block": [0], "text": [line]},
        schema={"page": pl.UInt32, "block": pl.UInt32, "text": pl.String},
    )
    pages = pl.DataFrame({"page": [0], "site": [None]}, schema={"page": pl.UInt32, "site": pl.String})
    hits = book.find_hits(book.key_lines(blocks), pages)
    if "drop" in hits["action"].to_list():
        return ""
    first = hits.filter(cut_start=0)["cut_end"].max() or 0
    last = hits.filter(pl.col("cut_start") > 0)["cut_start"].min()
    return line[first:last].strip()


@pytest.mark.parametrize("notice", [BANNER, HINWEIS, CONSENT])
@pytest.mark.parametrize("story", [STORY, GESCHICHTE])
@pytest.mark.parametrize(
    ("glued", "left"),
    [
        ("{notice}", ""),
        ("{notice} {story}", "{story}"),
        ("{story} {notice}", "{story}"),
        ("{story}{notice}", "{story}"),
        ("{notice} {story} {notice}", "{story}"),
        ("{story} {notice} {story}", "{story} {notice} {story}"),
        ("{story}", "{story}"),
    ],
)
def test_only_the_sentences_of_a_notice_go(notice, story, glued, left):
    texts = {"notice": notice, "story": story}
    assert left_of(glued.format(**texts)) == left.format(**texts)


@pytest.mark.parametrize("notice", [BANNER, HINWEIS])
def test_bullets_and_buttons_go_with_a_banner(notice):
    assert left_of(f"• {notice} OK") == ""


@pytest.mark.parametrize(
    "line",
    [
        "Cookies keep for a week in a tin. We use cookies and cream ice for the filling of the cake.",
        "Seit 2009 verlangt die Richtlinie, dass Nutzer zustimmen. Cookies waren bis dahin frei.",
        "She did not consent to the marriage. Her preferences were known to the whole court.",
    ],
)
def test_words_of_notices_alone_take_nothing(line):
    assert left_of(line) == line


def test_two_rules_that_share_a_block_drop_it_and_the_ledger_names_both(tmp_path):
    notice = "This website uses cookies. By subscribing you agree to our terms of sale."
    tables = clean_text(tmp_path, f"{notice}\n{STORY}\n")
    assert tables["documents"]["text"].to_list() == [STORY]
    row = tables["ledger"].filter(before=notice).row(0, named=True)
    assert row["action"] == "drop"
    assert {row["rule"], *row["also"]} == {
        "generic-en/cookie-sentences",
        "generic-en/newsletter-sentences",
    }


RULE = """
[pack]
name = "mine"
why = "my site"

[[rule]]
id = "box"
kind = "regex"
unit = "sentence"
pattern = '^Subscribe\\b'
alongside = '^Or not\\b'
needs = ["Subscribe"]
why = "a box"
removes = ["Subscribe now. Or not.", ["Subscribe now. The ferry leaves.", "The ferry leaves."]]
keeps = ["Or not. He told us to Subscribe."]
"""


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (('unit = "sentence"', 'unit = "word"'), "allowed: line, sentence"),
        (('unit = "sentence"\n', ""), "'alongside' on a rule of lines"),
        (('needs = ["Subscribe"]\n', ""), "has no 'needs'"),
        (('kind = "regex"', 'kind = "contains"'), "sentences are judged by regex"),
        (('unit = "sentence"', 'unit = "sentence"\naction = "trim"'), "sentences are judged by regex"),
        (("'^Or not\\b'", "'(?=x)'"), "bad regex"),
    ],
)
def test_an_unsound_rule_of_sentences_is_refused(change, says):
    parse_pack(RULE, "mine.toml")
    with pytest.raises(PackError, match=r"^mine\.toml:6:") as refusal:
        parse_pack(RULE.replace(*change), "mine.toml")
    assert says in str(refusal.value)


def test_unless_leaves_a_line_alone():
    text = RULE.replace('unit = "sentence"\n', "").replace("alongside = '^Or not", "unless = 'ferry")
    text = text.replace('["Subscribe now. The ferry leaves.", "The ferry leaves."]', '"Subscribe now"')
    text = text.replace('keeps = ["Or not', 'keeps = ["Subscribe, and the ferry is yours.", "Or not')
    pack = parse_pack(text, "mine.toml")
    book = RuleBook((pack,))
    blocks = pl.DataFrame(
        {"page": [0, 0], "block": [0, 1], "text": ["Subscribe now", "Subscribe to the ferry"]},
        schema={"page": pl.UInt32, "block": pl.UInt32, "text": pl.String},
    )
    pages = pl.DataFrame({"page": [0], "site": [None]}, schema={"page": pl.UInt32, "site": pl.String})
    assert book.find_hits(book.key_lines(blocks), pages)["block"].to_list() == [0]
    with pytest.raises(PackError, match="'unless' on a rule of kind 'exact'"):
        parse_pack(text.replace('kind = "regex"', 'kind = "exact"'), "mine.toml")
