"""The pictures in the documentation: made anew by running this with SCREENSHOT_DIR=docs/images."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from core.access import Permission
from tests.bots.command import Place, place
from tests.browser.conftest import Keyed
from tests.browser.site import another_site, page_with

pytestmark = pytest.mark.browser
DOCS = Path(__file__).parents[2] / "docs"
QUESTION = "What happens to a PDF without text?"
LARGEST_BYTES = 300_000


@pytest.fixture(scope="module")
def documented(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a gateway that answers from its own documentation."""
    here: Place = place(tmp_path_factory.mktemp("documented"))
    assert here.run("documents", "add", str(DOCS)).status == 0
    with here.serving() as server:
        yield server.url


def take(page: Page, name: str, folder: Path) -> None:
    picture = Path(os.environ.get("SCREENSHOT_DIR", folder)) / name
    picture.parent.mkdir(parents=True, exist_ok=True)
    page.mouse.move(0, 0)
    page.screenshot(path=picture)
    assert picture.stat().st_size < LARGEST_BYTES


def fresh(browser: Browser, width: int, height: int, **options: Any) -> Page:
    size = {"width": width, "height": height}
    return browser.new_context(viewport=size, reduced_motion="reduce", **options).new_page()  # type: ignore[arg-type]


def test_an_answer_with_the_passage_it_comes_from(browser: Browser, documented: str, tmp_path: Path) -> None:
    page = fresh(browser, 1280, 800, color_scheme="light")
    page.goto(documented)
    page.get_by_role("button", name=QUESTION).click()
    answer = page.locator("[data-outcome=answered]")
    expect(answer).to_be_visible()
    answer.locator(".citation-mark").first.click()
    expect(page.locator("#panel mark")).to_be_visible()
    page.get_by_label("Your question").focus()
    take(page, "web-chat.png", tmp_path)
    page.context.close()


def test_a_phone_in_dark_mode(browser: Browser, documented: str, tmp_path: Path) -> None:
    page = fresh(browser, 390, 700, color_scheme="dark")
    page.goto(documented)
    page.get_by_role("button", name=QUESTION).click()
    answer = page.locator("[data-outcome=answered]")
    expect(answer).to_be_visible()
    answer.get_by_role("button", name="Good answer").click()
    expect(answer.get_by_role("button", name="Good answer")).to_have_attribute("aria-pressed", "true")
    page.locator("#conversation").evaluate("node => node.scrollTop = 0")
    take(page, "web-chat-phone.png", tmp_path)
    page.context.close()


def test_the_widget_in_a_page_of_another_site(browser: Browser, keyed: Keyed, tmp_path: Path) -> None:
    with another_site() as site:
        key = keyed.make(Permission.ASK, namespaces=["hr"], origins=[site.origin])
        site.html = page_with(
            f'<script src="{keyed.url}/widget.js" data-key="{key}" data-title="Ask HR" async></script>'
        )
        page = fresh(browser, 900, 700, color_scheme="light")
        page.goto(site.origin)
        page.get_by_role("button", name="Ask HR").click()
        frame = page.frame_locator("lorekeeper-widget iframe")
        frame.get_by_label("Your question").fill("How many days of vacation do I accrue?")
        page.keyboard.press("Enter")
        answer = frame.locator("[data-outcome=answered]")
        answer.locator(".citation-mark").click()
        expect(answer.locator("blockquote")).to_be_visible()
        take(page, "widget.png", tmp_path)
        page.context.close()
