"""The same run as a Prefect flow: a task a stage and shard, a state, artifacts and events to act upon.

Importing this module imports Prefect; `flows.serving` sets its environment first. Its annotations are
no strings, for Prefect makes the form of the parameters of them.
"""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from prefect import flow, get_run_logger, runtime
from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.assets import Asset, AssetProperties, materialize
from prefect.client.orchestration import get_client
from prefect.context import FlowRunContext
from prefect.events import emit_event
from prefect.states import Completed, Failed
from prefect.task_runners import ProcessPoolTaskRunner, TaskRunner

from reinschrift.expectations.report import summarise
from reinschrift.flows.config import Settings
from reinschrift.flows.notify import check_address, notify_people
from reinschrift.flows.run import Report, run_plan
from reinschrift.flows.serving import check_served, is_served, take_over_due_slots
from reinschrift.flows.store.local import Corpus
from reinschrift.flows.tasks import TaskMapper
from reinschrift.flows.workers.processes import die_with_parent, start_worker
from reinschrift.transforms.contracts import PUBLISHED as TABLES
from reinschrift.transforms.errors import ReinschriftError

if TYPE_CHECKING:
    from uuid import UUID

    from prefect.client.schemas.objects import State

NAME = "reinschrift"


class NotPublishedError(ReinschriftError):
    """The gate refused the corpus; `report` says why."""

    def __init__(self, report: Report) -> None:
        self.report = report
        super().__init__(report.result.headline, "see the artifact `verdict`")


def name_run() -> str:
    """The name of a flow run: the corpus, and the day."""
    settings = runtime.flow_run.parameters.get("settings")
    out = settings.out if isinstance(settings, Settings) else Path((settings or {}).get("out", "data"))
    return f"{out.resolve().name} {datetime.now(UTC):%Y-%m-%d %H:%M}"


