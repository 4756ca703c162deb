"""Carrying a plan out: lock, gate beside the work, map over shards, switch."""

from __future__ import annotations

import hashlib
import json
import time
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol, Self

from reinschrift.expectations.report import (
    NOTHING_TO_READ,
    PUBLISHED,
    REFUSED_BY_GATE,
    REFUSED_BY_STRICT,
    Result,
)
from reinschrift.expectations.seal import MANIFEST, compose_manifest
from reinschrift.expectations.terms import Terms
from reinschrift.flows.sources.inputs import Inputs, Shard, find_inputs
from reinschrift.flows.stages.assemble import finish_tables, publish_part
from reinschrift.flows.stages.fingerprint import code_version, kept_settings, settings_version
from reinschrift.flows.stages.read import (
    count_pages,
    forget_stages,
    ignored_within,
    read_shard,
    read_shard_carefully,
)
from reinschrift.flows.stages.replay import Replay
from reinschrift.flows.stages.resolve import judge
from reinschrift.flows.store.history import Entry, past_figures, record_version
from reinschrift.flows.store.last_run import (
    LastRun,
    NotRepeatableError,
    read_last_run,
    settings_of,
    why_not_repeatable,
    write_last_run,
)
from reinschrift.flows.store.local import Corpus, explain_os_error, read_table
from reinschrift.flows.store.removals import read_removals, told
from reinschrift.flows.workers.gate_process import GateProcess
from reinschrift.flows.workers.processes import Processes
from reinschrift.transforms.contracts import METRICS, QUARANTINE
from reinschrift.transforms.errors import ReinschriftError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import polars as pl

    from reinschrift.expectations.verdict import Verdict
    from reinschrift.flows.config import Settings
    from reinschrift.flows.stages.resolve import Part
    from reinschrift.flows.store.bucket import Bucket

EXIT_PUBLISHED, EXIT_REFUSED, EXIT_QUARANTINED = 0, 1, 3
TAG_CHARS = 8


class NothingToReadError(ReinschriftError):
    """None of the named inputs exists."""


class WorkerError(ReinschriftError):
    """A process of the pool was killed."""


class UnreadableError(ReinschriftError):
    """Not one of the named inputs can be read."""


class Mapper(Protocol):
    """Who calls a function on many arguments: this process, a pool of them, or Prefect."""

    def map(
        self, name: str, function: Callable[..., str], calls: Sequence[tuple[Any, ...]]
    ) -> Iterator[str]:
        """The results, in the order of the calls."""
        ...


class Reporter(Protocol):
    """Who tells the user how far a run is."""

    def begin(self, stage: str, total: int, size: int = 0) -> None:
        """A stage begins, with so many tasks, and so many bytes to read."""

    def advance(self, size: int = 0, pages: int = 0) -> None:
        """A task of it is done: so many bytes were read, so many pages were in them."""

    def say(self, text: str) -> None:
        """Something worth a line."""


class Gate(Protocol):
    """Who judges a staged corpus; entered before the work begins."""

    def __enter__(self) -> Self:
        """Warm up."""
        ...

    def __exit__(self, *failure: object) -> None:
        """Clean up."""

    def judge(self, corpus: Path, terms: Terms) -> Verdict:
        """The verdict on the tables below `corpus`, held to the terms."""
        ...


class Here:
    """One call after the other, in this process."""

    def map(
        self, name: str, function: Callable[..., str], calls: Sequence[tuple[Any, ...]]
    ) -> Iterator[str]:
        """The results, in the order of the calls."""
        del name
        return (function(*call) for call in calls)


class Pool:
    """Worker processes, even for a single call: a page that kills one of them ends no run."""

    def __init__(self, workers: int) -> None:
        self.processes = Processes(workers)

    def map(
        self, name: str, function: Callable[..., str], calls: Sequence[tuple[Any, ...]]
    ) -> Iterator[str]:
        """The results, in the order of the calls.

        Raises BrokenProcessPool where a process died; the next map starts others.
        """
        del name
        if not calls:
            return
        try:
            yield from self.processes.ready(len(calls)).map(function, *zip(*calls, strict=True))
        except BrokenProcessPool:
            self.processes.renew()
            raise

    def close(self) -> None:
        """End the processes."""
        self.processes.close()


