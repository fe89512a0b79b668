"""What the OpenAPI specification shows of the replies to OpenAI's clients."""

from __future__ import annotations

import json

from bots.gateway.examples import ANSWER_VALUE, PROBLEMS, Responses
from bots.gateway.openai_wire import Head, chunk, completion, error_to_json, model_to_json, render
from core.wire import answer_from_json

_HEAD = Head(f"chatcmpl-{ANSWER_VALUE['id']}", "default", 1795255200)
_ANSWER = answer_from_json(ANSWER_VALUE)
_COMPLETION = completion(_HEAD, _ANSWER, render(_ANSWER, "http://127.0.0.1:8080"))
_STREAM = f"data: {json.dumps(chunk(_HEAD, {'content': _ANSWER.text}))}\n\ndata: [DONE]\n\n"
_TEXT = {"type": "string"}
_ERROR_SCHEMA = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string", "description": "For a person: what happened and what to do."},
                "type": _TEXT,
                "param": {"type": ["string", "null"]},
                "code": {"type": "string", "description": "For programs; stable."},
            },
        }
    },
}
_ERROR = error_to_json(404, "The model 'gpt-4o' does not exist, or this key may not use it.", "model_not_found")
_ERROR_CONTENT = {"application/json": {"schema": _ERROR_SCHEMA, "example": _ERROR}}
ERRORS: Responses = {
    status: {"description": each["description"], "content": _ERROR_CONTENT}
    for status, each in PROBLEMS.items()
    if status != 422  # noqa: PLR2004 - such errors have status 400 here
}
COMPLETION: Responses = {
    200: {
        "description": "The answer, or an honest no-answer; with `stream`, in pieces.",
        "content": {
            "application/json": {"example": _COMPLETION},
            "text/event-stream": {"schema": _TEXT, "example": _STREAM},
        },
    }
}
MODEL: Responses = {
    200: {"description": "The namespace.", "content": {"application/json": {"example": model_to_json("hr")}}}
}
MODELS: Responses = {
    200: {
        "description": "The namespaces.",
        "content": {
            "application/json": {
                "example": {"object": "list", "data": [model_to_json("default"), model_to_json("hr")]},
            }
        },
    }
}
