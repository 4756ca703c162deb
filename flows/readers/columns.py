"""Which column of a record is what: by the usual names, or as the setting `columns` says."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from reinschrift.flows.readers.decoding import NotTextError, decode, without_surrogates
from reinschrift.flows.readers.sniffing import HEAD_BYTES, looks_like_html
from reinschrift.transforms.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# The usual names, in order of preference; compared in lower case, with _ for - and blank.
NAMES: dict[str, tuple[str, ...]] = {
    "html": ("html", "raw_html", "html_content", "page_html", "outer_html"),
    "text": (
        "text", "content", "raw_content", "body", "maintext", "main_text", "article", "plain_text",
        "page_content", "markdown",
    ),
    "url": ("url", "uri", "link", "source_url", "page_url", "target_uri", "warc_target_uri", "href"),
    "id": ("id", "_id", "doc_id", "docid", "document_id", "record_id", "page_id", "uuid", "guid",
           "warc_record_id"),
    "title": ("title", "headline"),
    "date": (
        "fetched_at", "date", "warc_date", "crawl_date", "crawled_at", "fetch_time", "fetch_date",
        "date_download", "scraped_at", "retrieved_at", "timestamp",
    ),
}  # fmt: skip
ROLES = tuple(NAMES)
FOLDED = ("metadata", "meta")  # a column of columns, looked into where the record has no such column
_STAMP = re.compile(r"\d{14}")
_NUMBER = re.compile(r"\d{9,19}(?:\.\d+)?")
_UNITS = (("second", 1e11), ("millisecond", 1e14), ("microsecond", 1e17))


@dataclass(frozen=True)
class Columns:
    """Roles given by the user: pairs of role and column. `a.b` is column b within column a."""

    given: tuple[tuple[str, str], ...] = field(default=())

    @lru_cache(maxsize=1024)  # noqa: B019 - a handful of Columns live as long as the process
    def find(self, names: tuple[str, ...]) -> dict[str, str]:
        """Role -> column, for a record with these columns."""
        given = dict(self.given)
        folded = {re.sub(r"[-\s]", "_", name.lower()): name for name in reversed(names)}
        found = dict(given)
        for role, usual in NAMES.items():
            if role in given or (role in ("text", "html") and given.keys() & {"text", "html"}):
                continue
            own = next((folded[name] for name in usual if name in folded), None)
            if own is not None:
                found[role] = own
        return found

    def absent(self, names: Sequence[str]) -> list[tuple[str, str, str]]:
        """The given columns that a table with these names lacks: role, reason and remedy of each."""
        return [
            (
                role,
                f"no column {column!r} ({role}), as the setting columns has it",
                did_you_mean(column, names) if names else "it has no columns",
            )
            for role, column in self.given
            if column not in names and ("." not in column or column.split(".")[0] not in names)
        ]

    def missing(self, names: Sequence[str]) -> tuple[str, str]:
        """Why a record with these columns has no text, and the remedy."""
        shown = ", ".join(sorted(names)[:8]) or "none"
        for role, column in self.given:
            if role in ("text", "html") and column.split(".")[0] not in names:
                hint = did_you_mean(column, names) if names else "it has no columns"
                return f"no column {column!r} ({role}); its keys are {shown}", hint
        return (
            f"no text: its keys are {shown}",
            'give each record a string "text" or "html", or set columns = {text = "…"}',
        )


def parse_columns(given: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """The setting `columns` as sorted pairs.

    Raises ConfigError for an unknown role.
    """
    for role in given:
        if role not in ROLES:
            raise ConfigError(f"columns: unknown role {role!r}", did_you_mean(role, ROLES))
    return tuple(sorted(given.items()))


@dataclass(frozen=True)
class Facts:
    """What a record says: its content and what it says about it. `problem`: reason and remedy."""

    content: str = ""
    format: str = "text"
    encoding: str = "utf-8"
    id: str | None = None
    url: str | None = None
    title: str | None = None
    date: str | None = None
    problem: tuple[str, str] | None = None


def read_record(record: Mapping[str, Any], columns: Columns) -> Facts:
    """The facts of one record: a JSON object, a row of a table."""
    names = tuple(record)
    found = columns.find(names)
    content, role = _content(record, found)
    if content is None:
        named = next((found[r] for r in ("html", "text") if r in found), None)
        if named is None or (named not in record and "." not in named):
            return Facts(problem=columns.missing(names))
        return Facts(problem=(f"empty: {named!r} is null", "remove it"))
    if isinstance(content, bytes | bytearray | memoryview):
        try:
            text, encoding = decode(bytes(content), is_html=role == "html")
        except NotTextError as error:
            return Facts(problem=(str(error), "remove it"))
    elif isinstance(content, str):
        text, is_clean = without_surrogates(content)
        encoding = "utf-8" if is_clean else "utf-8 with lone surrogates"
    else:
        kind = type(content).__name__
        return Facts(
            problem=(f"{found[role]!r} is a {kind}, not a string", "write the text as one string")
        )
    is_html = role == "html" or looks_like_html(text[:HEAD_BYTES].encode())
    facts = {role: _fact(record, found, role) for role in ("id", "url", "title", "date")}
    return Facts(
        content=text,
        format="html" if is_html else "text",
        encoding=encoding,
        id=as_text(facts["id"]),
        url=as_text(facts["url"]),
        title=as_text(facts["title"]),
        date=as_utc(facts["date"]),
    )


def _content(record: Mapping[str, Any], found: Mapping[str, str]) -> tuple[Any, str]:
    """The HTML of a record if it has some, else its text, with the role.

    What is no string or blank is taken only where the record has nothing better.
    """
    values = [(_value(record, found[role]), role) for role in ("html", "text") if role in found]
    good = next((value for value in values if _is_text(value[0])), None)
    return good or next((value for value in values if value[0] is not None), (None, "text"))


def _is_text(value: Any) -> bool:
    if isinstance(value, memoryview | bytearray):
        value = bytes(value)
    return isinstance(value, str | bytes) and bool(value) and not value.isspace()


def _fact(record: Mapping[str, Any], found: Mapping[str, str], role: str) -> Any:
    if role in found:
        return _value(record, found[role])
    for name in FOLDED:
        inner = record.get(name)
        if isinstance(inner, dict):
            return next((inner[usual] for usual in NAMES[role] if usual in inner), None)
    return None


def _value(record: Mapping[str, Any], column: str) -> Any:
    if column in record:
        return record[column]
    value: Any = record
    for part in column.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def as_text(value: Any) -> str | None:
    """A plain value as text; None for one that is missing or has parts."""
    if value is None or isinstance(value, dict | list):
        return None
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return without_surrogates(str(value))[0] or None


def as_utc(value: Any) -> str | None:
    """A point in time as ISO 8601 in UTC, to the second; None for what is none.

    Takes ISO 8601, the 14 digits of web archives, RFC 2822 and seconds, milli- or microseconds since
    1970. Without a zone it is taken for UTC.
    """
    if value is None or isinstance(value, bool | dict | list):
        return None
    try:
        return _moment(value).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ").zfill(20)
    except (ValueError, OverflowError, OSError, TypeError, IndexError):
        return None


def _moment(value: Any) -> datetime:
    if isinstance(value, datetime):
        moment = value
    elif isinstance(value, date):
        moment = datetime(value.year, value.month, value.day, tzinfo=UTC)
    elif isinstance(value, int | float):
        moment = _since_1970(float(value))
    else:
        moment = _parse_moment(str(value).strip())
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _parse_moment(text: str) -> datetime:
    if _STAMP.fullmatch(text):
        return datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    if _NUMBER.fullmatch(text):
        return _since_1970(float(text))
    try:
        return datetime.fromisoformat(text.removesuffix(" UTC"))
    except ValueError:
        return parsedate_to_datetime(text)


def _since_1970(number: float) -> datetime:
    scale = 1.0
    for _unit, limit in _UNITS:
        if abs(number) < limit:
            break
        scale *= 1000
    return datetime.fromtimestamp(number / scale, UTC)
