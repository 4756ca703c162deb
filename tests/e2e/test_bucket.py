"""Publishing to a store: a manifest put last, and what stands when something goes wrong before."""

import hashlib
import io
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import boto3
import obstore
import polars as pl
import pytest

from reinschrift.flows.config import load_settings
from reinschrift.flows.ports import InProcessMapper
from reinschrift.flows.run import republish
from reinschrift.flows.sources import remote
from reinschrift.flows.stages.fingerprint import settings_version
from reinschrift.flows.store import bucket
from reinschrift.flows.store.bucket import (
    StoreError,
    list_versions,
    open_bucket,
    roll_back,
    upload_version,
)
from reinschrift.flows.store.removals import add_removal
from reinschrift.transforms.contracts import PUBLISHED
from reinschrift.transforms.errors import ConfigError
from tests.conftest import LawsGate, Quiet, clean, file_hashes, read_corpus
from tests.e2e.test_cli import reinschrift
from tests.stores import Moody, serve

ADDRESS = "s3://corpora/fair copies/today"
PREFIX = "fair copies/today"
FORMATS = Path(__file__).parents[2] / "docs" / "formats.md"
PAGES = [
    "Der erste Stand dieser Seite über die Brücke am Fluss.",
    "Der zweite Stand dieser Seite über die Mühle am Bach.",
    "Der dritte Stand dieser Seite über den Turm am Markt.",
]


class Store:
    """What an S3 client of its own sees in the store."""

    def __init__(self, client):
        self.client = client

    def listed(self, below=""):
        found = self.client.list_objects_v2(Bucket="corpora").get("Contents", [])
        return sorted(one["Key"] for one in found if one["Key"].startswith(below))

    def read(self, key):
        return self.client.get_object(Bucket="corpora", Key=key)["Body"].read()

    def manifest(self):
        return json.loads(self.read(f"{PREFIX}/corpus.json"))

    def files(self):
        """Hash and rows of each file of the current version, by path below it: what a reader gets."""
        manifest = self.manifest()
        found = {}
        for table, told in manifest["tables"].items():
            rows = 0
            for file in told["files"]:
                data = self.read(f"{PREFIX}/{file['path']}")
                digest = hashlib.sha256(data).hexdigest()
                frame = pl.read_parquet(io.BytesIO(data), hive_partitioning=False)
                assert (len(data), digest, frame.height) == (file["bytes"], file["sha256"], file["rows"])
                assert frame.columns == told["columns"]
                rows += frame.height
                found[file["path"].removeprefix(f"versions/{manifest['version']}/")] = digest
            assert told["rows"] == rows, table
        for file in manifest["beside"]:
            data = self.read(f"{PREFIX}/{file['path']}")
            digest = hashlib.sha256(data).hexdigest()
            assert (len(data), digest) == (file["bytes"], file["sha256"])
            found[file["path"].removeprefix(f"versions/{manifest['version']}/")] = digest
        assert found.pop("manifest.json")
        return found

    def versions(self):
        return sorted({key.split("/")[3] for key in self.listed(f"{PREFIX}/versions/")})


@pytest.fixture
def store(moto, monkeypatch):
    """An empty bucket."""
    endpoint = "http://{}:{}".format(*moto)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")
    client.create_bucket(Bucket="corpora")
    remote.store_at.cache_clear()
    yield Store(client)
    remote.store_at.cache_clear()
    for key in Store(client).listed():
        client.delete_object(Bucket="corpora", Key=key)
    client.delete_bucket(Bucket="corpora")


@pytest.fixture
def moody(store, moto, monkeypatch):
    """The same bucket, behind a server that refuses every request twice."""
    handler = type("Proxy", (Moody,), {"behind": moto, "moods": {}})
    proxy = serve(handler)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{proxy.server_port}")
    remote.store_at.cache_clear()
    yield handler
    proxy.shutdown()
    proxy.server_close()


def publish(tmp_path, text, out="out", **settings):
    page = tmp_path / "page.txt"
    page.write_text(text)
    settings = {"publish": ADDRESS, **settings}
    report = clean([page], tmp_path / out, line_model=False, **settings)
    assert report.version
    return report


