"""One run: lock, gate beside the work, read, resolve, publish, switch."""

from __future__ import annotations

import hashlib
import json
import time
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import polars as pl
from polars.exceptions import PolarsError

from reinschrift.expectations.report import Result
from reinschrift.expectations.seal import MANIFEST, compose_manifest
from reinschrift.expectations.states import (
    NOTHING_TO_READ,
    PUBLISHED,
    REFUSED_BY_GATE,
    REFUSED_BY_STRICT,
)
from reinschrift.expectations.terms import Terms
from reinschrift.expectations.verdict import verdict_from
from reinschrift.flows.sources.inputs import Inputs, find_inputs
from reinschrift.flows.sources.known_files import KnownFiles
from reinschrift.flows.stages.assemble import finish_tables, publish_part
from reinschrift.flows.stages.cache import discard_damaged, forget_stages
from reinschrift.flows.stages.fingerprint import (
    code_version,
    corpus_code_version,
    kept_settings,
    settings_version,
)
from reinschrift.flows.stages.read import (
    clear_notes,
    count_pages,
    ignored_within,
    note_slow_pages,
    read_shard,
    read_shard_carefully,
    suspects,
)
from reinschrift.flows.stages.replay import Replay
from reinschrift.flows.stages.resolve import resolve
from reinschrift.flows.store.companions import write_companions
from reinschrift.flows.store.history import (
    Entry,
    Refusal,
    past_figures,
    read_history,
    record_refusal,
    record_version,
)
from reinschrift.flows.store.last_run import (
    LastRun,
    NotRepeatableError,
    read_last_run,
    settings_of,
    why_not_repeatable,
    write_last_run,
)
from reinschrift.flows.store.local import Corpus, OutputError, explain_os_error
from reinschrift.flows.store.removals import read_removals, removal_keys
from reinschrift.flows.store.tables import read_table
from reinschrift.flows.unchanged import describe_state, judgement_terms, unchanged_verdict
from reinschrift.flows.workers.gate_process import GateProcess
from reinschrift.transforms.contracts import LEDGER, METRICS, QUARANTINE
from reinschrift.transforms.errors import ReinschriftError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path
    from typing import BinaryIO

    from reinschrift.expectations.verdict import Verdict
    from reinschrift.flows.config import Settings
    from reinschrift.flows.ports import Gate, Mapper, Reporter
    from reinschrift.flows.sources.inputs import Shard
    from reinschrift.flows.stages.resolve import Part
    from reinschrift.flows.store.bucket import Bucket

EXIT_PUBLISHED, EXIT_REFUSED, EXIT_QUARANTINED = 0, 1, 3
TAG_CHARS = 8


class NothingToReadError(ReinschriftError):
    """None of the named inputs exists."""


class WorkerError(ReinschriftError):
    """A process of the pool was killed."""

    exit_code = 1


class UnreadableError(ReinschriftError):
    """Not one of the named inputs can be read."""

    exit_code = 1


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
    is_unchanged: bool = False  # the published corpus is already this one
    seconds: dict[str, float] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    example: str | None = None  # a page of which something was dropped
    documents_before: int | None = None  # of the version before, where its figures are known

    @property
    def state(self) -> str:
        """What became of the corpus, in the words of `expectations.report`."""
        return _state(self.version, self.verdict, self.metrics)

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


