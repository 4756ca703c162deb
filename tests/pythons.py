"""Print the newest Python of each supported minor version on this machine, a path each, oldest first."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

SUPPORTED = [(3, minor) for minor in range(11, 15)]
VERSION = "import sys; print(*sys.version_info[:3])"


def candidates() -> set[str]:
    """Interpreters on the path, and those that pyenv installed."""
    names = [f"python{major}.{minor}" for major, minor in SUPPORTED]
    found = {path for name in names if (path := shutil.which(name))}
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    return found | {str(path) for path in pyenv.glob("3.*/bin/python3")} | {sys.executable}


def version_of(path: str) -> tuple[int, ...] | None:
    """What an interpreter says it is; None if it does not start (as a pyenv shim may not)."""
    done = subprocess.run([path, "-c", VERSION], capture_output=True, text=True, check=False)
    return tuple(map(int, done.stdout.split())) if done.returncode == 0 else None


def supported_pythons() -> list[str]:
    """One interpreter a minor version, the newest patch of each."""
    newest: dict[tuple[int, ...], tuple[tuple[int, ...], str]] = {}
    for path in sorted(candidates()):
        version = version_of(path)
        if version and version[:2] in SUPPORTED:
            newest[version[:2]] = max(newest.get(version[:2], ((), "")), (version, path))
    return [path for _, (_, path) in sorted(newest.items())]


if __name__ == "__main__":
    print("\n".join(supported_pythons()))  # noqa: T201 - what it is for
