"""Answers as messages of Discord."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bots.chat.split import regions
from bots.discord.render import (
    PIECE,
    UNFINISHED,
    answer_messages,
    custom_id,
    parse_custom_id,
    passage_of,
    sentence,
    unfinished,
)
from core.types import Answer, Citation, Outcome
from tests.bots.discord.rendering import ANSWER, HOSTILE, URLS, answered, buttons_of, check, citation, named, texts_of


def test_answer_with_its_source() -> None:
    (message,) = answer_messages(answered(), private=False)
    check(message)
    assert message.content == "Thirty days [1]."
    (embed,) = message.embeds
    assert embed == {"title": "Sources", "description": "[1] [Handbook](https://x.org/h?a=1&b=2), page 3"}
    assert [[each["label"] for each in row["components"]] for row in message.components] == [
        ["Passage 1"],
        ["Good answer", "Bad answer", "Try again"],
    ]
    assert named(message) == [("passage", f"1:{ANSWER}"), ("up", ANSWER), ("down", ANSWER), ("retry", ANSWER)]
    assert [each["emoji"]["name"] for each in buttons_of(message)[1:3]] == ["👍", "👎"]


def test_private_answer_can_be_shared() -> None:
    (message,) = answer_messages(answered(), private=True)
    check(message)
    assert named(message)[-1] == ("share", ANSWER)


@pytest.mark.parametrize("count", [0, 1, 5, 6, 30, 100, 5000])
def test_sources_are_named_as_far_as_they_fit(count: int) -> None:
    (message,) = answer_messages(answered(count=count), private=True)
    check(message)
    labels = [each["label"] for each in buttons_of(message) if each["label"].startswith("Passage")]
    assert labels == [f"Passage {number}" for number in range(1, min(count, 5) + 1)]
    listed = message.embeds[0]["description"] if message.embeds else ""
    numbers = re.findall(r"^\[(\d+)\]", listed, re.MULTILINE)
    assert numbers == [str(number) for number in range(1, len(numbers) + 1)]
    assert len(numbers) >= min(count, 30)
    assert ("… and" in listed) == (count > len(numbers))
    if count > len(numbers):
        assert listed.endswith(f"… and {count - len(numbers)} more")


def test_notice_is_shown() -> None:
    (message,) = answer_messages(answered(notice="Made without a *model*."), private=False)
    check(message)
    assert message.embeds[0]["footer"] == {"text": "Made without a *model*."}
    (alone,) = answer_messages(answered(count=0, notice="Made without a *model*."), private=False)
    check(alone)
    assert alone.embeds == ({"description": "Made without a \\*model\\*."},)


def test_no_evidence_shows_the_nearest_with_quotes() -> None:
    answer = Answer(ANSWER, Outcome.NO_EVIDENCE, "I could not find this.", nearest=(citation(),))
    (message,) = answer_messages(answer, private=True)
    check(message)
    (embed,) = message.embeds
    assert embed["title"] == "Nearest in the documents"
    assert embed["description"].endswith("), page 3\n> Thirty days of leave.")
    assert [each and each[0] for each in named(message)] == ["passage", "up", "down", "retry"]


@pytest.mark.parametrize(
    ("outcome", "buttons"),
    [(Outcome.EMPTY_INDEX, []), (Outcome.INVALID_QUESTION, []), (Outcome.FAILED, [("retry", ANSWER)])],
)
def test_other_outcomes(outcome: Outcome, buttons: list[tuple[str, str]]) -> None:
    (message,) = answer_messages(Answer(ANSWER, outcome, "Please ask again.", notice="x"), private=True)
    check(message)
    assert (message.content, message.embeds) == ("Please ask again.", ())
    assert named(message) == buttons


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("url", URLS)
def test_nothing_of_a_document_is_trusted(text: str, url: str | None) -> None:
    hostile = tuple(Citation(n, text, text, text, "d1", url, "c1") for n in (*range(1, 40), 1))
    twice = (hostile[0], hostile[0], *hostile)
    for answer in (
        Answer(ANSWER, Outcome.ANSWERED, text, citations=twice, notice=text),
        Answer(ANSWER, Outcome.NO_EVIDENCE, text, nearest=hostile, notice=text),
        Answer("x" * 90, Outcome.ANSWERED, text, citations=hostile),
    ):
        messages = answer_messages(answer, private=True)
        for message in messages:
            check(message)
        assert re.search(r"^\[1\] ", messages[-1].embeds[0]["description"])


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(max_size=300), min_size=4, max_size=4), st.integers(0, 60))
def test_discord_takes_every_answer(texts: list[str], count: int) -> None:
    text, title, where, quote = texts
    sources = tuple(Citation(n, title, where, quote, "d", "https://x.org/a(b", "c") for n in range(count))
    for message in answer_messages(Answer(ANSWER, Outcome.NO_EVIDENCE, text, nearest=sources), private=True):
        check(message)


@pytest.mark.parametrize("url", ["javascript:alert(1)", "https://x.org/>", "https://x.org/?" + "&" * 1900])
def test_source_without_a_link_that_can_be_offered(url: str) -> None:
    (message,) = answer_messages(Answer(ANSWER, Outcome.ANSWERED, "x", (citation(url=url),)), private=False)
    assert message.embeds[0]["description"] == "[1] Handbook, page 3"


@pytest.mark.parametrize(
    ("title", "line"),
    [
        ("Leave [2024] *new*", r"[1] [Leave (2024) \*new\*](https://x.org/%28a%29), page 3"),
        ("https://good.org", r"[1] https:\//good.org (https://x.org/%28a%29), page 3"),
        ("", "[1] [Untitled document](https://x.org/%28a%29), page 3"),
    ],
)
def test_link_of_a_source_shows_where_it_leads(title: str, line: str) -> None:
    source = citation(title=title, url="https://x.org/(a)")
    (message,) = answer_messages(Answer(ANSWER, Outcome.ANSWERED, "x", (source,)), private=False)
    assert message.embeds[0]["description"] == line


_LONG = {
    "one word": "x" * 40_000,
    "paragraphs": "Thirty days of leave [1]. Ask <@1> & others.\n\n" * 800,
    "code": "```sql\n" + "select a <> b && c; -- <@1>\n" * 1300 + "```",
    "a table": "| Day | Hours |\n|---|---|\n" + "| Monday & Friday and so on | <8> |\n" * 1100,
    "links": "[a](https://x.org/a) https://x.org/b " * 1000,
    "emoji": "😀" * 40_000,
}


@pytest.mark.parametrize("text", _LONG.values(), ids=_LONG.keys())
def test_long_answers_take_several_messages(text: str) -> None:
    messages = answer_messages(answered(text), private=False)
    assert 19 <= len(messages) <= 30
    for message in messages:
        check(message)
        assert len(message.content) <= PIECE
        if text.startswith("```"):
            assert message.content.startswith("```sql\n")
            assert list(regions(message.content))[-1] == ("", False)
        if text.startswith("|"):
            assert message.content.startswith("```\nDay                        Hours\n──")
            assert message.content.endswith("\n```")
    assert [bool(message.components) for message in messages] == [*[False] * (len(messages) - 1), True]
    assert [bool(message.embeds) for message in messages] == [*[False] * (len(messages) - 1), True]


def test_code_and_tables_at_the_cut_stay_whole() -> None:
    code = "```py\n" + "call()\n" * 100 + "```"
    messages = answer_messages(answered("word " * 300 + "\n\n" + code), private=False)
    assert [code in message.content for message in messages] == [False, True]
    table = "| Day | Hours |\n|---|---|\n" + "| Monday | 8 |\n" * 80
    messages = answer_messages(answered("word " * 300 + f"\n\n{table}"), private=False)
    assert [message.content.count("```") for message in messages] == [0, 2]


@pytest.mark.parametrize("text", ["", " \n", "[x](https://evil.org) @here", "y" * 50_000, "```\n" + "z\n" * 5000])
def test_sentence_of_the_bot(text: str) -> None:
    message = sentence(text)
    check(message)
    assert message.content
    assert not message.embeds


def test_answer_without_text_is_not_silent() -> None:
    (message,) = answer_messages(answered(""), private=False)
    check(message)
    assert message.content


def test_unfinished_answer_leaves_room_for_what_is_said_below_it() -> None:
    assert unfinished("") == unfinished("Thirty") == ""
    assert unfinished("Thirty days [1") == "Thirty days"
    assert unfinished("So:\n```py\nx = 1\ny =") == "So:\n```py\nx = 1\ny\n```"
    for text in _LONG.values():
        shown = unfinished(text)
        assert len(shown) <= UNFINISHED
        message = sentence(f"{shown}\n\nStopped.")
        check(message)
        assert message.content.endswith("Stopped.")


def test_names_of_buttons_are_told_apart_and_read_back() -> None:
    sources = (citation(1), citation(1), citation(2))
    (message,) = answer_messages(Answer(ANSWER, Outcome.ANSWERED, "x", sources), private=False)
    check(message)
    assert named(message)[:3] == [("passage", f"1:{ANSWER}"), ("passage", f"1:{ANSWER}"), ("passage", f"2:{ANSWER}")]
    assert custom_id("up", "x" * 100) is None


@pytest.mark.parametrize("text", ["", "lore", "lore:up", "lore:other:1", "up:1", "LORE:up:1", "lore:up.x:1"])
def test_names_of_others_are_not_ours(text: str) -> None:
    assert parse_custom_id(text) is None


@pytest.mark.parametrize("value", ["a", "a:b:c", "list hr 2", "", "a\nb", "show x:2"])
def test_every_value_is_read_back(value: str) -> None:
    for nth in (1, 2, 12):
        made = custom_id("run", value, nth)
        assert made
        assert parse_custom_id(made) == ("run", value)


def test_the_source_of_a_passage_is_read_back() -> None:
    assert passage_of(f"12:{ANSWER}") == (12, ANSWER)
    assert [passage_of(each) for each in ("", "x:a", "1", "1:", "²:a", "-1:a")] == [None] * 6


def test_texts_of_a_message_are_all_checked() -> None:
    (message,) = answer_messages(answered(), private=False)
    assert len(texts_of(message)) == 3