def wait_for_the_next_second():
    """Versions are in the order of their manifests, and a store counts seconds."""
    time.sleep(1.1)


def test_a_reader_of_the_manifest_gets_the_local_corpus(store, tmp_path):
    report = publish(tmp_path, PAGES[0])
    local = tmp_path / "out" / "corpus"
    assert store.files() == file_hashes(local)
    manifest = store.manifest()
    assert manifest["version"] == report.version
    assert manifest["fingerprint"].startswith(report.version.split("-")[1])
    assert set(manifest["tables"]) == {table.name for table in PUBLISHED}
    assert store.read(f"{PREFIX}/versions/{report.version}/corpus.json") == store.read(
        f"{PREFIX}/corpus.json"
    )


def test_the_manifest_is_a_function_of_the_content(store, tmp_path):
    publish(tmp_path, PAGES[0])
    first = store.read(f"{PREFIX}/corpus.json")
    publish(tmp_path, PAGES[0], out="other", publish="s3://corpora/other/")
    assert store.read("other/corpus.json") == first


def test_every_request_is_refused_twice(moody, store, tmp_path):
    publish(tmp_path, PAGES[0])
    assert store.files() == file_hashes(tmp_path / "out" / "corpus")
    puts = [count for (command, path), count in moody.moods.items() if command == "PUT"]
    assert len(puts) == len(store.files()) + 3  # the seal, and the manifest twice
    assert set(puts) == {3}


def test_large_files_go_in_parts(moody, store, tmp_path):
    folder = tmp_path / "000001-abc"
    for table in PUBLISHED:
        (folder / table.name).mkdir(parents=True)
    frame = pl.DataFrame({"n": pl.Series(range(2_000_000)).shuffle(0)})
    frame.write_parquet(folder / "sentences" / "a.parquet", compression="uncompressed")
    assert upload_version(open_bucket(ADDRESS), folder, "abc", 3, Quiet()) == "000001-abc"
    told = store.manifest()["tables"]["sentences"]
    assert told["rows"] == 2_000_000
    data = store.read(f"{PREFIX}/{told['files'][0]['path']}")
    assert hashlib.sha256(data).hexdigest() == told["files"][0]["sha256"]
    assert any("partNumber=3" in path for _, path in moody.moods)


@pytest.mark.parametrize("broken", ["_publish", "_put_files"])
def test_killed_before_the_manifest_the_old_one_stands_whole(store, tmp_path, monkeypatch, broken):
    publish(tmp_path, PAGES[0])
    before, old = store.files(), store.read(f"{PREFIX}/corpus.json")
    with monkeypatch.context() as patch:

        def die(*arguments):
            raise KeyboardInterrupt

        patch.setattr(bucket, broken, die)
        with pytest.raises(KeyboardInterrupt):
            publish(tmp_path, PAGES[1])
    assert store.read(f"{PREFIX}/corpus.json") == old
    assert store.files() == before
    assert file_hashes(tmp_path / "out" / "corpus") != before
    # The next run has nothing new to say, and yet publishes.
    publish(tmp_path, PAGES[1])
    assert store.files() == file_hashes(tmp_path / "out" / "corpus") != before


