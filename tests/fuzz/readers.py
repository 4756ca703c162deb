"""What must hold of every reader whatever the bytes, for Hypothesis and for atheris.

Of WARC, CSV and Parquet also: what an oracle of its own finds whole is a page or named (`laws.py`).
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from reinschrift.flows.readers import Broken, Ignored, Item, Page, Piece, ReadOptions, read_piece
from reinschrift.flows.sources.inputs import find_inputs
from tests.fuzz.laws import check_csv, check_parquet, check_warc
from tests.made import (
    PACKED,
    csv_file,
    html_record,
    jsonl,
    parquet,
    text_record,
    warc,
    warc_gz,
)

NAMES = (
    "a.txt", "a.md", "a.html", "a.jsonl", "a.csv", "a.tsv", "a.parquet", "a.warc", "a.wet", "a.zip", "a.tar",
    "a.json", "a.jsonl.gz", "a.jsonl.zst", "a.csv.bz2", "a.warc.xz", "a.warc.gz", "a.tar.gz", "a.parquet.gz", "a",
)  # fmt: skip
OPTIONS = ReadOptions(max_page_bytes=50_000, max_line_chars=20_000)
SHARD_BYTES = 100
LAWS = {"a.warc": check_warc, "a.wet": check_warc, "a.csv": check_csv, "a.parquet": check_parquet}
MAX_ITEMS = 100_000


def seeds() -> dict[str, bytes]:
    """A sound file of every name."""
    texts, pages = [text_record(n) for n in range(4)], [html_record(n) for n in range(3)]
    plain = {
        "txt": b"Ein Text.\nUnd mehr.", "md": b"# Title\n\nText", "html": str(pages[0]["html"]).encode(),
        "json": json.dumps(texts, indent=1).encode(), "jsonl": jsonl(texts), "csv": csv_file(texts), "tsv": csv_file(texts).replace(b",", b"\t"),
        "parquet": parquet(texts), "warc": warc(pages), "wet": warc(texts, "conversion"),
    }  # fmt: skip
    made = {}
    for name in NAMES:
        form, *packing = name.removeprefix("a").removeprefix(".").split(".")
        if form in ("zip", "tar"):
            made[name] = PACKED[f".{'.'.join([form, *packing])}"]("in.jsonl", plain["jsonl"])
        elif packing:
            made[name] = PACKED[f".{packing[0]}"]("", plain[form])
        else:
            made[name] = plain.get(form, plain["jsonl"])
    made["a.warc.gz"] = warc_gz(pages)
    return made


def check_reader(name: str, data: bytes) -> list[Item]:
    """Read the bytes under this name: it ends, every item says what it is, pieces make the whole."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(data)
        whole = read(Piece(path, str(path), 0, len(data)))
        found = find_inputs([str(path)], SHARD_BYTES, OPTIONS.max_decompress_ratio)
        if found.shards:
            pieces = [item for shard in found.shards for piece in shard.pieces for item in read(piece)]
            empty = Ignored(str(path), "files without a page")
            assert [item for item in pieces if item != empty] == [i for i in whole if i != empty]
        assert found.broken or whole or not data
        if name in LAWS:
            LAWS[name](data, Path(folder))
    return whole


def read(piece: Piece) -> list[Item]:
    items = []
    for item in read_piece(piece, OPTIONS):
        assert isinstance(item, Page | Broken | Ignored)
        if isinstance(item, Page):
            assert item.content.strip()
            assert item.format in ("text", "html")
            assert item.position >= 0
            told = (item.content, item.record_id, item.url, item.title, item.fetched_at, item.encoding)
            "".join(text or "" for text in told).encode("utf-8")
            assert len(item.content) <= OPTIONS.max_page_bytes * 2
        else:
            assert item.reason
        if isinstance(item, Broken):
            assert item.remedy
        items.append(item)
        assert len(items) < MAX_ITEMS
    return items
