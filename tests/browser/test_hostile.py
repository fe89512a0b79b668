"""Titles, headings, quotes, names, questions and addresses that would like to be more than text."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.chat import answered, ask, assert_fits, opened, upload
from tests.fakes.openai_server import FakeOpenAI

pytestmark = pytest.mark.browser
IMAGE = "<img src=x onerror=\"document.title='owned'\">"
SCRIPT = "\"><script>document.title='owned'</script>"
LINK = "[click](javascript:document.title='owned')"
BACKWARDS = "\u202egnp.exe\u202c"
LONG = "M" * 300
HOSTILE = f"{IMAGE} {SCRIPT} {LINK} {BACKWARDS}"


def assert_only_text(page: Page) -> None:
    """Nothing of it became an element, and nothing ran; what a page complains of is seen by the fixture."""
    elements = "main img, main script, main a[href^='javascript'], #panel img, #panel script, footer img, footer script"
    assert page.locator(elements).count() == 0
    assert page.title() == "Lorekeeper"


def test_documents_with_markup_in_every_place_are_shown_as_text(page: Page, model: FakeOpenAI) -> None:
    text = (
        f"# Perks `{IMAGE}`\n\n## Sabbatical `{SCRIPT}`\n\nThe sabbatical `{IMAGE}` lasts six months.\n\n"
        f"## {LONG}\n\nThe word {LONG} is long.\n"
    )
    upload(page, (f"<b>perks</b>{BACKWARDS}{SCRIPT.replace('/', '')}.md", text.encode()))
    expect(page.get_by_role("status")).to_contain_text("<b>perks</b>")
    expect(page.get_by_role("status")).to_contain_text("was added and can be asked about.")
    model.answer = f"The sabbatical {IMAGE} lasts six months [1]."
    answer = answered(page, "The sabbatical lasts six months?")
    expect(answer.locator("p").first).to_contain_text("<img src=x")
    expect(answer.locator(".title").first).to_contain_text("<img src=x")
    expect(answer.locator(".locator").first).to_contain_text("<script>")
    assert_only_text(page)
    answer.locator(".open-passage").first.click()
    expect(page.locator("#panel-title")).to_contain_text("<img src=x")
    expect(page.locator("#panel .cited")).to_contain_text("<img src=x")
    expect(page.locator("#panel h3").first).to_contain_text("<script>")
    assert_only_text(page)
    assert_fits(page)
    page.keyboard.press("Escape")
    page.reload()
    expect(page.locator("[data-outcome=answered] .title").first).to_contain_text("<img src=x")
    assert_only_text(page)


def test_questions_drafts_and_failures_are_text(page: Page, model: FakeOpenAI) -> None:
    model.answer, model.behaviour = f"{IMAGE} {SCRIPT} {LINK} " + "and more " * 20, "stall"
    ask(page, f"What is the sabbatical {HOSTILE} {LONG}?")
    expect(page.locator(".question")).to_contain_text("<img src=x")
    expect(page.locator(".draft, [data-outcome]").first).to_be_attached()
    assert_only_text(page)
    assert_fits(page)
    page.get_by_role("button", name="New conversation").click()
    problem = (
        f'{{"title": "{"x" * 20}", "detail": "<img src=x onerror=alert(1)>", "reference": "<script>alert(1)</script>"}}'
    )
    page.route(
        "**/v1/ask",
        lambda route: route.fulfill(status=422, body=problem, content_type="application/problem+json"),
    )
    ask(page, "What?")
    expect(page.locator("[data-outcome=failed] .reference")).to_contain_text("<script>alert(1)</script>")
    assert_only_text(page)


@pytest.mark.parametrize(
    "fragment",
    [
        f"thread={quote(IMAGE)}",
        f"thread=abc&namespace={quote(SCRIPT)}",
        f"passage={quote(IMAGE)}/{quote(SCRIPT)}",
        "passage=..%2F..%2Fv1%2Fme/x",
        "thread=__proto__&namespace=constructor&passage=__proto__/toString",
        f"{quote(IMAGE)}",
        "thread=%E0%A4%A",
    ],
)
def test_addresses_may_be_anything(browser: Browser, url: str, fragment: str) -> None:
    with opened(browser, f"{url}/#{fragment}") as page:
        expect(page.get_by_role("button", name="Upload", exact=True)).to_be_visible()
        assert_only_text(page)


def test_markdown_with_markup_in_every_place_is_text(page: Page, model: FakeOpenAI) -> None:
    text = (
        f"# Heading {HOSTILE}\n\n**bold {HOSTILE}** and `{IMAGE}` and `{SCRIPT}`\n\n- item {HOSTILE}\n  1. nested {HOSTILE}\n\n"
        f"| a {IMAGE} | b |\n|---|---|\n| {SCRIPT} | {LINK} |\n\n```html\n{HOSTILE}\n```\n\n~~~{IMAGE}\n{SCRIPT}"
    )
    shown = answered_with(page, text, [])
    assert shown.locator("h3, strong, code, pre, ul li, ol li, table td").count() >= 10
    assert shown.get_by_text("<img src=x").count() >= 5
    assert_only_text(page)


def answered_with(page: Page, text: str, citations: list[dict[str, Any]]) -> Locator:
    """The page's answer when the server sends just this."""
    answer = {
        "id": "../x", "outcome": "answered", "text": text, "citations": citations, "nearest": [], "namespace": HOSTILE,
        "thread": "abc", "generator": HOSTILE, "notice": HOSTILE,
    }  # fmt: skip
    token = f"id: abc:1\nevent: token\ndata: {json.dumps({'text': text, 'restart': False})}\n\n"
    events = f"{token}id: abc:2\nevent: done\ndata: {json.dumps(answer)}\n\n"
    page.route("**/v1/ask", lambda route: route.fulfill(body=events, content_type="text/event-stream"))
    return answered(page, "Where?")


def test_a_document_that_says_it_is_elsewhere_is_linked_only_to_the_web(page: Page) -> None:
    citation = {
        "number": 1, "title": "Here", "locator": HOSTILE, "quote": HOSTILE, "document_id": "../../x", "chunk_id": SCRIPT,
        "url": "javascript:document.title='owned'", "page": None,
    }  # fmt: skip
    shown = answered_with(page, f"{HOSTILE} [1]", [citation])
    assert shown.locator("a").count() == 0
    shown.locator(".open-passage").click()
    expect(page.locator("#panel blockquote")).to_contain_text("<img src=x")
    assert_only_text(page)


def test_the_refused_frame_shows_nothing_of_its_address(browser: Browser, url: str) -> None:
    with opened(browser, f"{url}/embed?key={quote(SCRIPT)}&title={quote(IMAGE)}") as page:
        expect(page.get_by_role("heading", name="This chat cannot be shown")).to_be_visible()
        assert "owned" not in page.content()
