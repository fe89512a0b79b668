"""Documents managed by command, as people in a workspace see it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from bots.chat.results import Action, Result, Row
from bots.slack.kit import BUTTON_VALUE
from bots.slack.lore import rendered
from core.errors import NotFound
from core.settings import Settings
from core.types import Document, Origin
from tests.bots.slack.running import ANSWER, QUESTION, Bot, running, settings
from tests.fakes.openai_server import FakeOpenAI
from tests.fakes.slack import FakeSlack, Message
from tests.fakes.slack.blocks import block_problems

# Each starts a bot with a store and an index of its own.
pytestmark = pytest.mark.slow

NASTY = "<!channel> <@U1> *bold* `code` [link](https://evil.example) @here & <https://evil.example|ok>"


async def lore(slack: FakeSlack, text: str, user: str = "UADMIN", channel: str = "C1") -> Message:
    """What the person sees next."""
    before = len(slack.messages(channel, by_bot=True))
    await slack.command("/lore", text, user=user, channel=channel)
    seen = await slack.until(lambda: slack.messages(channel, by_bot=True)[before:])
    assert {each.ephemeral_to for each in seen} == {user}
    answer: Message = seen[-1]
    return answer


async def add(bot: Bot, tmp_path: Path, name: str, text: str, namespace: str = "default") -> Document:
    path = tmp_path / "given"
    path.write_text(text)
    change = await bot.application.documents.add_file(name, path, namespace)
    assert change.document is not None
    return change.document


async def test_a_list_is_for_everybody_and_private(slack: FakeSlack, bot: Bot) -> None:
    answer = await lore(slack, "list", user="U1")
    assert "Documents 1 to 1 of 1" in answer.shown
    assert "Leave" in answer.shown
    assert "ready" in answer.shown
    await slack.press(answer, "lore:show", user="U1")
    await slack.until(lambda: "what I know" in slack.messages("C1")[-1].shown)
    assert {each.ephemeral_to for each in slack.messages("C1", by_bot=True)} == {"U1"}


async def test_pages_take_the_place_of_one_another(slack: FakeSlack, bot: Bot, tmp_path: Path) -> None:
    for number in range(11):
        await add(bot, tmp_path, f"n{number:02}.md", f"# Note {number:02}\n\nText.\n", "notes")
    answer = await lore(slack, "list notes")
    await slack.press(answer, "lore:next", user="UADMIN")
    await slack.until(lambda: "Documents 11 to 11 of 11" in answer.shown)
    await slack.press(answer, "lore:previous", user="UADMIN")
    await slack.until(lambda: "Documents 1 to 10 of 11" in answer.shown)


async def test_an_admin_removes_a_document_after_confirming_it(slack: FakeSlack, bot: Bot) -> None:
    asked = await lore(slack, "remove leave")
    assert "Remove this document?" in asked.shown
    _, button = asked.element("lore:confirm")
    assert button["style"] == "danger"
    await slack.press(asked, "lore:confirm", user="UADMIN")
    await slack.until(lambda: "Removed." in asked.shown)
    assert (await bot.application.documents.page())[1] == 0
    with pytest.raises(LookupError):
        asked.element("lore:confirm")


async def test_an_admin_may_think_again(slack: FakeSlack, bot: Bot) -> None:
    asked = await lore(slack, "remove leave")
    await slack.press(asked, "lore:keep", user="UADMIN")
    await slack.until(lambda: "what I know" in asked.shown)
    assert (await bot.application.documents.page())[1] == 1


async def test_what_was_removed_is_brought_back_by_a_button(slack: FakeSlack, bot: Bot) -> None:
    asked = await lore(slack, "remove leave")
    await slack.press(asked, "lore:confirm", user="UADMIN")
    await slack.until(lambda: "Removed." in asked.shown)
    assert "can be brought back for a while" in asked.shown
    await slack.press(asked, "lore:restore", user="UADMIN")
    await slack.until(lambda: any("as version 2" in each.shown for each in slack.messages("C1", by_bot=True)))
    (document,), _ = await bot.application.documents.page()
    history = await bot.application.versions.history(document.id)
    assert [(each.event.value, each.origin) for each in history[:2]] == [
        ("rolled back", Origin("slack", "UADMIN")),
        ("removed", Origin("slack", "UADMIN")),
    ]


async def test_an_earlier_version_is_brought_back_from_the_history(slack: FakeSlack, bot: Bot, tmp_path: Path) -> None:
    await add(bot, tmp_path, "leave.md", "# Leave\n\nYou accrue 14 days of annual leave per year.\n")
    told = await lore(slack, "history leave")
    assert "Version 2 · answers now" in told.shown
    await slack.press(told, "lore:restore.1", user="UADMIN")
    await slack.until(lambda: any("as version 3" in each.shown for each in slack.messages("C1", by_bot=True)))


async def test_people_in_the_history_are_not_mentioned(slack: FakeSlack, bot: Bot, tmp_path: Path) -> None:
    path = tmp_path / "given"
    path.write_text("# Travel\n\nText.\n")
    await bot.application.documents.add_file("travel.md", path, "default", origin=Origin("slack", "U1"))
    told = await lore(slack, "history travel")
    assert "by U1" in told.shown
    assert "<@U1>" not in str(told.blocks)
    assert "U1" not in (await lore(slack, "history travel", user="U2")).shown


async def test_an_admin_erases_a_document_after_confirming_it(slack: FakeSlack, bot: Bot) -> None:
    (document,), _ = await bot.application.documents.page()
    asked = await lore(slack, "purge leave")
    _, button = asked.element("lore:confirm")
    assert button["style"] == "danger"
    await slack.press(asked, "lore:confirm", user="UADMIN")
    await slack.until(lambda: "Erased for good" in asked.shown)
    assert (await bot.application.documents.page())[1] == 0
    with pytest.raises(NotFound):
        await bot.application.versions.history(document.id)


async def test_what_failed_is_tried_again_by_a_button(slack: FakeSlack, bot: Bot, tmp_path: Path) -> None:
    path = tmp_path / "given"
    path.write_bytes(b"PK\x03\x04" + bytes(60))
    await bot.application.documents.add_file("<!channel>.docx", path, "default")
    told = await lore(slack, "failed")
    assert "/lore retry" in told.shown
    await slack.press(told, "lore:again", user="UADMIN")
    await slack.until(lambda: any("tried again" in each.shown for each in slack.messages("C1", by_bot=True)))
    assert "could not be added" in told.shown


@pytest.mark.parametrize("text", ["remove leave", "bind hr", "unbind", "add", "replace leave", "restore leave",
                                  "purge leave", "failed", "retry 123456", "cancel 123456"])  # fmt: skip
async def test_others_are_refused(slack: FakeSlack, bot: Bot, text: str) -> None:
    assert "Only admins" in (await lore(slack, text, user="U1")).shown
    assert not slack.views("U1")


async def test_whoever_is_no_admin_any_more_cannot_confirm(slack: FakeSlack, bot: Bot) -> None:
    asked = await lore(slack, "remove leave")
    # Five minutes later.
    bot.channel._admins._known.clear()
    slack.world.users["UADMIN"].is_admin = False
    await slack.press(asked, "lore:confirm", user="UADMIN")
    await slack.until(lambda: "Only admins" in asked.shown)
    assert (await bot.application.documents.page())[1] == 1


async def test_who_is_an_admin_cannot_be_told(slack: FakeSlack, bot: Bot) -> None:
    slack.faults.fail("users.info", error="missing_scope")
    answer = await lore(slack, "remove leave")
    assert "could not find out" in answer.shown
    assert "users:read" in answer.shown


async def test_a_bound_channel_asks_its_namespace(slack: FakeSlack, bot: Bot, tmp_path: Path) -> None:
    assert "`hr`" in (await lore(slack, "bind hr")).shown
    await add(bot, tmp_path, "leave.md", "# Leave\n\nYou accrue 13 days of annual leave per year.\n", "hr")
    question = await slack.say("U1", "C1", f"<@BOT> {QUESTION}")
    await slack.until(lambda: any(ANSWER in each.shown for each in slack.replies(question)))
    assert bot.application.record is not None
    found = bot.application.record.conversations.find(f"slack:C1:{question.ts}")
    assert found is not None
    assert found.answer.namespace == "hr"
    assert "`default`" in (await lore(slack, "unbind")).shown


async def test_add_opens_the_dialog_for_files(slack: FakeSlack, bot: Bot) -> None:
    await slack.command("/lore", "add hr", user="UADMIN")
    (view,) = await slack.until(lambda: slack.views("UADMIN"))
    assert "'initial_option': {'text': {'type': 'plain_text', 'text': 'hr'" in str(view.payload)


@pytest.mark.parametrize(("text", "said"), [("", "/lore list"), ("lsit", "Did you mean"), ("status", "1 ready"),
                                            ("namespaces", "default"), ("show xyzzy", "no document"),
                                            ("history leave", "Version 1")])  # fmt: skip
async def test_every_command_is_answered(slack: FakeSlack, bot: Bot, text: str, said: str) -> None:
    assert said in (await lore(slack, text, user="U1")).shown


async def test_titles_of_strangers_are_shown_as_they_are(slack: FakeSlack, bot: Bot, tmp_path: Path) -> None:
    document = await add(bot, tmp_path, "<!channel> @here.md", f"# {NASTY}\n\nText.\n")
    verbs = ("show", "remove", "replace", "history", "purge")
    for text in ("list", f"show {NASTY}", f"history {NASTY}", *(f"{verb} {document.id}" for verb in verbs)):
        answer = await lore(slack, text)
        assert "https://evil.example|ok>" not in str(answer.blocks)
    asked = await lore(slack, f"remove {document.id}")
    await slack.press(asked, "lore:confirm", user="UADMIN")
    await slack.until(lambda: "Removed." in asked.shown)


async def test_what_breaks_is_told_with_a_reference(
    slack: FakeSlack, bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError("secret cause")

    monkeypatch.setattr(bot.application.documents, "page", broken)
    answer = await lore(slack, "list")
    assert "(reference " in answer.shown
    assert "secret" not in answer.shown


@pytest.fixture
async def named(slack: FakeSlack, model: FakeOpenAI, tmp_path: Path) -> AsyncGenerator[Bot, None]:
    """A bot whose settings name its admins, and the channel C2."""
    slack.world.groups["S1"] = ["U1"]
    chosen: Settings = settings(tmp_path, slack, model, slack={"admins": ["S1"], "channels": {"C2": "it"}})
    async with running(chosen, slack) as bot:
        yield bot


async def test_the_settings_name_admins_and_channels(slack: FakeSlack, named: Bot) -> None:
    assert "Remove this document?" in (await lore(slack, "remove leave", user="U1")).shown
    assert "Only admins" in (await lore(slack, "remove leave", user="UADMIN")).shown
    assert "`it`" in (await lore(slack, "bind", user="U2", channel="C2")).shown


def test_the_largest_result_fits_into_a_message() -> None:
    press = Action("show", "Show", "x" * BUTTON_VALUE)
    rows = tuple(Row("&" * 500, ("<" * 5000, "", "&" * 5000) * 9, press) for _ in range(90))
    result = Result("a" * 20_000, rows, (Action("confirm", "Yes", "x", is_final=True),))
    blocks = list(rendered(result).blocks)
    assert block_problems(blocks) == []
    assert blocks[-1]["type"] == "actions"
    assert block_problems(list(rendered(Result("", (Row(""), Row("\u200b", ("\x00",))))).blocks)) == []
