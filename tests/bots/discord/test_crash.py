"""kill -9 in the middle of a crowd: of the only process, and of one of two."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

import pytest

from tests.bots.discord.load_crowd import PATIENCE, Crowd, answers, burst, commands, crowd, is_doubled, is_whole
from tests.bots.load_servers import Servers, chroma_server
from tests.fakes.discord import Interaction, Message

MENTIONS, COMMANDS, CHANNELS = 60, 20, 20
UNKNOWN_WEBHOOK = "10015"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.fixture
def shared(postgres_url: str) -> Iterator[Servers]:
    with chroma_server() as chroma:
        yield Servers(postgres_url, chroma)


async def answered_once(workspace: Crowd, asked: Sequence[Message | Interaction], refused: str = "") -> None:
    """`refused`: the error with which Discord may have refused what it was sent beside these."""
    fake = workspace.fake
    await fake.until(lambda: all(is_whole(fake, each) for each in asked), PATIENCE)
    await workspace.settled()
    await asyncio.sleep(1)
    assert [len(answers(fake, each)) for each in asked] == [1] * len(asked)
    assert not any(is_doubled(fake, each) for each in asked)
    assert [each for each in fake.violations if each.error != refused] == []
    assert fake.pings == []


@pytest.mark.parametrize("moment", [0.0, 0.3, 1.0])
async def test_every_mention_is_answered_once_over_a_kill_and_a_restart(moment: float) -> None:
    async with crowd(CHANNELS) as workspace:
        asked = await burst(workspace, MENTIONS)
        await asyncio.sleep(moment)
        (process,) = workspace.processes
        await process.kill()
        await process.start()
        await answered_once(workspace, asked)


async def test_what_is_asked_while_no_process_runs_is_answered_once_after_the_next_start() -> None:
    async with crowd(CHANNELS) as workspace:
        (process,) = workspace.processes
        await process.kill()
        asked = await burst(workspace, CHANNELS)
        await process.start()
        await answered_once(workspace, asked)


async def test_every_command_that_was_acknowledged_is_answered_once_over_a_kill_and_a_restart() -> None:
    async with crowd(CHANNELS) as workspace:
        asked = await commands(workspace, COMMANDS)
        await workspace.fake.until(lambda: sum(each.acked is not None for each in asked) >= COMMANDS // 2)
        (process,) = workspace.processes
        await process.kill()
        known = [each for each in asked if each.acked is not None]
        await process.start()
        # A command that was written down, and not acknowledged before the end, is one that Discord does not know.
        await answered_once(workspace, known, UNKNOWN_WEBHOOK)
        # To the others, Discord said that nobody answered; whether they are answered all the same is a matter of luck.
        assert not any(is_doubled(workspace.fake, each) for each in asked)


async def test_of_two_processes_the_other_answers_once_what_a_killed_one_had_begun(shared: Servers) -> None:
    async with crowd(1, 2, shared, answer_seconds=4.0) as workspace:
        fake = workspace.fake
        question = await fake.say(fake.ann, fake.general, "<@BOT> How much leave do I have?")
        await fake.until(lambda: fake.replies(question))
        (busy,) = await workspace.busy()
        await busy.kill()
        assert not is_whole(fake, question)
        await answered_once(workspace, [question])


async def test_a_command_is_answered_once_by_two_processes(shared: Servers) -> None:
    async with crowd(CHANNELS, 2, shared) as workspace:
        await answered_once(workspace, await commands(workspace, COMMANDS))


@pytest.mark.parametrize("comes_back", [False, True])
async def test_a_crowd_is_answered_once_though_one_of_two_processes_is_killed(
    shared: Servers, *, comes_back: bool
) -> None:
    async with crowd(CHANNELS, 2, shared) as workspace:
        asked = await burst(workspace, MENTIONS)
        killed = workspace.processes[0]
        await killed.kill()
        if comes_back:
            await killed.start()
        await answered_once(workspace, asked)
