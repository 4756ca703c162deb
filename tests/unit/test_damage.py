"""Whatever is wrong with an input: the good around it survives, the bad is told with place and remedy."""

import gzip
import json
import os
import random
import resource
import tarfile
import tracemalloc
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reinschrift.flows.readers import Broken, Ignored, Page, Piece, ReadOptions, read_piece
from reinschrift.flows.sources.inputs import find_inputs
from tests.made import (
    PACKED,
    csv_file,
    html_record,
    jsonl,
    parquet,
    tarred,
    text_record,
    warc,
    warc_gz,
    warc_record,
    warc_record_of,
    zipped,
    zstd,
)

OPTIONS = ReadOptions(max_page_bytes=1_000_000, max_line_chars=100_000)
TEXTS = [text_record(n) for n in range(400)]
PAGES = [html_record(n) for n in range(40)]


def read(folder, name, data, options=OPTIONS):
    path = folder / name
    path.write_bytes(data)
    items = list(read_piece(Piece(path, name, 0, len(data)), options))
    assert all(item.reason and item.remedy for item in items if isinstance(item, Broken))
    pages = [item for item in items if isinstance(item, Page)]
    return pages, [item for item in items if isinstance(item, Broken)]


def ids(pages):
    return [int(page.record_id.removeprefix("urn:x:")) for page in pages]


# ---------------------------------------------------------------- packed streams


