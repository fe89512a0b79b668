"""From `up` to the first answer on the stack, and what it uses when nobody asks.

    python -m tests.docker.first_answer [--json]

The images have to be there (`make images`). Without a language model (the profile `none`), with loopback platforms.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.bots.slack import load_crowd as on_slack
from tests.docker.crowd import FACT, LEAVE, QUESTION, ask, upload
from tests.docker.stack import PATIENCE, world

IDLE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Measured:
    """Seconds since `up` began: all healthy, one document searchable, the first answers. Memory in MB, by container."""

    healthy: float
    searchable: float
    over_http: float
    in_slack: float
    idle_mb: dict[str, float]

    @property
    def whole_mb(self) -> float:
        return sum(self.idle_mb.values())


async def measure(folder: Path) -> Measured:
    """On volumes that are new."""
    async with world(folder, "first-answer", COMPOSE_PROFILES="none", LOREKEEPER_MODEL_URL="") as made:
        begun = time.monotonic()

        def passed() -> float:
            return round(time.monotonic() - begun, 1)

        await made.run(made.stack.up)
        healthy = passed()
        key = await made.run(made.stack.key)
        await upload(made.stack.url, key, "leave.md", LEAVE)
        searchable = passed()
        assert FACT in str((await ask(made.stack.url, key))["text"])
        over_http = passed()
        question = await made.slack.say("U1", "C1", f"<@BOT> {QUESTION}")
        await made.slack.until(lambda: on_slack.is_whole(made.slack, question), PATIENCE)
        in_slack = passed()
        await asyncio.sleep(IDLE_SECONDS)
        return Measured(healthy, searchable, over_http, in_slack, await made.run(made.stack.memory_mb))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object on one line")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(measure(Path(folder)))
    if given.json:
        sys.stdout.write(json.dumps({**asdict(found), "whole_mb": round(found.whole_mb)}) + "\n")
        return
    sys.stdout.write(f"all healthy after {found.healthy} s, a document searchable after {found.searchable} s\n")
    sys.stdout.write(f"first answer over HTTP after {found.over_http} s, in Slack after {found.in_slack} s\n")
    for name, size in sorted(found.idle_mb.items(), key=lambda pair: -pair[1]):
        sys.stdout.write(f"{size:8.0f} MB  {name}\n")
    sys.stdout.write(f"{found.whole_mb:8.0f} MB  the whole stack, when nobody asks\n")


if __name__ == "__main__":
    main()
