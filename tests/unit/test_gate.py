"""The gate finds what is wrong with a corpus, names it once, and says where to look."""

import json
import re
import shutil
from pathlib import Path

import polars as pl
import pytest

from reinschrift.expectations.gate import ALL_LAWS, judge_corpus, judge_plainly
from reinschrift.expectations.rows import ROW_LAWS
from reinschrift.expectations.sanity import BOUNDS
from reinschrift.expectations.seal import MANIFEST, compose_manifest, read_manifest
from reinschrift.expectations.terms import Terms
from reinschrift.flows.workers.gate_process import GateProcess
from reinschrift.transforms.contracts import PUBLISHED
from tests.conftest import clean, read_corpus

ROOT = Path(__file__).parents[2]
CHECKED = Terms(sealed=True)


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """The published corpus of the seeds, and a file that could not be read."""
    folder = tmp_path_factory.mktemp("sound")
    shutil.copytree(ROOT / "seeds", folder / "seeds")
    (folder / "seeds" / "empty.txt").touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        report = clean(["seeds"], folder / "out")
    assert report.state == "published", report.verdict.failures
    return (folder / "out" / "corpus").resolve()


@pytest.fixture
def corpus(sound, tmp_path):
    """A copy that may be changed."""
    return Path(shutil.copytree(sound, tmp_path / "corpus"))


def judge(corpus, terms=CHECKED):
    return judge_corpus(corpus, terms, judge_plainly)


def change(corpus, table, how):
    """Change the first file of a table that the change changes; its manifest is made anew."""
    for path in sorted((corpus / table).rglob("*.parquet")):
        frame = pl.read_parquet(path, hive_partitioning=False)
        changed = how(frame)
        if changed.schema != frame.schema or not changed.equals(frame):
            changed.write_parquet(path)
            seal(corpus)
            return
    pytest.fail("nothing was changed")


def seal(corpus):
    facts = read_manifest(corpus)
    told = (facts[name] for name in ("inputs", "settings", "code", "figures"))
    (corpus / MANIFEST).write_bytes(compose_manifest(corpus, *told))


def named(verdict):
    return {finding.name for finding in verdict.failures}


def test_a_sound_corpus_passes_under_great_expectations(sound):
    with GateProcess() as gate:
        verdict = gate.judge(sound, CHECKED)
    assert verdict.causes == []
    assert len(verdict.findings) > 150
    assert verdict.figures["documents"] == 8


def test_great_expectations_and_the_plain_judge_agree(corpus):
    change(corpus, "documents", lambda f: f.with_columns(n_words=pl.lit(7, dtype=pl.UInt32)))
    change(corpus, "sentences", lambda f: f.with_columns(kind=pl.lit("poem")))
    with GateProcess() as gate:
        verdict = gate.judge(corpus, CHECKED)
    assert named(verdict) == named(judge(corpus)) >= {"documents.n-words", "sentences.kind.values"}


INVARIANTS = [
    (table, invariant) for table in PUBLISHED for invariant in table.invariants if table.invariants
]


@pytest.mark.parametrize(
    ("table", "invariant"), INVARIANTS, ids=lambda part: getattr(part, "name", None)
)
def test_every_invariant_is_named_when_it_is_broken(corpus, table, invariant):
    change(corpus, table.name, lambda f: f.with_columns(**invariant.breaks).cast(dict(table.schema)))
    assert f"{table.name}.{invariant.name}" in named(judge(corpus))


COLUMN_RULES = [law.name for laws in ROW_LAWS.values() for law in laws if law.name.count(".") == 2]


@pytest.mark.parametrize("table", PUBLISHED, ids=lambda table: table.name)
def test_every_rule_of_a_column_is_named_when_it_is_broken(sound, table):
    """Nulls, values and ranges, one by one, on the table alone; fields of a struct, too."""
    frame = read_corpus(sound)[table.name]
    for law in ROW_LAWS[table.name]:
        column, _, rule = law.name.removeprefix(f"{table.name}.").partition(".")
        if rule not in ("not-null", "values", "range"):
            continue
        fields = {one.name: (whole, one.dtype) for whole in table.columns for one in whole.fields}
        whole, dtype = fields.get(column, (None, table.schema.get(column)))
        wrong = {"not-null": pl.lit(None, dtype), "values": pl.lit("x-no"), "range": pl.lit(-1.5)}[rule]
        if rule == "range" and not dtype.is_float():
            wrong = pl.lit(-1) if dtype.is_signed_integer() else None
        if wrong is None:  # an unsigned column can't hold what would break it
            continue
        changed = wrong.cast(dtype).alias(column)
        if whole:
            changed = pl.col(whole.name).struct.with_fields(changed)
        broken = frame.with_columns(changed).select(law.broken.sum()).item()
        assert broken == frame.height, law.name


