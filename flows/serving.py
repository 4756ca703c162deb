"""Runs Prefect against a private local server, for `flow` and `serve`.

The server listens on loopback, which every user of the machine can reach, so it asks for a secret; and
what is served takes parameters only from within what it was started with.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
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
    from pathlib import Path

    from reinschrift.flows.config import Settings
    from reinschrift.flows.run import Report

STARTUP_SECONDS = 200
STOP_SECONDS = 15
SERVED = "_REINSCHRIFT_SERVED"  # holds served_parameters, for the processes that run the flow
PINNED = ("out", "publish", "packs")  # settings that name places to read or write
ENVIRONMENT = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_LOGGING_LEVEL": "WARNING",
    "PREFECT_SERVER_LOGGING_LEVEL": "ERROR",
    "PREFECT_CLI_PROMPT": "false",
    "PREFECT_RESULTS_DEFAULT_SERIALIZER": "json",  # no pickle lies in the output folder
    "PREFECT_API_REQUEST_TIMEOUT": "120",
}


class ServerError(ReinschriftError):
    """Prefect's server did not come up."""


class NotServedError(ReinschriftError):
    """A served flow was asked for something that serve was not started with."""


def run_once(inputs: Sequence[str], settings: Settings) -> Report:
    """The plan as a flow run, on a server of its own unless PREFECT_API_URL names another."""
    set_environment(settings, PREFECT_LOGGING_LEVEL="ERROR")
    with contextlib.ExitStack() as stack:
        _use_server(stack, settings)
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
    """Serve the flow on a schedule, until interrupted or terminated.

    Raises LockedError where another process serves the same output.
    """
    set_environment(settings)
    # A process that a script starts in the background ignores SIGINT, by which Prefect is stopped.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with contextlib.ExitStack() as stack:
        stack.enter_context(Corpus(settings.out).lock("serve.lock"))
        _use_server(stack, settings)
        os.environ[SERVED] = json.dumps(served_parameters(inputs, settings))
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


def served_parameters(inputs: Sequence[str], settings: Settings) -> dict[str, object]:
    """What a served deployment was started with, by which its later parameters are checked."""
    return {
        "inputs": [_place(name) for name in inputs],
        **{name: value for name, value in settings.model_dump(mode="json").items() if name in PINNED},
    }


def is_served() -> bool:
    """Whether this process runs the flow for `serve`."""
    return SERVED in os.environ


def check_served(inputs: Sequence[str], settings: Settings) -> None:
    """Refuse parameters that reach beyond what `serve` was started with; elsewhere all may pass.

    Inputs must lie below those it was started with; output, store and rule packs are as they were.
    Raises NotServedError.
    """
    if not is_served():
        return
    served = json.loads(os.environ[SERVED])
    for name in inputs:
        place = _place(name)
        if not any(place == known or place.startswith(f"{known}/") for known in served["inputs"]):
            raise NotServedError(
                f"{name}: not below the inputs that serve was started with",
                f"name one below {', '.join(served['inputs'])}, or serve it too",
            )
    for name, value in settings.model_dump(mode="json").items():
        if name in PINNED and value != served[name]:
            raise NotServedError(
                f"{name} = {value!r}: serve was started with {served[name]!r}", "leave it as it was"
            )


def _place(name: str) -> str:
    """An input by where it really lies: `..` and links lead nowhere else."""
    if "://" in name:
        return name.rstrip("/")
    return os.path.realpath(name.removeprefix("@"))


def set_environment(settings: Settings, **more: str) -> None:
    """Set what Prefect reads when it is imported; what the user has set stands."""
    home = (Corpus(settings.out).home / "prefect").resolve()
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise explain_os_error(error, settings.out) from error
    for name, value in {**ENVIRONMENT, "PREFECT_HOME": str(home), **more}.items():
        os.environ.setdefault(name, value)


def _use_server(stack: contextlib.ExitStack, settings: Settings) -> None:
    """Start a server for as long as the stack is open, unless the user names one."""
    if "PREFECT_API_URL" in os.environ:
        return
    secret = _new_secret(Corpus(settings.out).home / "prefect" / "secret")
    os.environ["PREFECT_SERVER_API_AUTH_STRING"] = os.environ["PREFECT_API_AUTH_STRING"] = secret
    os.environ["PREFECT_API_URL"] = stack.enter_context(server())


def _new_secret(path: Path) -> str:
    """A random secret, kept in a file that only its owner can read, to look at the server with."""
    secret = f"reinschrift:{secrets.token_urlsafe(32)}"
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:  # noqa: PTH123 - rights at creation
        file.write(secret + "\n")
    return secret


@contextlib.contextmanager
def server() -> Iterator[str]:
    """A Prefect server on a free port of loopback; gives its API address.

    Raises ServerError where it does not answer within STARTUP_SECONDS.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    module = "reinschrift.flows.workers.prefect_server"
    command = [sys.executable, "-P", "-m", module, str(os.getpid()), "server", "start", "--no-ui"]
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
