"""The tables in the docs are those that follow from the code."""

import pytest

from tests.doc_tables import PAGES, PLACE, TABLES, with_tables


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_tables_follow_from_the_code(page):
    text = page.read_text(encoding="utf-8")
    assert text == with_tables(text), "run `python -m tests.doc_tables`"


def test_every_table_stands_somewhere():
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert {name for _, name, _ in PLACE.findall(text)} == set(TABLES)
