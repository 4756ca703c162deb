"""The command `reinschrift`."""

from __future__ import annotations

import functools
import inspect
import json
import os
import sys
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, get_origin

import typer
from rich.console import Console

from reinschrift.flows.config import SECRETS, Settings, load_settings
from reinschrift.transforms.errors import ReinschriftError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pydantic.fields import FieldInfo

    from reinschrift.expectations.report import Result
    from reinschrift.flows.comparing.difference import Difference
    from reinschrift.flows.comparing.reproduction import Reproduction
    from reinschrift.flows.run import Report

app = typer.Typer(
    help="Turn scraped web pages into a validated Parquet corpus that accounts for every line.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
rules_app = typer.Typer(help="Rule packs.", no_args_is_help=True)
app.add_typer(rules_app, name="rules")

DEFAULT_INPUT = "seeds"
FAILED = 1
Inputs = Annotated[
    list[str] | None,
    typer.Argument(
        help="files, folders, globs, @list.txt, - (JSON lines on stdin), s3://…",
        show_default=DEFAULT_INPUT,
    ),
]
Config = Annotated[Path | None, typer.Option(help="settings", show_default="reinschrift.toml")]
Out = Annotated[Path | None, typer.Option(help="output folder", show_default="data")]
Publish = Annotated[str | None, typer.Option(help="a store to publish to as well: s3://bucket/prefix")]
Junit = Annotated[Path | None, typer.Option(help="write the gate's verdict as JUnit XML")]
Summary = Annotated[Path | None, typer.Option(help="write a Markdown summary")]
Json = Annotated[Path | None, typer.Option("--json", help="write all of it as JSON")]
Page = Annotated[Path | None, typer.Option("--report", help="write a report to look at: one HTML page")]
PANELS = {
    "read": "Settings: what is read and what is kept of a page",
    "resolve": "Settings: repeats, templates, quality, files",
    "nothing": "Settings: how a run goes",
}


def with_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command an option for every setting; it gets those that were given as `flags`."""
    signature = inspect.signature(command, eval_str=True)
    own = [parameter for name, parameter in signature.parameters.items() if name != "flags"]
    fields = Settings.model_fields.items()
    options = [_option(name, field) for name, field in fields if name not in SECRETS]

    @functools.wraps(command)
    def with_flags(**given: Any) -> None:
        flags = {option.name: given.pop(option.name) for option in options}
        command(**given, flags=flags)

    with_flags.__signature__ = signature.replace(parameters=[*own, *options])  # type: ignore[attr-defined]
    return with_flags


def _option(name: str, field: FieldInfo) -> inspect.Parameter:
    """The option of a setting, empty unless it is given."""
    facts = field.json_schema_extra
    assert isinstance(facts, dict)
    flag = name.replace("_", "-")
    names = [f"--{flag}/--no-{flag}"] if field.annotation is bool else [f"--{flag}"]
    help_text = f"{field.description} [{facts['unit']}]" if facts["unit"] else field.description
    about = typer.Option(
        *names, help=help_text, show_default=_shown(field), rich_help_panel=PANELS[str(facts["affects"])]
    )
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[_flag_type(field), about],
    )


def _flag_type(field: FieldInfo) -> Any:
    """What the command line makes of a value; the settings check the rest."""
    if field.annotation is bool:
        return bool | None
    return list[str] | None if get_origin(field.annotation) is tuple else str | None


def _shown(field: FieldInfo) -> str | bool:
    value = field.default
    if field.default_factory or value is None or value == ():
        return False
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _settings(config: Path | None, **flags: Any) -> Settings:
    # A flag that may be repeated and was not given is an empty list; each may be a list itself: a,b.
    given = {name: value for name, value in flags.items() if value not in (None, [], ())}
    return load_settings(
        config, **{k: ",".join(v) if isinstance(v, list) else v for k, v in given.items()}
    )


def _finish(report: Report, *paths: Path | None) -> NoReturn:
    from reinschrift.flows.face.console import show_report

    _write_reports(report.result, *paths)
    try:
        show_report(report, Console())
        _annotate(report.result)
        sys.stdout.flush()
    except OSError as error:
        # The exit code says what became of the corpus, whoever listens; Python must not flush again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        typer.echo(f"warning: standard output can't be written: {error.strerror}", err=True)
    raise typer.Exit(report.exit_code)


def _annotate(result: Result) -> None:
    """In a GitHub job, what failed or warned becomes an annotation of it."""
    from reinschrift.flows.face.annotations import annotate_findings, in_github

    if in_github():
        for line in annotate_findings(result):
            typer.echo(line)


@contextmanager
def _reported(*paths: Path | None) -> Iterator[None]:
    """A run that finds nothing to read is reported, too, before its error ends the command."""
    from reinschrift.expectations.report import Result
    from reinschrift.expectations.states import NOTHING_TO_READ
    from reinschrift.expectations.verdict import Verdict
    from reinschrift.flows.run import NothingToReadError, UnreadableError

    try:
        yield
    except (NothingToReadError, UnreadableError) as error:
        message = f"{error.message}: {error.remedy}" if error.remedy else error.message
        _write_reports(Result(NOTHING_TO_READ, Verdict([]), "", message=message), *paths)
        raise


def _check_folders(*paths: Path | None) -> None:
    """A report that can't be written should be known before the work is done."""
    for path in paths:
        if path and not path.parent.is_dir():
            raise ReinschriftError(f"{path}: there is no folder {path.parent}", "make it first")


def _write_reports(
    result: Result, junit: Path | None = None, summary: Path | None = None, json_file: Path | None = None
) -> None:
    from reinschrift.expectations.report import summarise, write_json, write_junit

    try:
        if junit:
            write_junit(result, junit)
        if summary:
            summary.write_text(summarise(result), encoding="utf-8")
        if json_file:
            write_json(result, json_file)
    except OSError as error:
        raise ReinschriftError(f"{error.filename}: {error.strerror}", "check the path") from error


@app.command()
@with_settings
def run(
    inputs: Inputs = None,
    *,
    config: Config = None,
    junit: Junit = None,
    summary: Summary = None,
    json_file: Json = None,
    page: Page = None,
    flags: dict[str, Any],
) -> None:
    """Clean pages and publish the corpus, if the gate lets it pass."""
    from reinschrift.flows.face.console import ProgressReporter
    from reinschrift.flows.ports import open_mapper
    from reinschrift.flows.run import run_plan

    _check_folders(junit, summary, json_file, page)
    settings = _settings(config, **flags)
    pool = open_mapper(settings)
    try:
        with _reported(junit, summary, json_file), ProgressReporter(Console(stderr=True)) as reporter:
            report = run_plan(inputs or [DEFAULT_INPUT], settings, pool, reporter)
    finally:
        pool.close()
    if page:
        from reinschrift.flows.reporting.page import write_report

        write_report(report.result, settings, page)
    _finish(report, junit, summary, json_file)


@app.command("report")
def show_report_page(
    page: Annotated[Path, typer.Argument(help="the HTML file to write")] = Path("report.html"),
    out: Out = None,
    config: Config = None,
) -> None:
    """Judge the published corpus again, and write a report to look at: one HTML page, offline."""
    from reinschrift.flows.checking import check_corpus
    from reinschrift.flows.reporting.page import write_report

    _check_folders(page)
    settings = _settings(config, out=out)
    result = check_corpus(settings.out, settings)
    write_report(result, settings, page)
    typer.echo(f"{result.headline}; wrote {page}")
    raise typer.Exit(0 if result.is_good else FAILED)


@app.command()
def review(
    out: Out = None,
    port: Annotated[
        int, typer.Option(help="port on loopback; 0: any that is free", min=0, max=65535)
    ] = 0,
    config: Config = None,
) -> None:
    """Correct doubtful lines in a browser; the next run uses the answers."""
    from reinschrift.flows.review.server import serve_review
    from reinschrift.flows.store.local import Corpus

    serve_review(Corpus(_settings(config, out=out).out), port, typer.echo)


@app.command()
def check(
    corpus: Annotated[Path, typer.Argument(help="a published corpus: OUT or OUT/corpus")],
    junit: Junit = None,
    summary: Summary = None,
    json_file: Json = None,
    text: Annotated[
        str | None, typer.Option(help="judge foreign Parquet instead: the column of its text")
    ] = None,
    data_docs: Annotated[
        Path | None, typer.Option(help="a folder for Great Expectations' Data Docs and suites")
    ] = None,
    config: Config = None,
) -> None:
    """Let the gate judge a published corpus again: first its seal, then all it holds."""
    from reinschrift.expectations.report import describe_failures
    from reinschrift.flows.checking import check_corpus

    _check_folders(junit, summary, json_file, data_docs)
    result = check_corpus(corpus, _settings(config), text, data_docs)
    for line in describe_failures(result.verdict):
        typer.echo(line)
    typer.echo(result.headline)
    _annotate(result)
    _write_reports(result, junit, summary, json_file)
    raise typer.Exit(0 if result.is_good else 1)


@app.command()
def explain(
    page: Annotated[str, typer.Argument(help="path, id, record id or URL of a page")],
    out: Out = None,
    html: Annotated[Path | None, typer.Option(help="write one self-contained page")] = None,
    config: Config = None,
) -> None:
    """Show a page with what was struck out, and by which rule."""
    from reinschrift.flows.face.explain import explain_page, print_page
    from reinschrift.flows.reporting.explained import render_pages
    from reinschrift.flows.store.tables import resolve_corpus

    _check_folders(html)
    pages = explain_page(resolve_corpus(_settings(config, out=out).out), page)
    if html:
        html.write_text(render_pages(pages), encoding="utf-8")
        typer.echo(f"wrote {html}")
        return
    for one in pages:
        print_page(one, Console())


@app.command()
@with_settings
def flow(
    inputs: Inputs = None,
    *,
    config: Config = None,
    junit: Junit = None,
    summary: Summary = None,
    json_file: Json = None,
    page: Page = None,
    flags: dict[str, Any],
) -> None:
    """The same as run, as a Prefect flow on the embedded server."""
    from reinschrift.flows.serving import run_once

    settings = _settings(config, **flags)
    _check_folders(junit, summary, json_file, page)
    with _reported(junit, summary, json_file):
        report = run_once(inputs or [DEFAULT_INPUT], settings, page)
    _finish(report, junit, summary, json_file)


@app.command()
@with_settings
def serve(
    inputs: Inputs = None,
    *,
    cron: Annotated[str | None, typer.Option(help='when to run, such as "0 5 * * *"')] = None,
    every: Annotated[float | None, typer.Option(help="or: how often, in seconds", min=1)] = None,
    page: Page = None,
    port: Annotated[
        int | None, typer.Option(help="of the UI; 4200, or any that is free", min=1, max=65535)
    ] = None,
    no_ui: Annotated[bool, typer.Option("--no-ui", help="serve without Prefect's UI")] = False,
    config: Config = None,
    flags: dict[str, Any],
) -> None:
    """Run the flow on a schedule, until stopped; its UI is on loopback."""
    from reinschrift.flows.serving import Serving, serve_on_schedule

    if (cron is None) == (every is None):
        raise typer.BadParameter("give --cron or --every")
    _check_folders(page)
    settings = _settings(config, **flags)
    plan = Serving(cron, every, page, port, with_ui=not no_ui)
    serve_on_schedule(inputs or [DEFAULT_INPUT], settings, plan, typer.echo)


@app.command()
def versions(
    out: Out = None, publish: Publish = None, json_file: Json = None, config: Config = None
) -> None:
    """List the published versions, the current one marked, and refused runs; then those in the store."""
    from reinschrift.flows.comparing.versions import describe_refusals, describe_versions
    from reinschrift.flows.face.version_list import show_versions
    from reinschrift.flows.store.local import Corpus

    _check_folders(json_file)
    settings = _settings(config, out=out, publish=publish)
    corpus = Corpus(settings.out)
    if not settings.publish:
        corpus.require()
    every = [*describe_versions(corpus), *describe_refusals(corpus)]
    found = sorted(every, key=lambda one: one.date)
    if found or not settings.publish:
        show_versions(found, Console())
    if json_file:
        _write_text(json_file, json.dumps([asdict(one) for one in found], indent=1) + "\n")
    if settings.publish:
        from reinschrift.flows.store.bucket import list_versions, open_bucket

        bucket = open_bucket(settings.publish)
        typer.echo(f"{settings.publish}:")
        for name in list_versions(bucket):
            typer.echo(f"{'*' if name == bucket.current else ' '} {name}")


@app.command()
def diff(
    before: Annotated[
        str | None, typer.Argument(help="a version, its number, or a folder; default: the one before")
    ] = None,
    after: Annotated[str | None, typer.Argument(help="default: the current version")] = None,
    out: Out = None,
    summary: Summary = None,
    json_file: Json = None,
    config: Config = None,
) -> None:
    """Show what came, went and changed between two versions, or two output folders, by rule."""
    from reinschrift.flows.comparing.difference import compare_corpora
    from reinschrift.flows.comparing.versions import two_versions
    from reinschrift.flows.store.local import Corpus

    _check_folders(summary, json_file)
    corpus = Corpus(_settings(config, out=out).out)
    _show_difference(compare_corpora(*two_versions(corpus, before, after)), summary, json_file)


def _show_difference(difference: Difference, summary: Path | None, json_file: Path | None) -> None:
    from reinschrift.flows.face import differences

    for line in differences.print_lines(difference):
        typer.echo(line)
    if summary:
        _write_text(summary, differences.write_markdown(difference))
    if json_file:
        _write_text(json_file, differences.write_json(difference))


@app.command()
def compare(
    before: Annotated[Path, typer.Argument(help="settings: a reinschrift.toml")],
    after: Annotated[Path, typer.Argument(help="other settings")],
    inputs: Annotated[list[str] | None, typer.Argument(help="the sample", show_default="seeds")] = None,
    summary: Summary = None,
    json_file: Json = None,
) -> None:
    """Clean a sample under two settings, publishing neither, and show the lines that differ, by rule."""
    from reinschrift.flows.comparing.difference import compare_settings

    _check_folders(summary, json_file)
    difference = compare_settings(_settings(before), _settings(after), inputs or [DEFAULT_INPUT])
    _show_difference(difference, summary, json_file)


@app.command()
def export(
    to: Annotated[Path, typer.Argument(help="file or folder to write, such as corpus.jsonl.zst")],
    form: Annotated[
        str, typer.Option("--as", help="jsonl, csv, text, sentences or hub", show_default=True)
    ] = "jsonl",
    out: Out = None,
    config: Config = None,
) -> None:
    """Write the published corpus as JSON lines, CSV, text files, sentences, or a folder for a hub."""
    from reinschrift.flows.export import FORMS, export_corpus
    from reinschrift.flows.store.tables import resolve_corpus

    if form not in FORMS:
        raise typer.BadParameter(f"--as is one of {', '.join(FORMS)}")
    count = export_corpus(resolve_corpus(_settings(config, out=out).out), form, to)
    typer.echo(f"wrote {to}: {count:,} {'sentences' if form == 'sentences' else 'documents'}")


@app.command()
@with_settings
def reproduce(
    version: Annotated[str, typer.Argument(help="a version, its number, or a folder")],
    inputs: Inputs = None,
    *,
    make: Annotated[
        bool, typer.Option("--make", help="make it again aside, and compare all bytes")
    ] = False,
    config: Config = None,
    flags: dict[str, Any],
) -> None:
    """Say whether this machine would make the same bytes as a version, and why not."""
    from reinschrift.flows.comparing.reproduction import foretell
    from reinschrift.flows.comparing.versions import find_version
    from reinschrift.flows.store.local import Corpus

    settings = _settings(config, **flags)
    if make and not inputs:
        raise typer.BadParameter("--make needs the inputs")
    folder = find_version(Corpus(settings.out), version)
    look = _make_again if make else foretell
    found = look(folder, inputs or [], settings)
    for line in found.differences:
        typer.echo(f"other: {line}")
    if found.differences:
        typer.echo(f"{found.version}: this machine {'made' if make else 'would make'} other bytes")
    elif make:
        typer.echo(f"{found.version}: made again, the same bytes in every file")
    else:
        unseen = "" if found.is_whole else "; name its inputs to have them compared, too"
        typer.echo(f"{found.version}: this machine would make the same bytes{unseen}")
    raise typer.Exit(FAILED if found.differences else 0)


def _make_again(folder: Path, inputs: list[str], settings: Settings) -> Reproduction:
    from reinschrift.flows.comparing.reproduction import make_again
    from reinschrift.flows.face.console import ProgressReporter
    from reinschrift.flows.ports import open_mapper

    pool = open_mapper(settings)
    try:
        with ProgressReporter(Console(stderr=True)) as reporter:
            return make_again(folder, inputs, settings, pool, reporter)
    finally:
        pool.close()


def _write_text(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ReinschriftError(f"{error.filename}: {error.strerror}", "check the path") from error


@app.command()
def rollback(
    version: Annotated[str | None, typer.Argument(help="default: the one before")] = None,
    out: Out = None,
    publish: Publish = None,
    config: Config = None,
) -> None:
    """Make an earlier version the current one, in the store as well if there is one."""
    from reinschrift.flows.store.local import Corpus
    from reinschrift.flows.store.removals import read_removals

    settings = _settings(config, out=out, publish=publish)
    corpus = Corpus(settings.out)
    if not settings.publish:
        corpus.require()
    with corpus.lock():
        removals = read_removals(corpus)
        if removals:
            typer.echo(
                f"warning: {len(removals)} pages on {corpus.removals} may stand in earlier versions; "
                "run again to leave them out",
                err=True,
            )
        if settings.publish is None:
            typer.echo(f"current is now {corpus.rollback(version)}")
            return
        from reinschrift.flows.store.bucket import open_bucket, roll_back, same_content

        name = roll_back(open_bucket(settings.publish), version)
        typer.echo(f"current is now {name} in {settings.publish}")
        here = same_content(name, corpus.versions())
        if here:
            typer.echo(f"current is now {corpus.rollback(here[-1])} in {settings.out}")
        else:
            typer.echo(f"{settings.out} has no such version, and stays as it is")


@app.command()
def remove(
    name: Annotated[str, typer.Argument(help="source, URL, id or record id of a page")],
    reason: Annotated[str, typer.Option(help="why, for the list")] = "",
    undo: Annotated[bool, typer.Option("--undo", help="take it off the list")] = False,
    out: Out = None,
    publish: Publish = None,
    config: Config = None,
) -> None:
    """Take pages down for good: this run and every later one leaves them out."""
    from datetime import UTC, datetime

    from reinschrift.flows.face.console import ProgressReporter
    from reinschrift.flows.ports import open_mapper
    from reinschrift.flows.run import republish
    from reinschrift.flows.store.removals import add_removal, undo_removal

    settings = _settings(config, out=out, publish=publish)
    day = datetime.now(UTC).date().isoformat()
    pool = open_mapper(settings)
    try:
        with ProgressReporter(Console(stderr=True)) as reporter:
            change = undo_removal(name) if undo else add_removal(name, day, reason)
            report = republish(settings, change, pool, reporter)
    finally:
        pool.close()
    _finish(report)


@rules_app.command("check")
def check_rules(
    packs: Annotated[list[Path], typer.Argument(help="rule packs: TOML files")],
    sarif: Annotated[Path | None, typer.Option(help="write what is wrong as SARIF")] = None,
) -> None:
    """Try the examples of rule packs; in a GitHub job what is wrong is annotated, too."""
    from reinschrift.flows.config import read_pack
    from reinschrift.flows.face.annotations import annotate, in_github, problems_of, write_sarif

    _check_folders(sarif)
    problems = []
    for path in packs:
        try:
            pack = read_pack(path)
        except ReinschriftError as error:
            typer.echo(f"error: {error}", err=True)
            problems += problems_of(error, path)
            continue
        typer.echo(f"{path}: {pack.name}: {len(pack.rules)} rules, and all their examples, hold")
    if in_github():
        for problem in problems:
            typer.echo(annotate(problem))
    if sarif:
        _write_text(sarif, write_sarif(problems))
    if problems:
        raise typer.Exit(ReinschriftError.exit_code)


@rules_app.command("try")
def try_rules(
    pack: Annotated[Path, typer.Argument(help="a rule pack: a TOML file")],
    out: Out = None,
    config: Config = None,
) -> None:
    """Show what the rules of a pack would hit in the published corpus, kept lines first."""
    from reinschrift.flows.config import read_pack
    from reinschrift.flows.face.trial import describe_trials, try_pack
    from reinschrift.flows.store.tables import resolve_corpus

    corpus = resolve_corpus(_settings(config, out=out).out)
    for line in describe_trials(try_pack(corpus, read_pack(pack))):
        typer.echo(line)


@rules_app.command("suggest")
def suggest_rules(out: Out = None, config: Config = None) -> None:
    """Print the templates found in the corpus as rule packs, one a site, ready to be reviewed."""
    from reinschrift.flows.face.suggest import suggest_packs
    from reinschrift.flows.store.tables import resolve_corpus

    for site, pack in suggest_packs(resolve_corpus(_settings(config, out=out).out)).items():
        typer.echo(f"# {site}\n{pack}")


@rules_app.command("list")
def list_rules() -> None:
    """List the built-in packs and their rules."""
    from reinschrift.transforms.boilerplate.packs import builtin_packs

    for pack in builtin_packs():
        typer.echo(f"{pack.name}: {pack.why}")
        for rule in pack.rules:
            typer.echo(f"  {pack.name}/{rule.id} ({rule.kind}, {rule.action}): {rule.why}")


def main() -> None:
    """Run the command; errors the user can fix end it with a message and the error's exit code."""
    try:
        app()
    except ReinschriftError as error:
        stands = (
            "\n  Nothing was published; what was before stands." if error.exit_code == FAILED else ""
        )
        typer.echo(f"error: {error}{stands}", err=True)
        sys.exit(error.exit_code)
