"""Many mentions at once, with a generator that takes a second, and a process that is killed in the middle.

    python -m tests.bots.slack.load [--mentions 200] [--channels 20] [--kill SECONDS] [--json]
    python -m tests.bots.slack.load --processes 2 --database postgres [--kill SECONDS [--restart]]

The bots run in processes of their own; only the embedding model and the generator are stand-ins. CPU time is that of
the bots' whole processes: it includes their HTTP, and their database only where that is SQLite.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass

from tests.bots.load_servers import Servers, own_servers
from tests.bots.slack.load_crowd import PATIENCE, Crowd, burst, crowd, is_doubled, is_whole
from tests.fakes.slack import FakeSlack, Message

SQLITE, POSTGRES = "sqlite", "postgres"


@dataclass(frozen=True, slots=True)
class Load:
    """What is to be measured."""

    mentions: int
    channels: int
    processes: int = 1
    database: str = SQLITE
    kill: float = 0.0
    """Seconds after the first mention; 0: never."""
    restart: bool = False
    """The killed process comes back at once."""


@dataclass(frozen=True, slots=True)
class Report:
    """Seconds, but for what says otherwise."""

    load: Load
    answered_once: int
    lost: int
    doubled: int
    acknowledged_p50: float
    acknowledged_p99: float
    """Also of what a killed process took along: until another one acknowledged it."""
    first_text_p50: float
    first_text_p99: float
    """From the mention to the first visible text; the generator's first word comes a tenth of a second after it."""
    all_answered: float
    cpu_ms_per_mention: float
    throttled: int
    violations: tuple[str, ...]
    """What Slack would not have taken, once each."""


async def measure(load: Load, servers: Servers) -> Report:
    async with crowd(load.channels, load.processes, servers) as workspace:
        slack = workspace.slack
        await asyncio.sleep(1)
        before = await workspace.cpu_seconds()
        begun = time.monotonic()
        asking = asyncio.create_task(burst(slack, load.mentions, load.channels))
        lost_cpu = await _kill(workspace, load) if load.kill else 0.0
        asked = await asking
        if load.kill:
            await slack.redeliver()
        with suppress(TimeoutError):
            await slack.until(lambda: all(is_whole(slack, each) for each in asked), PATIENCE)
        seconds = time.monotonic() - begun
        cpu = await workspace.cpu_seconds() + lost_cpu - before
        with suppress(TimeoutError):
            await workspace.settled(60)
        await asyncio.sleep(1)
        return _report(load, slack, asked, seconds, cpu)


async def _kill(workspace: Crowd, load: Load) -> float:
    """Returns the CPU seconds that the killed process had used, less those of another start."""
    await asyncio.sleep(load.kill)
    victim = workspace.processes[0]
    cpu = (await victim.vitals()).cpu_seconds
    await victim.kill()
    await workspace.slack.redeliver()
    if load.restart:
        await victim.start()
        cpu -= (await victim.vitals()).cpu_seconds
    return cpu


def _report(load: Load, slack: FakeSlack, asked: list[Message], seconds: float, cpu: float) -> Report:
    acks = [each.ack_seconds for each in slack.deliveries if each.event.get("user") == "U1"]
    doubled = sum(is_doubled(slack, each) for each in asked)
    lost = sum(not is_whole(slack, each) for each in asked)
    seen, sent = _first_text(slack), _sent(slack)
    firsts = [seen[each.root] - sent[each.ts] for each in asked if each.root in seen]
    return Report(
        load=load,
        answered_once=sum(is_whole(slack, each) and not is_doubled(slack, each) for each in asked),
        lost=lost,
        doubled=doubled,
        acknowledged_p50=round(statistics.median(acks), 3),
        acknowledged_p99=round(_p99(acks), 3),
        first_text_p50=round(statistics.median(firsts), 2),
        first_text_p99=round(_p99(firsts), 2),
        all_answered=round(seconds, 1),
        cpu_ms_per_mention=round(cpu * 1000 / load.mentions, 1),
        throttled=len(slack.throttled),
        violations=tuple(sorted({f"{each.method}: {each.error} {each.detail}" for each in slack.violations})),
    )


def _p99(values: list[float]) -> float:
    return sorted(values)[int(0.99 * (len(values) - 1))]


def _first_text(slack: FakeSlack) -> dict[str, float]:
    """When something that can be read first came, by the thread's root."""
    shown = [call for name in ("chat.startStream", "chat.postMessage") for call in slack.called(name)]
    return {str(call.arguments["thread_ts"]): call.arrived for call in sorted(shown, key=lambda call: -call.arrived)}


def _sent(slack: FakeSlack) -> dict[str, float]:
    """When each mention was first delivered, by its `ts`."""
    own = [each for each in reversed(slack.deliveries) if each.event.get("user") == "U1"]
    return {str(each.event.get("ts")): each.sent[0] for each in own}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--mentions", type=int, default=200)
    parser.add_argument("--channels", type=int, default=20)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--database", choices=[SQLITE, POSTGRES], default=SQLITE)
    parser.add_argument("--kill", type=float, default=0.0, help="kill -9, seconds after the first mention; 0: never")
    parser.add_argument(
        "--restart", action="store_true", help="the killed process comes back; a single one always does"
    )
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if given.processes > 1 and given.database == SQLITE:
        parser.error("several processes need --database postgres")
    is_alone = given.processes == 1
    load = Load(given.mentions, given.channels, given.processes, given.database, given.kill, given.restart or is_alone)
    with ExitStack() as started:
        servers = started.enter_context(own_servers()) if given.database == POSTGRES else Servers()
        report = asdict(asyncio.run(measure(load, servers)))
    lines = [json.dumps(report)] if given.json else [f"{name}: {value}" for name, value in report.items()]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
