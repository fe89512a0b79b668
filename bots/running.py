"""`lorekeeper run`: the channels that are switched on, in one process, until they are stopped."""

from __future__ import annotations

import asyncio
import random
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Any

import structlog

from bots.registry import CHANNELS, EXTRAS, GATEWAY, configured
from core.build import Application, open_application
from core.errors import InvalidRequest, LorekeeperError, MissingExtra
from core.health import Check, State
from core.plugins import load
from core.ports import Channel
from core.settings import Settings

# A platform that is away, or a token that was revoked, is tried again after 1, 2, 4 … seconds.
FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS = 1.0, 60.0
log = structlog.get_logger(__name__)


async def serve(settings: Settings, only: Sequence[str]) -> int:
    """Run the chosen channels; returns the exit status. Raises what opening the application raises."""
    for name in only:
        if name not in CHANNELS:
            raise InvalidRequest(f"There is no part named {name}. The parts are: {', '.join(CHANNELS)}.")
    wanted = only or configured(settings)
    application = await asyncio.to_thread(open_application, settings, "lorekeeper run", through_owner=False)
    try:
        return await _run_until_stopped(application, [name for name in CHANNELS if name in wanted], bool(only))
    finally:
        await asyncio.to_thread(application.close)


async def _run_until_stopped(application: Application, names: Sequence[str], are_chosen: bool) -> int:
    channels = {
        name: channel
        for name in names
        if name != GATEWAY and (channel := _open(application, name, are_chosen)) is not None
    }
    doors = {path: door for channel in channels.values() for path, door in channel.doors.items()}
    if GATEWAY in names:
        channels[GATEWAY] = load(CHANNELS[GATEWAY])(application, doors)
    elif doors:
        raise InvalidRequest(f"{', '.join(doors)} must be served by the gateway: run it too, with --only gateway.")
    tasks = [
        asyncio.create_task(channel.serve() if name == GATEWAY else _kept_alive(application, name, channel), name=name)
        for name, channel in channels.items()
    ]
    application.work()
    if application.keep_in_sync is not None:
        tasks.append(asyncio.create_task(application.keep_in_sync(), name="sources"))
    stop = asyncio.create_task(_stop_signal())
    await asyncio.wait([stop, *tasks], return_when=asyncio.FIRST_COMPLETED)
    log.info("stopping: what was begun is finished first; Ctrl-C again stops at once")
    _on_signal(lambda: [task.cancel() for task in tasks])
    for task in [stop, *tasks]:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    failure = next((result for result in results if isinstance(result, Exception)), None)
    if failure is not None:
        raise failure
    sys.stderr.flush()
    return 0


def _open(application: Application, name: str, is_chosen: bool) -> Channel | None:
    """A chat platform that is not set up right is left out, unless it was asked for by name."""
    try:
        channel: Channel = _load(name)(application)
    except LorekeeperError as error:
        if is_chosen:
            raise
        log.warning("a channel is off", channel=name, cause=error.message)
        application.reports[name] = Check(name, State.DEGRADED, f"off: {error.message}", "Then restart.")
        return None
    return channel


def _load(name: str) -> Any:
    try:
        return load(CHANNELS[name])
    except ModuleNotFoundError as error:
        if name not in EXTRAS:
            raise
        raise MissingExtra(*EXTRAS[name]) from error


async def _kept_alive(application: Application, name: str, channel: Channel) -> None:
    """A chat platform that fails is reported and tried again, and stops nobody else."""
    delay = FIRST_RETRY_SECONDS
    while True:
        begun = asyncio.get_running_loop().time()
        try:
            await channel.serve()
            cause = "it ended"
        except Exception as error:  # noqa: BLE001 - whatever it is, the other channels go on
            cause = error.message if isinstance(error, LorekeeperError) else f"{type(error).__name__}: {error}"
            log.warning("a channel failed", channel=name, cause=cause, again_in_seconds=round(delay))
        application.reports[name] = Check(
            name, State.DEGRADED, f"down: {cause}", f"Run `lorekeeper doctor`; see {name}."
        )
        if asyncio.get_running_loop().time() - begun > LAST_RETRY_SECONDS:
            delay = FIRST_RETRY_SECONDS
        await asyncio.sleep(delay * random.uniform(0.8, 1.2))  # noqa: S311 - nobody guesses it
        delay = min(2 * delay, LAST_RETRY_SECONDS)


async def _stop_signal() -> None:
    stopped = asyncio.Event()
    _on_signal(stopped.set)
    await stopped.wait()


def _on_signal(do: Callable[[], object]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, do)
