"""`lorekeeper run`: the channels that are switched on, in one process, until they are stopped."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Iterator, Sequence

import structlog

from bots.registry import CHANNELS, NOT_IN_THIS_RELEASE
from core.build import Application, open_application
from core.errors import InvalidRequest
from core.plugins import load
from core.settings import Settings

log = structlog.get_logger(__name__)


async def serve(settings: Settings, only: Sequence[str]) -> int:
    """Run the chosen channels; returns the exit status. Raises what opening the application raises."""
    for name in only:
        if name not in CHANNELS:
            raise InvalidRequest(f"{_missing(name)} The parts are: {', '.join(CHANNELS)}.")
    for name in _with_tokens(settings):
        if name not in CHANNELS:
            log.warning(_missing(name), tokens="not used")
    application = await asyncio.to_thread(open_application, settings, "lorekeeper run", through_owner=False)
    try:
        return await _run_until_stopped(application, [name for name in CHANNELS if not only or name in only])
    finally:
        await asyncio.to_thread(application.close)


def _missing(name: str) -> str:
    if name in NOT_IN_THIS_RELEASE:
        return f"This release has no {NOT_IN_THIS_RELEASE[name]} channel yet."
    return f"There is no part named {name}."


def _with_tokens(settings: Settings) -> Iterator[str]:
    slack = settings.slack
    if any(token.get_secret_value() for token in (slack.bot_token, slack.app_token, slack.signing_secret)):
        yield "slack"
    if settings.discord.token.get_secret_value():
        yield "discord"


async def _run_until_stopped(application: Application, names: Sequence[str]) -> int:
    channels = [load(CHANNELS[name])(application) for name in names]
    tasks = [asyncio.create_task(channel.serve(), name=name) for name, channel in zip(names, channels, strict=True)]
    stop = asyncio.create_task(_stop_signal())
    await asyncio.wait([stop, *tasks], return_when=asyncio.FIRST_COMPLETED)
    log.info("stopping")
    for task in [stop, *tasks]:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    failure = next((result for result in results if isinstance(result, Exception)), None)
    if failure is not None:
        raise failure
    sys.stderr.flush()
    return 0


async def _stop_signal() -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    await stopped.wait()
