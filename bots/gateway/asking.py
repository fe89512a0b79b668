"""One question of one request: answered for at most as long as it may take, and given up when the client leaves."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import Request

from bots.gateway.parts import application_of, slots_of
from core.ports import Asker
from core.types import Answer, Finished, Outcome, Question, Token

# Not in the standard; nginx's word for it. Nobody reads it but a log in between.
CLIENT_LEFT = 499
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no answer: `message` is for a person, `code` for programs."""

    status: HTTPStatus
    message: str
    code: str


class Asking:
    """A question that is being answered in a task of its own, for at most as long as one question may take."""

    def __init__(self, request: Request, question: Question) -> None:
        """Raises `HTTPException` when too many answers are in the making."""
        application = application_of(request)
        slots = slots_of(request)
        slots.take()
        self._seconds = application.settings.server.request_seconds
        self._id = question.id
        self._begun = asyncio.Event()
        self.task = asyncio.create_task(self._answer(application.asker, question))
        self.task.add_done_callback(lambda _: slots.give_back())

    async def wait(self, request: Request, *, for_token: bool = False) -> bool:
        """Until the end, or the first word of the answer. False when the client leaves before, and takes it along."""
        leaving = asyncio.create_task(disconnected(request))
        begun = asyncio.create_task(self._begun.wait())
        wanted: set[asyncio.Task[Any]] = {self.task, begun} if for_token else {self.task}
        is_there = False
        try:
            await asyncio.wait({leaving, *wanted}, return_when=asyncio.FIRST_COMPLETED)
            is_there = any(task.done() for task in wanted)
        finally:
            leaving.cancel()
            begun.cancel()
            if not is_there:
                log.info("the client left before the answer", question=self._id)
                self.task.cancel()
        return is_there

    def failure(self) -> Failure | None:
        """Why there is no answer, if that is known by now."""
        if not self.task.done():
            return None
        if isinstance(self.task.exception(), TimeoutError):
            message = f"There was no answer within {self._seconds:.0f} seconds. Please try again."
            return Failure(HTTPStatus.GATEWAY_TIMEOUT, message, "gateway_timeout")
        answer = self.task.result()
        if answer.outcome is Outcome.FAILED:
            return Failure(HTTPStatus.SERVICE_UNAVAILABLE, answer.text, "answer_failed")
        return None

    async def _answer(self, asker: Asker, question: Question) -> Answer:
        async with asyncio.timeout(self._seconds), aclosing(asker.stream(question)) as events:
            async for event in events:
                if isinstance(event, Finished):
                    return event.answer
                if isinstance(event, Token):
                    self._begun.set()
        raise AssertionError("a stream ends with Finished")


async def disconnected(request: Request) -> None:
    """Returns when the client has closed the connection; the body must have been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
