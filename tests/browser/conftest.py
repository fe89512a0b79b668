"""A headless Chromium, and pages that report everything a page should not do."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

HOW_TO_INSTALL = (
    "Chromium is not installed (Debian and Ubuntu: apt-get install chromium; macOS: brew install chromium)."
)
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
# Chromium reports every reply of 400 and above; those that a test provokes are shown on the page as well.
REPLY = "Failed to load resource: the server responded with a status of 4"


@dataclass
class Conduct:
    """What a page did: hosts it talked to, and what it complained of."""

    hosts: set[str] = field(default_factory=set)
    complaints: list[str] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        page.on("request", self._on_request)
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _on_request(self, request: Request) -> None:
        self.hosts.add(urlsplit(request.url).netloc)

    def _on_console(self, message: ConsoleMessage) -> None:
        # Violations of the content security policy are reported here, too.
        if message.type in {"error", "warning"} and not message.text.startswith(REPLY):
            self.complaints.append(message.text)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Skips without Chromium, unless TEST_REQUIRE names chromium: then it fails."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        if "chromium" in os.environ.get("TEST_REQUIRE", ""):
            pytest.fail(HOW_TO_INSTALL)
        pytest.skip(HOW_TO_INSTALL)
    # As root, in a container, Chromium's own sandbox cannot be set up; it sees only our own pages here.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=found, args=arguments)
        yield launched
        launched.close()
