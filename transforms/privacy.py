"""Masking personal data: e-mail addresses, phone numbers, IBANs and IP addresses. Off unless asked for.

A mask stands for a value that was checked as far as it can be: check digits and country lengths of
IBANs, numbering plans of phone numbers (the library `phonenumbers`), public addresses only. Where a
number could as well be a date, a section or a version, it stays: precision comes first.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

KINDS = ("email", "phone", "iban", "ip")
"""In the order in which they win where two of them overlap."""

DIGEST_CHARS = 8
"""Of a keyed mask: 32 bits, half a chance of one collision among 77,000 values."""

REDACTED = "[REDACTED]"
MIN_IP_OCTET = 100
"""Sections and versions ("2.2.1.3") have small numbers only; an address like that needs a cue."""

_LETTERS = str.maketrans("0123456789abcdef", "abcdefghijklmnop")
_REGIONS = {"de": "DE", "en": "US", "fr": "FR", "es": "ES", "it": "IT", "nl": "NL"}
"""Whose national numbers are looked for, by language; numbers with + and country code everywhere."""

# Code letters and lengths: SWIFT, IBAN registry (ISO 13616), release 99.
_IBAN_LENGTHS = {
    code: int(length)
    for length, codes in {
        "15": "NO", "16": "BE", "18": "DK FO FI GL NL SD FK", "19": "MK SI",
        "20": "AT BA EE KZ LT LU XK MN",
        "21": "CH HR LI LV", "22": "BG BH CR DE GB GE IE ME RS VA", "23": "AE IL IQ TL GI OM SO",
        "24": "AD CZ ES MD PK RO SA SE SK TN VG", "25": "PT ST LY", "26": "IS TR",
        "27": "FR GR IT MC MR SM BI DJ", "28": "AL AZ BY CY DO GT HN HU LB PL SV NI",
        "29": "BR PS QA UA EG", "30": "JO KW MU YE", "31": "MT SC", "32": "LC", "33": "RU",
    }.items()
    for code in codes.split()
}  # fmt: skip
_IBAN_MODULUS = 97  # ISO 7064
_FILE_ENDINGS = frozenset(
    [
        "png",
        "jpg",
        "jpeg",
        "gif",
        "svg",
        "webp",
        "css",
        "js",
        "json",
        "html",
        "htm",
        "php",
        "pdf",
        "mp3",
        "mp4",
    ]
)

# What a text must hold for a search to be worth while, in the regular expressions of Polars.
_PREFILTERS = {
    "email": r"@|%40|[(\[{]\s?(?:at|AT|ät)\s?[)\]}]",
    "phone": r"[+(0-9][0-9 \x{a0}()/.\-–]{5,}[0-9]",
    "iban": r"[A-Z]{2}[0-9]{2}[ \x{a0}]?[A-Z0-9]{4}",
    "ip": r"[0-9]\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]|[0-9A-Fa-f]{0,4}:[0-9A-Fa-f]{0,4}:[0-9A-Fa-f]{0,4}",
}
_AT = r"(?:@|%40|\s?(?:\((?:at|AT|ät)\)|\[(?:at|AT|ät)\]|\{(?:at|AT)\})\s?)"
_DOT = r"(?:\.|\s?(?:\((?:dot|DOT|punkt|Punkt)\)|\[(?:dot|DOT|punkt|Punkt)\])\s?)"
_EMAIL = re.compile(
    r"(?<![\w.+%-])[^\W_](?:[\w.+%'-]{0,62}[\w+-])?"
    rf"{_AT}[^\W_](?:[\w-]{{0,61}}[^\W_])?(?:{_DOT}[^\W_](?:[\w-]{{0,61}}[^\W_])?){{0,5}}"
    rf"{_DOT}(?P<ending>[a-zß-öø-ÿ]{{2,24}}|[A-Z]{{2,24}}|xn--[a-z0-9-]{{2,40}})(?![\w@-])"
)
_IBAN = re.compile(r"(?<![^\W_])[A-Z]{2}[0-9]{2}(?:[ \u00a0]?[A-Z0-9]){11,30}")
_IPV4 = re.compile(r"(?<![\w.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![\w]|\.[0-9])")
_IPV6 = re.compile(r"(?<![\w:.])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?![\w:]|\.[0-9])")
_IP_CUE = re.compile(
    r"(?i)\bIP(?:v4|-?Adress\w*|[ -]?address\w*)?[\s:=(„\"'-]*(?:(?:is|ist|lautet)\s)?$"
)
_DATE = re.compile(
    r"(?<!\d)(?:"
    r"(?:0?[1-9]|[12]\d|3[01])[./-]\s?(?:0?[1-9]|1[0-2])[./-]\s?(?:(?:19|20)\d\d|\d\d)"  # 05.11.23
    r"|(?:0?[1-9]|1[0-2])[./-](?:0?[1-9]|[12]\d|3[01])[./-](?:19|20)\d\d"  # 07-30-2008
    r"|(?:[01]?\d|2[0-4])[.:][0-5]\d\s?[–-]\s?(?:[01]?\d|2[0-4])[.:][0-5]\d"  # 08.30 - 12.00
    r")(?![./-]?\d)"
)
_NOT_A_PHONE = re.compile(
    r"(?i)(?:\b(?:ISBN|ISSN|EAN|DOI|HRB|HRA|USt|VAT|Az|Art|Artikel|Nr|No|Ref|Order|Bestell|Konto|BLZ|"
    r"Patent|Version|Seiten?|pages?|pp|IP)\b[\w.:/ -]{0,18}|[€$£=#§/]\s?|\d[:.,]|\w[-_]|"
    r"https?:\S{0,99})$"
)
_CUE_CHARS = 24


class Found(NamedTuple):
    """One value: where it stands, what it is, and its normal form."""

    start: int
    end: int
    kind: str
    value: str


@dataclass(frozen=True)
class Masks:
    """What is masked: the kinds, and the secret by which a run says values apart, if any.

    With a key the mask of a value is a keyed BLAKE2b of its normal form: the same wherever it stands
    and in every run with that key, and not to be reversed or guessed without it. Without a key it is
    the kind alone.
    """

    kinds: tuple[str, ...]
    key: str = ""

    def label(self, found: Found) -> str:
        """What is written instead of the value. It holds no digits: no other mask sees one in it."""
        if not self.key:
            return f"[{found.kind.upper()}]"
        named = f"{found.kind}:{found.value}".encode()
        key = hashlib.blake2b(self.key.encode(), digest_size=32).digest()
        digest = hashlib.blake2b(named, key=key, digest_size=DIGEST_CHARS // 2).hexdigest()
        return f"[{found.kind.upper()}_{digest.translate(_LETTERS)}]"


def find_emails(text: str, language: str) -> Iterator[Found]:
    """Addresses with a top-level domain, also as "name (at) example (dot) org"."""
    del language
    for match in _EMAIL.finditer(text):
        if match["ending"].lower() not in _FILE_ENDINGS:
            value = re.sub(_AT, "@", match[0], count=1)
            yield Found(*match.span(), "email", re.sub(_DOT, ".", value).lower())


def find_phones(text: str, language: str) -> Iterator[Found]:
    """Numbers that are valid in the plan of their country, and no date, price or reference."""
    from phonenumbers import (
        Leniency,
        PhoneNumberFormat,
        PhoneNumberMatcher,
        format_number,
    )

    region = _REGIONS.get(language)
    for match in PhoneNumberMatcher(text, region, Leniency.VALID):
        raw = match.raw_string
        before = text[max(0, match.start - _CUE_CHARS) : match.start]
        if _DATE.search(raw) or _NOT_A_PHONE.search(before):
            continue
        if region == "DE" and not raw.lstrip("( ").startswith(("+", "0")):
            continue
        yield Found(match.start, match.end, "phone", format_number(match.number, PhoneNumberFormat.E164))


def find_ibans(text: str, language: str) -> Iterator[Found]:
    """Account numbers of the length of their country whose check digits are right."""
    del language
    for match in _IBAN.finditer(text):
        length = _IBAN_LENGTHS.get(match[0][:2])
        if length is None:
            continue
        places = [at for at, char in enumerate(match[0]) if not char.isspace()][:length]
        compact = "".join(match[0][at] for at in places)
        end = match.start() + places[-1] + 1
        if len(compact) == length and not text[end : end + 1].isalnum() and is_iban(compact):
            yield Found(match.start(), end, "iban", compact)


def is_iban(compact: str) -> bool:
    """Whether the check digits of an IBAN without spaces, in capitals, are right."""
    digits = "".join(str(int(char, 36)) for char in compact[4:] + compact[:4])
    return int(digits) % _IBAN_MODULUS == 1


def find_ips(text: str, language: str) -> Iterator[Found]:
    """Public addresses: those of a private network, a loop or a test name nobody."""
    del language
    for pattern in (_IPV4, _IPV6):
        for match in pattern.finditer(text):
            try:
                address = ipaddress.ip_address(match[0])
            except ValueError:
                continue
            if address.is_global and not address.is_multicast and _is_address(text, match, address):
                yield Found(*match.span(), "ip", address.compressed)


def _is_address(
    text: str, match: re.Match[str], address: ipaddress.IPv4Address | ipaddress.IPv6Address
) -> bool:
    if address.version == 6:
        return True
    before = text[max(0, match.start() - _CUE_CHARS) : match.start()]
    return max(address.packed) >= MIN_IP_OCTET or _IP_CUE.search(before) is not None


_FINDERS: dict[str, Callable[[str, str], Iterator[Found]]] = {
    "email": find_emails,
    "phone": find_phones,
    "iban": find_ibans,
    "ip": find_ips,
}


def find_personal(text: str, language: str, kinds: Iterable[str]) -> list[Found]:
    """Personal data of these kinds in `text`, in order, none overlapping another."""
    found = [hit for kind in KINDS if kind in kinds for hit in _FINDERS[kind](text, language)]
    taken: list[Found] = []
    # IBANs before phone numbers, which may lie in them; otherwise the longer one.
    for hit in sorted(found, key=lambda hit: (hit.kind != "iban", hit.start - hit.end, hit.start)):
        if all(hit.end <= other.start or hit.start >= other.end for other in taken):
            taken.append(hit)
    return sorted(taken)


def mask(
    text: str, language: str, masks: Masks, label: Callable[[Found], str] | None = None
) -> tuple[str, list[str]]:
    """The text with personal data masked, and the kinds that were found in it, in their order."""
    kinds: list[str] = []
    # Again until nothing is found: what stood beside a value may be one without it.
    while found := find_personal(text, language, masks.kinds):
        parts, at = [], 0
        for hit in found:
            parts += [text[at : hit.start], (label or masks.label)(hit)]
            at = hit.end
        text = "".join([*parts, text[at:]])
        kinds += [hit.kind for hit in found]
    return text, list(dict.fromkeys(kinds))


def redact(text: str, language: str, masks: Masks) -> tuple[str, list[str]]:
    """As `mask`, with REDACTED in the place of every value.

    Where the language is not known, as of a page that was dropped, national numbers are looked for
    in all that are.
    """
    found: list[str] = []
    for known in (language,) if language in _REGIONS else tuple(_REGIONS):
        text, kinds = mask(text, known, masks, lambda _: REDACTED)
        found += kinds
    return text, list(dict.fromkeys(found))


def redact_actions(actions: pl.DataFrame, masks: Masks) -> pl.DataFrame:
    """Take personal data out of the ledger.

    In: ACTIONS_TAKEN with `language` of the page. Out: the same rows, `before` and `after` redacted.
    What was repaired into a value may have been one that nobody recognises: then all of it goes.
    """

    def work(text: str, language: str) -> tuple[str, list[str]]:
        return redact(text, language, masks)

    after = mask_column(actions.rename({"after": "text"}), "text", work, masks.kinds)
    both = mask_column(
        actions.with_columns(after_masked=after["masked"]).rename({"before": "text"}),
        "text",
        work,
        masks.kinds,
    )
    is_mended = (pl.col("step") == "repair") & pl.col("after_masked").is_not_null()
    before = pl.when(is_mended).then(pl.lit(REDACTED)).otherwise(pl.coalesce("masked", "text"))
    return both.with_columns(
        before=before,
        after=pl.coalesce("after_masked", "after"),
    ).drop("text", "masked", "found", "after_masked")


def _may_hold(column: pl.Expr, kinds: tuple[str, ...]) -> pl.Expr:
    """Whether a text may hold personal data: what costs next to nothing and misses nothing."""
    return pl.any_horizontal(column.str.contains(_PREFILTERS[kind]) for kind in kinds)


def mask_column(
    frame: pl.DataFrame,
    column: str,
    work: Callable[[str, str], tuple[str, list[str]]],
    kinds: tuple[str, ...],
) -> pl.DataFrame:
    """Do `work` where it may find something.

    In: `column` and `language`. Out: the same rows with `masked` and `found` (List of String), null
    where nothing was found.
    """
    indexed = frame.with_row_index("index")
    suspects = indexed.filter(_may_hold(pl.col(column), kinds)).select("index", column, "language")
    results = [work(text, language or "") for _, text, language in suspects.iter_rows()]
    found = pl.DataFrame(
        {
            "index": suspects["index"],
            "masked": [text for text, _ in results],
            "found": [names for _, names in results],
        },
        schema={"index": pl.UInt32, "masked": pl.String, "found": pl.List(pl.String)},
    ).filter(pl.col("found").list.len() > 0)
    return indexed.join(found, on="index", how="left", maintain_order="left").drop("index")


def mask_sentences(sentences: pl.DataFrame, masks: Masks) -> pl.DataFrame:
    """Mask personal data.

    In: `text`, `language`. Out: the same rows with `masked` (null where nothing was found) and `found`.
    """
    return mask_column(sentences, "text", lambda text, lang: mask(text, lang, masks), masks.kinds)


PAGE_COLUMNS = ("title", "author", "url", "canonical_url", "site_name")


def mask_pages(pages: pl.DataFrame, masks: Masks) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Mask personal data in what is known of a page.

    In: PAGE_COLUMNS, `page`, `language`. Out: the same pages, and a note for the ledger for each value
    that was masked, with what stood there.
    """
    notes = []
    for column in PAGE_COLUMNS:
        filled = pages.with_columns(pl.col(column).fill_null(""))
        masked = mask_column(filled, column, lambda text, lang: mask(text, lang, masks), masks.kinds)
        notes.append(
            masked.filter(pl.col("masked").is_not_null()).select(
                "page",
                step=pl.lit("privacy"),
                rule=pl.col("found").list.first(),
                also=pl.col("found").list.slice(1),
                action=pl.lit("note"),
                before=pl.format("{}: {}", pl.lit(column), column),
            )
        )
        pages = pages.with_columns(pl.coalesce(masked["masked"], column).alias(column))
    return pages, pl.concat(notes)
