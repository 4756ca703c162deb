"""Every fault planted in the corpus of the seeds is caught, and named once; docs/gate.md lists them."""

from pathlib import Path

import pytest

from reinschrift.expectations.gate import judge_corpus, judge_plainly
from tests.faults import FAULTS, judge_fault, make_sound, row_of

DOCS = Path(__file__).parents[2] / "docs" / "gate.md"


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    return make_sound(tmp_path_factory.mktemp("sound"))


def test_without_a_fault_nothing_is_named(sound):
    verdict = judge_corpus(sound.corpus, sound.terms, judge_plainly)
    assert verdict.causes == []
    assert sum(one.name.startswith("replay.") for one in verdict.findings) > 30


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.table}: {fault.what}")
def test_a_planted_fault_is_named_once_and_is_in_the_docs(sound, fault):
    verdict = judge_fault(sound, fault)
    assert not verdict.passed
    assert len(verdict.causes) == 1, [cause.name for cause in verdict.causes]
    assert row_of(fault, verdict) in DOCS.read_text(encoding="utf-8")
