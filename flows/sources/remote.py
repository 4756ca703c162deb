"""Objects of a store (S3, Google, Azure) and files on the web, through obstore.

Keys and endpoints come from the environment, by the names that the stores' own tools use
(AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL, GOOGLE_APPLICATION_CREDENTIALS, AZURE_STORAGE_ACCOUNT_KEY …).
"""

from __future__ import annotations

import fnmatch
import hashlib
import os
import re
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote, unquote, urlsplit

from reinschrift.flows.readers import READERS, Broken, Piece, format_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from obstore import GetOptions, ObjectMeta
    from obstore.store import ClientConfig, ObjectStore, RetryConfig

SCHEMES = {"s3": 1, "gs": 1, "az": 2, "https": 1, "http": 1}  # parts of the path that name the store
LOOPBACK = ("localhost", "127.0.0.1", "::1")
DIGEST_BYTES = 16
CHUNK_BYTES = 1 << 20
RESUMPTIONS = 5  # of a transfer that broke off; each request is tried again by the store's client
RETRY: RetryConfig = {
    "max_retries": 10,
    "backoff": {
        "init_backoff": timedelta(milliseconds=100),
        "max_backoff": timedelta(seconds=15),
        "base": 2,
    },
    "retry_timeout": timedelta(minutes=3),
}
_ADDRESS = re.compile(r"(?<![A-Za-z])https?://[^\s\"')>]++", re.IGNORECASE)
_DURATION = re.compile(r"(?<![\w.])[0-9]{1,12}(?:\.[0-9]{1,12})?\s?(?:ns|µs|us|ms|s|seconds?)\b")
TIMEOUTS = {"connect_timeout": "20s", "read_timeout": "60s", "timeout": "1day"}


@dataclass(frozen=True)
class RemoteFile:
    """An object as a piece to read, and a digest of what the store says about its content."""

    piece: Piece
    digest: bytes


@dataclass(frozen=True)
class Address:
    """A store and a place in it: `root` is the address of the store without a final slash."""

    root: str
    key: str

    @property
    def scheme(self) -> str:
        """s3, gs, az, https or http."""
        return self.root.split(":", 1)[0]

    def at(self, key: str) -> str:
        """The address of an object of the same store."""
        return f"{self.root}/{quote(key) if self.scheme.startswith('http') else key}"


def parse_address(address: str) -> Address | None:
    """Where an address leads; None for one we can't read.

    Without encryption nothing is fetched but from this machine.
    """
    scheme, _, rest = address.partition("://")
    scheme = scheme.lower()
    if scheme not in SCHEMES or not rest.strip("/"):
        return None
    if scheme == "http" and urlsplit(address).hostname not in LOOPBACK:
        return None
    parts = rest.split("/")
    named = SCHEMES[scheme]
    root, key = "/".join(parts[:named]), "/".join(parts[named:])
    return Address(f"{scheme}://{root}", unquote(key) if scheme.startswith("http") else key)


@lru_cache(maxsize=32)
def store_at(root: str) -> ObjectStore:
    """The client of a store; `root` as in Address."""
    from obstore.store import from_url

    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL", "")
    place = endpoint if root.startswith("s3:") else root
    options: dict[str, Any] = dict(TIMEOUTS)
    if urlsplit(place).hostname in LOOPBACK:
        options["allow_http"] = True
    config: Any = {"aws_endpoint": endpoint} if root.startswith("s3:") and endpoint else None
    client = cast("ClientConfig", options)
    return from_url(root, config=config, client_options=client, retry_config=RETRY)


def find_remote(address: str) -> tuple[dict[str, RemoteFile], list[Broken], list[str]]:
    """The objects an address names: one, all below a prefix, or those that match a glob.

    Out: files by source, what can't be read, what is of another format.
    """
    from obstore.exceptions import BaseError

    shown = without_secrets(address)
    place = parse_address(address)
    if place is None:
        known = ", ".join(f"{scheme}://" for scheme in SCHEMES if scheme != "http")
        return {}, [Broken(shown, None, "an address we can't read", f"name it by {known}")], []
    if "?" in place.key and place.scheme.startswith("http"):
        reason = "an address with a query can't be read"
        return {}, [Broken(shown, None, reason, "fetch it, and name the file")], []
    try:
        found = list(_list(place))
    except (BaseError, ValueError) as error:
        reason, remedy = _why_not(place, error)
        return {}, [Broken(shown, None, f"can't be listed: {reason}", remedy, is_passing=True)], []
    if not found:
        return {}, [Broken(shown, None, "no such file or folder", "check the address")], []
    files, broken, ignored = {}, [], []
    for meta in found:
        full = place.at(meta["path"])
        source = without_secrets(full)
        if format_of(meta["path"]):
            files[source] = _remote_file(source, full, meta)
        elif meta["path"] == place.key:
            broken.append(Broken(source, None, "unknown format", f"name it {', '.join(READERS)}"))
        elif not meta["path"].endswith("/"):
            ignored.append(source)
    return files, broken, ignored


