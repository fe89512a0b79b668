"""kill -9 at the moments at which something could be lost or said twice; after a restart, all is answered once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from tests.bots.discord.load_crowd import Crowd, answers, crowd, is_doubled, is_whole
from tests.fakes.discord import FakeDiscord, Interaction, Message

Asked = Message | Interaction
Ask = Callable[[FakeDiscord], Awaitable[Asked]]
QUESTION = "How much leave do I have?"
THREAD = "POST /channels/{channel_id}/messages/{message_id}/threads"
POST = "POST /channels/{channel_id}/messages"
CHANGE = "PATCH /channels/{channel_id}/messages/{message_id}"
RESPOND = "POST /interactions/{interaction_id}/{interaction_token}/callback"
ANSWER = "PATCH /webhooks/{webhook_id}/{webhook_token}/messages/@original"
WAIT = 60.0
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@dataclass(frozen=True, slots=True)
class Moment:
    """The process is killed when a request hangs; carried out or not, its answer never comes."""

    name: str
    route: str
    is_carried_out: bool

    def prepare(self, fake: FakeDiscord) -> None:
        fake.faults.fail(self.route, hang=True, afterwards=self.is_carried_out)

    def has_come(self, fake: FakeDiscord, before: int) -> bool:
        return any(call.route == self.route for call in fake.calls[before:])


async def mention(fake: FakeDiscord) -> Message:
    return await fake.say(fake.ann, fake.general, f"<@BOT> {QUESTION}")


async def direct(fake: FakeDiscord) -> Message:
    return await fake.say(fake.ann, fake.dm(fake.ann), QUESTION)


async def follow_up(fake: FakeDiscord) -> Message:
    """In the thread of a question that is answered."""
    first = await mention(fake)
    await fake.until(lambda: is_whole(fake, first), WAIT)
    assert first.thread is not None
    return await fake.say(fake.ann, first.thread, f"<@BOT> {QUESTION}")


async def command(fake: FakeDiscord) -> Interaction:
    return await fake.slash(fake.ann, fake.general, "ask", question=QUESTION)


async def private_command(fake: FakeDiscord) -> Interaction:
    return await fake.slash(fake.ann, fake.general, "ask", question=QUESTION, private=True)


NOTHING = Moment("nothing is posted", THREAD, is_carried_out=False)
THREADED = Moment("the thread is made and nobody learned of it", THREAD, is_carried_out=True)
IN_THREAD = Moment("the thread is made and nothing is in it", POST, is_carried_out=False)
POSTED = Moment("it is posted and nobody noted it", POST, is_carried_out=True)
CHANGING = Moment("it is to be changed", CHANGE, is_carried_out=False)
CHANGED = Moment("it is changed and nobody learned of it", CHANGE, is_carried_out=True)
PROMISED = Moment("the command is acknowledged and nothing is shown", ANSWER, is_carried_out=False)
SHOWN = Moment("the command's answer is shown and nobody noted it", ANSWER, is_carried_out=True)
CASES: list[tuple[Ask, Moment]] = [
    *((mention, moment) for moment in (NOTHING, THREADED, IN_THREAD, POSTED, CHANGING, CHANGED)),
    *((direct, moment) for moment in (POSTED, CHANGED)),
    *((command, moment) for moment in (PROMISED, SHOWN)),
    (private_command, SHOWN),
]


@pytest.mark.parametrize(("ask", "moment"), CASES, ids=lambda each: getattr(each, "name", None) or each.__name__)
async def test_a_question_is_answered_once_over_a_kill_and_a_restart(ask: Ask, moment: Moment) -> None:
    async with crowd(answer_seconds=3.0) as workspace:
        fake = workspace.fake
        before = len(fake.calls)
        moment.prepare(fake)
        asked = await ask(fake)
        await restarted(workspace, lambda: moment.has_come(fake, before))
        await answered_once(workspace, asked)


async def test_a_question_in_a_thread_is_answered_once_though_nobody_noted_what_was_posted() -> None:
    async with crowd(answer_seconds=3.0) as workspace:
        fake = workspace.fake
        asked = await follow_up(fake)
        assert asked.channel.is_thread
        before, count = len(fake.calls), len(in_thread(fake, asked))
        POSTED.prepare(fake)
        await restarted(workspace, lambda: POSTED.has_come(fake, before))
        await fake.until(lambda: in_thread(fake, asked)[count:] and "Try again" in last(fake, asked), WAIT)
        await settled(workspace)
        assert len(in_thread(fake, asked)) == count + 1


async def test_a_mention_that_was_never_heard_is_read_again_and_answered_once() -> None:
    async with crowd() as workspace:
        workspace.fake.faults.drops = 1
        asked = await mention(workspace.fake)
        await restarted(workspace, lambda: True)
        await answered_once(workspace, asked)


async def test_a_command_that_nobody_acknowledged_is_answered_once_in_the_channel_or_not_at_all() -> None:
    async with crowd() as workspace:
        fake = workspace.fake
        fake.faults.fail(RESPOND, hang=True)
        asked = await command(fake)
        await restarted(workspace, lambda: not fake.faults.calls[RESPOND])
        await settled(workspace)
        assert asked.acked is None
        assert len(answers(fake, asked)) <= 1
        assert not is_doubled(fake, asked)


async def restarted(workspace: Crowd, has_come: Callable[[], bool]) -> None:
    (process,) = workspace.processes
    await workspace.fake.until(has_come, WAIT)
    await process.kill()
    await process.start()


async def answered_once(workspace: Crowd, asked: Asked) -> None:
    fake = workspace.fake
    await fake.until(lambda: is_whole(fake, asked), WAIT)
    await settled(workspace)
    (answer,) = answers(fake, asked)
    assert not is_doubled(fake, asked)
    assert answer.ephemeral_to in (None, fake.ann)
    assert fake.violations == []
    assert fake.pings == []


async def settled(workspace: Crowd) -> None:
    await workspace.settled(WAIT)
    await asyncio.sleep(1)


def in_thread(fake: FakeDiscord, asked: Message) -> list[Message]:
    return [each for each in fake.messages(asked.channel, by_bot=True) if each.type in (0, 19)]


def last(fake: FakeDiscord, asked: Message) -> str:
    return str(in_thread(fake, asked)[-1].components)
