"""What a pack keeps: rules with `action = "keep"` and keep-lists beat every other verdict."""

import json

import polars as pl
import pytest

from reinschrift.flows.face.explain import explain_page
from reinschrift.transforms.boilerplate.packs import parse_pack
from reinschrift.transforms.boilerplate.rules import RuleBook, check_examples
from reinschrift.transforms.errors import PackError
from tests.conftest import clean, clean_text, read_corpus

HEAD = '[pack]\nname = "mine"\nwhy = "what my project keeps"\n'
KEEP_RULE = (
    HEAD
    + """
[[rule]]
id = "lesson-labels"
kind = "regex"
action = "keep"
pattern = '^(?:Share|Follow us) '
why = "exercises of a phrase book"
removes = ["Share"]
keeps = ["Share on Facebook"]
"""
)
STORY = (
    "The bridge was opened in the spring of 1901, when the river was high. Four masons had worked on its "
    "piers for two winters, and the toll was set at a penny for a cart. Nobody in the valley had seen so "
    "wide an arch before, and many came on foot to look at it."
)
PAGE = f"Home\nSkip to content\nShare on Facebook\n{STORY}\nPrivacy Policy\nAdvertisement\n"


def hits_of(pack_text, lines, site=None):
    book = RuleBook((parse_pack(pack_text, "mine.toml"),))
    blocks = pl.DataFrame(
        {"page": [0] * len(lines), "block": range(len(lines)), "text": lines},
        schema={"page": pl.UInt32, "block": pl.UInt32, "text": pl.String},
    )
    pages = pl.DataFrame({"page": [0], "site": [site]}, schema={"page": pl.UInt32, "site": pl.String})
    return book.find_hits(book.key_lines(blocks), pages)


def text_with(tmp_path, pack_text, page=PAGE, name="page.txt", **settings):
    pack = tmp_path / "mine.toml"
    pack.write_text(pack_text, encoding="utf-8")
    tables = clean_text(tmp_path, page, name, packs=[pack], **settings)
    lines = "\n".join(tables["documents"]["text"]).split("\n")
    return lines, tables["ledger"]


def test_a_rule_that_keeps_beats_rules_and_model_and_the_ledger_says_what_it_beat(tmp_path):
    lines, ledger = text_with(tmp_path, KEEP_RULE)
    assert lines == ["Share on Facebook", STORY]
    note = ledger.filter(rule="mine/lesson-labels").row(0, named=True)
    assert note["action"] == "note"
    assert note["before"] == "Share on Facebook"
    assert "generic-en/share-buttons" in note["also"]


@pytest.mark.parametrize(
    ("entry", "kept"),
    [
        ('"Advertisement"', {"Advertisement"}),
        ('{ line = "  Advertisement " }', {"Advertisement"}),
        ('{ rule = "generic-en/skip-links" }', {"Skip to content"}),
        ('{ rule = "generic-en/skip-links", line = "Advertisement" }', set()),
        ('{ rule = "generic-en/skip-links" }, "Home"', {"Home", "Skip to content"}),
    ],
)
def test_a_keep_list_holds_lines_and_what_a_rule_hits(tmp_path, entry, kept):
    lines, _ = text_with(tmp_path, HEAD + f"keep = [{entry}]\n")
    assert set(lines) == {STORY} | kept


HTML = (
    "<html><body><nav><ul><li>Home</li><li>Log in</li></ul></nav><article><h1>The bridge</h1>"
    f"<p>{STORY}</p></article><div class='comments'><p>Well said, Ada.</p></div>"
    "<footer>Privacy Policy</footer></body></html>"
)


def record_pages(tmp_path, host, html=HTML):
    file = tmp_path / "pages.jsonl"
    rows = [{"id": str(n), "url": f"https://{host}/{n}", "html": html} for n in range(1)]
    file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return file