def run_plan(  # noqa: PLR0913, PLR0917 - what a run needs from outside
    named: Sequence[str],
    settings: Settings,
    mapper: Mapper,
    reporter: Reporter,
    open_gate: Callable[[], Gate] = GateProcess,
    stdin: BinaryIO | None = None,
) -> Report:
    """Clean the named inputs and publish the corpus, if the gate lets it pass.

    `stdin` is what the name `-` means. Raises ReinschriftError for what the user can fix; then nothing
    was published.
    """
    corpus = Corpus(settings.out)
    settings = with_review(settings)
    options = settings.options()
    clock = _Clock()
    with corpus.lock():
        corpus.prepare()
        bucket = _open_bucket(settings)
        previous = _current_metrics(corpus)
        inputs = mapper.call("plan", _plan, named, settings, corpus, stdin)
        version = settings_version(settings, options)
        work = Work(inputs, [], settings, version, previous, bucket, _current_documents(corpus))
        clock.lap("plan")
        unchanged = None if settings.verify else _report_unchanged(work, reporter, clock)
        if unchanged:
            return unchanged
        with open_gate() as gate:
            work = replace(work, stages=_read(inputs, settings, mapper, reporter))
            clock.lap("read")
            return _resolve_and_publish(work, mapper, reporter, gate, clock)


def _plan(named: Sequence[str], settings: Settings, corpus: Corpus, stdin: BinaryIO | None) -> Inputs:
    """Find the inputs; those nobody touched since the last run are not hashed again.

    Raises NothingToReadError, UnreadableError.
    """
    path = corpus.home / "inputs.jsonl"
    cut_by = (settings.shard_bytes, settings.max_decompress_ratio, code_version("flows.sources.inputs"))
    known = KnownFiles(repr(cut_by)) if settings.verify else KnownFiles.read(path, repr(cut_by))
    spool = corpus.home / "stdin"
    inputs = find_inputs(named, settings.shard_bytes, settings.max_decompress_ratio, spool, stdin, known)
    _refuse_nothing(inputs)
    try:
        known.write(path)
    except OSError as error:
        raise explain_os_error(error, path) from error
    return inputs


def _report_unchanged(work: Work, reporter: Reporter, clock: _Clock) -> Report | None:
    """The report of the published version, if it is what this run would publish."""
    corpus, settings = Corpus(work.settings.out), work.settings
    fingerprint = fingerprint_of(work.inputs, work.version, removal_keys(read_removals(corpus)))
    last = read_last_run(corpus)
    answer = unchanged_verdict(corpus, last, fingerprint, judgement_terms(settings))
    if answer is None or last is None or work.previous is None:
        return None
    if work.bucket:
        folder = corpus.versions_folder / last.version
        _upload(work.bucket, folder, fingerprint, settings, reporter)
        clock.lap("upload")
    return Report(
        settings.out,
        verdict_from(dict(answer)),
        work.previous,
        work.previous,
        read_table(corpus.current.resolve(), QUARANTINE).collect(),
        tuple(last.ignored),
        last.version,
        work.inputs.size,
        is_unchanged=True,
        seconds=clock.laps,
        settings=_kept(work),
        example=_example(corpus),
    )


def with_review(settings: Settings) -> Settings:
    """The settings with the packs that were made of a person's answers, where there are any."""
    folder = Corpus(settings.out).review
    if folder in settings.packs or not any(folder.glob("*.toml")):
        return settings
    return settings.model_copy(update={"packs": (*settings.packs, folder)})


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
    documents_before: int | None = None


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
    corpus.require()
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
        return _resolve_and_publish(work, mapper, reporter, gate, clock)


def _resolve_and_publish(
    work: Work, mapper: Mapper, reporter: Reporter, gate: Gate, clock: _Clock
) -> Report:
    """The second half of a run."""
    settings, inputs, stages = work.settings, work.inputs, work.stages
    reporter.begin("resolve", 0)
    parts = mapper.call("resolve", resolve, stages, settings)
    clock.lap("resolve")
    with Replay(inputs, stages, settings) as replay:
        return _publish_if_good(work, parts, replay, (mapper, reporter, gate, clock))


