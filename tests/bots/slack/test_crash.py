"""kill -9 in the middle of a crowd: of the only process, and of one of two."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.bots.load_servers import Servers, chroma_server
from tests.bots.slack.load_crowd import PATIENCE, Crowd, burst, crowd, is_doubled, is_whole
from tests.fakes.slack import Message

MENTIONS, CHANNELS = 60, 20
pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.fixture
def shared(postgres_url: str) -> Iterator[Servers]:
    with chroma_server() as chroma:
        yield Servers(postgres_url, chroma)


async def answered_once(workspace: Crowd, asked: list[Message]) -> None:
    slack = workspace.slack
    await slack.until(lambda: all(is_whole(slack, each) for each in asked), PATIENCE)
    await workspace.settled()
    await asyncio.sleep(1)
    assert [len(slack.replies(each)) for each in asked] == [1] * len(asked)
    assert not any(is_doubled(slack, each) for each in asked)
    assert slack.pings == []


@pytest.mark.parametrize("moment", [0.0, 0.3, 1.0])
async def test_every_mention_is_answered_once_over_a_kill_and_a_restart(moment: float) -> None:
    async with crowd(CHANNELS) as workspace:
        asked = await burst(workspace.slack, MENTIONS, CHANNELS)
        await asyncio.sleep(moment)
        (process,) = workspace.processes
        await process.kill()
        await process.start()
        await workspace.slack.redeliver()
        await answered_once(workspace, asked)


async def test_of_two_processes_the_other_answers_once_what_a_killed_one_had_begun(shared: Servers) -> None:
    async with crowd(1, 2, shared, answer_seconds=4.0) as workspace:
        slack = workspace.slack
        question = await slack.say("U1", "CL0", "<@BOT> How much leave do I have?")
        await slack.until(lambda: slack.replies(question))
        (busy,) = [each for each in workspace.processes if (await each.vitals()).busy]
        await busy.kill()
        assert not is_whole(slack, question)
        await slack.redeliver()
        await answered_once(workspace, [question])


@pytest.mark.parametrize("comes_back", [False, True])
async def test_a_crowd_is_answered_once_though_one_of_two_processes_is_killed(
    shared: Servers, *, comes_back: bool
) -> None:
    async with crowd(CHANNELS, 2, shared) as workspace:
        asked = await burst(workspace.slack, MENTIONS, CHANNELS)
        killed = workspace.processes[0]
        await killed.kill()
        await workspace.slack.redeliver()
        if comes_back:
            await killed.start()
        await answered_once(workspace, asked)
