"""`/v1/chat/completions` and `/v1/models`: any client that talks to OpenAI can talk to the documents.

A model is a namespace. The last message of the user is the question and the messages before it are the history; no
instructions of the client's are followed, because an answer says what the documents say and nothing else.
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from bots.gateway import openai_examples as examples
from bots.gateway.access import caller_of, needs
from bots.gateway.leaving import CLIENT_LEFT, disconnected
from bots.gateway.openai_wire import (
    ChatBody,
    Head,
    Json,
    chunk,
    completion,
    error_to_json,
    model_to_json,
    pieces,
    read_messages,
    render,
    usage_chunk,
)
from bots.gateway.parts import application_of, slots_of
from bots.gateway.problems import openai_error
from bots.gateway.sse import HEADERS, MEDIA_TYPE, with_pulse
from core.access import Permission
from core.errors import InvalidRequest, NotFound
from core.ports import Asker
from core.types import Answer, Finished, Outcome, Question, Scope, Token
from core.wire import answer_to_json

DONE = "data: [DONE]\n\n"
log = structlog.get_logger(__name__)


class ModelNotFound(NotFound):
    code = "model_not_found"


router = APIRouter(dependencies=[Depends(needs(Permission.ASK))], responses=examples.ERRORS)


@router.get("/v1/models", summary="List namespaces as models", response_model=None, responses=examples.MODELS)
async def list_models(request: Request) -> Json:
    """One for each namespace that the caller may ask; its `id` is the name of the namespace."""
    return {"object": "list", "data": [model_to_json(name) for name in await _namespaces(request)]}


@router.get("/v1/models/{model}", summary="One namespace as a model", response_model=None, responses=examples.MODEL)
async def get_model(model: str, request: Request) -> Json:
    """404 for a namespace that is not there, and for one that the caller may not ask."""
    return model_to_json(await _namespace(request, model))


@router.post(
    "/v1/chat/completions", summary="Ask as OpenAI's clients do", response_model=None, responses=examples.COMPLETION
)
async def create_completion(body: ChatBody, request: Request) -> Response:
    """The last message of the user is the question; the conversation before it makes it a follow-up.

    Instructions, tools and sampling parameters are accepted and not used. Every outcome but a failure is a completion.
    Beside the standard fields, `lorekeeper` holds the answer as `/v1/ask` gives it.
    """
    question = await _question(body, request)
    asking = _Asking(request, question)
    if not await asking.wait(request, for_token=bool(body.stream)):
        log.info("the client left before the answer", question=question.id)
        return Response(status_code=CLIENT_LEFT)
    if failure := asking.failure():
        return openai_error(failure.status, failure.message, failure.code)
    head = Head(f"chatcmpl-{question.id}", body.model, int(time.time()))
    base_url = _base_url(request)
    if body.stream:
        with_usage = bool(body.stream_options and body.stream_options.include_usage)
        lines = with_pulse(_lines(asking, head, base_url, with_usage))
        return StreamingResponse(lines, headers=HEADERS, media_type=MEDIA_TYPE)
    answer = asking.task.result()
    return JSONResponse(completion(head, answer, render(answer, base_url)))


@dataclass(frozen=True, slots=True)
class _Failure:
    status: HTTPStatus
    message: str
    code: str


class _Asking:
    """A question that is being answered in a task of its own, for at most as long as one question may take."""

    def __init__(self, request: Request, question: Question) -> None:
        """Raises `HTTPException` when too many answers are in the making."""
        application = application_of(request)
        slots = slots_of(request)
        slots.take()
        self._seconds = application.settings.server.request_seconds
        self._begun = asyncio.Event()
        self.task = asyncio.create_task(self._answer(application.asker, question))
        self.task.add_done_callback(lambda _: slots.give_back())

    async def wait(self, request: Request, *, for_token: bool) -> bool:
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
                self.task.cancel()
        return is_there

    def failure(self) -> _Failure | None:
        """Why there is no answer, if that is known by now."""
        if not self.task.done():
            return None
        if isinstance(self.task.exception(), TimeoutError):
            message = f"There was no answer within {self._seconds:.0f} seconds. Please try again."
            return _Failure(HTTPStatus.GATEWAY_TIMEOUT, message, "gateway_timeout")
        answer = self.task.result()
        if answer.outcome is Outcome.FAILED:
            return _Failure(HTTPStatus.SERVICE_UNAVAILABLE, answer.text, "answer_failed")
        return None

    async def _answer(self, asker: Asker, question: Question) -> Answer:
        async with asyncio.timeout(self._seconds), aclosing(asker.stream(question)) as events:
            async for event in events:
                if isinstance(event, Finished):
                    return event.answer
                if isinstance(event, Token):
                    self._begun.set()
        raise AssertionError("a stream ends with Finished")


async def _lines(asking: _Asking, head: Head, base_url: str, with_usage: bool) -> AsyncGenerator[str, None]:
    # What a model writes is held against the documents when it is complete: sentences that they do not support are
    # removed, and a model that breaks off is replaced. OpenAI's clients cannot be told that something is void, so they
    # get the final text only. Until it is there, the first chunk says who talks, and the stream has a pulse.
    try:
        yield _data(chunk(head, {"role": "assistant", "content": ""}))
        await asyncio.wait({asking.task})
        if failure := asking.failure():
            yield _data(error_to_json(failure.status, failure.message, failure.code))
            return
        answer = asking.task.result()
        rendered = render(answer, base_url)
        for piece in pieces(rendered.content):
            yield _data(chunk(head, {"content": piece}))
        sources = {"annotations": list(rendered.annotations)}
        yield _data(chunk(head, sources, "stop", lorekeeper=answer_to_json(answer)))
        if with_usage:
            yield _data(usage_chunk(head))
        yield DONE
    finally:
        asking.task.cancel()


def _data(value: Json) -> str:
    return f"data: {json.dumps(value, ensure_ascii=False)}\n\n"


async def _question(body: ChatBody, request: Request) -> Question:
    """Raises `InvalidRequest`, `ModelNotFound`."""
    if body.n is not None and body.n != 1:
        raise InvalidRequest("n: There is only one answer to a question, so n has to be 1.")
    asked = read_messages(body.messages)
    namespace = await _namespace(request, body.model)
    return Question(
        id=uuid.uuid4().hex,
        text=asked.question,
        scope=Scope(namespace),
        history=asked.history,
        thread=uuid.uuid4().hex,
        asker=caller_of(request).key,
    )


async def _namespaces(request: Request) -> list[str]:
    application = application_of(request)
    caller = caller_of(request)
    return [name for name in await application.documents.namespaces() if caller.may_use(name)]


async def _namespace(request: Request, model: str) -> str:
    if model in await _namespaces(request):
        return model
    raise ModelNotFound(
        f"The model {model[:80]!r} does not exist, or this key may not use it. A model here is a namespace; "
        "GET /v1/models lists them."
    )


def _base_url(request: Request) -> str:
    """Where people reach the web chat."""
    application = application_of(request)
    return application.settings.server.public_url or str(request.base_url)
