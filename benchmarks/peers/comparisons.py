"""The rows of the table: one function a part of the work, each yielding what it measured as it comes."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.peers.processes import Cost, ask, measure

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FEW_PAGES = 10
# The default of a run: it reads so many pages again to prove itself, however large the corpus is.
REPLAYED_PAGES = 200
# Ten pages may look unlike a corpus. The gate judges them all the same, but what it refuses has no
# tables.
LENIENT = ("--severity", "sanity.*=warn")
PEERS_OF_HTML = {
    "trafilatura": ("trafilatura", "`extract`, text alone"),
    "resiliparse": ("resiliparse", "`extract_plain_text(main_content=True)`"),
    "readability": ("readability-lxml", "`summary`, still HTML"),
}


@dataclass(frozen=True)
class Row:
    """A row of the table; `beside` says what the seconds are beside those of ours."""

    job: str
    program: str
    cpu_seconds: float
    beside: str = ""
    peak_mb: float | None = None
    kept: str = ""

    def __str__(self) -> str:
        peak = "" if self.peak_mb is None else f"{self.peak_mb:,.0f}"
        digits = 1 if self.cpu_seconds >= 1 else 3 if self.cpu_seconds >= 0.01 else 5
        cells = [self.job, self.program, f"{self.cpu_seconds:.{digits}f}", self.beside, peak, self.kept]
        return f"| {' | '.join(cells)} |"


@dataclass(frozen=True)
class Bench:
    """Where the inputs lie (`inputs`), what they hold, and the Python of the peers."""

    folder: Path
    facts: dict[str, Any]
    peers_python: Path

    def name(self, package: str) -> str:
        return f"{package} {self.facts['versions'][package]}"

    def run(self, source: str, out: str, *more: str) -> Cost:
        """A run of ours as anybody would start it: gate, replay, reports and all, with one worker."""
        command = [sys.executable, "-m", "reinschrift", "run", self.folder / source]
        return measure([*command, "--out", self.folder / out, "--workers", "1", *LENIENT, *more])

    def kept(self, folder: str) -> str:
        left = ask(sys.executable, "tally", self.folder / folder)
        share = left["characters"] / self.facts["characters"]
        return f"{left['documents']:,} documents, {left['characters']:,} characters ({share:.0%})"


def compare_text(bench: Bench) -> Iterator[Row]:
    """Flat text: a run of ours and datatrove's chain, then ours again."""
    job = f"text, {bench.facts['documents']:,} pages, {bench.facts['characters']:,} characters"
    ours = bench.run("text.jsonl", "out")
    shutil.copytree(bench.folder / "out/.reinschrift/stages", bench.folder / "first/.reinschrift/stages")
    whole = "whole run, gate included"
    name = bench.name("reinschrift")
    kept = bench.kept("out/corpus/documents")
    yield Row(job, f"{name}, {whole}", ours.cpu_seconds, "1", ours.peak_mb, kept)
    for way, meaning in (
        ("drop", "what a filter refuses is dropped"),
        ("carry", "all go on to repeats"),
    ):
        folder = bench.folder / way
        command = [bench.peers_python, "-m", "benchmarks.peers.datatrove_chain"]
        cost = measure(
            [*command, bench.folder / "text.jsonl", folder, bench.facts["language_model"], way],
            HF_ASSETS_CACHE=str(bench.folder / "assets"),
        )
        beside = f"{cost.cpu_seconds / ours.cpu_seconds:.1f} times"
        kept = bench.kept(f"{way}/corpus")
        program = f"{bench.name('datatrove')}, {meaning}"
        yield Row(job, program, cost.cpu_seconds, beside, cost.peak_mb, kept)
    again = bench.run("text.jsonl", "out")
    share = f"{again.cpu_seconds / ours.cpu_seconds:.0%} of the first"
    yield Row("the same again, unchanged", name, again.cpu_seconds, share, again.peak_mb)
    # The same name and place as before: an input is known by where it lies.
    (bench.folder / "changed.jsonl").replace(bench.folder / "text.jsonl")
    changed = bench.run("text.jsonl", "out")
    share = f"{changed.cpu_seconds / ours.cpu_seconds:.0%} of the first"
    kept = bench.kept("out/corpus/documents")
    yield Row("one page changed", name, changed.cpu_seconds, share, changed.peak_mb, kept)


