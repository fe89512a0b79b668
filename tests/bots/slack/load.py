"""Many mentions at once, with a generator that takes a second, and a process that is killed in the middle.

    python -m tests.bots.slack.load [--mentions 200] [--channels 20] [--kill SECONDS] [--json]

The bot runs in a process of its own; only the embedding model and the generator are stand-ins. CPU time is the bot's
whole process, so it includes its database and its HTTP.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from unittest.mock import patch

from tests.fakes.slack import FakeSlack, Message, fake_slack

PATIENCE = 240.0


@dataclass(frozen=True, slots=True)
class Report:
    """Seconds, but for what says otherwise."""

    mentions: int
    answered_once: int
    answered_otherwise: int
    acknowledged_p50: float
    acknowledged_p99: float
    first_text_p50: float
    """From the mention to the first visible text; the generator's first word comes a tenth of a second after it."""
    all_answered: float
    cpu_ms_per_mention: float
    throttled: int
    violations: int


class Process:
    """A bot that can be killed."""

    def __init__(self, slack: FakeSlack, folder: Path) -> None:
        self._slack = slack
        self._arguments = [str(folder), slack.bot.token, slack.app_token, slack.api_url]
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        live = len(self._slack.sockets.live)
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.bots.slack.load", "--bot", *self._arguments, stdout=asyncio.subprocess.PIPE
        )
        await self._slack.until(lambda: len(self._slack.sockets.live) > live, 60)

    async def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.kill()
            await self._process.wait()
            await self._slack.until(lambda: not self._slack.sockets.live, 30)

    async def cpu_seconds(self) -> float:
        assert self._process is not None
        assert self._process.stdout is not None
        self._process.send_signal(signal.SIGUSR1)
        return float(await self._process.stdout.readline())


@asynccontextmanager
async def crowd(channels: int) -> AsyncGenerator[tuple[FakeSlack, Process], None]:
    """A workspace with so many channels, and a bot in it."""
    with tempfile.TemporaryDirectory() as folder:
        async with fake_slack() as slack:
            for number in range(channels):
                slack.add_channel(f"CL{number}", f"load-{number}", people=["U1"])
            process = Process(slack, Path(folder))
            await process.start()
            try:
                yield slack, process
            finally:
                await process.kill()


async def burst(slack: FakeSlack, mentions: int, channels: int) -> list[Message]:
    """All within a second."""
    begun = time.monotonic()
    asked = []
    for number in range(mentions):
        asked.append(await slack.say("U1", f"CL{number % channels}", f"<@BOT> How much leave has grade {number}?"))
        await asyncio.sleep(max(0.0, begun + (number + 1) / mentions - time.monotonic()))
    return asked


def is_whole(slack: FakeSlack, question: Message) -> bool:
    return any("Try again" in str(reply.blocks) for reply in slack.replies(question))


async def measure(mentions: int, channels: int, kill: float) -> Report:
    async with crowd(channels) as (slack, process):
        await asyncio.sleep(1)
        before = await process.cpu_seconds()
        begun = time.monotonic()
        asked = await burst(slack, mentions, channels)
        if kill:
            await asyncio.sleep(max(0.0, begun + kill - time.monotonic()))
            await process.kill()
            await process.start()
            before = 0.0
            await slack.redeliver()
        await slack.until(lambda: all(is_whole(slack, each) for each in asked), PATIENCE)
        seconds = time.monotonic() - begun
        cpu = await process.cpu_seconds() - before
    acks = [each.ack_seconds for each in slack.deliveries if each.event.get("user") == "U1"]
    counts = Counter(len(slack.replies(each)) for each in asked)
    seen = _first_text(slack)
    firsts = [seen[each.root] - sent for each, sent in zip(asked, _sent(slack, asked), strict=True)]
    return Report(
        mentions=mentions,
        answered_once=counts[1],
        answered_otherwise=mentions - counts[1],
        acknowledged_p50=round(statistics.median(acks), 3),
        acknowledged_p99=round(statistics.quantiles(acks, n=100)[98], 3),
        first_text_p50=round(statistics.median(firsts), 2),
        all_answered=round(seconds, 1),
        cpu_ms_per_mention=round(cpu * 1000 / mentions, 1),
        throttled=len(slack.throttled),
        violations=len(slack.violations),
    )


def _first_text(slack: FakeSlack) -> dict[str, float]:
    """When something that can be read first came, by the thread's root."""
    shown = [call for name in ("chat.startStream", "chat.postMessage") for call in slack.called(name)]
    return {str(call.arguments["thread_ts"]): call.arrived for call in sorted(shown, key=lambda call: -call.arrived)}


def _sent(slack: FakeSlack, asked: list[Message]) -> list[float]:
    sent = {
        str(each.event.get("ts")): each.sent[0] for each in reversed(slack.deliveries) if each.event.get("user") == "U1"
    }
    return [sent[each.ts] for each in asked]


async def _bot(folder: str, bot_token: str, app_token: str, api_url: str) -> None:
    from bots.slack.channel import open_channel
    from core.build import open_application
    from core.log import configure
    from core.settings import Log, Settings
    from tests.bots.slack.running import Scripted
    from tests.fakes.embedder import WordEmbedder

    configure(Log(level="warning"))
    tokens = {"bot_token": bot_token, "app_token": app_token, "api_url": api_url}
    chosen = Settings.model_validate({"data_dir": folder, "slack": tokens})
    with patch("core.build.open_embedder", lambda _: WordEmbedder()):
        application = open_application(chosen, "lorekeeper run", through_owner=False)
    text = "You accrue 13 days of annual leave per year. [1] Part-time staff accrue less. [1]"
    channel = open_channel(replace(application, asker=Scripted(text, 1.0)))
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, lambda: sys.stdout.write(f"{time.process_time()}\n") and sys.stdout.flush())
    await channel.serve()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--mentions", type=int, default=200)
    parser.add_argument("--channels", type=int, default=20)
    parser.add_argument("--kill", type=float, default=0.0, help="seconds after the first mention; 0: never")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--bot", nargs=4, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.bot:
        asyncio.run(_bot(*given.bot))
        return
    report = asdict(asyncio.run(measure(given.mentions, given.channels, given.kill)))
    lines = [json.dumps(report)] if given.json else [f"{name}: {value}" for name, value in report.items()]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