@pytest.mark.parametrize(("host", "is_held"), [("www.kept.example", True), ("other.example", False)])
def test_a_kept_site_keeps_all_its_lines_of_html_too(tmp_path, host, is_held):
    pack = tmp_path / "mine.toml"
    pack.write_text(HEAD + 'keep = [{ site = "kept.example" }]\n', encoding="utf-8")
    clean([record_pages(tmp_path, host)], tmp_path / "out", packs=[pack], comments="drop")
    lines = read_corpus(tmp_path / "out" / "corpus")["documents"]["text"][0].split("\n")
    every = ["Home", "Log in", "The bridge", STORY, "Well said, Ada.", "Privacy Policy"]
    assert (lines == every) == is_held
    assert STORY in lines


def test_a_kept_line_is_no_template_of_its_site(tmp_path):
    texts = [
        f"Blaue Stunde\n\nDie Brücke Nummer {n} wurde im Jahr {1900 + n} gebaut und steht noch heute.\n"
        for n in range(8)
    ]
    file = tmp_path / "pages.jsonl"
    file.write_text(
        "\n".join(
            json.dumps({"id": str(n), "url": f"https://bruecken.example/{n}", "text": text})
            for n, text in enumerate(texts)
        ),
        encoding="utf-8",
    )
    pack = tmp_path / "mine.toml"
    pack.write_text(HEAD + 'keep = ["Blaue Stunde"]\n', encoding="utf-8")
    starts = {}
    for name, packs in (("without", []), ("with", [pack])):
        clean([file], tmp_path / name, packs=packs)
        documents = read_corpus(tmp_path / name / "corpus")["documents"]
        starts[name] = set(documents["text"].str.split("\n").list.first())
    assert "Blaue Stunde" not in starts["without"]
    assert starts["with"] == {"Blaue Stunde"}


def test_a_pack_keeps_on_the_pages_it_acts_on_only():
    pack = HEAD + 'hosts = ["kept.example"]\nkeep = ["Advertisement"]\n'
    assert hits_of(pack, ["Advertisement"], "kept.example")["action"].to_list() == ["keep"]
    assert hits_of(pack, ["Advertisement"], "other.example").is_empty()


@pytest.mark.parametrize(
    ("keep", "line", "says"),
    [
        ('"Advertisement"', 4, "'keep' must be a list"),
        ("[3]", 4, "keep holds 3"),
        ("[{}]", 4, "keep holds {}"),
        ('[\n  "Home",\n  { lines = "Share" },\n]', 6, "did you mean line"),
        ('[{ site = "" }]', 4, "'site' is missing"),
    ],
)
def test_an_unsound_keep_list_is_refused_with_file_and_line(keep, line, says):
    with pytest.raises(PackError) as refusal:
        parse_pack(HEAD + f"keep = {keep}\n", "mine.toml")
    assert str(refusal.value).startswith(f"mine.toml:{line}:")
    assert says in str(refusal.value)
    assert "Remedy:" in str(refusal.value)


def test_a_keep_list_that_names_no_rule_is_refused_with_the_nearest_one():
    text = KEEP_RULE.replace("\n[[rule]]", 'keep = [{ rule = "mine/lesson-label" }]\n\n[[rule]]')
    pack = parse_pack(text, "mine.toml")
    with pytest.raises(PackError, match="did you mean mine/lesson-labels") as refusal:
        RuleBook((pack,))
    assert str(refusal.value).startswith("mine.toml:4:")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (('keeps = ["Share on', 'keeps = ["Sharing on'), "does not keep 'Sharing on Facebook'"),
        (('removes = ["Share"]', 'removes = ["Share now"]'), "keeps 'Share now', which others may"),
    ],
)
def test_a_rule_that_keeps_proves_both_directions(change, says):
    assert check_examples(parse_pack(KEEP_RULE, "mine.toml")) == []
    problems = check_examples(parse_pack(KEEP_RULE.replace(*change), "mine.toml"))
    assert len(problems) == 1
    assert says in problems[0]


def test_explain_shows_a_kept_line_once_with_what_it_beat(tmp_path):
    text_with(tmp_path, KEEP_RULE)
    (page,) = explain_page(tmp_path / "out" / "corpus", "page.txt")
    shown = [passage for passage in page.passages if passage.text == "Share on Facebook"]
    assert [passage.is_kept for passage in shown] == [True]
    (note,) = [passage.note for passage in page.passages if passage.note.startswith("kept by")]
    assert "mine/lesson-labels" in note
    assert "(also generic-en/share-buttons" in note
