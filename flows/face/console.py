"""What a run shows: a progress bar on a terminal, plain lines elsewhere, one table at the end."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING

import polars as pl
from rich import filesize
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from reinschrift.expectations.report import describe_failures, printable

if TYPE_CHECKING:
    from collections.abc import Callable
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
                TextColumn("{task.fields[told]}"),
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
            self.task = self.bar.add_task(stage, total=total or None, told=self.told())
        else:
            of = f", {filesize.decimal(size)}" if size else ""
            self.say(f"{stage}: {total} tasks{of}" if total else f"{stage} …")

    def advance(self, size: int = 0, pages: int = 0) -> None:
        """A task of it is done: so many bytes were read, so many pages were in them."""
        self.done += 1
        self.read += size
        self.pages += pages
        if self.bar and self.task is not None:
            self.bar.update(self.task, advance=1, told=self.told())
        elif self.total > 1 and (self.done * LINES_PER_STAGE) % self.total < LINES_PER_STAGE:
            told = self.told()
            self.say(f"{self.stage}: {self.done}/{self.total}" + (f", {told}" if told else ""))

    def told(self) -> str:
        """Bytes read, pages a second, time left."""
        told = []
        seconds = self.clock() - self.began
        if self.size:
            told.append(f"{filesize.decimal(self.read)} of {filesize.decimal(self.size)}")
        if self.pages and seconds > 0:
            told.append(f"{self.pages / seconds:,.1f} pages/s")
        share = self.read / self.size if self.size else self.done / self.total if self.total else 0
        if 0 < share < 1:
            told.append(f"{timedelta(seconds=round(seconds / share * (1 - share)))} left")
        return ", ".join(told)

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
    _plain(console, _last_line(report))


def _plain(console: Console, text: str) -> None:
    console.print(printable(text), highlight=False, markup=False, soft_wrap=True)


def _last_line(report: Report) -> str:
    headline = report.result.headline
    if report.version:
        return f"{headline}; {report.out / 'corpus'} is version {report.version}"
    return f"{headline}; the old corpus stands"


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
