import io

from rich.console import Console

from reinschrift.flows.face.console import ProgressReporter


def test_progress_tells_bytes_pages_a_second_and_time_left():
    seconds = iter(range(0, 1000, 10))
    out = io.StringIO()
    with ProgressReporter(Console(file=out, width=200), clock=lambda: next(seconds)) as reporter:
        reporter.begin("read", 4, size=4_000_000)
        for _ in range(4):
            reporter.advance(1_000_000, pages=50)
    lines = out.getvalue().splitlines()
    assert lines[0] == "read: 4 tasks, 4.0 MB"
    assert lines[1] == "read: 1/4, 1.0 MB of 4.0 MB, 5.0 pages/s, 0:00:30 left"
    assert lines[-1] == "read: 4/4, 4.0 MB of 4.0 MB, 5.0 pages/s"


def test_progress_on_a_terminal():
    out = io.StringIO()
    with ProgressReporter(Console(file=out, force_terminal=True, width=120)) as reporter:
        reporter.begin("read", 2, size=2_000_000)
        reporter.advance(1_000_000, pages=3)
        assert reporter.progress().startswith("1.0 MB of 2.0 MB, ")
        assert reporter.progress().endswith(" left")
