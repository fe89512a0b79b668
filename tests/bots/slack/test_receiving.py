"""Files that people send become documents, or they are told why not: each file once, and each message once."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bots.chat import fetching
from bots.chat.progress_message import ProgressMessage
from bots.slack.blocks import Rendered
from bots.slack.files import FOLDER
from core.errors import StorageFailed
from core.ports import Watch
from core.types import DocumentChange, Job, JobStage, JobState, Origin
from tests.bots.slack.running import ANSWER, QUESTION, Bot, running, serving, settings
from tests.fakes.openai_server import FakeOpenAI
from tests.fakes.slack import FakeSlack, File, Message

TRAVEL = b"# Travel\n\nA hotel costs at most 150 euros a night.\n"
PARKING = b"# Parking\n\nBicycles are parked in the yard.\n"
JOB = Job("j1", "d1", "default", "parking.md", "upload:parking.md", JobState.RUNNING, JobStage.READING)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "PAUSE_SECONDS", 0.01)


def markdown(slack: FakeSlack, name: str = "travel.md", content: bytes = TRAVEL, *, connect: bool = False) -> File:
    return slack.file(name, content, mimetype="text/markdown", user="UADMIN", connect=connect)


async def send(slack: FakeSlack, *files: File, text: str = "", user: str = "UADMIN") -> Message:
    return await slack.say(user, slack.dm(user), text, files=files)


async def ended(slack: FakeSlack, sent: Message) -> tuple[Message, Message]:
    """The list of the files, and the message that tells the end."""
    progress, end = await slack.until(lambda: found if len(found := slack.replies(sent)) == 2 else None)
    return progress, end


async def told(slack: FakeSlack, sent: Message, words: str) -> Message:
    reply: Message = await slack.until(
        lambda: next((each for each in slack.replies(sent) if words in each.shown), None)
    )
    return reply


async def sources(bot: Bot, namespace: str = "default") -> set[str]:
    documents, _ = await bot.application.documents.page(namespace)
    return {document.source for document in documents if document.chunks} - {"upload:leave.md"}


def spooled(bot: Bot) -> list[Path]:
    folder = bot.application.settings.data_dir / FOLDER
    return list(folder.iterdir()) if folder.exists() else []


async def test_a_file_of_an_admin_becomes_searchable_and_is_told_of(slack: FakeSlack, bot: Bot) -> None:
    sent = await send(slack, markdown(slack))
    progress, end = await ended(slack, sent)
    assert "received" in progress.edits[0]
    assert "travel.md" in progress.shown
    assert "is searchable: 1 passage." in progress.shown
    assert "searchable now in the namespace default" in end.shown
    assert await sources(bot) == {"upload:travel.md"}
    assert not spooled(bot)
    assert {progress.thread_ts, end.thread_ts} == {sent.ts}


async def test_a_person_who_is_no_admin_is_refused_and_nothing_is_fetched(slack: FakeSlack, bot: Bot) -> None:
    file = markdown(slack)
    sent = await send(slack, file, user="U1")
    refused = await told(slack, sent, "Only administrators")
    assert "send it without the file" in refused.shown
    question = await send(slack, file, user="U1", text=QUESTION)
    await told(slack, question, ANSWER)
    assert "without the file" not in slack.replies(question)[0].shown
    assert file.fetched == 0
    assert await sources(bot) == set()


async def test_beside_a_file_a_text_is_a_question_only_with_a_question_mark(slack: FakeSlack, bot: Bot) -> None:
    remark = await send(slack, markdown(slack), text="The new rules")
    await ended(slack, remark)
    question = await send(slack, markdown(slack, "parking.md", PARKING), text=QUESTION)
    await told(slack, question, ANSWER)
    await told(slack, question, "searchable now")
    assert not any(ANSWER in each.shown for each in slack.replies(remark))
    assert await sources(bot) == {"upload:travel.md", "upload:parking.md"}


async def test_in_a_channel_the_question_is_answered_and_the_file_left_alone(slack: FakeSlack, bot: Bot) -> None:
    file = markdown(slack)
    question = await slack.say("UADMIN", "C1", f"<@BOT> {QUESTION}", files=[file])
    await told(slack, question, ANSWER)
    assert (file.fetched, await sources(bot)) == (0, set())


@pytest.mark.parametrize(
    ("text", "namespace"),
    [("in HR please", "hr"), ("Please add this to hr", "hr"), ("namespace `it`", "it"), ("Our new rules", "default")],
)
async def test_the_text_says_into_which_namespace(slack: FakeSlack, bot: Bot, text: str, namespace: str) -> None:
    path = bot.application.settings.data_dir / "x.md"
    path.write_bytes(PARKING)
    await bot.application.documents.add_file("parking.md", path, "hr")
    sent = await send(slack, markdown(slack), text=text)
    _, end = await ended(slack, sent)
    assert f"the namespace {namespace}." in end.shown
    assert "upload:travel.md" in await sources(bot, namespace)


async def test_a_namespace_that_there_is_not_is_asked_about_and_an_edit_is_enough(slack: FakeSlack, bot: Bot) -> None:
    sent = await send(slack, markdown(slack), text="in hr-privat")
    refused = await told(slack, sent, "There is no namespace hr-privat")
    assert await sources(bot) == set()
    await slack.edit(sent, "namespace hr-private")
    progress, _ = await ended(slack, sent)
    assert progress.ts == refused.ts
    assert await sources(bot, "hr-private") == {"upload:travel.md"}


async def test_of_two_files_one_fails_alone(slack: FakeSlack, bot: Bot) -> None:
    wrong = slack.file("report.docx", b"PK\x03\x04" + b"\x00" * 60, user="UADMIN")
    sent = await send(slack, wrong, markdown(slack))
    progress, end = await ended(slack, sent)
    assert "report.docx" in progress.shown
    assert "was not added" in progress.shown
    assert "is searchable: 1 passage." in progress.shown
    assert "1 of your 2 files is searchable now" in end.shown
    assert await sources(bot) == {"upload:travel.md"}


async def test_two_files_of_one_name_do_not_replace_each_other(slack: FakeSlack, bot: Bot) -> None:
    sent = await send(slack, markdown(slack), markdown(slack, content=PARKING))
    progress, _ = await ended(slack, sent)
    assert "has the same name" in progress.shown
    (document,) = [each for each in (await bot.application.documents.page())[0] if each.source == "upload:travel.md"]
    assert document.title == "Travel"


async def test_the_same_file_again_changes_nothing_and_a_new_version_replaces_it(slack: FakeSlack, bot: Bot) -> None:
    await ended(slack, await send(slack, markdown(slack)))
    again, _ = await ended(slack, await send(slack, markdown(slack)))
    assert "was there already, unchanged" in again.shown
    newer, _ = await ended(slack, await send(slack, markdown(slack, content=TRAVEL + b"\nTaxis are paid too.\n")))
    assert "replaces its earlier version" in newer.shown
    assert await sources(bot) == {"upload:travel.md"}


async def test_whatever_a_file_is_called_it_is_no_path_and_pings_nobody(slack: FakeSlack, bot: Bot) -> None:
    names = {
        "../../etc/x.md": "x.md",
        "..\\..\\y.md": "y.md",
        "a\x00b\u202e\n.md": "ab.md",
        "<!channel> @here.md": "<!channel> @here.md",
        "[x](http:evil).md": "[x](http:evil).md",
        "*a*_b_`c`.md": "*a*_b_`c`.md",
        "..": "document",
        "n" * 400 + ".md": "n" * 197 + ".md",
    }
    files = [markdown(slack, name, TRAVEL + b"%d" % number) for number, name in enumerate(names)]
    progress, end = await ended(slack, await send(slack, *files))
    assert "Your 8 documents are searchable now" in end.shown
    assert await sources(bot) == {f"upload:{name}" for name in names.values()}
    assert "channel" in progress.shown


async def test_an_empty_file_is_told_so(slack: FakeSlack, bot: Bot) -> None:
    progress, end = await ended(slack, await send(slack, markdown(slack, content=b"")))
    assert "empty" in progress.shown
    assert "Your file was not added" in end.shown


@pytest.mark.parametrize("mode", ["external", "tombstone"])
async def test_what_slack_has_not_itself_is_refused_with_a_reason(slack: FakeSlack, bot: Bot, mode: str) -> None:
    file = markdown(slack)
    file.mode = mode
    progress, _ = await ended(slack, await send(slack, file))
    assert "was not added: It" in progress.shown
    assert file.fetched == 0


async def test_a_file_of_another_organisation_is_asked_for(slack: FakeSlack, bot: Bot) -> None:
    file = markdown(slack, connect=True)
    progress, _ = await ended(slack, await send(slack, file))
    assert slack.called("files.info")
    assert "travel.md" in progress.shown
    assert await sources(bot) == {"upload:travel.md"}


async def test_a_file_of_another_organisation_that_was_deleted_is_told_so(slack: FakeSlack, bot: Bot) -> None:
    file = markdown(slack, connect=True)
    file.deleted = True
    progress, _ = await ended(slack, await send(slack, file))
    assert "deleted in Slack" in progress.shown


async def test_several_files_of_several_people_at_once_each_come_once(slack: FakeSlack, bot: Bot) -> None:
    slack.faults.duplicates = 4
    sent = [await send(slack, markdown(slack, f"n{number}.md", TRAVEL + b"%d" % number)) for number in range(3)]
    for each in sent:
        await ended(slack, each)
    await slack.redeliver(list(slack.deliveries))
    assert await sources(bot) == {f"upload:n{number}.md" for number in range(3)}
    await slack.all_acked()
    assert [len(slack.replies(each)) for each in sent] == [2] * 3


async def test_who_sent_a_file_is_in_its_history(slack: FakeSlack, bot: Bot) -> None:
    await ended(slack, await send(slack, markdown(slack)))
    (document,) = [each for each in (await bot.application.documents.page())[0] if each.source == "upload:travel.md"]
    (added,) = await bot.application.versions.history(document.id)
    assert added.origin == Origin("slack", "UADMIN")


@pytest.mark.parametrize("afterwards", [True, False])
@pytest.mark.parametrize("lost", [1, 2])
async def test_a_message_that_slack_took_without_saying_so_is_not_posted_again(
    slack: FakeSlack, bot: Bot, monkeypatch: pytest.MonkeyPatch, *, afterwards: bool, lost: int
) -> None:
    monkeypatch.setattr("bots.chat.desk.RETRY_SECONDS", 0.05)
    file = markdown(slack)
    if lost == 2:
        add = bot.application.documents.add_file

        async def then_fails(name: str, path: Path, namespace: str, **more: Any) -> DocumentChange:
            slack.faults.fail("chat.postMessage", status=503, afterwards=afterwards)
            return await add(name, path, namespace, **more)

        monkeypatch.setattr(bot.application.documents, "add_file", then_fails)
    else:
        slack.faults.fail("chat.postMessage", status=503, afterwards=afterwards)
    sent = await send(slack, file)
    await told(slack, sent, "searchable now")
    await slack.until(
        lambda: bot.application.record and not bot.application.record.inbox.count_waiting().get("slack", 0)
    )
    assert len(slack.replies(sent)) == 2
    assert file.fetched == 1


async def test_what_a_dead_process_left_is_finished_by_the_next(
    slack: FakeSlack, model: FakeOpenAI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bots.chat.desk.GRACE_SECONDS", 0.05)
    async with running(settings(tmp_path, slack, model), slack) as bot:
        first, second = markdown(slack), markdown(slack, "parking.md", PARKING)
        add = bot.application.documents.add_file

        async def stuck(name: str, path: Path, namespace: str, **more: Any) -> DocumentChange:
            if name == "parking.md":
                more["watch"](JOB)
                await asyncio.Event().wait()
            return await add(name, path, namespace, **more)

        monkeypatch.setattr(bot.application.documents, "add_file", stuck)
        sent = await send(slack, first, second)
        (progress,) = await slack.until(lambda: slack.replies(sent))
        await slack.until(lambda: "is searchable" in progress.shown and "is being read" in progress.shown)
    monkeypatch.undo()
    async with running(settings(tmp_path, slack, model), slack) as bot:
        kept, end = await ended(slack, sent)
        assert kept.ts == progress.ts
        assert "Your 2 documents are searchable now" in end.shown
        assert "unchanged" not in kept.shown
        assert (first.fetched, second.fetched) == (1, 2)
        assert await sources(bot) == {"upload:travel.md", "upload:parking.md"}
        assert not spooled(bot)


async def test_two_processes_take_each_file_once(slack: FakeSlack, bot: Bot) -> None:
    async with serving(bot.application, slack):
        sent = [await send(slack, markdown(slack, f"n{number}.md", TRAVEL + b"%d" % number)) for number in range(3)]
        for each in sent:
            await ended(slack, each)
    assert [len(slack.replies(each)) for each in sent] == [2] * 3


async def test_of_a_large_file_it_is_said_how_much_is_here(
    slack: FakeSlack, bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bots.chat.receiving.LARGE_BYTES", 2**20)
    told_so_far: list[str] = []
    show = ProgressMessage.show

    def listening(message: ProgressMessage[Rendered], rendered: Rendered) -> None:
        told_so_far.append(rendered.text)
        show(message, rendered)

    monkeypatch.setattr(ProgressMessage, "show", listening)
    await ended(slack, await send(slack, slack.file("a.docx", b"PK\x03\x04" + bytes(2**21), user="UADMIN")))
    shares = [text for text in told_so_far if "is being fetched: " in text]
    assert "100 %" in shares[-1]
    assert 2 <= len(shares) <= 11


async def test_a_deleted_message_takes_its_progress_along(
    slack: FakeSlack, bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stuck(*_: object, watch: Watch, **__: object) -> DocumentChange:
        watch(JOB)
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(bot.application.documents, "add_file", stuck)
    sent = await send(slack, markdown(slack))
    await slack.until(lambda: any("is being read" in each.shown for each in slack.replies(sent)))
    await slack.delete(sent)
    await slack.until(lambda: not slack.replies(sent))
    assert not spooled(bot)


async def test_trouble_of_the_index_is_tried_again_and_then_told_with_a_reference(
    slack: FakeSlack, bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bots.chat.desk.RETRY_SECONDS", 0.01)
    monkeypatch.setattr("bots.chat.desk.LOOK_SECONDS", 0.05)
    monkeypatch.setattr("bots.chat.desk.PATIENCE", timedelta(0))
    tries = 0

    async def full(*_: object, **__: object) -> DocumentChange:
        nonlocal tries
        tries += 1
        raise StorageFailed("The disk is full.")

    monkeypatch.setattr(bot.application.documents, "add_file", full)
    sent = await send(slack, markdown(slack))
    await told(slack, sent, "(reference ")
    assert tries == 6
    assert len(slack.replies(sent)) == 1
