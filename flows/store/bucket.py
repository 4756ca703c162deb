"""The corpus in a store (S3, Google, Azure): versions beside each other, and a manifest put last.

ADDRESS/versions/VERSION/ holds the files of a version. ADDRESS/corpus.json is the manifest of the
current one; to put it is to publish. A version that was published has a copy of its manifest among its
files; one without is an upload that broke off. Keys and endpoints come from the environment, as in
`flows.sources.remote`.
"""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import polars as pl

from reinschrift.flows.sources.remote import first_line, parse_address, store_at
from reinschrift.transforms.contracts import PUBLISHED
from reinschrift.transforms.errors import ReinschriftError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from obstore import ObjectMeta, PutMode, UpdateVersion
    from obstore.store import ObjectStore

    from reinschrift.flows.ports import Reporter

MANIFEST = "corpus.json"
FORMAT = 1  # of the manifest
FILES_AT_ONCE = 4
PARTS_AT_ONCE = 3  # of a file; of 5 MiB each

Objects = dict[str, dict[str, "ObjectMeta"]]  # version -> path below it -> what the store says of it


class StoreError(ReinschriftError):
    """The corpus can't be published to the store; what its manifest named before stands."""


@dataclass(frozen=True)
class Bucket:
    """A place in a store, and its manifest as it was when the place was opened; empty: none.

    `mode` lets a put of the manifest pass only while it is still that one.
    """

    address: str
    store: ObjectStore
    prefix: str
    manifest: bytes
    mode: PutMode

    def key(self, name: str) -> str:
        """The key of an object below the address."""
        return f"{self.prefix}/{name}" if self.prefix else name

    @property
    def current(self) -> str | None:
        """The version that readers see."""
        return _version_of(self.manifest) if self.manifest else None


def open_bucket(address: str) -> Bucket:
    """Read which version is current at an address.

    Raises StoreError where it can't be reached, or has a corpus.json that is no manifest.
    """
    place = parse_address(address)
    assert place is not None  # the settings take no other
    prefix = place.key.strip("/")
    with _explained(address, "can't be read"):
        store = store_at(place.root)
        bucket = Bucket(address, store, prefix, b"", "create")
        found = _get(bucket, MANIFEST)
        if found is None:
            next(_list(bucket, "versions"), None)  # says a bucket that is not there
            return bucket
    content, mode = found
    if _version_of(content) is None:
        raise StoreError(f"{address}: {MANIFEST} is not a corpus's", "publish to another prefix")
    return Bucket(address, store, prefix, content, mode)


def list_versions(bucket: Bucket) -> list[str]:
    """Names of the published versions, in the order they were published."""
    with _explained(bucket.address, "can't be listed"):
        return _in_order(bucket, _objects(bucket))


def upload_version(bucket: Bucket, folder: Path, fingerprint: str, keep: int, reporter: Reporter) -> str:
    """Put a published version there, file by file, and let the manifest name it; then forget the oldest.

    A version of the same content is not put again, whatever its number. Out: its name in the store.
    Raises StoreError where that fails; then the manifest is as it was.
    """
    with _explained(bucket.address, "the upload failed", "the local version stands; run again"):
        content = {"tables": describe_tables(folder), "beside": _describe_companions(folder)}
        there = _objects(bucket)
        name, manifest = _choose_name(bucket, there, folder.name, fingerprint, content)
        sizes = _sizes(manifest, name)
        missing = [p for p, size in sizes.items() if _size(there, name, p) != size]
        reporter.begin("upload", len(missing))
        _put_files(bucket, name, folder, missing, reporter)
        _see_that_all_is_there(bucket, name, sizes)
    _publish(bucket, there, manifest)
    _tidy(bucket, there, manifest, keep, reporter)
    return name


def roll_back(bucket: Bucket, version: str | None) -> str:
    """Let the manifest name `version` (or one of the same content), or the one before the current.

    Out: its name in the store. Raises StoreError where there is none.
    """
    with _explained(bucket.address, "can't be rolled back"):
        there = _objects(bucket)
        names = _in_order(bucket, there)
        target = _find(names, version) if version else _before(names, bucket.current)
        manifest = _manifest_of(bucket, there, target) if target else None
        if target is None or manifest is None:
            raise StoreError(
                f"{bucket.address}: no version {version or 'before the current one'}",
                f"kept are: {', '.join(names) or 'none'}",
            )
        _see_that_all_is_there(bucket, target, _sizes(manifest, target))
    _publish(bucket, there, manifest)
    return target


def same_content(name: str, names: list[str]) -> list[str]:
    """Those of `names` whose corpus is that of `name`: numbers may differ, fingerprints don't."""
    return [other for other in names if other.rpartition("-")[2] == name.rpartition("-")[2]]