@dataclass(frozen=True)
class Report:
    """What a run came to."""

    out: Path
    verdict: Verdict
    metrics: pl.DataFrame
    previous_metrics: pl.DataFrame | None
    quarantine: pl.DataFrame
    ignored: tuple[str, ...]
    version: str | None
    bytes_read: int
    seconds: dict[str, float] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def state(self) -> str:
        """What became of the corpus, in the words of `expectations.report`."""
        if self.version is not None:
            return PUBLISHED
        if self.metrics.is_empty():
            return NOTHING_TO_READ
        return REFUSED_BY_STRICT if self.verdict.passed else REFUSED_BY_GATE

    @property
    def exit_code(self) -> int:
        """0 published; 1 refused; 3 published, but some inputs are in quarantine."""
        if self.state != PUBLISHED:
            return EXIT_REFUSED
        return EXIT_QUARANTINED if self.quarantine.height else EXIT_PUBLISHED

    @property
    def result(self) -> Result:
        """What all reports are made of."""
        return Result(
            self.state,
            self.verdict,
            str(self.out / "corpus"),
            self.version,
            self.metrics,
            self.previous_metrics,
            self.quarantine,
            self.settings,
            self.seconds,
        )


def run_plan(
    named: Sequence[str],
    settings: Settings,
    mapper: Mapper,
    reporter: Reporter,
    open_gate: Callable[[], Gate] = GateProcess,
) -> Report:
    """Clean the named inputs and publish the corpus, if the gate lets it pass.

    Raises ReinschriftError for what the user can mend; then nothing was published.
    """
    options = settings.options()
    corpus = Corpus(settings.out)
    clock = _Clock()
    with corpus.lock(), open_gate() as gate:
        corpus.prepare()
        bucket = _open_bucket(settings)
        previous = _current_metrics(corpus)
        inputs = find_inputs(
            named, settings.shard_bytes, settings.max_decompress_ratio, corpus.home / "stdin"
        )
        _refuse_nothing(inputs)
        clock.lap("plan")
        tell = _TellPages(reporter, inputs, settings)
        tell.begin()
        calls = [(shard, settings) for shard in inputs.shards]
        stages = _read(calls, mapper, tell)
        clock.lap("read")
        work = Work(inputs, stages, settings, settings_version(settings, options), previous, bucket)
        return _judge_and_publish(work, mapper, reporter, gate, clock)


@dataclass(frozen=True)
class Work:
    """What is judged and published: what was read, under which settings and code (`version`).

    `bucket` is the store to publish to as well, as it was when the run began.
    """

    inputs: Inputs
    stages: list[str]
    settings: Settings
    version: str
    previous: pl.DataFrame | None
    bucket: Bucket | None


def republish(
    settings: Settings,
    change: Callable[[Corpus, LastRun | None], None],
    mapper: Mapper,
    reporter: Reporter,
    open_gate: Callable[[], Gate] = GateProcess,
) -> Report:
    """Judge and publish again what the last run read, after `change` was made to the output folder.

    Its settings are those of that run. Raises NotRepeatableError where that can't be done; the change
    stands then, too.
    """
    corpus = Corpus(settings.out)
    clock = _Clock()
    with corpus.lock(), open_gate() as gate:
        corpus.prepare()
        last = read_last_run(corpus)
        change(corpus, last)
        again = settings_of(last, settings) if last else settings
        version = settings_version(again, again.options())
        problem = why_not_repeatable(corpus, last, version)
        if problem or last is None:
            raise NotRepeatableError(
                f"{corpus.out}: noted, but not yet published: {problem}", "run again on your inputs"
            )
        bucket = _open_bucket(again)
        work = Work(last.inputs, last.stages, again, version, _current_metrics(corpus), bucket)
        return _judge_and_publish(work, mapper, reporter, gate, clock)