@pytest.mark.parametrize("packing", [".gz", ".zst", ".bz2", ".xz"])
def test_a_stream_that_breaks_off_keeps_what_stood_before(tmp_path, packing):
    noise = [{"id": str(n), "text": os.urandom(600).hex()} for n in range(2000)]
    data = PACKED[packing]("", jsonl(noise))
    pages, broken = read(tmp_path, "a.jsonl" + packing, data[: len(data) // 2])
    assert ids(pages) == list(range(len(pages)))
    assert len(pages) > 300
    assert len(broken) == 1
    assert "breaks off" in broken[0].reason
    assert "byte" in broken[0].record


def test_a_whole_file_that_breaks_off_is_no_page(tmp_path):
    data = gzip.compress(b"x " * 5000)[:-10]
    pages, (broken,) = read(tmp_path, "a.txt.gz", data)
    assert not pages
    assert "breaks off" in broken.reason


@pytest.mark.parametrize("packing", [".gz", ".zst"])
def test_damage_in_one_packed_stream_of_many_costs_that_stream_only(tmp_path, packing):
    streams = [PACKED[packing]("", jsonl([record])) for record in TEXTS]
    streams[100] = streams[100][:40] + b"damage" + streams[100][46:]
    pages, broken = read(tmp_path, "a.jsonl" + packing, b"".join(streams))
    assert set(range(400)) - set(ids(pages)) <= {100, 101}
    assert 1 <= len(broken) <= 2


def test_what_follows_a_stream_is_told(tmp_path):
    data = gzip.compress(jsonl(TEXTS)) + b"trailing rubbish"
    pages, (broken,) = read(tmp_path, "a.jsonl.gz", data)
    assert len(pages) == 400
    assert "followed by other bytes" in broken.reason


def test_zeros_behind_a_stream_are_padding(tmp_path):
    pages, broken = read(tmp_path, "a.jsonl.gz", gzip.compress(jsonl(TEXTS)) + bytes(5000))
    assert (len(pages), broken) == (400, [])


@pytest.mark.parametrize("packing", [".gz", ".zst", ".bz2", ".xz", ".zip"])
def test_a_bomb_is_told_and_never_held(tmp_path, packing):
    line = b'{"text": "' + b"a" * 1000 + b'"}\n'
    data = PACKED[packing]("bomb.jsonl", line * 200_000)
    options = ReadOptions(1_000_000, 100_000, max_decompress_ratio=50)
    path = tmp_path / ("bomb.jsonl" + packing)
    path.write_bytes(data)
    pages, broken = 0, []
    tracemalloc.start()
    for item in read_piece(Piece(path, "bomb", 0, len(data)), options):
        pages += isinstance(item, Page)
        broken += [item] if isinstance(item, Broken) else []
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "max_decompress_ratio" in broken[-1].reason
    assert "raise max_decompress_ratio" in broken[-1].remedy
    assert 0 < pages < 70_000
    assert peak < 40_000_000


def test_a_small_file_is_no_bomb_whatever_its_ratio(tmp_path):
    pages, broken = read(tmp_path, "a.txt.gz", gzip.compress(b"word " * 10_000))
    assert (len(pages), broken) == (1, [])


def test_archives_within_archives_end_somewhere(tmp_path):
    data = b"hello there"
    for depth in range(8):
        data = zipped(f"{depth}.zip" if depth else "page.txt", data)
    pages, (broken,) = read(tmp_path, "a.zip", data)
    assert not pages
    assert "packed more than" in broken.reason
    assert broken.source.startswith("a.zip!/7.zip!/")


# ---------------------------------------------------------------- archives


def test_one_bad_member_of_a_zip(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("good.txt", "ein guter Text")
        archive.writestr("deep/bad.txt", b"\x00\x01\x02" * 500)
        archive.writestr("photo.png", b"\x89PNG")
        archive.writestr("__MACOSX/._good.txt", "resource fork")
        archive.writestr("a.jsonl", jsonl(TEXTS[:3]) + b"{broken\n")
    items = list(read_piece(Piece(path, "a.zip", 0, path.stat().st_size), OPTIONS))
    told = [(type(item), item.source) for item in items]
    assert (Page, "a.zip!/good.txt") in told
    assert (Broken, "a.zip!/deep/bad.txt") in told
    assert (Ignored, "a.zip!/photo.png") in told
    assert (Ignored, "a.zip!/__MACOSX/._good.txt") in told
    assert told.count((Page, "a.zip!/a.jsonl")) == 3
    assert next(i for i in items if isinstance(i, Broken) and "jsonl" in i.source).record == "line 4"


def test_a_damaged_member_of_a_zip_does_not_cost_the_others(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in "abc":
            archive.writestr(f"{name}.txt", name * 10 + os.urandom(2000).hex())
        place = archive.infolist()[1].header_offset + 300
    data = bytearray(path.read_bytes())
    data[place : place + 20] = b"\xff" * 20
    pages, (broken,) = read(tmp_path, "a.zip", bytes(data))
    assert [page.source for page in pages] == ["a.zip!/a.txt", "a.zip!/c.txt"]
    assert broken.source == "a.zip!/b.txt"


@pytest.mark.parametrize(("name", "cut"), [("a.zip", 30), ("a.tar", 900), ("a.tar.gz", 40)])
def test_an_archive_that_breaks_off(tmp_path, name, cut):
    data = PACKED[name.removeprefix("a")]("page.txt", b"word " * 1000)[:-cut]
    pages, broken = read(tmp_path, name, data)
    assert broken or pages
    if name == "a.zip":
        assert "no whole zip archive" in broken[0].reason


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("part", [0.5, 0.9])
def test_a_zip_that_breaks_off_keeps_the_members_before(tmp_path, method, part):
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        for number in range(20):
            archive.writestr(
                f"{number}.txt", f"Seite {number}. " + random.Random(number).randbytes(300).hex()
            )
        archive.mkdir("folder")
    data = path.read_bytes()
    pages, broken = read(tmp_path, "a.zip", data[: int(len(data) * part)])
    whole = [f"a.zip!/{number}.txt" for number in range(len(pages))]
    assert [page.source for page in pages] == whole
    assert len(whole) in (range(8, 13) if part == 0.5 else range(15, 21))
    assert broken[0].reason.startswith("no whole zip archive")
    assert {row.source for row in broken[1:]} <= {"a.zip", f"a.zip!/{len(pages)}.txt"}


def test_where_a_broken_zip_is_given_up_is_told(tmp_path):
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in "abc":
            archive.writestr(f"{name}.txt", random.Random(name).randbytes(300).hex())
    data = bytearray(path.read_bytes()[:-60])
    data[data.index(b"b.txt") + 30] ^= 0xFF
    pages, broken = read(tmp_path, "a.zip", bytes(data))
    assert [page.source for page in pages] == ["a.zip!/a.txt"]
    assert "behind b.txt" in broken[-1].reason


def test_what_is_called_a_zip_but_is_none(tmp_path):
    assert read(tmp_path, "a.zip", b"PK\x03\x04" + b"rubbish" * 500)[0] == []


def test_a_tar_cut_in_a_member_keeps_the_members_before(tmp_path):
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w") as archive:
        for name in ("one.txt", "two.txt", "three.txt"):
            (tmp_path / name).write_text(name + " words" * 500)
            archive.add(tmp_path / name, name)
    data = path.read_bytes()
    pages, broken = read(tmp_path, "a.tar", data[: 512 * 20])
    assert [page.source for page in pages] == ["a.tar!/one.txt", "a.tar!/two.txt"]
    assert broken


# ---------------------------------------------------------------- web archives


def test_a_warc_cut_in_mid_record(tmp_path):
    data = warc(PAGES)
    pages, (broken,) = read(tmp_path, "a.warc", data[: len(data) - 60])
    assert ids(pages) == list(range(39))
    assert "ends in the middle of a record" in broken.reason
    start = data.rindex(b"WARC/1.0")
    assert broken.record == f"byte {start}"


def test_a_damaged_record_does_not_cost_its_neighbours(tmp_path):
    records = [gzip.compress(warc_record(page)) for page in PAGES]
    records[5] = records[5][:50] + b"\xff" * 30 + records[5][80:]
    pages, broken = read(tmp_path, "a.warc.gz", b"".join(records))
    assert set(range(40)) - set(ids(pages)) == {5}
    assert len(broken) == 1


@pytest.mark.parametrize("length", [b"10", b"999999999999", b"-5", b"", b"abc"])
def test_a_record_with_a_wrong_length(tmp_path, length):
    records = [warc_record(page) for page in PAGES]
    head, _, rest = records[7].partition(b"Content-Length: ")
    records[7] = head + b"Content-Length: " + length + rest[rest.index(b"\r\n") :]
    pages, broken = read(tmp_path, "a.warc", b"".join(records))
    lost = set(range(40)) - set(ids(pages))
    assert lost <= ({7} if length != b"999999999999" else set(range(7, 40)))
    assert broken


def test_responses_that_are_no_pages_are_listed(tmp_path):
    data = warc_record_of(b"gone", status="404 Not Found") + warc_record_of(
        b"\x89PNG", content_type="image/png"
    )
    path = tmp_path / "a.warc"
    path.write_bytes(data + warc_record(PAGES[0]))
    items = list(read_piece(Piece(path, "a.warc", 0, path.stat().st_size), OPTIONS))
    assert [type(item) for item in items] == [Ignored, Ignored, Page]
    assert [item.reason for item in items[:2]] == [
        "responses with HTTP status 404",
        "records of type image/png",
    ]


@pytest.mark.parametrize(
    ("http", "content", "meta"),
    [
        ("", "Größe".encode(), ""),
        ("; charset=iso-8859-1", "Größe".encode("latin-1"), "utf-8"),
        ("", "Größe".encode("cp1250"), "windows-1250"),
        ("; charset=iso-8859-1", b"\xef\xbb\xbf" + "Größe".encode(), "iso-8859-1"),
        ("; charset=iso-8859-1", "Größe".encode(), ""),
        (
            "; charset=iso-2022-jp",
            "日本 Größe".replace("ö", "o").replace("ß", "s").encode("iso-2022-jp"),
            "",
        ),
        ("; charset=no-such-thing", "Größe".encode("latin-1"), "latin1"),
    ],
)
def test_encodings_in_the_order_browsers_use(tmp_path, http, content, meta):
    mark = b"\xef\xbb\xbf" if content.startswith(b"\xef\xbb\xbf") else b""
    page = mark + f'<html><meta charset="{meta}"><p>'.encode() + content.removeprefix(mark)
    (page,), broken = read(tmp_path, "a.warc", warc_record_of(page, content_type="text/html" + http))
    assert "Größe" in page.content or "日本 Grose" in page.content
    assert not broken


@pytest.mark.parametrize("header", ["Content-Encoding: gzip\r\n", "Transfer-Encoding: chunked\r\n"])
def test_a_header_that_says_packed_where_the_crawler_unpacked(tmp_path, header):
    (page,), broken = read(tmp_path, "a.warc", warc_record_of(b"<html><p>plain</p>", http=header))
    assert ("plain" in page.content, broken) == (True, [])


def test_a_packed_response_that_is_a_bomb(tmp_path):
    bomb = warc_record_of(gzip.compress(b"<p>" + b"a" * 50_000_000), http="Content-Encoding: gzip\r\n")
    pages, (broken,) = read(tmp_path, "a.warc", bomb + warc_record(PAGES[3]))
    assert ids(pages) == [3]
    assert "max_page_bytes" in broken.reason


# ---------------------------------------------------------------- records


def test_broken_json_on_line_70_000(tmp_path):
    lines = [b'{"text": "short"}\n'] * 70_010
    lines[69_999] = b'{"text": "short"\n'
    pages, (broken,) = read(tmp_path, "a.jsonl", b"".join(lines))
    assert len(pages) == 70_009
    assert broken.record == "line 70000"
    assert f"byte {69_999 * len(lines[0])}" in broken.reason


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.csv"])
def test_a_line_of_many_gigabytes_is_never_held(tmp_path, name):
    """400 MB stand for them: the line is larger than any limit and than the memory allowed here."""
    path = tmp_path / name
    opened = gzip.open if name.endswith("gz") else open
    first = b"id,text\n1,before\n" if name == "a.csv" else b'{"text": "before"}\n'
    last = b"\n3,after\n" if name == "a.csv" else b'\n{"text": "after"}\n'
    with opened(path, "wb") as file:
        file.write(first + (b"2," if name == "a.csv" else b'{"text": "'))
        for _ in range(400):
            file.write(b"x" * 1_000_000)
        file.write(last)
    options = ReadOptions(1_000_000, 100_000, max_decompress_ratio=1e6)
    tracemalloc.start()
    items = list(read_piece(Piece(path, name, 0, path.stat().st_size), options))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [item.content if isinstance(item, Page) else item.record for item in items] == [
        "before",
        "line 3" if name == "a.csv" else "line 2",
        "after",
    ]
    assert peak < 60_000_000


def test_a_text_beyond_max_page_bytes(tmp_path):
    lines = b'{"text": "%s"}\n{"text": "%s"}\n' % (b"a " * 150, b"\\u00e4" * 150)
    pages, broken = read(tmp_path, "a.jsonl", lines, ReadOptions(300, 5000))
    assert (len(pages), broken) == (2, [])
    pages, broken = read(tmp_path, "a.jsonl", lines, ReadOptions(200, 5000))
    assert [item.record for item in broken] == ["line 1", "line 2"]


def test_nul_bytes_and_halves_of_characters(tmp_path):
    lines = [
        b'{"text": "a\\u0000b"}',
        b'{"text": "half \\ud800"}',
        b'{"text": "raw \x00 nul"}',
        b'{"text": "\xff\xfe\xfd"}',
    ]
    pages, broken = read(tmp_path, "a.jsonl", b"\n".join(lines))
    assert [page.content for page in pages[:2]] == ["a\0b", "half \ufffd"]
    assert len(pages) + len(broken) == 4


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "utf-32"])
@pytest.mark.parametrize("name", ["a.jsonl", "a.csv"])
def test_tables_in_other_encodings(tmp_path, name, encoding):
    rows = jsonl(TEXTS[:5]) if name == "a.jsonl" else csv_file(TEXTS[:5])
    pages, broken = read(tmp_path, name, rows.decode().encode(encoding))
    assert ([page.content for page in pages], broken) == ([record["text"] for record in TEXTS[:5]], [])


def test_an_open_quotation_mark_does_not_swallow_a_csv(tmp_path):
    lines = csv_file([{"id": str(n), "text": f"row {n}"} for n in range(50)]).splitlines(keepends=True)
    lines[10] = b'9,"never closed\r\n'
    pages, broken = read(tmp_path, "a.csv", b"".join(lines))
    assert set(range(50)) - set(ids(pages)) <= {9, 10}
    assert broken


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_other_delimiters(tmp_path, delimiter):
    data = f'id{delimiter}text\n1{delimiter}"eins, zwei\nund drei"\n'.encode()
    (page,), broken = read(tmp_path, "a.csv", data)
    assert (page.content, page.record_id, broken) == ("eins, zwei\nund drei", "1", [])


# ---------------------------------------------------------------- Parquet


def test_a_parquet_file_without_its_footer(tmp_path):
    pages, (broken,) = read(tmp_path, "a.parquet", parquet(TEXTS)[:-30])
    assert not pages
    assert "not readable as Parquet" in broken.reason
    assert "footer" in broken.remedy


def test_a_damaged_row_group_does_not_cost_the_others(tmp_path):
    noise = [{"id": str(n), "text": os.urandom(300).hex()} for n in range(100)]
    path = tmp_path / "x.parquet"
    path.write_bytes(parquet(noise, rows_a_group=20))
    place = pq.ParquetFile(path).metadata.row_group(2).column(1).data_page_offset
    data = bytearray(path.read_bytes())
    data[place + 10 : place + 400] = b"\xff" * 390
    pages, broken = read(tmp_path, "a.parquet", bytes(data))
    assert ids(pages) == [*range(40), *range(60, 100)]
    assert [item.record for item in broken] == ["row 41"]


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"title": ["a"], "lang": ["de"]}, "no text: its keys are lang, title"),
        ({"text": [1]}, "'text' is a int, not a string"),
        ({"text": [["a", "b"]]}, "'text' is a list, not a string"),
        ({"text": pa.array([None], pa.string())}, "'text' is null"),
    ],
)
def test_missing_columns_and_wrong_types(tmp_path, columns, reason):
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table(columns), path)
    pages, (broken,) = read(tmp_path, "a.parquet", path.read_bytes())
    assert not pages
    assert reason in broken.reason


