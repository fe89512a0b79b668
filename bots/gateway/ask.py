"""`/v1/ask`: a question, and its answer as JSON or as it is made; `/v1/search`: only the passages."""

from __future__ import annotations

import asyncio
import uuid
from http import HTTPStatus
from typing import Annotated, Any, Literal

import structlog
from fastapi import APIRouter, Depends, Header, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from starlette.exceptions import HTTPException

from bots.gateway import examples
from bots.gateway.access import caller_of, is_owner, needs, within
from bots.gateway.asking import CLIENT_LEFT, Asking
from bots.gateway.parts import application_of, record_of, runs_of, slots_of
from bots.gateway.problems import problem
from bots.gateway.runs import Run
from bots.gateway.sse import MEDIA_TYPE, event_stream
from core.access import Permission
from core.guard import MAX_QUESTION_CHARACTERS, clean_question, refuse_question
from core.namespace import NAMESPACE_PATTERN, check_namespace
from core.types import DEFAULT_NAMESPACE, Question, Retrieval, Scope, Turn
from core.wire import answer_to_json, passage_to_json

GONE = "This answer is not there any more. Please ask again."
MOST_PASSAGES = 50
log = structlog.get_logger(__name__)
Namespace = Annotated[
    str,
    AfterValidator(check_namespace),
    Field(json_schema_extra={"pattern": NAMESPACE_PATTERN}, examples=[DEFAULT_NAMESPACE]),
]
Thread = Annotated[str, Field(pattern=r"^[A-Za-z0-9:_.-]{1,128}$", examples=["c85214076035475a993eeb8b695fd9f8"])]
AnswerId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$", examples=["b08e4fa753824b9fb4bf7dd7c8bde1a8"])]
EventId = Annotated[str | None, Header(description="The id of the last event that you have: what follows it is sent.")]
router = APIRouter(dependencies=[Depends(needs(Permission.ASK))], responses=examples.PROBLEMS)


class Body(BaseModel):
    """What clients send. Unknown fields are refused, because a misspelt one would silently change the answer."""

    model_config = ConfigDict(extra="forbid", strict=True)


class HistoryTurn(Body):
    role: Literal["user", "assistant"]
    text: str


class AskBody(Body):
    question: str = Field(examples=["How many days of vacation do I accrue?"])
    namespace: Namespace | None = None
    """Without it, the only one that the key may use, or else `default`."""
    thread: Thread | None = None
    """Of an earlier answer: makes this question a follow-up."""
    history: list[HistoryTurn] | None = Field(None, max_length=20)
    """For clients that keep the conversation themselves; with it, the thread's own history is not used."""
    stream: bool = False
    """The same as `Accept: text/event-stream`."""
    explain: bool = False
    """Adds `why`; only for the owner's own command line."""


def _whole(value: object) -> object:
    """To JSON, 8.0 is the same number as 8."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


class SearchBody(Body):
    query: str = Field(min_length=1, max_length=MAX_QUESTION_CHARACTERS, examples=["vacation days"])
    namespace: Namespace | None = None
    limit: Annotated[int, Field(ge=1, le=MOST_PASSAGES), BeforeValidator(_whole)] = 8


@router.post("/v1/ask", summary="Ask a question", response_model=None, responses=examples.ANSWER)
async def ask(body: AskBody, request: Request, last_event_id: EventId = None) -> Response:
    """The answer as JSON, or, with `stream`, as events: `status`, `token`, `citations`, and at the end `done` or `error`.

    Every outcome but a failure is a 200; tell them apart by `outcome`. With `Last-Event-ID`, an interrupted stream goes on.
    """
    if last_event_id:
        return _resume(request, *_parse(last_event_id))
    question = Question(
        id=uuid.uuid4().hex,
        text=body.question,
        scope=Scope(within(request, body.namespace)),
        history=tuple(Turn(turn.role, turn.text) for turn in body.history or ()),
        thread=body.thread or uuid.uuid4().hex,
        asker=caller_of(request).key,
        is_first=body.thread is None,
    )
    if body.stream or MEDIA_TYPE in request.headers.get("accept", ""):
        return _events(runs_of(request).start(question), 0)
    asking = Asking(request, question)
    if not await asking.wait(request):
        return Response(status_code=CLIENT_LEFT)
    if failure := asking.failure():
        return problem(failure.status, failure.message, failure.code)
    return JSONResponse(answer_to_json(asking.task.result(), why=body.explain and is_owner(request)))


@router.get(
    "/v1/ask/{answer_id}", summary="Go on with an interrupted answer", response_model=None, responses=examples.EVENTS
)
async def resume(answer_id: AnswerId, request: Request, last_event_id: EventId = None) -> Response:
    """The events of an answer that was asked for as a stream, from the first or after the last that you have."""
    last_id, after = _parse(last_event_id) if last_event_id else (answer_id, 0)
    if last_id != answer_id:
        raise HTTPException(HTTPStatus.NOT_FOUND, GONE)
    return _resume(request, answer_id, after)


@router.post("/v1/search", summary="Find passages", response_model=None, responses=examples.PASSAGES)
async def search(body: SearchBody, request: Request) -> dict[str, Any]:
    """The passages that an answer would be made from, best first, with their scores; no answer is written."""
    query = clean_question(body.query)
    scope = Scope(within(request, body.namespace))
    # What has no words in it, such as a smiley, is in no passage.
    is_words = refuse_question(query) is None
    found = await _retrieved(request, query, scope, body.limit) if is_words else Retrieval(query, ())
    passages = [passage_to_json(each) for each in found.passages]
    return {"query": query, "namespace": scope.namespace, "passages": passages}


async def _retrieved(request: Request, query: str, scope: Scope, limit: int) -> Retrieval:
    seconds = application_of(request).settings.server.request_seconds
    with slots_of(request).one():
        try:
            async with asyncio.timeout(seconds):
                return await record_of(request).retriever.retrieve(query, scope, limit)
        except TimeoutError:
            words = f"Nothing was found within {seconds:.0f} seconds. Please try again."
            raise HTTPException(HTTPStatus.GATEWAY_TIMEOUT, words) from None


def _resume(request: Request, answer_id: str, after: int) -> Response:
    run = runs_of(request).find(answer_id, caller_of(request).key)
    if run is None:
        raise HTTPException(HTTPStatus.NOT_FOUND, GONE)
    return _events(run, after)


def _events(run: Run, after: int) -> StreamingResponse:
    response = event_stream(run.follow(after))
    response.headers["Content-Location"] = f"/v1/ask/{run.id}"
    return response


def _parse(event_id: str) -> tuple[str, int]:
    answer_id, _, number = event_id.rpartition(":")
    if not answer_id or not (number.isascii() and number.isdecimal()) or len(number) > 9:  # noqa: PLR2004
        raise HTTPException(HTTPStatus.NOT_FOUND, GONE)
    return answer_id, int(number)
