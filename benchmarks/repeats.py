"""Repeats: what finding them costs, what it finds, and how much memory it takes.

    python -m benchmarks.repeats [--bench ../shared/bench] [--lines 10_000_000]
    python -m benchmarks.repeats --keys 100_000_000
    python -m benchmarks.repeats --shards 400

The first compares sentence repeats with bare Polars and DuckDB in the same run, and near-duplicate pages
with brute force. The second judges made-up keys out of core and tells the peak of memory. The third
publishes ever more tiny shards.
"""

from __future__ import annotations

import argparse
import gzip
import json
import resource
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import polars as pl
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from reinschrift.flows.config import load_settings
from reinschrift.flows.stages.resolve import resolve
from reinschrift.flows.stages.resolve.verdicts import KEYS_A_BUCKET
from reinschrift.flows.store.local import Corpus
from reinschrift.transforms.contracts import PAGE_KEYS, PAGES, UNITS
from reinschrift.transforms.repeats.exact import QUOTES, add_hash, find_repeats, normalise
from reinschrift.transforms.repeats.near import describe_pages, distinct, shingle
from reinschrift.transforms.sentences import split_sentences
from tests.conftest import clean

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

MIN_CHARS = 25
THRESHOLD = 0.8
KEYS_A_SHARD = 1_000_000
KEYS_A_PAGE = 100


