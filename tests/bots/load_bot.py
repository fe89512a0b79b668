"""A bot in a process of its own, which can be killed: only the embedding model and the generator are stand-ins.

    python -m tests.bots.load_bot '{"channel": "slack", "settings": {"data_dir": …, "slack": {…}}}'

On SIGUSR1 it writes one line to standard output: its `Vitals`.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

from bots.registry import CHANNELS
from core.build import open_application
from core.log import configure
from core.plugins import load
from core.ports import Vectors
from core.settings import Log, Settings
from core.types import Event, Question, Token
from tests.bots.scripted import Scripted
from tests.fakes.embedder import WordEmbedder

ANSWER = "You accrue 13 days of annual leave per year. [1] Part-time staff accrue less. [1]"
STANDS_ONCE = "13 days"
"""Of the answer; its source does not show it again."""
FIRST_WORDS = "first-words.txt"


@dataclass(frozen=True, slots=True)
class Plan:
    """What travels to the process. `settings` are those of `core.settings.Settings`."""

    channel: str
    settings: dict[str, Any] = field(default_factory=dict)
    answer_seconds: float = 1.0
    """How long the generator writes."""
    stuck_at: str = ""
    """The embedding model never comes back from a text with this in it."""

    def dumped(self) -> str:
        return json.dumps(asdict(self))


@dataclass(frozen=True, slots=True)
class Vitals:
    """`cpu_seconds` are the whole process's; `busy`: how many messages it works on."""

    cpu_seconds: float
    busy: int


class StuckEmbedder(WordEmbedder):
    """Embeds, but for texts with `stuck_at` in them."""

    def __init__(self, stuck_at: str) -> None:
        super().__init__()
        self._stuck_at = stuck_at

    def embed(self, texts: Sequence[str]) -> Vectors:
        while self._stuck_at and any(self._stuck_at in text for text in texts):
            time.sleep(1)
        return super().embed(texts)


@dataclass(frozen=True, slots=True)
class Noted(Scripted):
    """Writes down when the first word of each answer came."""

    notes: Path = Path(FIRST_WORDS)

    async def stream(self, question: Question) -> AsyncGenerator[Event, None]:
        is_first = True
        async with aclosing(Scripted(self.text, self.seconds).stream(question)) as events:
            async for event in events:
                if is_first and isinstance(event, Token):
                    is_first = False
                    with self.notes.open("a") as lines:
                        lines.write(f"{question.id} {time.time()}\n")
                yield event


def first_words(folder: Path) -> dict[str, float]:
    """When each question's generator said its first word, in seconds since 1970; of several, the earliest."""
    notes = folder / FIRST_WORDS
    lines = notes.read_text().splitlines() if notes.exists() else []
    return {name: float(at) for name, at in (line.rsplit(" ", 1) for line in reversed(lines))}


async def serve(plan: Plan) -> None:
    """Until it is killed."""
    configure(Log(level="warning"))
    with patch("core.build.open_embedder", lambda _: StuckEmbedder(plan.stuck_at)):
        application = open_application(Settings.model_validate(plan.settings), "lorekeeper run", through_owner=False)
    asker = Noted(ANSWER, plan.answer_seconds, application.settings.data_dir / FIRST_WORDS)
    channel: Any = load(CHANNELS[plan.channel])(replace(application, asker=asker))

    def tell() -> None:
        busy = channel._desk.busy + channel._file_desk.busy
        sys.stdout.write(json.dumps(asdict(Vitals(time.process_time(), busy))) + "\n")
        sys.stdout.flush()

    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, tell)
    await channel.serve()


if __name__ == "__main__":
    asyncio.run(serve(Plan(**json.loads(sys.argv[1]))))
