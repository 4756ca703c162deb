"""A run that would publish what is published already ends before anything is read or judged."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from reinschrift.flows.config import SECRETS
from reinschrift.flows.stages.fingerprint import program_version
from reinschrift.flows.store.history import read_history
from reinschrift.flows.store.local import OutputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from reinschrift.flows.config import Settings
    from reinschrift.flows.store.last_run import LastRun
    from reinschrift.flows.store.local import Corpus

PASSING = "-passing"  # ends the names of stages whose inputs may be readable next time
# What neither the corpus nor the judgement of it depends on.
ELSEWHERE = {"out", "workers", "cluster", "publish", "verify", *SECRETS}


def judgement_terms(settings: Settings) -> str:
    """A hash of what a verdict on the same corpus depends on: settings, own expectations, program.

    Raises OutputError where a file of expectations can't be read.
    """
    own = []
    for path in settings.expectations:
        try:
            own.append(hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest())
        except OSError as error:
            raise OutputError(f"{path}: can't be read: {error.strerror}", "check the path") from error
    facts = [settings.model_dump(mode="json", exclude=ELSEWHERE), own, program_version()]
    return hashlib.blake2b(json.dumps(facts, sort_keys=True).encode(), digest_size=16).hexdigest()


def describe_state(folder: Path) -> dict[str, list[int]]:
    """Size and times of each file of a version, by its path there: nobody has touched it since."""
    return {
        path.relative_to(folder).as_posix(): [status.st_size, status.st_mtime_ns, status.st_ino]
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        for status in [path.stat()]
    }


def unchanged_verdict(
    corpus: Corpus, last: LastRun | None, fingerprint: str, terms: str
) -> Mapping[str, Any] | None:
    """The verdict on the published version, if this run would only publish and judge the same again.

    That is so where the last run published the current version from the same inputs, under the same
    terms, and its files are as they were then. A run that could not read everything, for reasons that
    may pass, is always done again.
    """
    if last is None or last.verdict is None or last.terms != terms:
        return None
    version = corpus.version_of(fingerprint)
    if version is None or last.version != version or version not in read_history(corpus):
        return None
    if any(stage.endswith(PASSING) for stage in last.stages):
        return None
    is_whole = describe_state(corpus.versions_folder / version) == last.files
    return last.verdict if is_whole else None
