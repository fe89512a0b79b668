"""What axe finds on every state of the pages: nothing serious."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Frame, Page, expect

from core.access import Permission
from tests.browser.chat import answered, ask, with_leave
from tests.browser.conftest import Keyed
from tests.fakes.openai_server import FakeOpenAI

pytestmark = pytest.mark.browser
SERIOUS = {"serious", "critical"}


@contextmanager
def examined(browser: Browser, address: str, **options: Any) -> Iterator[Page]:
    """A page that lets axe in, which our own content security policy would not."""
    with browser.new_context(bypass_csp=True, reduced_motion="reduce", **options) as context:
        context.set_default_timeout(15_000)
        page = context.new_page()
        page.goto(address)
        yield page


def findings(page: Page | Frame) -> list[str]:
    """What is wrong, with the elements that it is about."""
    violations = Axe().run(page).response["violations"]
    return [
        f"{each['id']}: {[node['html'] for node in each['nodes']]}" for each in violations if each["impact"] in SERIOUS
    ]


@pytest.mark.parametrize(
    "options",
    [{}, {"color_scheme": "dark"}, {"viewport": {"width": 360, "height": 640}}, {"forced_colors": "active"}],
    ids=["light", "dark", "phone", "forced colours"],
)
def test_every_state_of_the_chat(browser: Browser, url: str, model: FakeOpenAI, options: dict[str, Any]) -> None:
    with examined(browser, url, **options) as page:
        expect(page.get_by_role("button", name="Upload", exact=True)).to_be_visible()
        assert findings(page) == [], "empty"
        answer = answered(with_leave(page))
        assert findings(page) == [], "answer with sources"
        answer.get_by_role("button", name="Bad answer").click()
        expect(answer.get_by_role("radio").first).to_be_visible()
        assert findings(page) == [], "feedback"
        answer.locator(".citation-mark").click()
        expect(page.locator("#panel mark")).to_be_visible()
        assert findings(page) == [], "passage"
        page.keyboard.press("Escape")
        model.answer = "Nobody wrote that down."
        ask(page, "Who painted the ceiling?")
        expect(page.locator("[data-outcome=no_evidence]")).to_be_visible()
        assert findings(page) == [], "no answer"
        ask(page, "word " * 20_000)
        expect(page.locator("[data-outcome=failed]")).to_be_visible()
        assert findings(page) == [], "failure"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_form_for_a_key_and_the_page_with_one(browser: Browser, keyed: Keyed, scheme: str) -> None:
    with examined(browser, keyed.url, color_scheme=scheme) as page:
        expect(page.get_by_role("heading", name="This server asks for a key")).to_be_visible()
        assert findings(page) == [], "key form"
        page.get_by_label("Key", exact=True).fill("lk_wrong")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_be_visible()
        assert findings(page) == [], "wrong key"
        page.get_by_label("Key", exact=True).fill(keyed.admin)
        page.keyboard.press("Enter")
        expect(page.get_by_label("Documents to ask")).to_be_visible()
        assert findings(page) == [], "with a choice of namespaces"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_embedded_chat(browser: Browser, keyed: Keyed, scheme: str) -> None:
    key = keyed.make(Permission.ASK, namespaces=["hr"], origins=["https://www.example.org"])
    size = {"width": 400, "height": 600}
    with examined(browser, f"{keyed.url}/embed?key={key}", color_scheme=scheme, viewport=size) as page:
        assert findings(page) == [], "empty"
        answer = answered(page)
        answer.locator(".citation-mark").click()
        expect(answer.locator("blockquote")).to_be_visible()
        assert findings(page) == [], "answer"
    with examined(browser, f"{keyed.url}/embed?key=lk_wrong", color_scheme=scheme) as page:
        expect(page.get_by_role("heading", name="This chat cannot be shown")).to_be_visible()
        assert findings(page) == [], "refused"
