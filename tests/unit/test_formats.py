"""Every format in every packing, and the tables of docs/formats.md.

python -m tests.unit.test_formats prints the table that the page must have.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest

from reinschrift.flows.readers import Broken, Page, Piece, ReadOptions, read_piece
from tests.made import (
    PACKED,
    csv_file,
    html_record,
    jsonl,
    parquet,
    text_record,
    warc,
)

OPTIONS = ReadOptions(max_page_bytes=1_000_000, max_line_chars=10_000)
N = 20


def _broken_jsonl():
    lines = jsonl([text_record(n) for n in range(N)]).splitlines(keepends=True)
    lines[6], lines[13] = b'{"id": 6, "text": "cut o\n', b'{"id": 13, "text": 13}\n'
    return b"".join(lines)


def _broken_json():
    records = json.dumps([text_record(n) for n in range(N)], indent=2).encode()
    return records.replace(b'"id": "6"', b'"id": "6" 6').replace(b'"id": "13"', b'"id": "13",')


def _broken_csv():
    records = [text_record(n) for n in range(N)]
    records[4]["text"] = ""
    lines = csv_file(records)
    return lines.replace(b"\r\n7,", b"\r\n7,too,many,fields,")


def _broken_parquet():
    records = [text_record(n) for n in range(N)]
    records[3]["text"] = None
    return parquet(records)


def _broken_warc(kind, make):
    data = warc([make(n) for n in range(N)], kind)
    return data.replace(
        b"WARC/1.0\r\nWARC-Type: %s\r\nWARC-Record-ID: <urn:x:9>" % kind.encode(), b"junk"
    )


CASES = {
    "txt": (text_record(1)["text"].encode(), 1, "page.txt"),
    "md": (b"# Title\n\n" + text_record(1)["text"].encode(), 1, "page.md"),
    "html": (html_record(1)["html"].encode(), 1, "page.html"),
    "jsonl": (_broken_jsonl(), N, "pages.jsonl"),
    "ndjson": (jsonl([html_record(n) for n in range(N)]), N, "pages.ndjson"),
    "json": (_broken_json(), N, "pages.json"),
    "csv": (_broken_csv(), N, "pages.csv"),
    "parquet": (_broken_parquet(), N, "pages.parquet"),
    "warc": (_broken_warc("response", html_record), N, "pages.warc"),
    "wet": (_broken_warc("conversion", text_record), N, "pages.warc.wet"),
}


def read(folder, name, data, options=OPTIONS):
    path = Path(folder, name)
    path.write_bytes(data)
    return list(read_piece(Piece(path, name, 0, len(data)), options))


def packed_name(name, packing):
    return name.rsplit(".", 1)[0] + packing if packing in (".zip", ".tar", ".tar.gz") else name + packing


def outcome(folder, form, packing):
    data, records, name = CASES[form]
    items = read(folder, packed_name(name, packing), PACKED[packing](name, data))
    pages = sum(isinstance(item, Page) for item in items)
    return records, pages, sum(isinstance(item, Broken) for item in items)


def table(folder):
    rows = ["| format | in | " + " | ".join(f"`{p}`" if p else "plain" for p in PACKED) + " |"]
    rows.append("|---|---:|" + "---:|" * len(PACKED))
    for form, (_, records, _) in CASES.items():
        cells = [
            f"{pages} + {broken}" for _, pages, broken in (outcome(folder, form, p) for p in PACKED)
        ]
        rows.append(f"| {form} | {records} | " + " | ".join(cells) + " |")
    return "\n".join(rows)


def test_the_table_of_the_docs_is_what_the_readers_do(tmp_path):
    docs = (Path(__file__).parents[2] / "docs/formats.md").read_text(encoding="utf-8")
    assert table(tmp_path) in docs


@pytest.mark.parametrize("packing", PACKED)
@pytest.mark.parametrize("form", CASES)
def test_every_record_is_a_page_or_a_row_of_the_quarantine(tmp_path, form, packing):
    records, pages, broken = outcome(tmp_path, form, packing)
    assert pages + broken == records
    assert pages >= records - 2


@pytest.mark.parametrize("form", CASES)
def test_packing_changes_nothing_but_the_source(tmp_path, form):
    data, _, name = CASES[form]
    told = []
    for packing in PACKED:
        items = read(tmp_path, packed_name(name, packing), PACKED[packing](name, data))
        told.append(
            [
                (i.position, i.content, i.format, i.record_id, i.url, i.fetched_at)
                for i in items
                if isinstance(i, Page)
            ]
        )
    assert all(pages == told[0] for pages in told)


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet", "warc", "wet", "html"])
@pytest.mark.parametrize("packing", ["", ".gz", ".zip"])
def test_content_tells_the_type_where_the_name_lies(tmp_path, form, packing):
    data, _, name = CASES[form]
    honest = read(tmp_path, packed_name(name, packing), PACKED[packing](name, data))
    if form == "csv":  # nothing but its name says what it is
        return
    lying = read(tmp_path, "lie.txt", PACKED[packing]("inner.txt", data))
    assert [i.content for i in honest if isinstance(i, Page)] == [
        i.content for i in lying if isinstance(i, Page)
    ]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        print(table(place))  # noqa: T201
