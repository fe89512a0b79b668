"""The web chat in a real browser, against the real server; only the language model is a stand-in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, FilePayload, Page, expect

from tests.bots.command import place
from tests.browser.conftest import Conduct
from tests.fakes.openai_server import FakeOpenAI, fake_openai

pytestmark = pytest.mark.browser
QUESTION = "How many days of vacation do I accrue?"
LEAVE = "# Leave\n\n## Vacation\n\nFull-time staff accrue 15 days of vacation each year.\n"
SENTENCE = "Full-time staff accrue 15 days of vacation each year"
SCRIPT = "<img src=x onerror=\"document.title='owned'\">"
# Answers every upload at once, and reads it afterwards.
IMPATIENT = """
from bots.gateway import documents
from core.cli import main
documents.PATIENCE_SECONDS = 0
main()
"""
LONG_WORD = "Donaudampfschifffahrtsgesellschaftskapitän" * 6
FERRY = f"The ferry to Vienna, the {LONG_WORD[:60]}, sails at noon"


@pytest.fixture(scope="module")
def model() -> Iterator[FakeOpenAI]:
    with fake_openai() as running:
        yield running


@pytest.fixture(autouse=True)
def answering(model: FakeOpenAI) -> None:
    model.answer, model.behaviour = f"{SENTENCE} [1].", "ok"


@pytest.fixture(scope="module")
def url(model: FakeOpenAI, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    here = place(tmp_path_factory.mktemp("browser"), LOREKEEPER_GENERATION__BASE_URL=model.url)
    with here.serving() as server:
        yield server.url


@pytest.fixture(params=[1100])
def page(request: pytest.FixtureRequest, browser: Browser, url: str) -> Iterator[Page]:
    """An open web chat; afterwards it must have talked to our own server only and complained of nothing."""
    conduct = Conduct()
    with browser.new_context(viewport={"width": request.param, "height": 700}, reduced_motion="reduce") as context:
        opened = context.new_page()
        conduct.watch(opened)
        opened.goto(url)
        yield opened
    assert conduct.complaints == []
    assert conduct.hosts == {urlsplit(url).netloc}


def ask(page: Page, question: str = QUESTION) -> None:
    page.get_by_label("Your question").fill(question)
    page.keyboard.press("Enter")


def upload(page: Page, *files: tuple[str, bytes]) -> None:
    page.locator("#file").set_input_files(
        [FilePayload(name=name, mimeType="application/octet-stream", buffer=data) for name, data in files]
    )


@pytest.fixture
def with_leave(page: Page) -> Page:
    upload(page, ("leave.md", LEAVE.encode()))
    expect(page.get_by_role("status")).to_contain_text("leave.md was ")
    return page


def test_files_are_uploaded_and_one_that_is_refused_says_why(page: Page) -> None:
    upload(page, ("leave.md", LEAVE.encode()), ("setup.exe", b"MZ\x90\x00" + bytes(100)))
    status = page.get_by_role("status")
    expect(status).to_contain_text("leave.md was ")
    expect(status).to_contain_text("setup.exe was not added.")
    expect(status).to_contain_text("(reference ")
    expect(page.locator("#count")).to_have_text(re.compile(r"^[1-9]\d* documents?$"))
    expect(page.locator("#hint")).to_be_hidden()
    expect(page.locator("#progress")).to_be_hidden()


def test_an_answer_shows_marks_that_lead_to_its_sources(with_leave: Page) -> None:
    page = with_leave
    ask(page)
    answer = page.locator("[data-outcome=answered]")
    expect(answer.locator("p").first).to_contain_text(SENTENCE)
    source = answer.locator(".source").first
    expect(source.locator(".title")).to_have_text("Leave")
    expect(source.locator(".locator")).to_have_text("Vacation")
    expect(source.locator("blockquote")).to_be_hidden()
    answer.get_by_role("button", name="Source 1: Leave").click()
    expect(source.locator("blockquote")).to_contain_text("15 days")
    page.keyboard.press("Escape")
    expect(answer.locator(".citation-mark").first).to_be_focused()
    assert urlsplit(page.url).fragment.startswith("thread=")


def test_a_question_can_be_stopped_and_another_one_asked(with_leave: Page, model: FakeOpenAI) -> None:
    page = with_leave
    model.behaviour = "slow"
    ask(page)
    expect(page.get_by_role("button", name="Send")).to_be_hidden()
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("[data-outcome=stopped]")).to_contain_text("Stopped before there was an answer.")
    expect(page.get_by_label("Your question")).to_be_focused()
    model.behaviour = "ok"
    page.get_by_role("button", name="Retry").click()
    expect(page.locator("[data-outcome=answered]")).to_contain_text(SENTENCE)


def test_shift_and_enter_start_a_line_and_nothing_but_space_is_not_sent(page: Page) -> None:
    field = page.get_by_label("Your question")
    expect(field).to_be_focused()
    page.keyboard.type("   ")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Send")).to_be_disabled()
    field.fill("One line")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("and another")
    expect(field).to_have_value("One line\nand another")
    assert page.locator(".message").count() == 0


def test_a_refusal_of_the_server_is_shown_with_its_reference(page: Page) -> None:
    ask(page, "word " * 20_000)
    failed = page.locator("[data-outcome=failed]")
    expect(failed).to_contain_text("at most 64 KB")
    expect(failed.locator(".reference")).to_contain_text("Reference: ")
    expect(failed.get_by_role("button", name="Retry")).to_be_visible()


def test_markup_in_titles_texts_and_names_stays_text(page: Page, model: FakeOpenAI) -> None:
    text = f"# Perks `{SCRIPT}`\n\nThe sabbatical `{SCRIPT}` lasts six months.\n"
    upload(page, ("<b>perks</b>.md", text.encode()))
    expect(page.get_by_role("status")).to_contain_text("<b>perks</b>.md was added")
    model.answer = f"The sabbatical {SCRIPT} lasts six months [1]."
    ask(page, "How long does the sabbatical last?")
    answer = page.locator("[data-outcome=answered]")
    expect(answer.locator("p").first).to_contain_text("<img src=x")
    expect(answer.locator(".title").first).to_contain_text("<img src=x")
    answer.locator("summary").first.click()
    assert page.locator("main img, main script, main b, footer b").count() == 0
    assert page.title() == "Lorekeeper"


def test_a_new_conversation_begins_empty_and_a_reload_continues_the_old_one(with_leave: Page) -> None:
    page = with_leave
    ask(page)
    expect(page.locator("[data-outcome=answered]")).to_be_visible()
    page.reload()
    expect(page.locator("#continued")).to_be_visible()
    page.get_by_role("button", name="New conversation").click()
    expect(page.locator("#continued")).to_be_hidden()
    assert urlsplit(page.url).fragment == ""


@pytest.mark.parametrize("page", [320, 390], indirect=True)
def test_on_a_phone_nothing_has_to_be_scrolled_sideways(page: Page, model: FakeOpenAI) -> None:
    assert_fits(page)
    upload(page, (f"{LONG_WORD[:120]}.md", f"# Ferry {LONG_WORD[:60]}\n\n{FERRY}.\n".encode()))
    expect(page.get_by_role("status")).to_contain_text(".md was ")
    model.answer = f"{FERRY} [1].\n\n```\n{LONG_WORD} = 1\n```"
    ask(page, "When does the ferry to Vienna sail?")
    expect(page.locator("[data-outcome=answered]")).to_be_visible()
    page.locator("summary").first.click()
    assert_fits(page)


def test_without_documents_the_page_says_how_to_add_some_and_without_a_server_that_it_is_gone(
    browser: Browser, tmp_path: Path
) -> None:
    with browser.new_context() as context, place(tmp_path).serving() as server:
        page = context.new_page()
        page.goto(server.url)
        expect(page.locator("#count")).to_have_text("0 documents")
        upload(page, ("broken.pdf", b"%PDF-1.7 and nothing more"))
        expect(page.get_by_role("status")).to_contain_text("broken.pdf was not added.")
        expect(page.locator("#hint")).to_be_visible()
        expect(page.locator("#count")).to_have_text("0 documents")
        ask(page)
        empty = page.locator("[data-outcome=empty_index]")
        expect(empty.get_by_role("button", name="Upload documents")).to_be_visible()
        server.process.kill()
        server.process.wait()
        ask(page)
        expect(page.locator("[data-outcome=failed]")).to_contain_text("Lorekeeper cannot be reached.")


def test_what_is_read_in_the_background_is_followed_to_its_end(browser: Browser, tmp_path: Path) -> None:
    with browser.new_context() as context, place(tmp_path).serving(IMPATIENT) as server:
        page = context.new_page()
        page.goto(server.url)
        upload(page, ("leave.md", LEAVE.encode()), ("broken.pdf", b"%PDF-1.7 and nothing more"))
        status = page.get_by_role("status")
        expect(status).to_contain_text("leave.md is still being read")
        expect(status).to_contain_text("leave.md was read and can be asked about.", timeout=20_000)
        expect(status).to_contain_text("broken.pdf was not added.", timeout=20_000)
        expect(page.locator("#count")).to_have_text("1 document")


def assert_fits(page: Page) -> None:
    widths = page.evaluate(
        "() => [document.documentElement, document.querySelector('main')].map(n => [n.scrollWidth, n.clientWidth])"
    )
    assert all(content <= frame for content, frame in widths), widths