def _list(place: Address) -> Iterator[ObjectMeta]:
    """What the store says about the objects that `place` names."""
    import obstore

    store = store_at(place.root)
    magic = min((place.key.index(char) for char in "*?[" if char in place.key), default=None)
    if magic is not None and not place.scheme.startswith("http"):
        prefix = place.key[:magic].rpartition("/")[0]
        below = (meta for chunk in obstore.list(store, prefix or None) for meta in chunk)
        yield from (meta for meta in below if fnmatch.fnmatchcase(meta["path"], place.key))
        return
    try:
        if place.key and not place.key.endswith("/"):
            yield obstore.head(store, place.key)
            return
    except FileNotFoundError:
        pass
    if not place.scheme.startswith("http"):
        for chunk in obstore.list(store, place.key.rstrip("/") or None):
            yield from (meta for meta in chunk if not PurePosixPath(meta["path"]).name.startswith("."))


def _remote_file(source: str, address: str, meta: ObjectMeta) -> RemoteFile:
    facts = (meta["e_tag"], meta["size"], meta.get("version"), meta["last_modified"].isoformat())
    digest = hashlib.blake2b(repr(facts).encode(), digest_size=DIGEST_BYTES).digest()
    name = Path(PurePosixPath(meta["path"]).name)
    piece = Piece(name, source, 0, meta["size"], remote=meta["e_tag"] or "-", address=address)
    return RemoteFile(piece, digest)


@contextmanager
def fetched(piece: Piece, scratch: Path | None) -> Iterator[Path]:
    """A copy of the object on disk, for as long as it is read.

    Raises OSError where it can't be fetched, or is another than the one that was listed.
    """
    from obstore.exceptions import BaseError, PreconditionError

    with tempfile.NamedTemporaryFile(dir=scratch, prefix="fetched-") as copy:
        try:
            _fetch(piece, copy)
        except PreconditionError as error:
            raise OSError("it changed since it was listed") from error
        except (BaseError, FileNotFoundError) as error:
            raise OSError(first_line(error)) from error
        copy.flush()
        yield Path(copy.name)


def _fetch(piece: Piece, copy: Any) -> None:
    """Fetch what is still missing, until all is there."""
    import obstore
    from obstore.exceptions import GenericError

    place = parse_address(piece.address)
    assert place is not None
    store = store_at(place.root)
    written = 0
    for attempt in range(RESUMPTIONS + 1):
        options: GetOptions = {"range": {"offset": written}} if written else {}
        if piece.remote.startswith(('"', "W/")) or place.scheme in ("s3", "gs", "az"):
            options["if_match"] = piece.remote
        try:
            for chunk in obstore.get(store, place.key, options=options).stream(CHUNK_BYTES):
                copy.write(chunk)
                written += len(chunk)
            return
        except GenericError:
            if attempt == RESUMPTIONS:
                raise


KEYS = {
    "s3": ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
    "gs": ("GOOGLE_APPLICATION_CREDENTIALS",),
    "az": ("AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT_KEY"),
}


def _why_not(place: Address, error: Exception) -> tuple[str, str]:
    """Why a store can't be listed, and the remedy: without keys it is the keys that are missing."""
    absent = [name for name in KEYS.get(place.scheme, ()) if not os.environ.get(name)]
    if absent:
        return f"no keys: {', '.join(absent)} not set", f"set {' and '.join(KEYS[place.scheme])}"
    return first_line(error), "check address, keys and network"


def without_secrets(address: str) -> str:
    """An address as it may be published: without user, password and query."""
    before, separator, rest = address.partition("://")
    host, slash, path = rest.partition("/")
    if "@" in host:
        host = f"…@{host.rpartition('@')[2]}"
    path, question, _ = path.partition("?") if before.lower().startswith("http") else (path, "", "")
    return f"{before}{separator}{host}{slash}{path}{question}{'…' if question else ''}"


def first_line(error: Exception) -> str:
    """The first line of what the store said, short enough for a table.

    Without addresses, which may hold secrets, and durations, which never are the same twice.
    """
    line = (str(error).splitlines() or [type(error).__name__])[0]
    line = _ADDRESS.sub(lambda found: without_secrets(found[0]), line)
    return _DURATION.sub("…", line)[:200]
