import os

import pytest

from reinschrift.flows.sources.inputs import find_inputs


@pytest.fixture
def site(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "b.txt").write_text("b")
    (tmp_path / "deep" / "a.HTML").write_text("a")
    (tmp_path / "notes.pdf").write_text("m")
    (tmp_path / ".hidden.txt").write_text("h")
    return tmp_path


def sources(inputs):
    return [piece.source for shard in inputs.shards for piece in shard.pieces]


def test_folders_files_and_globs(site):
    folder = find_inputs([str(site)], 100)
    assert sources(folder) == [f"{site}/b.txt", f"{site}/deep/a.HTML"]
    assert folder.ignored == (f"{site}/notes.pdf",)
    assert sources(find_inputs([f"{site}/**/*.HTML"], 100)) == [f"{site}/deep/a.HTML"]
    assert sources(find_inputs([str(site), str(site / "b.txt")], 100)) == sources(folder)


def test_loops_of_links_end(site):
    (site / "deep" / "up").symlink_to(site)
    (site / "self.txt").symlink_to(site / "self.txt")
    inputs = find_inputs([str(site)], 100)
    assert len(sources(inputs)) == 2
    assert [b.source for b in inputs.broken] == [f"{site}/self.txt"]


def test_what_is_no_file_is_told(site):
    os.mkfifo(site / "pipe.txt")
    (site / "empty.txt").touch()
    names = [str(site / name) for name in ("pipe.txt", "empty.txt", "gone.txt", "notes.pdf")]
    reasons = {b.source.rsplit("/", 1)[1]: b.reason for b in find_inputs(names, 100).broken}
    assert reasons == {
        "pipe.txt": "not a regular file",
        "empty.txt": "empty file",
        "gone.txt": "no such file or folder",
        "notes.pdf": "unknown format",
    }


def test_names_that_are_not_utf8_are_read(tmp_path):
    (tmp_path / os.fsdecode(b"gr\xfc\xdfe.txt")).write_text("x")
    assert sources(find_inputs([str(tmp_path)], 100)) == [f"{tmp_path}/gr\\xfc\\xdfe.txt"]


@pytest.mark.parametrize("shard_bytes", [1, 7, 50, 10_000])
def test_records_are_cut_at_line_breaks_and_none_is_lost(tmp_path, shard_bytes):
    lines = [f"line {n} {'x' * (n % 11)}\n".encode() for n in range(200)]
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"".join(lines))
    inputs = find_inputs([str(path)], shard_bytes)
    pieces = [piece for shard in inputs.shards for piece in shard.pieces]
    data = path.read_bytes()
    assert b"".join(data[p.start : p.end] for p in pieces) == data
    assert all(data[p.start : p.end].endswith(b"\n") for p in pieces)
    assert all(p.first_line == data[: p.start].count(b"\n") + 1 for p in pieces)
    assert inputs.digest == find_inputs([str(path)], 77).digest


def test_a_new_file_leaves_most_shards_as_they_were(tmp_path):
    for n in range(100):
        (tmp_path / f"{n:03}.txt").write_text("x" * 100)
    before = {shard.key for shard in find_inputs([str(tmp_path)], 1000).shards}
    (tmp_path / "0005.txt").write_text("new")
    after = {shard.key for shard in find_inputs([str(tmp_path)], 1000).shards}
    assert len(before) > 4
    assert len(after - before) <= 2
