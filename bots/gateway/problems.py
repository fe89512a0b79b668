"""Errors as problem+json (RFC 9457), each with a reference id under which the log has the cause.

Where OpenAI's clients call, the same errors have the form that those clients show to people.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import compile_path

from bots.gateway.incoming import disk_failed
from bots.gateway.openai_wire import error_to_json
from core import wording
from core.errors import (
    InvalidRequest,
    LorekeeperError,
    NotFound,
    TooLarge,
    UnreadableDocument,
    UnsupportedFormat,
)
from core.log import reference

MEDIA_TYPE = "application/problem+json"
STATUS: tuple[tuple[type[LorekeeperError], HTTPStatus], ...] = (
    (NotFound, HTTPStatus.NOT_FOUND),
    (TooLarge, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    (InvalidRequest, HTTPStatus.UNPROCESSABLE_ENTITY),
    (UnsupportedFormat, HTTPStatus.UNSUPPORTED_MEDIA_TYPE),
    (UnreadableDocument, HTTPStatus.UNPROCESSABLE_ENTITY),
    (LorekeeperError, HTTPStatus.SERVICE_UNAVAILABLE),
)
OPENAI_PATHS = ("/v1/chat/completions", "/v1/models", "/v1/completions", "/v1/embeddings", "/v1/responses")
ASK_PATHS = ("/v1/ask", OPENAI_PATHS[0])
UNEXPECTED = "Something went wrong on our side, and what you asked for may not have been done. Please try again."
# Elsewhere the code is the status' own phrase; this one was renamed between Python versions.
NO_OBJECT = frozenset({"model_attributes_type", "dict_type", "model_type"})
IDS = {"document_id": "document", "job_id": "job"}
# What pydantic says in words of programmers, by the type of the error.
WORDS = {
    "string_too_short": "Give at least {min_length} characters",
    "string_too_long": "Give at most {max_length} characters",
    "enum": "Give {expected}",
    "literal_error": "Give {expected}",
}
NOT_FOUND = "There is nothing at this address. /openapi.json lists those that there are."
CODES = {HTTPStatus.REQUEST_ENTITY_TOO_LARGE: TooLarge.code}
log = structlog.get_logger(__name__)


def install(app: FastAPI) -> None:
    """Every error of every route leaves as a problem."""
    app.add_exception_handler(LorekeeperError, _on_our_error)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(Exception, _on_unexpected)


def problem(status: int, detail: str, code: str = "", headers: dict[str, str] | None = None) -> JSONResponse:
    """A problem document. `detail` is for a person and says what to do."""
    return JSONResponse(problem_body(status, detail, code), status, headers, MEDIA_TYPE)


def problem_body(status: int, detail: str, code: str = "") -> dict[str, Any]:
    """The document itself, for what is no reply of its own; the log gets the reference."""
    code, ref = _noted(status, code)
    return {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": int(status),
        "detail": detail,
        "code": code,
        "reference": ref,
    }


def openai_error(status: int, message: str, code: str = "", headers: dict[str, str] | None = None) -> JSONResponse:
    """The same as OpenAI's clients read it; they offer the id of the request, a header of every reply, as reference."""
    code, _ = _noted(status, code)
    return JSONResponse(error_to_json(status, message, code), status, headers)


def problem_for(
    path: str, status: int, detail: str, code: str = "", headers: dict[str, str] | None = None
) -> JSONResponse:
    """A problem document, or where OpenAI's clients call, what those read."""
    if not path.startswith(OPENAI_PATHS):
        return problem(status, detail, code, headers)
    # OpenAI has no 422; its clients call what is wrong with a request BadRequestError.
    status = HTTPStatus.BAD_REQUEST if status == HTTPStatus.UNPROCESSABLE_ENTITY else status
    return openai_error(status, detail, code, headers)


def status_of(error: LorekeeperError) -> HTTPStatus:
    """The HTTP status that says the same as the error."""
    return next(status for kind, status in STATUS if isinstance(error, kind))


def status_of_code(code: str) -> HTTPStatus:
    """The same for the code of an error that is not there any more."""
    return next((status for kind, status in STATUS if kind.code == code), HTTPStatus.SERVICE_UNAVAILABLE)


async def _on_our_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, LorekeeperError)  # noqa: S101 - that is what it is registered for
    status = status_of(error)
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        log.error("a request failed", exc_info=error)
    return problem_for(request.url.path, status, error.message, error.code)


async def _on_invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - that is what it is registered for
    words = " ".join(_readable(each) for each in error.errors())
    return problem_for(request.url.path, HTTPStatus.UNPROCESSABLE_ENTITY, words, InvalidRequest.code)


async def _on_http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - that is what it is registered for
    cause = error.__cause__
    if error.status_code == HTTPStatus.BAD_REQUEST and isinstance(cause, OSError):
        # The body was fine, but there was no place to keep it.
        return await _on_our_error(request, disk_failed(cause))
    headers = dict(error.headers or {})
    words = str(error.detail)
    if error.status_code == HTTPStatus.NOT_FOUND and words == HTTPStatus.NOT_FOUND.phrase:
        words = NOT_FOUND
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(_methods(request)) or headers.get("Allow", "")
    return problem_for(request.url.path, error.status_code, words, headers=headers)


async def _on_unexpected(request: Request, error: Exception) -> JSONResponse:
    log.error("a request failed", exc_info=error)
    words = wording.UNEXPECTED if request.url.path in ASK_PATHS else UNEXPECTED
    return problem_for(request.url.path, HTTPStatus.INTERNAL_SERVER_ERROR, words)


def _methods(request: Request) -> list[str]:
    """All that the address takes. The router knows only the first of the routes that share it."""
    paths: dict[str, dict[str, Any]] = request.app.openapi()["paths"]
    path = request.url.path
    # In OpenAPI an address without parameters goes before those that could stand for it.
    templates = [path] if path in paths else [each for each in paths if compile_path(each)[0].match(path)]
    return sorted({method.upper() for template in templates for method in paths[template]})


def _noted(status: int, code: str) -> tuple[str, str]:
    """The code of the error, or the status' own, and the reference under which the log has it."""
    code = code or CODES.get(HTTPStatus(status)) or HTTPStatus(status).phrase.lower().replace(" ", "_")
    ref = reference()
    level = log.error if status >= HTTPStatus.INTERNAL_SERVER_ERROR else log.info
    level("a request was refused", status=int(status), reference=ref, code=code)
    return code, ref


def _readable(error: dict[str, Any]) -> str:
    """`question: Field required.`; never the value, which may be anything."""
    if error["type"] == "json_invalid":
        return "The body is not JSON."
    if error["type"] in NO_OBJECT and len(error["loc"]) == 1:
        return "Send a JSON object as the body, with the header Content-Type: application/json."
    # The first part says only where in the request: body, query, path or header. What the query repeats has no number.
    where, *parts = error["loc"]
    place = ".".join(str(part) for part in parts if where != "query" or isinstance(part, str))
    if error["type"] == "extra_forbidden":
        return f"{place} is no field of this request."
    if place in IDS and error["type"] == "string_too_short":
        return f"Give at least the first {error['ctx']['min_length']} characters of the {IDS[place]}'s id."
    words = WORDS[error["type"]].format(**error["ctx"]) if error["type"] in WORDS else error["msg"]
    return f"{place}: {words}." if place else f"{words}."
