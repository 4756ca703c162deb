import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reinschrift.transforms.text.repair import REPAIRS, repair_line, repair_lines

CASES = [(r.rule, before, after) for r in REPAIRS for before, after in r.repairs]
NEGATIVES = [(r.rule, line) for r in REPAIRS for line in r.leaves]


@pytest.mark.parametrize(("rule", "before", "after"), CASES)
def test_a_repair_does_what_its_examples_say(rule, before, after):
    frame = repair_lines(pl.DataFrame({"raw": [before]}))
    assert frame["text"].item() == after
    assert rule in frame["repairs"].item()


@pytest.mark.parametrize(("rule", "line"), NEGATIVES)
def test_a_repair_leaves_what_its_examples_say(rule, line):
    frame = repair_lines(pl.DataFrame({"raw": [line]}))
    assert frame["text"].item() == line
    assert frame["repairs"].item() is None


LINE_BREAKS = "\r\n\x0b\x0c\x1c\x1d\x1e\u2028\u2029"
LINES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters=LINE_BREAKS), max_size=80)


@given(st.lists(LINES, max_size=8))
def test_repairing_repaired_lines_changes_nothing(lines):
    once = repair_lines(pl.DataFrame({"raw": lines}, schema={"raw": pl.String}))
    twice = repair_lines(once.select(raw="text"))
    assert twice["text"].to_list() == once["text"].to_list()
    assert twice["repairs"].null_count() == len(lines)


@given(LINES)
@example("\x1f")
@example("a\x1f&amp;lt;")
@example("Ć¤")
@example("Ć¤ &amp; Brücke")
def test_looking_at_all_lines_at_once_misses_none(line):
    """The vectorised suspicion lets through every line that repairing would change."""
    frame = repair_lines(pl.DataFrame({"raw": [line]}))
    assert frame["text"].item() == repair_line(line)[0]
