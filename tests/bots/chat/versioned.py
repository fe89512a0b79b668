"""A library over a real pipeline, whose documents were sent by people, for the tests of what became of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bots.chat.grammar import parse
from bots.chat.library import Library
from bots.chat.results import Request, Result, Rights
from core.store.conversations import Conversations
from core.store.places import Bindings
from core.types import DocumentChange, Origin
from tests.ingest.library import Library as Store
from tests.ingest.library import open_library, put

HERE = "chat:here"
ADMIN, NOBODY = Rights(is_admin=True), Rights()


@dataclass(frozen=True, slots=True)
class Place:
    """Where `chat:ben` writes."""

    store: Store
    library: Library
    folder: Path

    async def say(self, text: str, rights: Rights = ADMIN) -> Result:
        return await self.library.run(Request(HERE, "chat:ben", rights), parse(text))

    async def confirm(self, asked: Result) -> Result:
        """Press the button that does it."""
        (confirm,) = [action for action in asked.actions if action.is_final]
        return await self.library.confirmed(Request(HERE, "chat:ben", ADMIN), confirm.command)

    async def send(
        self, name: str, text: str | bytes, person: str = "ann", namespace: str = "default"
    ) -> DocumentChange:
        """Somebody sends a file."""
        path = put(self.folder / "given", text)
        return await self.store.pipeline.add_file(name, path, namespace, origin=Origin("slack", person))

    def texts(self) -> dict[str, int]:
        """The titles of the documents that are there, with their versions."""
        return {each.title: each.version for each in self.store.documents()}


@contextmanager
def opened_place(folder: Path) -> Iterator[Place]:
    with open_library(folder / "data") as store:
        pipeline = store.pipeline
        library = Library(
            pipeline,
            pipeline.versions,
            pipeline.jobs,
            Bindings(store.engine),
            Conversations(store.engine),
            keep_removed_days=30,
        )
        yield Place(store, library, folder)
