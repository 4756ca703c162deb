"""The repository's own pages, by their own labels: what a stranger's clone can check."""

import json
from pathlib import Path

import pytest

from tests.conftest import blocks_with_repeats, clean, read_corpus

ROOT = Path(__file__).parents[2]
GOLD = [
    json.loads(line)
    for line in (ROOT / "tests/data/seeds_gold.jsonl").read_text(encoding="utf-8").splitlines()
]


def letters(text):
    return "".join(text.split())


@pytest.fixture(scope="module", params=[True, False], ids=["rules and model", "rules alone"])
def kept(request, tmp_path_factory):
    """For each page, the letters of the lines that were kept (repeats count as kept)."""
    out = tmp_path_factory.mktemp("out")
    report = clean([ROOT / "seeds"], out, line_model=request.param)
    assert report.verdict.passed
    tables = read_corpus(out / "corpus")
    blocks = blocks_with_repeats(tables)
    names = {row[0]: Path(row[1]).name for row in tables["documents"].select("id", "source").iter_rows()}
    lines = {}
    for document_id, _, text in blocks.iter_rows():
        lines.setdefault(names[document_id], set()).add(letters(text))
    return request.param, lines


def test_content_stays_and_furniture_goes(kept):
    has_model, lines = kept
    content = furniture = content_kept = furniture_kept = 0
    for page in GOLD:
        for line, label in zip(page["lines"], page["labels"], strict=True):
            stays = letters(line) in lines[page["id"]]
            content += label == "content"
            content_kept += stays and label == "content"
            furniture += label == "boilerplate"
            furniture_kept += stays and label == "boilerplate"
    assert content_kept >= (0.97 if has_model else 0.999) * content
    assert furniture_kept <= 0.03 * furniture


def test_german_pages_and_the_clean_page_lose_nothing(kept):
    _, lines = kept
    for page in GOLD:
        if page["id"].startswith(("humboldt", "clean")):
            lost = [
                line for line in page["lines"] if line.strip() and letters(line) not in lines[page["id"]]
            ]
            assert lost == []
