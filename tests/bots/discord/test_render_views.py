"""A passage for one person, and the dialog about a bad answer."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bots.chat.passages import CHANGED, NEIGHBOURS
from bots.discord.render import feedback_modal, feedback_of, parse_custom_id, passage_message
from core.types import Citation, Reason
from tests.bots.discord.rendering import ANSWER, HOSTILE, URLS, check, citation, passage
from tests.fakes.discord.components import modal_problems
from tests.fakes.discord.specs import check_as


def test_passage_with_its_quote_and_neighbours() -> None:
    texts = [
        "far away",
        "before " * 300,
        "By law:\nThirty days\nof leave. *More* <@1>.",
        "after",
        "# later",
        "too far",
    ]
    passages = [passage(number, text) for number, text in enumerate(texts)]
    message = passage_message(citation(number=2), passages[1:], 1)
    check(message)
    assert message.content == "[2] [Handbook](<https://x.org/h?a=1&b=2>), page 3"
    before, cited, after = (each["description"] for each in message.embeds)
    assert re.fullmatch(r"-# Before it:\n…[before ]+before before", before)
    assert cited == "By law:\n**Thirty days\nof leave.** \\*More\\* \\<\u200b@1>."
    assert after == "-# After it:\nafter\n\n\\# later"
    assert NEIGHBOURS == 2


def test_passage_of_a_document_that_has_changed() -> None:
    message = passage_message(citation(url=None), [passage(9, "other")], None)
    check(message)
    assert message.content == f"[1] Handbook, page 3\n{CHANGED}"
    assert message.embeds == ({"description": "**Thirty days of leave.**"},)
    without = passage_message(Citation(1, "Handbook", "", "", "d"), [], None)
    check(without)
    assert without.embeds == ()


@pytest.mark.parametrize("at", [0, 9_000, 19_999])
def test_very_long_passage_is_shown_around_its_quote(at: int) -> None:
    words = ["*word*"] * 20_000
    words[at] = "Thirty days of leave."
    message = passage_message(citation(), [passage(1, " ".join(words))], 0)
    check(message)
    (embed,) = message.embeds
    assert "**Thirty days of leave.**" in embed["description"]
    assert 2500 < len(embed["description"]) <= 3600
    assert embed["description"].startswith("…") == (at > 0)
    assert embed["description"].endswith("…") == (at < 19_999)


def test_very_long_quote() -> None:
    text = "*word* " * 3000
    message = passage_message(Citation(1, "T", "", text, "d"), [passage(1, text)], 0)
    check(message)
    assert message.embeds[0]["description"].startswith("**\\*word\\*")


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("url", URLS)
def test_nothing_of_a_document_is_trusted(text: str, url: str | None) -> None:
    for place in (None, 0, 4):
        for cited in (text, text * 20):
            source = Citation(3, text, text, text, "d1", url, "c1")
            check(passage_message(source, [passage(number, cited) for number in range(5)], place))


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=500), st.text(max_size=200), st.integers(0, 20))
def test_discord_takes_every_passage(text: str, quote: str, times: int) -> None:
    source = Citation(3, text, text, quote, "d1", "https://x.org")
    check(passage_message(source, [passage(1, text * times), passage(2, text + quote), passage(3, text)], 1))


def test_reasons_of_a_bad_answer() -> None:
    modal = feedback_modal(ANSWER)
    assert modal_problems(modal) == []
    check_as("ModalInteractionCallbackRequest", {"type": 9, "data": modal})
    assert parse_custom_id(modal["custom_id"]) == ("reason", ANSWER)
    reason, comment = (each["component"] for each in modal["components"])
    assert [Reason(option["value"]) for option in reason["options"]] == list(Reason)
    assert (reason["required"], comment["required"]) == (False, False)
    assert (comment["style"], comment["max_length"]) == (2, 4000)
    with pytest.raises(ValueError, match="too long"):
        feedback_modal("x" * 100)


@pytest.mark.parametrize(
    ("chosen", "written", "expected"),
    [
        (["outdated"], " It is 14 days. ", (Reason.OUTDATED, "It is 14 days.")),
        ([], "", (None, "")),
        (["no reason"], "x" * 9000, (None, "x" * 4000)),
    ],
)
def test_what_was_filled_in(chosen: list[str], written: str, expected: tuple[Reason | None, str]) -> None:
    data = {
        "custom_id": f"lore:reason:{ANSWER}",
        "components": [
            {"type": 18, "id": 1, "component": {"type": 3, "id": 2, "custom_id": "reason", "values": chosen}},
            {"type": 18, "id": 3, "component": {"type": 4, "id": 4, "custom_id": "comment", "value": written}},
        ],
    }
    assert feedback_of(data) == expected


def test_nothing_was_filled_in() -> None:
    assert feedback_of({}) == feedback_of({"components": [{"type": 10}, {"type": 1, "components": []}]}) == (None, "")