@pytest.mark.parametrize("table", [t for t in PUBLISHED if t.key], ids=lambda table: table.name)
def test_every_key_is_named_when_it_is_broken(corpus, table):
    change(corpus, table.name, lambda f: pl.concat([f, f.head(1)]))
    assert f"{table.name}.key" in named(judge(corpus))


def test_every_reference_is_named_when_it_is_broken(corpus):
    for table in PUBLISHED:
        for reference in table.references:
            wrong = pl.lit("0" * 20).alias(reference.column)
            change(corpus, table.name, lambda f, wrong=wrong: f.with_columns(wrong))
            assert f"{table.name}.{reference.column}.reference" in named(judge(corpus))


def test_names_are_stable_and_unique():
    names = [law.name for law in ALL_LAWS] + [law.name for laws in ROW_LAWS.values() for law in laws]
    assert len(names) == len(set(names))
    assert all(not any(c.isspace() for c in name) for name in names)


def test_one_fault_gives_one_failure(corpus):
    """A lost sentence breaks half a dozen laws, and is reported once."""
    change(corpus, "sentences", lambda f: f.filter(pl.col("id") != f.filter(sentence=2)["id"][0]))
    verdict = judge(corpus)
    assert len(verdict.failures) > 2
    assert [cause.name for cause in verdict.causes] == ["conservation.sentences"]
    assert "documents.n-sentences" in verdict.followers(verdict.causes[0])


def test_two_faults_give_two_failures(corpus):
    change(corpus, "documents", lambda f: f.with_columns(language_score=pl.lit(3.0, pl.Float32)))
    change(corpus, "ledger", lambda f: f.with_columns(action=pl.lit("shrug")))
    assert [cause.name for cause in judge(corpus).causes] == [
        "documents.language_score.range",
        "ledger.action.values",
    ]


def test_what_cannot_be_judged_is_a_failure_that_says_why(corpus):
    """Another order of columns, another type, a file that is none, one that breaks off, one flipped."""
    paths = {t.name: sorted((corpus / t.name).rglob("*.parquet"))[0] for t in PUBLISHED}
    documents = pl.read_parquet(paths["documents"], hive_partitioning=False)
    documents.select(sorted(documents.columns)).write_parquet(paths["documents"])
    paths["ledger"].write_bytes(b"PAR1 and no more")
    whole = paths["sentences"].read_bytes()
    paths["sentences"].write_bytes(whole[:200] + b"\x00" * 400 + whole[600:])
    seal(corpus)
    causes = {cause.name: cause for cause in judge(corpus).causes}
    assert causes.keys() == {"shape.documents", "shape.ledger", "readable.sentences"}
    assert "another place" in causes["shape.documents"].found
    assert "can't be read" in causes["shape.ledger"].found
    assert paths["sentences"].name in causes["readable.sentences"].found


def test_a_flipped_byte_is_named_by_its_file(corpus):
    path = sorted((corpus / "sentences").rglob("*.parquet"))[-1]
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(content)
    causes = judge(corpus).causes
    assert causes[0].name == "seal.files"
    assert causes[0].rows[0]["file"] == path.relative_to(corpus).as_posix()
    assert [cause.name for cause in causes] == ["seal.files"]


@pytest.mark.parametrize("harm", ["more", "fewer", "manifest"])
def test_the_seal_names_files_that_came_and_went(corpus, harm):
    path = sorted((corpus / "ledger").rglob("*.parquet"))[0]
    if harm == "more":
        shutil.copy(path, path.with_name("extra.txt"))
    elif harm == "fewer":
        path.unlink()
    else:
        facts = json.loads((corpus / MANIFEST).read_text())
        facts["inputs"] = "others"
        (corpus / MANIFEST).write_text(json.dumps(facts))
    (finding, *_) = judge(corpus).causes
    said = {"more": "extra.txt not part of", "fewer": "missing", "manifest": "root hash"}
    assert said[harm] in finding.found