# ---------------------------------------------------------------- files


def test_a_hundred_thousand_empty_files(tmp_path):
    """No step may take time that grows with the square of their number; a tenth of them stands here."""
    folder = tmp_path / "many"
    folder.mkdir()
    for n in range(10_000):
        (folder / f"{n}.txt").touch()
    (folder / "good.txt").write_text("gut")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    inputs = find_inputs([str(folder)], 16_000_000)
    spent = resource.getrusage(resource.RUSAGE_SELF).ru_utime - before
    assert len(inputs.broken) == 10_000
    assert [piece.source for shard in inputs.shards for piece in shard.pieces] == [f"{folder}/good.txt"]
    assert spent < 60


def test_names_within_archives_that_are_not_utf8(tmp_path):
    data = tarred("grüße.txt", b"Text")
    broken_name = data.replace("grüße.txt".encode(), b"gr\xfc\xdfe.txt\0\0")
    header = bytearray(broken_name[:512])
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    (page,), broken = read(tmp_path, "a.tar", bytes(header) + broken_name[512:])
    assert (page.source, broken) == ("a.tar!/gr\\udcfc\\udcdfe.txt", [])


def test_a_file_packed_again_and_named_otherwise(tmp_path):
    pages, broken = read(tmp_path, "a.jsonl", gzip.compress(zstd.compress(jsonl(TEXTS))))
    assert (len(pages), broken) == (400, [])


