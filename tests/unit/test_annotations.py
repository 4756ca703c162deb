"""What CI shows beside the code."""

import json
from pathlib import Path

from typer.testing import CliRunner

from reinschrift.flows.cli import app

PACK = """[pack]
name = "mine"
why = "a test"

[[rule]]
id = "sound"
kind = "exact"
pattern = "Print"
why = "a button"
removes = ["Print"]
keeps = ["Print it twice."]

[[rule]]
id = "broken"
kind = "exact"
pattern = "Share"
why = "a button"
removes = ["Share"]
keeps = ["Share"]
"""


def _check(tmp_path: Path, text: str, env: dict[str, str]):
    (tmp_path / "mine.toml").write_text(text)
    return CliRunner().invoke(
        app,
        ["rules", "check", str(tmp_path / "mine.toml"), "--sarif", str(tmp_path / "out.sarif")],
        env=env,
    )


def test_a_broken_example_is_annotated_on_the_line_of_its_rule(tmp_path):
    done = _check(tmp_path, PACK, {"GITHUB_ACTIONS": "true"})
    assert done.exit_code == 2
    file = str(tmp_path / "mine.toml")
    assert (
        f"::error file={file},line=13,title=rule pack::rule 'broken' does not keep 'Share'"
        in done.output
    )
    sarif = json.loads((tmp_path / "out.sarif").read_text())
    [result] = sarif["runs"][0]["results"]
    place = result["locations"][0]["physicalLocation"]
    assert place == {"artifactLocation": {"uri": file}, "region": {"startLine": 13}}
    assert sarif["version"] == "2.1.0"


def test_outside_github_there_are_no_commands(tmp_path):
    done = _check(tmp_path, PACK, {"GITHUB_ACTIONS": ""})
    assert done.exit_code == 2
    assert "::error" not in done.output


def test_text_of_a_pack_begins_no_command_of_its_own(tmp_path):
    done = _check(tmp_path, PACK.replace('keeps = ["Share"]', 'keeps = ["x\\n::warning::y"]\nextra = 1'),
                  {"GITHUB_ACTIONS": "true"})  # fmt: skip
    assert sum(line.startswith("::") for line in done.output.splitlines()) == 1


def test_a_sound_pack_leaves_an_empty_sarif(tmp_path):
    done = _check(tmp_path, PACK.replace('keeps = ["Share"]', 'keeps = ["Share it."]'), {})
    assert done.exit_code == 0
    assert json.loads((tmp_path / "out.sarif").read_text())["runs"][0]["results"] == []
