"""Runs Prefect against a private local server, for `flow` and `serve`.

The server listens on loopback, which every user of the machine can reach, so it asks for a secret; and
what is served takes parameters only from within what it was started with.
"""

from __future__ import annotations

import asyncio
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
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from reinschrift.flows.config import SECRETS
from reinschrift.flows.store.local import Corpus, explain_os_error
from reinschrift.transforms.errors import ReinschriftError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from prefect.client.schemas.objects import State

    from reinschrift.flows.config import Settings
    from reinschrift.flows.run import Report

STARTUP_SECONDS = 200
STOP_SECONDS = 15
UI_PORT = 4200
SERVED = "_REINSCHRIFT_SERVED"  # holds served_parameters, for the processes that run the flow
# Settings that name places to read or write, machines to work on, or code to run.
PINNED = ("out", "publish", "packs", "against", "cluster", "expectations")
ENVIRONMENT = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_LOGGING_LEVEL": "WARNING",
    "PREFECT_LOGGING_LOGGERS_PREFECT_FLOW_RUNS_LEVEL": "INFO",  # for the run's page; ours has one line
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "WARNING",
    "PREFECT_SERVER_LOGGING_LEVEL": "ERROR",
    "PREFECT_CLI_PROMPT": "false",
    "PREFECT_RESULTS_DEFAULT_SERIALIZER": "json",  # no pickle lies in the output folder
    "PREFECT_API_REQUEST_TIMEOUT": "120",
    # A server that was killed leaves a journal to be worked off, which others wait for.
    "PREFECT_SERVER_DATABASE_TIMEOUT": "60",
    "PREFECT_SERVER_DATABASE_CONNECTION_TIMEOUT": "60",
    "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
    "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": str(30 * 24 * 3600),
    "PREFECT_SERVER_EVENTS_RETENTION_PERIOD": "P30D",
}


class ServerError(ReinschriftError):
    """Prefect's server did not come up."""


class ScheduleError(ReinschriftError):
    """A schedule that is none."""


class NotServedError(ReinschriftError):
    """A served flow was asked for something that serve was not started with."""


def _send_what_waits() -> None:
    """Send logs and events before the server ends; Prefect would try for minutes when it is gone."""
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    EventsWorker.drain_all(timeout=STOP_SECONDS)
    APILogWorker.drain_all(timeout=STOP_SECONDS)


@dataclass(frozen=True)
class Serving:
    """When a flow is served, and what it shows: `every` in seconds, or `cron`, in UTC."""

    cron: str | None = None
    every: float | None = None
    report: Path | None = None
    port: int | None = None
    with_ui: bool = True


def run_once(inputs: Sequence[str], settings: Settings, report: Path | None = None) -> Report:
    """The plan as a flow run, on a server of its own unless PREFECT_API_URL names another."""
    set_environment(settings, PREFECT_LOGGING_LEVEL="ERROR")
    with contextlib.ExitStack() as stack:
        _use_server(stack, settings)
        from reinschrift.flows.orchestrate import NotPublishedError, clean_corpus

        try:
            return clean_corpus(inputs=list(inputs), settings=settings, report=report)
        except NotPublishedError as refusal:
            return refusal.report
        finally:
            _send_what_waits()


def serve_on_schedule(
    inputs: Sequence[str], settings: Settings, plan: Serving, say: Callable[[str], None]
) -> None:
    """Serve the flow on a schedule, until interrupted or terminated.

    Says where the UI is, when the next run begins, and a line a run. Raises ScheduleError for a schedule
    that is none, LockedError where another process serves the same output.
    """
    set_environment(settings)
    due = next_run(plan)
    # A process that a script starts in the background ignores SIGINT, by which Prefect is stopped.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with contextlib.ExitStack() as stack:
        stack.enter_context(Corpus(settings.out).lock("serve.lock"))
        where = _use_server(stack, settings, port=plan.port, with_ui=plan.with_ui)
        if where and plan.with_ui:
            secret = Corpus(settings.out).home / "prefect" / "secret"
            say(f"UI: {where.removesuffix('/api')}, with the secret in {secret}")
        say(f"serving; the next run begins {due:%Y-%m-%d %H:%M:%S} UTC")
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
                "settings": settings.model_dump(mode="json", exclude=SECRETS),
                "report": None if plan.report is None else str(plan.report.resolve()),
            },
            cron=plan.cron,
            interval=plan.every,
            limit=1,  # two runs at once would only wait for each other's lock
            print_starting_message=False,
            entrypoint_type=EntrypointType.MODULE_PATH,
        )