def _judge_and_publish(
    work: Work, mapper: Mapper, reporter: Reporter, gate: Gate, clock: _Clock
) -> Report:
    """The second half of a run."""
    settings, inputs, stages = work.settings, work.inputs, work.stages
    parts = judge(stages, settings)
    clock.lap("judge")
    with Replay(inputs, stages, settings) as replay:
        return _publish_if_good(work, parts, replay, (mapper, reporter, gate, clock))


def _publish_if_good(
    work: Work, parts: list[Part], replay: Replay, means: tuple[Mapper, Reporter, Gate, _Clock]
) -> Report:
    """Write the tables, let the gate judge them, and switch if it lets them pass."""
    mapper, reporter, gate, clock = means
    settings, inputs, stages = work.settings, work.inputs, work.stages
    corpus = Corpus(settings.out)
    fingerprint = _fingerprint(inputs, work.version, told(read_removals(corpus)))
    tag = fingerprint[:TAG_CHARS]
    reporter.begin("publish", len(parts))
    part_calls = [(part, stages, tag, settings) for part in parts]
    counts = _collect(mapper.map("publish", publish_part, part_calls), lambda _: reporter.advance())
    metrics = finish_tables(inputs, stages, counts, tag, settings)
    refused = read_table(corpus.staging, QUARANTINE).collect()
    clock.lap("publish")
    reporter.begin("gate", 0)
    ignored = (*inputs.ignored, *ignored_within(stages, settings))
    again = replay.finish()
    verdict = gate.judge(corpus.staging, _terms(work, again, refused.height))
    clock.lap("gate")
    may_publish = verdict.passed and not (settings.strict and refused.height)
    version = _seal_and_publish(work, fingerprint, verdict) if may_publish else None
    if version:
        forget_stages(stages, settings)
        write_last_run(corpus, LastRun(version, work.version, settings, inputs, stages))
    clock.lap("switch")
    if version and work.bucket:
        _upload(work.bucket, corpus.versions_folder / version, fingerprint, settings, reporter)
        clock.lap("upload")
    return Report(
        settings.out,
        verdict,
        metrics,
        work.previous,
        refused,
        ignored,
        version,
        inputs.size,
        clock.laps,
        _kept(work),
    )


def _terms(work: Work, replay: Path | None, refused: int) -> Terms:
    """What the staged corpus is held to besides the contracts."""
    settings = work.settings
    past = past_figures(Corpus(settings.out), _settings_digest(work), settings.history_versions)
    return Terms(
        settings=_kept(work),
        severity=dict(settings.severity),
        thresholds=dict(settings.thresholds),
        history=past,
        inputs=work.inputs.digest,
        replay=str(replay.resolve()) if replay else None,
        quarantined=refused,
        own=[str(path.resolve()) for path in settings.expectations],
    )


def _kept(work: Work) -> dict[str, Any]:
    return kept_settings(work.settings, work.settings.options())


def _settings_digest(work: Work) -> str:
    told = json.dumps(_kept(work), sort_keys=True)
    return hashlib.blake2b(told.encode(), digest_size=8).hexdigest()


def _seal_and_publish(work: Work, fingerprint: str, verdict: Verdict) -> str:
    """Write the manifest beside the tables, switch, and remember the figures."""
    corpus = Corpus(work.settings.out)
    figures = {name: value for name, value in verdict.figures.items() if name != "inputs"}
    manifest = compose_manifest(corpus.staging, work.inputs.digest, _kept(work), code_version(), figures)
    try:
        (corpus.staging / MANIFEST).write_bytes(manifest)
    except OSError as error:
        raise explain_os_error(error, corpus.staging) from error
    before = corpus.current_version()
    version = corpus.publish(fingerprint, work.settings.keep_versions)
    day = datetime.now(UTC).isoformat(timespec="seconds")
    entry = Entry(version, before, day, _settings_digest(work), verdict.figures)
    record_version(corpus, entry)
    return version


