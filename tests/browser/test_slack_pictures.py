"""The pictures of Slack in the documentation: made anew by running this with SCREENSHOT_DIR=docs/images."""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.slack_page import channel_page, home_page, modal_page, thread_page
from tests.browser.slack_scenes import QUESTION, UNANSWERED, Scenes, played
from tests.fakes.slack import Message
from tests.fakes.slack.blocks import words_of

pytestmark = pytest.mark.browser
WIDTH, SCALE = 760, 1
SMALLEST_BYTES, LARGEST_BYTES = 15_000, 120_000
WORD = re.compile(r"\w+")
ALL_WORDS = """() => [document.body.innerText,
  ...[...document.querySelectorAll('[title]')].map(node => node.title)].join('\\n')"""
TOO_WIDE = """() => [...document.body.querySelectorAll('*')].filter(node =>
  node.getBoundingClientRect().right > innerWidth || node.scrollWidth > Math.max(node.clientWidth, node.offsetWidth))
  .filter(node => getComputedStyle(node).display !== 'inline' && !node.closest('svg')).map(node => node.outerHTML)"""


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Scenes:
    return played(tmp_path_factory.mktemp("workplace"))


@pytest.fixture
def paper(browser: Browser) -> Iterator[Page]:
    """What is drawn on; it fetches nothing."""
    context = browser.new_context(
        viewport={"width": WIDTH, "height": 100}, device_scale_factor=SCALE, color_scheme="light", offline=True
    )
    yield context.new_page()
    context.close()


def drawn(page: Page, html: str, name: str, folder: Path) -> list[str]:
    """Takes the picture, which holds all of the page. Returns the words in it."""
    page.set_content(html)
    assert page.evaluate(TOO_WIDE) == []
    picture = Path(os.environ.get("SCREENSHOT_DIR", folder)) / name
    picture.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=picture, full_page=True)
    data = picture.read_bytes()
    height = page.evaluate("document.documentElement.scrollHeight")
    assert struct.unpack(">II", data[16:24]) == (WIDTH * SCALE, int(height * SCALE))
    assert SMALLEST_BYTES < len(data) < LARGEST_BYTES
    return WORD.findall(page.evaluate(ALL_WORDS))


def holds(seen: list[str], shown: str) -> bool:
    """Whether every line of what the bot sent is in the picture."""
    text = f" {' '.join(seen)} "
    lines = (" ".join(WORD.findall(line)) for line in shown.split("\n"))
    return all(f" {line} " in text for line in lines if line)


def hold(seen: list[str], messages: tuple[Message, ...]) -> bool:
    return all(holds(seen, message.shown) for message in messages if message.bot_id)


def test_an_answer_in_a_channel_with_its_sources(paper: Page, scenes: Scenes, tmp_path: Path) -> None:
    seen = drawn(paper, thread_page(scenes.answer, "# general", scenes.names), "slack-answer.png", tmp_path)
    assert holds(seen, QUESTION)
    assert hold(seen, scenes.answer)
    assert holds(seen, "[1] Travel policy, page 2, Hotels\n[2] Travel policy, page 3, Trains")
    assert paper.get_by_text("Show passage").count() == 2
    assert paper.get_by_label("This answer was good").is_visible()


def test_the_passage_of_a_source(paper: Page, scenes: Scenes, tmp_path: Path) -> None:
    seen = drawn(paper, modal_page(scenes.passage, scenes.names), "slack-passage.png", tmp_path)
    assert holds(seen, words_of(scenes.passage["blocks"]))
    assert holds(seen, "Source 1\nClose")
    assert "150 euros" in paper.locator(".rich_text b").inner_text()


def test_an_honest_no_answer_with_the_nearest_passages(paper: Page, scenes: Scenes, tmp_path: Path) -> None:
    seen = drawn(paper, thread_page(scenes.no_answer, "# general", scenes.names), "slack-no-answer.png", tmp_path)
    assert holds(seen, f"{UNANSWERED}\nI could not find this in the documents")
    assert hold(seen, scenes.no_answer)
    assert "front desk" in paper.locator("blockquote").first.inner_text()


def test_files_that_an_admin_sends(paper: Page, scenes: Scenes, tmp_path: Path) -> None:
    seen = drawn(paper, thread_page(scenes.files, "Lorekeeper", scenes.names), "slack-files.png", tmp_path)
    assert holds(seen, "expenses.md is searchable\ncontracts.pdf was not added\n1 of your 2 files is searchable now")
    assert hold(seen, scenes.files)
    assert paper.locator(".file").count() == 2
    assert paper.locator("svg.emoji").count() == 2


def test_the_list_of_the_documents(paper: Page, scenes: Scenes, tmp_path: Path) -> None:
    seen = drawn(paper, channel_page(scenes.lore, "# general", scenes.names), "slack-lore.png", tmp_path)
    assert holds(seen, "Only visible to you\nTravel policy\nready · 3 pages")
    assert hold(seen, scenes.lore)


def test_the_dialog_for_files(paper: Page, scenes: Scenes, tmp_path: Path) -> None:
    seen = drawn(paper, modal_page(scenes.dialog, scenes.names), "slack-add.png", tmp_path)
    assert holds(seen, "Add documents\nFiles\nNamespace\nhr\nOr a new namespace\nCancel\nAdd")


def test_the_home_tab_of_an_admin(paper: Page, scenes: Scenes, tmp_path: Path) -> None:
    seen = drawn(paper, home_page(scenes.home, scenes.names), "slack-home.png", tmp_path)
    assert holds(seen, words_of(scenes.home["blocks"]))
    assert holds(seen, f"Namespaces\nLast questions without an answer\n{UNANSWERED}")
