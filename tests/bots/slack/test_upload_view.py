"""The dialog of `/lore add`: files into a chosen namespace, told of in the direct message."""

from __future__ import annotations

from typing import Any

import pytest

from bots.slack.upload_view import MOST_OPTIONS, incoming_upload, upload_view
from tests.bots.slack.running import Bot
from tests.bots.slack.test_receiving import PARKING, TRAVEL, markdown, sources
from tests.fakes.slack import FakeSlack, Message, View
from tests.fakes.slack.views import check_view


async def opened(slack: FakeSlack, bot: Bot, user: str = "UADMIN", namespace: str = "default") -> View:
    workspace = bot.channel._workspaces.find("T1")
    assert workspace is not None
    body = {"trigger_id": slack.new_trigger(user, "T1")}
    await bot.channel._uploads.open_upload(workspace, body, namespace)
    (view,) = slack.views(user)
    return view


async def told(slack: FakeSlack, user: str, words: str) -> Message:
    reply: Message = await slack.until(
        lambda: next((each for each in slack.messages(slack.dm(user)) if words in each.shown), None)
    )
    return reply


async def test_files_go_into_the_chosen_namespace_and_the_person_is_told(slack: FakeSlack, bot: Bot) -> None:
    view = await opened(slack, bot, namespace="hr")
    await slack.submit(view, {"files": [markdown(slack), markdown(slack, "parking.md", PARKING)]})
    end = await told(slack, "UADMIN", "documents are searchable now in the namespace hr")
    assert not view.open
    assert await sources(bot, "hr") == {"upload:travel.md", "upload:parking.md"}
    progress, last = slack.messages(slack.dm("UADMIN"))
    assert last is end
    assert "is searchable: 1 passage." in progress.shown
    assert progress.edits


async def test_the_command_opens_it_for_admins_only(slack: FakeSlack, bot: Bot) -> None:
    await slack.command("/lore", "add hr", user="U1")
    await slack.until(lambda: slack.messages("C1", by_bot=True))
    assert not slack.views("U1")
    await slack.command("/lore", "add namespace-2", user="UADMIN")
    (view,) = await slack.until(lambda: slack.views("UADMIN"))
    await slack.submit(view, {"files": [markdown(slack)]})
    await told(slack, "UADMIN", "in the namespace namespace-2")


async def test_a_new_namespace_goes_before_the_chosen_one(slack: FakeSlack, bot: Bot) -> None:
    view = await opened(slack, bot)
    await slack.submit(view, {"files": [markdown(slack)], "new_namespace": " board "})
    await told(slack, "UADMIN", "in the namespace board")
    assert await sources(bot, "board") == {"upload:travel.md"}


@pytest.mark.parametrize(("values", "field"), [({"new_namespace": "../x"}, "new_namespace"), ({"files": []}, "files")])
async def test_what_is_wrong_is_said_in_the_dialog(
    slack: FakeSlack, bot: Bot, values: dict[str, Any], field: str
) -> None:
    view = await opened(slack, bot)
    await slack.submit(view, {"files": [markdown(slack)], **values})
    await slack.until(lambda: view.errors)
    assert list(view.errors) == [field]
    assert view.open


async def test_who_is_no_admin_is_refused_also_here(slack: FakeSlack, bot: Bot) -> None:
    view = await opened(slack, bot, user="U1")
    file = markdown(slack)
    await slack.submit(view, {"files": [file]})
    await told(slack, "U1", "Only administrators")
    assert file.fetched == 0


async def test_a_dialog_that_comes_twice_is_carried_out_once(slack: FakeSlack, bot: Bot) -> None:
    file = markdown(slack)
    slack.faults.duplicates = 1
    await slack.submit(await opened(slack, bot), {"files": [file]})
    await told(slack, "UADMIN", "searchable now")
    await slack.all_acked()
    assert len(slack.messages(slack.dm("UADMIN"))) == 2
    assert file.fetched == 1


@pytest.mark.parametrize("before", [0, 1])
async def test_what_slack_took_without_saying_so_is_found_in_the_direct_message(
    slack: FakeSlack, bot: Bot, monkeypatch: pytest.MonkeyPatch, before: int
) -> None:
    monkeypatch.setattr("bots.chat.desk.RETRY_SECONDS", 0.05)
    for number in range(before):
        slack.dm(f"U{number + 1}")
    slack.largest_page = 1
    slack.faults.fail("chat.postMessage", status=503, afterwards=True)
    await slack.submit(await opened(slack, bot), {"files": [markdown(slack, content=TRAVEL)]})
    await told(slack, "UADMIN", "searchable now")
    assert len(slack.messages(slack.dm("UADMIN"))) == 2


def test_the_view_is_one_that_slack_takes_however_many_namespaces_there_are() -> None:
    names = [f"n{number:03}" + "x" * 60 for number in range(150)]
    view = upload_view(names, "default")
    check_view(view, "modal")
    (menu,) = (block["element"] for block in view["blocks"] if block["block_id"] == "namespace")
    assert len(menu["options"]) == MOST_OPTIONS
    assert menu["initial_option"]["value"] == "default"


def test_a_sent_view_without_values_is_no_upload() -> None:
    body = {"view": {"id": "V1", "state": {"values": {}}}, "user": {"id": "U1"}, "team": None}
    assert incoming_upload(body) == {"files": "Choose at least one file."}
