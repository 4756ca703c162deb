"""What a run shows: a progress bar on a terminal, plain lines elsewhere, one table at the end."""

from __future__ import annotations

import shlex
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import polars as pl
from rich import filesize
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from reinschrift.expectations.report import describe_failures, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Self

    from rich.console import Console
    from rich.progress import TaskID

    from reinschrift.flows.run import Report

LINES_PER_STAGE = 10


class ProgressReporter:
    """Tells how far a run is; use it in a `with` block. `clock` gives seconds."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self.console, self.clock = console, clock
        self.stage, self.total, self.done = "", 0, 0
        self.size = self.read = self.pages = 0
        self.began = clock()
        self.bar: Progress | None = None
        self.task: TaskID | None = None

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            columns = (
                TextColumn("{task.description:8}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[progress]}"),
            )
            self.bar = Progress(*columns, console=self.console, transient=True)
            self.bar.start()
        return self

    def __exit__(self, *failure: object) -> None:
        if self.bar:
            self.bar.stop()

    def begin(self, stage: str, total: int, size: int = 0) -> None:
        """A stage begins, with so many tasks, and so many bytes to read."""
        self.stage, self.total, self.done = stage, total, 0
        self.size, self.read, self.pages, self.began = size, 0, 0, self.clock()
        if self.bar:
            self.task = self.bar.add_task(stage, total=total or None, progress=self.progress())
        else:
            of = f", {filesize.decimal(size)}" if size else ""
            self.say(f"{stage}: {total} tasks{of}" if total else f"{stage} …")

    def advance(self, size: int = 0, pages: int = 0) -> None:
        """A task of it is done: so many bytes were read, so many pages were in them."""
        self.done += 1
        self.read += size
        self.pages += pages
        if self.bar and self.task is not None:
            self.bar.update(self.task, advance=1, progress=self.progress())
        elif self.total > 1 and (self.done * LINES_PER_STAGE) % self.total < LINES_PER_STAGE:
            progress = self.progress()
            self.say(f"{self.stage}: {self.done}/{self.total}" + (f", {progress}" if progress else ""))

    def progress(self) -> str:
        """Bytes read, pages a second, time left."""
        progress = []
        seconds = self.clock() - self.began
        if self.size:
            progress.append(f"{filesize.decimal(self.read)} of {filesize.decimal(self.size)}")
        if self.pages and seconds > 0:
            progress.append(f"{self.pages / seconds:,.1f} pages/s")
        share = self.read / self.size if self.size else self.done / self.total if self.total else 0
        if 0 < share < 1:
            progress.append(f"{timedelta(seconds=round(seconds / share * (1 - share)))} left")
        return ", ".join(progress)

    def say(self, text: str) -> None:
        """Something worth a line."""
        self.console.print(text, highlight=False, markup=False)


def show_report(report: Report, console: Console) -> None:
    """The closing table, the quarantine, and why nothing was published if so."""
    console.print(_closing_table(report))
    for row in report.quarantine.head(LINES_PER_STAGE).iter_rows(named=True):
        where = row["source"] + (f", {row['record']}" if row["record"] else "")
        _plain(console, f"quarantined: {where}: {row['reason']}\n  Remedy: {row['remedy']}")
    if report.quarantine.height > LINES_PER_STAGE:
        _plain(console, f"… and {report.quarantine.height - LINES_PER_STAGE} more in quarantine")
    if report.ignored:
        _plain(console, f"ignored, for they are no pages: {len(report.ignored)}, as {report.ignored[0]}")
    for line in describe_failures(report.verdict):
        _plain(console, line)
    for line in closing_lines(report):
        _plain(console, line)


def _plain(console: Console, text: str) -> None:
    console.print(printable(text), highlight=False, markup=False, soft_wrap=True)


def closing_lines(report: Report) -> Iterator[str]:
    """What was read and what is left, where the corpus lies, and what to do next."""
    if not report.metrics.is_empty():
        yield _summary(report.metrics)
    headline = report.result.headline
    if report.version is None:
        yield f"{headline}; the old corpus stands"
        return
    unchanged = ", unchanged" if report.is_unchanged else ""
    yield f"{headline}; {report.out / 'corpus'} is version {report.version}{unchanged}"
    out = "" if str(report.out) == "data" else f" --out {shlex.quote(str(report.out))}"
    page = shlex.quote(report.example) if report.example else "PAGE"
    commands = (f"explain {page}{out}", f"versions{out}", f"check {shlex.quote(str(report.out))}")
    yield f"next: {' | '.join(f'reinschrift {command}' for command in commands)}"


def _summary(metrics: pl.DataFrame) -> str:
    """Pages, characters in and out, the share removed, repeats."""
    whole = metrics.filter(pl.col("rule").is_null())
    read = whole.filter(step="read")["chars_in"].sum()
    pages, kept = whole.filter(step="quality", unit="page").select("units_out", "chars_out").sum().row(0)
    repeats = int(whole.filter(step="repeats")["units_dropped"].sum())
    removed = f"{1 - kept / read:.0%} removed" if read else "nothing"
    return (
        f"read {read:,} characters, kept {kept or 0:,} in {_count(pages or 0, 'document')}: {removed}, "
        f"{_count(repeats, 'repeat')} among it"
    )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _closing_table(report: Report) -> Table:
    table = Table(title=None, show_edge=False, pad_edge=False)
    table.add_column("step")
    for name in ("unit", "in", "dropped", "edited", "out"):
        table.add_column(name, justify="left" if name == "unit" else "right")
    for row in report.metrics.filter(pl.col("rule").is_null()).iter_rows(named=True):
        counts = [row[name] for name in ("units_in", "units_dropped", "units_edited", "units_out")]
        table.add_row(row["step"], row["unit"] + "s", *(f"{count:,}" for count in counts))
    seconds = sum(report.seconds.values())
    split = ", ".join(f"{name} {lap:.1f}" for name, lap in report.seconds.items() if lap >= 0.1)
    table.caption = f"{filesize.decimal(report.bytes_read)} in {seconds:.1f} s ({split})"
    return table
