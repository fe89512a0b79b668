"""What pictures of Slack are drawn from: nothing is left out, and nothing from strangers becomes markup."""

from __future__ import annotations

from typing import Any

import pytest

from bots.slack.text import mrkdwn_plain
from bots.slack.views import feedback_view
from tests.browser.slack_blocks import blocks_html
from tests.browser.slack_page import channel_page, modal_page
from tests.browser.slack_text import UnknownPart, markdown, mrkdwn, plain
from tests.fakes.slack import Message

NAMES = {"U1": "Ann"}
NASTY = "<script>alert(1)</script> & *bold* _i_ ~s~ `c`"


def section(text: str, **more: Any) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}, **more}


@pytest.mark.parametrize(
    "block",
    [
        {"type": "video"},
        section("a", fields=[]),
        section("a", accessory={"type": "overflow"}),
        section("a", accessory={"type": "button", "text": {"type": "plain_text", "text": "b"}, "url": "https://a.example"}),
        section("<!channel>"),
        section(":tada:"),
        section("🎉"),
        {"type": "section", "text": {"type": "raw_text", "text": "a"}},
        {"type": "context", "elements": [{"type": "image", "image_url": "https://a.example"}]},
        {"type": "rich_text", "elements": [{"type": "rich_text_list", "elements": []}]},
        {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [{"type": "emoji"}]}]},
        {"type": "input", "label": {"type": "plain_text", "text": "a"}, "element": {"type": "datepicker"}},
    ],
)  # fmt: skip
def test_what_cannot_be_drawn_is_an_error(block: dict[str, Any]) -> None:
    with pytest.raises(UnknownPart):
        blocks_html([block], NAMES)


def test_a_message_with_something_beside_its_blocks_is_an_error() -> None:
    message = Message("C1", "1.0", "U1", "Hello", "T1", chunks=[{"type": "task_update"}])
    with pytest.raises(UnknownPart):
        channel_page([message], "# general", NAMES)


def test_words_of_strangers_are_no_markup() -> None:
    shown = [plain(NASTY), mrkdwn(NASTY.replace("<", "&lt;")), markdown(NASTY)]
    assert not any("<script" in each for each in shown)
    assert not any("<script" in each for each in (mrkdwn(mrkdwn_plain(NASTY)), plain('"<script>')))


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("*a b* c", "<div><b>a b</b> c</div>"),
        ("_a_ ~b~ `*c*`", "<div><i>a</i> <s>b</s> <code>*c*</code></div>"),
        ("2 * 3 * 4, a_b_c", "<div>2 * 3 * 4, a_b_c</div>"),
        ("a &lt;b&gt; &amp;amp;", "<div>a &lt;b&gt; &amp;amp;</div>"),
        ("[1] a\n> b", "<div>[1] a</div><blockquote>b</blockquote>"),
        ("<https://a.example/?b&amp;c|d>", '<div><a href="https://a.example/?b&amp;c">d</a></div>'),
    ],
)
def test_mrkdwn_is_shown_as_slack_shows_it(text: str, html: str) -> None:
    assert mrkdwn(text) == html


def test_what_the_bot_escapes_stays_as_it_was_written() -> None:
    shown = mrkdwn(mrkdwn_plain("*no bold* _nor this_"))
    assert shown.replace("\u200b", "") == "<div>*no bold* _nor this_</div>"


def test_every_dialog_can_be_drawn() -> None:
    page = modal_page(feedback_view("a1"), NAMES)
    assert "What was wrong?" in page
    assert page.count('class="radio"') == 6
