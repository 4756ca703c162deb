"""Parquet, CSV, JSON and archives made to be hard: what is good is read, all else is reported by name."""

import gzip
import io
import json
import os
import resource
import subprocess
import sys
import tarfile
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reinschrift.flows.config import load_settings
from reinschrift.flows.readers import Broken, Columns, Ignored, Page, Piece, ReadOptions, read_piece
from reinschrift.flows.sources.inputs import find_inputs
from reinschrift.transforms.errors import ConfigError
from reinschrift.transforms.html.flatten import flatten_html
from tests.fuzz.laws import check_csv, check_parquet
from tests.made import csv_file, parquet, text_record

OPTIONS = ReadOptions(max_page_bytes=1_000_000, max_line_chars=100_000)
TEXTS = [text_record(n) for n in range(40)]


def read(folder, name, data, options=OPTIONS):
    path = folder / name
    path.write_bytes(data)
    items = list(read_piece(Piece(path, name, 0, len(data)), options))
    assert all(item.reason and item.remedy for item in items if isinstance(item, Broken))
    pages = [item for item in items if isinstance(item, Page)]
    return [page.content for page in pages], [item for item in items if isinstance(item, Broken)]


def table_file(table, **how):
    out = io.BytesIO()
    pq.write_table(table, out, **how)
    return out.getvalue()


# ---------------------------------------------------------------- Parquet


@pytest.mark.parametrize("use_dictionary", [True, False])
@pytest.mark.parametrize("column", ["text", "title"])
def test_a_string_that_is_not_utf8_costs_no_other_row(tmp_path, column, use_dictionary):
    records = [{**record, "title": f"Titel {n}"} for n, record in enumerate(TEXTS)]
    records[7][column] = "qqqqqqqq"
    data = table_file(pa.Table.from_pylist(records), use_dictionary=use_dictionary, compression="none")
    contents, broken = read(tmp_path, "a.parquet", data.replace(b"qqqqqqqq", b"Gr\xfc\xdfe \xe4\xe4"))
    assert (len(contents), broken) == (40, [])
    assert column == "title" or contents[7] == "Grüße ää"


def test_a_string_that_is_not_utf8_within_a_column_of_columns(tmp_path):
    records = [{"page": {"body": f"Text {n}", "url": "https://a.org"}} for n in range(9)]
    records[3]["page"]["body"] = "qqqqqqqq"
    data = table_file(pa.Table.from_pylist(records), compression="none", use_dictionary=False)
    options = ReadOptions(1000, 1000, columns=Columns((("text", "page.body"),)))
    contents, (broken,) = read(tmp_path, "a.parquet", data.replace(b"qqqqqqqq", b"\xff" * 8), options)
    assert contents == [f"Text {n}" for n in range(9) if n != 3]
    assert (broken.record, "UTF-8" in broken.reason) == ("row 4", True)


def test_a_date_out_of_all_bounds_costs_nothing(tmp_path):
    dates = pa.array([0, 2**61], pa.timestamp("us"))
    contents, broken = read(
        tmp_path, "a.parquet", table_file(pa.table({"text": ["a", "b"], "date": dates}))
    )
    assert (contents, broken) == (["a", "b"], [])


BOMB = """
import io, resource, sys, pyarrow as pa, pyarrow.parquet as pq
from pathlib import Path
from reinschrift.flows.readers import Broken, Page, Piece, ReadOptions, read_piece
encoding, path = sys.argv[1], Path(sys.argv[2])
long = "a" * 60_000_000
if "dictionary" in encoding:
    values = pa.DictionaryArray.from_arrays(pa.array([0] * 2000 + [1], pa.int32()), [long, "gut"])
    how = {"store_schema": encoding == "dictionary"}
else:
    values = pa.array([long + "b", long, "gut"])
    how = {"use_dictionary": False, "column_encoding": {"text": encoding}}
pq.write_table(pa.table({"id": [str(n) for n in range(len(values))], "text": values}), path,
               compression="zstd", **how)
del values, long
resource.setrlimit(resource.RLIMIT_AS, (3_000_000_000, 3_000_000_000))
items = list(read_piece(Piece(path, "a", 0, path.stat().st_size), ReadOptions(20_000_000, 1_000_000)))
pages = [item.content for item in items if isinstance(item, Page)]
broken = [item for item in items if isinstance(item, Broken)]
print(path.stat().st_size, pages, len(broken), broken[0].reason)
"""


