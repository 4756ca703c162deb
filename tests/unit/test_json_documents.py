"""JSON that is not a record a line, against the parser itself, however it is written and cut."""

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reinschrift.flows.readers import Broken, Page, Piece, ReadOptions, documents, read_piece

OPTIONS = ReadOptions(max_page_bytes=1_000, max_line_chars=20_000)
SAY = ["Ein Text.", 'Mit "Anführung" und \\ Strich', "{[}]", "Zwei\nZeilen", "ä\u2028😀", "\\"]


def read(folder, text, name="a.json"):
    data = text if isinstance(text, bytes) else text.encode()
    path = folder / name
    path.write_bytes(data)
    items = list(read_piece(Piece(path, name, 0, len(data)), OPTIONS))
    pages = [item for item in items if isinstance(item, Page)]
    return [page.content for page in pages], [item for item in items if isinstance(item, Broken)]


RECORDS = [{"id": n, "tags": [["x", {"y": "}"}], []], "text": text} for n, text in enumerate(SAY)]


@pytest.mark.parametrize("buffer", [1, 2, 3, 7, 1 << 16])
@pytest.mark.parametrize("indent", [None, 2])
def test_an_array_is_its_records(tmp_path, monkeypatch, indent, buffer):
    monkeypatch.setattr(documents, "BUFFER_BYTES", buffer)
    contents, broken = read(tmp_path, json.dumps(RECORDS, indent=indent))
    assert contents == SAY
    assert not broken


def test_objects_over_many_lines(tmp_path):
    text = "\n".join(json.dumps(record, indent=2, ensure_ascii=False) for record in RECORDS)
    assert read(tmp_path, text) == (SAY, [])


def test_a_record_a_line_is_read_as_lines(tmp_path):
    text = '{"text": "Eins."}\n{"text": broken\n{"text": "Drei."}\n'
    contents, (broken,) = read(tmp_path, text)
    assert contents == ["Eins.", "Drei."]
    assert broken.record == "line 2"


def test_a_record_is_named_by_the_byte_where_it_begins(tmp_path):
    text = '[\n {"text": "ä"},\n {"text": 7},\n {"text": "c"}]'
    path = tmp_path / "a.json"
    path.write_text(text, encoding="utf-8")
    items = list(read_piece(Piece(path, "a.json", 0, 99), OPTIONS))
    starts = [place for place, byte in enumerate(text.encode()) if byte == ord("{")]
    assert [item.position for item in items if isinstance(item, Page)] == [starts[0], starts[2]]
    assert items[1].record == f"record 2, byte {starts[1]}"


@pytest.mark.parametrize(
    ("text", "pages", "reasons"),
    [
        ('[{"text": "a"}, {"text": "b" "c"}, {"text": "d"}]', 2, ["not valid JSON"]),
        ('[{"text": "a"}, 7, "x", null, {"text": "d"}]', 2, ["not a JSON object"]),
        ('[{"text": "a"}, [1, 2], {"text": "d"}]', 2, ["not a JSON object"]),
        ('[{"text": "a"}, {"text": "b', 1, ["the file ends within a record"]),
        ('[{"text": "a"},', 1, ["the file ends within the array"]),
        ('[{"text": "a"}]\n[{"text": "b"}]', 2, []),
        ('[{"text": "a"}] rest of it', 1, ["not a JSON object"]),
        ('[{"text": "a},\n{"text": "b"},\n{"text": "c"}]', 2, ["a string that does not end"]),
        ('[\n {"text": "a\n  {"text": "no"},\n {"text": "c"}\n]', 1, ["a string that does not end"]),
        ('{"text": "a", "x": [\n{"text": "b"}\n{"text": "c"}\n', 2, ["not valid JSON"]),
        ('\ufeff[{"text": "a"}]', 1, []),
        ('\ufeff{\n"text": "a"}', 1, []),
        ("[1, 2, 3]", 0, ["not a JSON object"]),
        ('[{"text": "' + "x" * 9_000 + '"}, {"text": "d"}]', 1, ["more than max_page_bytes"]),
        ('[{"text": ' + "[" * 100_000 + "]" * 100_000 + '}, {"text": "d"}]', 1, ["more than max_page"]),
        ('[{"text": ' + "[" * 2_000 + "]" * 2_000 + '}, {"text": "d"}]', 1, ["nested too deep"]),
    ],
)
def test_what_is_broken_costs_only_itself(tmp_path, text, pages, reasons):
    contents, broken = read(tmp_path, text)
    assert len(contents) == pages
    assert [
        row.reason[: len(reason)] for row, reason in zip(broken, reasons, strict=True)
    ] or not reasons
    assert all(reason in row.reason for row, reason in zip(broken, reasons, strict=True))
    assert all(row.remedy for row in broken)


def test_records_are_not_joined_over_damaged_bytes(tmp_path):
    lost = bytearray(gzip.compress(b'" and more of it."},\n{"text": "b"},\n' * 40))
    lost[20:30] = bytes(10)
    parts = [b'[{"text": "a"},\n{"text": "begun', b'never ended."},\n{"text": "c"},\n{"text": "d"}]']
    data = gzip.compress(parts[0]) + bytes(lost) + gzip.compress(parts[1])
    contents, (broken,) = read(tmp_path, data, "a.json.gz")
    assert contents == ["a", "c", "d"]
    assert "damaged" in broken.reason


values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(
    st.lists(st.dictionaries(st.text(max_size=5), values, max_size=3), max_size=5),
    st.integers(0, 3),
    st.integers(1, 9),
    st.booleans(),
)
def test_what_is_cut_out_is_what_the_parser_sees(records, indent, size, ascii_only):
    data = json.dumps(records, indent=indent or None, ensure_ascii=ascii_only).encode()
    splitter = documents._Splitter(10_000, 0)
    found = [value for at in range(0, len(data), size) for value in splitter.take(data[at : at + size])]
    assert list(splitter.end()) == []
    assert [json.loads(value.data) for value in found] == records
    assert all(data[v.position : v.position + v.size] == v.data for v in found)
