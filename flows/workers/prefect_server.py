"""Prefect's server in a process that ends with the one that started it.

`python -P -m reinschrift.flows.workers.prefect_server PARENT ARGUMENT…` runs `prefect ARGUMENT…` as a
child of the process PARENT.
"""

from __future__ import annotations

import runpy
import sys

from reinschrift.flows.workers.processes import die_with_parent


def main() -> None:
    """Run Prefect's command until it ends, or the parent does."""
    die_with_parent(int(sys.argv[1]))
    sys.argv = ["prefect", *sys.argv[2:]]
    runpy.run_module("prefect", run_name="__main__", alter_sys=False)


if __name__ == "__main__":
    main()
