"""What is masked, what is left alone, and that nothing of it can be read back."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reinschrift.transforms.privacy import KINDS, Masks, find_personal, mask, mask_column, redact
from tests.conftest import clean, clean_text, read_corpus

if TYPE_CHECKING:
    from pathlib import Path

KEY = "a secret for tests only"
PERSONAL = [
    ("de", "Schreiben Sie an anna.beispiel@example.org bis morgen.", "email", "anna.beispiel@example.org"),
    ("en", "Mail o'neil+news@mail.example.co.uk, please.", "email", "o'neil+news@mail.example.co.uk"),
    ("de", "Kontakt: info(at)beispiel(dot)de", "email", "info(at)beispiel(dot)de"),
    ("de", "Kontakt: info [at] beispiel.de", "email", "info [at] beispiel.de"),
    ("en", "Write to show@example.com.Sarah is a host.", "email", "show@example.com"),
    ("de", "jörg@müller.example", "email", "jörg@müller.example"),
    ("de", "Tel.: 030 901820 (Zentrale)", "phone", "030 901820"),
    ("de", "Sie erreichen uns unter (089) 2180-0 oder per Post.", "phone", "(089) 2180-0"),
    ("en", "Call us at (202) 456-1111 today.", "phone", "(202) 456-1111"),
    ("fr", "Le numéro est +49 30 901820, en Allemagne.", "phone", "+49 30 901820"),
    ("xx", "+43 1 58858-0", "phone", "+43 1 58858-0"),
    ("de", "IBAN: DE89 3704 0044 0532 0130 00, BIC fehlt", "iban", "DE89 3704 0044 0532 0130 00"),
    ("en", "Pay GB29NWBK60161331926819 now.", "iban", "GB29NWBK60161331926819"),
    ("de", "Angemeldet von 188.102.128.236 aus.", "ip", "188.102.128.236"),
    ("de", "Die IP-Adresse ist 8.8.8.8.", "ip", "8.8.8.8"),
    ("en", "From 2a00:1450:4001:82b::200e it came.", "ip", "2a00:1450:4001:82b::200e"),
]  # fmt: skip
HARMLESS = [
    ("de", "Am 05.11.2023 - 19:50 schrieb Paul."),
    ("de", "06.11.23 - 10:05 von Lena"),
    ("de", "Geöffnet von 08.30 - 12.00 Uhr und von 14.00-18.00 Uhr."),
    ("de", "Das kostet 1.234.567,00 Euro oder 12 345 678 Kronen."),
    ("de", "ISBN 978-3-16-148410-0, S. 1421-1550"),
    ("en", "ISBN 0-306-40615-2, pp. 1203-1209"),
    ("en", "doi: 10.1136/bjsports-2022-106195"),
    ("en", "Published: 2021-04-29 17:13:04.031886+02:00"),
    ("en", "The treaty of 07-30-2008 and the years 1914-1918."),
    ("de", "Siehe Nummer 2.2.1.3 und Abschnitt 12.9.3.11."),
    ("en", "Version 3.20.1.1 listens on 127.0.0.1, 10.0.1.40 or ::1."),
    ("en", "At 12:30:45 it was 10:15."),
    ("de", "IBAN: DE88 3704 0044 0532 0130 00 hat falsche Prüfziffern."),
    ("en", "GB29 NWBK 6016 1331 9268 is too short."),
    ("en", "Follow @example or load image@2x.png, please."),
    ("en", "Meet me at (at) the corner."),
    ("en", "a@b"),
]  # fmt: skip


@pytest.mark.parametrize(("language", "text", "kind", "value"), PERSONAL)
def test_personal_data_are_found(language: str, text: str, kind: str, value: str) -> None:
    found = find_personal(text, language, KINDS)
    assert [(hit.kind, text[hit.start : hit.end]) for hit in found] == [(kind, value)]
    assert mask(text, language, Masks(KINDS)) == (text.replace(value, f"[{kind.upper()}]"), [kind])
    assert find_personal(text, language, [other for other in KINDS if other != kind]) == []


@pytest.mark.parametrize(("language", "text"), HARMLESS)
def test_dates_prices_books_and_sections_stay(language: str, text: str) -> None:
    assert find_personal(text, language, KINDS) == []


def test_a_keyed_mask_is_the_same_for_a_value_however_it_is_written() -> None:
    masks = Masks(KINDS, KEY)
    for one, other in (
        ("Anna@Example.org", "anna (at) example (dot) org"),
        ("+49 30 901820", "030/901820"),
        ("DE89 3704 0044 0532 0130 00", "DE89370400440532013000"),
    ):
        first, second = mask(one, "de", masks)[0], mask(other, "de", masks)[0]
        assert re.fullmatch(r"\[(EMAIL|PHONE|IBAN)_[a-p]{8}\]", first)
        assert first == second
        assert first != mask(one, "de", Masks(KINDS, KEY + "!"))[0]
    assert mask("anna@example.org", "de", masks) != mask("anne@example.org", "de", masks)


pieces = st.sampled_from(
    [text for _, text, *_ in PERSONAL]
    + [text for _, text in HARMLESS]
    + ["@", "+49", "0", "(at)", ".de", ": "]
)


@given(
    st.lists(pieces, max_size=4).map(" ".join),
    st.sampled_from(["de", "en", "xx"]),
    st.sampled_from(["", KEY]),
)
@settings(max_examples=200, deadline=None)
def test_masking_what_is_masked_changes_nothing(text: str, language: str, key: str) -> None:
    masks = Masks(KINDS, key)
    masked, _ = mask(text, language, masks)
    assert mask(masked, language, masks) == (masked, [])
    redacted, _ = redact(text, language, masks)
    assert redact(redacted, language, masks) == (redacted, [])
    assert mask(redacted, language, masks) == (redacted, [])


@given(st.lists(pieces, max_size=4).map(" ".join), st.sampled_from(["de", "en", "xx"]))
@settings(max_examples=200, deadline=None)
def test_the_prefilter_misses_nothing(text: str, language: str) -> None:
    frame = pl.DataFrame({"text": [text], "language": [language]})
    for kind in KINDS:
        found = mask_column(frame, "text", lambda t, lang: mask(t, lang, Masks((kind,))), (kind,))  # noqa: B023
        expected = find_personal(text, language, (kind,))
        assert found["found"].to_list() == [[kind] if expected else None]


PAGE = """Die Brücke über den Fluss wurde im 19. Jahrhundert gebaut und steht noch heute.
Wer sie besichtigen will, schreibt an anna.beispiel@example.org oder ruft 030 901820 an. Sie freut sich.
Spenden gehen an DE89 3704 0044 0532 0130 00, und der Server steht unter 188.102.128.236 im Keller.
Hinweise an anna&#46;beispiel@example.org nimmt die Gemeinde gern entgegen, auch am Sonntag.
Leave a Reply
Skip to content
"""
SECRETS = ("anna", "901820", "3704", "188.102")


def every_text(tables: dict[str, pl.DataFrame]) -> str:
    return "\n".join(str(frame.to_dicts()) for frame in tables.values())


def test_masks_are_in_the_ledger_with_what_stood_there(tmp_path: Path) -> None:
    tables = clean_text(tmp_path, PAGE, mask=("email", "phone", "iban", "ip"), line_model=False)
    text = tables["documents"]["text"].item()
    assert not any(secret in text for secret in SECRETS)
    assert "schreibt an [EMAIL] oder ruft [PHONE] an" in text
    rows = tables["ledger"].filter(step="privacy")
    assert rows["rule"].to_list() == ["email", "iban", "email"]
    assert rows["also"].to_list()[0] == ["phone"]
    assert "anna.beispiel@example.org" in rows["before"][0]
    assert rows["after"][0] in text


def test_a_redacted_ledger_holds_no_value_in_any_step(tmp_path: Path) -> None:
    footer = "\nImpressum: anna.beispiel@example.org, 030 901820\n"
    pack = tmp_path / "own.toml"
    pack.write_text(
        '[pack]\nname = "own"\nwhy = "ours"\n[[rule]]\nid = "imprint"\nkind = "regex"\npattern = "^Impressum:.*$"\n'
        'why = "footer"\nremoves = ["Impressum: x"]\nkeeps = ["Das Impressum fehlt."]\n'
    )
    tables = clean_text(
        tmp_path, PAGE + footer, mask=KINDS, redact_ledger=True, packs=(pack,), line_model=False
    )
    told = every_text(tables)
    assert not any(secret in told for secret in SECRETS)
    dropped = tables["ledger"].filter(rule="own/imprint")
    assert dropped["before"].to_list() == ["Impressum: [REDACTED], [REDACTED]"]
    assert tables["ledger"].filter(step="privacy").height == 3


def test_titles_authors_and_addresses_are_masked(tmp_path: Path) -> None:
    page = tmp_path / "a.jsonl"
    page.write_text(
        '{"id": "1", "title": "Post an anna@example.org", "url": "https://example.org/?to=anna%40example.org",'
        ' "text": "Die Brücke über den Fluss steht noch heute, und wer will, darf sie besichtigen."}\n'
    )
    clean([page], tmp_path / "out", mask=("email",), redact_ledger=True)
    tables = read_corpus(tmp_path / "out" / "corpus")
    document = tables["documents"].row(0, named=True)
    assert (document["title"], document["url"]) == ("Post an [EMAIL]", "https://example.org/?to=[EMAIL]")
    notes = tables["ledger"].filter(step="privacy")
    assert notes["before"].to_list() == [
        "title: Post an [REDACTED]",
        "url: https://example.org/?to=[REDACTED]",
    ]
    assert "anna" not in every_text(tables)


def test_what_differs_only_in_a_masked_value_is_a_repeat(tmp_path: Path) -> None:
    """The hash is that of the masked text: else it would tell what was masked."""
    text = "\n".join(
        f"Wer die alte Brücke besichtigen will, schreibt bitte an {name}@example.org." for name in "ab"
    )
    tables = clean_text(tmp_path, text, mask=("email",), line_model=False)
    assert tables["ledger"].filter(step="repeats").height == 1
    keyed = clean_text(tmp_path, text, "other.txt", mask=("email",), mask_key=KEY, line_model=False)
    assert keyed["ledger"].filter(step="repeats").height == 0