def _publish_if_good(
    work: Work, parts: list[Part], replay: Replay, means: tuple[Mapper, Reporter, Gate, _Clock]
) -> Report:
    """Write the tables, let the gate judge them, and switch if it lets them pass."""
    mapper, reporter, gate, clock = means
    settings, inputs, stages = work.settings, work.inputs, work.stages
    corpus = Corpus(settings.out)
    fingerprint = fingerprint_of(inputs, work.version, removal_keys(read_removals(corpus)))
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
    verdict = mapper.call("gate", gate.judge, corpus.staging, _terms(work, again, refused.height))
    clock.lap("gate")
    may_publish = verdict.passed and not (settings.strict and refused.height)
    was_there = corpus.version_of(fingerprint)
    if not may_publish:
        _note_refusal(corpus, verdict, metrics)
    version = None
    if may_publish:
        version = mapper.call("switch", _seal_and_publish, work, fingerprint, verdict)
        forget_stages(stages, corpus)
        state = describe_state(corpus.versions_folder / version)
        terms = judgement_terms(settings)
        last = LastRun(
            version, work.version, settings, inputs, stages, terms, asdict(verdict), state, list(ignored)
        )
        write_last_run(corpus, last)
    clock.lap("switch")
    if version and work.bucket:
        folder = corpus.versions_folder / version
        mapper.call("upload", _upload, work.bucket, folder, fingerprint, settings, reporter)
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
        is_unchanged=version is not None and version == was_there,
        seconds=clock.laps,
        settings=_kept(work),
        example=_example(corpus) if version else None,
        documents_before=work.documents_before,
    )


def _note_refusal(corpus: Corpus, verdict: Verdict, metrics: pl.DataFrame) -> None:
    """Remember a run that is not published, for the list of versions."""
    state = _state(None, verdict, metrics)
    failures = [one.name for one in verdict.failures]
    figures = verdict.figures
    when = datetime.now(UTC).isoformat(timespec="seconds")
    record_refusal(
        corpus, Refusal(when, state, failures, figures.get("documents"), figures.get("chars"))
    )


def _state(version: str | None, verdict: Verdict, metrics: pl.DataFrame) -> str:
    """What became of the corpus, in the words of `expectations.report`."""
    if version is not None:
        return PUBLISHED
    if metrics.is_empty():
        return NOTHING_TO_READ
    return REFUSED_BY_STRICT if verdict.passed else REFUSED_BY_GATE


def _example(corpus: Corpus) -> str | None:
    """A page to look at: the first of which something was dropped."""
    dropped = read_table(corpus.current.resolve(), LEDGER).filter(pl.col("action") == "drop")
    found = dropped.select("source").head(1).collect()["source"]
    return str(found[0]) if len(found) else None


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
    facts = json.dumps(_kept(work), sort_keys=True)
    return hashlib.blake2b(facts.encode(), digest_size=8).hexdigest()


def _seal_and_publish(work: Work, fingerprint: str, verdict: Verdict) -> str:
    """Write the manifest beside the tables, switch, and remember the figures."""
    corpus = Corpus(work.settings.out)
    figures = {name: value for name, value in verdict.figures.items() if name != "inputs"}
    write_companions(corpus.staging, figures, _kept(work))
    manifest = compose_manifest(
        corpus.staging, work.inputs.digest, _kept(work), corpus_code_version(), figures
    )
    try:
        (corpus.staging / MANIFEST).write_bytes(manifest)
    except OSError as error:
        raise explain_os_error(error, corpus.staging) from error
    before = corpus.current_version()
    version = corpus.publish(fingerprint, work.settings.keep_versions)
    if version == before:
        if version in read_history(corpus):
            return version  # unchanged: no version of its own
        earlier = [name for name in corpus.versions() if name < version]  # killed before it was noted
        before = earlier[-1] if earlier else None
    day = datetime.now(UTC).isoformat(timespec="seconds")
    warnings = [one.name for one in verdict.warnings]
    entry = Entry(
        version, before, day, _settings_digest(work), verdict.figures, corpus_code_version(), warnings
    )
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