@pytest.mark.parametrize(
    ("encoding", "told"),
    [
        ("dictionary", "['gut'] 2000 'text': 60,000,000 bytes, more than max_page_bytes"),
        ("dictionary of strings", "['gut'] 2000 'text': 60,000,000 bytes, more than max_page_bytes"),
        ("DELTA_BYTE_ARRAY", "[] 1 row group 0 unpacks to more bytes from here on than"),
    ],
)
def test_a_long_value_in_a_small_file_is_never_made(tmp_path, encoding, told):
    command = [sys.executable, "-c", BOMB, encoding, str(tmp_path / "a.parquet")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-500:]
    size, _, said = done.stdout.partition(" ")
    assert int(size) < 60_000
    assert said.startswith(told)


def test_a_row_group_that_unpacks_beyond_the_ratio_costs_no_other(tmp_path):
    out = io.BytesIO()
    schema = pa.schema({"text": pa.string()})
    with pq.ParquetWriter(out, schema, compression="zstd", use_dictionary=False) as writer:
        for texts in (["eins"], ["x" * 900_000 + str(n) for n in range(80)], ["drei"]):
            writer.write_table(pa.table({"text": texts}, schema))
    contents, (broken,) = read(tmp_path, "a.parquet", out.getvalue())
    assert contents == ["eins", "drei"]
    assert broken.record == "row 2"
    assert "max_decompress_ratio" in broken.reason


def test_limits_count_bytes(tmp_path):
    table = {"id": ["1", "2", "3"], "text": ["ä" * 500, "ä" * 501, "a" * 1000]}
    options = ReadOptions(1000, 10_000)
    rows = [{"id": i, "text": t} for i, t in zip(*table.values(), strict=True)]
    for name, data, where in (
        ("a.parquet", table_file(pa.table(table)), "row 2"),
        ("a.csv", csv_file(rows), "line 3"),
        ("a.jsonl", "\n".join(map(json.dumps, rows)).encode(), "line 2"),
    ):
        contents, (broken,) = read(tmp_path, name, data, options)
        assert (len(contents), broken.record) == (2, where)


# ---------------------------------------------------------------- columns


def test_two_columns_of_one_name_are_reported(tmp_path):
    data = b"text,id,text\nerster,1,zweiter\n"
    contents, (broken,) = read(tmp_path, "a.csv", data)
    assert contents == ["erster"]
    assert "2 columns are called 'text'" in broken.reason
    options = ReadOptions(1000, 1000, columns=Columns((("text", "text.2"),)))
    assert read(tmp_path, "a.csv", data, options) == (["zweiter"], [])
    table = pa.Table.from_arrays([pa.array(["erster"]), pa.array(["zweiter"])], ["text", "text"])
    contents, (broken,) = read(tmp_path, "a.parquet", table_file(table))
    assert contents == ["erster"]
    assert "2 columns are called 'text'" in broken.reason


@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
@pytest.mark.parametrize(("role", "pages"), [("title", 40), ("text", 0), ("html", 0)])
def test_a_named_column_that_a_table_lacks_is_a_problem(tmp_path, name, role, pages):
    data = csv_file(TEXTS) if name == "a.csv" else parquet(TEXTS)
    options = ReadOptions(1000, 1000, columns=Columns(((role, "txet"),)))
    contents, (broken,) = read(tmp_path, name, data, options)
    assert len(contents) == pages
    assert f"no column 'txet' ({role})" in broken.reason
    assert "did you mean text?" in broken.remedy


@pytest.mark.parametrize("given_columns", [{"txt": "a"}, (("txt", "a"),), "txt=a"])
def test_an_unknown_role_is_refused(given_columns):
    with pytest.raises(ConfigError, match="unknown role 'txt'"):
        load_settings(columns=given_columns)


@pytest.mark.parametrize("html", [" ", "\n", 5, [], None, "", {}])
def test_html_that_is_none_gives_way_to_the_text(tmp_path, html):
    line = json.dumps({"html": html, "text": "Guter Text"}).encode()
    assert read(tmp_path, "a.jsonl", line) == (["Guter Text"], [])
    contents, (broken,) = read(tmp_path, "a.jsonl", json.dumps({"html": html, "text": " "}).encode())
    assert not contents
    assert broken.record == "line 1"