def cpu_seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds of this process, all threads, for one call; and what it gave."""
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def read_texts(bench: Path) -> list[str]:
    files = sorted((bench / "speed" / "text_jsonl").glob("*.jsonl.gz"))
    return [
        json.loads(line)["text"]
        for file in files
        for line in gzip.decompress(file.read_bytes()).splitlines()
    ]


def cut(texts: list[str]) -> pl.DataFrame:
    """UNITS of texts, a page each: `page`, `block`, `sentence`, `text` and the columns beside them."""
    blocks = (
        pl.DataFrame({"page": range(len(texts)), "text": texts})
        .with_columns(pl.col("text").str.split("\n"))
        .explode("text")
        .filter(pl.col("text").str.strip_chars() != "")
        .with_columns(
            block=pl.int_range(pl.len()).over("page"),
            start=pl.lit(0),
            kind=pl.lit("paragraph"),
            language=pl.lit("de"),
        )
        .cast({"page": pl.UInt32, "block": pl.UInt32, "start": pl.UInt32})
    )
    return split_sentences(blocks).with_columns(kind=pl.lit("paragraph"), language=pl.lit("de"))


# ---------------------------------------------------------------- sentences


def make_lines(texts: list[str], count: int) -> pl.Series:
    """Sentences again and again, half of them with a number that no other has, shuffled."""
    sentences = cut(texts)["text"]
    rounds = -(-count // len(sentences))
    lines = pl.concat([sentences] * rounds).head(count).to_frame("text")
    changed = pl.int_range(pl.len()) % 2 == 0
    return (
        lines.with_columns(
            text=pl.when(changed)
            .then(pl.format("{} {}", "text", pl.int_range(pl.len())))
            .otherwise("text")
        )
        .sample(fraction=1, shuffle=True, seed=0)
        .to_series()
        .rechunk()
    )


def our_repeats(lines: pl.Series) -> int:
    """How many lines repeat an earlier one, found as the resolve stage does."""
    frame = lines.to_frame().with_columns(kind=pl.lit("paragraph"))
    keys = add_hash(frame, MIN_CHARS)["hash"].to_numpy()
    buckets = 1 + len(keys) // KEYS_A_BUCKET
    bucket_of = (keys % np.uint64(buckets)).astype(np.uint8)
    found = 0
    for bucket in range(buckets):
        mine = keys[np.flatnonzero(bucket_of == bucket)]
        none = np.zeros(len(mine), dtype=np.uint64)
        found += len(find_repeats(mine, none, none.astype(bool))[0])
    return found


def duckdb_repeats(lines: pl.Series, key: str) -> int:
    """The same in DuckDB: rows that are not the first of their key."""
    table = lines.to_frame().with_row_index("n").to_arrow()
    query = f"""
        select count(*) from (
            select row_number() over (partition by {key} order by n) as copy from lines
        ) where copy > 1
    """
    connection = duckdb.connect(config={"threads": 2})
    connection.register("lines", table)
    return int(connection.sql(query).fetchall()[0][0])


def compare_sentences(texts: list[str], count: int) -> None:
    lines = make_lines(texts, count)
    size = int(lines.str.len_bytes().sum()) / 1e6
    print(f"{len(lines):,} sentences, {size:.0f} MB; CPU seconds")
    normal, _ = cpu_seconds(lambda: lines.to_frame().select(normalise(pl.col("text"))))
    naive, _ = cpu_seconds(
        lambda: lines.to_frame().select(
            pl.col("text").str.normalize("NFC").str.replace_all(r"\s+", " ").str.strip_chars()
        )
    )
    print(f"  normalise: {normal:.2f} ({size / normal:.0f} MB/s); rewriting every text {naive:.2f}")
    ours, found = cpu_seconds(lambda: our_repeats(lines))
    frame = lines.to_frame()
    bare, unique = cpu_seconds(lambda: frame.unique(keep="first", maintain_order=True).height)
    quotes = "".join(QUOTES)
    plain_quotes = "".join(QUOTES.values()).replace("'", "''")
    key = (
        f"regexp_replace(trim(translate(nfc_normalize(text), '{quotes}', '{plain_quotes}')),"
        " '\\s+', ' ', 'g')"
    )
    duck, in_duck = cpu_seconds(lambda: duckdb_repeats(lines, key))
    duck_text, _ = cpu_seconds(lambda: duckdb_repeats(lines, "text"))
    print(f"  repeats, normalise + hash + find: {ours:.2f} ({found:,} found)")
    print(
        f"  bare Polars unique on the text: {bare:.2f} ({len(lines) - unique:,});"
        f" ours is {ours / bare:.2f} of it"
    )
    print(f"  DuckDB, the same normalising: {duck:.2f} ({in_duck:,}), {duck / ours:.1f} times ours")
    print(f"  DuckDB on the bare text: {duck_text:.2f}, {duck_text / ours:.1f} times ours")


MINIMAL_PAIRS = (
    ("schön", "schon"), ("Brücke", "Brucke"), ("für", "fur"), ("Maße", "Masse"), ("würde", "wurde"),
    ("1901", "1902"), ("12", "21"), ("3.", "3"), ("Weg", "weg"), ("naïve", "naive"), ("1,5", "1.5"),
)  # fmt: skip


def plant_sentences(texts: list[str]) -> None:
    """Exact repeats in other clothes must be found; minimal pairs must not."""
    stock = cut(texts)["text"].unique(maintain_order=True)
    stock = stock.filter(stock.str.len_chars() >= MIN_CHARS).head(100_000)
    dressed = pl.concat(
        [
            stock.str.normalize("NFD"),
            stock.str.replace_all('"', "„"),
            stock.str.replace_all(" ", "  "),
            stock + "\u00a0",
        ]
    )
    both = pl.concat([stock, dressed])
    frame = pl.DataFrame({"text": both, "kind": "paragraph"})
    keys = add_hash(frame, MIN_CHARS)["hash"].to_numpy()
    none = np.zeros(len(keys), dtype=np.uint64)
    repeats, _ = find_repeats(keys, none, none.astype(bool))
    home = repeats[repeats >= len(stock)]
    print(f"planted exact repeats found: {len(home) / len(dressed):.2%} of {len(dressed):,}")
    one, other = (
        pl.Series(
            [
                f"Es war {pair[side]} im Jahr, als der Zug {n} kam."
                for pair in MINIMAL_PAIRS
                for n in range(9)
            ]
        )
        for side in (0, 1)
    )
    same = (
        add_hash(pl.DataFrame({"text": one, "kind": "paragraph"}), 1)["hash"]
        == add_hash(pl.DataFrame({"text": other, "kind": "paragraph"}), 1)["hash"]
    )
    print(f"umlaut, digit and case pairs merged: {same.mean():.2%} of {len(one)}")


# ---------------------------------------------------------------- pages


def plant_pages(texts: list[str]) -> list[str]:
    """The pages, and copies of each second one, up to a seventh of it changed in one of four ways."""
    rng = np.random.default_rng(11)
    planted = list(texts)
    for text in texts[::2]:
        words = text.split(" ")
        count = len(words)
        if count < 30:
            continue
        share = rng.uniform(0, 0.15)
        way = rng.integers(4)
        if way == 0:  # words here and there
            for at in rng.choice(count, int(share * count / 3) + 1, replace=False):
                words[at] = f"anders{rng.integers(1 << 30)}"
        elif way == 1:  # cut short
            words = words[: count - int(share * count)]
        elif way == 2:  # something put in front
            words = [f"vorne{rng.integers(1 << 30)}" for _ in range(int(share * count) + 1)] + words
        else:  # a passage from the middle to the end
            cut_at = int(rng.integers(count - int(share * count)))
            moved = words[cut_at : cut_at + int(share * count)]
            words = words[:cut_at] + words[cut_at + len(moved) :] + moved
        planted.append(" ".join(words))
    return planted


def brute_force(texts: list[str]) -> NDArray[np.int64]:
    """All pairs of pages at or above the threshold, by exact Jaccard of every pair; shape (pairs, 2)."""
    sets = distinct(shingle(pl.DataFrame({"t": texts}).select(normalise(pl.col("t"))).to_series()))
    _, columns = np.unique(sets.values, return_inverse=True)
    rows = np.repeat(np.arange(len(texts)), np.diff(sets.ends, prepend=0))
    matrix = csr_array((np.ones(len(rows), dtype=np.int32), (rows, columns)))
    sizes = np.diff(sets.ends, prepend=0)
    common = (matrix @ matrix.T).tocoo()
    union = sizes[common.row] + sizes[common.col] - common.data
    alike = (common.data >= THRESHOLD * union) & (common.row < common.col)
    return np.stack([common.row[alike], common.col[alike]], axis=1)


def stage_pages(out: Path, units: pl.DataFrame, count: int) -> None:
    """A read stage of such pages, as if read."""
    folder = Corpus(out).stages / "one"
    hashed = add_hash(units, MIN_CHARS)
    pages = pl.DataFrame({"page": range(count)}).with_columns(
        source=pl.lit("pages"), record_id=pl.lit(None, dtype=pl.String), position=pl.col("page"),
        site=pl.lit(None, dtype=pl.String), url=pl.lit(None, dtype=pl.String),
        fetched_at=pl.lit(None, dtype=pl.String), n_chars_read=pl.lit(1),
    )  # fmt: skip
    keys = describe_pages(hashed, THRESHOLD, 20)
    for table, frame in ((PAGES, pages), (UNITS, hashed), (PAGE_KEYS, keys)):
        (folder / table.name).mkdir(parents=True)
        known = {name: table.schema[name] for name in frame.columns if name in table.schema}
        frame.select(list(known)).cast(known).write_parquet(folder / table.name / "00000.parquet")
    Corpus(out).judgement.mkdir(parents=True)


def compare_pages(name: str, texts: list[str]) -> None:
    """Pages dropped as near or exact repeats, against brute force; pages of 20 words or more."""
    texts = [text for text in texts if len(text.split()) >= 20]
    units = cut(texts)
    joined = units.group_by("page", maintain_order=True).agg(pl.col("text").str.join(" "))
    seconds, pairs = cpu_seconds(lambda: brute_force(joined["text"].to_list()))
    edges = csr_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(texts), len(texts)))
    _, labels = connected_components(edges, directed=False)
    first = pl.DataFrame({"label": labels, "page": range(len(texts))}).select(
        pl.col("page").min().over("label")
    )
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        stage_pages(out, units, len(texts))
        settings = load_settings(out=out, repeat_units=("page",))
        ours, _ = cpu_seconds(lambda: resolve(["one"], settings))
        judged = pl.read_parquet(Corpus(out).judgement / "pages.parquet")
    numbers = dict(zip(judged["document_id"], judged["page_no"], strict=True))
    kept = np.array(
        [numbers[name or own] for name, own in judged.select("kept_at", "document_id").iter_rows()]
    )
    is_home = kept[pairs[:, 0]] == kept[pairs[:, 1]]
    dropped = judged["rule"].is_not_null().to_numpy()
    should = (first["page"] != pl.Series(range(len(texts)))).to_numpy()
    print(
        f"{name}: {len(texts):,} pages, {len(pairs):,} pairs at J >= {THRESHOLD}, found"
        f" {is_home.mean() if len(pairs) else 1:.4f} of them; pages dropped {dropped.sum()},"
        f" P {(dropped & should).sum() / max(dropped.sum(), 1):.4f},"
        f" R {(dropped & should).sum() / max(should.sum(), 1):.4f};"
        f" {ours:.1f} CPU s, brute force {seconds:.1f}"
    )


# ---------------------------------------------------------------- out of core


def judge_keys(count: int) -> None:
    """Judge so many made-up keys, a third of them repeats, from staged tables."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        rng = np.random.default_rng(3)
        stages = []
        for shard in range(-(-count // KEYS_A_SHARD)):
            stages.append(f"{shard:06d}")
            _stage_keys(Corpus(out).stages / stages[-1], shard, rng, count)
        Corpus(out).judgement.mkdir(parents=True)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        start = time.monotonic()
        settings = load_settings(out=out)
        seconds, _ = cpu_seconds(lambda: resolve(stages, settings))
        wall = time.monotonic() - start
        found = sum(
            len(np.load(file, mmap_mode="r")) for file in Corpus(out).judgement.glob("verdicts-*.npy")
        )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(
        f"{count:,} keys: {found:,} repeats, {seconds:.0f} CPU s, {wall:.0f} s;"
        f" peak memory {peak:.2f} GB ({before:.2f} before judging)"
    )


def _stage_keys(folder: Path, shard: int, rng: np.random.Generator, count: int) -> None:
    pages = KEYS_A_SHARD // KEYS_A_PAGE
    hashes = rng.integers(0, count, KEYS_A_SHARD, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    units = pl.DataFrame({"hash": hashes}).with_columns(
        page=(pl.int_range(pl.len()) // KEYS_A_PAGE).cast(pl.UInt32),
        block=(pl.int_range(pl.len()) % KEYS_A_PAGE).cast(pl.UInt32),
        sentence=pl.lit(0, dtype=pl.UInt32),
        hash_high=pl.lit(None, dtype=pl.UInt64),
        language=pl.lit("de"),
        kind=pl.lit("paragraph"),
        repeatable=pl.lit(value=True),
    )
    facts = pl.DataFrame({"page": range(pages)}).with_columns(
        source=pl.lit(f"{shard:06d}"), record_id=pl.lit(None, dtype=pl.String),
        position=pl.col("page"), site=pl.lit(None, dtype=pl.String), url=pl.lit(None, dtype=pl.String),
        fetched_at=pl.lit(None, dtype=pl.String), n_chars_read=pl.lit(7000),
    )  # fmt: skip
    hashed = (pl.col("page") + shard * pages).cast(pl.UInt128)
    keys = facts.select(
        "page", text_hash=hashed, n_chars=pl.lit(7000), bands=pl.lit(None, dtype=pl.List(pl.UInt64))
    )
    for table, frame in ((PAGES, facts), (UNITS, units), (PAGE_KEYS, keys)):
        (folder / table.name).mkdir(parents=True)
        known = {name: table.schema[name] for name in frame.columns}
        frame.cast(known).write_parquet(folder / table.name / "00000.parquet")


def publish_shards(most: int) -> None:
    """Judge and publish ever more tiny shards, all of them read before."""
    for count in (most // 4, most // 2, most):
        with tempfile.TemporaryDirectory() as folder:
            site = Path(folder, "site")
            site.mkdir()
            for n in range(count):
                text = f"Im Jahr {n} kam der Händler Nummer {n} über die Brücke in die Stadt."
                (site / f"{n:06d}.txt").write_text(text, encoding="utf-8")
            out = Path(folder, "out")
            clean([site], out, shard_bytes=1)
            report = clean([site], out, shard_bytes=1)
        laps = report.seconds
        print(
            f"{count} shards of a page: resolve {laps['resolve']:.2f}, publish {laps['publish']:.2f} s,"
            f" {1e3 * (laps['resolve'] + laps['publish']) / count:.1f} ms a shard"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bench", type=Path, default=Path("../shared/bench"))
    parser.add_argument("--lines", type=int, default=10_000_000)
    parser.add_argument("--keys", type=int)
    parser.add_argument("--shards", type=int)
    given = parser.parse_args()
    if given.keys:
        judge_keys(given.keys)
    elif given.shards:
        publish_shards(given.shards)
    else:
        texts = read_texts(given.bench)
        plant_sentences(texts)
        compare_pages("real pages", texts)
        flat = pl.read_parquet(given.bench / "flat_dev.parquet")
        compare_pages("planted copies", plant_pages(texts + flat["text"].to_list()))
        compare_sentences(texts, given.lines)


if __name__ == "__main__":
    main()
