"""What the tests of the web chat share: a watched page, and the steps that people take on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Dialog, FilePayload, Locator, Page, Request, expect

QUESTION = "How many days of vacation do I accrue?"
LEAVE = (
    "# Leave\n\n## Vacation\n\nFull-time staff accrue 15 days of vacation each year.\n\n"
    "## Sick leave\n\nFull-time staff may be sick for 30 days each year.\n\n"
    "## Parental leave\n\nParents get twelve weeks of paid leave.\n"
)
SENTENCE = "Full-time staff accrue 15 days of vacation each year"
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
        page.on("dialog", self._on_dialog)

    def _on_request(self, request: Request) -> None:
        self.hosts.add(urlsplit(request.url).netloc)

    def _on_console(self, message: ConsoleMessage) -> None:
        # Violations of the content security policy are reported here, too.
        if message.type in {"error", "warning"} and not message.text.startswith(REPLY):
            self.complaints.append(message.text)

    def _on_dialog(self, dialog: Dialog) -> None:
        # The only question that a page of ours asks in this way.
        if not dialog.message.startswith("Delete this conversation?"):
            self.complaints.append(f"dialog: {dialog.message}")
        dialog.accept()


@contextmanager
def opened(browser: Browser, address: str, *, provoked: str = "", **options: Any) -> Iterator[Page]:
    """An open page; afterwards it must have talked to our own server only and complained of nothing but the provoked."""
    chosen = {"viewport": {"width": 1100, "height": 700}, "reduced_motion": "reduce", **options}
    conduct = Conduct()
    with browser.new_context(**chosen) as context:
        context.set_default_timeout(15_000)
        page = context.new_page()
        conduct.watch(page)
        page.goto(address)
        yield page
    assert [words for words in conduct.complaints if not provoked or provoked not in words] == []
    assert conduct.hosts == {urlsplit(address).netloc}


def ask(page: Page, question: str = QUESTION) -> None:
    page.get_by_label("Your question").fill(question)
    page.keyboard.press("Enter")


def answered(page: Page, question: str = QUESTION) -> Locator:
    """The answer to a question that has one."""
    before = page.locator("[data-outcome=answered]").count()
    ask(page, question)
    answer = page.locator("[data-outcome=answered]").nth(before)
    expect(answer).to_be_visible(timeout=15_000)
    return answer


def upload(page: Page, *files: tuple[str, bytes]) -> None:
    page.locator("#file").set_input_files(
        [FilePayload(name=name, mimeType="application/octet-stream", buffer=data) for name, data in files]
    )


def with_leave(page: Page) -> Page:
    """The page, when the gateway has the document about leave."""
    upload(page, ("leave.md", LEAVE.encode()))
    expect(page.get_by_role("status")).to_contain_text("leave.md was ", timeout=15_000)
    return page


def assert_fits(page: Page) -> None:
    """Nothing has to be scrolled sideways."""
    widths = page.evaluate(
        "() => [document.documentElement, ...document.querySelectorAll('main, #panel-body')]"
        ".map(n => [n.scrollWidth, n.clientWidth])"
    )
    assert all(content <= frame for content, frame in widths), widths
