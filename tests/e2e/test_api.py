"""What `import reinschrift` offers."""

import os
import re
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

import reinschrift
from reinschrift.transforms.errors import ReinschriftError
from tests.conftest import clean as run_in_process
from tests.conftest import read_corpus

REPOSITORY = Path(__file__).parents[2]
EXAMPLES = re.findall(r"```python\n(.*?)```", (REPOSITORY / "docs" / "python.md").read_text(), re.DOTALL)
SEED = (REPOSITORY / "seeds" / "studysmarter-photosynthesis.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_the_examples_of_the_docs_run(tmp_path, number):
    (tmp_path / "seeds").symlink_to(REPOSITORY / "seeds")
    (tmp_path / "example.py").write_text(EXAMPLES[number], encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "example.py"], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": ""},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip()


def test_a_page_is_cleaned_as_a_run_cleans_it(tmp_path):
    page = reinschrift.clean(SEED)
    (tmp_path / "page.txt").write_text(SEED, encoding="utf-8")
    run_in_process([tmp_path / "page.txt"], tmp_path / "out")
    (document,) = read_corpus(tmp_path / "out" / "corpus")["documents"].iter_rows(named=True)
    assert page.text == document["text"]
    assert page.language == document["language"]
    gone = [block for block in page.blocks if not block.is_kept]
    assert {block.rule for block in gone} >= {"studysmarter/toolbar", "studysmarter/sign-up-line"}
    assert len(page.blocks) == document["n_blocks_read"]


def test_a_page_of_nothing_and_of_broken_characters():
    assert reinschrift.clean("").text == ""
    assert "Satz" in reinschrift.clean("Ein Satz mit \ud800 halben Zeichen steht hier.").text


def test_repeats_within_a_frame():
    line = "Die alte Brücke wurde im Jahr 1887 von zwei Brüdern gebaut."
    frame = pl.DataFrame({"t": [f"{line}\nEins steht hier allein.", f"Zwei steht auch hier.\n{line}"]})
    tables = reinschrift.clean_frame(frame, text="t")
    assert tables.sentences["text"].to_list().count(line) == 1
    assert tables.ledger.filter(rule="exact-sentence").height == 1
    again = reinschrift.clean_frame(frame, text="t")
    assert again.documents.equals(tables.documents)


@pytest.mark.parametrize(
    "wrong", [{"text": "nope"}, {"text": "t", "profile": "none"}, {"text": "t", "skip": "everything"}]
)
def test_a_wrong_frame_or_setting_is_named(wrong):
    frame = pl.DataFrame({"t": ["Ein Satz."]})
    with pytest.raises(ReinschriftError):
        reinschrift.clean_frame(frame, **wrong)


def test_importing_costs_nothing():
    code = "import sys, reinschrift; print([m for m in ('polars', 'numpy', 'prefect', 'pydantic') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    with pytest.raises(AttributeError):
        reinschrift.nothing  # noqa: B018 - the access is the test


def test_help_and_versions_import_no_engine(tmp_path):
    (tmp_path / ".reinschrift" / "versions").mkdir(parents=True)
    for command in (["--help"], ["run", "--help"], ["versions", "--out", str(tmp_path)]):
        code = (
            "import sys\nfrom reinschrift.__main__ import main\n"
            f"sys.argv[1:] = {command!r}\n"
            "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
            "print('LOADED', [m for m in ('polars', 'numpy', 'prefect', 'pandas') if m in sys.modules])"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert done.stdout.strip().endswith("LOADED []"), (
            command,
            done.stdout[-300:],
            done.stderr[-500:],
        )


def test_a_page_that_carries_its_article_twice_has_it_once():
    article = [
        "The harbour was rebuilt in 1921 after the great storm had taken the old pier.",
        "Since then the council has paid for the lamps, and the keeper for the oil.",
    ]
    text = "\n".join([*article, "Share", *article])
    page = reinschrift.clean(text, line_model=False)
    assert page.text.splitlines() == article
    repeats = page.ledger.filter(step="repeats")
    assert repeats["before"].to_list() == article
    assert reinschrift.clean(text, line_model=False, skip=("repeats",)).text.count(article[0]) == 2
    twice = [block for block in page.blocks if block.text == article[0]]
    assert [block.is_kept for block in twice] == [True, False]
