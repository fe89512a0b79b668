"""kill -9 while files are received: each is added once, and the person is told once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from bots.slack.files import FOLDER
from core.types import Document, DocumentStatus
from tests.bots.load_servers import Servers, chroma_server
from tests.bots.slack.load_crowd import Crowd, crowd
from tests.fakes.slack import FakeSlack, File, Message
from tests.fakes.slack.faults import Fault

TEXTS = {
    "travel.md": b"# Travel\n\nA hotel costs at most 150 euros a night.\n",
    "parking.md": b"# Parking\n\nBicycles are parked in the yard.\n",
    "lunch.md": b"# Lunch\n\nThe canteen opens at noon.\n",
}
WAIT = 60.0
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@dataclass(frozen=True, slots=True)
class Moment:
    """When the process is killed."""

    name: str
    has_come: Callable[[Crowd], bool]
    hangs: tuple[str, int] = ("", 0)
    """So many calls of this method go well, and the next one never ends."""
    is_carried_out: bool = False
    """That call, at Slack."""
    stuck_at: str = ""
    """The embedding model never comes back from this text."""
    done: int = 0
    """How many files are done by then."""
    is_spooled: bool = True
    """The next one's bytes, or a part of them, are on the disk."""

    def prepare(self, slack: FakeSlack) -> None:
        method, before = self.hangs
        if method:
            # None: that call goes well.
            spoilt = [*[None] * before, Fault(hang=True, afterwards=self.is_carried_out)]
            slack.faults.calls[method].extend(spoilt)  # type: ignore[arg-type]


def posted(name: str, before: int, *, done: int) -> Moment:
    return Moment(name, *_hanging("chat.postMessage", before), is_carried_out=True, done=done, is_spooled=False)


def fetched(name: str, before: int) -> Moment:
    return Moment(name, *_hanging("download", before), done=before)


def _hanging(method: str, before: int) -> tuple[Callable[[Crowd], bool], tuple[str, int]]:
    return lambda workspace: not workspace.slack.faults.calls[method], (method, before)


MOMENTS = [
    posted("the list is posted and nobody noted it", 0, done=0),
    fetched("the first is fetched", 0),
    fetched("the last is fetched", 2),
    Moment("the second is read", lambda workspace: len(known(workspace)) == 2, stuck_at="Bicycles", done=1),
    posted("the end is told and nobody noted it", 1, done=3),
]


def known(workspace: Crowd) -> list[Document]:
    return workspace.documents.page(None, 100, 0)[0]


def spooled(workspace: Crowd) -> list[str]:
    folder = workspace.folder / FOLDER
    return [path.name for path in folder.iterdir()] if folder.exists() else []


@pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: moment.name)
async def test_files_are_added_and_told_of_once_over_a_kill_and_a_restart(moment: Moment) -> None:
    async with crowd(stuck_at=moment.stuck_at) as workspace:
        slack, (process,) = workspace.slack, workspace.processes
        moment.prepare(slack)
        files, sent = await send(slack)
        await slack.until(lambda: moment.has_come(workspace), WAIT)
        await process.kill()
        assert len(spooled(workspace)) == moment.is_spooled
        await process.start()
        await slack.redeliver()
        await slack.until(lambda: len(slack.replies(sent)) == 2, WAIT)
        await workspace.settled(WAIT)
        assert_told_once(slack, sent)
        assert_added_once(workspace, files, moment.done)
        assert spooled(workspace) == []


async def test_of_two_processes_the_other_goes_on_where_a_killed_one_was(postgres_url: str) -> None:
    moment = fetched("the last is fetched", 2)
    with chroma_server() as chroma:
        async with crowd(processes=2, servers=Servers(postgres_url, chroma)) as workspace:
            slack = workspace.slack
            moment.prepare(slack)
            files, sent = await send(slack)
            await slack.until(lambda: moment.has_come(workspace), WAIT)
            (busy,) = [each for each in workspace.processes if (await each.vitals()).busy]
            await busy.kill()
            await slack.redeliver()
            await slack.until(lambda: len(slack.replies(sent)) == 2, WAIT)
            await workspace.settled(WAIT)
            assert_told_once(slack, sent)
            assert_added_once(workspace, files, moment.done)


async def send(slack: FakeSlack) -> tuple[list[File], Message]:
    files = [slack.file(name, text, mimetype="text/markdown", user="UADMIN") for name, text in TEXTS.items()]
    return files, await slack.say("UADMIN", slack.dm("UADMIN"), "", files=files)


def assert_told_once(slack: FakeSlack, sent: Message) -> None:
    progress, end = slack.replies(sent)
    assert "3 files for the namespace default: done." in progress.shown
    assert progress.shown.count("is searchable") == 3
    assert "being" not in progress.shown
    assert end.shown == "Your 3 documents are searchable now in the namespace default."
    assert slack.pings == []


def assert_added_once(workspace: Crowd, files: list[File], done: int) -> None:
    added = known(workspace)
    assert sorted(each.source for each in added) == sorted(f"upload:{name}" for name in TEXTS)
    assert {(each.status, each.chunks) for each in added} == {(DocumentStatus.READY, 1)}
    assert workspace.documents.vector_garbage(100, with_reserved=True) == []
    assert [file.fetched for file in files[:done]] == [1] * done
