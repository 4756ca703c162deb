"""Parts are made by slices; where these end changes nothing."""

import polars as pl
import pytest

from reinschrift.flows.stages import assemble as publish
from tests.conftest import clean, file_hashes
from tests.made import jsonl, text_record


def index(shards, chars):
    return pl.DataFrame({"shard": shards, "n_chars_read": chars})


@pytest.mark.parametrize(
    ("shards", "chars", "slices"),
    [
        ([0, 0, 1, 1], [3, 3, 3, 3], [4]),
        ([0, 0, 1, 1], [6, 6, 6, 6], [2, 2]),
        ([0, 0, 1, 2], [30, 30, 1, 1], [2, 2]),
        ([5], [0], [1]),
    ],
)
def test_slices_are_whole_shards(monkeypatch, shards, chars, slices):
    monkeypatch.setattr(publish, "SLICE_CHARS", 13)
    assert [part.height for part in publish._slices(index(shards, chars))] == slices


def test_where_slices_end_changes_no_byte(monkeypatch, tmp_path):
    (tmp_path / "pages.jsonl").write_bytes(jsonl([text_record(n % 17) for n in range(40)]))
    hashes = []
    for chars in (1, 10_000_000):
        monkeypatch.setattr(publish, "SLICE_CHARS", chars)
        clean([tmp_path / "pages.jsonl"], tmp_path / str(chars), shard_bytes=500)
        hashes.append(file_hashes(tmp_path / str(chars) / "corpus"))
    assert hashes[0] == hashes[1]
