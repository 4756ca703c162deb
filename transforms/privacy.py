"""Masking personal data in sentences: e-mail addresses, IP addresses and IBANs. Off unless asked for."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Callable

IBAN_MODULUS = 97  # ISO 7064
_EMAIL = r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})*\.[A-Za-z]{2,24}"
_IPV4 = r"\b(?:[0-9]{1,3}\.){3}[0-9]{1,3}\b"
_IBAN = r"\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?\b"


def _is_ip(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True


def _is_iban(text: str) -> bool:
    compact = text.replace(" ", "")
    digits = "".join(str(int(char, 36)) for char in compact[4:] + compact[:4])
    return int(digits) % IBAN_MODULUS == 1


MASKS: dict[str, tuple[str, str, Callable[[str], bool]]] = {
    "email": (_EMAIL, "[EMAIL]", lambda _: True),
    "ip": (_IPV4, "[IP]", _is_ip),
    "iban": (_IBAN, "[IBAN]", _is_iban),
}


def mask(text: str, kinds: tuple[str, ...]) -> tuple[str, list[str]]:
    """The text with personal data masked, and the kinds that were found in it."""
    found = []
    for kind in kinds:
        pattern, label, is_valid = MASKS[kind]
        masked = re.sub(pattern, lambda m: label if is_valid(m[0]) else m[0], text)  # noqa: B023
        if masked != text:
            found.append(kind)
            text = masked
    return text, found


def mask_sentences(sentences: pl.DataFrame, kinds: tuple[str, ...]) -> pl.DataFrame:
    """Mask personal data.

    In: `text`. Out: the same rows with `masked` (null where nothing was found) and `found`.
    """
    suspicious = pl.any_horizontal(pl.col("text").str.contains(MASKS[kind][0]) for kind in kinds)
    suspects = sentences.with_row_index("index").filter(suspicious).select("index", "text")
    results = [mask(text, kinds) for text in suspects["text"]]
    found = pl.DataFrame(
        {
            "index": suspects["index"],
            "masked": [text for text, _ in results],
            "found": [names for _, names in results],
        },
        schema={"index": pl.UInt32, "masked": pl.String, "found": pl.List(pl.String)},
    ).filter(pl.col("found").list.len() > 0)
    return (
        sentences.with_row_index("index")
        .join(found, on="index", how="left", maintain_order="left")
        .drop("index")
    )
