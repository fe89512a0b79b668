"""Structured logs on standard error. Message text is never logged: events carry ids, counts and causes."""

from __future__ import annotations

import logging
import secrets
import sys
from contextlib import suppress

import structlog

from core.settings import Log


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
    logging.basicConfig(
        level=max(level, logging.WARNING), stream=sys.stderr, format="%(levelname)s %(name)s %(message)s"
    )


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


def reference() -> str:
    """A short id that a person can quote and an operator can find in the log."""
    return secrets.token_hex(4)
