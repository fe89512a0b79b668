"""`POST /v1/ask`."""

from __future__ import annotations

import asyncio
import uuid
from http import HTTPStatus
from typing import Annotated, Literal

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from bots.gateway.access import is_owner
from bots.gateway.problems import problem
from core.build import Application
from core.namespace import NAMESPACE_PATTERN, check_namespace
from core.types import DEFAULT_NAMESPACE, Answer, Outcome, Question, Scope, Turn
from core.wire import answer_to_json

# Not in the standard; nginx's word for it. Nobody reads it but a log in between.
CLIENT_LEFT = 499
log = structlog.get_logger(__name__)
Namespace = Annotated[
    str,
    AfterValidator(check_namespace),
    Field(json_schema_extra={"pattern": NAMESPACE_PATTERN}, examples=[DEFAULT_NAMESPACE]),
]
router = APIRouter()


class Body(BaseModel):
    """What clients send. Unknown fields are refused, because a misspelt one would silently change the answer."""

    model_config = ConfigDict(extra="forbid", strict=True)


class HistoryTurn(Body):
    role: Literal["user", "assistant"]
    text: str


class AskBody(Body):
    question: str = Field(examples=["How many days of vacation do I accrue?"])
    namespace: Namespace = DEFAULT_NAMESPACE
    thread: Annotated[str, Field(pattern=r"^[A-Za-z0-9:_.-]{1,128}$")] | None = None
    """Of an earlier answer: makes this question a follow-up."""
    history: list[HistoryTurn] | None = Field(None, max_length=20)
    """For clients that keep the conversation themselves; with it, the thread's own history is not used."""
    explain: bool = False
    """Adds `why`; only for the owner's own command line."""


@router.post("/v1/ask", summary="Ask a question", response_model=None)
async def ask(body: AskBody, request: Request) -> Response:
    """Every outcome but a failure is a 200; tell them apart by `outcome`."""
    application: Application = request.app.state.application
    question = Question(
        id=uuid.uuid4().hex,
        text=body.question,
        scope=Scope(body.namespace),
        history=tuple(Turn(turn.role, turn.text) for turn in body.history or ()),
        thread=body.thread or uuid.uuid4().hex,
    )
    answer = await _while_connected(application, question, request)
    if answer is None:
        return Response(status_code=CLIENT_LEFT)
    if answer.outcome is Outcome.FAILED:
        return problem(HTTPStatus.SERVICE_UNAVAILABLE, answer.text, "answer_failed")
    return JSONResponse(answer_to_json(answer, why=body.explain and is_owner(request)))


async def _while_connected(application: Application, question: Question, request: Request) -> Answer | None:
    """The answer; None when the client leaves before it. Raises `HTTPException` when the time is over."""
    limit = application.settings.server.request_seconds
    asking = asyncio.create_task(application.asker.ask(question))
    leaving = asyncio.create_task(_disconnected(request))
    try:
        await asyncio.wait({asking, leaving}, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        if asking.done():
            return asking.result()
        if leaving.done():
            log.info("the client left before the answer", question=question.id)
            return None
        raise HTTPException(
            HTTPStatus.GATEWAY_TIMEOUT, f"There was no answer within {limit:.0f} seconds. Please try again."
        )
    finally:
        asking.cancel()
        leaving.cancel()


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
