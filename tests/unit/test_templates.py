import json

import polars as pl
import pytest

from reinschrift.transforms.boilerplate.templates import find_templates
from tests.conftest import clean, read_corpus


def found(*pages, site="a.org", min_pages=3):
    """What falls, and on how many pages it stood. A line is any word, a sentence one in capitals."""
    rows = [(n, page, site, hash(word) % 2**63, False, word.isupper()) for n, (page, word) in enumerate(
        (page, word) for page, text in enumerate(pages) for word in text.split()
    )]  # fmt: skip
    schema = {
        "position": pl.UInt32,
        "page_no": pl.UInt32,
        "site": pl.String,
        "hash": pl.UInt64,
        "is_fixed": pl.Boolean,
        "is_long": pl.Boolean,
    }
    keys = pl.DataFrame(rows, schema=schema, orient="row")
    words = [word for text in pages for word in text.split()]
    fallen = find_templates(keys.lazy(), min_pages).collect()
    return [words[position] for position in fallen["position"]], fallen["pages"].to_list()


def test_runs_at_the_ends_and_long_ones_fall_single_headings_stay():
    pages = [
        f"menu login title{n} text{n} ingredients list{n} box1 box2 box3 more{n} imprint"
        for n in range(4)
    ]
    words, counts = found(*pages)
    assert words == ["menu", "login", "box1", "box2", "box3", "imprint"] * 4
    assert set(counts) == {4}


def test_a_page_whose_sentences_nearly_all_recur_is_a_copy_of_others():
    assert found(*[f"menu STORY MORE END number{n}" for n in range(5)])[0] == []
    words, _ = found(*[f"menu NOTICE STORY{n} MORE{n} END{n}" for n in range(5)])
    assert words == ["menu", "NOTICE"] * 5


@pytest.mark.parametrize(("pages", "min_pages"), [(2, 3), (4, 5)])
def test_too_few_pages_say_nothing(pages, min_pages):
    assert found(*[f"menu own{n}" for n in range(pages)], min_pages=min_pages)[0] == []


def test_an_unknown_site_has_no_template():
    assert found(*[f"menu own{n}" for n in range(9)], site=None)[0] == []


def test_a_page_of_nothing_but_recurring_lines_is_left_to_the_repeats():
    assert found(*["one two three"] * 5)[0] == []


def test_in_a_run_the_ledger_says_on_how_many_pages(tmp_path):
    texts = [
        f"Blaue Stunde\n\nDie Brücke Nummer {n} wurde im Jahr {1900 + n} gebaut und steht noch heute.\n"
        f"Der Bau der Brücke Nummer {n} dauerte genau {n + 2} Jahre und einige Tage.\n\nRundbrief bestellen und lesen"
        for n in range(6)
    ]
    lines = [
        json.dumps({"id": n, "url": f"https://a.org/{n}", "text": text}) for n, text in enumerate(texts)
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    report = clean([tmp_path / "a.jsonl"], tmp_path / "out", line_model=False)
    assert report.verdict.passed, report.verdict.failures
    tables = read_corpus(tmp_path / "out" / "corpus")
    fallen = tables["ledger"].filter(step="templates")
    assert fallen["before"].unique().sort().to_list() == [
        "Blaue Stunde",
        "Rundbrief bestellen und lesen",
    ]
    assert fallen["pages"].to_list() == [6] * 12
    assert tables["documents"]["n_sentences"].to_list() == [2] * 6


def test_suggested_packs_hold(tmp_path):
    from reinschrift.flows.face.suggest import suggest_packs
    from reinschrift.transforms.boilerplate.packs import parse_pack
    from reinschrift.transforms.boilerplate.rules import check_examples

    texts = [
        f'Blaue "Stunde"\nDie Brücke Nummer {n} wurde im Jahr {1900 + n} gebaut und steht noch.'
        for n in range(6)
    ]
    lines = [json.dumps({"url": f"https://www.a.org/{n}", "text": text}) for n, text in enumerate(texts)]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    clean([tmp_path / "a.jsonl"], tmp_path / "out", line_model=False)
    packs = suggest_packs((tmp_path / "out" / "corpus").resolve())
    pack = parse_pack(packs["a.org"], "suggested")
    assert [rule.patterns for rule in pack.rules] == [('Blaue "Stunde"',)]
    assert check_examples(pack) == []
    [rule] = pack.rules
    kept = read_corpus(tmp_path / "out" / "corpus")["sentences"]["text"].to_list()
    assert len(rule.keeps) == 3
    assert set(rule.keeps) <= set(kept)  # real lines, not made up
