"""The composite action, its steps run as a runner would."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ACTION = Path(__file__).parents[2] / "action.yml"
PACK = """
[pack]
name = "desk"
why = "a test"
[[rule]]
id = "print"
kind = "exact"
pattern = "Print this page on paper now"
why = "a button"
removes = ["Print this page on paper now"]
keeps = ["He printed it on paper."]
"""
MORE = """
[[rule]]
id = "cook"
kind = "contains"
pattern = "people cooked"
why = "a counter"
removes = ["So far 12 people cooked this"]
keeps = ["They cooked soup."]
"""
PAGE = """The soup needs an hour and a lid that fits the pot well.
Print this page on paper now
In the winter of 1911 forty people cooked for the whole village without a stove.
"""


def _evaluate(expression, inputs):
    for name, value in inputs.items():
        expression = expression.replace(f"${{{{ inputs.{name} }}}}", value)
    return expression


def _run_steps(folder, inputs):
    """Run the steps as they stand; a step after a failure only where it says always()."""
    action = yaml.safe_load(ACTION.read_text())
    given = {name: facts.get("default", "") for name, facts in action["inputs"].items()} | inputs
    failed, said = False, ""
    for step in action["runs"]["steps"]:
        if step.get("if") == "inputs.base != ''" and not given["base"]:
            continue
        if failed and step.get("if") != "always()":
            continue
        env = {name: _evaluate(value, given) for name, value in step["env"].items()}
        paths = {"GITHUB_STEP_SUMMARY": folder / "step.md", "GITHUB_OUTPUT": folder / "output"}
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", step["run"]], cwd=folder, text=True, check=False,
            capture_output=True, timeout=300,
            env={**os.environ, **env, **{k: str(v) for k, v in paths.items()}, "PATH": path,
                 "GITHUB_ACTIONS": "true"},
        )  # fmt: skip
        said += done.stdout + done.stderr
        failed = failed or done.returncode != 0
    return failed, said, (folder / "step.md").read_text()


@pytest.fixture
def checkout(tmp_path):
    for place, text in (("packs", PACK + MORE), ("base/packs", PACK)):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "desk.toml").write_text(text)
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "soup.txt").write_text(PAGE)
    (tmp_path / "settings.toml").write_text("line_model = false\nreplay_pages = 0\n")
    return tmp_path


@pytest.mark.slow
def test_a_pull_request_that_changes_a_pack_is_told_what_it_would_drop(checkout):
    inputs = {
        "inputs": "pages",
        "packs": "packs",
        "base": "base",
        "install": "",
        "config": "settings.toml",
    }
    failed, said, summary = _run_steps(checkout, inputs)
    assert not failed, said
    assert summary.startswith("## Corpus published")
    assert "now dropped: boilerplate/desk/cook: 1 lines" in summary
    assert "forty people cooked for the whole village" in summary
    assert "desk/print" not in summary.partition("What changed")[2]


@pytest.mark.slow
def test_a_pack_that_is_unsound_fails_and_is_annotated(checkout):
    (checkout / "packs" / "desk.toml").write_text(PACK.replace("He printed it", "Print this page"))
    (checkout / "packs" / "desk.toml").write_text(PACK.replace('why = "a button"\n', ""))
    inputs = {"inputs": "pages", "packs": "packs", "install": "", "config": "settings.toml"}
    failed, said, _ = _run_steps(checkout, inputs)
    assert failed
    assert "::error file=packs/desk.toml,line=5" in said
