"""WARC records with wrong lengths and odd headers, against a slow oracle of which records are whole."""

import gzip
import random
import re
import resource
import tracemalloc
import zlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reinschrift.flows.readers import Broken, Ignored, Page, Piece, ReadOptions, read_piece
from reinschrift.flows.readers.warc_records import MIN_WINDOW_BYTES
from reinschrift.flows.sources.inputs import find_inputs
from tests.fuzz.laws import check_warc
from tests.made import html_record, text_record, warc_record, warc_record_of

OPTIONS = ReadOptions(max_page_bytes=1_000_000, max_line_chars=100_000)
PAGES = [html_record(n) for n in range(12)]
RECORDS = [warc_record(page) for page in PAGES]
QUOTE = (
    b"<html><body><p>Ein Beispiel:</p><pre>\r\n\r\nWARC/1.0\r\nWARC-Type: response\r\n"
    b"WARC-Record-ID: <urn:x:77>\r\nContent-Length: 5\r\n\r\nHallo\r\n\r\n</pre></body></html>"
)


def read(folder, data, name="a.warc", options=OPTIONS):
    path = folder / name
    path.write_bytes(data)
    items = list(read_piece(Piece(path, name, 0, len(data)), options))
    assert all(item.reason and item.remedy for item in items if isinstance(item, Broken))
    return [item for item in items if isinstance(item, Page)], [
        item for item in items if isinstance(item, Broken)
    ]


def ids(pages):
    return [int(page.record_id.removeprefix("urn:x:")) for page in pages]


def with_length(record, change):
    """The record with another Content-Length: what `change` makes of the right one."""
    return re.sub(
        rb"Content-Length: (\d+)", lambda m: b"Content-Length: %s" % change(int(m[1])), record, count=1
    )


def longer(by):
    return lambda length: b"%d" % (length + by)


def next_records(count):
    return sum(map(len, RECORDS[6 : 6 + count]))


WRONG = {
    "10 MB": longer(10_000_000),
    "beyond all bounds": lambda _: b"9" * 18,
    "three records": longer(next_records(3)),
    "three records and the blank line": longer(next_records(3) + 4),
    "three records but for a byte": longer(next_records(3) - 1),
    "all that follow": longer(next_records(6)),
    "into the header of a later record": longer(next_records(2) + 50),
    "400 bytes": longer(400),
    "7 bytes": longer(7),
    "5 bytes": longer(5),
    "too short by 1": longer(-1),
    "too short by 30": longer(-30),
    "nothing": lambda _: b"0",
    "not a number": lambda _: b"abc",
    "negative": lambda _: b"-5",
    "empty": lambda _: b"",
}


def packed(records):
    return b"".join(gzip.compress(record, mtime=0) for record in records)


@pytest.mark.parametrize("name", ["a.warc", "a.warc.gz", "whole.warc.gz"])
@pytest.mark.parametrize("kind", ["response", "request", "metadata", "conversion"])
@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_length_costs_no_other_record(tmp_path, name, kind, wrong):
    records = [*RECORDS]
    made = warc_record(PAGES[5] if kind != "conversion" else text_record(5), kind)
    records[5] = with_length(made, WRONG[wrong])
    plain = b"".join(records)
    data = {"a.warc": plain, "a.warc.gz": packed(records)}.get(name) or gzip.compress(plain)
    pages, broken = read(tmp_path, data, name)
    assert [n for n in ids(pages) if n != 5] == [n for n in range(12) if n != 5]
    assert not any("WARC/1.0" in page.content for page in pages)
    assert broken[0].record == f"byte {plain.index(records[5])}"
    assert len(broken) == 1


def test_a_length_within_the_line_ends_behind_a_record_costs_nothing(tmp_path):
    for by in range(1, 5):
        data = b"".join([*RECORDS[:5], with_length(RECORDS[5], longer(by)), *RECORDS[6:]])
        pages, broken = read(tmp_path, data)
        assert (ids(pages), broken) == (list(range(12)), [])


