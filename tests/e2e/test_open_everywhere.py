"""A corpus opens in every tool by the first line its users would type."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from reinschrift.flows.store.tables import arrow_schema
from reinschrift.transforms.contracts import DOCUMENTS, PUBLISHED
from tests.conftest import clean, file_hashes

ROOT = Path(__file__).parents[2]
QUERIES = re.findall(r"```sql\n(.*?)```", (ROOT / "docs" / "queries.md").read_text(), re.DOTALL)
FIRST_LINES = {
    "pandas": "import pandas as pd; found = len(pd.read_parquet('corpus/documents'))",
    "polars": "import polars as pl; found = pl.read_parquet('corpus/documents').height",
    "pyarrow": "import pyarrow.parquet as pq; found = pq.read_table('corpus/documents').num_rows",
    "datasets": "from datasets import load_dataset; found = load_dataset('corpus')['train'].num_rows",
    "chdb": "import chdb; found = int(chdb.query(\"SELECT count() FROM file('corpus/documents/*/*.parquet', Parquet)\", 'CSV').bytes())",
    "spark": "from pyspark.sql import SparkSession; spark = SparkSession.builder.master('local[1]').getOrCreate(); found = spark.read.parquet('corpus/documents/*').count()",
    "croissant": "import mlcroissant; issues = mlcroissant.Dataset(jsonld='corpus/croissant.json').metadata.ctx.issues; found = -1 if issues.errors else 8",
}


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("open")
    assert clean([ROOT / "seeds"], folder).version
    return folder


@pytest.fixture(scope="module")
def tools(tmp_path_factory):
    """A Python that has the tools."""
    folder = tmp_path_factory.mktemp("tools") / "venv"
    uv = [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "venv", "-q", "--python", sys.executable, folder], check=True)
    install = [*uv, "pip", "install", "-q", "--python", folder / "bin" / "python"]
    subprocess.run([*install, "-r", ROOT / "tests" / "readers.txt"], check=True)
    return folder / "bin" / "python"


@pytest.mark.slow
@pytest.mark.parametrize("tool", FIRST_LINES)
def test_the_first_line_a_user_types(out, tools, tool):
    if tool == "spark" and not shutil.which("java"):
        pytest.skip("Spark needs Java, which is not here")
    home = out / "home"  # what tools cache must not come from, or go to, the user's
    done = subprocess.run(
        [tools, "-c", f"{FIRST_LINES[tool]}\nprint('found', found)"], cwd=out, check=False,
        capture_output=True, text=True, timeout=300,
        env={**os.environ, "HOME": str(home), "HF_HOME": str(home), "HF_HUB_OFFLINE": "1"},
    )  # fmt: skip
    assert "found 8" in done.stdout, done.stdout + done.stderr[-2000:]


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.split("\n")[0][:40])
def test_the_questions_of_the_docs(out, query):
    duckdb = pytest.importorskip("duckdb")
    connection = duckdb.connect()
    connection.execute(f"SET VARIABLE corpus = '{out}/corpus'")
    connection.execute((out / "corpus" / "corpus.sql").read_text())
    assert connection.sql(query).columns


def test_there_are_twelve_questions():
    assert len(QUERIES) == 12


def test_the_views_work_in_the_folder_itself(out, monkeypatch):
    duckdb = pytest.importorskip("duckdb")
    monkeypatch.chdir(out / "corpus")
    connection = duckdb.connect()
    connection.execute(Path("corpus.sql").read_text())
    for table in PUBLISHED:
        height = sum(pl.read_parquet(path).height for path in Path(table.name).rglob("*.parquet"))
        assert connection.sql(f"SELECT count(*) FROM {table.name}").fetchall() == [(height,)]


def test_a_condition_on_the_language_opens_its_files_alone(out, monkeypatch):
    """The German files are damaged in their data; who asks for English never meets it."""
    import shutil

    copy = out / "damaged"
    shutil.copytree((out / "corpus").resolve(), copy)
    for path in (copy / "documents" / "de").glob("*.parquet"):
        data = bytearray(path.read_bytes())
        footer = int.from_bytes(data[-8:-4], "little")
        data[4 : len(data) - 8 - footer] = bytes(len(data) - 12 - footer)
        path.write_bytes(data)
    english = pl.scan_parquet(copy / "documents").filter(pl.col("language") == "en")
    assert english.collect().height == 5
    with pytest.raises(pl.exceptions.PolarsError):
        pl.scan_parquet(copy / "documents").collect()


def test_arrow_knows_what_columns_mean_and_which_are_never_null(out):
    import pyarrow.parquet as pq

    for table in PUBLISHED:
        for path in (out / "corpus" / table.name).rglob("*.parquet"):
            schema = pq.read_schema(path)
            assert [f.name for f in schema if not f.nullable] == [
                c.name for c in table.columns if not c.nullable
            ]
            for column in table.columns:
                assert schema.field(column.name).metadata[b"description"].decode() == column.meaning
            assert schema.equals(arrow_schema(table))
    signals = arrow_schema(DOCUMENTS).field("signals").type
    assert signals.field("gopher_word_count").metadata[b"description"]
    assert DOCUMENTS.schema["fetched_at"] == pl.Datetime("us", "UTC")
    assert DOCUMENTS.schema["date"] == pl.Date


def test_what_lies_beside_the_tables_is_sealed_and_says_no_place_or_time(out, tmp_path):
    assert clean([ROOT / "seeds"], tmp_path / "again").version
    assert file_hashes(tmp_path / "again" / "corpus") == file_hashes(out / "corpus")
    manifest = json.loads((out / "corpus" / "manifest.json").read_text())
    for name in ("README.md", "dictionary.md", "corpus.sql", "croissant.json"):
        assert name in manifest["files"]
        assert str(out) not in (out / "corpus" / name).read_text()


def test_a_site_cannot_write_the_card(tmp_path):
    """A canonical address is the page's own: it must not become markup or front matter."""
    evil = 'evil.example/"><script>alert(1)</script>`\n---\nlicense: mit'
    (tmp_path / "a.html").write_text(
        f"<html><head><link rel=canonical href='https://{evil}'></head><body><p>"
        "The harbour was rebuilt in 1921 after the great storm had taken the old pier.</p></body></html>"
    )
    assert clean([tmp_path / "a.html"], tmp_path / "out").version
    card = (tmp_path / "out" / "corpus" / "README.md").read_text()
    assert "<script" not in card
    assert "license: mit" not in card
