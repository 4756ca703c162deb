"""The recipes of docs/adding.md, carried out to the letter on a copy of the tree."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
ADDING = (REPOSITORY / "docs" / "adding.md").read_text(encoding="utf-8")
RECIPES = re.findall(r"```\w+ (new|before)=(\S+)\n(.*?)```", ADDING, re.DOTALL)
PAGE = "Nobody in the street has slept badly since.\n* * *\nThe baker opens at five in the morning.\n"
SUBTITLES = "1\n00:00:01,000 --> 00:00:02,000\nO Dr. Almeida chegou ontem à noite a Lisboa.\n"


@pytest.fixture(scope="module")
def extended(tmp_path_factory):
    """A copy of the tree with all recipes carried out."""
    root = tmp_path_factory.mktemp("tree")
    for name in (
        "flows",
        "transforms",
        "expectations",
        "tests",
        "src",
        "docs",
        "README.md",
        "pyproject.toml",
    ):
        source = REPOSITORY / name
        if source.is_dir():
            shutil.copytree(
                source, root / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__")
            )
        else:
            shutil.copy(source, root / name)
    for kind, place, text in RECIPES:
        if kind == "new":
            (root / place).write_text(text, encoding="utf-8")
        else:
            insert(root, place, text)
    return root


def insert(root, place, text):
    """Put text above the line that is quoted, blanks written as `_`, two lines as `|`."""
    name, _, quoted = place.partition(":")
    lines = (root / name).read_text(encoding="utf-8").split("\n")
    wanted = [part.replace("_", " ") for part in quoted.split("|")]
    known = [line.replace("_", " ") for line in lines]
    at = [
        number
        for number in range(len(lines))
        if all(part in known[min(number + n, len(lines) - 1)] for n, part in enumerate(wanted))
    ]
    assert len(at) == 1, (place, at)
    lines[at[0] : at[0]] = text.rstrip("\n").split("\n")
    (root / name).write_text("\n".join(lines), encoding="utf-8")


def run(root, *command, **more):
    environment = {**os.environ, "PYTHONPATH": f"{root / 'src'}:{root}", **more}
    return subprocess.run(
        [sys.executable, *command],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_there_is_a_recipe_for_each(extended):
    places = {place.partition(":")[0] for _, place, _ in RECIPES}
    assert len(places) == 6


def test_the_new_step_site_language_and_format_work(extended, tmp_path):
    (tmp_path / "a.txt").write_text(PAGE, encoding="utf-8")
    (tmp_path / "b.srt").write_text(SUBTITLES, encoding="utf-8")
    script = (
        "import sys; from tests.conftest import clean, read_corpus; "
        "report = clean([sys.argv[1]], sys.argv[2], line_model=False); "
        "tables = read_corpus(report.out / 'corpus'); "
        "print(report.verdict.passed, tables['ledger'].filter(rule='ruler').height, "
        "tables['documents'].height, tables['sentences'].height); "
        "skipped = clean([sys.argv[1]], sys.argv[2] + '2', line_model=False, skip='rulers'); "
        "print(read_corpus(skipped.out / 'corpus')['ledger'].filter(rule='ruler').height)"
    )
    done = run(
        extended,
        "-c",
        script.replace("sys.argv[2]", "__import__('pathlib').Path(sys.argv[2])", 0),
        str(tmp_path),
        str(tmp_path / "out"),
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.split("\n")[:2] == ["True 1 2 3", "0"]


def test_the_tests_hold_after_adding(extended):
    assert run(extended, "-m", "tests.doc_tables").returncode == 0
    chosen = ["tests/unit/test_packs.py", "tests/unit/test_docs.py", "tests/unit/test_architecture.py"]
    done = run(
        extended,
        "-m",
        "pytest",
        "-q",
        "-x",
        *chosen,
        "tests/unit/test_sentences.py",
        "-k",
        "not linear and not growth",
    )
    assert done.returncode == 0, done.stdout[-3000:]
