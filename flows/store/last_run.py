"""What the published corpus was made from, so that it can be judged again without its inputs."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from reinschrift.flows.config import SECRETS, Settings
from reinschrift.flows.readers import Broken
from reinschrift.flows.sources.inputs import Inputs
from reinschrift.flows.stages.cache import is_whole
from reinschrift.flows.store.local import explain_os_error
from reinschrift.transforms.errors import ReinschriftError

if TYPE_CHECKING:
    from reinschrift.flows.store.local import Corpus


class NotRepeatableError(ReinschriftError):
    """What the last run read is no longer there, or would be read differently now."""


@dataclass(frozen=True)
class LastRun:
    """The last run that published: its corpus version, settings, and what it read.

    `code` is the version of settings and code; `inputs` has no shards. `terms` is what the `verdict`
    depends on besides the corpus, `files` the sizes and times of what was published, `ignored` what of
    the inputs is no page.
    """

    version: str
    code: str
    settings: Settings
    inputs: Inputs
    stages: list[str]
    terms: str = ""
    verdict: dict[str, Any] | None = None
    files: dict[str, list[int]] = field(default_factory=dict)
    ignored: list[str] = field(default_factory=list)


def write_last_run(corpus: Corpus, run: LastRun) -> None:
    """Remember a run, in place of the one before."""
    facts = {
        "version": run.version,
        "code": run.code,
        "settings": run.settings.model_dump(mode="json", exclude=SECRETS),
        "digest": run.inputs.digest,
        "broken": [asdict(one) for one in run.inputs.broken],
        "ignored": run.inputs.ignored,
        "stages": run.stages,
        "terms": run.terms,
        "verdict": run.verdict,
        "files": run.files,
        "ignored_within": run.ignored,
    }
    aside = corpus.last_run.with_suffix(".part")
    try:
        aside.write_text(json.dumps(facts), encoding="utf-8")
        aside.rename(corpus.last_run)
    except OSError as error:
        raise explain_os_error(error, corpus.last_run) from error


def read_last_run(corpus: Corpus) -> LastRun | None:
    """The last run that published; None where none did, or one of another version of the program."""
    try:
        facts = json.loads(corpus.last_run.read_text(encoding="utf-8"))
        broken = tuple(Broken(**one) for one in facts["broken"])
        return LastRun(
            facts["version"],
            facts["code"],
            Settings(**facts["settings"]),
            Inputs((), broken, tuple(facts["ignored"]), facts["digest"]),
            facts["stages"],
            facts.get("terms", ""),
            facts.get("verdict"),
            facts.get("files", {}),
            facts.get("ignored_within", []),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def settings_of(run: LastRun, now: Settings) -> Settings:
    """The settings of that run, but for where the output lies, how many processes work, and secrets.

    What that run published to a store is published there again, unless another is named now.
    """
    known = {"out": now.out, "workers": now.workers, "cluster": now.cluster}
    known |= {name: getattr(now, name) for name in SECRETS}
    known["publish"] = now.publish or run.settings.publish
    return run.settings.model_copy(update=known)


def why_not_repeatable(corpus: Corpus, run: LastRun | None, code: str) -> str | None:
    """Why what a run read can't be judged again; None where it can."""
    if run is None:
        return "no run has published here"
    if run.version != corpus.current_version():
        return "the current corpus is not that of the last run"
    if run.code != code:
        return "the program, its rule packs or a secret (mask_key) are others than in the last run"
    if not all(is_whole(corpus.stages / stage) for stage in run.stages):
        return "what the last run read is no longer cached"
    return None
