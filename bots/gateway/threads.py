"""`/v1/threads`: what was asked and answered in a conversation. `/v1/feedback`: what people think of the answers."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from pydantic import ConfigDict, Field
from starlette.exceptions import HTTPException

from bots.gateway import examples
from bots.gateway.access import caller_of, needs, not_public, within
from bots.gateway.ask import AnswerId, Body, Namespace, Thread
from bots.gateway.parts import record_of
from core.access import Permission
from core.store.conversations import thread_key
from core.types import Feedback, RatedExchange, Reason, Scope, Thumb
from core.wire import answer_to_json

LONGEST_COMMENT = 4000
NO_THREAD = "There is no such conversation, or it was deleted meanwhile."
ask_router = APIRouter(dependencies=[Depends(needs(Permission.ASK))], responses=examples.PROBLEMS)
read_router = APIRouter(dependencies=[Depends(needs(Permission.READ))], responses=examples.PROBLEMS)


class FeedbackBody(Body):
    # JSON has no enumerations, only their values.
    model_config = ConfigDict(extra="forbid", strict=False)

    answer: AnswerId
    """The `id` of the answer."""
    thumb: Thumb
    reason: Reason | None = None
    text: str = Field("", max_length=LONGEST_COMMENT, examples=["It is 14 days since July."])


@ask_router.get("/v1/threads/{thread}", summary="Read a conversation", response_model=None, responses=examples.THREAD)
async def get_thread(
    thread: Thread, request: Request, namespace: Annotated[Namespace | None, Query()] = None
) -> dict[str, Any]:
    """The last hundred questions with their answers, oldest first; `thumb` is the caller's own. A thread belongs to the key that asked in it."""
    key = _key(thread, request, namespace)
    exchanges = await asyncio.to_thread(record_of(request).conversations.exchanges, key)
    if not exchanges:
        raise HTTPException(HTTPStatus.NOT_FOUND, NO_THREAD)
    ids = [each.answer.id for each in exchanges]
    thumbs = await asyncio.to_thread(record_of(request).feedback.thumbs, ids, caller_of(request).key)
    turns = [
        {
            "question": each.question,
            "asked_at": each.asked_at.isoformat(),
            "answer": answer_to_json(each.answer),
            "thumb": thumbs.get(each.answer.id),
        }
        for each in exchanges
    ]
    return {"thread": thread, "namespace": exchanges[0].answer.namespace, "turns": turns}


@ask_router.delete(
    "/v1/threads/{thread}", status_code=HTTPStatus.NO_CONTENT, summary="Delete a conversation", response_model=None
)
async def delete_thread(
    thread: Thread, request: Request, namespace: Annotated[Namespace | None, Query()] = None
) -> Response:
    """With the feedback on its answers."""
    key = _key(thread, request, namespace)
    if not await asyncio.to_thread(record_of(request).conversations.forget, key):
        raise HTTPException(HTTPStatus.NOT_FOUND, NO_THREAD)
    return Response(status_code=HTTPStatus.NO_CONTENT)


@ask_router.post(
    "/v1/feedback", status_code=HTTPStatus.CREATED, summary="Judge an answer", response_model=None,
    responses=examples.FEEDBACK,
)  # fmt: skip
async def give_feedback(body: FeedbackBody, request: Request) -> dict[str, Any]:
    """A later one on the same answer replaces it."""
    caller = caller_of(request)
    given = Feedback(body.answer, body.thumb, caller.key, body.reason, body.text)
    await asyncio.to_thread(record_of(request).feedback.rate, given, caller.namespaces)
    return {"answer": given.answer_id, "thumb": given.thumb, "reason": given.reason, "text": given.comment}


@ask_router.delete(
    "/v1/feedback/{answer}", status_code=HTTPStatus.NO_CONTENT, summary="Withdraw feedback", response_model=None
)
async def withdraw_feedback(answer: AnswerId, request: Request) -> Response:
    """Only one's own."""
    await asyncio.to_thread(record_of(request).feedback.withdraw, answer, caller_of(request).key)
    return Response(status_code=HTTPStatus.NO_CONTENT)


@read_router.get(
    "/v1/feedback", summary="List feedback", response_model=None, responses=examples.FEEDBACK_LIST,
    dependencies=[Depends(not_public)],
)  # fmt: skip
async def list_feedback(
    request: Request,
    namespace: Annotated[Namespace | None, Query()] = None,
    thumb: Annotated[Thumb | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    offset: Annotated[int, Query(ge=0, le=2**31)] = 0,
) -> dict[str, Any]:
    """The newest first, with the questions and answers they are about."""
    chosen = {within(request, namespace)} if namespace else caller_of(request).namespaces
    rated, total = await asyncio.to_thread(record_of(request).feedback.page, chosen, thumb, limit, offset)
    return {"feedback": [_rated_to_json(each) for each in rated], "total": total}


def _key(thread: str, request: Request, namespace: str | None) -> str:
    return thread_key(Scope(within(request, namespace)), thread, caller_of(request).key)


def _rated_to_json(rated: RatedExchange) -> dict[str, Any]:
    return {
        "answer": rated.feedback.answer_id,
        "thumb": rated.feedback.thumb,
        "reason": rated.feedback.reason,
        "text": rated.feedback.comment,
        "rater": rated.feedback.rater,
        "rated_at": rated.rated_at.isoformat(),
        "namespace": rated.namespace,
        "question": rated.question,
        "answer_text": rated.answer,
        "outcome": rated.outcome,
    }