def compare_repeats(bench: Bench) -> Iterator[Row]:
    """Repeats among the sentences of the first run's read stage."""
    programs = {
        "hash": f"{bench.name('reinschrift')}, hash and find, of normalised text",
        "normalise": f"{bench.name('reinschrift')}, normalise, hash and find",
        "resolve": f"{bench.name('reinschrift')}, whole resolve stage, near-duplicate pages included",
        "polars": f"{bench.name('polars')}, `unique` of normalised text",
        "duckdb": f"{bench.name('duckdb')}, `SELECT DISTINCT` of normalised text",
    }
    ours = None
    for program, name in programs.items():
        told = ask(sys.executable, "sentence_repeats", program, bench.folder / "first")
        seconds = told["cpu_seconds"]
        ours = ours or seconds
        job = f"repeats of {told['sentences']:,} sentences"
        kept = "" if told["kept"] is None else f"{told['kept']:,} sentences"
        yield Row(job, name, seconds, f"{seconds / ours:.2f} times", None, kept)


def compare_html(bench: Bench) -> Iterator[Row]:
    """HTML: what further pages cost a run of ours, and bare calls on the same pages."""
    job, few_job = f"HTML, {bench.facts['pages'] - FEW_PAGES} pages", f"HTML, {FEW_PAGES} pages"
    name = bench.name("reinschrift")
    few, many, left = _few_and_many(bench, "unreplayed", "--replay-pages", "0")
    yield Row(few_job, f"{name}, whole run: start, pages, gate", few.cpu_seconds, "", few.peak_mb)
    further = many - few
    ours = further.cpu_seconds
    yield _html_row(job, f"{name}, whole run less that of {FEW_PAGES}", further, ours, left)
    few, many, left = _few_and_many(bench, "replayed")
    replayed = f"{name}, the same with up to {REPLAYED_PAGES} pages read again as proof"
    yield _html_row(job, replayed, many - few, ours, left)
    for program, (package, meaning) in PEERS_OF_HTML.items():
        told = ask(sys.executable, "html_text", program, bench.folder / "html.parquet", FEW_PAGES)
        cost = Cost(told["cpu_seconds"], told["peak_mb"])
        yield _html_row(job, f"{bench.name(package)}, {meaning}", cost, ours, told)


def _few_and_many(bench: Bench, name: str, *more: str) -> tuple[Cost, Cost, dict[str, int]]:
    """What a run over few pages costs, what one over all, and what the second kept beyond the first."""
    costs, tallies = [], []
    for source in ("few", "html"):
        out = f"{source}-{name}"
        costs.append(bench.run(f"{source}.parquet", out, *more))
        tallies.append(ask(sys.executable, "tally", bench.folder / out / "corpus/documents"))
    few, many = tallies
    return costs[0], costs[1], {key: many[key] - few[key] for key in few}


def _html_row(job: str, program: str, cost: Cost, ours: float, left: dict[str, int]) -> Row:
    beside = f"{cost.cpu_seconds / ours:.2f} times"
    kept = f"{left['documents']:,} documents, {left['characters']:,} characters"
    return Row(job, program, cost.cpu_seconds, beside, cost.peak_mb, kept)


def machine_limits(bench: Bench) -> Iterator[Row]:
    """The least that reading, hashing and writing could cost here."""
    limits = ask(bench.peers_python, "machine_limits", bench.folder / "text.jsonl")
    for what, (size, seconds) in limits.items():
        rate = size / 1e6 / seconds
        speed = f"{rate / 1000:.1f} GB/s" if rate >= 1000 else f"{rate:.0f} MB/s"
        yield Row(f"limit of the machine, {size / 1e6:.1f} MB", what, seconds, speed)
