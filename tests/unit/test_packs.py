"""Rule packs: the built-in ones prove themselves, unsound ones are refused with file and line."""

import polars as pl
import pytest

from reinschrift.transforms.boilerplate.packs import builtin_packs, parse_pack
from reinschrift.transforms.boilerplate.rules import RuleBook, check_examples
from reinschrift.transforms.errors import PackError

RULE = """
[pack]
name = "mine"
why = "my site"

[[rule]]
id = "box"
kind = "exact"
pattern = "Subscribe"
why = "a box"
removes = ["Subscribe"]
keeps = ["He told us to subscribe."]
"""


@pytest.mark.parametrize("pack", builtin_packs(), ids=lambda pack: pack.name)
def test_builtin_packs_keep_their_promises(pack):
    assert check_examples(pack) == []


def hits_of(pack_text, lines, site=None):
    book = RuleBook((parse_pack(pack_text, "mine.toml"),))
    blocks = pl.DataFrame(
        {"page": [0] * len(lines), "block": range(len(lines)), "text": lines},
        schema={"page": pl.UInt32, "block": pl.UInt32, "text": pl.String},
    )
    pages = pl.DataFrame({"page": [0], "site": [site]}, schema={"page": pl.UInt32, "site": pl.String})
    return book.find_hits(book.key_lines(blocks), pages)


@pytest.mark.parametrize(
    ("change", "line", "says"),
    [
        (('why = "a box"\n', ""), 6, "'why' is missing"),
        (('removes = ["Subscribe"]\n', ""), 6, "has no 'removes'"),
        (('keeps = ["He told us to subscribe."]\n', ""), 6, "has no 'keeps'"),
        (('kind = "exact"', 'kind = "exakt"'), 6, "allowed: exact, contains, regex, section"),
        (('pattern = "Subscribe"', 'patern = "Subscribe"'), 6, "did you mean pattern"),
        (('id = "box"', 'id = "My Box"'), 6, "not kebab-case"),
        (
            ('kind = "exact"\npattern = "Subscribe"', 'kind = "regex"\npattern = "(?=x)"'),
            6,
            "bad regex",
        ),
        (('why = "my site"\n', ""), 1, "'why' is missing"),
        (('id = "box"', "id = box"), 7, "not valid TOML"),
    ],
)
def test_an_unsound_pack_is_refused_with_file_and_line(change, line, says):
    assert change[0] in RULE
    with pytest.raises(PackError) as refusal:
        parse_pack(RULE.replace(*change), "mine.toml")
    assert str(refusal.value).startswith(f"mine.toml:{line}:")
    assert says in str(refusal.value)


def test_examples_that_do_not_hold_are_named():
    pack = parse_pack(RULE.replace('keeps = ["He told', 'keeps = ["Subscribe", "He told'), "mine.toml")
    assert check_examples(pack) == ["mine.toml:6: rule 'box' does not keep 'Subscribe'"]


def test_matching_ignores_bullets_and_white_space_not_case():
    hits = hits_of(RULE, ["  •  Subscribe ", "Subscribe", "subscribe", "Subscribe now"])
    assert hits["block"].to_list() == [0, 1]


SITE = RULE.replace(
    'why = "my site"',
    'why = "my site"\nhosts = ["example.org"]\nmarkers = ["My Site", "Mine"]\nmin_markers = 2',
)


@pytest.mark.parametrize(
    ("lines", "site", "acts"),
    [
        (["Subscribe"], None, False),
        (["Subscribe"], "example.org", True),
        (["Subscribe"], "blog.example.org", True),
        (["Subscribe"], "notexample.org", False),
        (["Subscribe", "My Site"], None, False),
        (["Subscribe", "© My Site", "All Mine"], None, True),
    ],
)
def test_a_site_pack_acts_on_its_own_pages_only(lines, site, acts):
    assert (hits_of(SITE, lines, site).height > 0) == acts


def test_a_section_runs_to_its_end_and_no_further():
    pack = RULE.replace(
        'kind = "exact"\npattern = "Subscribe"',
        'kind = "section"\npattern = \'^\\d+ replies\'\nuntil = \'^Leave\'\naction = "mark"\nmark = "comment"\nmax_blocks = 3',
    )
    pack = pack.replace('removes = ["Subscribe"]', 'removes = ["2 replies"]')
    lines = ["text", "2 replies", "one", "two", "three", "Leave", "four"]
    hits = hits_of(pack, lines)
    assert hits["block"].to_list() == [1, 2, 3]
    assert set(hits["action"]) == {"mark"}


def test_a_trim_cuts_an_end_but_never_a_hole():
    pack = RULE.replace(
        'kind = "exact"\npattern = "Subscribe"',
        'kind = "regex"\naction = "trim"\npattern = \'(?P<cut>Zoom)\'',
    )
    pack = pack.replace('removes = ["Subscribe"]', 'removes = [["A bridge.Zoom", "A bridge."]]')
    hits = hits_of(pack, ["A bridge.Zoom", "A Zoom lens", "Zoom"])
    assert hits.select("block", "cut_start", "cut_end").rows() == [(0, 9, 13)]
