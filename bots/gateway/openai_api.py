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

import structlog
from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from bots.gateway import openai_examples as examples
from bots.gateway.access import caller_of, needs
from bots.gateway.asking import CLIENT_LEFT, Asking
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
from bots.gateway.parts import application_of
from bots.gateway.problems import openai_error
from bots.gateway.sse import HEADERS, MEDIA_TYPE, with_pulse
from core.access import Permission
from core.errors import InvalidRequest, NotFound
from core.types import Question, Scope
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
    asking = Asking(request, question)
    if not await asking.wait(request, for_token=bool(body.stream)):
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


async def _lines(asking: Asking, head: Head, base_url: str, with_usage: bool) -> AsyncGenerator[str, None]:
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
