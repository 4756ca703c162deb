"""Documents that fail the rules of a profile: marked, or dropped with all they have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conftest import clean, file_hashes, read_corpus

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

SHARED = "Die Brücke über den Fluss wurde im 19. Jahrhundert gebaut und steht noch heute."
PROSE = (
    "Wer zu Fuß kommt, braucht mit etwas Glück kaum eine Stunde bis zum alten Markt in der Stadt. "
    "Dort ist am Morgen mehr los als am Abend, denn die Händler bieten Fisch, Brot und Obst an. "
    "Viele bleiben nur kurz stehen, andere trinken Kaffee und reden über das Wetter. "
    "Am Abend ist es still, und von den Hügeln aus sieht man in der Ferne das Meer."
)


def corpus(
    folder: Path, pages: dict[str, str], name: str = "out", **settings: object
) -> dict[str, pl.DataFrame]:
    (folder / "site").mkdir(exist_ok=True)
    for file, text in pages.items():
        (folder / "site" / file).write_text(text, encoding="utf-8")
    report = clean([folder / "site"], folder / name, line_model=False, **settings)
    assert report.verdict.passed, report.verdict.failures
    return read_corpus(folder / name / "corpus")


PAGES = {"a.txt": f"{SHARED}\nKurz.\nSkip to content", "b.txt": f"{PROSE}\n{SHARED}"}


def test_documents_are_marked(tmp_path: Path) -> None:
    documents = corpus(tmp_path, PAGES)["documents"]
    assert documents["quality_flags"].to_list() == [["gopher_word_count"], []]
    assert documents.unnest("signals")["gopher_stop_word_count"].to_list() == [2, 8]


def test_nothing_is_measured_where_quality_is_off(tmp_path: Path) -> None:
    documents = corpus(tmp_path, PAGES, quality="off")["documents"]
    assert documents["quality_flags"].null_count() == documents.height == 2
    assert documents["signals"].null_count() == 2
    assert documents["n_words"].to_list() == [15, 66]


def test_a_document_is_dropped_with_all_it_has_and_gives_back_what_it_owned(tmp_path: Path) -> None:
    tables = corpus(tmp_path, PAGES, quality="drop")
    assert [source[-5:] for source in tables["documents"]["source"]] == ["b.txt"]
    assert SHARED in tables["sentences"]["text"].to_list()
    assert tables["ledger"].filter(step="repeats").height == 0
    row = tables["ledger"].filter(step="quality").row(0, named=True)
    assert (row["block"], row["sentence"], row["action"], row["after"]) == (None, None, "drop", None)
    assert (row["rule"], row["before"]) == ("gopher_word_count", f"{SHARED}\nKurz.")
    metrics = tables["metrics"].filter(step="quality", rule="gopher_word_count")
    assert metrics["units_dropped"].to_list() == [1]


@pytest.mark.parametrize("profile", ["gopher", "c4", "fineweb", "all"])
def test_order_and_shards_do_not_matter_where_documents_are_dropped(
    tmp_path: Path, profile: str
) -> None:
    pages = {**PAGES, "c.txt": "Zu kurz.\n{", "d.txt": SHARED, "e.txt": "•  \n" * 40 + PROSE}
    settings: dict[str, object] = {"quality": "drop", "quality_profile": (profile,)}
    corpus(tmp_path, pages, "one", **settings)
    corpus(tmp_path, pages, "many", shard_bytes=50, **settings)
    assert file_hashes(tmp_path / "one" / "corpus") == file_hashes(tmp_path / "many" / "corpus")
