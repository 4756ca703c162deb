"""The gate in a process of its own, started beside the work, for its imports take seconds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING, Self

from reinschrift.expectations.gate import Finding, Verdict
from reinschrift.transforms.contracts import PUBLISHED
from reinschrift.transforms.errors import ReinschriftError

if TYPE_CHECKING:
    from pathlib import Path


class GateError(ReinschriftError):
    """The gate itself broke down; nothing was published."""

    exit_code = 1


class GateProcess:
    """A judge that warms up as soon as the `with` block begins."""

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

    def judge(self, corpus: Path, rows: int) -> Verdict:
        """The verdict on the tables below `corpus`.

        Raises GateError where the judge's process died.
        """
        files = {
            table.name: sorted(map(str, (corpus / table.name).rglob("*.parquet"))) for table in PUBLISHED
        }
        request = json.dumps({"files": files, "rows": rows}) + "\n"
        if self.process.poll() is not None:
            self.process.communicate()  # somebody killed it while the work went on
            self._start()
        answer, _ = self.process.communicate(request.encode())
        if self.process.returncode < 0:
            self._start()
            answer, _ = self.process.communicate(request.encode())
        if self.process.returncode != 0 or not answer:
            self.errors.seek(0)
            last = self.errors.read().decode("utf-8", "replace").strip().splitlines()[-1:]
            raise GateError(f"the gate broke down: {''.join(last)}", "report it, with the input")
        findings = json.loads(answer)["findings"]
        return Verdict([Finding(**finding) for finding in findings])
