"""Where the parts meet: masks and addresses, templates and near copies, runs that find no page."""

import json

import pytest

from tests.conftest import clean, read_corpus

STORY = [
    f"Im Jahr {year} wurde die alte Brücke von den Wächtern ausgebessert." for year in range(1901, 1921)
]


def records(path, *rows):
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return path


@pytest.mark.parametrize("copies", [4, 5, 50])
def test_near_copies_of_one_site_leave_one(tmp_path, copies):
    """Print views and session ids make many copies of a page: they are no template of the site."""
    pages = [
        {"url": f"https://n.example/{n}", "text": "\n".join([*STORY, f"Die Nummer lautet {n}."])}
        for n in range(copies)
    ]
    clean([records(tmp_path / "a.jsonl", *pages)], tmp_path / "out")
    (document,) = read_corpus(tmp_path / "out" / "corpus")["documents"].iter_rows(named=True)
    assert all(line in document["text"] for line in STORY)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", "\n"),
        ("a.jsonl", '{"text": ""}\n'),
        ("a.csv", "text,url\n"),
        ("b.jsonl", '{"text": 5}\n'),
    ],
)
def test_a_run_without_a_page_ends_and_says_why(tmp_path, name, content):
    (tmp_path / name).write_text(content)
    report = clean([tmp_path / name], tmp_path / "out")
    assert report.quarantine.height == (name != "a.csv")
    assert (report.state, report.exit_code, report.version) == ("nothing to read", 1, None)
    assert [cause.name for cause in report.result.causes] == ["metrics.pages-read"]


def test_masked_addresses_are_compared_as_they_were(tmp_path):
    pages = [
        {
            "url": f"https://x.example/u/{who}@mail.example.com",
            "text": f"{who} baute eine Brücke.\n" + line,
        }
        for who, line in (("anna", STORY[0]), ("bob", STORY[1]))
    ]
    clean([records(tmp_path / "a.jsonl", *pages)], tmp_path / "out", mask=("email",))
    documents = read_corpus(tmp_path / "out" / "corpus")["documents"]
    assert documents["url"].to_list() == ["https://x.example/u/[EMAIL]"] * 2


def test_what_html_says_of_itself_is_masked(tmp_path):
    (tmp_path / "a.html").write_text(
        '<link rel=canonical href="https://x.example/anna@mail.example.com">'
        '<meta property="og:site_name" content="Anna anna@mail.example.com">'
        + "".join(f"<p>{line}</p>" for line in STORY)
    )
    clean([tmp_path / "a.html"], tmp_path / "out", mask=("email",), redact_ledger=True)
    for table in read_corpus(tmp_path / "out" / "corpus").values():
        assert "anna@" not in table.write_json()


def test_wide_keys_are_those_of_the_masked_text(tmp_path):
    for who in ("anna", "bob"):
        text = f"Für alle weiteren Fragen schreiben Sie an {who}@mail.example.com bitte."
        (tmp_path / f"{who}.txt").write_text(f"{who} hat eine eigene Seite.\n{text}")
    names = [tmp_path / "anna.txt", tmp_path / "bob.txt"]
    clean(names, tmp_path / "out", mask=("email",), key_bits=128)
    texts = read_corpus(tmp_path / "out" / "corpus")["sentences"]["text"].to_list()
    assert len([text for text in texts if "[EMAIL]" in text]) == 1
