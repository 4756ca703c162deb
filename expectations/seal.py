"""The seal of a version: manifest.json, which names every file with its size and hash.

It is a function of the corpus alone, without times or places, so that equal corpora have equal seals.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from reinschrift.expectations.measuring import MAX_EXAMPLES
from reinschrift.expectations.verdict import Observation

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MANIFEST = "manifest.json"
FORMAT = 1
_FACTS = ("format", "root", "inputs", "settings", "code", "figures", "files")


def compose_manifest(
    folder: Path, inputs: str, settings: dict[str, Any], code: str, figures: dict[str, Any]
) -> bytes:
    """The manifest of the files below a folder.

    `inputs` is their digest, `settings` those that decide what is kept, `code` the version of the
    program, `figures` those of `expectations.figures`.
    """
    files = describe_files(folder)
    facts = {"inputs": inputs, "settings": settings, "code": code, "figures": figures}
    root = root_of(files, facts)
    manifest = {"format": FORMAT, "root": root, **facts, "files": files}
    return (json.dumps(manifest, ensure_ascii=False, indent=1, sort_keys=True) + "\n").encode()


def describe_files(folder: Path) -> dict[str, dict[str, Any]]:
    """Size and SHA-256 of each file below a folder, by its path there; the manifest is none of them."""
    return {
        path.relative_to(folder).as_posix(): {"bytes": path.stat().st_size, "sha256": _hash(path)}
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path != folder / MANIFEST
    }


def _hash(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def root_of(files: dict[str, dict[str, Any]], facts: dict[str, Any]) -> str:
    """One hash over all files and all that the manifest says besides."""
    manifest = json.dumps([files, facts], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(manifest.encode()).hexdigest()


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """The manifest of a version; None where it has none.

    Raises ValueError where there is one that can't be read.
    """
    try:
        facts = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    if not isinstance(facts, dict) or any(name not in facts for name in _FACTS):
        raise ValueError("it is not a manifest of a corpus")
    if facts["format"] != FORMAT:
        raise ValueError(f"its format is {facts['format']}, and this program knows {FORMAT}")
    return facts


def verify_seal(folder: Path) -> Iterator[Observation]:
    """The files are those that were published; nothing where there is no manifest."""
    try:
        facts = read_manifest(folder)
        if facts is None:
            return
        wrong = list(_differences(facts["files"], describe_files(folder)))
        shown = {name: facts[name] for name in ("inputs", "settings", "code", "figures")}
        is_whole = facts["root"] == root_of(facts["files"], shown)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        yield _broken([{"file": MANIFEST, "is": f"can't be read: {error}"}])
        return
    if not is_whole:
        wrong.insert(0, {"file": MANIFEST, "is": "changed: its root hash is not that of what it says"})
    yield _broken(wrong)


def _differences(
    sealed: dict[str, dict[str, Any]], there: dict[str, dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    for path in sorted({*sealed, *there}):
        if path not in there:
            yield {"file": path, "is": "missing"}
        elif path not in sealed:
            yield {"file": path, "is": "not part of the version"}
        elif there[path] != sealed[path]:
            sizes = f"{there[path]['bytes']:,} bytes instead of {sealed[path]['bytes']:,}"
            same = there[path]["bytes"] == sealed[path]["bytes"]
            yield {
                "file": path,
                "is": "changed: other bytes of the same size" if same else f"changed: {sizes}",
            }


def _broken(wrong: list[dict[str, Any]]) -> Observation:
    tables = sorted({row["file"].split("/")[0] for row in wrong} - {MANIFEST})
    return Observation(
        "seal.files",
        "corpus",
        "every file is as it was published",
        len(wrong),
        found="; ".join(f"{row['file']} {row['is']}" for row in wrong[:MAX_EXAMPLES]) or "all are",
        allowed="no other file, size or hash than manifest.json says",
        rows=wrong[:MAX_EXAMPLES],
        reads=tuple(f"{table}.*" for table in tables),
    )