def next_run(plan: Serving) -> datetime:
    """When the next run is due, in UTC. Raises ScheduleError."""
    now = datetime.now(UTC)
    if plan.every is not None:
        return now + timedelta(seconds=plan.every)
    from prefect.client.schemas.schedules import CronSchedule
    from prefect.server.schemas.schedules import CronSchedule as Dates

    try:
        schedule = CronSchedule(cron=plan.cron or "", timezone="UTC")
    except ValueError as error:
        raise ScheduleError(
            f"--cron {plan.cron!r}: not a schedule", 'five fields, such as "0 5 * * *": each day at 5:00'
        ) from error
    dates = asyncio.run(Dates(cron=schedule.cron, timezone="UTC").get_dates(1, start=now))
    return dates[0]


def take_over_due_slots() -> int:
    """Cancel the other slots of the schedule that are due, for this run covers them; how many.

    Slots that were missed, or came while a run went on, become one run so.
    """
    from prefect import runtime
    from prefect.client.orchestration import get_client
    from prefect.client.schemas import filters
    from prefect.client.schemas.objects import StateType
    from prefect.states import Cancelled

    if not runtime.flow_run.id or not runtime.deployment.id:
        return 0
    scheduled = filters.FlowRunFilterState(
        type=filters.FlowRunFilterStateType(any_=[StateType.SCHEDULED])
    )
    due = filters.FlowRunFilter(
        state=scheduled,
        expected_start_time=filters.FlowRunFilterExpectedStartTime(before_=datetime.now(UTC)),
        deployment_id=filters.FlowRunFilterDeploymentId(any_=[runtime.deployment.id]),
    )
    with get_client(sync_client=True) as client:
        slots = [one for one in client.read_flow_runs(flow_run_filter=due) if one.auto_scheduled]
        for slot in slots:
            why = f"covered by {runtime.flow_run.name}"
            covered: State[None] = Cancelled(name="Skipped", message=why)
            client.set_flow_run_state(slot.id, covered, force=True)
    return len(slots)


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
    places = {"PREFECT_HOME": str(home), "PREFECT_SERVER_UI_STATIC_DIRECTORY": str(home / "ui")}
    for name, value in {**ENVIRONMENT, **places, **more}.items():
        os.environ.setdefault(name, value)


def _use_server(
    stack: contextlib.ExitStack, settings: Settings, port: int | None = None, *, with_ui: bool = False
) -> str | None:
    """Start a server for as long as the stack is open, unless the user names one; its API's address."""
    if "PREFECT_API_URL" in os.environ:
        return None
    secret = _new_secret(Corpus(settings.out).home / "prefect" / "secret")
    os.environ["PREFECT_SERVER_API_AUTH_STRING"] = os.environ["PREFECT_API_AUTH_STRING"] = secret
    log = Corpus(settings.out).home / "prefect" / "server.log"
    url = stack.enter_context(server(log, port, with_ui=with_ui))
    os.environ["PREFECT_API_URL"] = url
    return url


def _new_secret(path: Path) -> str:
    """A random secret, kept in a file that only its owner can read, to look at the server with."""
    secret = f"reinschrift:{secrets.token_urlsafe(32)}"
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:  # noqa: PTH123 - rights at creation
        file.write(secret + "\n")
    return secret


def _free_port(wanted: int | None) -> int:
    """A port of loopback: the one that is wanted, or the usual one of the UI, or any that is free.

    Raises ServerError where the one that is wanted is taken.
    """
    for port in (UI_PORT, 0) if wanted is None else (wanted,):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise ServerError(f"--port {wanted}: it is taken", "name another, or none")


@contextlib.contextmanager
def server(log: Path, port: int | None = None, *, with_ui: bool = False) -> Iterator[str]:
    """A Prefect server on loopback, which writes to the file `log`; gives its API address.

    Raises ServerError where it does not answer within STARTUP_SECONDS.
    """
    port = _free_port(port if with_ui else 0)
    module = "reinschrift.flows.workers.prefect_server"
    command = [sys.executable, "-P", "-m", module, str(os.getpid()), "server", "start"]
    command += ["--host", "127.0.0.1", "--port", str(port), *([] if with_ui else ["--no-ui"])]
    url = f"http://127.0.0.1:{port}/api"
    with log.open("wb") as said:
        process = subprocess.Popen(
            command,
            env={**os.environ, "PREFECT_SERVER_UI_API_URL": url},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,  # so that Ctrl-C reaches us alone
        )
    try:
        _await(process, url, log)
        yield url
    finally:
        _stop(process)


def _await(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    until = time.monotonic() + STARTUP_SECONDS
    while time.monotonic() < until:
        if process.poll() is not None:
            raise ServerError(
                f"the Prefect server ended at once (exit {process.returncode})",
                f"see {log}, or set PREFECT_API_URL",
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