def describe_tables(folder: Path) -> dict[str, Any]:
    """For each table of a version: rows, columns, and its files with path, size, hash and rows."""
    with ThreadPoolExecutor(FILES_AT_ONCE) as pool:
        tables = {}
        for table in PUBLISHED:
            paths = sorted((folder / table.name).rglob("*.parquet"))
            files = list(pool.map(lambda path: _describe_file(path, folder), paths))
            rows = sum(file["rows"] for file in files)
            tables[table.name] = {"rows": rows, "columns": list(table.names), "files": files}
        return tables


def _describe_companions(folder: Path) -> list[dict[str, Any]]:
    """The files beside the tables; the seal of the local version is one of them."""
    return [_describe_bytes(path, folder) for path in sorted(folder.iterdir()) if path.is_file()]


def _describe_file(path: Path, folder: Path) -> dict[str, Any]:
    rows = int(pl.scan_parquet(path).select(pl.len()).collect().item())
    return {**_describe_bytes(path, folder), "rows": rows}


def _describe_bytes(path: Path, folder: Path) -> dict[str, Any]:
    with path.open("rb") as handle:
        digest = hashlib.file_digest(handle, "sha256").hexdigest()
    size = path.stat().st_size
    return {"path": path.relative_to(folder).as_posix(), "bytes": size, "sha256": digest}


def _compose(name: str, fingerprint: str, content: dict[str, Any]) -> bytes:
    """The manifest of a version: of its content alone, without times. Paths are below the address."""

    def placed(files: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{**file, "path": f"versions/{name}/{file['path']}"} for file in files]

    tables = {
        table: {**facts, "files": placed(facts["files"])} for table, facts in content["tables"].items()
    }
    about = {"format": FORMAT, "version": name, "fingerprint": fingerprint}
    facts = {**about, "tables": tables, "beside": placed(content["beside"])}
    return (json.dumps(facts, ensure_ascii=False, indent=1) + "\n").encode()


def _version_of(manifest: bytes) -> str | None:
    """The version a manifest names; None where it is no manifest of ours."""
    try:
        facts = json.loads(manifest)
        return str(facts["version"]) if facts["format"] == FORMAT else None
    except (ValueError, KeyError, TypeError):
        return None


def _sizes(manifest: bytes, version: str) -> dict[str, int]:
    """Bytes of each file that a manifest names, by its path below the version."""
    facts = json.loads(manifest)
    files = [file for table in facts["tables"].values() for file in table["files"]]
    return {
        file["path"].removeprefix(f"versions/{version}/"): int(file["bytes"])
        for file in [*files, *facts.get("beside", [])]
    }


def _choose_name(
    bucket: Bucket, there: Objects, name: str, fingerprint: str, content: dict[str, Any]
) -> tuple[str, bytes]:
    """The version of the same content that is there, whole or begun; else `name`. With its manifest."""
    for candidate in (*sorted(same_content(name, list(there)), reverse=True), name):
        manifest = _compose(candidate, fingerprint, content)
        if _manifest_of(bucket, there, candidate) in (None, manifest):
            return candidate, manifest
    raise StoreError(
        f"{bucket.address}: has a version {name} of other content", "publish to another prefix"
    )


def _manifest_of(bucket: Bucket, there: Objects, name: str) -> bytes | None:
    """The manifest of a published version; None for an upload that broke off."""
    if name == bucket.current:
        return bucket.manifest
    found = MANIFEST in there.get(name, {}) and _get(bucket, f"versions/{name}/{MANIFEST}")
    return found[0] if found else None


def _put_files(bucket: Bucket, name: str, folder: Path, paths: list[str], reporter: Reporter) -> None:
    import obstore

    def put(path: str) -> None:
        key = bucket.key(f"versions/{name}/{path}")
        obstore.put(bucket.store, key, folder / path, max_concurrency=PARTS_AT_ONCE)

    with ThreadPoolExecutor(FILES_AT_ONCE) as pool:
        try:
            for _ in pool.map(put, paths):
                reporter.advance()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _publish(bucket: Bucket, there: Objects, manifest: bytes) -> None:
    """Put the manifest in place of the one that was read; one that is there by now is another run's."""
    from obstore.exceptions import AlreadyExistsError, PreconditionError

    with _explained(bucket.address, f"{MANIFEST} can't be put", "the local version stands; run again"):
        if bucket.current and MANIFEST not in there.get(bucket.current, {}):
            # The run that published it was killed before it put the copy.
            _put(bucket, f"versions/{bucket.current}/{MANIFEST}", bucket.manifest)
        try:
            _put(bucket, MANIFEST, manifest, bucket.mode)
        except (AlreadyExistsError, PreconditionError) as error:
            now = _get(bucket, MANIFEST)
            if now and now[0] == manifest:
                return  # a put whose answer was lost, and that was made again
            raise StoreError(
                f"{bucket.address}: another run published here meanwhile"
                f" ({_version_of(now[0]) if now else 'and its manifest is gone'})",
                "its version stands there; see that one output alone publishes here, and run again",
            ) from error


