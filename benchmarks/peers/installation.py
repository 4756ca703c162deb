"""The environment of the peers that cannot share ours: pinned, compiled, and kept for the next time."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

REQUIREMENTS = Path(__file__).parent / "requirements.txt"


def cache_folder() -> Path:
    """A folder for what can be made again, named by what it depends on."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    key = hashlib.sha256(REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()[:12]
    return cache / "reinschrift-peers" / key


def install(folder: Path) -> Path:
    """The Python of an environment with the pinned peers; made if it is not there."""
    python = folder / "bin" / "python"
    finished = folder / "installed"
    if finished.exists():
        return python
    uv = [str(Path(sys.executable).parent / "uv")]
    make = [*uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)]
    subprocess.run(make, check=True)
    fill = [*uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", str(python)]
    subprocess.run([*fill, "--requirement", str(REQUIREMENTS)], check=True)
    finished.touch()
    return python