class RunLog:
    """A reporter that writes to the flow run's log, and moves its progress on."""

    def __init__(self) -> None:
        self.logger = get_run_logger()
        self.progress: UUID | None = None
        self.total = self.done = 0

    def begin(self, stage: str, total: int, size: int = 0) -> None:
        """A line a stage; a bar for those of many tasks."""
        self.logger.info("%s", f"{stage}: {total:,} tasks, {size:,} bytes" if total else stage)
        self.total, self.done = total, 0
        self.progress = None
        if total > 1:
            bar = create_progress_artifact(progress=0.0, key=f"progress-{stage}", description=stage)
            self.progress = cast("UUID", bar)

    def advance(self, size: int = 0, pages: int = 0) -> None:
        """Each task logs its own end; every hundredth moves the bar."""
        del size, pages
        self.done += 1
        steps = max(1, self.total // 100)
        if self.progress and (self.done % steps == 0 or self.done == self.total):
            update_progress_artifact(self.progress, progress=100 * self.done / self.total)

    def say(self, text: str) -> None:
        """A line."""
        self.logger.info("%s", text)


@flow(
    name=NAME,
    flow_run_name=name_run,
    persist_result=False,
    task_runner=ProcessPoolTaskRunner(),  # type: ignore[arg-type]
)
def clean_corpus(
    inputs: list[str], settings: Settings | None = None, report: Path | None = None
) -> Report:
    """Clean pages and publish the corpus, if the gate lets it pass.

    Args:
        inputs: files, folders, globs, addresses, or `@list.txt`
        settings: those of reinschrift.toml; what is left out has its default
        report: a file to write the report page to

    Raises NotPublishedError where the gate refused, so that the flow run shows as failed.
    """
    given = settings or Settings()
    check_served(inputs, given)
    check_address(given)
    if is_served():
        die_with_parent(os.getppid())
        take_over_due_slots()
    mapper = TaskMapper(_runner_of(given))
    try:
        found = run_plan(inputs, given, mapper, RunLog())
    finally:
        mapper.close()
    _show(found, given, report)
    return cast("Report", _state_of(found))


def _runner_of(settings: Settings) -> TaskRunner[Any]:
    """The task runner of the flow, unless the settings name a cluster; with as many workers as they say.

    Raises ReinschriftError where a cluster is named and Dask is not installed.
    """
    if settings.cluster:
        try:
            from prefect_dask.task_runners import DaskTaskRunner
        except ModuleNotFoundError as error:
            raise ReinschriftError(
                f"cluster: {error.name} is not installed", "pip install 'reinschrift[dask]'"
            ) from error
        return DaskTaskRunner(address=settings.cluster)
    context = FlowRunContext.get()
    runner = context.task_runner if context else None
    if runner is None or type(runner) is ProcessPoolTaskRunner:
        return ProcessPoolTaskRunner(settings.workers, initializer=start_worker, initargs=(os.getpid(),))
    return runner


def describe_outcome(report: Report) -> str:
    """What became of a run, in a line: `1,301 documents, +12, 1 quarantined`, or why it was refused."""
    result = report.result
    if report.version is None:
        causes = ", ".join(one.name for one in result.causes)
        return f"{report.state}: {causes}" if causes else report.state
    documents = int(report.verdict.figures.get("documents", 0))
    words = [f"{documents:,} document{'' if documents == 1 else 's'}"]
    if report.documents_before is not None and not report.is_unchanged:
        words.append(f"{documents - report.documents_before:+,}")
    if report.quarantine.height:
        words.append(f"{report.quarantine.height:,} quarantined")
    if report.verdict.warnings:
        words.append(f"{len(report.verdict.warnings):,} warnings")
    return ", ".join(words)


def _state_of(report: Report) -> "State[Any]":
    """The state a flow run ends in; its data is the report, or the error that carries it."""
    message = describe_outcome(report)
    if report.version is None:
        return Failed(message=message, data=NotPublishedError(report))
    quarantined = "Quarantined" if report.quarantine.height else "Completed"
    name = "Unchanged" if report.is_unchanged else quarantined
    return Completed(name=name, message=message, data=report)


def _show(report: Report, settings: Settings, page: Path | None) -> None:
    """Artifacts, tags, assets and the event of a run; the page; people told where it was refused."""
    corpus = settings.out.resolve()
    create_markdown_artifact(
        key="verdict", markdown=summarise(report.result), description="state, failures, funnel, removals"
    )
    rows = report.metrics.filter(report.metrics["rule"].is_null()).drop("rule").to_dicts()
    create_table_artifact(key="funnel", table=rows, description="what went in and out of each step")
    if page is not None:
        from reinschrift.flows.reporting.page import write_report

        write_report(report.result, settings, page)
        create_link_artifact(page.resolve().as_uri(), link_text=page.name, key="report")
    _tag_run([f"corpus:{corpus.name}", f"version:{report.version or 'none'}"])
    if report.version and not report.is_unchanged:
        _note_assets(report, settings)
    kind = "refused" if report.version is None else "unchanged" if report.is_unchanged else "published"
    outcome = describe_outcome(report)
    resource = {
        "prefect.resource.id": f"{NAME}.corpus.{corpus}",
        "prefect.resource.name": corpus.name,
    }
    emit_event(
        event=f"{NAME}.{kind}",
        resource=resource,
        payload={
            "outcome": outcome,
            "version": report.version,
            "failures": [one.name for one in report.result.causes],
            "documents": report.verdict.figures.get("documents"),
            "quarantined": report.quarantine.height,
        },
    )
    if is_served():
        line = outcome if report.version is None else f"{kind}: {outcome}"
        print(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC  {line}", flush=True)  # noqa: T201
    if report.version is None and not notify_people(settings, f"{corpus.name}: not published", outcome):
        get_run_logger().warning("nobody could be told: see REINSCHRIFT_NOTIFY")


def _tag_run(tags: list[str]) -> None:
    """Add tags to the flow run, where there is one."""
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return
    with get_client(sync_client=True) as client:
        client.update_flow_run(context.flow_run.id, tags=[*context.flow_run.tags, *tags])


def _note_assets(report: Report, settings: Settings) -> None:
    """Each published table as an asset, with its rows, bytes and version."""
    root = settings.publish or Corpus(settings.out.resolve()).current.as_uri()
    name = settings.out.resolve().name
    assets = [
        Asset(
            key=f"{root}/{table.name}",
            properties=AssetProperties(name=f"{name} {table.name}", description=table.grain),
        )
        for table in TABLES
    ]

    @materialize(*assets, by=NAME, name="assets", task_run_name="assets", persist_result=False)
    def note() -> None:
        folder = Corpus(settings.out).current.resolve()
        for table, asset in zip(TABLES, assets, strict=True):
            files = list((folder / table.name).rglob("*.parquet"))
            asset.add_metadata(
                {
                    "version": report.version,
                    "files": len(files),
                    "bytes": sum(path.stat().st_size for path in files),
                    "rows": _rows_of(files),
                }
            )

    note()


def _rows_of(files: list[Path]) -> int:
    import pyarrow.parquet as pq

    return sum(pq.read_metadata(path).num_rows for path in files)
