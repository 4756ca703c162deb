"""The gate: every law measured on every row, judged by Great Expectations, named where it fails.

`serve_request` is the work of the gate's process. It imports Great Expectations (seconds, and hundreds
of megabytes) while the work goes on elsewhere, waits for one request on standard input, and answers on
standard output.
"""

from __future__ import annotations

import contextlib
import gc
import json
import math
import sys
import time
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reinschrift.expectations.corpus import (
    MAX_CELL_CHARS,
    POLARS_ERRORS,
    Files,
    find_files,
    judge_folders,
    judge_readable,
    judge_shape,
    open_tables,
)
from reinschrift.expectations.derived import DERIVED
from reinschrift.expectations.figures import measure_figures
from reinschrift.expectations.foreign import judge_foreign
from reinschrift.expectations.history import judge_history
from reinschrift.expectations.laws import LAWS
from reinschrift.expectations.own import measure_own
from reinschrift.expectations.replayed import judge_replay
from reinschrift.expectations.rows import KEY_LAWS, REFERENCE_LAWS, ROW_LAWS, measure_rows
from reinschrift.expectations.sanity import judge_sanity
from reinschrift.expectations.seal import read_manifest, verify_seal
from reinschrift.expectations.suites import judge_by_suites
from reinschrift.expectations.terms import Terms
from reinschrift.expectations.verdict import Observation, Verdict, find
from reinschrift.transforms.contracts import PUBLISHED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from reinschrift.expectations.measuring import Law, Measure, Tables
    from reinschrift.expectations.rows import RowLaw
    from reinschrift.transforms.contracts import Table

    Judge = Callable[[Sequence[Observation]], list[bool]]

# In the order of explanation: a wrong hash explains a repeat, a lost row a wrong text.
ALL_LAWS = (
    *KEY_LAWS,
    *REFERENCE_LAWS,
    *(law for law in LAWS if not law.name.startswith("repeats.")),
    *DERIVED,
    *(law for law in LAWS if law.name.startswith("repeats.")),
)


def judge_plainly(observations: Sequence[Observation]) -> list[bool]:
    """Whether each observation lies between its bounds, without Great Expectations."""
    return [one.holds for one in observations]


def judge_corpus(folder: Path, terms: Terms, judge: Judge = judge_by_suites) -> Verdict:
    """Judge a corpus, published or staged.

    `judge` is asked unless the terms name a folder for Data Docs, which only Great Expectations writes.

    Never raises for what is wrong with the corpus: what can't be judged is a failed expectation.
    """
    if terms.data_docs is not None:
        judge = partial(judge_by_suites, docs=Path(terms.data_docs))
    if terms.foreign_text is not None:
        observations = list(judge_foreign(folder, terms))
        return _verdict(observations, terms, judge, {})
    gate = _Gate(folder, terms)
    return _verdict(list(gate.observe()), terms, judge, gate.figures)


def _verdict(
    observations: list[Observation], terms: Terms, judge: Judge, figures: dict[str, Any]
) -> Verdict:
    findings = find(observations, judge(observations), terms.severity)
    return Verdict([replace(one, rows=[_plain(row) for row in one.rows]) for one in findings], figures)


