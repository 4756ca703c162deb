"""The laws, over generated pages: furniture, prose, repeats, hostile lines, in any mixture."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from pathlib import Path

import polars as pl
from hypothesis import HealthCheck, Phase, given, reject, settings
from hypothesis import strategies as st

from benchmarks.conservation import lost_lines
from reinschrift.flows.store.local import Corpus
from reinschrift.flows.store.removals import Removal, write_removals
from tests.conftest import clean, dropped_sentences, file_hashes, read_corpus

GERMAN = st.sampled_from(
    [
        "Die Brücke über den Fluss wurde im 19. Jahrhundert gebaut und steht noch heute.",
        "Die Brucke über den Fluss wurde im 19. Jahrhundert gebaut und steht noch heute.",
        "Am 3. Oktober 1990 um 12.30 Uhr läuteten in der Stadt alle Glocken.",
        "Er schrieb: „Das Wasser stieg über Nacht.“ Danach ging er schlafen, wie jeden Abend.",
    ]
)
ENGLISH = st.sampled_from(
    [
        "The old mill was rebuilt in 1887 after a fire had destroyed its roof.",
        "The old mill was rebuilt in 1888 after a fire had destroyed its roof.",
        "Bees visit up to two thousand flowers a day, and they remember the best of them.",
    ]
)
FRENCH = st.just("La rivière traverse la ville du nord au sud depuis toujours.")
SENTENCES = st.one_of(GERMAN, ENGLISH, FRENCH)
# Several sentences in a line share its language: a block has one label.
PARAGRAPHS = st.one_of(
    st.lists(GERMAN, min_size=2, max_size=3), st.lists(ENGLISH, min_size=2, max_size=3)
)
FURNITURE = st.sampled_from(
    [
        "Leave a Reply",
        "Save Save",
        "  • NotesNotes",
        "Accept all cookies",
        "3 Comments",
        "Alle Rechte vorbehalten",
        "Skip to content",
        "Your email address will not be published. Required fields are marked *",
    ]
)
# A page of these is long enough to be a near duplicate of one that differs in a line or two.
STORY = [
    f"Kapitel {n}: Der Müller {name} trug {n + 3} Säcke Mehl über die alte Brücke bis vor das Tor."
    for n, name in enumerate(["Arno", "Bert", "Carl", "Doris", "Ernst", "Fritz", "Georg", "Heinz"])
]
ODD = st.sampled_from(
    ["", "   ", "\u200b", "\x00", "12345", "…", "Tom &amp; Jerry", "fÃ¼r", "a\tb", "\u00a0", "«»"]
)
ANY = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=60)
LINES = st.one_of(SENTENCES, SENTENCES, FURNITURE, ODD, ANY, PARAGRAPHS.map(" ".join))
MIXED = st.lists(LINES, min_size=1, max_size=12)
NEAR = st.tuples(st.sets(st.integers(0, 7), max_size=3), LINES).map(
    lambda drawn: [drawn[1] if n in drawn[0] else line for n, line in enumerate(STORY)]
)
PAGES = st.one_of(MIXED, MIXED, NEAR).map("\n".join).filter(bool)
NAMES = st.sampled_from([f"{letter}.txt" for letter in "abcdefgh"])
SITES = st.dictionaries(NAMES, PAGES, min_size=1, max_size=5)
relaxed = settings(
    # A whole run an example: shrinking takes longer than reading the first counterexample.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


class Workshop:
    """A folder of pages, and corpora made from it."""

    def __init__(self, root: str) -> None:
        self.root = Path(root)
        self.site = self.root / "site"
        self.site.mkdir()

    def write(self, pages: dict[str, str]) -> None:
        shutil.rmtree(self.site)
        self.site.mkdir()
        for name, text in pages.items():
            (self.site / name).write_text(text, encoding="utf-8", newline="")

    def corpus(self, name: str, inputs: list[Path] | None = None, **options: object) -> Path:
        report = clean(inputs or [self.site], self.root / name, **options)
        if report.state == "nothing to read":
            reject()  # control characters alone: all of it is in quarantine
        assert report.verdict.passed, report.verdict.failures
        return self.root / name / "corpus"


def _is_readable(text: str) -> bool:
    controls = sum(
        (ord(char) < 32 and char not in "\t\n\r\x0b\x0c\x1b") or char == "\x7f" for char in text
    )
    return controls <= 0.01 * len(text) and bool(text.strip("\ufeff \t\r\n")) and text[0] != "\ufeff"


@relaxed
@given(SITES)
def test_conservation(pages: dict[str, str]) -> None:
    """Every non-blank line is in sentences or in the ledger; a script that knows no code checks."""
    pages = {name: text for name, text in pages.items() if _is_readable(text) and "\x00" not in text}
    if not pages:
        return
    with tempfile.TemporaryDirectory() as root:
        shop = Workshop(root)
        shop.write(pages)
        corpus = shop.corpus("out")
        for name in pages:
            file = shop.site / name
            assert lost_lines(corpus, file, str(file)) == []


@relaxed
@given(SITES, st.randoms(use_true_random=False), st.integers(1, 400))
def test_order_and_shards_do_not_matter(pages: dict[str, str], random, shard_bytes: int) -> None:
    with tempfile.TemporaryDirectory() as root:
        shop = Workshop(root)
        shop.write(pages)
        files = sorted(shop.site.iterdir())
        first = file_hashes(shop.corpus("one", files))
        random.shuffle(files)
        assert file_hashes(shop.corpus("two", files, shard_bytes=shard_bytes)) == first


@relaxed
@given(st.lists(SITES, min_size=2, max_size=4))
def test_increments_equal_a_fresh_run(history: list[dict[str, str]]) -> None:
    """Adding, changing and removing pages ends in the bytes of one run on the final pages."""
    with tempfile.TemporaryDirectory() as root:
        shop = Workshop(root)
        for pages in history:
            shop.write(pages)
            grown = shop.corpus("grown", near_threshold=0.6, part_pages=2)
        fresh = shop.corpus("fresh", near_threshold=0.6, part_pages=2)
        assert file_hashes(grown) == file_hashes(fresh)


@relaxed
@given(st.lists(st.tuples(SITES, st.sets(NAMES, max_size=2)), min_size=2, max_size=3), st.data())
def test_removals_are_increments(history: list[tuple[dict[str, str], set[str]]], data) -> None:
    """The same when pages are taken down in between, and given back."""
    mode = data.draw(st.sampled_from(["drop", "mark"]))
    options = {
        "near_threshold": 0.6,
        "repeats_mode": mode,
        "repeat_units": ("page", "block", "sentence"),
    }
    with tempfile.TemporaryDirectory() as root:
        shop = Workshop(root)
        for pages, removed in history:
            shop.write(pages)
            gone = [Removal("source", str(shop.site / name), "2024-05-01", "") for name in removed]
            for name in ("grown", "fresh"):
                (shop.root / name).mkdir(exist_ok=True)
                write_removals(Corpus(shop.root / name), gone)
            grown = shop.corpus("grown", **options)
        assert file_hashes(grown) == file_hashes(shop.corpus("fresh", shard_bytes=50, **options))
        sources = {*read_corpus(grown)["sentences"]["document_id"]}
        assert sources.isdisjoint(read_corpus(grown)["ledger"].filter(step="removals")["document_id"])


@relaxed
@given(SITES)
def test_cleaning_cleaned_text_changes_nothing(pages: dict[str, str]) -> None:
    with tempfile.TemporaryDirectory() as root:
        shop = Workshop(root)
        shop.write(pages)
        # Without the model: it judges a page anew that lost lines to the repeats of other pages.
        _clean_twice(shop, line_model=False)


def test_cleaning_cleaned_pages_changes_nothing(tmp_path: Path) -> None:
    """The same with all there is, on whole pages."""
    shop = Workshop(str(tmp_path))
    seeds = Path(__file__).parents[2] / "seeds"
    shop.write({file.name: file.read_text(encoding="utf-8") for file in seeds.glob("*.txt")})
    _clean_twice(shop)


def _clean_twice(shop: Workshop, **options: object) -> None:
    once = {
        Path(source).name: text
        for source, text in read_corpus(shop.corpus("once", **options))["documents"]
        .select("source", "text")
        .iter_rows()
    }
    if not once:
        return
    shop.write(once)
    twice = read_corpus(shop.corpus("twice", **options))
    assert twice["ledger"].to_dicts() == []
    assert {
        Path(source).name: text
        for source, text in twice["documents"].select("source", "text").iter_rows()
    } == once


@relaxed
@given(SITES)
def test_replay(pages: dict[str, str]) -> None:
    """Kept text and ledger, each at its offsets, rebuild the page after repair, but for white space."""
    with tempfile.TemporaryDirectory() as root:
        shop = Workshop(root)
        shop.write(pages)
        tables = read_corpus(shop.corpus("out"))
        dropped = dropped_sentences(tables)
        ids = {*tables["sentences"]["document_id"], *tables["ledger"]["document_id"]}
        for document_id in sorted(ids):
            kept = tables["sentences"].filter(document_id=document_id)
            gone = tables["ledger"].filter(document_id=document_id)
            spans = kept.select("start", "end", "text").rows()
            blocks = gone.filter((pl.col("action") == "drop") & pl.col("block").is_not_null())
            blocks = blocks.filter(pl.col("sentence").is_null())
            spans += [
                (row["start"], row["end"], row["before"])
                for frame in (blocks, dropped.filter(document_id=document_id))
                for row in frame.iter_rows(named=True)
                if row["end"] > row["start"]
            ]
            spans.sort()
            for (_, end, _), (start, _, _) in itertools.pairwise(spans):
                assert end <= start
            assert all(end - start == len(text) for start, end, text in spans)


def test_removing_the_owner_gives_a_sentence_to_the_next_page(tmp_path: Path) -> None:
    shop = Workshop(str(tmp_path))
    shared = "Die Brücke über den Fluss wurde im 19. Jahrhundert gebaut."
    shop.write({"a.txt": shared, "b.txt": f"{shared} Bienen fliegen im Winter nur an warmen Tagen."})
    before = read_corpus(shop.corpus("out"))
    repeat = before["ledger"].row(0, named=True)
    assert repeat["source"] == str(shop.site / "b.txt")
    first = before["documents"].filter(source=str(shop.site / "a.txt"))["id"].item()
    assert repeat["kept_at"] == before["sentences"].filter(document_id=first)["id"].item()
    (shop.site / "a.txt").unlink()
    after = read_corpus(shop.corpus("out"))
    assert after["documents"]["source"].to_list() == [str(shop.site / "b.txt")]
    assert after["ledger"].height == 0
