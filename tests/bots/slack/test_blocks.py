from __future__ import annotations

import json
import re
from typing import Any

import pytest

from bots.chat.passages import CHANGED, NEIGHBOURS
from bots.chat.split import regions
from bots.slack.blocks import NOTIFICATION, Rendered, answer_messages, closing_blocks, sentence
from bots.slack.kit import MARKDOWN
from bots.slack.views import feedback_view, passage_view
from core.types import Answer, Citation, Outcome, Passage, Reason
from tests.fakes.slack.blocks import block_problems, words_of
from tests.fakes.slack.pings import pings_in

BREAK = "\u200b"
HOSTILE = [
    "<!channel> *bold* @here",
    "a|b>c<d&e",
    "`" * 200 + "*" * 200,
    "&" * 5000,
    "\n# head\n> quote\x00\u202e",
    "[x](https://evil.org)",
    "",
    " \n",
    "<@U1>" * 900,
]
URLS = [None, "javascript:alert(1)", "https://x.org/>|<!channel>", "https://x.org/?" + "a&" * 1400, "https://x.org"]


def citation(number: int = 1, title: str = "Handbook", url: str | None = "https://x.org/h?a=1&b=2") -> Citation:
    return Citation(number, title, "page 3", "Thirty days of leave.", "d1", url, f"c{number}", 3)


def answered(text: str = "Thirty days [1].", count: int = 1, **parts: Any) -> Answer:
    citations = tuple(citation(number) for number in range(1, count + 1))
    return Answer("a1", Outcome.ANSWERED, text, citations=citations, **parts)


def passage(number: int, text: str) -> Passage:
    return Passage(f"c{number}", "d1", "Handbook", text, text, 1.0)


def actions_of(blocks: list[dict[str, Any]]) -> list[str]:
    return re.findall(r'"action_id": "(\w+)"', json.dumps(blocks))


def check(message: Rendered) -> None:
    blocks = list(message.blocks)
    assert block_problems(blocks) == []
    assert 0 < len(message.text) <= NOTIFICATION
    assert pings_in({"text": message.text, "blocks": blocks}) == []


def test_answer_with_its_source() -> None:
    (message,) = answer_messages(answered(), private=False)
    check(message)
    text, heading, source, feedback, actions = message.blocks
    assert heading["elements"][0]["text"] == "Sources"
    assert text == {"type": "markdown", "text": "Thirty days [1]."}
    assert source["text"]["text"] == "[1] <https://x.org/h?a=1&amp;b=2|Handbook>, page 3"
    assert source["accessory"]["action_id"] == "passage"
    assert json.loads(source["accessory"]["value"]) == {"a": "a1", "n": 1}
    (thumbs,) = feedback["elements"]
    assert (thumbs["positive_button"]["value"], thumbs["negative_button"]["value"]) == ("up:a1", "down:a1")
    assert [(each["action_id"], each["value"]) for each in actions["elements"]] == [("retry", "a1")]
    assert message.text == "Thirty days [1]."


def test_private_answer_can_be_shared() -> None:
    shared = closing_blocks(answered(), private=True)[-1]["elements"][1]
    assert (shared["action_id"], shared["value"]) == ("share", "a1")


@pytest.mark.parametrize("count", [0, 1, 5, 10, 100, 5000])
def test_every_source_is_named(count: int) -> None:
    (message,) = answer_messages(answered(count=count), private=True)
    check(message)
    sections = [block for block in message.blocks if block["type"] == "section"]
    assert len(sections) == min(count, 5)
    named = re.findall(r"^\[(\d+)\]", words_of(list(message.blocks[1:])), re.MULTILINE)
    assert named[: min(count, 100)] == [str(number) for number in range(1, min(count, 100) + 1)]
    if count > len(named):
        assert f"… and {count - len(named)} more" in words_of(list(message.blocks))


def test_notice_is_shown() -> None:
    blocks = closing_blocks(answered(notice="Made without a *model*."), private=False)
    assert {"type": "plain_text", "text": "Made without a *model*.", "emoji": False} in blocks[2]["elements"]


def test_no_evidence_shows_the_nearest_with_quotes() -> None:
    answer = Answer("a1", Outcome.NO_EVIDENCE, "I could not find this.", nearest=(citation(),))
    (message,) = answer_messages(answer, private=True)
    check(message)
    assert message.blocks[1]["text"]["text"].endswith("|Handbook>, page 3\n> Thirty days of leave.")
    assert actions_of(list(message.blocks)) == ["passage", "feedback", "retry"]


@pytest.mark.parametrize(
    ("outcome", "actions"),
    [(Outcome.EMPTY_INDEX, []), (Outcome.INVALID_QUESTION, []), (Outcome.FAILED, ["retry"])],
)
def test_other_outcomes(outcome: Outcome, actions: list[str]) -> None:
    (message,) = answer_messages(Answer("a1", outcome, "Please ask again.", notice="x"), private=True)
    check(message)
    assert message.blocks[0] == {"type": "markdown", "text": "Please ask again."}
    assert actions_of(list(message.blocks)) == actions


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("url", URLS)
def test_nothing_of_a_document_is_trusted(text: str, url: str | None) -> None:
    hostile = tuple(Citation(n, text, text, text, "d1", url, "c1") for n in (*range(1, 40), 1))
    passages = [passage(n, text) for n in range(5)]
    for answer in (
        Answer("a1", Outcome.ANSWERED, text, citations=hostile, notice=text),
        Answer("a1", Outcome.NO_EVIDENCE, text, nearest=hostile, notice=text),
    ):
        for message in answer_messages(answer, private=True):
            check(message)
            assert "evil.org>" not in json.dumps(message.blocks)
    for place in (None, 0, 4):
        view = passage_view(hostile[0], passages, place)
        assert block_problems(view["blocks"], "modal") == []
        assert pings_in({"blocks": view["blocks"]}) == []


