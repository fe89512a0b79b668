"""The picture of the web chat in the documentation: made anew by running this with SCREENSHOT_DIR=docs/images."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.bots.command import place

pytestmark = pytest.mark.browser
DOCS = Path(__file__).parents[2] / "docs"
QUESTION = "What happens to a PDF without text?"
LARGEST_BYTES = 200_000


def test_the_web_chat_answers_from_its_own_documentation(browser: Browser, tmp_path: Path) -> None:
    picture = Path(os.environ.get("SCREENSHOT_DIR", tmp_path)) / "web-chat.png"
    here = place(tmp_path)
    assert here.run("documents", "add", str(DOCS)).status == 0
    size = {"width": 1280, "height": 800}
    with (
        here.serving() as server,
        browser.new_context(viewport=size, color_scheme="light", reduced_motion="reduce") as context,  # type: ignore[arg-type]
    ):
        page = context.new_page()
        page.goto(server.url)
        page.get_by_role("button", name=QUESTION).click()
        answer = page.locator("[data-outcome=answered]")
        expect(answer).to_be_visible()
        answer.locator(".citation-mark").first.click()
        page.mouse.move(0, 0)
        page.get_by_label("Your question").focus()
        picture.parent.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=picture)
    assert picture.stat().st_size < LARGEST_BYTES