def test_killed_after_the_manifest_the_version_can_be_returned_to(store, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:

        def die(*arguments):
            raise KeyboardInterrupt

        patch.setattr(bucket, "_tidy", die)
        with pytest.raises(KeyboardInterrupt):
            publish(tmp_path, PAGES[0])
    content, first = store.files(), store.manifest()["version"]
    assert list_versions(open_bucket(ADDRESS)) == [first]
    wait_for_the_next_second()
    publish(tmp_path, PAGES[1])
    roll_back(open_bucket(ADDRESS), None)
    assert store.files() == content


def test_a_store_that_forbids_removing_is_told_and_published_to(store, tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(Quiet, "say", lambda _, text: said.append(text))

    def refuse(some_store, keys):
        raise obstore.exceptions.PermissionDeniedError("not yours to remove")

    monkeypatch.setattr(obstore, "delete", refuse)
    for text in PAGES:
        publish(tmp_path, text, keep_versions=1)
    assert f"{ADDRESS}: published, but can't be tidied up: not yours to remove" in said
    assert store.files() == file_hashes(tmp_path / "out" / "corpus")


def test_a_store_that_fails_leaves_the_old_manifest(store, tmp_path, monkeypatch):
    publish(tmp_path, PAGES[0])
    before = store.files()
    refused = []

    def refuse(some_store, key, *arguments, **options):
        if "ledger" in key:
            refused.append(key)
            raise obstore.exceptions.GenericError("out of order\nfor today")
        return put(some_store, key, *arguments, **options)

    put = obstore.put
    with monkeypatch.context() as patch:
        patch.setattr(obstore, "put", refuse)
        with pytest.raises(StoreError) as failure:
            publish(tmp_path, PAGES[1])
    assert refused
    assert str(failure.value).startswith(f"{ADDRESS}: the upload failed: out of order")
    assert "the local version stands; run again" in failure.value.remedy
    assert store.files() == before
    page = read_corpus(tmp_path / "out" / "corpus")["documents"]["text"].item()
    assert page == PAGES[1]


def test_what_is_there_is_not_put_again(store, tmp_path, monkeypatch):
    publish(tmp_path, PAGES[0])
    name = store.manifest()["version"]
    put_keys = []
    put = obstore.put
    monkeypatch.setattr(
        obstore, "put", lambda s, key, *a, **o: put_keys.append(key) or put(s, key, *a, **o)
    )
    report = publish(tmp_path, PAGES[0])
    assert report.is_unchanged
    assert store.manifest()["version"] == name
    assert {Path(key).name for key in put_keys} == {"corpus.json"}
    assert store.versions() == [name]


def test_a_file_that_was_cut_or_lost_is_put_again(store, tmp_path):
    publish(tmp_path, PAGES[0])
    lost, cut = store.listed(f"{PREFIX}/versions/")[1:3]
    store.client.delete_object(Bucket="corpora", Key=lost)
    store.client.put_object(Bucket="corpora", Key=cut, Body=b"PAR1")
    publish(tmp_path, PAGES[0])
    assert store.files() == file_hashes(tmp_path / "out" / "corpus")


def test_of_two_runs_the_second_is_refused(store, tmp_path, monkeypatch):
    publish(tmp_path, PAGES[0])

    class Meanwhile(LawsGate):
        """While the gate judges, another output publishes to the same place."""

        def judge(self, corpus, terms):
            with monkeypatch.context() as patch:
                patch.setattr("tests.conftest.LawsGate", LawsGate)
                publish(tmp_path, PAGES[1], out="other")
            return super().judge(corpus, terms)

    monkeypatch.setattr("tests.conftest.LawsGate", Meanwhile)
    with pytest.raises(StoreError, match="another run published here meanwhile") as refusal:
        publish(tmp_path, PAGES[2])
    assert "run again" in refusal.value.remedy
    assert store.files() == file_hashes(tmp_path / "other" / "corpus")
    # What was refused was put, but never published.
    assert len(store.versions()) == 3
    assert len(list_versions(open_bucket(ADDRESS))) == 2


def test_two_first_runs(store, tmp_path):
    publish(tmp_path, PAGES[0], publish=None)
    folder = (tmp_path / "out" / "corpus").resolve()
    one, two = open_bucket(ADDRESS), open_bucket(ADDRESS)
    fingerprint = folder.name.split("-")[1]
    upload_version(one, folder, fingerprint, 3, Quiet())
    upload_version(two, folder, fingerprint, 3, Quiet())  # the same corpus: nobody is wronged
    with pytest.raises(StoreError, match=r"has a version .* of other content"):
        upload_version(two, folder, fingerprint + "0", 3, Quiet())
    assert store.files() == file_hashes(folder)


def test_a_put_whose_answer_was_lost_is_no_conflict(store, tmp_path, monkeypatch):
    publish(tmp_path, PAGES[0])
    put = obstore.put

    def lose(some_store, key, *arguments, **options):
        answer = put(some_store, key, *arguments, **options)
        if options.get("mode", "overwrite") != "overwrite":
            return put(some_store, key, *arguments, **options)  # as the client does on a 5xx
        return answer

    monkeypatch.setattr(obstore, "put", lose)
    publish(tmp_path, PAGES[1])
    assert store.files() == file_hashes(tmp_path / "out" / "corpus")


def test_old_versions_and_broken_uploads_go(store, tmp_path):
    names = []
    store.client.put_object(
        Bucket="corpora", Key=f"{PREFIX}/versions/000000-begun/ledger/a.parquet", Body=b"PAR1"
    )
    for text in PAGES:
        names.append(publish(tmp_path, text, keep_versions=2).version)
        wait_for_the_next_second()
    assert store.versions() == names[1:]
    assert list_versions(open_bucket(ADDRESS)) == names[1:]
    names.append(publish(tmp_path, "Ein vierter Stand über das Tor der Stadt.", keep_versions=1).version)
    assert store.versions() == names[2:]  # whoever read the manifest before may still read on
    roll_back(open_bucket(ADDRESS), None)
    assert store.manifest()["version"] == names[2]


def test_rollback_and_versions(store, tmp_path):
    first = publish(tmp_path, PAGES[0]).version
    content = store.files()
    wait_for_the_next_second()
    second = publish(tmp_path, PAGES[1]).version
    named = ("--out", tmp_path / "out", "--publish", ADDRESS)
    done = reinschrift("rollback", *named)
    assert done.returncode == 0, done.stderr
    assert store.files() == content == file_hashes(tmp_path / "out" / "corpus")
    listed = reinschrift("versions", *named).stdout.splitlines()
    named_there = [line[:22].rstrip() for line in listed if "00000" in line]
    assert named_there == [f"* {first}", f"  {second}", f"* {first}", f"  {second}"]
    assert f"{ADDRESS}:" in listed
    done = reinschrift("rollback", *named)
    assert done.returncode == 2
    assert "no version before the current one" in done.stderr
    assert f"kept are: {first}, {second}" in done.stderr
    # The store alone, from a machine that has no versions; by the setting.
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "reinschrift.toml").write_text(f'publish = "{ADDRESS}/"')
    done = reinschrift("rollback", second, cwd=tmp_path / "elsewhere")
    assert done.returncode == 0, done.stderr
    assert store.manifest()["version"] == second
    assert file_hashes(tmp_path / "out" / "corpus") == content


def test_a_rollback_to_what_is_no_longer_whole_is_refused(store, tmp_path):
    first = publish(tmp_path, PAGES[0]).version
    wait_for_the_next_second()
    publish(tmp_path, PAGES[1])
    store.client.delete_object(
        Bucket="corpora", Key=store.listed(f"{PREFIX}/versions/{first}/metrics")[0]
    )
    before = store.read(f"{PREFIX}/corpus.json")
    with pytest.raises(StoreError, match="missing, or of another size"):
        roll_back(open_bucket(ADDRESS), None)
    assert store.read(f"{PREFIX}/corpus.json") == before


def test_back_and_forth_the_one_before_is_the_one_before(store, tmp_path):
    for text in (PAGES[0], PAGES[1], PAGES[0]):
        publish(tmp_path, text)
        wait_for_the_next_second()
    first, second = store.versions()
    assert store.manifest()["version"] == first
    assert roll_back(open_bucket(ADDRESS), None) == second


def test_a_removal_reaches_the_store(store, tmp_path):
    (tmp_path / "more.txt").write_text(PAGES[1])
    (tmp_path / "page.txt").write_text(PAGES[0])
    clean([tmp_path / "more.txt", tmp_path / "page.txt"], tmp_path / "out", publish=ADDRESS)
    change = add_removal(str(tmp_path / "page.txt"), "2024-05-01", "asked to")
    report = republish(load_settings(out=tmp_path / "out"), change, InProcessMapper(), Quiet(), LawsGate)
    assert report.verdict.passed, report.verdict.failures
    assert store.files() == file_hashes(tmp_path / "out" / "corpus")
    assert store.manifest()["tables"]["documents"]["rows"] == 1


def test_a_refused_corpus_is_not_uploaded(store, tmp_path):
    publish(tmp_path, PAGES[0])
    before = store.read(f"{PREFIX}/corpus.json")
    (tmp_path / "empty.txt").touch()
    report = clean(
        [tmp_path / "page.txt", tmp_path / "empty.txt"], tmp_path / "out", strict=True, publish=ADDRESS
    )
    assert report.version is None
    assert store.read(f"{PREFIX}/corpus.json") == before


def test_places_that_are_not_there_or_not_ours(store, tmp_path):
    with pytest.raises(StoreError, match="s3://nowhere/a: can't be read"):
        publish(tmp_path, PAGES[0], publish="s3://nowhere/a")
    assert not (tmp_path / "out" / "corpus").exists()  # known before the work
    for content in (b'{"version": "1"}', b"[]", b"\xff"):
        store.client.put_object(Bucket="corpora", Key=f"{PREFIX}/corpus.json", Body=content)
        with pytest.raises(StoreError, match=r"corpus\.json is not a corpus's"):
            publish(tmp_path, PAGES[0])


def test_the_command(store, tmp_path):
    (tmp_path / "page.txt").write_text(PAGES[0])
    named = ("--out", tmp_path / "out", "--publish", ADDRESS)
    done = reinschrift("run", tmp_path / "page.txt", *named)
    assert done.returncode == 0, done.stderr
    assert f"published {ADDRESS} (version 000001-" in done.stderr
    assert store.files() == file_hashes(tmp_path / "out" / "corpus")
    done = reinschrift("run", tmp_path / "page.txt", "--publish", "s3://nowhere/a", "--out", tmp_path)
    assert done.returncode == 2
    assert "s3://nowhere/a: can't be read" in done.stderr
    assert "Remedy: " in done.stderr


def test_without_the_setting_nothing_of_it_is_loaded():
    code = "import sys, reinschrift.flows.run, reinschrift.flows.cli; print({'obstore', 'reinschrift.flows.store.bucket'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("address", ["s3://b", "gs://b/a/", "az://account/container/deep/er"])
def test_addresses_to_publish_to(address):
    settings = load_settings(publish=address)
    assert settings.publish == address.rstrip("/")
    assert settings_version(settings, settings.options()) == settings_version(
        load_settings(), load_settings().options()
    )


@pytest.mark.parametrize(
    "address", ["https://example.org/a", "folder", "s3://", "s3://b/*/a", "s3://b//a", "az://account"]
)
def test_addresses_that_cannot_be_published_to(address):
    with pytest.raises(ConfigError, match=re.escape(f"--publish: publish = '{address}'")) as refusal:
        load_settings(publish=address)
    assert "s3://bucket/prefix" in refusal.value.remedy


def test_the_examples_of_the_documentation(store, tmp_path, monkeypatch):
    """As they stand there, but for the address; DuckDB through a file system on obstore, for its own
    extension would have to be fetched."""
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    publish(tmp_path, PAGES[0])
    local = read_corpus(tmp_path / "out" / "corpus")["sentences"]
    text = FORMATS.read_text(encoding="utf-8")
    section = text[text.index("## Publishing to a store") :]
    polars_block, duckdb_block = re.findall(r"```(?:python|sql)\n(.*?)```", section, re.DOTALL)[:2]
    names: dict[str, object] = {}
    example = polars_block.replace("s3://bucket/prefix", ADDRESS)
    exec(example, names)  # the documentation's own
    assert names["sentences"].equals(local)

    duckdb = pytest.importorskip("duckdb")
    from obstore.fsspec import FsspecStore

    connection = duckdb.connect()
    connection.register_filesystem(
        FsspecStore(
            "s3",
            config={"aws_endpoint": os.environ["AWS_ENDPOINT_URL"]},
            client_options={"allow_http": True},
        )
    )
    for statement in duckdb_block.replace("s3://bucket/prefix", ADDRESS).split(";\n"):
        if statement.strip():
            found = connection.execute(statement)
    assert found.fetchall() == local.group_by("language").len().sort("language").rows()
