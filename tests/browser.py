"""Debian's Chromium, driven by Playwright; tests that need it are skipped where it is absent."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Page

AXE = "axe-core@4.11.0"
PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1280, "height": 900}
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


@contextmanager
def open_browser() -> Iterator[object]:
    """A headless browser."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("Debian's chromium is not installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


def axe_source(folder: Path) -> str:
    """The source of axe-core, from npm."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    subprocess.run(
        ["npm", "install", "--silent", "--no-save", "--prefix", folder, AXE], check=True, timeout=120
    )
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text()


def violations(page: Page, axe: str) -> list[str]:
    """What axe-core finds wrong with a page; it needs `bypass_csp`."""
    page.add_script_tag(content=axe)
    found = page.evaluate("axe.run()")
    return [
        f"{one['id']}: {one['help']}: {one['nodes'][0]['html'][:150]}" for one in found["violations"]
    ]