def test_columns_by_setting(tmp_path):
    from reinschrift.flows.readers import Columns

    line = json.dumps(
        {"inhalt": "Der Text", "text": "not this", "meta": {"adresse": "https://a.org"}}
    ).encode()
    options = ReadOptions(1000, 1000, columns=Columns((("text", "inhalt"), ("url", "meta.adresse"))))
    (page,), _ = read(tmp_path, "a.jsonl", line, options)
    assert (page.content, page.url) == ("Der Text", "https://a.org")
    options = ReadOptions(1000, 1000, columns=Columns((("text", "inhlt"),)))
    _, (broken,) = read(tmp_path, "a.jsonl", line, options)
    assert "no column 'inhlt'" in broken.reason
    assert "did you mean inhalt?" in broken.remedy


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("2023-05-01", "2023-05-01T00:00:00Z"),
        ("2023-05-01T02:00:00+02:00", "2023-05-01T00:00:00Z"),
        ("20230501000000", "2023-05-01T00:00:00Z"),
        (1682899200, "2023-05-01T00:00:00Z"),
        (1682899200000, "2023-05-01T00:00:00Z"),
        ("1682899200", "2023-05-01T00:00:00Z"),
        ("Mon, 01 May 2023 00:00:00 GMT", "2023-05-01T00:00:00Z"),
        ("yesterday", None),
        (float("inf"), None),
        ([1], None),
        (True, None),
        (10**30, None),
    ],
)
def test_dates_are_iso_8601_in_utc(tmp_path, given, told):
    (page,), _ = read(tmp_path, "a.jsonl", json.dumps({"text": "a", "date": given}).encode())
    assert page.fetched_at == told


