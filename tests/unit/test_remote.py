"""Objects of a store and files on the web, on loopback."""

import gzip
from http.server import BaseHTTPRequestHandler

import boto3
import pytest

from reinschrift.flows.readers import Page, ReadOptions, read_piece
from reinschrift.flows.sources import remote
from reinschrift.flows.sources.inputs import find_inputs
from tests.conftest import clean, read_corpus
from tests.made import jsonl, parquet, text_record
from tests.stores import Moody, serve

OPTIONS = ReadOptions(1_000_000, 100_000)
RECORDS = [text_record(n) for n in range(50)]


@pytest.fixture
def bucket(moto, monkeypatch):
    """A bucket behind a server that refuses every request twice."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    client = boto3.client("s3", endpoint_url="http://{}:{}".format(*moto), region_name="us-east-1")
    client.create_bucket(Bucket="pages")
    for key, data in {
        "crawl/a.jsonl.gz": gzip.compress(jsonl(RECORDS)),
        "crawl/deep/b.parquet": parquet(RECORDS),
        "crawl/deep/ü ö.txt": "Grüße".encode(),
        "crawl/empty.txt": b"",
        "crawl/photo.png": b"\x89PNG",
    }.items():
        client.put_object(Bucket="pages", Key=key, Body=data)
    proxy = serve(type("Proxy", (Moody,), {"behind": moto, "moods": {}}))
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{proxy.server_port}")
    remote.store_at.cache_clear()
    yield client
    remote.store_at.cache_clear()
    proxy.shutdown()
    proxy.server_close()
    for key in client.list_objects_v2(Bucket="pages").get("Contents", []):
        client.delete_object(Bucket="pages", Key=key["Key"])


def pages(inputs):
    return [
        item
        for shard in inputs.shards
        for piece in shard.pieces
        for item in read_piece(piece, OPTIONS)
        if isinstance(item, Page)
    ]


def test_a_bucket_that_answers_503_twice(bucket):
    inputs = find_inputs(["s3://pages/crawl/"], 10**6)
    assert {page.source for page in pages(inputs)} == {
        "s3://pages/crawl/a.jsonl.gz",
        "s3://pages/crawl/deep/b.parquet",
        "s3://pages/crawl/deep/ü ö.txt",
    }
    assert len(pages(inputs)) == 101
    assert inputs.ignored == ("s3://pages/crawl/photo.png",)
    assert [(b.source, b.reason) for b in inputs.broken] == [
        ("s3://pages/crawl/empty.txt", "empty file")
    ]


def test_globs_single_objects_and_what_is_not_there(bucket):
    assert len(pages(find_inputs(["s3://pages/crawl/*.gz"], 10**6))) == 50
    assert len(pages(find_inputs(["s3://pages/crawl/deep/b.parquet"], 10**6))) == 50
    for name in ("s3://pages/nothing/", "s3://pages/gone.txt", "s3://no-such-bucket/a/"):
        (broken,) = find_inputs([name], 10**6).broken
        assert broken.remedy


def test_a_changed_object_is_another_input(bucket):
    before = find_inputs(["s3://pages/crawl/"], 10**6)
    assert before.digest == find_inputs(["s3://pages/crawl/"], 10**6).digest
    bucket.put_object(Bucket="pages", Key="crawl/a.jsonl.gz", Body=gzip.compress(jsonl(RECORDS[:3])))
    after = find_inputs(["s3://pages/crawl/"], 10**6)
    assert after.digest != before.digest
    assert {shard.key for shard in after.shards} != {shard.key for shard in before.shards}
    with pytest.raises(OSError, match="changed since it was listed"):
        pages(before)


def test_a_corpus_from_a_bucket(bucket, tmp_path):
    report = clean(["s3://pages/crawl/"], tmp_path / "out", line_model=False)
    assert report.version
    documents = read_corpus(tmp_path / "out" / "corpus")["documents"]
    assert "s3://pages/crawl/a.jsonl.gz" in documents["source"].to_list()
    assert report.quarantine["source"].to_list() == ["s3://pages/crawl/empty.txt"]


class Web(BaseHTTPRequestHandler):
    """A site with one file; the first transfer of it breaks off in the middle."""

    data = gzip.compress(jsonl(RECORDS), mtime=0)
    breaks = 1

    def do_HEAD(self):
        self._begin(200 if self.path == "/a%20b.jsonl.gz" else 404, len(self.data))

    def do_GET(self):
        if self.path != "/a%20b.jsonl.gz":
            self._begin(404, 0)
            return
        start = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").split("-")[0])
        data = self.data[start:]
        self._begin(206 if start else 200, len(data), start)
        cls = type(self)
        if cls.breaks:
            cls.breaks -= 1
            self.wfile.write(data[: len(data) // 2])
            self.connection.close()
        else:
            self.wfile.write(data)

    def _begin(self, status, length, start=0):
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        self.send_header("ETag", '"one"')
        self.send_header("Last-Modified", "Mon, 01 May 2023 00:00:00 GMT")
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{len(self.data) - 1}/{len(self.data)}")
        self.end_headers()

    def log_message(self, *args): ...


def test_a_file_on_the_web_whose_transfer_breaks_off():
    server = serve(Web)
    address = f"http://127.0.0.1:{server.server_port}"
    inputs = find_inputs([f"{address}/a%20b.jsonl.gz", f"{address}/gone.txt"], 10**6)
    assert [b.source for b in inputs.broken] == [f"{address}/gone.txt"]
    assert len(pages(inputs)) == 50
    assert Web.breaks == 0
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    "name", ["http://example.org/a.txt", "ftp://example.org/a.txt", "s3://", "https:///"]
)
def test_addresses_we_do_not_read(name):
    (broken,) = find_inputs([name], 10**6).broken
    assert "can't read" in broken.reason
    assert "https://" in broken.remedy
