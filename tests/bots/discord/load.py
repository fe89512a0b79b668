"""Many mentions or commands at once, with a generator that takes a second, and a process that is killed in the middle.

    python -m tests.bots.discord.load [--mentions 200] [--commands 0] [--channels 20] [--kill SECONDS] [--json]
    python -m tests.bots.discord.load --processes 2 --database postgres [--kill SECONDS [--restart]]

Mentions come within a second, commands all at one moment. The bots run in processes of their own; only the embedding
model and the generator are stand-ins. CPU time is that of the bots' whole processes: it includes their HTTP, and their
database only where that is SQLite.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass

from tests.bots.discord.load_crowd import PATIENCE, Crowd, burst, commands, crowd, is_whole
from tests.bots.discord.load_report import Figures, figures
from tests.bots.load_servers import Servers, own_servers
from tests.fakes.discord import Interaction, Message

SQLITE, POSTGRES = "sqlite", "postgres"
# The library calls itself ready two seconds after the last server it was told of; then what was missed is read.
READY_SECONDS = 4.0


@dataclass(frozen=True, slots=True)
class Load:
    """What is to be measured."""

    mentions: int
    commands: int
    channels: int
    processes: int = 1
    database: str = SQLITE
    kill: float = 0.0
    """Seconds after the first question; 0: never."""
    restart: bool = False
    """The killed process comes back at once."""


async def measure(load: Load, servers: Servers) -> Figures:
    async with crowd(load.channels, load.processes, servers) as workspace:
        fake = workspace.fake
        await asyncio.sleep(READY_SECONDS)
        before, calls = await workspace.cpu_seconds(), len(fake.calls)
        begun = time.monotonic()
        asking = asyncio.create_task(_ask(workspace, load))
        lost_cpu = await _kill(workspace, load) if load.kill else 0.0
        asked = await asking
        expected = [each for each in asked if isinstance(each, Message) or not load.kill or each.acked is not None]
        with suppress(TimeoutError):
            await fake.until(lambda: all(is_whole(fake, each) for each in expected), PATIENCE)
        seconds = time.monotonic() - begun
        cpu = await workspace.cpu_seconds() + lost_cpu - before
        with suppress(TimeoutError):
            await workspace.settled(60)
        await asyncio.sleep(1)
        return figures(workspace, asked, fake.calls[calls:], seconds=seconds, cpu=cpu)


async def _ask(workspace: Crowd, load: Load) -> list[Message | Interaction]:
    used: list[Message | Interaction] = [*(await commands(workspace, load.commands))]
    return [*used, *(await burst(workspace, load.mentions))]


async def _kill(workspace: Crowd, load: Load) -> float:
    """Returns the CPU seconds that the killed process had used, less those of another start."""
    await asyncio.sleep(load.kill)
    victim = workspace.processes[0]
    cpu = (await victim.vitals()).cpu_seconds
    await victim.kill()
    if load.restart:
        await victim.start()
        cpu -= (await victim.vitals()).cpu_seconds
    return cpu


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--mentions", type=int, default=200)
    parser.add_argument("--commands", type=int, default=0, help="so many times /ask")
    parser.add_argument("--channels", type=int, default=20)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--database", choices=[SQLITE, POSTGRES], default=SQLITE)
    parser.add_argument("--kill", type=float, default=0.0, help="kill -9, seconds after the first question; 0: never")
    parser.add_argument(
        "--restart", action="store_true", help="the killed process comes back; a single one always does"
    )
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if given.processes > 1 and given.database == SQLITE:
        parser.error("several processes need --database postgres")
    load = Load(
        given.mentions,
        given.commands,
        given.channels,
        given.processes,
        given.database,
        given.kill,
        given.restart or given.processes == 1,
    )
    with ExitStack() as stack:
        servers = stack.enter_context(own_servers()) if given.database == POSTGRES else Servers()
        report = {"load": asdict(load), **asdict(asyncio.run(measure(load, servers)))}
    lines = [json.dumps(report)] if given.json else [f"{name}: {value}" for name, value in report.items()]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
