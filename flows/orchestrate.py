"""The same run as a Prefect flow: one task a shard, with retries, an artifact.

Importing this module imports Prefect; `flows.serving` sets its environment first.
"""

from __future__ import annotations

import os
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, Any, cast

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.futures import wait
from prefect.states import Completed

from reinschrift.expectations.report import summarise
from reinschrift.flows.config import Settings
from reinschrift.flows.run import Report, run_plan
from reinschrift.flows.serving import check_served, is_served
from reinschrift.flows.workers.processes import Processes, die_with_parent
from reinschrift.transforms.errors import ReinschriftError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from prefect.client.schemas.objects import State
    from prefect.futures import PrefectFuture

RETRIES = 2
RETRY_SECONDS = 2


class NotPublishedError(ReinschriftError):
    """The gate refused the corpus; `report` says why."""

    def __init__(self, report: Report) -> None:
        self.report = report
        super().__init__(report.result.headline, "see the artifact `verdict`")


class PrefectTasks:
    """A mapper whose every call is a Prefect task; the work itself runs in a pool of processes.

    Threads would not do: limits of CPU time need the main thread of a process.
    """

    def __init__(self, processes: Processes) -> None:
        self.processes = processes

    def map(
        self, name: str, function: Callable[..., str], calls: Sequence[tuple[Any, ...]]
    ) -> Iterator[str]:
        """The results, in the order of the calls.

        Raises BrokenProcessPool where a process died, once all tasks have ended.
        """
        pool = self.processes.ready(len(calls))

        def work(number: int) -> str:
            return pool.submit(function, *calls[number]).result()

        body = task(
            name=name,
            # What was read is found by its content already; stored results would cache it twice.
            persist_result=False,
            retries=RETRIES,
            retry_delay_seconds=RETRY_SECONDS,
            retry_condition_fn=_may_succeed,
        )(work)
        futures = [
            body.with_options(task_run_name=f"{name} {number}").submit(number)
            for number in range(len(calls))
        ]
        return self._results(futures)

    def _results(self, futures: list[PrefectFuture[str]]) -> Iterator[str]:
        try:
            for future in futures:
                yield future.result()
        except BrokenProcessPool:
            wait(futures)
            self.processes.renew()
            raise


def _may_succeed(_task: object, _run: object, state: State[Any]) -> bool:
    """Whether to try again: not in a pool that lost a process, for it takes no more calls."""
    return not isinstance(state.result(raise_on_failure=False), BrokenProcessPool)


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
    check_served(inputs, given)
    if is_served():
        die_with_parent(os.getppid())
    processes = Processes(given.workers)
    try:
        report = run_plan(inputs, given, PrefectTasks(processes), _Log())
    finally:
        processes.close()
    create_markdown_artifact(
        key="verdict",
        markdown=summarise(report.result),
        description="state, failures, funnel, removals",
    )
    if report.version is None:
        raise NotPublishedError(report)
    # The caller gets the data of a state that is returned; its message is what Prefect shows.
    return cast("Report", Completed(message=report.result.headline, data=report))
