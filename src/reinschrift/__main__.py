"""The command `reinschrift`, and `python -m reinschrift`."""

from __future__ import annotations

import os
import sys

INTERRUPTED = 130


def main() -> None:
    """Run the command; an interruption at any moment, even while importing, ends it quietly."""
    # Processes started from here do not import what lies in the current folder.
    os.environ.setdefault("PYTHONSAFEPATH", "1")
    try:
        from reinschrift.flows.cli import main as run_command

        run_command()
    except (KeyboardInterrupt, SystemExit) as end:
        if isinstance(end, SystemExit) and end.code != INTERRUPTED:
            raise
        sys.stderr.write(
            "interrupted; what was published before stands, and the next run goes on from here\n"
        )
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
