"""Work on many machines: a mapper whose calls are tasks of a Dask cluster.

Every machine sees the inputs and the output folder under the same path. Importing this module imports
Dask (`pip install reinschrift[dask]`).
"""

from __future__ import annotations

import logging
import os
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

from distributed import Client, KilledWorker
from distributed.comm.core import CommClosedError

from reinschrift.flows.stages.fingerprint import corpus_code_version
from reinschrift.flows.workers.apart import call_in
from reinschrift.transforms.errors import ReinschriftError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Result = TypeVar("Result")
CONNECT_SECONDS = 30


class ClusterError(ReinschriftError):
    """The cluster can't be reached, lost its workers, or runs another program."""

    exit_code = 1


class ClusterMapper:
    """Tasks on the workers of a cluster, named by its scheduler's address.

    Raises ClusterError where nobody answers there, or where a worker would give other bytes.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        # What it would log is said by our errors.
        for name in ("distributed", "distributed.client"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        try:
            self.client = Client(  # type: ignore[no-untyped-call]
                address, timeout=CONNECT_SECONDS, set_as_default=False
            )
            self.client.wait_for_workers(1, timeout=CONNECT_SECONDS)
        except (OSError, ValueError) as error:
            raise ClusterError(
                f"{address}: no Dask scheduler with a worker: {error}",
                "start `dask scheduler` and `dask worker`, and check the address",
            ) from error
        self._check_programs()

    def _check_programs(self) -> None:
        ours = corpus_code_version()
        for worker, theirs in self.client.run(corpus_code_version).items():
            if theirs != ours:
                raise ClusterError(
                    f"{worker}: its program is another, and would give other bytes",
                    "install the same versions on every machine",
                )

    def map(
        self, name: str, function: Callable[..., str], calls: Sequence[tuple[Any, ...]]
    ) -> Iterator[str]:
        """The results, in the order of the calls; a worker that dies costs what it was at work on.

        Raises BrokenProcessPool where a page ended the process that read it, ClusterError where the
        cluster is lost.
        """
        here = os.getcwd()  # noqa: PTH109 - it is sent
        futures = [
            self.client.submit(call_in, here, function, *call, key=f"{name}-{uuid4().hex}", pure=False)
            for call in calls
        ]
        try:
            for future in futures:
                yield str(future.result())
        except KilledWorker as error:
            raise ClusterError(
                f"{self.address}: {name}: workers died, one after the other",
                "give them more memory (`dask worker --memory-limit`), and run again",
            ) from error
        except (CancelledError, CommClosedError) as error:
            raise ClusterError(f"{self.address}: the scheduler is gone: {error}", "run again") from error
        finally:
            self.client.cancel(futures)  # type: ignore[no-untyped-call]

    def call(self, name: str, function: Callable[..., Result], *arguments: Any) -> Result:
        """What is not many tasks is done here."""
        del name
        return function(*arguments)

    def close(self) -> None:
        """Leave the cluster; it runs on."""
        self.client.close()  # type: ignore[no-untyped-call]
