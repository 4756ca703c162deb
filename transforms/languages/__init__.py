"""Data about each language: one TOML file per language in this folder."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from typing import Any


@cache
def known_languages() -> tuple[str, ...]:
    """Codes (ISO 639-1) of the languages that have a file."""
    files = resources.files(__name__).iterdir()
    return tuple(sorted(f.name.removesuffix(".toml") for f in files if f.name.endswith(".toml")))


@cache
def language_data(language: str) -> dict[str, Any]:
    """The tables of one language's file; empty for a language without one."""
    if language not in known_languages():
        return {}
    text = (resources.files(__name__) / f"{language}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)
