import gzip
import json

import pytest

from reinschrift.flows.readers import Broken, Page, Piece, ReadOptions, read_piece
from reinschrift.flows.readers.decoding import NotTextError, decode

LIMITS = ReadOptions(max_page_bytes=1_000_000, max_line_chars=10_000)


def read(tmp_path, name, data, limits=LIMITS):
    path = tmp_path / name
    path.write_bytes(data)
    return list(read_piece(Piece(path, name, 0, len(data)), limits))


@pytest.mark.parametrize(
    ("data", "text", "encoding"),
    [
        ("Grüße".encode(), "Grüße", "utf-8"),
        ("Grüße".encode("utf-8-sig"), "Grüße", "utf-8"),
        ("Grüße an alle".encode("utf-16"), "Grüße an alle", "utf-16"),
        ("Grüße an alle".encode("utf-16-le"), "Grüße an alle", "utf-16-le"),
        ("Grüße an alle".encode("utf-16-be"), "Grüße an alle", "utf-16-be"),
        ("Grüße".encode("utf-32"), "Grüße", "utf-32"),
        (
            "Grüße aus Köln, schöne Stadt".encode("latin-1"),
            "Grüße aus Köln, schöne Stadt",
            "windows-1252",
        ),
        ("Größe über".encode() + b" \x96 ", "Größe über – ", "utf-8 with bytes of windows-1252"),
    ],
)
def test_encodings(data, text, encoding):
    assert decode(data) == (text, encoding)


def test_html_says_its_own_encoding():
    html = '<meta charset="iso-8859-2"><p>Žluťoučký'.encode("iso-8859-2")
    assert decode(html, is_html=True)[0].endswith("Žluťoučký")


@pytest.mark.parametrize("data", [bytes(range(256)) * 20, b"\x89PNG\r\n\x1a\n" + b"\x00\x01\x02" * 500])
def test_binary_is_no_text(data):
    with pytest.raises(NotTextError):
        decode(data)


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.txt", b" \n\t ", "empty"),
        ("a.txt", bytes(range(256)) * 20, "binary"),
        ("a.txt", b"x" * 20_000, "max_line_chars"),
        ("a.txt", b"x\n" * 600_000, "max_page_bytes"),
    ],
)
def test_what_cannot_be_read_says_why(tmp_path, name, data, reason):
    (item,) = read(tmp_path, name, data)
    assert isinstance(item, Broken)
    assert reason in item.reason
    assert item.remedy


LINES = [
    (json.dumps({"id": 7, "url": "https://a.org/x", "text": "Seven"}), "Seven"),
    ("{broken", "line 2: not valid JSON"),
    ("", None),
    (json.dumps({"id": "b", "html": "<p>B"}), "<p>B"),
    (json.dumps([1]), "line 5: not a JSON object"),
    (json.dumps({"id": "c", "teaser": "C"}), "line 6: no text: its keys are id, teaser"),
    ('{"text": "half \\ud800 pair"}', "half \ufffd pair"),
    ("[" * 100_000, "line 8: not valid JSON"),
    ('{"text": ' + "9" * 5000 + "}", "line 9: not valid JSON"),
    (json.dumps({"text": "last"}), "last"),
]


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
def test_good_records_survive_the_bad_around_them(tmp_path, name):
    data = "\n".join(line for line, _ in LINES).encode()
    items = read(tmp_path, name, gzip.compress(data) if name.endswith("gz") else data)
    told = [i.content if isinstance(i, Page) else f"{i.record}: {i.reason}" for i in items]
    wanted = [text for _, text in LINES if text]
    assert len(told) == len(wanted)
    assert all(said.startswith(want) for said, want in zip(told, wanted, strict=True))
    assert (items[0].record_id, items[0].url) == ("7", "https://a.org/x")


def test_a_cut_gzip_gives_what_stood_before_the_cut(tmp_path):
    lines = b"\n".join(json.dumps({"text": f"page {n} " * 50}).encode() for n in range(500))
    *pages, broken = read(tmp_path, "a.jsonl.gz", gzip.compress(lines)[:-2000])
    assert len(pages) > 10
    assert "breaks off" in broken.reason


def test_a_record_too_large_is_skipped_without_being_held(tmp_path):
    limits = ReadOptions(max_page_bytes=100, max_line_chars=10_000)
    data = b'{"text": "' + b"x" * 5000 + b'"}\n{"text": "small"}\n'
    big, small = read(tmp_path, "a.jsonl", data, limits)
    assert (big.record, small.content) == ("line 1", "small")