# ---------------------------------------------------------------- CSV and JSON


@pytest.mark.parametrize(
    ("lines", "texts", "lost"),
    [
        (['1,"open', '2,"closed"', "3,c"], ["closed", "c"], ["line 2"]),
        (['1,"open', "2,b", '3,"c"', "4,d"], ["b", "c", "d"], ["line 2"]),
        (['1,"open', '2,"b', 'b"', "3,c"], ["b\nb", "c"], ["line 2"]),
        (['1,"open', '2,"",""', "3,c"], ["c"], ["line 2", "line 3"]),
        (['1,"open', '2,b",x', "3,c"], ["c"], ["line 2"]),
        (["1,a", '2,"open', "3,c", "4,d"], ["a", "c", "d"], ["line 3"]),
        (['1,"Er sagte "hallo" zu mir"', "2,b"], ['Er sagte hallo" zu mir"', "b"], []),
        (["1,a\r2,b", "3,c"], ["a", "b", "c"], []),
        (['1,"a', 'a"\r2,"b"', "3,c"], ["a\na", "b", "c"], []),
        (['1,"zwei', 'Zeilen, ja"', "2,b"], ["zwei\nZeilen, ja", "b"], []),
    ],
)
def test_an_open_quotation_mark_merges_no_records(tmp_path, lines, texts, lost):
    contents, broken = read(tmp_path, "a.csv", "\n".join(["id,text", *lines, ""]).encode())
    assert contents == texts
    assert [row.record for row in broken] == lost


def test_a_quotation_mark_open_to_the_end_takes_linear_time(tmp_path):
    def spent(count):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
        read(tmp_path, "a.csv", b'id,text\n1,"open\n' + b'2,""\n3,c\n4,"o\n' * count)
        return resource.getrusage(resource.RUSAGE_SELF).ru_utime - before

    assert spent(16_000) < 8 * 3 * spent(2_000) + 0.3


@pytest.mark.parametrize("packing", [bytes, gzip.compress])
@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.json"])
def test_lines_that_end_as_on_old_macs(tmp_path, name, packing):
    texts = [str(record["text"]).replace("\n", " ") for record in TEXTS]
    rows = ["id,text", *(f"{n},{text}" for n, text in enumerate(texts))]
    lines = rows if name == "a.csv" else [json.dumps({"text": text}) for text in texts]
    data = packing("\r".join(lines).encode())
    name += ".gz" if packing is not bytes else ""
    assert read(tmp_path, name, data) == (texts, [])
    assert len(find_inputs([str(tmp_path / name)], 100).shards) == 1


@pytest.mark.parametrize(
    ("data", "texts", "lost"),
    [
        ('{"text": "a"}{"text": "b"}\n{"text": "c"}\n', ["a", "b", "c"], []),
        ('{"text": "c"}\n{"text": "ä"} , {"text": "b"},\n', ["c", "ä", "b"], []),
        ('{"text": "a"},\n{"text": "b"},\n{"text": "c"}\n', ["a", "b", "c"], []),
        ('{"text": "a"}\n{"text": "b"},\n{"text": "c"}\n', ["a", "b", "c"], []),
        ('[{"text": "a"}, {"text": "b"}]\n', ["a", "b"], []),
        ('[\n {"text": "a"},\n {"text": "b"}\n]\n', ["a", "b"], []),
        ('[1]\n{"text": "b"}\n', ["b"], ["line 1"]),
        ('{"text": "ä"}{"text": "b\n{"text": "c"}\n', ["ä", "c"], ["line 1, byte 14"]),
        ('{"text": "a"} rest\n{"text": "c"}\n', ["a", "c"], ["line 1, byte 14"]),
        ('{"text": "a"} 7 {"text": "b"}\n', ["a", "b"], ["line 1, byte 14"]),
    ],
)
def test_json_lines_that_are_not_an_object_each(tmp_path, data, texts, lost):
    contents, broken = read(tmp_path, "a.jsonl", data.encode())
    assert contents == texts
    assert [row.record for row in broken] == lost
    path = tmp_path / "a.jsonl"
    cut = find_inputs([str(path)], 12)
    items = [i for s in cut.shards for piece in s.pieces for i in read_piece(piece, OPTIONS)]
    assert [i.content for i in items if isinstance(i, Page)] == texts


