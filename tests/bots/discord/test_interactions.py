"""Commands, the message menu, buttons and dialogs, over the gateway."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from bots.chat import wording
from bots.discord.interactions import NOT_SERVED
from core.types import JobState, Origin, Reason, Thumb
from tests.bots.discord.running import ANSWER, QUESTION, WAIT, Bot, answered, running, settings
from tests.fakes.discord import FakeDiscord, Interaction
from tests.fakes.openai_server import FakeOpenAI

MANUAL = b"# Travel\n\nA hotel costs at most 150 euros a night.\n"


async def done(fake: FakeDiscord, used: Interaction, words: str) -> str:
    await fake.until(lambda: any(words in each.shown for each in used.messages), WAIT)
    return next(each.shown for each in used.messages if words in each.shown)


@pytest.mark.parametrize("private", [True, False])
async def test_ask(fake: FakeDiscord, bot: Bot, private: bool) -> None:
    used = await fake.slash(fake.ann, fake.general, "ask", question=QUESTION, private=private)
    await done(fake, used, "Leave")
    (message,) = used.messages
    assert ANSWER in message.shown
    assert (message.ephemeral_to is not None) == private


async def test_the_menu_answers_a_message_of_somebody_else(fake: FakeDiscord, bot: Bot) -> None:
    said = await fake.say(fake.ben, fake.general, QUESTION)
    used = await fake.menu(fake.ann, said, "Answer this")
    await done(fake, used, wording.ANSWERING_THERE)
    await answered(fake, said)
    again = await fake.menu(fake.ann, said, "Answer this")
    await done(fake, again, wording.ALREADY_ANSWERED)


async def test_a_source_shows_its_passage_to_who_presses_it(fake: FakeDiscord, bot: Bot) -> None:
    question = await fake.say(fake.ann, fake.general, f"<@BOT> {QUESTION}")
    (reply,) = await answered(fake, question)
    used = await fake.press(fake.ben, reply, label="Passage 1")
    shown = await done(fake, used, "13 days")
    assert "Leave" in shown
    assert used.messages[0].ephemeral_to == fake.ben


async def test_thumbs_also_after_a_restart(fake: FakeDiscord, model: FakeOpenAI, tmp_path: Path) -> None:
    chosen = settings(tmp_path, fake, model)
    async with running(chosen, fake):
        question = await fake.say(fake.ann, fake.general, f"<@BOT> {QUESTION}")
        (reply,) = await answered(fake, question)
    async with running(chosen, fake, text="") as bot:
        used = await fake.press(fake.ann, reply, label="Good answer")
        await done(fake, used, wording.THANK_YOU_FOR_FEEDBACK)
        await fake.press(fake.ben, reply, label="Bad answer")
        modal = await fake.until(lambda: fake.modal(fake.ben))
        fields = [each["custom_id"] for each in fields_of(modal.components)]
        sent = await fake.submit(modal, {fields[0]: ["outdated"], fields[1]: "It is from 2019."})
        await done(fake, sent, wording.THANK_YOU_FOR_FEEDBACK)
        assert bot.application.record is not None
        rated, _ = bot.application.record.feedback.page()
        given = {each.feedback.rater: each.feedback for each in rated}
    assert given[f"discord:{fake.ann.id}"].thumb is Thumb.UP
    bad = given[f"discord:{fake.ben.id}"]
    assert (bad.thumb, bad.reason, bad.comment) == (Thumb.DOWN, Reason.OUTDATED, "It is from 2019.")


def fields_of(components: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [each.get("component") or each["components"][0] for each in components]


async def test_try_again_answers_in_place(fake: FakeDiscord, model: FakeOpenAI, bot: Bot) -> None:
    question = await fake.say(fake.ann, fake.general, f"<@BOT> {QUESTION}")
    (reply,) = await answered(fake, question)
    asked = len(model.requests)
    await fake.press(fake.ann, reply, label="Try again")
    await fake.until(lambda: len(model.requests) > asked)
    await answered(fake, question)
    assert len(fake.replies(question)) == 1


async def test_a_private_answer_is_shared_with_the_channel(fake: FakeDiscord, bot: Bot) -> None:
    used = await fake.slash(fake.ann, fake.general, "ask", question=QUESTION, private=True)
    await done(fake, used, "Leave")
    await fake.press(fake.ann, used.messages[0], label="Share with the channel")
    await fake.until(lambda: any(ANSWER in each.shown for each in fake.messages(fake.general, viewer=fake.ben)))


async def test_after_a_quarter_of_an_hour_the_answer_still_arrives(
    fake: FakeDiscord, model: FakeOpenAI, bot: Bot
) -> None:
    fake.faults.fail("PATCH /webhooks/{webhook_id}/{webhook_token}/messages/@original", 50, status=401, code=50027)
    fake.faults.fail("PATCH /webhooks/{webhook_id}/{webhook_token}/messages/{message_id}", 50, status=401, code=50027)
    await fake.slash(fake.ann, fake.general, "ask", question=QUESTION)
    await fake.until(lambda: any(ANSWER in each.shown for each in fake.messages(fake.general)), WAIT)


async def test_an_admin_adds_lists_replaces_and_removes_a_document(fake: FakeDiscord, bot: Bot) -> None:
    added = await fake.slash(
        fake.olga, fake.general, "lore add", file=fake.file("travel.md", MANUAL), namespace="default"
    )
    await done(fake, added, "searchable")
    listed = await fake.slash(fake.olga, fake.general, "lore list")
    assert "travel.md" in await done(fake, listed, "Travel")
    offered = await fake.autocomplete(fake.olga, fake.general, "lore show", "document", "tra")
    (document,) = [each["value"] for each in offered if "Travel" in each["name"]]
    shown = await fake.slash(fake.olga, fake.general, "lore show", document=document)
    await done(fake, shown, "travel.md")
    new = fake.file("new-name.md", MANUAL.replace(b"150", b"170"))
    replaced = await fake.slash(fake.olga, fake.general, "lore replace", document=document, file=new)
    await done(fake, replaced, "searchable")
    found, total = await bot.application.documents.page("default")
    assert (total, {each.title for each in found}) == (2, {"Leave", "Travel"})
    asked = await fake.slash(fake.olga, fake.general, "lore remove", document=document)
    await done(fake, asked, "Remove this document?")
    await fake.press(fake.olga, asked.messages[0], label="Remove it")
    await done(fake, asked, "Removed.")
    _, total = await bot.application.documents.page("default")
    assert total == 1


async def test_a_document_that_was_removed_is_brought_back_and_another_version_too(fake: FakeDiscord, bot: Bot) -> None:
    for text in (MANUAL, MANUAL.replace(b"150", b"170")):
        added = await fake.slash(fake.olga, fake.general, "lore add", file=fake.file("travel.md", text))
        await done(fake, added, "searchable")
    (document,) = [each for each in (await bot.application.documents.page())[0] if each.title == "Travel"]
    asked = await fake.slash(fake.olga, fake.general, "lore remove", document=document.id)
    await done(fake, asked, "Remove this document?")
    await fake.press(fake.olga, asked.messages[0], label="Remove it")
    await done(fake, asked, "can be brought back for a while")
    offered = await fake.autocomplete(fake.olga, fake.general, "lore restore", "document", "tra")
    assert offered == [{"name": "Travel (default, removed)", "value": document.id}]
    assert not await fake.autocomplete(fake.ann, fake.general, "lore restore", "document", "tra")
    restored = await fake.slash(fake.olga, fake.general, "lore restore", document=document.id, version=1)
    await done(fake, restored, "as version 3")
    told = await fake.slash(fake.olga, fake.general, "lore history", document=document.id)
    shown = await done(fake, told, "Version 3 · answers now")
    assert f"by {fake.olga.id}" in shown
    pressed = await fake.press(fake.olga, told.messages[0], label="Bring back version 2")
    await done(fake, pressed, "as version 4")
    assert "Version 3 · answers now" in told.messages[0].shown
    history = await bot.application.versions.history(document.id)
    assert {each.origin for each in history} == {Origin("discord", str(fake.olga.id))}


async def test_an_admin_erases_a_document_after_confirming_it(fake: FakeDiscord, bot: Bot) -> None:
    asked = await fake.slash(fake.olga, fake.general, "lore purge", document="leave")
    await done(fake, asked, "Erase this document for good?")
    await fake.press(fake.olga, asked.messages[0], label="Erase it")
    await done(fake, asked, "Erased for good")
    _, total = await bot.application.documents.page()
    assert total == 0
    assert await bot.application.versions.removed() == ([], 0)


async def test_what_failed_is_tried_again_by_its_button_and_by_the_command(fake: FakeDiscord, bot: Bot) -> None:
    broken = fake.file("report.docx", b"PK\x03\x04" + bytes(60))
    added = await fake.slash(fake.olga, fake.general, "lore add", file=broken)
    await done(fake, added, "was not added")
    told = await fake.slash(fake.olga, fake.general, "lore failed")
    await done(fake, told, "report.docx")
    pressed = await fake.press(fake.olga, told.messages[0], label="Try again")
    await done(fake, pressed, "tried again")
    assert "report.docx" in told.messages[0].shown
    jobs = bot.application.jobs

    async def has_failed() -> bool:
        return bool((await jobs.page(frozenset({JobState.FAILED})))[1])

    async with asyncio.timeout(WAIT):
        while not await has_failed():
            await asyncio.sleep(0.05)
    (choice,) = await fake.autocomplete(fake.olga, fake.general, "lore retry", "job", "rep")
    assert choice["name"] == "report.docx (default)"
    assert not await fake.autocomplete(fake.ann, fake.general, "lore retry", "job", "rep")
    again = await fake.slash(fake.olga, fake.general, "lore retry", job=choice["value"])
    await done(fake, again, "tried again")


async def test_help_shows_the_commands_as_discord_has_them(fake: FakeDiscord, bot: Bot) -> None:
    used = await fake.slash(fake.ann, fake.general, "lore help")
    shown = await done(fake, used, "/lore replace")
    assert "[namespace]" not in shown
    assert "Only admins" in shown, "nothing is cut off"


async def test_who_is_no_admin_is_refused(fake: FakeDiscord, bot: Bot) -> None:
    used = await fake.slash(fake.ann, fake.general, "lore add", file=fake.file("travel.md", MANUAL))
    await done(fake, used, "Only admins")
    bound = await fake.slash(fake.ann, fake.general, "lore bind", namespace="hr")
    await done(fake, bound, "Only admins")
    for command, given in (
        ("restore", {"document": "leave"}), ("purge", {"document": "leave"}), ("failed", {}),
        ("retry", {"job": "123456"}), ("cancel", {"job": "123456"}),
    ):  # fmt: skip
        refused = await fake.slash(fake.ann, fake.general, f"lore {command}", **given)
        await done(fake, refused, "Only admins")
    sent = await fake.say(fake.ann, fake.dm(fake.ann), "", files=[fake.file("travel.md", MANUAL)])
    await fake.until(lambda: fake.replies(sent))
    _, total = await bot.application.documents.page("default")
    assert total == 1


async def test_a_file_of_an_admin_in_a_direct_message_becomes_searchable(fake: FakeDiscord, bot: Bot) -> None:
    sent = await fake.say(fake.olga, fake.dm(fake.olga), "", files=[fake.file("travel.md", MANUAL)])
    await fake.until(lambda: any("searchable now" in each.shown for each in fake.replies(sent)), WAIT)
    found, _ = await bot.application.documents.page("default")
    assert "Travel" in {each.title for each in found}


async def test_a_channel_that_is_bound_asks_its_namespace(fake: FakeDiscord, bot: Bot) -> None:
    bound = await fake.slash(fake.olga, fake.general, "lore bind", namespace="hr")
    await done(fake, bound, "`hr`")
    question = await fake.say(fake.ann, fake.general, f"<@BOT> {QUESTION}")
    await fake.until(lambda: fake.replies(question), WAIT)
    assert ANSWER not in fake.replies(question)[-1].shown


async def test_a_button_that_fails_leaves_the_answer_and_says_so(fake: FakeDiscord, bot: Bot) -> None:
    used = await fake.slash(fake.ann, fake.general, "ask", question=QUESTION, private=True)
    await done(fake, used, "Leave")
    fake.faults.fail("POST /channels/{channel_id}/messages", 3, status=403, code=50013)
    pressed = await fake.press(fake.ann, used.messages[0], label="Share with the channel")
    await done(fake, pressed, "(reference")
    assert ANSWER in used.messages[0].shown


async def test_a_server_that_is_not_served_is_told_so(fake: FakeDiscord, model: FakeOpenAI, tmp_path: Path) -> None:
    async with running(settings(tmp_path, fake, model, discord={"servers": ["123456789012345678"]}), fake):
        used = await fake.slash(fake.ann, fake.general, "ask", question=QUESTION)
        await done(fake, used, NOT_SERVED)
        direct = await fake.slash(fake.ann, fake.dm(fake.ann), "ask", question=QUESTION)
        await done(fake, direct, NOT_SERVED)
