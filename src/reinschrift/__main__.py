"""The command `reinschrift`, and `python -m reinschrift`."""

from __future__ import annotations

import os
import signal
import sys

INTERRUPTED = 130


def main() -> None:
    """Run the command; an interruption at any moment, even while importing, ends it quietly."""
    # Processes started from here do not import what lies in the current folder.
    os.environ.setdefault("PYTHONSAFEPATH", "1")
    interrupts: list[int] = []

    def interrupt(number: int, _frame: object) -> None:
        interrupts.append(number)
        raise KeyboardInterrupt

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, interrupt)
    try:
        from reinschrift.flows.cli import main as run_command

        run_command()
    except (KeyboardInterrupt, SystemExit, Exception) as end:
        # Libraries may make an error of their own of an interruption.
        is_interrupted = isinstance(end, KeyboardInterrupt) or (
            end.code == INTERRUPTED if isinstance(end, SystemExit) else bool(interrupts)
        )
        if not is_interrupted:
            raise
        sys.stderr.write(
            "interrupted; what was published before stands, and the next run goes on from here\n"
        )
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