def test_a_gate_that_dies_is_a_failed_expectation(sound):
    """One that is killed starts again once; one that dies again is reported."""

    class Dying(GateProcess):
        def _start(self):
            super()._start()
            self.process.kill()
            self.process.wait()

    with Dying() as gate:
        (finding,) = gate.judge(sound, CHECKED).findings
    assert (finding.name, finding.success) == ("gate.process", False)
    assert "SIGKILL" in finding.error


def test_severities_can_be_set(corpus):
    change(corpus, "documents", lambda f: f.with_columns(n_blocks=pl.lit(1, dtype=pl.UInt32)))
    lenient = judge(corpus, Terms(sealed=True, severity={"documents.*": "warn"}))
    assert lenient.passed
    assert [one.name for one in lenient.warnings] == ["documents.n-blocks"]
    off = {"documents.*": "warn", "documents.n-blocks": "off"}
    assert judge(corpus, Terms(sealed=True, severity=off)).causes == []


def test_own_expectations_are_judged(sound, tmp_path):
    own = tmp_path / "own.toml"
    own.write_text(
        '[[expectation]]\nname = "short"\ntable = "sentences"\nwhy = "sentences are short"\n'
        'holds = "length(text) < 60"\nseverity = "warn"\n'
        '[[expectation]]\nname = "titled"\ntable = "documents"\nwhy = "html has a title"\n'
        "holds = \"format <> 'html' OR title IS NOT NULL\"\n"
    )
    module = tmp_path / "own.py"
    module.write_text(
        "from reinschrift.expectations.measuring import Law, Measure\n"
        "EXPECTATIONS = [Law('ten', 'there are ten', lambda t: Measure(8, 10, []), ('documents.id',))]\n"
    )
    verdict = judge(sound, Terms(own=[str(own), str(module)]))
    assert {one.name for one in verdict.warnings} == {"own.short"}
    assert named(verdict) == {"own.ten"}
    assert "own.titled" in {one.name for one in verdict.findings}


def test_foreign_parquet_is_judged(tmp_path):
    texts = ["Ein ganz normaler Text über die Brücke.", "fÃ¼r die BrÃ¼cke", "<div>Markup</div>", " "]
    pl.DataFrame({"body": texts}).write_parquet(tmp_path / "a.parquet")
    verdict = judge(tmp_path, Terms(foreign_text="body"))
    assert named(verdict) == {"foreign.text-present", "foreign.encoding", "foreign.markup"}
    verdict = judge(tmp_path, Terms(foreign_text="text"))
    assert [one.name for one in verdict.failures] == ["foreign.files"]
    assert "no column 'text'" in verdict.failures[0].found


def test_data_docs_load_nothing_and_suites_are_read_back(corpus, tmp_path):
    docs = tmp_path / "docs"
    with GateProcess() as gate:
        verdict = gate.judge(corpus, Terms(sealed=True, data_docs=str(docs)))
    assert verdict.passed
    pages = [*docs.rglob("*.html"), *docs.rglob("*.css")]
    assert docs / "index.html" in pages
    outside = re.compile(r"<(?:script|link|img)\b[^>]*(?:src|href)=[\"']https?:|url\([\"']?https?:")
    assert [page for page in pages if outside.search(page.read_text(encoding="utf-8"))] == []
    suites = {path.stem: json.loads(path.read_text()) for path in (docs / "suites").iterdir()}
    assert set(suites) >= {table.name for table in PUBLISHED}
    measured = {one["kwargs"]["column"] for suite in suites.values() for one in suite["expectations"]}
    assert measured == {one.name for one in verdict.findings}


def test_few_sentences_may_lie_beyond_a_bound_by_chance():
    figures = {"prose_sentences": 100, "unsplit": 11, "long": 0}
    bound = next(one for one in BOUNDS if one.name == "sanity.sentences-split")
    assert bound.share(figures) == (11, 100)
    assert 0.11 < bound.allowed(bound.high, 100) < 0.12
    assert bound.allowed(bound.high, 10_000) < 0.06
    language = next(one for one in BOUNDS if one.name == "sanity.language")
    assert language.allowed(language.high, 10) == language.high
    assert bound.allowed(-1.0, 100) == -1.0
