"""No pattern of the program takes time that grows faster than its input.

Every pattern that our own code hands to `re` while the seeds are cleaned, in several languages and with
every mask, is recorded. For each of them texts are made of what it repeats, and the CPU time at n and 4n
is compared.
"""

import itertools
import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.growth import adversarial_texts, record_patterns

REPOSITORY = Path(__file__).parents[2]
SIZES = (6, 12, 20, 160, 3_000)
GROWTH = 4
QUICK_SECONDS = 0.02  # what takes less at the larger size has not grown


def recorded():
    """Patterns and flags, recorded in a process of its own, since modules compile theirs once."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.growth"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [
        (bytes.fromhex(p) if is_bytes else p, flags) for p, is_bytes, flags in json.loads(done.stdout)
    ]


def seconds(compiled, text):
    """CPU seconds to look for every match in the text."""
    best = float("inf")
    for _ in range(2):
        start = time.process_time()
        for _ in compiled.finditer(text):
            pass
        compiled.match(text)
        compiled.fullmatch(text)
        best = min(best, time.process_time() - start)
        if best < QUICK_SECONDS:
            break
    return best


def grows(compiled):
    """A text on which the time grows faster than the text; None if there is none."""
    for size in SIZES:
        pairs = zip(
            adversarial_texts(compiled, size), adversarial_texts(compiled, GROWTH * size), strict=True
        )
        for short, long in pairs:
            if seconds(compiled, long) > QUICK_SECONDS:
                ratio = seconds(compiled, long) / max(seconds(compiled, short), 1e-9)
                if ratio > 2 * GROWTH:
                    return long[:60], size, ratio
    return None


@pytest.mark.parametrize(
    "bad",
    [
        r"\s+$",
        r"(a+)+$",
        r"<[^>]*>",
        r"(?:x|y)*z",
        r"\w+@\w+",
    ],
)
def test_the_test_sees_growth(bad):
    assert grows(re.compile(bad, re.DOTALL))


@pytest.mark.parametrize("good", [r"(?<!\s)\s++$", r"[^>]{0,200}>", r"\d{14}", r"abc"])
def test_the_test_lets_linear_patterns_pass(good):
    assert grows(re.compile(good)) is None


def test_no_pattern_grows_faster_than_its_input():
    patterns = recorded()
    assert len(patterns) > 60
    wrong = {}
    for pattern, flags in patterns:
        found = grows(re.compile(pattern, flags))
        if found:
            wrong[pattern] = found
    assert not wrong, "\n".join(f"{p!r}: {f}" for p, f in itertools.islice(wrong.items(), 40))


assert record_patterns  # used by the child process