def _open_bucket(settings: Settings) -> Bucket | None:
    """The store to publish to as well; asked for before the work, for it may not be there."""
    if settings.publish is None:
        return None
    from reinschrift.flows.store.bucket import open_bucket

    return open_bucket(settings.publish)


def _upload(
    bucket: Bucket, folder: Path, fingerprint: str, settings: Settings, reporter: Reporter
) -> None:
    from reinschrift.flows.store.bucket import upload_version

    name = upload_version(bucket, folder, fingerprint, settings.keep_versions, reporter)
    reporter.say(f"published {bucket.address} (version {name})")


@dataclass
class _TellPages:
    """Tells the reporter how much was in each shard that was read."""

    reporter: Reporter
    inputs: Inputs
    settings: Settings
    done: int = 0

    def begin(self) -> None:
        """The stage begins, or begins again."""
        self.done = 0
        self.reporter.begin("read", len(self.inputs.shards), self.inputs.size)

    def __call__(self, stage: str) -> str:
        size = self.inputs.shards[self.done].size
        self.done += 1
        self.reporter.advance(size, count_pages(stage, self.settings))
        return stage


def _read(calls: list[tuple[Shard, Settings]], mapper: Mapper, tell: _TellPages) -> list[str]:
    """Read the shards; with care if a page kills a process, for then it is some page of some shard."""
    try:
        return list(map(tell, mapper.map("read", read_shard, calls)))
    except BrokenProcessPool:
        tell.reporter.say("a process died reading a page; reading on in processes of their own")
        tell.begin()
        return _collect(mapper.map("read", read_shard_carefully, calls), tell)


def _collect(results: Iterator[str], tell: Callable[[str], object]) -> list[str]:
    collected = []
    try:
        for result in results:
            collected.append(result)
            tell(result)
    except BrokenProcessPool as error:
        raise WorkerError(
            "a worker process died, perhaps for want of memory",
            "run again with fewer --workers or a smaller shard_bytes; what was read is kept",
        ) from error
    return collected


def _refuse_nothing(inputs: Inputs) -> None:
    """A run of which no named input exists is a slip of the pen, not an empty corpus."""
    if not inputs.shards and not inputs.broken:
        raise NothingToReadError(f"{NOTHING_TO_READ}: nothing was named", "name files, folders or globs")
    if not inputs.shards and all(b.reason.startswith("no such") for b in inputs.broken):
        names = ", ".join(b.source for b in inputs.broken)
        raise NothingToReadError(f"{NOTHING_TO_READ}: {names}: no such file or folder", "check the path")
    if not inputs.shards:
        told = "; ".join(f"{b.source}: {b.reason} ({b.remedy})" for b in inputs.broken)
        raise UnreadableError(f"{NOTHING_TO_READ}: {told}")


def _current_metrics(corpus: Corpus) -> pl.DataFrame | None:
    """METRICS of the published version, to tell what changed; None where there is none to compare."""
    if not corpus.current.exists():
        return None
    metrics = read_table(corpus.current.resolve(), METRICS)
    return metrics.collect() if metrics.collect_schema() == METRICS.schema else None


def _fingerprint(inputs: Inputs, version: str, removed: list[tuple[str, str]]) -> str:
    """What the corpus is a function of: inputs, settings, code, removals; not shards or order."""
    facts = f"{inputs.digest} {version} {[(b.source, b.reason) for b in inputs.broken]}"
    if removed:
        facts += f" {removed}"
    return hashlib.blake2b(facts.encode(), digest_size=16).hexdigest()


class _Clock:
    """Seconds a stage took, for the report; no table has them, for they never are the same twice."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self.last = time.monotonic()

    def lap(self, name: str) -> None:
        now = time.monotonic()
        self.laps[name] = now - self.last
        self.last = now
