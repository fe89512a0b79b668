"""What Discord refuses, and the record that a test looks at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# https://docs.discord.com/developers/topics/opcodes-and-status-codes#json
UNKNOWN_CHANNEL, UNKNOWN_GUILD, UNKNOWN_MEMBER, UNKNOWN_MESSAGE = 10003, 10004, 10007, 10008
UNKNOWN_ROLE, UNKNOWN_USER, UNKNOWN_EMOJI, UNKNOWN_WEBHOOK = 10011, 10013, 10014, 10015
UNKNOWN_INTERACTION, UNKNOWN_COMMAND, UNKNOWN_MEDIA = 10062, 10063, 10097
TOO_LARGE, ALREADY_ACKNOWLEDGED, TAG_REQUIRED = 40005, 40060, 40067
MISSING_ACCESS, NOT_IN_A_DM, NOT_YOURS, EMPTY_MESSAGE, DMS_CLOSED = 50001, 50003, 50005, 50006, 50007
NOT_A_TEXT_CHANNEL, MISSING_PERMISSIONS, WRONG_CHANNEL_TYPE = 50008, 50013, 50024
INVALID_WEBHOOK_TOKEN, INVALID_FORM, THREAD_ARCHIVED = 50027, 50035, 50083
NO_REPLY_WITHOUT_HISTORY, THREAD_EXISTS = 160002, 160004


@dataclass(frozen=True, slots=True)
class Violation:
    """Something that the application sent and that Discord would refuse, or hold against it."""

    route: str
    error: str
    detail: str = ""
    refused: bool = True
    """False: it went through, as it would at Discord, although something in it is wrong."""


class Refused(Exception):
    """An answer with an error. Not a `violation` where a careful application meets it as well."""

    def __init__(
        self,
        status: int,
        code: int,
        message: str,
        *,
        errors: Mapping[str, Any] | None = None,
        violation: bool = True,
    ) -> None:
        super().__init__(status, code, message, errors)
        self.status = status
        self.code = code
        self.message = message
        self.errors = errors
        self.violation = violation

    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = {"message": self.message, "code": self.code}
        return body | ({"errors": self.errors} if self.errors else {})

    def detail(self) -> str:
        return f"{self.code} {self.message}" + (f" {self.errors}" if self.errors else "")


@dataclass(frozen=True, slots=True)
class Problem:
    """Of one field; `path` as in `embeds.0.title`."""

    path: str
    code: str
    message: str


def invalid(*problems: Problem) -> Refused:
    """400 Invalid Form Body, with the tree of errors that clients flatten."""
    errors: dict[str, Any] = {}
    for problem in problems:
        place = errors
        for part in filter(None, problem.path.split(".")):
            place = place.setdefault(part, {})
        place.setdefault("_errors", []).append({"code": problem.code, "message": problem.message})
    return Refused(400, INVALID_FORM, "Invalid Form Body", errors=errors)


def too_long(path: str, most: int) -> Problem:
    return Problem(path, "BASE_TYPE_MAX_LENGTH", f"Must be {most} or fewer in length.")


def unknown(what: str, code: int, *, ever: bool = False) -> Refused:
    """404. `ever`: there was such a thing, and somebody may have deleted it meanwhile."""
    return Refused(404, code, f"Unknown {what}", violation=not ever)


def forbidden(code: int = MISSING_PERMISSIONS, message: str = "") -> Refused:
    """403. Nobody's mistake by itself: permissions change."""
    usual = {MISSING_ACCESS: "Missing Access", MISSING_PERMISSIONS: "Missing Permissions"}
    return Refused(403, code, message or usual.get(code, "Forbidden"), violation=False)


class Throttled(Exception):
    """429. `scope`: user, shared or global."""

    def __init__(self, retry_after: float, scope: str, headers: Mapping[str, str]) -> None:
        super().__init__(retry_after, scope)
        self.retry_after = retry_after
        self.scope = scope
        self.headers = headers


@dataclass(frozen=True, slots=True)
class Call:
    """One request, as it came in, and how it ended."""

    route: str
    """As in `POST /channels/{channel_id}/messages`."""
    path: Mapping[str, str]
    body: Any
    query: Mapping[str, str]
    at: float
    status: int = 200
    code: int = 0
    arrived: float = field(default=0.0)
    """`time.monotonic()` when the answer was ready; for tests that compare two moments of real time."""
