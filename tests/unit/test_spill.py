import numpy as np
import pytest

from reinschrift.flows.stages import spill
from reinschrift.flows.stages.spill import Spill

ROW = np.dtype([("key", "<u8"), ("place", "<u4")])


@pytest.mark.parametrize("buffer_bytes", [1, 200, 1 << 20])
def test_rows_come_back_by_bucket_in_the_order_they_came(tmp_path, monkeypatch, buffer_bytes):
    monkeypatch.setattr(spill, "BUFFER_BYTES", buffer_bytes)
    rows = np.zeros(100, dtype=ROW)
    rows["key"], rows["place"] = np.arange(100) * 7 % 13, np.arange(100)
    scattered = Spill(tmp_path / "rows", ROW, 3)
    for lot in np.array_split(rows, 9):
        scattered.add(lot, lot["key"] % 3)
    assert scattered.size == 100
    for bucket in range(3):
        mine = scattered.read(bucket)
        assert mine.tolist() == rows[rows["key"] % 3 == bucket].tolist()
    assert (tmp_path / "rows").exists() == (buffer_bytes < 1 << 20)
    scattered.clear()
    assert len(scattered.read(0)) == 0
    assert not (tmp_path / "rows").exists()
