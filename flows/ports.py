"""What a run needs from outside: someone to map work, to report progress, and to judge the result."""

from __future__ import annotations

from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar

from reinschrift.flows.workers.processes import Processes
from reinschrift.transforms.errors import ReinschriftError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from reinschrift.expectations.terms import Terms
    from reinschrift.expectations.verdict import Verdict
    from reinschrift.flows.config import Settings
    from reinschrift.flows.workers.cluster import ClusterMapper

Result = TypeVar("Result")


class Mapper(Protocol):
    """Calls a function on many arguments: in this process, in a pool of them, or as Prefect tasks."""

    def map(
        self, name: str, function: Callable[..., str], calls: Sequence[tuple[Any, ...]]
    ) -> Iterator[str]:
        """The results, in the order of the calls.

        Raises BrokenProcessPool where a process died; the next map starts new ones.
        """
        ...

    def call(self, name: str, function: Callable[..., Result], *arguments: Any) -> Result:
        """The result of one call, made in this process: what is not many tasks."""
        ...


class Reporter(Protocol):
    """Shows how far a run is."""

    def begin(self, stage: str, total: int, size: int = 0) -> None:
        """A stage begins, with so many tasks, and so many bytes to read."""

    def advance(self, size: int = 0, pages: int = 0) -> None:
        """A task of it is done: so many bytes were read, so many pages were in them."""

    def say(self, text: str) -> None:
        """Something worth a line."""


class Gate(Protocol):
    """Judges a staged corpus; entered before the work begins."""

    def __enter__(self) -> Self:
        """Warm up."""
        ...

    def __exit__(self, *failure: object) -> None:
        """Clean up."""

    def judge(self, corpus: Path, terms: Terms) -> Verdict:
        """The verdict on the tables below `corpus`, held to the terms."""
        ...


class InProcessMapper:
    """One call after the other, in this process."""

    def map(
        self, name: str, function: Callable[..., str], calls: Sequence[tuple[Any, ...]]
    ) -> Iterator[str]:
        """The results, in the order of the calls."""
        del name
        return (function(*call) for call in calls)

    def call(self, name: str, function: Callable[..., Result], *arguments: Any) -> Result:
        """One call, in this process."""
        del name
        return function(*arguments)


class PoolMapper:
    """Worker processes, even for a single call: a page that kills one of them ends no run."""

    def __init__(self, workers: int) -> None:
        self.processes = Processes(workers)

    def map(
        self, name: str, function: Callable[..., str], calls: Sequence[tuple[Any, ...]]
    ) -> Iterator[str]:
        """The results, in the order of the calls."""
        del name
        if not calls:
            return
        try:
            yield from self.processes.ready(len(calls)).map(function, *zip(*calls, strict=True))
        except BrokenProcessPool:
            self.processes.renew()
            raise

    def call(self, name: str, function: Callable[..., Result], *arguments: Any) -> Result:
        """One call, in this process."""
        del name
        return function(*arguments)

    def close(self) -> None:
        """End the processes."""
        self.processes.close()


def open_mapper(settings: Settings) -> PoolMapper | ClusterMapper:
    """Processes of this machine, or a cluster, where the settings name one; to be closed.

    Raises ReinschriftError where the cluster can't be used.
    """
    if settings.cluster is None:
        return PoolMapper(settings.workers)
    try:
        from reinschrift.flows.workers.cluster import ClusterMapper
    except ModuleNotFoundError as error:
        raise ReinschriftError(
            f"cluster: {error.name} is not installed", "pip install 'reinschrift[dask]'"
        ) from error
    return ClusterMapper(settings.cluster)
