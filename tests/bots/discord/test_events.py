"""What messages of Discord mean for the bot."""

from __future__ import annotations

from typing import Any

import pytest

from bots.chat.files import FILES, unpacked
from bots.discord.board import nonce_of, thread_title
from bots.discord.events import Me, Place, first_id_since, key_of, sent_at, written
from core.store.inbox import Entry

ME = Me("100000000000000001", "100000000000000002", {"100000000000000007": "Ben"})
TEXT = Place("200000000000000001", 0, "300000000000000001")
THREAD = Place("200000000000000002", 11, "300000000000000001", "200000000000000001", 0, "Leave")
FORUM = Place("200000000000000003", 11, "300000000000000001", "200000000000000009", 15, "Annual leave")
DIRECT = Place("200000000000000004", 1)


def message(content: str = "How many days?", **more: Any) -> dict[str, Any]:
    author = {"id": "100000000000000005", "username": "ann"}
    return {"id": "1300000000000000000", "type": 0, "content": content, "author": author, **more}


@pytest.mark.parametrize("tag", ["<@100000000000000001>", "<@!100000000000000001>", "<@&100000000000000002>"])
def test_a_mention_addresses_the_bot_and_is_no_part_of_the_question(tag: str) -> None:
    said = written(message(f"{tag} How many days?"), TEXT, ME)
    assert said is not None
    assert (said.message.text, said.message.addressed, said.tags_others) == ("How many days?", True, False)
    assert said.message.id == key_of(TEXT.channel, "1300000000000000000")
    assert said.message.thread == "1300000000000000000"
    assert said.place["makes_thread"]


def test_talk_in_a_channel_is_nobody_s_business_and_in_a_thread_it_may_be() -> None:
    assert written(message(), TEXT, ME) is None
    said = written(message(), THREAD, ME)
    assert said is not None
    assert (said.message.addressed, said.message.thread, said.message.conversation) == (
        False,
        THREAD.channel,
        TEXT.channel,
    )
    assert "makes_thread" not in said.place


def test_the_follow_up_belongs_to_the_thread_of_the_question() -> None:
    first = written(message("<@100000000000000001> How?"), TEXT, ME)
    place = Place("1300000000000000000", 11, TEXT.guild, TEXT.channel, 0, "How?")
    later = written(message("And then?", id="1300000000000000009"), place, ME)
    assert first is not None
    assert later is not None
    assert first.thread == later.thread


def test_a_direct_message_needs_no_mention_and_may_bring_files() -> None:
    attachment = {"id": "9", "filename": "reisen.pdf", "title": "Dienstreisen ä", "size": 7, "url": "https://x.org/a"}
    said = written(message("", attachments=[attachment]), DIRECT, ME)
    assert said is not None
    assert (said.message.addressed, said.is_direct, said.goes_on) == (True, True, True)
    (facts,) = unpacked(said.place[FILES])
    assert (facts.name, facts.size) == ("Dienstreisen ä.pdf", 7)


def test_a_reply_to_the_bot_addresses_it() -> None:
    mine = {"id": "1299", "author": {"id": ME.user}}
    said = written(message(type=19, referenced_message=mine), TEXT, ME)
    assert said is not None
    assert (said.message.addressed, said.place["replies_to"]) == (True, "1299")
    theirs = {"id": "1299", "author": {"id": "5"}}
    assert written(message(type=19, referenced_message=theirs), TEXT, ME) is None


@pytest.mark.parametrize(
    "more",
    [
        {"author": {"id": "7", "bot": True}},
        {"webhook_id": "8"},
        {"type": 7},
        {"type": 18},
        {"content": ""},
    ],
)
def test_bots_webhooks_and_discord_s_own_remarks_are_no_questions(more: dict[str, Any]) -> None:
    assert written(message("<@100000000000000001> How?") | more, TEXT, ME) is None


def test_another_person_who_is_tagged() -> None:
    said = written(message("<@100000000000000007> what do you think?"), THREAD, ME)
    assert said is not None
    assert (said.tags_others, said.message.text) == (True, "@Ben what do you think?")


def test_a_post_in_a_forum_is_asked_by_its_title_too() -> None:
    said = written(message("How many days?", id=FORUM.channel), FORUM, ME)
    assert said is not None
    assert (said.message.text, said.message.conversation) == ("Annual leave\nHow many days?", FORUM.parent)
    assert "post" in said.place
    later = written(message("And then?"), FORUM, ME)
    assert later is not None
    assert "post" not in later.place


def test_a_forwarded_message_is_what_it_consists_of() -> None:
    forwarded = {"message_reference": {"type": 1}, "message_snapshots": [{"message": {"content": "How many days?"}}]}
    said = written(message("", **forwarded), DIRECT, ME)
    assert said is not None
    assert said.message.text == "How many days?"


def test_an_edit_has_a_version() -> None:
    said = written(message(edited_timestamp="2026-11-21T10:00:00.000000+00:00"), DIRECT, ME)
    assert said is not None
    assert said.version == 1795255200.0


def test_ids_tell_when() -> None:
    # The example of Discord's documentation.
    assert sent_at("175928847299117063") == pytest.approx(1462015105.796)
    assert abs(sent_at(str(first_id_since(1462015105.796))) - 1462015105.796) < 0.002


@pytest.mark.parametrize("question", ["How?", "x" * 5000, "a\n\nb " * 100, ""])
def test_a_thread_has_a_title_that_discord_takes(question: str) -> None:
    title = thread_title(question)
    assert 1 <= len(title) <= 100
    assert "\n" not in title


def test_one_nonce_for_one_message_and_another_after_an_edit() -> None:
    entry, edited = Entry("a", "discord", "t", {}), Entry("a", "discord", "t", {}, revision=1)
    assert nonce_of(entry, 0) == nonce_of(entry, 0)
    assert len({nonce_of(entry, 0), nonce_of(entry, 1), nonce_of(edited, 0)}) == 3
    assert len(nonce_of(entry, 0)) <= 25
