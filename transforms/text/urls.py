"""Addresses: when two of them name one page, and which of two times of fetching is the later."""

from __future__ import annotations

import polars as pl
import polars_hash  # noqa: F401 - registers Expr.nchash

_PARTS = r"(?s)^([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)([^#]*)(#.*)?$"
_ISO = r"^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d)?)(\.\d+)?\s*(Z|[+-]\d\d:?\d\d)?)?$"
_DIGITS = r"^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)$"  # as web archives write it


def canonical_url(url: pl.Expr) -> pl.Expr:
    """The address with scheme and host in small letters, without default port and fragment.

    Fragments that name a page of their own (`#!…`, `#/…`) stay. What is no URL stays as it is.
    """
    address = url.str.strip_chars()
    scheme = address.str.extract(_PARTS, 1).str.to_lowercase()
    authority = address.str.extract(_PARTS, 2)
    host = authority.str.extract(r"([^@]*)$", 1).str.to_lowercase()
    user = authority.str.extract(r"^(.*@)", 1).fill_null("")
    port = pl.when(scheme == "http").then(pl.lit(":80")).when(scheme == "https").then(pl.lit(":443"))
    bare = host.str.strip_suffix(port.otherwise(pl.lit(""))).str.strip_suffix(":")
    path = address.str.extract(_PARTS, 3)
    rooted = pl.when(path.str.starts_with("/")).then(path).otherwise("/" + path)
    route = address.str.extract(r"(#[!/].*)$", 1).fill_null("")
    return pl.coalesce(pl.concat_str(scheme, pl.lit("://"), user, bare, rooted, route), address)


def fetch_time(given: pl.Expr) -> pl.Expr:
    """Microseconds since 1970, UTC, of ISO 8601 or fourteen digits; null for anything else.

    A time without a zone is taken as UTC, a day without a time as its beginning.
    """
    text = given.str.strip_chars().str.replace(_DIGITS, "$1-$2-${3}T$4:$5:$6")
    day = text.str.extract(_ISO, 1)
    time = text.str.extract(_ISO, 2).fill_null("00:00")
    seconds = pl.when(time.str.len_bytes() == 5).then(time + ":00").otherwise(time)
    fraction = text.str.extract(_ISO, 3).fill_null("").str.slice(0, 7)
    zone = text.str.extract(_ISO, 4).fill_null("Z")
    offset = (
        pl.when(zone == "Z").then(pl.lit("+0000")).otherwise(zone.str.replace(":", "", literal=True))
    )
    plain = pl.concat_str(day, pl.lit("T"), seconds).str.to_datetime(
        "%Y-%m-%dT%H:%M:%S", time_unit="us", strict=False
    )
    parts = pl.when(fraction == "").then(pl.lit("0")).otherwise("0" + fraction)
    minutes = offset.str.slice(1, 2).cast(pl.Int64) * 60 + offset.str.slice(3, 2).cast(pl.Int64)
    shift = pl.when(offset.str.starts_with("-")).then(-minutes).otherwise(minutes) * 60_000_000
    return plain.dt.epoch("us") + (parts.cast(pl.Float64) * 1_000_000).round().cast(pl.Int64) - shift


def url_key(column: str) -> pl.Expr:
    """A hash of the address in a column, as `canonical_url` writes it; null where there is none."""
    return canonical_url(pl.col(column)).nchash.xxh3_64()  # type: ignore[attr-defined, no-any-return]
