"""The same plan as a Prefect flow: one task a shard, with retries, caching by content, an artifact.

Importing this module imports Prefect; `flows.serving` sets its environment first.
"""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING, Any

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact

from expectations.report import summarise
from flows.config import Settings
from flows.corpus import Corpus
from flows.fingerprint import settings_version
from flows.inputs import Shard
from flows.limits import die_with_parent
from flows.runner import Report, run_plan
from transforms.errors import ReinschriftError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

RETRIES = 2
RETRY_SECONDS = 2


class NotPublishedError(ReinschriftError):
    """The gate refused the corpus; `report` says why."""

    def __init__(self, report: Report) -> None:
        self.report = report
        failures = "; ".join(finding.expectation for finding in report.verdict.failures)
        super().__init__(f"not published: {failures or 'inputs in quarantine, and strict is set'}")


class PrefectTasks:
    """A mapper whose every call is a Prefect task; the work itself runs in a pool of processes.

    Threads would not do: limits of CPU time need the main thread of a process.
    """

    def __init__(self, settings: Settings, pool: ProcessPoolExecutor) -> None:
        self.settings = settings
        self.pool = pool
        self.corpus = Corpus(settings.out)
        self.version = settings_version(settings, settings.options())

    def map(
        self, name: str, function: Callable[..., str], calls: Sequence[tuple[Any, ...]]
    ) -> Iterator[str]:
        """The results, in the order of the calls."""

        def work(number: int) -> str:
            return self.pool.submit(function, *calls[number]).result()

        body = task(name=name, retries=RETRIES, retry_delay_seconds=RETRY_SECONDS)(work)
        futures = [
            body.with_options(
                task_run_name=f"{name} {number}", **self._caching(calls[number][0])
            ).submit(number)
            for number in range(len(calls))
        ]
        return (future.result() for future in futures)

    def _caching(self, argument: object) -> dict[str, Any]:
        """A shard is cached under content, settings and code, as long as its output is there."""
        if not isinstance(argument, Shard):
            return {"persist_result": False}
        key = f"{argument.key}-{self.version}"
        folder = self.corpus.stages / f"{argument.key}-{self.version[:16]}"
        return {
            "cache_key_fn": lambda *_: key,
            "persist_result": True,
            "result_storage": (self.corpus.home / "prefect-results").resolve(),
            "refresh_cache": not folder.is_dir(),
        }


class _Log:
    """A reporter that writes to the flow run's log."""

    def __init__(self) -> None:
        self.logger = get_run_logger()

    def begin(self, stage: str, total: int, size: int = 0) -> None:
        self.logger.info("%s: %d tasks, %d bytes", stage, total, size)

    def advance(self, size: int = 0, pages: int = 0) -> None:
        """Each task logs its own end."""

    def say(self, text: str) -> None:
        self.logger.info("%s", text)


@flow(name="reinschrift", persist_result=False)
def clean_corpus(inputs: list[str], settings: dict[str, Any] | None = None) -> Report:
    """Clean the inputs and publish the corpus; `settings` are those of reinschrift.toml.

    Raises NotPublishedError where the gate refused, so that the flow run shows as failed.
    """
    given = Settings(**(settings or {}))
    (Corpus(given.out).home / "prefect-results").mkdir(parents=True, exist_ok=True)
    # Polars' threads do not survive a fork.
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(given.workers, mp_context=spawn, initializer=die_with_parent) as pool:
        report = run_plan(inputs, given, PrefectTasks(given, pool), _Log())
    create_markdown_artifact(
        key="verdict",
        markdown=summarise(report.verdict, report.metrics, report.previous_metrics, report.quarantine),
        description="verdict of the gate, funnel, removals",
    )
    if report.version is None:
        raise NotPublishedError(report)
    return report
