"""Structured logs on standard error. Message text is never logged: events carry ids, counts and causes.

Each question, and each HTTP request, has one id. All that is logged about it has the id, whoever logs it; people are
shown it as a reference when something fails; and the language model's server is told it.
"""

from __future__ import annotations

import hashlib
import logging
import re
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import structlog

from core.settings import Log

REQUEST = "request"
HEADER = "X-Request-Id"
"""Where callers say it, where replies name it, and where the language model's server hears it."""
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
log = structlog.get_logger(__name__)


def configure(settings: Log) -> None:
    """Set up logging for this process; called once, by each entry point."""
    level = getattr(logging, settings.level.upper())
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if settings.format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=_StandardError,
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(level=max(level, logging.WARNING), handlers=[_FromLibraries()])


def configure_for_command(settings: Log) -> None:
    """The same for a command, whose output is the answer: what a server logs as news would only be in its way."""
    configure(settings.model_copy(update={"level": "warning"}) if settings.level == "info" else settings)


class _StandardError:
    """Writes lines. What cannot be written is lost: a disk that is full must not break what is being logged."""

    def __init__(self, *_: object) -> None:
        pass

    def msg(self, message: str) -> None:
        with suppress(OSError, ValueError):
            sys.stderr.write(f"{message}\n")
            sys.stderr.flush()

    debug = info = warning = error = critical = msg


class _FromLibraries(logging.Handler):
    """What libraries tell, in the same lines as everything else: whatever is in it, it begins no line of its own."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            log.log(
                record.levelno,
                "a library told",
                logger=record.name,
                message=record.getMessage(),
                exc_info=record.exc_info or None,
            )
        except Exception:  # noqa: BLE001 - logging goes on, as the standard library has it
            self.handleError(record)


@contextmanager
def request(given: str = "") -> Iterator[str]:
    """Every line that is logged in the block has this id as `request`; returns it.

    What came from outside is taken over if it has the shape of an id; otherwise there is a new one.
    """
    chosen = given if _ID.fullmatch(given) else secrets.token_hex(6)
    with structlog.contextvars.bound_contextvars(**{REQUEST: chosen}):
        yield chosen


def request_id() -> str:
    """Of the request in work; empty outside of one."""
    return str(structlog.contextvars.get_contextvars().get(REQUEST, ""))


def id_of(key: str) -> str:
    """The id of the request that a message is: the same in every process that works on it."""
    return hashlib.sha256(key.encode()).hexdigest()[:12]


def reference() -> str:
    """A short id that a person can quote and an operator can find in the log: that of the request, if there is one."""
    return request_id() or secrets.token_hex(6)
