"""Answers in the making, as numbered events: whoever loses the connection goes on after the last event it has.

An answer that nobody follows any more is given up after a few seconds. One that is finished can be read again for a while.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from http import HTTPStatus

import structlog

from bots.gateway.problems import problem_body
from bots.gateway.slots import Slots
from bots.gateway.sse import ServerEvent
from core.ports import Asker
from core.types import Answer, Event, Finished, Outcome, Question, Status
from core.wire import answer_to_json

# A browser comes back after about a second; a person who closed the page does not.
ALONE_SECONDS = 5.0
KEPT_SECONDS = 120.0
MOST_KEPT = 256
log = structlog.get_logger(__name__)


@dataclass(eq=False)
class Run:
    """One question on its way. Events are numbered from 1; an event's id is `<answer id>:<number>`."""

    id: str
    owner: str
    """The key that asked; nobody else may follow."""
    task: asyncio.Task[None] | None = None
    events: list[ServerEvent] = field(default_factory=list)
    news: asyncio.Condition = field(default_factory=asyncio.Condition)
    followers: int = 0
    has_ended: bool = False
    giving_up: asyncio.TimerHandle | None = None

    async def add(self, name: str, data: object) -> None:
        async with self.news:
            self.events.append(ServerEvent(name, data, f"{self.id}:{len(self.events) + 1}"))
            self.news.notify_all()

    async def end(self) -> None:
        async with self.news:
            self.has_ended = True
            self.news.notify_all()

    async def follow(self, after: int = 0) -> AsyncGenerator[ServerEvent, None]:
        """The events after the given number, as they come, to the last one."""
        seen = after
        self.followers += 1
        if self.giving_up is not None:
            self.giving_up.cancel()
            self.giving_up = None
        try:
            while True:
                async with self.news:
                    while len(self.events) <= seen and not self.has_ended:
                        await self.news.wait()
                if len(self.events) <= seen:
                    return
                seen += 1
                yield self.events[seen - 1]
        finally:
            self.followers -= 1
            if not self.followers and not self.has_ended:
                self.giving_up = asyncio.get_running_loop().call_later(ALONE_SECONDS, self._give_up)

    def _give_up(self) -> None:
        if self.task is not None:
            log.info("the client left before the answer", question=self.id)
            self.task.cancel()


class Runs:
    """All of them, by id; the oldest finished ones are forgotten."""

    def __init__(self, asker: Asker, slots: Slots, request_seconds: float) -> None:
        self._asker = asker
        self._slots = slots
        self._limit = request_seconds
        self._runs: OrderedDict[str, Run] = OrderedDict()

    def start(self, question: Question) -> Run:
        """Begin to answer. Raises `HTTPException` when too many answers are in the making."""
        self._forget()
        self._slots.take()
        run = Run(question.id, question.asker)
        self._runs[run.id] = run
        run.task = asyncio.create_task(self._answer(run, question))
        return run

    def find(self, run_id: str, owner: str) -> Run | None:
        """The run, if this owner started it and it is not forgotten."""
        run = self._runs.get(run_id)
        return run if run is not None and run.owner == owner else None

    @property
    def followers(self) -> int:
        """How many streams are open."""
        return sum(run.followers for run in self._runs.values())

    async def _answer(self, run: Run, question: Question) -> None:
        try:
            async with asyncio.timeout(self._limit), aclosing(self._asker.stream(question)) as events:
                async for event in events:
                    await _report(run, event)
        except TimeoutError:
            words = f"There was no answer within {self._limit:.0f} seconds. Please try again."
            await run.add("error", problem_body(HTTPStatus.GATEWAY_TIMEOUT, words))
        except asyncio.CancelledError:
            self._runs.pop(run.id, None)
            raise
        finally:
            self._slots.give_back()
            asyncio.get_running_loop().call_later(KEPT_SECONDS, self._runs.pop, run.id, None)
            await run.end()

    def _forget(self) -> None:
        """Of those that have ended, the oldest beyond the limit."""
        ended = [run.id for run in self._runs.values() if run.has_ended]
        for run_id in ended[: max(0, len(ended) - MOST_KEPT)]:
            del self._runs[run_id]


async def _report(run: Run, event: Event) -> None:
    if isinstance(event, Status):
        await run.add("status", {"stage": event.stage})
    elif isinstance(event, Finished):
        await _finish(run, event.answer)
    else:
        await run.add("token", {"text": event.text, "restart": event.restart})


async def _finish(run: Run, answer: Answer) -> None:
    if answer.outcome is Outcome.FAILED:
        await run.add("error", problem_body(HTTPStatus.SERVICE_UNAVAILABLE, answer.text, "answer_failed"))
        return
    body = answer_to_json(answer)
    await run.add("citations", body["citations"])
    await run.add("done", body)
