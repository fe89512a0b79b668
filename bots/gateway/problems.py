"""Errors as problem+json (RFC 9457), each with a reference id under which the log has the cause."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from bots.gateway.incoming import disk_failed
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
ASK_PATH = "/v1/ask"
UNEXPECTED = "Something went wrong on our side, and what you asked for may not have been done. Please try again."
# Elsewhere the code is the status' own phrase; this one was renamed between Python versions.
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
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": int(status),
        "detail": detail,
        "code": code or CODES.get(HTTPStatus(status)) or HTTPStatus(status).phrase.lower().replace(" ", "_"),
        "reference": reference(),
    }
    level = log.error if status >= HTTPStatus.INTERNAL_SERVER_ERROR else log.info
    level("a request was refused", status=int(status), reference=body["reference"], code=body["code"])
    return JSONResponse(body, status, headers, MEDIA_TYPE)


def status_of(error: LorekeeperError) -> HTTPStatus:
    """The HTTP status that says the same as the error."""
    return next(status for kind, status in STATUS if isinstance(error, kind))


def status_of_code(code: str) -> HTTPStatus:
    """The same for the code of an error that is not there any more."""
    return next((status for kind, status in STATUS if kind.code == code), HTTPStatus.SERVICE_UNAVAILABLE)


async def _on_our_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, LorekeeperError)  # noqa: S101 - that is what it is registered for
    status = status_of(error)
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        log.error("a request failed", exc_info=error)
    return problem(status, error.message, error.code)


async def _on_invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - that is what it is registered for
    return problem(
        HTTPStatus.UNPROCESSABLE_ENTITY, " ".join(_readable(each) for each in error.errors()), "invalid_request"
    )


async def _on_http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - that is what it is registered for
    cause = error.__cause__
    if error.status_code == HTTPStatus.BAD_REQUEST and isinstance(cause, OSError):
        # The body was fine, but there was no place to keep it.
        return await _on_our_error(request, disk_failed(cause))
    return problem(error.status_code, str(error.detail), headers=dict(error.headers or {}))


async def _on_unexpected(request: Request, error: Exception) -> JSONResponse:
    log.error("a request failed", exc_info=error)
    words = wording.UNEXPECTED if request.url.path == ASK_PATH else UNEXPECTED
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, words)


def _readable(error: dict[str, Any]) -> str:
    """`question: Field required.`; never the value, which may be anything."""
    if error["type"] == "json_invalid":
        return "The body is not JSON."
    place = ".".join(str(part) for part in error["loc"] if part not in {"body", "query", "path"})
    return f"{place}: {error['msg']}." if place else f"{error['msg']}."
