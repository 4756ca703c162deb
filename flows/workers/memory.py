"""Freed memory, returned to the system.

The C library keeps what NumPy's arrays leave behind in pieces it can seldom use again: half a process's
memory after some batches, more from batch to batch.
"""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def trim_malloc() -> None:
    """Return freed memory to the system, where the C library can; milliseconds, so once a batch."""
    trim = _trim()
    if trim is not None:
        trim(0)


@cache
def _trim() -> Callable[[int], int] | None:
    """glibc's `malloc_trim`; None where there is none."""
    if not sys.platform.startswith("linux"):
        return None
    return getattr(ctypes.CDLL(None), "malloc_trim", None)
