"""Runs that are killed in the middle of their work, at points spread over everything they write.

`python -m tests.kills FOLDER KILLS` prints what came of it as JSON. A point is the n-th time that a run
creates, renames, links or removes something below its output folder: so kills fall into reading,
resolving, publishing, between rename and link, and into clearing up, however fast the machine is.
The process imports everything once and forks for each kill; it uses no thread before it does.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import sys
from pathlib import Path

EVENTS = ("os.rename", "os.symlink", "os.mkdir", "os.remove", "os.rmdir", "os.truncate", "shutil.rmtree")
# What is slow to load and writes nothing is left out.
SETTINGS = {
    "line_model": False, "extractor": "none", "builtin_packs": False, "skip": ("language", "quality"),
    "shard_bytes": 1500, "part_pages": 4,
}  # fmt: skip


def digest(corpus: Path) -> str:
    """A hash of every file that a reader of the corpus sees; empty where there is none."""
    folder = corpus.resolve()
    hasher = hashlib.sha256()
    for path in sorted(folder.rglob("*.parquet")):
        hasher.update(str(path.relative_to(folder)).encode() + path.read_bytes())
    return hasher.hexdigest()


def run(pages: Path, out: Path, kill_at: int | None = None, count_to: int | None = None) -> None:
    """One run in this process, which ends it at its `kill_at`-th change of the output folder.

    The number of changes is written to the descriptor `count_to`.
    """
    changes = 0

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal changes
        writes = event in EVENTS or (event == "open" and "w" in str(arguments[1] or ""))
        if writes and any(str(out) in str(argument) for argument in arguments[:2]):
            changes += 1
            if changes == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    from tests.conftest import clean

    clean([pages], out, **SETTINGS)
    if count_to is not None:
        os.write(count_to, str(changes).encode())


def in_child(*arguments: object, **more: object) -> int:
    """`run` in a fork; how it ended."""
    child = os.fork()
    if child == 0:
        try:
            run(*arguments, **more)  # type: ignore[arg-type]
            os._exit(0)
        except BaseException as error:
            sys.stderr.write(f"{type(error).__name__}: {error}\n")
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main() -> None:
    folder, kills = Path(sys.argv[1]), int(sys.argv[2])
    import tests.conftest  # noqa: F401 - imported before the forks

    pages, out = folder / "pages", folder / "out"
    assert in_child(pages, out) == 0
    before = digest(out / "corpus")
    (pages / "new.txt").write_text(
        "Eine neue Seite mit einem neuen Satz über die Brücke.", encoding="utf-8"
    )
    assert in_child(pages, folder / "fresh") == 0
    # As many changes as the runs make that will be killed: those on a copy of what was there before.
    reader, writer = os.pipe()
    shutil.copytree(out, folder / "counted", symlinks=True)
    assert in_child(pages, folder / "counted", count_to=writer) == 0
    total = int(os.read(reader, 20))
    after = digest(folder / "fresh" / "corpus")
    kept = [
        try_kill(folder, n, 1 + n * total // kills, {before: "before", after: "after"})
        for n in range(kills)
    ]
    json.dump({"total": total, "kills": kept}, sys.stdout)


def try_kill(folder: Path, number: int, kill_at: int, known: dict[str, str]) -> dict[str, object]:
    """Kill a run on a copy of the output folder, then let the next one finish; what was seen."""
    pages, out = folder / "pages", folder / f"out-{number}"
    shutil.copytree(folder / "out", out, symlinks=True)
    ending = in_child(pages, out, kill_at=kill_at)
    seen = known.get(digest(out / "corpus"), "neither")
    last = in_child(pages, out)
    found = {
        "ending": ending, "seen": seen, "last": last,
        "at_last": known.get(digest(out / "corpus"), "neither"),
        "left": [str(path) for path in out.rglob("*") if path.suffix in (".part", ".watch", ".stopped")],
        "stages": len(list((out / ".reinschrift" / "stages").iterdir())),
    }  # fmt: skip
    shutil.rmtree(out)
    return found


if __name__ == "__main__":
    main()
