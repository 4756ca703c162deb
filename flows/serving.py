"""Prefect without ado: an own, quiet server on loopback for `flow` and `serve`."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from typing import TYPE_CHECKING

from reinschrift.flows.store.local import Corpus, explain_os_error
from reinschrift.transforms.errors import ReinschriftError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from reinschrift.flows.config import Settings
    from reinschrift.flows.run import Report

STARTUP_SECONDS = 200
STOP_SECONDS = 15
ENVIRONMENT = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_LOGGING_LEVEL": "WARNING",
    "PREFECT_SERVER_LOGGING_LEVEL": "ERROR",
    "PREFECT_CLI_PROMPT": "false",
    "PREFECT_SERVER_EPHEMERAL_ENABLED": "true",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": str(STARTUP_SECONDS),
    "PREFECT_API_REQUEST_TIMEOUT": "120",
}


class ServerError(ReinschriftError):
    """Prefect's server did not come up."""


def run_once(inputs: Sequence[str], settings: Settings) -> Report:
    """The plan as a flow run, on the embedded server unless PREFECT_API_URL names another."""
    _settle(settings, PREFECT_LOGGING_LEVEL="ERROR")
    from reinschrift.flows.orchestrate import NotPublishedError, clean_corpus

    try:
        return clean_corpus(
            inputs=list(inputs), settings=settings.model_dump(mode="json", exclude={"mask_key"})
        )
    except NotPublishedError as refusal:
        return refusal.report


def serve_on_schedule(
    inputs: Sequence[str], settings: Settings, cron: str | None, every_seconds: float | None
) -> None:
    """Serve the flow on a schedule, until interrupted.

    An embedded server fires no schedules, so a real one is started unless PREFECT_API_URL names it.
    """
    _settle(settings)
    with contextlib.ExitStack() as stack:
        if "PREFECT_API_URL" not in os.environ:
            os.environ["PREFECT_API_URL"] = stack.enter_context(server())
        from prefect.flows import EntrypointType  # type: ignore[attr-defined]
        from prefect.runner import Runner

        from reinschrift.flows.orchestrate import clean_corpus

        # In Prefect 3.8.8 SIGTERM ends in a traceback, SIGINT in an orderly stop.
        Runner.handle_sigterm = lambda *_: signal.raise_signal(signal.SIGINT)  # type: ignore[method-assign]
        clean_corpus.serve(
            name="reinschrift",
            parameters={
                "inputs": list(inputs),
                "settings": settings.model_dump(mode="json", exclude={"mask_key"}),
            },
            cron=cron,
            interval=every_seconds,
            limit=1,  # two runs at once would only wait for each other's lock
            print_starting_message=False,
            entrypoint_type=EntrypointType.MODULE_PATH,
        )


def _settle(settings: Settings, **more: str) -> None:
    """Set what Prefect reads when it is imported; what the user has set stands."""
    home = (Corpus(settings.out).home / "prefect").resolve()
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise explain_os_error(error, settings.out) from error
    for name, value in {**ENVIRONMENT, "PREFECT_HOME": str(home), **more}.items():
        os.environ.setdefault(name, value)


@contextlib.contextmanager
def server() -> Iterator[str]:
    """A Prefect server on a free port of loopback; gives its API address.

    Raises ServerError where it does not answer within STARTUP_SECONDS.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-P", "-m", "prefect", "server", "start", "--no-ui"]
    process = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--port", str(port)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,  # so that Ctrl-C reaches us alone
    )
    url = f"http://127.0.0.1:{port}/api"
    try:
        _await(process, url)
        yield url
    finally:
        _stop(process)


def _await(process: subprocess.Popen[bytes], url: str) -> None:
    until = time.monotonic() + STARTUP_SECONDS
    while time.monotonic() < until:
        if process.poll() is not None:
            raise ServerError(
                f"the Prefect server ended at once (exit {process.returncode})",
                "see `prefect server start`, or set PREFECT_API_URL",
            )
        with (
            contextlib.suppress(OSError),
            urllib.request.urlopen(f"{url}/health", timeout=5),  # noqa: S310 - loopback
        ):
            return
        time.sleep(0.1)
    raise ServerError(f"no Prefect server after {STARTUP_SECONDS} s", "set PREFECT_API_URL")


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGINT)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
