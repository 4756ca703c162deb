"""Running the plan in tests: in this process, judged by the laws alone unless a test says otherwise."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Self

import polars as pl
import pytest

from reinschrift.expectations.gate import judge_corpus, judge_plainly
from reinschrift.expectations.seal import MANIFEST
from reinschrift.flows.config import load_settings
from reinschrift.flows.ports import InProcessMapper
from reinschrift.flows.run import Report, run_plan
from reinschrift.transforms.contracts import PUBLISHED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from reinschrift.expectations.terms import Terms
    from reinschrift.expectations.verdict import Verdict
    from reinschrift.flows.ports import Mapper

SHARED = Path(__file__).parents[2] / "shared"


def shared(path: str) -> Path:
    """A file of the shared acceptance data; skipped where absent, but never in CI."""
    found = SHARED / path
    if not found.exists():
        if os.environ.get("CI"):
            pytest.fail(f"CI must have the acceptance data: {found} is missing")
        pytest.skip(f"the acceptance data are not here: no {found}")
    return found


class Quiet:
    """A reporter that says nothing."""

    def begin(self, stage: str, total: int, size: int = 0) -> None: ...
    def advance(self, size: int = 0, pages: int = 0) -> None: ...
    def say(self, text: str) -> None: ...


class LawsGate:
    """The gate without Great Expectations, which takes seconds to import."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None: ...

    def judge(self, corpus: Path, terms: Terms) -> Verdict:
        return judge_corpus(corpus, terms, judge_plainly)


def read_corpus(corpus: Path) -> dict[str, pl.DataFrame]:
    """Every table of a corpus."""
    return {
        table.name: pl.read_parquet(
            sorted((corpus / table.name).rglob("*.parquet")), hive_partitioning=False
        )
        for table in PUBLISHED
    }


def dropped_sentences(tables: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """Ledger rows of dropped sentences; those of pages dropped whole one by one, `before` their own."""
    ledger = tables["ledger"].filter(action="drop")
    pages = (
        ledger.drop_nulls("spans")
        .drop("block", "sentence", "start", "end")
        .with_columns(pl.col("before").str.split("\n"))
        .explode("before", "spans", empty_as_null=False, keep_nulls=False)
        .unnest("spans")
    )
    singly = ledger.filter(pl.col("sentence").is_not_null()).drop("spans")
    return pl.concat([singly, pages.select(singly.columns)])


def blocks_with_repeats(tables: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """`document_id`, `block`, `text` of all that boilerplate removal left: repeats are put back."""
    repeats = dropped_sentences(tables).filter(step="repeats")
    repeats = repeats.select("document_id", "block", "sentence", text="before")
    sentences = pl.concat([tables["sentences"].select(repeats.columns), repeats])
    return (
        sentences.sort("document_id", "block", "sentence")
        .group_by("document_id", "block", maintain_order=True)
        .agg(pl.col("text").str.join(" "))
    )


def file_hashes(corpus: Path) -> dict[str, str]:
    """The hash of every file of the tables of a corpus, by its path."""
    folder = corpus.resolve()
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != MANIFEST
    }


def clean(
    inputs: Sequence[str | Path], out: Path, mapper: Mapper | None = None, **settings: object
) -> Report:
    """One run of the plan; pages are read again only if a test asks for it."""
    return run_plan(
        [str(name) for name in inputs],
        load_settings(out=out, **{"replay_pages": 0, **settings}),
        mapper or InProcessMapper(),
        Quiet(),
        LawsGate,
    )


def clean_text(
    tmp_path: Path, text: str, name: str = "page.txt", **settings: object
) -> dict[str, pl.DataFrame]:
    """The corpus made of one page."""
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    report = clean([file], tmp_path / "out", **settings)
    assert report.verdict.passed, report.verdict.failures
    return read_corpus(tmp_path / "out" / "corpus")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the settings of the folder it was started in, or the environment's."""
    for name in os.environ:
        if name.startswith("REINSCHRIFT_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path_factory.mktemp("cwd"))


@pytest.fixture(scope="session")
def moto() -> Iterator[tuple[str, int]]:
    """Host and port of a server that speaks S3."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield server.get_host_and_port()
    server.stop()


SLOW = ("e2e", "laws", "fuzz")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What starts servers, many runs or fuzzers is not part of the inner loop (`make test-fast`)."""
    for item in items:
        if item.path.parent.name in SLOW:
            item.add_marker(pytest.mark.slow)