def _read(inputs: Inputs, settings: Settings, mapper: Mapper, reporter: Reporter) -> list[str]:
    """Read the shards; those in which a page ends its process in processes of their own.

    All others go back to the pool. What was read is cached, so nothing is read twice. Raises WorkerError
    where processes die although no page can be found that ends them.
    """
    stages: dict[str, str] = {}  # by the key of the shard
    while True:
        left = [shard for shard in inputs.shards if shard.key not in stages]
        reporter.begin("read", len(left), sum(shard.size for shard in left))
        calls = [(shard, settings) for shard in left]
        try:
            for shard, stage in zip(left, mapper.map("read", read_shard, calls), strict=True):
                stages[shard.key] = stage
                reporter.advance(shard.size, count_pages(stage, settings))
        except BrokenProcessPool as error:
            stages |= _read_suspects(left, settings, mapper, reporter, error)
            continue
        for damaged in discard_damaged(Corpus(settings.out)):
            reporter.say(f"the cached stage {damaged} was damaged; its inputs were read again")
        return [stages[shard.key] for shard in inputs.shards]


def _read_suspects(
    shards: list[Shard], settings: Settings, mapper: Mapper, reporter: Reporter, error: BrokenProcessPool
) -> dict[str, str]:
    """Read the shards that were at work when a process died, each in a process of its own.

    Out: their stages by the key of the shard.
    """
    slow = note_slow_pages(shards, settings)
    found = suspects(shards, settings)
    if slow:
        reporter.say(f"{slow} pages took too long; they are read by their tags alone")
    elif not found:
        raise _worker_error() from error
    if found:
        reporter.say("a process died reading a page; its shard is read in a process of its own")
    calls = [(shard, settings) for shard in found]
    stages = _collect(mapper.map("read carefully", read_shard_carefully, calls), lambda _: None)
    for shard in found:
        clear_notes(shard, settings)
    return {shard.key: stage for shard, stage in zip(found, stages, strict=True)}


def _collect(results: Iterator[str], report: Callable[[str], object]) -> list[str]:
    collected = []
    try:
        for result in results:
            collected.append(result)
            report(result)
    except BrokenProcessPool as error:
        raise _worker_error() from error
    return collected


def _worker_error() -> WorkerError:
    return WorkerError(
        "a worker process died, perhaps for want of memory",
        "run again with fewer --workers or a smaller shard_bytes; what was read is kept",
    )


def _refuse_nothing(inputs: Inputs) -> None:
    """A run of which no named input exists is a mistake, not an empty corpus."""
    if not inputs.shards and not inputs.broken:
        raise NothingToReadError(f"{NOTHING_TO_READ}: nothing was named", "name files, folders or globs")
    if not inputs.shards and all(b.reason.startswith("no such") for b in inputs.broken):
        names = ", ".join(b.source for b in inputs.broken)
        raise NothingToReadError(f"{NOTHING_TO_READ}: {names}: no such file or folder", "check the path")
    if not inputs.shards:
        reasons = "; ".join(f"{b.source}: {b.reason} ({b.remedy})" for b in inputs.broken)
        raise UnreadableError(f"{NOTHING_TO_READ}: {reasons}")


def _current_metrics(corpus: Corpus) -> pl.DataFrame | None:
    """METRICS of the published version, to show what changed; None where there is none to compare.

    A published version that is damaged must not keep a new one from being published.
    """
    if not corpus.current.exists():
        return None
    try:
        metrics = read_table(corpus.current.resolve(), METRICS)
        return metrics.collect() if metrics.collect_schema() == METRICS.schema else None
    except (OutputError, OSError, PolarsError):
        return None


def _current_documents(corpus: Corpus) -> int | None:
    """How many documents the published version has, where its figures are known."""
    entry = read_history(corpus).get(corpus.current_version() or "")
    return None if entry is None else entry.figures.get("documents")


def fingerprint_of(inputs: Inputs, version: str, removed: list[tuple[str, str]]) -> str:
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