def _tidy(bucket: Bucket, there: Objects, manifest: bytes, keep: int, reporter: Reporter) -> None:
    """Keep a copy of the manifest; remove versions beyond `keep`, and uploads that were broken off.

    Only what was there before the upload goes: a run that has put more since then read a manifest that
    is no longer current, and can't publish. The version named before stays, for whoever still reads it.
    """
    import obstore
    from obstore.exceptions import BaseError

    name = _version_of(manifest)
    order = [old for old in _in_order(bucket, there) if old != name]
    stay = {name, bucket.current, *(order[1 - keep :] if keep > 1 else ())}
    try:
        # Put again if it is there: its time says which version came last.
        _put(bucket, f"versions/{name}/{MANIFEST}", manifest)
        for version in there.keys() - stay:
            # Without its manifest a version is none, should this be broken off.
            paths = sorted(there[version], key=lambda path: path != MANIFEST)
            keys = [bucket.key(f"versions/{version}/{path}") for path in paths]
            for some in (keys[:1], keys[1:]):
                obstore.delete(bucket.store, some)
    except (BaseError, OSError) as error:
        reporter.say(f"{bucket.address}: published, but can't be tidied up: {first_line(error)}")


def _find(names: list[str], version: str) -> str | None:
    """A version by its name, or the latest of the same content."""
    return version if version in names else next(iter(same_content(version, names)[::-1]), None)


def _before(names: list[str], current: str | None) -> str | None:
    place = names.index(current) if current in names else 0
    return names[place - 1] if place else None


def _in_order(bucket: Bucket, there: Objects) -> list[str]:
    """The published versions, in the order their manifests were put."""
    complete = [name for name, objects in there.items() if MANIFEST in objects]
    names = sorted(complete, key=lambda name: (there[name][MANIFEST]["last_modified"], name))
    return names if bucket.current in (None, *names) else [*names, str(bucket.current)]


def _size(there: Objects, name: str, path: str) -> int | None:
    meta = there.get(name, {}).get(path)
    return meta["size"] if meta else None


def _see_that_all_is_there(bucket: Bucket, name: str, sizes: dict[str, int]) -> None:
    there = _objects(bucket, name)
    for path, size in sizes.items():
        if _size(there, name, path) != size:
            raise StoreError(
                f"{bucket.address}/versions/{name}/{path}: missing, or of another size",
                "see that nothing else writes or removes there, and run again",
            )


def _objects(bucket: Bucket, version: str = "") -> Objects:
    """What is there of all versions, or of one."""
    there: Objects = {}
    for meta in _list(bucket, f"versions/{version}".rstrip("/")):
        path = PurePosixPath(meta["path"]).relative_to(bucket.key("versions"))
        if len(path.parts) > 1:
            there.setdefault(path.parts[0], {})["/".join(path.parts[1:])] = meta
    return there


def _list(bucket: Bucket, name: str) -> Iterator[ObjectMeta]:
    import obstore

    for chunk in obstore.list(bucket.store, bucket.key(name)):
        yield from chunk


def _get(bucket: Bucket, name: str) -> tuple[bytes, PutMode] | None:
    """The content of an object, and the mode of a put that replaces just that; None: it is not there."""
    import obstore

    try:
        found = obstore.get(bucket.store, bucket.key(name))
    except FileNotFoundError:
        return None
    mode: UpdateVersion = {}
    if found.meta["e_tag"]:
        mode["e_tag"] = found.meta["e_tag"]
    if found.meta["version"]:
        mode["version"] = found.meta["version"]
    return bytes(found.bytes()), mode


def _put(bucket: Bucket, name: str, content: bytes, mode: PutMode = "overwrite") -> None:
    import obstore

    obstore.put(bucket.store, bucket.key(name), content, mode=mode, use_multipart=False)


@contextmanager
def _explained(address: str, what: str, remedy: str = "") -> Iterator[None]:
    """What the store says, as an error a user can fix."""
    from obstore.exceptions import BaseError

    try:
        yield
    except (BaseError, OSError, ValueError) as error:
        message = f"{address}: {what}: {first_line(error)}"
        raise StoreError(message, f"{remedy or 'try again'}; check address, keys and network") from error
