"""The stages of a run as Prefect tasks: what a run page shows, and what another flow may import.

Importing this module imports Prefect; `flows.serving` sets its environment first.
"""

from __future__ import annotations

import contextlib
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, Any, TypeVar, cast

from prefect import task
from prefect.cache_policies import NO_CACHE

from reinschrift.flows.stages.assemble import publish_part
from reinschrift.flows.stages.read import read_shard, read_shard_carefully
from reinschrift.flows.stages.resolve import resolve
from reinschrift.flows.workers.apart import call_apart

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from prefect import Task
    from prefect.client.schemas.objects import State
    from prefect.futures import PrefectFuture
    from prefect.task_runners import TaskRunner

    from reinschrift.flows.config import Settings
    from reinschrift.flows.sources.inputs import Shard
    from reinschrift.flows.stages.resolve.pages import Part

Result = TypeVar("Result")
RETRIES = 2
RETRY_SECONDS = 2


def _may_succeed(_task: object, _run: object, state: State[Any]) -> bool:
    """Whether to try again: not where a page ended its process, which it would do again."""
    return not isinstance(state.result(raise_on_failure=False), BrokenProcessPool)


# What a stage makes lies in the output folder and is found there by its content: results are small, and
# stored by Prefect they would only lead to stages that are long gone.
_RETRIED: dict[str, Any] = {
    "persist_result": False,
    "cache_policy": NO_CACHE,
    "retries": RETRIES,
    "retry_delay_seconds": RETRY_SECONDS,
    "retry_condition_fn": _may_succeed,
}


@task(name="read", task_run_name="read {shard.label}", **_RETRIED)
def read_pages(shard: Shard, settings: Settings) -> str:
    """A shard through the read stage; the name of its stage."""
    return call_apart(read_shard, shard, settings)


@task(name="read carefully", task_run_name="read {shard.label} carefully", **_RETRIED)
def read_pages_carefully(shard: Shard, settings: Settings) -> str:
    """The same for a shard of which a page ends the process that reads it."""
    return call_apart(read_shard_carefully, shard, settings)


@task(name="resolve", task_run_name="resolve", persist_result=False, cache_policy=NO_CACHE)
def resolve_repeats(stages: list[str], settings: Settings) -> list[Part]:
    """Pages numbered, templates and repeats found; the parts to publish."""
    return resolve(stages, settings)


@task(name="publish", task_run_name="publish part {part.number}", **_RETRIED)
def write_part(part: Part, stages: list[str], tag: str, settings: Settings) -> str:
    """A part of the tables written; the path of its METRICS."""
    return call_apart(publish_part, part, stages, tag, settings)


TASKS: dict[Callable[..., Any], Task[..., Any]] = {
    read_shard: read_pages,
    read_shard_carefully: read_pages_carefully,
    resolve: resolve_repeats,
    publish_part: write_part,
}


class TaskMapper:
    """A mapper whose every call is a task run: many by a task runner, one in the flow's own process.

    The runner is opened when it is first needed, and again after a process of it died.
    """

    def __init__(self, runner: TaskRunner[Any]) -> None:
        self.template = runner
        self.runner: TaskRunner[Any] | None = None

    def map(
        self, name: str, function: Callable[..., str], calls: Sequence[tuple[Any, ...]]
    ) -> Iterator[str]:
        """The results, in the order of the calls.

        Raises BrokenProcessPool where a process died, once all tasks have ended.
        """
        del name
        body = TASKS[function]
        names = body.fn.__code__.co_varnames
        runner = self._open()
        futures = [runner.submit(body, dict(zip(names, call, strict=False))) for call in calls]
        return self._results(futures)

    def _results(self, futures: list[PrefectFuture[str]]) -> Iterator[str]:
        try:
            for future in futures:
                yield future.result()
        except BrokenProcessPool:
            for future in futures:
                with contextlib.suppress(BrokenProcessPool):
                    future.wait()
            self.close()
            raise

    def call(self, name: str, function: Callable[..., Result], *arguments: Any) -> Result:
        """One task run, in this process."""
        body = TASKS.get(function) or task(
            name=name, task_run_name=name, persist_result=False, cache_policy=NO_CACHE
        )(function)
        return cast("Result", body(*arguments))

    def _open(self) -> TaskRunner[Any]:
        if self.runner is None:
            self.runner = self.template.duplicate()
            self.runner.__enter__()
        return self.runner

    def close(self) -> None:
        """Give the processes back."""
        if self.runner is not None:
            self.runner.__exit__(None, None, None)
        self.runner = None
