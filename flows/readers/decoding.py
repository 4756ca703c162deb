"""Bytes to text: byte order mark, UTF-8, UTF-16 without a mark, else what detection says."""

from __future__ import annotations

import codecs
import re

BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
LATIN_1 = ("iso8859-1", "iso-8859-1", "latin-1", "ascii", "cp1252")
STATEFUL = ("iso2022_jp",)
SAMPLE_BYTES = 65_536
MIN_UTF16_ZEROS = 0.2  # share of zero bytes on one side of a pair: Latin text in UTF-16
MAX_CONTROL_SHARE = 0.02  # more of it is no text
MAX_BROKEN_SHARE = 0.3  # of the non-ASCII bytes; below it the file is UTF-8 with bad spots
_CONTROLS = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_META = re.compile(
    rb"<meta[^>]{0,200}?charset\s{0,9}=\s{0,9}[\"']?\s{0,9}([A-Za-z0-9_:.-]{2,40})", re.IGNORECASE
)


class NotTextError(ValueError):
    """The bytes are no text in any encoding we know."""


def decode(data: bytes, *, is_html: bool = False, http_charset: str | None = None) -> tuple[str, str]:
    """The text, and the name of the encoding it was read with.

    In the order browsers use: byte order mark, HTTP header, meta, detection; but bytes that are UTF-8
    beyond ASCII are read as such where a one-byte encoding is declared. Raises NotTextError for binary
    data. Text that is UTF-8 but for a few bytes keeps its UTF-8; the bad bytes are read as
    Windows-1252, and the name says so.
    """
    for mark, encoding in BOMS:
        if data.startswith(mark):
            return data.decode(encoding, "replace").lstrip("\ufeff"), encoding.removesuffix("-sig")
    declared = _declared(data, http_charset, is_html=is_html)
    if declared in STATEFUL:  # its bytes may all be ASCII
        return data.decode(declared, "replace"), declared
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return _decode_other(data, declared)
    if "\x00" in text[:SAMPLE_BYTES]:
        return _decode_zeros(data)
    _refuse_binary(data)
    return text, "utf-8"


def _declared(data: bytes, http_charset: str | None, *, is_html: bool) -> str | None:
    """The encoding that the HTTP header or else the page itself names, if it is one we know."""
    meta = _META.search(data[:4096]) if is_html else None
    for label in (http_charset, meta and meta[1].decode("ascii")):
        name = _web_name(label) if label else None
        if name and (name != "utf-8" or "utf" in str(label).lower()):
            return name
    return None


def _decode_other(data: bytes, declared: str | None) -> tuple[str, str]:
    if b"\x00" in data[:SAMPLE_BYTES]:
        return _decode_zeros(data)
    _refuse_binary(data)
    # UTF-16 can't be: a byte a letter was read to get here.
    if declared and declared not in ("utf-8", "utf-16-le", "utf-16-be", "utf-16"):
        return data.decode(declared, "replace"), declared
    repaired = data.decode("utf-8", "reinschrift-windows-1252")
    non_ascii = sum(byte > 127 for byte in data[:SAMPLE_BYTES])
    broken = data[:SAMPLE_BYTES].decode("utf-8", "replace").count("\ufffd")
    if broken <= MAX_BROKEN_SHARE * non_ascii:
        return repaired, "utf-8 with bytes of windows-1252"
    return _detect(data)


def _detect(data: bytes) -> tuple[str, str]:
    from resiliparse.parse.encoding import detect_encoding

    name = _web_name(str(detect_encoding(data)))
    if name == "utf-8":
        name = "windows-1252"
    return data.decode(name, "replace"), name


def _web_name(label: str) -> str:
    """The encoding that browsers take a label for (WHATWG encoding standard); utf-8 for no label."""
    from resiliparse.parse.encoding import map_encoding_to_html5

    name = str(map_encoding_to_html5(label)).lower()
    try:
        name = codecs.lookup(name).name
    except LookupError:
        return "utf-8"
    return "windows-1252" if name in LATIN_1 else name


def _decode_zeros(data: bytes) -> tuple[str, str]:
    """Zero bytes: UTF-16 without a mark where they fill one side of the pairs; else stray ones."""
    sample = data[: SAMPLE_BYTES - SAMPLE_BYTES % 2]
    pairs = max(1, len(sample) // 2)
    even, odd = sample[0::2].count(0) / pairs, sample[1::2].count(0) / pairs
    for own, other, encoding in ((odd, even, "utf-16-le"), (even, odd, "utf-16-be")):
        if own >= MIN_UTF16_ZEROS and other < MIN_UTF16_ZEROS / 10:
            text = data.decode(encoding, "replace")
            _refuse_binary(text[:SAMPLE_BYTES].encode())
            return text, encoding
    _refuse_binary(data)
    return data.decode("utf-8", "reinschrift-windows-1252"), "utf-8 with zero bytes"


def _refuse_binary(data: bytes) -> None:
    sample = data[:SAMPLE_BYTES]
    if len(_CONTROLS.findall(sample)) > MAX_CONTROL_SHARE * len(sample):
        raise NotTextError("binary data, not text")


def without_surrogates(text: str) -> tuple[str, bool]:
    """The text with U+FFFD for halves of characters, which no file can hold; whether it had none."""
    if text.isascii():
        return text, True
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        # Pairs written as two escapes are joined on the way.
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace"), False
    return text, True


def _read_as_windows_1252(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    bad = error.object[error.start : error.end]
    return bad.decode("windows-1252", "replace"), error.end


codecs.register_error("reinschrift-windows-1252", _read_as_windows_1252)
