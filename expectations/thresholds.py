"""Every threshold that a setting may change, with its default."""

from __future__ import annotations

from reinschrift.expectations.foreign import CHECKS, MAX_REPEATS
from reinschrift.expectations.history import DEFAULTS
from reinschrift.expectations.sanity import BOUNDS

THRESHOLDS: dict[str, float] = {
    **{bound.name: bound.high for bound in BOUNDS},
    **DEFAULTS,
    **{name: high for name, _, _, high, _ in CHECKS},
    "foreign.repeats": MAX_REPEATS,
}
