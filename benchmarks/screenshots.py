"""Pictures of the pages for the docs, of the corpus of the seeds, by Debian's Chromium.

python -m benchmarks.screenshots [FOLDER]
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.browser import DESKTOP, PHONE, open_browser

ROOT = Path(__file__).parents[1]


def take(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        command = [sys.executable, "-m", "reinschrift"]
        for flags in (["--skip", "repeats"], ["--report", str(work / "report.html")]):
            run = [*command, "run", "seeds", "--out", str(work / "data"), *flags]
            subprocess.run(run, check=True, cwd=ROOT)
        page = "seeds/studysmarter-photosynthesis.txt"
        explain = [*command, "explain", page, "--out", str(work / "data")]
        subprocess.run([*explain, "--html", str(work / "explain.html")], check=True, cwd=ROOT)
        with open_browser() as browser:
            for shot, html, size, scheme in (
                ("report.png", "report.html", DESKTOP, "light"),
                ("report-phone-dark.png", "report.html", PHONE, "dark"),
                ("explain.png", "explain.html", DESKTOP, "light"),
                ("explain-phone-dark.png", "explain.html", PHONE, "dark"),
            ):
                context = browser.new_context(viewport=size, color_scheme=scheme)
                opened = context.new_page()
                opened.goto((work / html).as_uri())
                opened.screenshot(path=folder / shot)
            _review(browser, work / "data", folder / "review.png")


def _review(browser: Any, out: Path, shot: Path) -> None:
    command = [sys.executable, "-m", "reinschrift", "review", "--out", str(out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        found = re.search(r"http://\S+", process.stdout.readline())
        assert found
        try:
            opened = browser.new_page(viewport=DESKTOP, bypass_csp=True)
            opened.goto(found[0])
            opened.wait_for_function("document.querySelector('#line').textContent !== ''")
            opened.screenshot(path=shot)
        finally:
            process.kill()


if __name__ == "__main__":
    take(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "images")
