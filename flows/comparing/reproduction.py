"""Whether this machine would make the same bytes as a published version, and why not."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reinschrift.expectations.seal import describe_files, read_manifest
from reinschrift.flows.run import fingerprint_of, run_plan, with_review
from reinschrift.flows.sources.inputs import find_inputs
from reinschrift.flows.stages.fingerprint import corpus_code_version, kept_settings, settings_version
from reinschrift.flows.store.local import Corpus, OutputError
from reinschrift.flows.store.removals import read_removals, removal_keys

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reinschrift.flows.config import Settings
    from reinschrift.flows.ports import Mapper, Reporter


@dataclass(frozen=True)
class Reproduction:
    """What would come of making a version again.

    `differences` say what is other, a line each; empty: the bytes would be the same, as far as was
    looked. `is_whole`: the inputs were looked at, too.
    """

    version: str
    differences: list[str] = field(default_factory=list)
    is_whole: bool = False


def foretell(folder: Path, inputs: Sequence[str], settings: Settings) -> Reproduction:
    """Compare program, settings, inputs and removals with those of a version; nothing is made.

    Raises OutputError where the version has no manifest.
    """
    manifest = _manifest(folder)
    settings = with_review(settings)
    options = settings.options()
    differences = []
    if manifest["code"] != corpus_code_version():
        differences.append(
            f"the program, a model, a built-in pack or a library is another: version "
            f"{manifest['code'][:12]} then, {corpus_code_version()[:12]} now; install the one of then"
        )
    differences += _other_settings(manifest["settings"], kept_settings(settings, options))
    if not inputs:
        return Reproduction(folder.name, differences)
    found = find_inputs(inputs, settings.shard_bytes, settings.max_decompress_ratio)
    if found.digest != manifest["inputs"]:
        differences.append("the inputs are others: names or bytes of some file differ")
    removed = removal_keys(read_removals(Corpus(settings.out)))
    fingerprint = fingerprint_of(found, settings_version(settings, options), removed)
    if not differences and not fingerprint.startswith(folder.name.rpartition("-")[2]):
        differences.append(
            "pages were taken down or given back since, or mask_key is another: see removed.jsonl"
        )
    return Reproduction(folder.name, differences, is_whole=True)


def make_again(
    folder: Path, inputs: Sequence[str], settings: Settings, mapper: Mapper, reporter: Reporter
) -> Reproduction:
    """Make the version again in a folder of its own, and compare every file."""
    manifest = _manifest(folder)
    with tempfile.TemporaryDirectory(prefix="reinschrift-") as aside:
        there = with_review(settings).model_copy(update={"out": Path(aside), "publish": None})
        removals = Corpus(settings.out).removals
        if removals.exists():
            Corpus(there.out).removals.write_bytes(removals.read_bytes())
        report = run_plan(inputs, there, mapper, reporter)
        if report.version is None:
            return Reproduction(folder.name, [f"it was not published again: {report.result.headline}"])
        made = describe_files(Corpus(there.out).current.resolve())
    return Reproduction(folder.name, list(_other_files(manifest["files"], made)), is_whole=True)


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        manifest = read_manifest(folder)
    except ValueError as error:
        raise OutputError(f"{folder}: its manifest can't be read: {error}", "publish again") from error
    if manifest is None:
        raise OutputError(f"{folder}: has no manifest.json", "publish again")
    return manifest


def _other_settings(then: dict[str, Any], now: dict[str, Any]) -> list[str]:
    return [
        f"setting {name}: {then.get(name)!r} then, {now.get(name)!r} now"
        for name in sorted({*then, *now})
        if then.get(name) != now.get(name)
    ]


def _other_files(then: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Files that are other, by the place of their part, for names end in a tag of the version."""
    old, new = _by_part(then), _by_part(now)
    return [
        f"{part}: {'other bytes' if part in old and part in new else 'only in one of both'}"
        for part in sorted({*old, *new})
        if old.get(part) != new.get(part)
    ]


def _by_part(files: dict[str, Any]) -> dict[str, str]:
    return {path.rpartition("-")[0] or path: facts["sha256"] for path, facts in files.items()}
