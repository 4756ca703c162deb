"""The one root of every error this program raises on purpose."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class ReinschriftError(Exception):
    """Something the user can fix: `message` says what and where, `remedy` what to do.

    `exit_code`: 2 for usage, settings and places, 1 where the work itself failed.
    """

    exit_code = 2

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message if not remedy else f"{message}\n  Remedy: {remedy}")
        self.message = message
        self.remedy = remedy


class CpuLimitError(BaseException):
    """A call took more CPU time than it may. Not an Exception, so that nobody swallows it on the way."""


class PackError(ReinschriftError):
    """A rule pack that can't be used; the message begins with file and line."""


class ConfigError(ReinschriftError):
    """A setting that can't be used; the message names the key and what is allowed."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint for a misspelt name: the nearest known ones, or all of them."""
    names = sorted(known)
    near = get_close_matches(word, names, n=3)
    return f"did you mean {' or '.join(near)}?" if near else f"known are: {', '.join(names)}"
