"""`lorekeeper run`: the parts that are switched on, in one process, until they are stopped."""

from __future__ import annotations

import asyncio
import gc
import random
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

import structlog

from bots.registry import CHANNELS, EXTRAS, GATEWAY, PARTS, WORKER, configured
from core import tracing
from core.build import Application, open_application
from core.errors import InvalidRequest, LorekeeperError, MissingExtra
from core.health import Check, State
from core.plugins import load
from core.ports import Channel
from core.settings import Settings

if TYPE_CHECKING:
    from bots.probe import Probe

# A platform that is away, or a token that was revoked, is tried again after 1, 2, 4 … seconds.
FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS = 1.0, 60.0
# Objects, some questions' worth; Python's own 700 are a fraction of one question.
COLLECT_AFTER = 20_000
log = structlog.get_logger(__name__)


async def serve(
    settings: Settings,
    only: Sequence[str],
    stopping: Callable[[int], object] = lambda status: None,
    *,
    is_standby: bool = False,
) -> int:
    """Run the chosen parts; returns the exit status. Raises what opening the application raises.

    `stopping` is called first when it begins to end, with the status that it ends with. On standby, a chosen part
    without its token is off instead of an error, also when it is the only one: in a stack, each part has its container,
    whether it is used or not.
    """
    for name in only:
        if name not in PARTS:
            raise InvalidRequest(f"There is no part named {name}. The parts are: {', '.join(PARTS)}.")
    if WORKER in only:
        _check_worker(settings)
    wanted = only or configured(settings)
    if is_standby:
        wanted = [name for name in wanted if name == WORKER or name in configured(settings)]
    tracing.start(settings.tracing)
    application = await asyncio.to_thread(open_application, settings, "lorekeeper run", through_owner=False)
    try:
        async with _probed(application) as probe:
            names = [name for name in CHANNELS if name in wanted]
            if not wanted:
                log.info("off: there is no token", parts=list(only))
            channels = _open_channels(application, names, are_chosen=bool(only))
            return await _run_until_stopped(application, channels, probe, stopping)
    finally:
        await asyncio.to_thread(application.close)
        await asyncio.to_thread(tracing.stop)


def _check_worker(settings: Settings) -> None:
    """Raises `InvalidRequest` when a process that only works on files would be of no use."""
    if not settings.jobs.run:
        raise InvalidRequest("A worker works on files, but jobs.run is false. Set it to true for this process.")
    if settings.is_embedded:
        raise InvalidRequest(
            "A worker of its own works beside a gateway, which the embedded database and index do not allow. "
            "Set database.url to Postgres and chroma.url to a Chroma server; without them, `lorekeeper run` does the work."
        )


@asynccontextmanager
async def _probed(application: Application) -> AsyncIterator[Probe | NoProbe]:
    if not application.settings.server.probe_port:
        yield NoProbe()
        return
    from bots.probe import Probe

    probe = Probe(application)
    async with probe.open():
        yield probe


def _open_channels(application: Application, names: Sequence[str], *, are_chosen: bool) -> dict[str, Channel]:
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
    return channels


async def _run_until_stopped(
    application: Application,
    channels: Mapping[str, Channel],
    probe: Probe | NoProbe,
    stopping: Callable[[int], object],
) -> int:
    tasks = [
        asyncio.create_task(channel.serve() if name == GATEWAY else _kept_alive(application, name, channel), name=name)
        for name, channel in channels.items()
    ]
    application.work()
    if application.keep_in_sync is not None:
        tasks.append(asyncio.create_task(application.keep_in_sync(), name="sources"))
    if channels and application.keep_models is not None:
        tasks.append(asyncio.create_task(application.keep_models(), name="models"))
    if GATEWAY not in channels:
        log.info("ready", parts=[*channels, *([WORKER] if application.settings.jobs.run else [])])
    stop = asyncio.create_task(_stop_signal())
    with settled():
        await asyncio.wait([stop, *tasks], return_when=asyncio.FIRST_COMPLETED)
    # Whatever the following waits for or raises, it ends in time, and at once when it is told so again.
    stopping(1 if any(task.done() and not task.cancelled() and task.exception() for task in tasks) else 0)
    _on_signal(lambda: [task.cancel() for task in tasks])
    log.info("stopping: what was begun is finished first; Ctrl-C again stops at once")
    probe.stopping()
    giving_back = asyncio.create_task(asyncio.to_thread(application.stop))
    for task in [stop, *tasks]:
        task.cancel()
    results = await asyncio.gather(*tasks, giving_back, return_exceptions=True)
    failure = next((result for result in results if isinstance(result, Exception)), None)
    if failure is not None:
        raise failure
    sys.stderr.flush()
    return 0


@contextmanager
def settled() -> Iterator[None]:
    """Spares the garbage collector what was loaded before: it stays until the end of the block.

    A look through all of it takes a tenth of a second, in which nobody is answered.
    """
    thresholds = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, *thresholds[1:])
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()


class NoProbe:
    """Nobody asked for one."""

    def stopping(self) -> None:
        """Nobody is told."""


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
