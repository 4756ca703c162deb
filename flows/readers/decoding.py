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
SAMPLE_BYTES = 65_536
MIN_UTF16_ZEROS = 0.2  # share of zero bytes on one side of a pair: Latin text in UTF-16
MAX_CONTROL_SHARE = 0.02  # more of it is no text
MAX_BROKEN_SHARE = 0.3  # of the non-ASCII bytes; below it the file is UTF-8 with bad spots
_CONTROLS = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_META = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_:.-]{2,40})", re.IGNORECASE)


class NotTextError(ValueError):
    """The bytes are no text in any encoding we know."""


def decode(data: bytes, *, is_html: bool = False) -> tuple[str, str]:
    """The text, and the name of the encoding it was read with.

    Raises NotTextError for binary data. Text that is UTF-8 but for a few bytes keeps its UTF-8; the
    bad bytes are read as Windows-1252, and the name says so.
    """
    for mark, encoding in BOMS:
        if data.startswith(mark):
            return data.decode(encoding, "replace").lstrip("\ufeff"), encoding.removesuffix("-sig")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return _decode_other(data, is_html=is_html)
    if "\x00" in text[:SAMPLE_BYTES]:
        return _decode_zeros(data)
    _refuse_binary(data)
    return text, "utf-8"


def _decode_other(data: bytes, *, is_html: bool) -> tuple[str, str]:
    if b"\x00" in data[:SAMPLE_BYTES]:
        return _decode_zeros(data)
    _refuse_binary(data)
    declared = _META.search(data[:4096]) if is_html else None
    if declared:
        name = _web_name(declared[1].decode("ascii"))
        if name not in ("utf-8", "utf-16-le", "utf-16-be"):  # a byte a letter was read to get here
            return data.decode(name, "replace"), name
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


def _read_as_windows_1252(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    bad = error.object[error.start : error.end]
    return bad.decode("windows-1252", "replace"), error.end


codecs.register_error("reinschrift-windows-1252", _read_as_windows_1252)
