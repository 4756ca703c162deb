"""Cached read stages: a folder each, named by content, settings and code, sealed by a manifest.

A folder whose files are not those of its manifest, to the byte, is damaged: it is set aside and made
again.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from reinschrift.flows.store.local import Corpus

MANIFEST = "manifest.json"
DAMAGED = ".damaged"
DIGEST_BYTES = 16


def seal_stage(folder: Path) -> None:
    """Write the manifest of a stage: each of its files with the hash of its bytes."""
    (folder / MANIFEST).write_text(json.dumps(_digests(folder)), encoding="utf-8")


def is_whole(folder: Path) -> bool:
    """Whether a stage is there, with the very files it was sealed with."""
    try:
        sealed = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        return bool(sealed == _digests(folder))
    except (OSError, ValueError):
        return False


def _digests(folder: Path) -> dict[str, str]:
    """The hash of every file of a stage but its manifest, by relative path."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
    return {file.relative_to(folder).as_posix(): _digest(file) for file in files}


def _digest(file: Path) -> str:
    with file.open("rb") as handle:
        return hashlib.file_digest(handle, lambda: hashlib.blake2b(digest_size=DIGEST_BYTES)).hexdigest()


def set_aside(folder: Path) -> None:
    """Move a damaged stage out of the way, for `discard_damaged` to report."""
    aside = folder.with_name(folder.name + DAMAGED)
    shutil.rmtree(aside, ignore_errors=True)
    folder.rename(aside)


def discard_damaged(corpus: Corpus) -> list[str]:
    """Remove the stages that were set aside; their names."""
    damaged = sorted(corpus.stages.glob(f"*{DAMAGED}"))
    for folder in damaged:
        shutil.rmtree(folder, ignore_errors=True)
    return [folder.name.removesuffix(DAMAGED) for folder in damaged]


def forget_stages(keep: list[str], corpus: Corpus) -> None:
    """Remove cached read stages that the published corpus was not made from."""
    for path in corpus.stages.iterdir():
        if path.name in keep:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
