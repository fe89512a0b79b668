"""The web chat in a real browser, against the real server; only the language model is a stand-in."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Request, Route, expect

from tests.bots.command import place
from tests.browser.chat import LEAVE, SENTENCE, answered, ask, assert_fits, opened, upload, with_leave
from tests.fakes.openai_server import FakeOpenAI

pytestmark = pytest.mark.browser
# Answers every upload at once, and reads it afterwards.
IMPATIENT = """
from bots.gateway import documents
from core.cli import main
documents.PATIENCE_SECONDS = 0
main()
"""
LONG_WORD = "Donaudampfschifffahrtsgesellschaftskapitän" * 6
FERRY = f"The ferry to Vienna, the {LONG_WORD[:60]}, sails at noon"


def test_files_are_uploaded_and_one_that_is_refused_says_why(page: Page) -> None:
    upload(page, ("leave.md", LEAVE.encode()), ("setup.exe", b"MZ\x90\x00" + bytes(100)))
    status = page.get_by_role("status")
    expect(status).to_contain_text("leave.md was ")
    expect(status).to_contain_text("setup.exe was not added.")
    expect(status).to_contain_text("(reference ")
    expect(page.locator("#count")).to_have_text(re.compile(r"^[1-9]\d* documents?$"))
    expect(page.locator("#hint")).to_be_hidden()
    expect(page.locator("#progress")).to_be_hidden()


def test_files_are_taken_when_they_are_dropped_on_the_page(page: Page) -> None:
    expect(page.get_by_role("button", name="Upload", exact=True)).to_be_visible()
    files = page.evaluate_handle(
        "text => { const all = new DataTransfer(); all.items.add(new File([text], 'dropped.md')); return all; }",
        "# Dropped\n\nFiles may be dropped anywhere on the page.\n",
    )
    page.dispatch_event("body", "dragover", {"dataTransfer": files})
    expect(page.get_by_text("Drop files to add them")).to_be_visible()
    page.dispatch_event("body", "drop", {"dataTransfer": files})
    expect(page.get_by_role("status")).to_contain_text("dropped.md was ")
    expect(page.get_by_text("Drop files to add them")).to_be_hidden()


def test_an_answer_appears_as_it_is_written_and_is_announced_when_it_is_whole(page: Page, model: FakeOpenAI) -> None:
    with_leave(page)
    model.answer, model.behaviour = f"{SENTENCE} [1].", "stall"
    ask(page)
    draft = page.locator(".pending")
    expect(draft).to_contain_text("Full-time staff")
    expect(draft).to_have_attribute("aria-busy", "true")
    assert page.locator("#announcer").text_content() == "Looking through the documents…"
    page.get_by_role("button", name="Stop").click()
    stopped = page.locator("[data-outcome=stopped]")
    expect(stopped).to_contain_text("Full-time staff")
    expect(stopped).to_contain_text("Stopped here.")
    model.behaviour = "ok"
    stopped.get_by_role("button", name="Retry").click()
    expect(page.locator("[data-outcome=answered]")).to_contain_text(SENTENCE)
    expect(page.locator("#announcer")).to_contain_text(f"Answer: {SENTENCE}. 1 source.")
    assert page.locator(".pending, [data-outcome=stopped]").count() == 0


def test_a_question_can_be_stopped_and_another_one_asked(page: Page, model: FakeOpenAI) -> None:
    with_leave(page)
    model.behaviour = "slow"
    ask(page)
    expect(page.get_by_role("button", name="Send")).to_be_hidden()
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("[data-outcome=stopped]")).to_contain_text("Stopped before there was an answer.")
    expect(page.get_by_label("Your question")).to_be_focused()
    model.behaviour = "ok"
    page.get_by_role("button", name="Retry").click()
    expect(page.locator("[data-outcome=answered]")).to_contain_text(SENTENCE)


def test_a_connection_that_breaks_in_the_middle_is_taken_up_again(page: Page) -> None:
    with_leave(page)
    asked: list[str | None] = []

    def cut(route: Route, request: Request) -> None:  # the first events arrive, and then the connection is gone
        asked.append(request.headers.get("last-event-id"))
        reply = route.fetch()
        first = reply.text().split("\n\n")[0]
        route.fulfill(response=reply, body=f"{first}\n\n")

    def resumed(request: Request) -> None:
        if "/v1/ask/" in request.url:
            asked.append(request.headers["last-event-id"])

    page.route("**/v1/ask", cut)
    page.on("request", resumed)
    answer = answered(page)
    expect(answer.locator("p").first).to_contain_text(SENTENCE)
    assert asked[0] is None
    assert asked[1] is not None
    assert asked[1].endswith(":1")


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


def test_a_question_after_an_answer_is_asked_in_the_same_conversation(page: Page) -> None:
    with_leave(page)
    answered(page)
    thread = urlsplit(page.url).fragment.removeprefix("thread=")
    with page.expect_request("**/v1/ask") as asked:
        answered(page, "And what about part-time staff?")
    body = asked.value.post_data_json
    assert body is not None
    assert body["thread"] == thread
    page.reload()
    expect(page.locator(".question")).to_have_text(
        ["How many days of vacation do I accrue?", "And what about part-time staff?"]
    )


def test_a_conversation_is_shown_again_at_its_address_until_it_is_deleted(page: Page) -> None:
    with_leave(page)
    answered(page)
    thread = urlsplit(page.url).fragment
    assert re.fullmatch(r"thread=[\w:.-]+", thread)
    page.reload()
    expect(page.locator(".question")).to_have_count(1)
    expect(page.locator("[data-outcome=answered]")).to_contain_text(SENTENCE)
    page.get_by_role("button", name="New conversation").click()
    expect(page.locator(".message")).to_have_count(0)
    assert urlsplit(page.url).fragment == ""
    page.goto(f"{page.url.split('#')[0]}#{thread}")
    expect(page.locator("[data-outcome=answered]")).to_be_visible()
    page.get_by_role("button", name="Delete this conversation").click()
    expect(page.get_by_role("status")).to_have_text("The conversation was deleted.")
    page.goto(f"{page.url.split('#')[0]}#{thread}")
    expect(page.locator("#note")).to_contain_text("This conversation is not there any more.")


@pytest.mark.parametrize("width", [320, 360])
def test_on_a_phone_nothing_has_to_be_scrolled_sideways(
    browser: Browser, url: str, model: FakeOpenAI, width: int
) -> None:
    with opened(browser, url, viewport={"width": width, "height": 640}, has_touch=True) as page:
        assert_fits(page)
        upload(page, (f"{LONG_WORD[:120]}.md", f"# Ferry {LONG_WORD[:60]}\n\n{FERRY}.\n".encode()))
        expect(page.get_by_role("status")).to_contain_text(".md was ")
        model.answer = f"{FERRY} [1].\n\n```\n{LONG_WORD} = 1\n```"
        answer = answered(page, "When does the ferry to Vienna sail?")
        assert_fits(page)
        answer.get_by_role("button", name="Bad answer").click()
        expect(answer.get_by_role("radio").first).to_be_visible()
        assert_fits(page)
        answer.locator(".citation-mark").click()
        expect(page.locator("#panel mark")).to_be_visible()
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
        expect(status).to_contain_text("leave.md was read and can be asked about.", timeout=20_000)
        expect(status).to_contain_text("broken.pdf was not added.", timeout=20_000)
        expect(page.locator("#count")).to_have_text("1 document")


def test_a_large_file_goes_on_after_a_lost_connection(browser: Browser, url: str) -> None:
    filler = "<!-- nothing to read in here -->\n" * 320_000
    large = f"<title>Large</title><h1>Large</h1><p>The large hall seats 400 people.</p>{filler}".encode()
    assert len(large) > 9 * 2**20
    pieces: list[str] = []

    def lose_one(route: Route, request: Request) -> None:
        pieces.append(request.method)
        if pieces == ["PATCH"]:
            route.abort("connectionreset")
        else:
            route.continue_()

    with opened(browser, url, provoked="net::ERR_CONNECTION_RESET") as page:
        page.route("**/v1/uploads/*", lose_one)
        upload(page, ("large.html", large))
        expect(page.get_by_role("status")).to_contain_text(
            "large.html was read and can be asked about.", timeout=30_000
        )
    assert pieces == ["PATCH", "HEAD", "PATCH", "PATCH"]


def test_an_upload_can_be_cancelled(page: Page) -> None:
    def hold(route: Route, request: Request) -> None:
        if request.method != "PATCH":
            route.continue_()

    page.route("**/v1/uploads/*", hold)
    with page.expect_request(lambda request: request.method == "PATCH"):
        upload(page, ("large.txt", b"x" * (9 * 2**20)))
    with page.expect_response(lambda reply: reply.request.method == "DELETE") as given_up:
        page.get_by_role("button", name="Cancel").click()
    assert given_up.value.status == 204
    expect(page.get_by_role("status")).to_contain_text("large.txt was not added. The upload was cancelled.")
