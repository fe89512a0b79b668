"""Thumbs under an answer."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.browser.chat import answered, with_leave

pytestmark = pytest.mark.browser


def recorded(url: str) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = httpx.get(f"{url}/v1/feedback").json()["feedback"]
    return listed


def test_a_thumb_is_recorded_changed_explained_and_withdrawn(page: Page, url: str) -> None:
    answer = answered(with_leave(page))
    up, down = (answer.get_by_role("button", name=name) for name in ("Good answer", "Bad answer"))
    up.click()
    expect(up).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#announcer")).to_have_text("Thank you!")
    assert recorded(url)[0]["thumb"] == "up"

    down.click()
    expect(up).to_have_attribute("aria-pressed", "false")
    expect(answer.get_by_role("radio").first).to_be_focused()
    answer.get_by_label("It is out of date").check()
    answer.get_by_label("In your words").fill("It is 14 days <b>since</b> July.")
    answer.get_by_role("button", name="Send feedback").click()
    expect(answer.locator(".said")).to_have_text("Thank you, that was sent.")
    expect(answer.locator("form")).to_be_hidden()
    expect(down).to_be_focused()
    latest = recorded(url)[0]
    assert (latest["thumb"], latest["reason"]) == ("down", "outdated")
    assert latest["text"] == "It is 14 days <b>since</b> July."

    page.reload()
    answer = page.get_by_role("article", name="Answer").last
    up, down = (answer.get_by_role("button", name=name) for name in ("Good answer", "Bad answer"))
    expect(down).to_have_attribute("aria-pressed", "true")
    count = len(recorded(url))
    down.click()
    expect(answer.locator(".said")).to_have_text("Your feedback was withdrawn.")
    expect(down).to_have_attribute("aria-pressed", "false")
    assert len(recorded(url)) == count - 1


def test_what_could_not_be_recorded_is_said(page: Page) -> None:
    answer = answered(with_leave(page))
    page.route("**/v1/feedback", lambda route: route.fulfill(status=400, body="no", content_type="text/plain"))
    answer.get_by_role("button", name="Good answer").click()
    expect(answer.locator(".said")).to_contain_text("This was not recorded.")
    expect(answer.get_by_role("button", name="Good answer")).to_have_attribute("aria-pressed", "false")
