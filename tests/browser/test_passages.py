"""Sources open the passage in its document, beside the conversation or over it."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from core.access import Permission
from tests.browser.chat import SENTENCE, answered, opened, upload, with_leave
from tests.browser.conftest import Keyed

pytestmark = pytest.mark.browser


def test_a_source_opens_its_passage_among_its_neighbours_with_the_quote_marked(page: Page) -> None:
    answer = answered(with_leave(page))
    source = answer.locator(".source").first
    expect(source.locator(".title")).to_have_text("Leave")
    expect(source.locator(".locator")).to_have_text("Vacation")
    mark = answer.get_by_role("button", name="Source 1: Leave")
    mark.click()
    panel = page.get_by_role("dialog", name="Leave")
    expect(panel.get_by_role("region", name="Cited passage").locator("mark")).to_contain_text(SENTENCE)
    expect(panel.get_by_role("heading", name="Sick leave")).to_be_visible()
    expect(panel.get_by_text("sick for 30 days")).to_be_visible()
    expect(panel.get_by_role("heading", name="Leave", exact=True)).to_be_focused()
    assert re.fullmatch(r"thread=[^&]+&passage=\w+/\w+", urlsplit(page.url).fragment)
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    expect(mark).to_be_focused()
    page.wait_for_url(lambda address: "passage" not in address)


def test_the_panel_is_worked_by_keyboard_alone(page: Page) -> None:
    answer = answered(with_leave(page))
    answer.locator(".open-passage").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#panel mark")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.locator("#panel-close")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#panel")).to_be_hidden()
    expect(answer.locator(".open-passage").first).to_be_focused()


def test_back_closes_the_panel_and_forward_opens_it(page: Page) -> None:
    answer = answered(with_leave(page))
    answer.locator(".citation-mark").click()
    expect(page.locator("#panel mark")).to_be_visible()
    page.go_back()
    expect(page.locator("#panel")).to_be_hidden()
    expect(answer).to_be_visible()
    page.go_forward()
    expect(page.locator("#panel .cited")).to_be_visible()


def test_on_a_narrow_screen_the_panel_covers_the_page_and_keeps_the_focus(browser: Browser, url: str) -> None:
    with opened(browser, url, viewport={"width": 360, "height": 640}) as page:
        answered(with_leave(page)).locator(".citation-mark").click()
        expect(page.locator("#panel mark")).to_be_visible()
        assert page.evaluate("document.querySelector('#panel').matches(':modal')")
        box = page.locator("#panel").bounding_box()
        assert box is not None
        assert (box["x"], box["width"]) == (0, 360)
        page.keyboard.press("Escape")
        expect(page.locator("#panel")).to_be_hidden()
        expect(page.locator(".citation-mark")).to_be_focused()


def test_a_link_to_a_passage_opens_it(browser: Browser, page: Page, url: str) -> None:
    with_leave(page)
    document = next(
        each["id"] for each in httpx.get(f"{url}/v1/documents?q=leave").json()["documents"] if each["title"] == "Leave"
    )
    passages = httpx.get(f"{url}/v1/documents/{document}/passages").json()["passages"]
    with opened(browser, f"{url}/#passage={document}/{passages[-1]['chunk_id']}") as linked:
        expect(linked.get_by_role("region", name="Cited passage")).to_contain_text("Parents get twelve weeks")
        expect(linked.get_by_role("dialog", name="Leave")).to_be_visible()
        linked.keyboard.press("Escape")
        expect(linked.locator("#panel")).to_be_hidden()
    with opened(browser, f"{url}/#passage={document}/0123abcd") as linked:
        expect(linked.locator("#panel")).to_contain_text("this passage is not in it any more")


def test_long_documents_show_more_when_asked(page: Page) -> None:
    text = "# Rooms\n\n" + "".join(
        f"## Room {number}\n\nRoom {number} seats {number + 3} people.\n\n" for number in range(60)
    )
    upload(page, ("rooms.md", text.encode()))
    expect(page.get_by_role("status")).to_contain_text("rooms.md was ")
    found = httpx.post(f"{page.url.rstrip('/')}/v1/search", json={"query": "Room 30 seats"}).json()["passages"]
    middle = next(each for each in found if each["title"] == "Rooms")
    page.goto(f"{page.url}#passage={middle['document_id']}/{middle['chunk_id']}")
    before = page.locator(".passage")
    expect(before.first).to_be_visible()
    count = before.count()
    page.get_by_role("button", name="Show what comes after").click()
    assert page.locator(".passage").count() > count
    page.get_by_role("button", name="Show what comes before").click()
    expect(page.locator(".cited")).to_have_count(1)


def test_who_may_not_read_documents_sees_the_quote_alone(browser: Browser, keyed: Keyed) -> None:
    key = keyed.make(Permission.ASK)
    with opened(browser, keyed.url) as page:
        page.get_by_label("Key").fill(key)
        page.keyboard.press("Enter")
        expect(page.get_by_label("Your question")).to_be_visible()
        answer = answered(page)
        expect(answer.locator("blockquote")).to_be_hidden()
        answer.locator(".citation-mark").click()
        expect(answer.locator("blockquote")).to_contain_text(SENTENCE)
        page.keyboard.press("Escape")
        expect(answer.locator(".citation-mark")).to_be_focused()
        expect(page.locator("#panel")).to_be_hidden()
