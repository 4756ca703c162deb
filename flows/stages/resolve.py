"""The second stage of a run, over the keys of all shards at once: templates and repeats.

Recomputed in every run, which is what makes increments equal a fresh run. Keys are scattered over files
by their hash and each file is judged alone, so memory does not grow with them (docs/repeats.md).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from reinschrift.flows.stages.spill import Spill
from reinschrift.flows.store.local import Corpus, stage_files
from reinschrift.flows.store.removals import is_removed, read_removals
from reinschrift.transforms.boilerplate.templates import FIXED_KINDS, find_templates
from reinschrift.transforms.contracts import PAGE_KEYS, PAGES, UNITS, Table
from reinschrift.transforms.repeats.exact import UNREPEATABLE_KINDS, combine, find_repeats, normalise
from reinschrift.transforms.repeats.near import (
    Shingles,
    band_keys,
    banding,
    components,
    crowd_pairs,
    distinct,
    jaccard,
    page_shingles,
    shingle,
    star_pairs,
    unpack,
)
from reinschrift.transforms.text.urls import fetch_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from reinschrift.flows.config import Settings
    from reinschrift.flows.store.removals import Removal

DOCUMENT_ID_CHARS = 20  # hexadecimal: 80 bits, one collision in 10^9 pages is 1 in 10^6
KEYS_A_BUCKET = 2_000_000
PAGES_A_ROW_GROUP = 50_000

# What a verdict says, by its number in the files of the judgement.
RULES = ("recurs-on-site", "exact-sentence", "exact-block", "near-sentence", "near-block")
TEMPLATE, SENTENCE, BLOCK, NEAR_SENTENCE, NEAR_BLOCK = range(len(RULES))
PAGE_RULES = (None, "removed", "same-url", "exact-page", "near-page")
STAYS, REMOVED, SAME_URL, EXACT_PAGE, NEAR_PAGE = range(len(PAGE_RULES))

VERDICT = np.dtype(
    [(name, "<u4") for name in ("page_no", "block", "sentence", "rule", "pages")]
    + [(name, "<u4") for name in ("kept_page", "kept_block", "kept_sentence")]
    + [("similarity", "<f4")]
)
_PLACE = ("page_no", "block", "sentence")
_KEPT = ("kept_page", "kept_block", "kept_sentence")
_SPOT = np.dtype([(name, "<u4") for name in _PLACE])
_KEY = np.dtype([("key", "<u8"), ("high", "<u8"), *((p, "<u4") for p in _PLACE), ("is_gone", "?")])
_LINE = np.dtype(
    [
        ("hash", "<u8"),
        ("site", "<u4"),
        *((p, "<u4") for p in _PLACE),
        ("is_fixed", "?"),
        ("is_long", "?"),
    ]
)
_BAND = np.dtype([("key", "<u8"), ("page_no", "<u4")])


@dataclass(frozen=True)
class Part:
    """A run of pages in corpus order, published as one file a table and language."""

    number: int
    first_page: int
    end_page: int


def judge(stages: list[str], settings: Settings) -> list[Part]:
    """Number the pages of all shards, name the documents, find templates and repeats.

    Reads keys; text only of pages that are near duplicates of others as far as their keys can tell.
    Writes `pages.parquet` (page_no, shard, page, document_id, n_chars_read; rule, kept_at, similarity,
    cluster_size),
    `ids.npy` (document ids by page_no) and, a part each, `verdicts` on sentences under
    `Corpus.judgement`. Out: the parts to publish.
    """
    corpus = Corpus(settings.out)
    pages = number_pages(corpus, stages, read_removals(corpus))
    np.save(
        corpus.judgement / "ids.npy", pages["document_id"].to_numpy().astype(f"S{DOCUMENT_ID_CHARS}")
    )
    parts = cut_parts(pages, settings)
    bench = Bench(corpus, stages, settings, pages, parts)
    if "repeats" not in settings.skip:
        bench.find_same_urls()
        bench.find_exact_pages()
    if "boilerplate" not in settings.skip:
        bench.find_templates()
    if "repeats" not in settings.skip:
        bench.find_near_pages()
        bench.find_blocks()
        bench.find_near_units("block")
        bench.find_sentences()
        bench.find_near_units("sentence")
    bench.close()
    return parts


# ---------------------------------------------------------------- pages


def number_pages(corpus: Corpus, stages: Sequence[str], removals: Sequence[Removal]) -> pl.DataFrame:
    """Pages in corpus order (source, place in the file), with their document ids and keys.

    Out: `page_no`, `shard`, `page`, `document_id`, `site`, `url_key` and `fetched` where there is a
    URL, `n_chars_read`, `is_removed`; `text_hash` and `n_chars`, null where no text is left.
    """
    frames = [_pages_of(corpus, stage, number) for number, stage in enumerate(stages)]
    pages = pl.concat(frames) if frames else _pages_of(corpus, "", 0)
    pages = pages.with_row_index("page_no")
    twice = pages.filter(pl.col("document_id").is_duplicated())
    if twice.height:
        # Records of one file that claim the same id are told apart by their order.
        names = pl.concat([_named(corpus, stages[shard], shard) for shard in twice["shard"].unique()])
        again = twice.join(names, on=["shard", "page"], maintain_order="left").select(
            "page_no", document_id=_page_id(pl.int_range(pl.len()).over("name"))
        )
        pages = pages.update(again, on="page_no")
    return _mark_removed(corpus, stages, pages, removals).drop("name", strict=False)


def _pages_of(corpus: Corpus, stage: str, shard: int) -> pl.DataFrame:
    wanted = ["page", "source", "record_id", "position", "site", "url_key", "fetched_at", "n_chars_read"]
    facts = read_stage_table(corpus, stage, PAGES, wanted)
    keys = read_stage_table(corpus, stage, PAGE_KEYS, ["page", "text_hash", "n_chars"])
    return (
        facts.with_columns(name=_name())
        .select(
            "page",
            "site",
            "n_chars_read",
            shard=pl.lit(shard, dtype=pl.UInt32),
            document_id=_page_id(pl.lit(0)),
            url_key="url_key",
            fetched=fetch_time(pl.col("fetched_at")),
        )
        .join(keys, on="page", how="left", maintain_order="left")
    )


def _name() -> pl.Expr:
    """What a page is called by; lengths before the parts, so that no two make the same text of them."""
    own = pl.coalesce(pl.format("id {}", "record_id"), pl.format("at {}", "position"))
    return pl.format("{} {} {}", pl.col("source").str.len_bytes(), "source", own)


def _page_id(copy: pl.Expr) -> pl.Expr:
    named = pl.format("{} {}", copy, "name")
    return named.chash.sha2_256().str.slice(0, DOCUMENT_ID_CHARS)  # type: ignore[attr-defined, no-any-return]


def _named(corpus: Corpus, stage: str, shard: int) -> pl.DataFrame:
    facts = read_stage_table(corpus, stage, PAGES, ["page", "source", "record_id", "position"])
    return facts.select("page", shard=pl.lit(shard, dtype=pl.UInt32), name=_name())


def _mark_removed(
    corpus: Corpus, stages: Sequence[str], pages: pl.DataFrame, removals: Sequence[Removal]
) -> pl.DataFrame:
    """Add `is_removed`: whether a page was taken down on demand."""
    if not removals:
        return pages.with_columns(is_removed=pl.lit(value=False))
    gone = []
    for (shard,), mine in pages.group_by("shard", maintain_order=True):
        facts = read_stage_table(
            corpus, stages[int(str(shard))], PAGES, ["page", "source", "record_id", "url_key"]
        )
        named = mine.select("page", "document_id").join(facts, on="page", maintain_order="left")
        gone.append(named.select(is_removed=is_removed(removals, pl.col("document_id"))))
    return pages.hstack(pl.concat(gone)) if gone else pages.with_columns(is_removed=pl.lit(value=False))


def cut_parts(pages: pl.DataFrame, settings: Settings) -> list[Part]:
    """Runs of pages of at most `part_pages` pages and, but for a last page, `part_chars` characters."""
    chars = np.cumsum(pages["n_chars_read"].to_numpy(), dtype=np.int64)
    parts: list[Part] = []
    start = 0
    while start < pages.height:
        before = int(chars[start - 1]) if start else 0
        full = int(np.searchsorted(chars, before + settings.part_chars)) + 1
        end = min(start + settings.part_pages, full, pages.height)
        parts.append(Part(len(parts), start, end))
        start = end
    return parts


def read_stage_table(corpus: Corpus, stage: str, table: Table, columns: list[str]) -> pl.DataFrame:
    """Some columns of a staged table of one shard, in page order."""
    files = stage_files(corpus, stage, table) if stage else []
    return pl.read_parquet(files, columns=columns) if files else table.empty().select(columns)


# ---------------------------------------------------------------- sentences


@dataclass
class Bench:
    """The judge at work: what is known of the pages so far, and the verdicts on sentences by part."""

    corpus: Corpus
    stages: list[str]
    settings: Settings
    pages: pl.DataFrame
    parts: list[Part]
    rule: NDArray[np.uint8] = field(init=False)  # number in PAGE_RULES, by page
    kept: NDArray[np.int64] = field(init=False)  # the page that stays in its place
    similarity: NDArray[np.float32] = field(init=False)
    verdicts: Spill = field(init=False)

    def __post_init__(self) -> None:
        count = self.pages.height
        self.rule = np.where(self.pages["is_removed"].to_numpy(), REMOVED, STAYS).astype(np.uint8)
        self.kept = np.arange(count)
        self.similarity = np.full(count, np.nan, dtype=np.float32)
        folder = self.corpus.judgement / "verdicts"
        self.verdicts = Spill(folder, VERDICT, len(self.parts))
        first = self.pages.group_by("shard", maintain_order=True).agg(pl.col("page_no").first())
        self.first_page: dict[int, int] = dict(first.iter_rows())

    # ------------------------------------------------ pages

    def find_same_urls(self) -> None:
        """Of pages with one URL the newest stays; of those as new, the first."""
        if not self.settings.same_url:
            return
        ours = pl.Series(self.rule == STAYS) & self.pages["text_hash"].is_not_null()
        shared = self.pages.filter(ours & self.pages["url_key"].is_not_null()).filter(
            pl.col("url_key").is_duplicated()
        )
        newest = pl.col("page_no").sort_by(
            "fetched", "page_no", descending=[True, False], nulls_last=True
        )
        winners = shared.select("page_no", kept=newest.first().over("url_key"))
        self._drop_pages(winners, SAME_URL)

    def find_exact_pages(self) -> None:
        """Of pages with the same text the first stays."""
        if "page" not in self.settings.repeat_units:
            return
        ours = pl.Series(self.rule == STAYS) & (
            self.pages["n_chars"] >= self.settings.min_repeat_chars
        ).fill_null(value=False)
        owner = pl.col("page_no").min().over("text_hash")
        self._drop_pages(self.pages.filter(ours).select("page_no", kept=owner), EXACT_PAGE)

    def find_near_pages(self) -> None:
        """Of pages joined by near duplicates the first stays."""
        if not self.settings.judges_near:
            return
        bands = self._spill_bands()
        near = _cluster_near(bands, self._shingles_of, self.pages.height, self.settings.near_threshold)
        numbers = np.arange(self.pages.height, dtype=np.uint32)
        self._drop_pages(pl.DataFrame({"page_no": numbers, "kept": near.cluster}), NEAR_PAGE)
        self.similarity = np.where(self.rule == NEAR_PAGE, near.similarity, self.similarity)

    def _drop_pages(self, winners: pl.DataFrame, rule: int) -> None:
        """Let pages (`page_no`) give way to others (`kept`), if these are not themselves."""
        losers = winners.filter(pl.col("page_no") != pl.col("kept"))
        at = losers["page_no"].to_numpy()
        self.rule[at] = rule
        self.kept[at] = losers["kept"].to_numpy()

    def _spill_bands(self) -> Spill:
        """The MinHash keys of the pages that stay, by band and key."""
        bands, _ = banding(self.settings.near_threshold)
        lots = 1 + self.pages.height // KEYS_A_BUCKET
        spill = Spill(self.corpus.judgement / "bands", _BAND, bands * lots)
        for shard, offset in self.first_page.items():
            found = read_stage_table(
                self.corpus, self.stages[shard], PAGE_KEYS, ["page", "bands"]
            ).drop_nulls()
            numbers = found["page"].to_numpy().astype(np.uint32) + np.uint32(offset)
            ours = self.rule[numbers] == STAYS
            keys = found["bands"].explode(empty_as_null=True).to_numpy().reshape(-1, bands)[ours]
            rows = np.empty(keys.size, dtype=_BAND)
            rows["key"] = keys.ravel()
            rows["page_no"] = np.repeat(numbers[ours], bands)
            band = np.tile(np.arange(bands, dtype=np.uint64), len(keys))
            spill.add(rows, band * np.uint64(lots) + rows["key"] % np.uint64(lots))
        return spill

    def _shingles_of(self, wanted: NDArray[np.uint32]) -> _Sets:
        """The 3-grams of some pages, of what the templates left of them, in a file."""
        units = self._units(["text"], wanted)
        return _write_sets(self.corpus, (page_shingles(some) for some in units))

    # ------------------------------------------------ sentences

    def find_templates(self) -> None:
        """Verdicts on lines that belong to the template of their site."""
        ours = pl.Series(self.rule == STAYS) & self.pages["text_hash"].is_not_null()
        many = pl.len().over("site") >= self.settings.template_min_pages
        sites = self.pages.filter(ours & self.pages["site"].is_not_null()).filter(many)
        if sites.is_empty():
            return
        code = np.zeros(self.pages.height, dtype=np.uint32)  # 0: too few pages to tell
        code[sites["page_no"].to_numpy()] = sites["site"].rank("dense").to_numpy()
        spill = Spill(self.corpus.judgement / "lines", _LINE, self._buckets())
        traits = (
            (pl.col("kind").is_in(FIXED_KINDS) | pl.col("kept_by").is_not_null()).alias("is_fixed"),
            pl.col("repeatable").alias("is_long"),
        )
        wanted = np.flatnonzero(code).astype(np.uint32)
        for units in self._units(["hash", "kind", "repeatable", "kept_by"], wanted):
            rows = _records(units.with_columns(traits), _LINE, ("hash", "is_fixed", "is_long", *_PLACE))
            rows["site"] = code[rows["page_no"]]
            spill.add(rows, rows["site"] % spill.buckets)
        for bucket in range(spill.buckets):
            rows = spill.read(bucket)
            if len(rows):
                self._add_templates(rows)
        spill.clear()

    def _add_templates(self, rows: NDArray[Any]) -> None:
        lines = pl.DataFrame({name: rows[name] for name in rows.dtype.names or ()})
        keys = lines.with_row_index("position").lazy()
        found = find_templates(keys, self.settings.template_min_pages).collect()
        gone = rows[found["position"].to_numpy()]
        self._add_verdicts(gone, TEMPLATE, pages=found["pages"].to_numpy())

    def find_sentences(self) -> None:
        """Verdicts on sentences that stand earlier in the corpus, in the same language."""
        if "sentence" not in self.settings.repeat_units:
            return
        spill = Spill(self.corpus.judgement / "keys", _KEY, self._buckets())
        marks = self.settings.repeats_mode == "mark"
        for units in self._units(["hash", "hash_high", "language", "repeatable"]):
            rows = _records(_keys(units.filter("repeatable")), _KEY, ("key", "high", *_PLACE))
            rows["is_gone"] = self.rule[rows["page_no"]] != STAYS
            if not marks:
                rows = rows[~rows["is_gone"]]
            spill.add(rows, rows["key"] % np.uint64(spill.buckets))
        for repeats, owners in _judge_buckets(spill):
            self._add_verdicts(repeats, SENTENCE, owners)

    def find_blocks(self) -> None:
        """Verdicts on the sentences of blocks that stand earlier in the corpus, word for word."""
        if "block" not in self.settings.repeat_units:
            return
        spill = Spill(self.corpus.judgement / "blocks", _KEY, self._buckets())
        marks = self.settings.repeats_mode == "mark"
        columns = ["hash", "hash_high", "language", "kind", "start", "end"]
        for units in self._units(columns):
            rows = _block_keys(units, self.settings.min_repeat_chars)
            rows["is_gone"] = self.rule[rows["page_no"]] != STAYS
            if not marks:
                rows = rows[~rows["is_gone"]]
            spill.add(rows, rows["key"] % np.uint64(spill.buckets))
        for repeats, owners in self._sentences_of([*_judge_buckets(spill)]):
            self._add_verdicts(repeats, BLOCK, owners)

    def _sentences_of(
        self, blocks: Sequence[tuple[NDArray[Any], NDArray[Any]]]
    ) -> list[tuple[NDArray[Any], NDArray[Any]]]:
        """The sentences of blocks that repeat others, each beside its twin in the other block."""
        place = ["page_no", "block"]
        sides = [np.concatenate([pair[side][place] for pair in blocks]) for side in (0, 1)]
        pairs = pl.DataFrame(
            {f"{n}": sides[0][n] for n in place} | {f"kept_{n}": sides[1][n] for n in place}
        )
        if pairs.is_empty():
            return []
        touched = pl.concat(
            [pairs.select(place), pairs.select(pl.col("^kept_.*$").name.map(lambda n: n[5:]))]
        )
        found = [
            units.join(touched.unique(), on=place, how="semi", maintain_order="left")
            for units in self._units([])
        ]
        lines = pl.concat(found).select(*_PLACE, rank=pl.int_range(pl.len()).over(place))
        both = (
            lines.join(pairs, on=place)
            .join(
                lines.select(
                    kept_page_no="page_no", kept_block="block", kept_sentence="sentence", rank="rank"
                ),
                on=["kept_page_no", "kept_block", "rank"],
            )
            .sort(_PLACE)
        )
        owners = both.select(page_no="kept_page_no", block="kept_block", sentence="kept_sentence")
        return [(_records(both, _SPOT, _PLACE), _records(owners, _SPOT, _PLACE))]

    def find_near_units(self, unit: Literal["block", "sentence"]) -> None:
        """Verdicts on blocks or sentences that say nearly what others of their language do."""
        settings = self.settings
        if unit not in settings.repeat_units or unit not in settings.near_units:
            return
        count, places = 0, [np.empty(0, dtype=_SPOT)]
        bands, rows = banding(settings.near_threshold)
        spill = Spill(self.corpus.judgement / f"near-{unit}", _BAND, bands)
        for texts in self._long_texts(unit):
            keys = band_keys(shingle(texts["text"]), bands, rows)
            keys ^= texts["language_key"].to_numpy()[:, None]
            band = np.empty(keys.size, dtype=_BAND)
            band["key"] = keys.ravel()
            band["page_no"] = np.repeat(np.arange(count, count + len(keys)), bands)
            spill.add(band, np.tile(np.arange(bands), len(keys)))
            places.append(_records(texts, _SPOT, _PLACE))
            count += len(keys)
        near = _cluster_near(
            spill, lambda wanted: self._sets_of(unit, wanted), count, settings.near_threshold
        )
        self._add_near(unit, np.concatenate(places), near)

    def _add_near(self, unit: str, spots: NDArray[Any], near: _Near) -> None:
        """Verdicts on units that joined the cluster of an earlier one; all sentences of a block."""
        repeats = np.flatnonzero(near.cluster != np.arange(len(spots)))
        if not len(repeats):
            return
        rows, owners, alike = spots[repeats], spots[near.cluster[repeats]], near.similarity[repeats]
        if unit == "block":
            place = ["page_no", "block"]
            blocks = pl.DataFrame({name: rows[name] for name in place}).with_row_index("of")
            wanted = np.unique(rows["page_no"])
            lines = [
                some.join(blocks, on=place, how="inner", maintain_order="left")
                for some in self._units([], wanted)
            ]
            found = pl.concat(lines)
            of = found["of"].to_numpy()
            rows, owners, alike = _records(found, _SPOT, _PLACE), owners[of], alike[of]
        rule = NEAR_BLOCK if unit == "block" else NEAR_SENTENCE
        self._add_verdicts(rows, rule, owners, similarity=alike)

    def _long_texts(self, unit: str) -> Iterator[pl.DataFrame]:
        """Units of enough words on the pages that stay, a shard at a time.

        Out: `page_no`, `block`, `sentence` (of a block its first), `text` normalised, `language_key`.
        """
        key = list(_PLACE) if unit == "sentence" else ["page_no", "block"]
        wanted = np.flatnonzero(self.rule == STAYS).astype(np.uint32)
        for units in self._units(["text", "language", "kind"], wanted):
            texts = units.filter(~pl.col("kind").is_in(UNREPEATABLE_KINDS))
            if unit == "block":
                texts = texts.group_by(key, maintain_order=True).agg(
                    pl.col("sentence", "language").first(), pl.col("text").str.join(" ")
                )
            language = pl.col("language").nchash.xxh3_64()  # type: ignore[attr-defined]
            normal = texts.select(*_PLACE, text=normalise(pl.col("text")), language_key=language)
            words = pl.col("text").str.count_matches(" ", literal=True) + 1
            long_enough = normal.filter(words >= self.settings.near_min_words)
            if not long_enough.is_empty():
                yield long_enough

    def _sets_of(self, unit: str, wanted: NDArray[np.uint32]) -> _Sets:
        """The 3-grams of some of these units, by their number in the order they come."""

        def some() -> Iterator[tuple[pl.Series, Shingles]]:
            count = 0
            for texts in self._long_texts(unit):
                low, high = np.searchsorted(wanted, [count, count + texts.height])
                mine = pl.Series(wanted[low:high])
                yield mine, distinct(shingle(texts["text"].gather(mine - count)))
                count += texts.height

        return _write_sets(self.corpus, some())

    def _add_verdicts(
        self,
        rows: NDArray[Any],
        rule: int,
        owners: NDArray[Any] | None = None,
        pages: NDArray[Any] | None = None,
        similarity: NDArray[Any] | None = None,
    ) -> None:
        """Verdicts on sentences at the places of `rows`; `owners` are those of the copies that stay."""
        verdicts = np.zeros(len(rows), dtype=VERDICT)
        for name in _PLACE:
            verdicts[name] = rows[name]
        verdicts["rule"] = rule
        if owners is not None:
            verdicts["kept_page"] = owners["page_no"]
            verdicts["kept_block"] = owners["block"]
            verdicts["kept_sentence"] = owners["sentence"]
        if pages is not None:
            verdicts["pages"] = pages
        if similarity is not None:
            verdicts["similarity"] = similarity
        ends = np.array([part.end_page for part in self.parts])
        self.verdicts.add(verdicts, np.searchsorted(ends, rows["page_no"], side="right"))

    # ------------------------------------------------ reading

    def _buckets(self) -> int:
        """How many files hold the keys of all sentences, a bounded number of them each."""
        files = [file for stage in self.stages for file in stage_files(self.corpus, stage, UNITS)]
        count = pl.scan_parquet(files).select(pl.len()).collect().item() if files else 0
        return 1 + int(count) // KEYS_A_BUCKET

    def _units(
        self, columns: list[str], wanted: NDArray[np.uint32] | None = None
    ) -> Iterator[pl.DataFrame]:
        """UNITS with `page_no`, a shard at a time, without what has a verdict already.

        Of `wanted` pages (ascending); else of all that stay or, to be marked, repeat others.
        """
        if wanted is None:
            gone = [REMOVED] if self.settings.repeats_mode == "mark" else [*range(1, len(PAGE_RULES))]
            wanted = np.flatnonzero(~np.isin(self.rule, gone)).astype(np.uint32)
        ends = [*list(self.first_page.values())[1:], self.pages.height][: len(self.first_page)]
        for (shard, first), end in zip(self.first_page.items(), ends, strict=True):
            low, high = np.searchsorted(wanted, [first, end])
            if low == high:
                continue
            mine = pl.Series(wanted[low:high])
            units = read_stage_table(
                self.corpus, self.stages[shard], UNITS, ["page", "block", "sentence", *columns]
            )
            numbered = units.with_columns(page_no=(pl.col("page") + first).cast(pl.UInt32))
            if high - low < end - first:
                numbered = numbered.filter(pl.col("page_no").is_in(mine.implode()))
            yield self._undecided(numbered, first, end)

    def _undecided(self, units: pl.DataFrame, first: int, end: int) -> pl.DataFrame:
        """The units of pages `first` to `end` that have no verdict yet."""
        if not self.verdicts.size:
            return units
        parts = [part for part in self.parts if part.first_page < end and part.end_page > first]
        known = np.concatenate([self.verdicts.read(part.number) for part in parts])
        known = known[(known["page_no"] >= first) & (known["page_no"] < end)]
        decided = pl.DataFrame({name: known[name] for name in _PLACE})
        return units.join(decided, on=_PLACE, how="anti", maintain_order="left")

    def close(self) -> None:
        """Write what was found, for the parts to be published."""
        while not np.array_equal(self.kept, self.kept[self.kept]):
            self.kept = self.kept[self.kept]
        ids = self.pages["document_id"]
        gives_way = pl.Series(self.rule > REMOVED)
        sizes = np.bincount(self.kept, minlength=len(ids))[self.kept]
        names = pl.Series(PAGE_RULES, dtype=pl.String)
        self.pages.select("page_no", "shard", "page", "document_id", "n_chars_read").with_columns(
            rule=names.gather(pl.Series(self.rule, dtype=pl.UInt32)),
            kept_at=pl.when(gives_way).then(ids.gather(pl.Series(self.kept, dtype=pl.UInt32))),
            similarity=pl.Series(self.similarity).fill_nan(None),
            cluster_size=pl.Series(sizes, dtype=pl.UInt32),
        ).write_parquet(self.corpus.judgement / "pages.parquet", row_group_size=PAGES_A_ROW_GROUP)
        moved = self._moved_owners()
        for part in self.parts:
            path = self.corpus.judgement / f"verdicts-{part.number:05d}.npy"
            np.save(path, _follow(self.verdicts.read(part.number), moved))
        self.verdicts.clear()

    def _moved_owners(self) -> pl.DataFrame:
        """Sentences that others point at and that repeat a third themselves, and those that stay.

        Only with blocks or near duplicates: then what one judgement keeps the next may drop.
        Out: `kept_page`, `kept_block`, `kept_sentence`, and the same names with `_then`.
        """
        chains = {"block"} & {*self.settings.repeat_units} or {"sentence"} & {*self.settings.near_units}
        rows = np.empty(0, dtype=VERDICT)
        if chains:
            every = [self.verdicts.read(part.number) for part in self.parts]
            rows = np.concatenate([rows, *every])
            rows = rows[rows["rule"] != TEMPLATE]
        then = {f"{name}_then": rows[name] for name in _KEPT}
        moved = pl.DataFrame({kept: rows[own] for own, kept in zip(_PLACE, _KEPT, strict=True)} | then)
        pointed = pl.DataFrame({name: rows[name] for name in _KEPT}).unique()
        while True:
            moved = moved.join(pointed, on=_KEPT, how="semi")
            further = _point_on(moved, moved, [f"{name}_then" for name in _KEPT])
            if further.equals(moved):
                return moved
            moved = further


def _point_on(frame: pl.DataFrame, moved: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """The frame, the places in `columns` replaced by those that stay for them."""
    on = moved.rename({f"{name}_then": f"{name}_at_last" for name in _KEPT})
    joined = frame.join(on, left_on=columns, right_on=_KEPT, how="left", maintain_order="left")
    changed = {
        column: pl.coalesce(f"{name}_at_last", column)
        for column, name in zip(columns, _KEPT, strict=True)
    }
    return joined.with_columns(**changed).select(frame.columns)


def _follow(verdicts: NDArray[Any], moved: pl.DataFrame) -> NDArray[Any]:
    """The verdicts, each naming a copy that stays."""
    if moved.is_empty() or not len(verdicts):
        return verdicts
    kept = _point_on(pl.DataFrame({name: verdicts[name] for name in _KEPT}), moved, _KEPT)
    points = verdicts["rule"] != TEMPLATE
    for name in _KEPT:
        verdicts[name] = np.where(points, kept[name].to_numpy(), verdicts[name])
    return verdicts


@dataclass(frozen=True)
class _Near:
    """What near duplicates came to: for each unit the first of its cluster, and its best score."""

    cluster: NDArray[np.int64]
    similarity: NDArray[np.float32]


def _cluster_near(
    bands: Spill, sets_of: Callable[[NDArray[np.uint32]], _Sets], count: int, threshold: float
) -> _Near:
    """Clusters of `count` units, proposed by their bands, decided by their sets of 3-grams."""
    pairs = _all_pairs(bands, star_pairs)
    sets = sets_of(np.unique(np.concatenate(unpack(pairs))))
    joined, scores = sets.score(pairs, threshold)
    cluster = _components(count, joined)
    rest = _all_pairs(bands, lambda keys, ids: crowd_pairs(keys, ids, cluster[ids].astype(np.uint32)))
    more, more_scores = sets.score(np.setdiff1d(rest, pairs), threshold)
    bands.clear()
    joined, scores = np.concatenate([joined, more]), np.concatenate([scores, more_scores])
    similarity = np.full(count, np.nan, dtype=np.float32)
    for side in unpack(joined):
        np.fmax.at(similarity, side, scores.astype(np.float32))
    return _Near(_components(count, joined), similarity)


def _components(count: int, joined: NDArray[np.uint64]) -> NDArray[np.int64]:
    left, right = unpack(joined)
    return components(count, left.astype(np.int64), right.astype(np.int64))


def _write_sets(corpus: Corpus, found: Iterable[tuple[pl.Series, Shingles]]) -> _Sets:
    """Sets of 3-grams in a file, which is read as it is needed."""
    path = corpus.judgement / "shingles.bin"
    numbers, ends = [np.empty(0, dtype=np.uint32)], [np.empty(0, dtype=np.int64)]
    total = 0
    with path.open("wb") as handle:
        for units, sets in found:
            sets.values.tofile(handle)
            numbers.append(units.to_numpy())
            ends.append(sets.ends + total)
            total += len(sets.values)
    values = np.memmap(path, dtype=np.uint64, mode="r") if total else np.empty(0, dtype=np.uint64)
    return _Sets(np.concatenate(numbers), Shingles(values, np.concatenate(ends)))


@dataclass(frozen=True)
class _Sets:
    """The 3-grams of units; `numbers` ascending."""

    numbers: NDArray[np.uint32]
    shingles: Shingles

    def score(
        self, pairs: NDArray[np.uint64], threshold: float
    ) -> tuple[NDArray[np.uint64], NDArray[np.float64]]:
        """Those pairs of units that are at least so alike, and how much."""
        left, right = unpack(pairs)
        known = np.isin(left, self.numbers) & np.isin(right, self.numbers)
        left, right = left[known], right[known]
        scores = jaccard(
            self.shingles, np.searchsorted(self.numbers, left), np.searchsorted(self.numbers, right)
        )
        alike = scores >= threshold
        return pairs[known][alike], scores[alike]


def _all_pairs(
    bands: Spill, find: Callable[[NDArray[np.uint64], NDArray[np.uint32]], NDArray[np.uint64]]
) -> NDArray[np.uint64]:
    """Pairs proposed by any band, each once."""
    pairs = np.empty(0, dtype=np.uint64)
    for bucket in range(bands.buckets):
        rows = bands.read(bucket)
        if len(rows):
            pairs = np.union1d(pairs, find(rows["key"], rows["page_no"]))
    return pairs


def _judge_buckets(spill: Spill) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """Of each bucket of keys the rows that repeat others, and those others."""
    for bucket in range(spill.buckets):
        rows = spill.read(bucket)
        repeats, owners = find_repeats(rows["key"], rows["high"], rows["is_gone"])
        yield rows[repeats], rows[owners]
    spill.clear()


def _keys(units: pl.DataFrame) -> pl.DataFrame:
    """Add `key` and `high`: a sentence repeats only those of its language."""
    language = pl.col("language").nchash.xxh3_64()  # type: ignore[attr-defined]
    return units.with_columns(key=pl.col("hash") ^ language, high=pl.col("hash_high").fill_null(0))


def _block_keys(units: pl.DataFrame, min_chars: int) -> NDArray[Any]:
    """Keys of blocks; those that may count as repeats."""
    if units.is_empty():
        return np.zeros(0, dtype=_KEY)
    keys = _keys(units)
    new = (pl.col("page_no") != pl.col("page_no").shift()) | (pl.col("block") != pl.col("block").shift())
    starts = keys.select(new.fill_null(value=True)).to_series().arg_true().to_numpy().astype(np.int64)
    ends = np.append(starts[1:], keys.height) - 1
    rows = np.zeros(len(starts), dtype=_KEY)
    rows["key"] = combine(keys["key"].to_numpy(), starts)
    rows["high"] = combine(keys["high"].to_numpy(), starts)
    rows["page_no"], rows["block"] = keys["page_no"].to_numpy()[starts], keys["block"].to_numpy()[starts]
    width = keys["end"].to_numpy().astype(np.int64)[ends] - keys["start"].to_numpy()[starts]
    is_free = ~keys["kind"].is_in(UNREPEATABLE_KINDS).to_numpy()[starts]
    may_repeat: NDArray[np.bool_] = (width >= min_chars) & is_free
    return rows[may_repeat]


def _records(frame: pl.DataFrame, dtype: np.dtype[Any], columns: Sequence[str]) -> NDArray[Any]:
    """Rows of a frame as fixed-width records."""
    rows = np.zeros(frame.height, dtype=dtype)
    for name in columns:
        rows[name] = frame[name].to_numpy()
    return rows
