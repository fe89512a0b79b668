"""What the OpenAPI specification shows of replies: examples, and the forms of errors that every route shares."""

from __future__ import annotations

from typing import Any

Responses = dict[int | str, dict[str, Any]]

PROBLEM_SCHEMA = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "code", "reference"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "For a person: what happened and what to do."},
        "code": {"type": "string", "description": "For programs; stable."},
        "reference": {"type": "string", "description": "Under which the server's log has the cause."},
    },
}
PROBLEM = {
    "type": "about:blank",
    "title": "Not Found",
    "status": 404,
    "detail": "There is no document abcdef00. `lorekeeper documents list` shows them all.",
    "code": "not_found",
    "reference": "4d8c5b11c07e",
}
_PROBLEM_CONTENT = {"application/problem+json": {"schema": PROBLEM_SCHEMA, "example": PROBLEM}}
_WHEN = {
    400: "The body cannot be parsed.",
    401: "The key is missing, unknown, revoked or expired.",
    403: "The key may not do this, or a page of another site sent the request.",
    404: "There is no such thing.",
    408: "The rest of the request did not come.",
    413: "The request is too large.",
    422: "A field is missing or wrong.",
    429: "Too many requests; `Retry-After` says when to come again.",
    500: "Something went wrong that nobody expected.",
    503: "Database, index, model or disk failed, or the server is busy.",
    504: "There was no answer in time.",
}
PROBLEMS: Responses = {status: {"description": words, "content": _PROBLEM_CONTENT} for status, words in _WHEN.items()}

CITATION = {
    "number": 1,
    "title": "Visitor guide",
    "locator": "page 12, Library",
    "quote": "The library opens at nine on weekdays.",
    "document_id": "b0aab137d2df007a4c715672f970e9a8",
    "url": None,
    "chunk_id": "5f3354c99346e77926cec7511c9adb8f",
    "page": 12,
    "version": 1,
}
ANSWER_VALUE = {
    "id": "b08e4fa753824b9fb4bf7dd7c8bde1a8",
    "outcome": "answered",
    "text": "The library opens at nine on weekdays. [1]",
    "citations": [CITATION],
    "nearest": [],
    "namespace": "default",
    "thread": "c85214076035475a993eeb8b695fd9f8",
    "generator": "extractive",
    "notice": None,
}
PASSAGE_VALUE = {
    "chunk_id": CITATION["chunk_id"],
    "document_id": CITATION["document_id"],
    "title": "Visitor guide",
    "headings": ["Library"],
    "page": 12,
    "locator": "page 12, Library",
    "text": "The library opens at nine on weekdays.",
    "url": None,
    "version": 1,
    "score": 0.81,
    "dense": 0.78,
    "lexical": 7.4,
}
EVENT_STREAM = """\
id: b08e4fa753824b9fb4bf7dd7c8bde1a8:1
event: status
data: {"stage": "Looking through the documents…"}

id: b08e4fa753824b9fb4bf7dd7c8bde1a8:2
event: token
data: {"text": "The library opens at nine on weekdays. [1]", "restart": false}
"""
_EVENT_SCHEMA = {
    "type": "object",
    "required": ["event", "data"],
    "properties": {
        "event": {"enum": ["status", "token", "citations", "done", "error"]},
        "id": {"type": "string", "description": "`<answer id>:<number>`"},
        "data": {"type": "string", "description": "JSON on one line."},
    },
}
_EVENTS_CONTENT = {"text/event-stream": {"schema": _EVENT_SCHEMA, "example": EVENT_STREAM}}


def _ok(words: str, value: Any, status: int = 200) -> Responses:
    return {status: {"description": words, "content": {"application/json": {"example": value}}}}


ANSWER: Responses = {
    200: {
        "description": "The answer, or an honest no-answer.",
        "content": {"application/json": {"example": ANSWER_VALUE}, **_EVENTS_CONTENT},
    }
}
EVENTS: Responses = {200: {"description": "The events that are missing.", "content": _EVENTS_CONTENT}}
PASSAGES = _ok(
    "The passages, best first.", {"query": "library hours", "namespace": "default", "passages": [PASSAGE_VALUE]}
)
_TURN = {
    "question": "When does the library open?",
    "asked_at": "2026-11-21T09:00:00+00:00",
    "answer": ANSWER_VALUE,
    "thumb": None,
}
THREAD = _ok("The conversation.", {"thread": ANSWER_VALUE["thread"], "namespace": "default", "turns": [_TURN]})
ME = _ok("The caller.", {"key": "5d0e2f9a1c", "permissions": ["ask"], "namespaces": ["hr"]})
FEEDBACK_VALUE = {"answer": ANSWER_VALUE["id"], "thumb": "down", "reason": "outdated", "text": "It is ten since July."}
FEEDBACK = _ok("It was recorded.", FEEDBACK_VALUE, 201)
_RATED = {
    **FEEDBACK_VALUE,
    "rater": "",
    "rated_at": "2026-11-21T09:01:00+00:00",
    "namespace": "default",
    "question": "When does the library open?",
    "answer_text": ANSWER_VALUE["text"],
    "outcome": "answered",
}
FEEDBACK_LIST = _ok("A page of it.", {"feedback": [_RATED], "total": 1})
