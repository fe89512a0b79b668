"""The web chat of a gateway that asks for a key."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from core.access import Permission
from tests.browser.chat import SENTENCE, answered, ask, assert_fits, opened
from tests.browser.conftest import Keyed

pytestmark = pytest.mark.browser


def enter(page: Page, key: str) -> None:
    page.get_by_label("Key", exact=True).fill(key)
    page.keyboard.press("Enter")


def test_the_page_asks_for_a_key_says_when_it_is_wrong_and_forgets_it(browser: Browser, keyed: Keyed) -> None:
    with opened(browser, keyed.url) as page:
        expect(page.get_by_role("heading", name="This server asks for a key")).to_be_visible()
        expect(page.get_by_label("Key", exact=True)).to_be_focused()
        expect(page.get_by_label("Your question")).to_be_hidden()
        expect(page.get_by_role("button", name="Upload", exact=True)).to_be_hidden()
        enter(page, "lk_00000000_wrong ключ")
        expect(page.get_by_role("alert")).to_contain_text("This is not a key")
        enter(page, "lk_0000000000_wrong")
        expect(page.get_by_role("alert")).to_have_text("This key is unknown, revoked or expired.")
        enter(page, keyed.admin)
        expect(page.get_by_role("button", name="Upload", exact=True)).to_be_visible()
        expect(answered(page).locator("p").first).to_contain_text(SENTENCE)
        page.reload()
        expect(page.locator("[data-outcome=answered]")).to_contain_text(SENTENCE)
        page.get_by_role("button", name="Forget key").click()
        expect(page.get_by_role("heading", name="This server asks for a key")).to_be_visible()
        assert page.evaluate("[sessionStorage.length, localStorage.length, document.cookie]") == [0, 0, ""]
        assert page.locator(".message").count() == 0


def test_a_key_that_is_revoked_meanwhile_is_asked_for_again(browser: Browser, keyed: Keyed) -> None:
    text = keyed.make(Permission.ASK)
    with opened(browser, keyed.url) as page:
        enter(page, text)
        expect(page.get_by_label("Your question")).to_be_visible()
        expect(page.get_by_role("button", name="Upload", exact=True)).to_be_hidden()
        expect(page.locator("#count")).to_be_hidden()
        keyed.revoke(text)
        ask(page)
        expect(page.get_by_role("alert")).to_have_text("This key is unknown, revoked or expired.")
        enter(page, keyed.admin)
        page.get_by_role("button", name="Retry").click()
        expect(page.locator("[data-outcome=answered]")).to_contain_text(SENTENCE)


def test_one_of_several_namespaces_is_chosen_and_stays_in_the_address(browser: Browser, keyed: Keyed) -> None:
    with opened(browser, keyed.url) as page:
        enter(page, keyed.admin)
        chooser = page.get_by_label("Documents to ask")
        expect(chooser).to_have_value("default")
        chooser.select_option("hr")
        answered(page)
        fragment = urlsplit(page.url).fragment
        assert fragment.startswith("thread=")
        assert fragment.endswith("&namespace=hr")
        page.reload()
        expect(chooser).to_have_value("hr")
        expect(page.locator("[data-outcome=answered]")).to_contain_text(SENTENCE)


def test_on_a_phone_there_is_room_for_everything_that_a_key_allows(browser: Browser, keyed: Keyed) -> None:
    with opened(browser, keyed.url, viewport={"width": 360, "height": 640}) as page:
        assert_fits(page)
        enter(page, keyed.admin)
        expect(page.get_by_label("Documents to ask")).to_be_visible()
        assert_fits(page)
        brand = page.get_by_role("heading", name="Lorekeeper").bounding_box()
        assert brand is not None
        assert brand["height"] < 30


def test_a_key_for_one_namespace_asks_that_one(browser: Browser, keyed: Keyed) -> None:
    key = keyed.make(Permission.ASK, Permission.READ, namespaces=["hr"])
    with opened(browser, keyed.url) as page:
        enter(page, key)
        expect(page.locator("#count")).to_have_text("1 document")
        expect(page.locator("#namespace-field")).to_be_hidden()
        answer = answered(page)
        answer.locator(".citation-mark").click()
        expect(page.locator("#panel mark")).to_be_visible()
