"""Other published corpora that a run looks for repeats in."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from reinschrift.flows.store.local import OutputError
from reinschrift.flows.store.tables import resolve_corpus

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SEAL = "manifest.json"


def references_of(paths: Sequence[Path]) -> dict[str, Path]:
    """The folders of the reference corpora by the roots of their seals.

    Raises OutputError where one is no published corpus.
    """
    found = {}
    for path in paths:
        folder = resolve_corpus(path)
        try:
            root = json.loads((folder / SEAL).read_text(encoding="utf-8"))["root"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise OutputError(
                f"against: {path}: no published corpus with a seal", "name OUT or OUT/corpus"
            ) from error
        found[str(root)] = folder
    return found