@pytest.mark.parametrize("url", ["javascript:alert(1)", "https://x.org/>|x", "https://x.org/?" + "&" * 900])
def test_source_without_a_link_that_can_be_offered(url: str) -> None:
    block = closing_blocks(Answer("a1", Outcome.ANSWERED, "x", (citation(url=url),)), private=False)[1]
    assert block["text"]["text"] == "[1] Handbook, page 3"


_LONG = {
    "one word": "x" * 100_000,
    "paragraphs": "Thirty days of leave [1]. Ask <!channel> & others.\n\n" * 2000,
    "code": "```sql\n" + "select a <> b && c; -- <!here>\n" * 3300 + "```",
    "a table": "| Day | Hours |\n|---|---|\n" + "| Monday & Friday | <8> |\n" * 4000,
    "entities": "&<>" * 33_000,
}


@pytest.mark.parametrize("text", _LONG.values(), ids=_LONG.keys())
def test_long_answers_take_several_messages(text: str) -> None:
    messages = answer_messages(answered(text), private=False)
    assert 9 <= len(messages) <= 14
    for message in messages:
        check(message)
        piece = message.blocks[0]["text"]
        assert len(piece) <= MARKDOWN
        if text.startswith("```"):
            assert piece.startswith("```sql\n")
            assert list(regions(piece))[-1] == ("", False)
        if text.startswith("|"):
            assert piece.startswith("| Day | Hours |\n|---|---|\n")
    assert [len(message.blocks) for message in messages] == [1] * (len(messages) - 1) + [5]


def test_code_at_the_cut_stays_whole() -> None:
    code = "```py\n" + "call()\n" * 100 + "```"
    messages = answer_messages(answered("word " * 2150 + "\n\n" + code), private=False)
    assert len(messages) == 2
    assert [code in message.blocks[0]["text"] for message in messages] == [False, True]


@pytest.mark.parametrize("text", ["", " \n", "[x](https://evil.org) @here", "y" * 50_000])
def test_sentence_of_the_bot(text: str) -> None:
    check(sentence(text))


def test_answer_without_text_is_not_silent() -> None:
    (message,) = answer_messages(answered(""), private=False)
    check(message)
    assert message.text


def test_passage_with_its_quote_and_neighbours() -> None:
    texts = [
        "far away",
        "before " * 300,
        "By law:\nThirty days\nof leave. *More* <!here>.",
        "after",
        "later",
        "too far",
    ]
    passages = [passage(number, text) for number, text in enumerate(texts)]
    view = passage_view(citation(number=2), passages[1:], 1)
    assert (view["type"], view["title"]["text"]) == ("modal", "Source 2")
    assert block_problems(view["blocks"], "modal") == []
    header, where, lead, before, cited, trail, after, later, link = view["blocks"]
    assert [each["elements"][0]["text"] for each in (lead, trail)] == ["Before it:", "After it:"]
    assert (header["text"]["text"], where["elements"][0]["text"]) == ("Handbook", "page 3")
    assert before["elements"][0]["text"].startswith("…")
    assert before["elements"][0]["text"].endswith("before before")
    assert cited["elements"][0]["elements"] == [
        {"type": "text", "text": "By law:\n"},
        {"type": "text", "text": "Thirty days\nof leave.", "style": {"bold": True}},
        {"type": "text", "text": " *More* <!here>."},
    ]
    assert [each["elements"][0]["text"] for each in (after, later)] == texts[3 : 3 + NEIGHBOURS]
    assert link["text"]["text"] == "<https://x.org/h?a=1&amp;b=2|Open the document>"


def test_passage_of_a_document_that_has_changed() -> None:
    view = passage_view(citation(url=None), [passage(9, "other")], None)
    assert block_problems(view["blocks"], "modal") == []
    words = words_of(view["blocks"])
    assert CHANGED in words
    assert "Thirty days of leave." in words
    assert "other" not in words


def test_very_long_passage() -> None:
    view = passage_view(citation(), [passage(1, "word " * 20_000)], 0)
    assert block_problems(view["blocks"], "modal") == []
    assert len(json.dumps(view)) < 20_000


def test_reasons_of_a_bad_answer() -> None:
    view = feedback_view("a1")
    assert block_problems(view["blocks"], "modal") == []
    assert (view["callback_id"], json.loads(view["private_metadata"])) == ("feedback_reason", {"a": "a1"})
    reason, comment = view["blocks"]
    assert [Reason(option["value"]) for option in reason["element"]["options"]] == list(Reason)
    assert (reason["optional"], comment["optional"]) == (True, True)
    assert (comment["element"]["multiline"], comment["element"]["max_length"]) == (True, 3000)
    assert all(len(view[name]["text"]) <= 24 for name in ("title", "submit", "close"))
