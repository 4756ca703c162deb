"""The gate in a process of its own, started beside the work, for its imports take seconds."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING, Self

from reinschrift.expectations.verdict import Observation, Verdict, find, verdict_from

if TYPE_CHECKING:
    from pathlib import Path

    from reinschrift.expectations.terms import Terms


class GateProcess:
    """The gate's process, which imports what it needs as soon as the `with` block begins."""

    def __enter__(self) -> Self:
        self.errors = tempfile.TemporaryFile()
        self._start()
        return self

    def _start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "reinschrift.flows.workers.gate_worker", str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            env={**os.environ, "POLARS_MAX_THREADS": os.environ.get("POLARS_MAX_THREADS", "2")},
        )

    def __exit__(self, *failure: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()
        self.errors.close()

    def judge(self, corpus: Path, terms: Terms) -> Verdict:
        """The verdict on the tables below `corpus`; a process that died is a failed expectation."""
        request = json.dumps({"folder": str(corpus.resolve()), "terms": terms.to_dict()}) + "\n"
        if self.process.poll() is not None:
            self.process.communicate()  # somebody killed it while the work went on
            self._start()
        answer, _ = self.process.communicate(request.encode())
        if self.process.returncode < 0:
            self._start()
            answer, _ = self.process.communicate(request.encode())
        if self.process.returncode == 0 and answer:
            return verdict_from(json.loads(answer))
        why = _why(self.process.returncode, self._last_words())
        lost = Observation("gate.process", "corpus", "the corpus can be judged", 1, found=why, error=why)
        return Verdict(find([lost], [False], {}))

    def _last_words(self) -> str:
        self.errors.seek(0)
        lines = self.errors.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else ""


def _why(code: int, said: str) -> str:
    """Why the gate's process gave no answer."""
    how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
    memory = ", perhaps for want of memory" if -code == signal.SIGKILL else ""
    return f"the gate's process was {how}{memory}{': ' + said if said else ''}"
