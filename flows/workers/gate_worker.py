"""The gate's process: `python -P -m reinschrift.flows.workers.gate_worker PARENT`."""

from __future__ import annotations

import sys

from reinschrift.flows.workers.processes import start_worker


def main() -> None:
    """Judge one corpus, unless the parent ends before."""
    start_worker(int(sys.argv[1]))
    from reinschrift.expectations.gate import serve_request

    serve_request()


if __name__ == "__main__":
    main()
