"""What is installed from a built package works anywhere, and runs nothing that lies around there."""

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
TRAP = "raise RuntimeError('a file of the current folder was imported')\n"
TRAPS = (
    "flows/__init__.py", "transforms.py", "expectations/__init__.py", "pandas.py", "prefect.py",
    "multiprocessing.py", "json.py", "polars.py", "great_expectations/__init__.py", "sitecustomize.py",
)  # fmt: skip

pytestmark = pytest.mark.slow


def uv(*arguments):
    done = subprocess.run(
        [sys.executable, "-m", "uv", *map(str, arguments)],
        cwd=REPOSITORY, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A wheel that was built from a source distribution, and that distribution."""
    folder = tmp_path_factory.mktemp("dist")
    uv("build", "--quiet", "--out-dir", folder, REPOSITORY)
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return wheel, sdist


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory):
    """The folder of the commands of an environment that has the wheel and no checkout."""
    wheel, _ = built
    folder = tmp_path_factory.mktemp("environment")
    uv("venv", "--quiet", "--python", sys.executable, folder / "env")
    python = folder / "env" / "bin" / "python"
    uv(
        "pip",
        "install",
        "--quiet",
        "--python",
        python,
        "--requirement",
        "requirements.lock",
        "--no-deps",
    )
    uv("pip", "install", "--quiet", "--python", python, "--no-deps", wheel)
    return python.parent


def test_one_package_is_installed(built):
    wheel, sdist = built
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"reinschrift"}
    names = zipfile.ZipFile(wheel).namelist()
    assert "reinschrift/py.typed" in names
    assert "reinschrift/transforms/boilerplate/rules/generic-de.toml" in names
    with tarfile.open(sdist) as archive:
        assert not [name for name in archive.getnames() if "/data/corpus" in name]


def test_what_lies_in_the_current_folder_is_not_run(installed, tmp_path):
    for trap in TRAPS:
        (tmp_path / trap).parent.mkdir(exist_ok=True)
        (tmp_path / trap).write_text(TRAP)
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "a.html").write_text("<p>Ein Satz steht hier für sich allein.</p>")
    clean_environment = {n: v for n, v in os.environ.items() if not n.startswith(("PYTHON", "PREFECT"))}
    for command in (
        ["run", "pages"],
        ["check", "data"],
        ["explain", "pages/a.html"],
        ["flow", "pages"],
        ["versions"],
    ):
        done = subprocess.run(
            [installed / "reinschrift", *command],
            cwd=tmp_path, env=clean_environment, capture_output=True, text=True, timeout=500, check=False,
        )  # fmt: skip
        assert done.returncode == 0, (command, done.stdout[-1000:], done.stderr[-2000:])
        assert "was imported" not in done.stdout + done.stderr