# ---------------------------------------------------------------- archives and folders


def test_links_and_devices_in_a_tar_are_listed(tmp_path):
    path = tmp_path / "a.tar"
    kinds = {"s": tarfile.SYMTYPE, "h": tarfile.LNKTYPE, "c": tarfile.CHRTYPE, "f": tarfile.FIFOTYPE}
    with tarfile.open(path, "w") as archive:
        for name, kind in kinds.items():
            info = tarfile.TarInfo(f"{name}.txt")
            info.type, info.linkname = kind, "page.txt"
            archive.addfile(info)
        info = tarfile.TarInfo("page.txt")
        info.size = 4
        archive.addfile(info, io.BytesIO(b"Text"))
    *ignored, page = read_piece(Piece(path, "a.tar", 0, path.stat().st_size), OPTIONS)
    assert page.content == "Text"
    assert ignored == [
        Ignored("a.tar!/s.txt", "links"),
        Ignored("a.tar!/h.txt", "links"),
        Ignored("a.tar!/c.txt", "devices and pipes"),
        Ignored("a.tar!/f.txt", "devices and pipes"),
    ]


def test_a_zip_broken_at_any_byte_says_why(tmp_path):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", "Ein Text mit Wörtern.")
        archive.writestr("b.txt", "Noch ein Text.")
    data = out.getvalue()
    for place in range(len(data)):
        for damaged in (data[:place], data[:place] + b"\xff" + data[place + 1 :]):
            _, broken = read(tmp_path, "a.zip", damaged)
            assert all(not row.reason.rstrip().endswith(":") for row in broken)


def test_folders_nested_1500_deep(tmp_path):
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d", dir_fd=here)
        inner = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    file = os.open("a.txt", os.O_WRONLY | os.O_CREAT, dir_fd=here)
    os.write(file, b"Text")
    os.close(file)
    os.close(here)
    (shard,) = find_inputs([str(tmp_path)], 1000).shards
    assert shard.pieces[0].source.endswith("/d/d/a.txt")
    inputs = find_inputs([f"{tmp_path}/**/*.txt"], 1000)
    assert inputs.shards or "too deep" in inputs.broken[0].reason
    parent = tmp_path
    subprocess.run(["rm", "-rf", str(parent / "d")], check=True)


def test_a_table_of_a_million_cells_takes_bounded_memory():
    cells = 300_000
    html = "<table>" + "<tr>" + "<td>12345</td>" * cells + "</table>"
    page = flatten_html(html)
    assert page.lines == ["\t".join(["12345"] * cells)]
    assert len(page.tree.containers) == 1
    assert len(page.tree.line_facts) == 1
    assert len(flatten_html(html[: len(html) // 2]).tree.containers) > cells // 2


# ---------------------------------------------------------------- against the oracles

csv_edits = st.lists(
    st.tuples(
        st.floats(0, 1),
        st.integers(0, 30),
        st.sampled_from([b"", b'"', b'""', b",", b"\r\n", b"\n", b'"\n', b"\xff", b'7,"x"\n', b'8,"o']),
    ),
    max_size=4,
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edits=csv_edits)
def test_csv_rows_that_the_oracle_finds_are_there(tmp_path, edits):
    data = csv_file(TEXTS[:6])
    for place, size, put in edits:
        at = int(place * len(data))
        data = data[:at] + put + data[at + size :]
    check_csv(data, tmp_path)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    edits=st.lists(st.tuples(st.floats(0, 0.7), st.binary(min_size=1, max_size=8)), max_size=3),
    compression=st.sampled_from(["none", "zstd", "snappy"]),
    use_dictionary=st.booleans(),
)
def test_parquet_rows_that_the_oracle_finds_are_there(tmp_path, edits, compression, use_dictionary):
    table = pa.Table.from_pylist(TEXTS[:12])
    data = bytearray(
        table_file(table, row_group_size=4, compression=compression, use_dictionary=use_dictionary)
    )
    for place, put in edits:
        at = 4 + int(place * len(data))
        data[at : at + len(put)] = put
    check_parquet(bytes(data), tmp_path)