def test_many_wrong_lengths_cost_only_themselves(tmp_path):
    records = [
        with_length(record, longer(10_000_000)) if n % 2 else record for n, record in enumerate(RECORDS)
    ]
    pages, broken = read(tmp_path, b"".join(records))
    assert ids(pages) == list(range(0, 12, 2))
    assert len(broken) == 6


@pytest.mark.parametrize("length", [0, 100, 7_000_000])
def test_a_page_that_quotes_a_record_stays_whole(tmp_path, length):
    page = QUOTE.replace(b"Ein", b"Ein " + b"langes " * (length // 7))
    record = warc_record_of(page, "50")
    options = ReadOptions(max_page_bytes=20_000_000, max_line_chars=20_000_000)
    pages, broken = read(tmp_path, RECORDS[0] + record + RECORDS[1], options=options)
    assert (ids(pages), broken) == ([0, 50, 1], [])
    assert "WARC/1.0" in pages[1].content


@pytest.mark.parametrize(
    "content",
    [
        b"".join(RECORDS[:3]),
        b"".join(RECORDS[:3]).replace(b"\r\n", b"\n"),
        QUOTE + b"\r\n\r\nWARC/1.0\r\nWARC-Type: response\r\nContent-Length: 900\r\n\r\n",
    ],
)
def test_a_page_that_is_a_warc_itself_stays_whole(tmp_path, content):
    record = warc_record_of(content, "50", content_type="text/plain")
    pages, broken = read(tmp_path, RECORDS[3] + record + RECORDS[4])
    assert (ids(pages), broken) == ([3, 50, 4], [])
    assert pages[1].content == content.decode()


def test_the_length_in_http_decides_where_a_quoted_record_ends_with_its_page(tmp_path):
    content = QUOTE[: QUOTE.index(b"\r\n\r\n</pre>")]
    length = f"Content-Length: {len(content)}\r\n"
    for http, wanted in ((length, [0, 50, 1]), ("", [0, 1])):
        record = warc_record_of(content, "50", http=http)
        pages, broken = read(tmp_path, RECORDS[0] + record + RECORDS[1])
        assert [page.record_id for page in pages] == [f"urn:x:{n}" for n in wanted]
        assert [row.record for row in broken] == ([] if http else [f"byte {len(RECORDS[0])}"])


def lower_names(record):
    head, blank, rest = record.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    names = [b":".join([line.partition(b":")[0].lower(), line.partition(b":")[2]]) for line in lines[1:]]
    return b"\r\n".join([lines[0], *names]) + blank + rest


ODD = {
    "lower-case names": lower_names,
    "lower-case version": lambda r: r.replace(b"WARC/1.0", b"warc/1.0", 1),
    "upper-case names": lambda r: r.replace(b"Content-Length", b"CONTENT-LENGTH", 1),
    "version 1.1": lambda r: r.replace(b"WARC/1.0", b"WARC/1.1", 1),
    "version 0.18": lambda r: r.replace(b"WARC/1.0", b"WARC/0.18", 1),
    "blank before a colon": lambda r: r.replace(b"Content-Length:", b"Content-Length :", 1),
    "no blank after a colon": lambda r: r.replace(b": ", b":", 5),
    "a length twice": lambda r: re.sub(rb"(Content-Length: \d+\r\n)", rb"\1\1", r, count=1),
    "a wrong length first": lambda r: r.replace(
        b"Content-Length:", b"Content-Length: 7\r\nContent-Length:", 1
    ),
    "a wrong length last": lambda r: re.sub(
        rb"(Content-Length: \d+\r\n)", rb"\1Content-Length: 99999\r\n", r, count=1
    ),
    "no blank line behind": lambda r: r[:-4],
    "one line end behind": lambda r: r[:-2],
    "many line ends behind": lambda r: r + b"\r\n" * 500,
    "bare line feeds in the header": lambda r: r.replace(b"\r\n", b"\n", 6).replace(
        b"\r\n\r\n", b"\n\r\n", 1
    ),
    "a folded field": lambda r: r.replace(b"WARC-Date:", b"X-Note: one\r\n two\r\nWARC-Date:", 1),
    "a field that is no text": lambda r: r.replace(b"WARC-Date:", b"X-\xff: \xfe\r\nWARC-Date:", 1),
}


@pytest.mark.parametrize("odd", ODD)
def test_odd_headers_cost_nothing(tmp_path, odd):
    records = [ODD[odd](record) for record in RECORDS]
    pages, broken = read(tmp_path, b"".join(records))
    assert (ids(pages), broken) == (list(range(12)), [])
    assert pages[3].url == "https://example.org/3"
    assert pages[3].fetched_at == "2023-05-01T00:00:00Z"
    pages, broken = read(tmp_path, packed(records), "a.warc.gz")
    assert (ids(pages), broken) == (list(range(12)), [])


def test_bare_line_feeds_throughout(tmp_path):
    records = []
    for number in range(3):
        body = b"HTTP/1.1 200 OK\nContent-Type: text/html\n\n<html><p>Seite %d</p></html>" % number
        head = b"WARC/1.0\nWARC-Type: response\nWARC-Record-ID: <urn:x:%d>\nContent-Length: %d\n\n"
        records.append(head % (number, len(body)) + body + b"\n\n")
    pages, broken = read(tmp_path, b"".join(records))
    assert (ids(pages), broken) == ([0, 1, 2], [])


def test_a_record_without_a_type_is_reported_and_one_of_another_type_listed(tmp_path):
    untyped = RECORDS[1].replace(b"WARC-Type: response\r\n", b"", 1)
    other = RECORDS[2].replace(b"WARC-Type: response", b"WARC-Type: screenshot", 1)
    path = tmp_path / "a.warc"
    path.write_bytes(RECORDS[0] + untyped + other + RECORDS[3])
    first, broken, ignored, last = read_piece(Piece(path, "a", 0, path.stat().st_size), OPTIONS)
    assert ids([first, last]) == [0, 3]
    assert "without a WARC-Type" in broken.reason
    assert ignored == Ignored("a", "records of the WARC-Type screenshot")


def test_a_record_cut_off_and_the_next_begun_in_its_middle(tmp_path):
    for cut in (20, 100, 250, len(RECORDS[5]) - 30):
        pages, broken = read(tmp_path, b"".join([*RECORDS[:5], RECORDS[5][:cut], *RECORDS[6:]]))
        assert ids(pages) == [n for n in range(12) if n != 5]
        assert len(broken) == 1


def raw_deflate(data):
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize(
    ("coding", "pack"),
    [
        ("deflate", raw_deflate),
        ("deflate", zlib.compress),
        ("x-gzip", gzip.compress),
        ("X-GZip", gzip.compress),
        ("deflate", bytes),  # unpacked by the crawler
        ("x-gzip", bytes),
    ],
)
def test_content_codings(tmp_path, coding, pack):
    page = "<html><p>Größe und Content-Encoding: x-gzip als Text</p></html>".encode()
    record = warc_record_of(pack(page), http=f"Content-Encoding: {coding}\r\n")
    (page_read, _), broken = read(tmp_path, record + RECORDS[1])
    assert (page_read.content, broken) == (page.decode(), [])


def test_a_deflated_bomb(tmp_path):
    record = warc_record_of(
        raw_deflate(b"<p>" + bytes(50_000_000)), http="Content-Encoding: deflate\r\n"
    )
    pages, (broken,) = read(tmp_path, record + RECORDS[1])
    assert ids(pages) == [1]
    assert "max_page_bytes" in broken.reason


@pytest.mark.parametrize("by", [0, 50, 30_000_000])
def test_a_record_larger_than_the_window(tmp_path, by):
    """Its end is known only far behind it, and it holds what looks like a header."""
    noise = random.Random(1).randbytes(MIN_WINDOW_BYTES + 3_000_000)
    large = warc_record_of(noise + QUOTE + noise, "50", content_type="video/mp4")
    data = RECORDS[0] + with_length(large, longer(by)) + RECORDS[1] + RECORDS[2]
    tracemalloc.start()
    pages, broken = read(tmp_path, data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [n for n in ids(pages) if n != 77] == [0, 1, 2]
    assert "byte" in broken[0].record
    assert peak < 4 * MIN_WINDOW_BYTES


NESTED = b"\r\n\r\nWARC/1.0\r\nWARC-Type: x\r\nContent-Length: %8d\r\n\r\n"
NESTED_BYTES = len(NESTED % 1)


def cpu_seconds(data, tmp_path):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    read(tmp_path, data)
    return resource.getrusage(resource.RUSAGE_SELF).ru_utime - before


@pytest.mark.parametrize(
    "damaged",
    [
        lambda n: with_length(RECORDS[5], longer(1_000_000)) * n,
        lambda n: b"WARC/1.0\r\na:\r\n" * 4 * n,
        lambda n: b"WARC/1.0\r\nWARC-Type: x\r\nContent-Length: 9\r\n" * 2 * n,
        lambda n: b"".join(NESTED % (NESTED_BYTES * (2 * n - at)) for at in range(2 * n)),
        lambda n: b"\r\n" * 100 * n,
        lambda n: (b"WARC/1.0\r\nWARC-Type: x\r\nContent-Length: 70\r\n\r\n") * 2 * n,
    ],
)
def test_time_grows_no_faster_than_the_file(tmp_path, damaged):
    small, large = cpu_seconds(damaged(1_000), tmp_path), cpu_seconds(damaged(8_000), tmp_path)
    assert large < 8 * 3 * small + 0.3


# ---------------------------------------------------------------- against the oracle

SMALL = b"".join(
    [
        warc_record_of(b"software: x", "100", "warcinfo"),
        warc_record_of(b"GET / HTTP/1.1\r\n\r\n", "101", "request"),
        warc_record_of(b"<p>Eins</p>", "1"),
        warc_record_of(QUOTE, "2"),
        warc_record_of(b"Drei", "3", "conversion"),
    ]
)


def test_a_file_cut_off_at_every_byte(tmp_path):
    for cut in range(len(SMALL)):
        check_warc(SMALL[:cut], tmp_path)


def test_a_file_that_lacks_bytes_at_every_place(tmp_path):
    for place in range(0, len(SMALL), 3):
        check_warc(SMALL[:place] + SMALL[place + 5 :], tmp_path)


edits = st.lists(
    st.tuples(
        st.floats(0, 1),
        st.integers(0, 60),
        st.sampled_from(
            [
                b"", b"\r\n", b"\r\n\r\n", b"\n\n", b"0", b"1", b"9", b"WARC/1.0\r\n", b"warc/1.1\nx: y\n",
                b"Content-Length: 30\r\n", b"WARC-Type: response\r\n", RECORDS[8], RECORDS[9][:120], RECORDS[9][:-9],
            ]
        ),
    ),
    max_size=5,
)  # fmt: skip
lengths = st.lists(
    st.tuples(st.integers(0, 5), st.integers(-300, 1500) | st.sampled_from([0, 10**7, 10**17])),
    max_size=3,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edits=edits, lengths=lengths)
def test_what_the_oracle_finds_whole_is_there(tmp_path, edits, lengths):
    records = [*RECORDS[:3], warc_record_of(QUOTE, "50"), warc_record(PAGES[4], "request"), RECORDS[5]]
    for number, by in lengths:
        records[number] = with_length(records[number], longer(by))
    data = b"".join(records)
    for place, size, put in edits:
        at = int(place * len(data))
        data = data[:at] + put + data[at + size :]
    check_warc(data, tmp_path)


@pytest.mark.parametrize("shard_bytes", [300, 1500])
@pytest.mark.parametrize("wrong", [*WRONG, None])
@pytest.mark.parametrize("name", ["a.warc", "a.warc.gz"])
def test_pieces_of_a_damaged_file_make_the_whole(tmp_path, name, wrong, shard_bytes):
    records = [*RECORDS]
    if wrong:
        records[5] = with_length(records[5], WRONG[wrong])
    path = tmp_path / name
    path.write_bytes(b"".join(records) if name == "a.warc" else packed(records))
    shards = find_inputs([str(path)], shard_bytes).shards
    cut = [item for s in shards for piece in s.pieces for item in read_piece(piece, OPTIONS)]
    assert cut == list(read_piece(Piece(path, str(path), 0, path.stat().st_size), OPTIONS))
    assert wrong or len(shards) > 1