@pytest.mark.parametrize("shard_bytes", [300, 2_000, 50_000])
@pytest.mark.parametrize(
    ("name", "make", "may_be_cut"),
    [
        ("a.jsonl", lambda: jsonl(TEXTS), True),
        ("a.warc", lambda: warc(PAGES * 5), True),
        ("a.warc.gz", lambda: warc_gz(PAGES * 5), True),
        ("a.warc.gz", lambda: gzip.compress(warc(PAGES * 5)), False),
        ("a.warc.gz", lambda: warc_gz(PAGES * 5)[:-50], False),
        ("a.warc", lambda: warc(PAGES * 5).replace(b"WARC/1.0", b"JUNK/1.0", 1), False),
        (
            "a.warc.wet.zst",
            lambda: b"".join(zstd.compress(warc_record(r, "conversion")) for r in TEXTS),
            True,
        ),
        ("a.jsonl", lambda: jsonl(TEXTS).decode().encode("utf-16"), False),
    ],
)
def test_pieces_make_the_same_pages_as_the_whole(tmp_path, name, make, may_be_cut, shard_bytes):
    path = tmp_path / name
    path.write_bytes(make())
    cut = find_inputs([str(path)], shard_bytes)
    items = [
        item for shard in cut.shards for piece in shard.pieces for item in read_piece(piece, OPTIONS)
    ]
    whole = list(read_piece(Piece(path, str(path), 0, path.stat().st_size), OPTIONS))
    assert items == whole
    assert cut.digest == find_inputs([str(path)], 10**9).digest
    assert len(cut.shards) > 1 or shard_bytes > 2000 or not may_be_cut
