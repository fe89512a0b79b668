"""What is behind every channel: a real store and index, two namespaces, and a model server that says what it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

from core.build import Application, Record, open_application
from core.ports import Asker
from core.settings import Settings
from core.types import Answer, Citation, Event, Finished, Outcome, Question, RatedExchange, Token
from tests.fakes.embedder import WordEmbedder
from tests.fakes.openai_server import FakeOpenAI

LEAVE = "# Leave\n\nYou accrue 13 days of annual leave per year.\n"
SECRET = "# Salaries\n\nThe director earns 90210 crowns of salary per month.\n"
QUESTION = "How many days of annual leave do I accrue?"
SECRET_QUESTION = "How many crowns of salary does the director earn per month?"
ANSWER = "You accrue 13 days of annual leave per year."
HIDDEN = "/srv/secret/place.db"
"""Is in the text of every exception that is made here, and may be in nothing that people see."""


@dataclass
class Prompter:
    """Implements `core.ports.Asker`: the application's own, or a text that is said word by word."""

    real: Asker
    script: str = ""

    async def stream(self, question: Question) -> AsyncGenerator[Event, None]:
        if not self.script:
            async for event in self.real.stream(question):
                yield event
            return
        for number, line in enumerate(self.script.splitlines(keepends=True)):
            if number % 20 == 0:
                await asyncio.sleep(0)
            yield Token(line)
        cited = (Citation(1, "Leave", "", ANSWER, "d1"),)
        yield Finished(Answer(question.id, Outcome.ANSWERED, self.script, cited, thread=question.thread))

    async def ask(self, question: Question) -> Answer:
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Stage:
    application: Application
    model: FakeOpenAI
    prompter: Prompter
    folder: Path

    @property
    def record(self) -> Record:
        assert self.application.record is not None
        return self.application.record

    async def add(self, name: str, text: str, namespace: str = "default") -> None:
        """A document."""
        path = self.folder / "received"
        path.write_text(text)
        await self.application.documents.add_file(name, path, namespace)

    def ratings(self) -> list[RatedExchange]:
        return list(self.record.feedback.page()[0])

    @contextmanager
    def broken(self, part: str, method: str) -> Iterator[None]:
        """A part of the record (by its name there) fails in one of its methods, and says too much."""

        def failing(*_: object, **__: object) -> Any:
            raise RuntimeError(f"cannot open {HIDDEN}")

        with patch.object(type(getattr(self.record, part)), method, failing):
            yield


@asynccontextmanager
async def staged(folder: Path, model: FakeOpenAI, chosen: dict[str, Any]) -> AsyncGenerator[Stage, None]:
    """An application with a document in each of `default` and `hr`, if the folder does not hold them already."""
    generation = {"base_url": model.url, "retries": 0} | chosen.get("generation", {})
    settings = Settings.model_validate(
        {"data_dir": folder / "data", "server": {"port": 0}, **chosen, "generation": generation}
    )
    with patch("core.build.open_embedder", lambda _: WordEmbedder()):
        application = await asyncio.to_thread(open_application, settings, "lorekeeper run", through_owner=False)
    try:
        prompter = Prompter(application.asker)
        stage = Stage(replace(application, asker=prompter), model, prompter, folder)
        _, documents = await stage.application.documents.page()
        if not documents:
            await stage.add("leave.md", LEAVE)
            await stage.add("salaries.md", SECRET, "hr")
        yield stage
    finally:
        await asyncio.to_thread(application.close)
