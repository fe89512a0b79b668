"""The chat as a widget in pages of other origins, and not in those that the key does not name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from playwright.sync_api import Browser, FrameLocator, Page, expect

from core.access import Permission
from tests.browser.chat import SENTENCE, Conduct, ask
from tests.browser.conftest import Keyed
from tests.browser.site import Site, another_site, page_with

pytestmark = pytest.mark.browser


@pytest.fixture
def site(keyed: Keyed) -> Iterator[Site]:
    """With the widget, as strict as a page can be that shows it."""
    with another_site() as running:
        key = keyed.make(Permission.ASK, namespaces=["hr"], origins=[running.origin])
        script = f'<script src="{keyed.url}/widget.js" data-key="{key}" data-title="Ask us &lt;b&gt;" async></script>'
        running.html = page_with(script)
        running.policy = f"default-src 'none'; script-src {keyed.url}; frame-src {keyed.url}"
        yield running


@contextmanager
def visited(browser: Browser, site: Site, **options: int) -> Iterator[tuple[Page, Conduct]]:
    size = {"width": options.get("width", 1000), "height": options.get("height", 700)}
    conduct = Conduct()
    with browser.new_context(viewport=size, reduced_motion="reduce") as context:  # type: ignore[arg-type]
        context.set_default_timeout(15_000)
        page = context.new_page()
        conduct.watch(page)
        page.goto(site.origin)
        yield page, conduct


def frame_of(page: Page) -> FrameLocator:
    return page.frame_locator("lorekeeper-widget iframe")


def question(page: Page) -> None:
    frame_of(page).get_by_label("Your question").fill("How many days of vacation do I accrue?")
    page.keyboard.press("Enter")


def test_one_line_of_html_puts_the_chat_into_a_page(browser: Browser, keyed: Keyed, site: Site) -> None:
    with visited(browser, site) as (page, conduct):
        launch = page.get_by_role("button", name="Ask us <b>")
        expect(launch).to_be_visible()
        assert page.locator("lorekeeper-widget iframe").count() == 0
        launch.focus()
        page.keyboard.press("Enter")
        field = frame_of(page).get_by_label("Your question")
        expect(field).to_be_focused()
        question(page)
        answer = frame_of(page).locator("[data-outcome=answered]")
        expect(answer).to_contain_text(SENTENCE)
        answer.locator(".citation-mark").click()
        expect(answer.locator("blockquote")).to_contain_text(SENTENCE)
        for name in ("Upload", "Forget key"):
            assert frame_of(page).get_by_role("button", name=name).count() == 0
        field.focus()
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_be_hidden()
        expect(launch).to_be_focused()
        page.keyboard.press("Enter")
        expect(answer).to_be_visible()
        page.get_by_role("button", name="Close the chat").click()
        expect(launch).to_be_focused()
    assert conduct.complaints == []
    assert conduct.hosts == {keyed.url.removeprefix("http://"), site.origin.removeprefix("http://")}


def test_it_is_there_once_however_often_it_is_loaded(browser: Browser, site: Site) -> None:
    site.html = site.html.replace(
        "</head>", site.html[site.html.index("<script") : site.html.index("</head>")] + "</head>"
    )
    assert site.html.count("/widget.js") == 2
    with visited(browser, site) as (page, _):
        expect(page.get_by_role("button", name="Ask us")).to_be_visible()
        page.wait_for_load_state("networkidle")
        expect(page.locator("lorekeeper-widget")).to_have_count(1)


def test_on_a_phone_it_takes_the_whole_screen(browser: Browser, site: Site) -> None:
    with visited(browser, site, width=360, height=640) as (page, _):
        page.get_by_role("button", name="Ask us").click()
        box = page.get_by_role("dialog", name="Ask us").bounding_box()
        assert box == {"x": 0, "y": 0, "width": 360, "height": 640}
        question(page)
        expect(frame_of(page).locator("[data-outcome=answered]")).to_be_visible()
        fits = "() => document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        assert all(frame.evaluate(fits) for frame in page.frames)


def test_the_conversation_goes_on_on_the_next_page(browser: Browser, site: Site) -> None:
    with visited(browser, site) as (page, _):
        page.get_by_role("button", name="Ask us").click()
        question(page)
        expect(frame_of(page).locator("[data-outcome=answered]")).to_be_visible()
        page.reload()
        page.get_by_role("button", name="Ask us").click()
        expect(frame_of(page).locator("[data-outcome=answered]")).to_contain_text(SENTENCE)
        frame_of(page).get_by_role("button", name="New conversation").click()
        expect(frame_of(page).locator(".message")).to_have_count(0)


def test_pages_that_isolate_themselves_can_show_it(browser: Browser, site: Site) -> None:
    site.is_isolated = True
    with visited(browser, site) as (page, conduct):
        page.get_by_role("button", name="Ask us").click()
        expect(frame_of(page).get_by_label("Your question")).to_be_visible()
    assert conduct.complaints == []


def test_a_page_that_the_key_does_not_name_cannot_show_it(browser: Browser, site: Site) -> None:
    with another_site() as stranger:
        stranger.html = site.html
        with visited(browser, stranger) as (page, conduct):
            page.get_by_role("button", name="Ask us").click()
            page.wait_for_load_state("networkidle")
            expect(page.get_by_text("Opening the chat…")).to_be_visible()
            assert not any("/embed" in frame.url for frame in page.frames)
        assert any("frame-ancestors" in words for words in conduct.complaints)


EVERYBODY = {"namespaces": ["hr"], "origins": ["https://www.example.org"]}


@pytest.mark.parametrize(
    ("permissions", "limits"),
    [
        ([Permission.ASK], {**EVERYBODY, "origins": []}),
        ([Permission.ASK], {**EVERYBODY, "namespaces": []}),
        ([Permission.ASK], {**EVERYBODY, "namespaces": ["hr", "default"]}),
        ([Permission.ASK, Permission.WRITE], EVERYBODY),
        ([Permission.READ], EVERYBODY),
    ],
    ids=["any page", "all documents", "two namespaces", "may write", "may not ask"],
)
def test_only_keys_that_everybody_may_have_are_embedded(
    keyed: Keyed, permissions: list[Permission], limits: dict[str, list[str]]
) -> None:
    reply = httpx.get(f"{keyed.url}/embed", params={"key": keyed.make(*permissions, **limits)})
    assert reply.status_code == 403
    assert "frame-ancestors 'none'" in reply.headers["content-security-policy"]


def test_what_a_frame_and_a_foreign_page_are_told(keyed: Keyed) -> None:
    origin = "https://www.example.org"
    text = keyed.make(Permission.ASK, namespaces=["hr"], origins=[origin])
    embedded = httpx.get(f"{keyed.url}/embed", params={"key": text})
    assert embedded.status_code == 200
    assert embedded.headers["content-security-policy"].endswith(f"frame-ancestors {origin}")
    widget = httpx.get(f"{keyed.url}/widget.js")
    assert widget.headers["cross-origin-resource-policy"] == "cross-origin"
    assert widget.headers["content-type"].startswith("text/javascript")
    assert httpx.get(f"{keyed.url}/embed").status_code == 403


def test_a_key_that_was_revoked_says_so_in_the_frame(browser: Browser, keyed: Keyed) -> None:
    text = keyed.make(Permission.ASK, namespaces=["hr"], origins=["https://www.example.org"])
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{keyed.url}/embed?key={text}")
        expect(page.get_by_label("Your question")).to_be_focused()
        keyed.revoke(text)
        ask(page)
        expect(page.locator("#note")).to_contain_text("This chat is closed at the moment.")