class _Gate:
    """One judgement: what was measured, and which tables can't be judged."""

    def __init__(self, folder: Path, terms: Terms) -> None:
        self.folder, self.terms = folder, terms
        self.files: Files = find_files(folder)
        self.lost: set[str] = set()  # tables that can't be judged
        self.figures: dict[str, Any] = {}
        self.settings = dict(terms.settings)

    def observe(self) -> Iterator[Observation]:
        """All observations, those that explain others first."""
        if self.terms.sealed:
            yield from verify_seal(self.folder)
            self._take_over_manifest()
        yield from self._shapes()
        tables = self._open()
        if isinstance(tables, Observation):
            yield tables
            return
        for table in PUBLISHED:
            yield from self._rows(tables, table.name)
        for law in ALL_LAWS:
            yield from self._law(tables, law)
        yield from self._beyond(tables)

    def _take_over_manifest(self) -> None:
        """The settings and figures a published corpus says of itself."""
        with contextlib.suppress(OSError, ValueError):
            manifest = read_manifest(self.folder) or {}
            self.settings = {**manifest.get("settings", {}), **self.settings}
            self.sealed_figures = manifest.get("figures")

    sealed_figures: dict[str, Any] | None = None

    def _shapes(self) -> Iterator[Observation]:
        for table in PUBLISHED:
            shape = judge_shape(table, self.files[table.name])
            yield shape
            if not shape.holds:
                self.lost.add(table.name)
            elif table.partition_by:
                yield from self._guard(
                    f"{table.name}.language-of-folder",
                    (f"{table.name}.language",),
                    partial(self._folders, table),
                )

    def _folders(self, table: Table) -> list[Observation]:
        return [judge_folders(table, self.files[table.name])]

    def _open(self) -> Tables | Observation:
        try:
            files = {name: [] if name in self.lost else paths for name, paths in self.files.items()}
            return open_tables(files, self.settings)
        except POLARS_ERRORS as error:
            return judge_readable("metrics", self.files["metrics"], str(error)[:MAX_CELL_CHARS])

    def _rows(self, tables: Tables, table: str) -> Iterator[Observation]:
        def measure() -> list[Observation]:
            measured = measure_rows(tables, table)
            return [_observe_row(law, measured[law.name]) for law in ROW_LAWS[table]]

        yield from self._guard(f"{table}.rows", (f"{table}.rows",), measure)

    def _law(self, tables: Tables, law: Law) -> Iterator[Observation]:
        if law.applies(self.settings):
            yield from self._guard(law.name, law.reads, lambda: [_observe(law, law.measured(tables))])

    def _beyond(self, tables: Tables) -> Iterator[Observation]:
        """What is no law of the tables alone: figures, replay, sanity, history, the user's own."""
        terms = self.terms
        every = tuple(f"{table}.rows" for table in ("documents", "sentences", "ledger", "metrics"))

        def figures() -> list[Observation]:
            self.figures = {**measure_figures(tables), "inputs": terms.inputs}
            return [*self._figures(), *judge_sanity(self.figures, self.settings, terms.thresholds)]

        if terms.replay is not None:
            folder = Path(terms.replay)
            yield from self._guard("replay.pages", every, lambda: [*judge_replay(tables, folder)])
        yield from self._guard("corpus.figures", every, figures)
        if self.figures:
            yield from judge_history(self.figures, terms.history, terms.thresholds)
        for path in terms.own:
            yield from self._guard(
                f"own.{Path(path).stem}", (), partial(measure_own, tables, Path(path))
            )

    def _figures(self) -> Iterator[Observation]:
        """Figures that are known from elsewhere: what was refused, what the manifest says."""
        refused = self.terms.quarantined
        if refused is not None:
            yield _equal("quarantine.all-refused", "quarantine", self.figures["quarantine"], refused)
        if self.sealed_figures is not None:
            yield _as_sealed(self.figures, self.sealed_figures)

    def _guard(
        self, name: str, reads: tuple[str, ...], measure: Callable[[], Sequence[Observation]]
    ) -> Iterator[Observation]:
        """Observations; where they can't be made, why not: a damaged file once, by its name."""
        tables = {read.partition(".")[0] for read in reads}
        if tables & self.lost:
            return
        began = time.monotonic()
        try:
            observed = list(measure())
        except (Exception, POLARS_ERRORS[-1]) as error:  # noqa: BLE001, RUF100 - becomes a failed expectation
            yield from self._explain(name, reads, tables, error)
            return
        seconds = (time.monotonic() - began) / max(1, len(observed))
        yield from (replace(one, seconds=seconds) for one in observed)

    def _explain(
        self, name: str, reads: tuple[str, ...], tables: set[str], error: BaseException
    ) -> Iterator[Observation]:
        said = f"{type(error).__name__}: {error}"[:MAX_CELL_CHARS]
        damaged = [judge_readable(table, self.files[table], "") for table in sorted(tables)]
        damaged = [one for one in damaged if not one.holds]
        self.lost |= {one.table for one in damaged}
        yield from damaged
        if not damaged:
            table = reads[0].partition(".")[0] if reads else "corpus"
            yield Observation(name, table, "it can be judged", 1, error=said, found=said, reads=reads)


def _observe(law: Law, found: Measure) -> Observation:
    must_be = found.must_be
    many = f"{found.is_:,}" if must_be else _rows_in_words(found.is_)
    return Observation(
        law.name,
        law.table,
        law.what,
        found.is_ - must_be,
        found=many,
        allowed=f"exactly {must_be:,}" if must_be else "none",
        rows=found.rows,
        reads=law.reads,
    )


def _observe_row(law: RowLaw, found: Measure) -> Observation:
    return Observation(
        law.name,
        law.table,
        law.what,
        found.is_,
        found=_rows_in_words(found.is_),
        rows=found.rows,
        reads=law.reads,
    )


def _rows_in_words(count: int) -> str:
    return f"{count:,} row{'s' if count != 1 else ''} that break it"


def _as_sealed(figures: dict[str, Any], sealed: dict[str, Any]) -> Observation:
    own = json.loads(json.dumps({name: value for name, value in figures.items() if name != "inputs"}))
    wrong = [name for name in own if own[name] != sealed.get(name)]
    return Observation(
        "seal.figures",
        "corpus",
        "the figures are those of manifest.json",
        len(wrong),
        found=f"other: {', '.join(wrong)}" if wrong else "all are",
        rows=[{"figure": name, "is": own[name], "sealed": sealed.get(name)} for name in wrong[:5]],
        reads=tuple(f"{table.name}.*" for table in PUBLISHED),
    )


def _equal(name: str, table: str, found: int, must_be: int) -> Observation:
    return Observation(
        name,
        table,
        "every input and record that was refused is there",
        found - must_be,
        found=f"{found:,} rows",
        allowed=f"exactly {must_be:,}",
        reads=(f"{table}.rows",),
    )


def _plain(value: Any) -> Any:
    """What JSON can hold: NaN as null, long text cut."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, int | float | bool):
        return value
    text = str(value)
    return text if len(text) <= MAX_CELL_CHARS else text[: MAX_CELL_CHARS - 1] + "…"


def _import_great_expectations() -> None:
    """The slow part, done while the work goes on: without garbage collection, and without SQL.

    GX does without SQLAlchemy where it is absent; we judge data frames only.
    """
    gc.disable()
    sys.modules["sqlalchemy"] = None  # type: ignore[assignment]
    import great_expectations.expectations  # noqa: F401
    import pandas  # noqa: F401

    gc.enable()
    gc.freeze()


def serve_request() -> None:
    """Serve one request: import first, then read `{"folder": ..., "terms": ...}`, then answer."""
    with contextlib.redirect_stdout(sys.stderr):
        _import_great_expectations()
        request = json.loads(sys.stdin.readline() or "null")
        if request is None:
            return
        verdict = judge_corpus(Path(request["folder"]), Terms(**request["terms"]))
    json.dump(asdict(verdict), sys.stdout)
