"""Where rules and line model meet: clean pages, pages asked again."""

import polars as pl

from tests.conftest import clean_text

NAMES = [
    f"{first} {last}, {year}"
    for year, (first, last) in enumerate(
        (
            (a, b)
            for a in ("Ada", "Bo", "Cem", "Dora", "Eli", "Fay")
            for b in ("Kern", "Lind", "Moor", "Nye")
        ),
        1901,
    )
]
LIST_PAGE = "\n".join(
    ["Wardens of the bridge and the keepers of the toll in the order of service", *NAMES]
)
FURNITURE = "Home\nAbout us\nContact\nPrivacy Policy\nShare on Facebook\nSubscribe to our newsletter\n"


def dropped(tables: dict[str, pl.DataFrame]) -> list[str]:
    return tables["ledger"].filter(action="drop")["before"].to_list()


def test_a_page_without_furniture_loses_nothing_however_short_its_lines(tmp_path):
    tables = clean_text(tmp_path, LIST_PAGE)
    assert dropped(tables) == []


def test_without_rules_a_clean_page_loses_nothing_either(tmp_path):
    """Whether a page is clean is the model's to say: it needs no silence of the rules."""
    assert dropped(clean_text(tmp_path, LIST_PAGE, builtin_packs=False)) == []


def test_each_block_the_model_drops_has_a_probability(tmp_path):
    tables = clean_text(tmp_path, FURNITURE + LIST_PAGE, builtin_packs=False)
    fallen = tables["ledger"].filter(rule="line-model")
    assert fallen["before"].is_in(FURNITURE.splitlines()).any()
    assert fallen["probability"].is_not_null().all()


def test_furniture_that_no_rule_knows_goes_with_furniture_that_one_does(tmp_path):
    story = " ".join(["The bridge was opened in the spring of 1901, when the river was high."] * 6)
    odd = "Zum Merkzettel\nTop 10 picks\n1 2 3 4 5 next\n"
    tables = clean_text(tmp_path, FURNITURE + odd + story + "\n" + odd + FURNITURE)
    assert "line-model" in tables["ledger"]["rule"].to_list()
    assert tables["documents"]["text"].to_list()[0].startswith("The bridge was opened")


def test_cleaning_what_was_cleaned_changes_nothing(tmp_path):
    story = "\n".join(
        f"In {year} the bridge was mended by the wardens of the toll." for year in range(1901, 1930)
    )
    first = clean_text(tmp_path, FURNITURE + story + "\n" + FURNITURE)
    again = clean_text(tmp_path, first["documents"]["text"][0], "again.txt", min_repeat_chars=10**6)
    assert dropped(again) == []


def test_a_higher_threshold_drops_more(tmp_path):
    story = "\n".join(f"In {year} the bridge was mended." for year in range(1901, 1930))
    page = FURNITURE + "Zum Merkzettel\nTop 10 picks\n" + story + "\n" + FURNITURE
    (tmp_path / "low").mkdir()
    (tmp_path / "high").mkdir()
    low = clean_text(tmp_path / "low", page, threshold=0.01)
    high = clean_text(tmp_path / "high", page, threshold=0.99)
    kept = [tables["sentences"]["text"].to_list() for tables in (low, high)]
    assert set(kept[1]) < set(kept[0])
