"""Whole installations with something of everything in them, and what two of them have in common."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from pydantic import SecretStr
from sqlalchemy.engine import Engine

from core.access import Permission
from core.backup.destination import Destination, open_destination
from core.backup.make import Made, make
from core.backup.restore import Restored, restore
from core.settings import Chroma, Database, Settings
from core.store.adapters import AdapterStore
from core.store.conversations import Conversations
from core.store.feedback import FeedbackStore
from core.store.inbox import Entry, Inbox
from core.store.installations import Installation, Installations
from core.store.keys import KeyStore
from core.store.places import Bindings
from core.store.schema import metadata
from core.store.sources import KnownEntry, SourceStore
from core.types import Answer, Citation, Feedback, Outcome, Question, Scope, SyncedSource, Thumb
from ingest.received import Received
from tests.core.store.samples import adapter
from tests.ingest.library import Library, open_library, put

# What a restoration changes on purpose, or makes anew.
CHANGED = {"meta", "vector_outbox", "inbox"}
TEXTS = {
    "leave.md": "# Leave\n\nYou accrue 13 days of annual leave per year.\n\n# Sick leave\n\nA note is due on day three.\n",
    "pay.md": "# Pay\n\nSalaries are paid on the last working day — Ä, 日本, 😀.\n",
    "travel.md": "# Travel\n\nTrains are booked by the office.\n",
}


@dataclass(frozen=True, slots=True)
class Home:
    """Where an installation is. Empty URLs: in the data folder."""

    folder: Path
    database: str = ""
    chroma: str = ""

    @property
    def chosen(self) -> dict[str, Any]:
        return {"database": Database(url=SecretStr(self.database)), "chroma": Chroma(url=self.chroma)}

    @property
    def settings(self) -> Settings:
        return Settings(data_dir=self.folder, **self.chosen)

    @contextlib.contextmanager
    def open(self) -> Iterator[Library]:
        with open_library(self.folder, **self.chosen) as library:
            yield library


def silent(_what: str, _done: int, _total: int) -> None:
    """Reports nothing."""


def back_up(home: Home, place: Path | str, **chosen: Any) -> Made:
    return make(home.settings, open_destination(str(place)), silent, **chosen)


def put_back(home: Home, place: Path | str, made: Made, **chosen: Any) -> Restored:
    return restore(home.settings, open_destination(str(place)), made.name, silent, **chosen)


def destination(place: Path) -> Destination:
    return open_destination(str(place))


def fill(library: Library, folder: Path) -> None:
    """Documents of two namespaces, one of which only some may read, and a row in every other table."""
    for name, text in TEXTS.items():
        put(folder / name, text)
    library.add(folder)
    put(folder / "leave.md", TEXTS["leave.md"] + "\n# Parental leave\n\nParents get 12 weeks.\n")
    library.add(folder)
    board = Received(
        "board.md", "upload:board.md", "board", b"# Board\n\nThe merger is called Osprey.\n", frozenset({"ceo"})
    )
    asyncio.run(library.pipeline.add_received([board]))
    fill_record(library.engine)


def fill_record(engine: Engine) -> None:
    """Everything that is no document."""
    question = Question("q1", "How many days of leave?", Scope(), thread="t1", asker="ada")
    answer = Answer("q1", Outcome.ANSWERED, "13 days [1].", (_citation(),), thread="t1", generator="extractive")
    Conversations(engine).append(question, answer)
    KeyStore(engine).create("intranet", {Permission.ASK}, namespaces={"default"})
    Bindings(engine).bind("slack:T1:C1", "board", "ada")
    FeedbackStore(engine).rate(Feedback("q1", Thumb.DOWN, "ada", comment="It is 14. 😀"))
    Installations(engine, "slack").put(Installation("T1", {"bot_token": "xoxb-1", "scopes": ["chat:write"]}))
    Inbox(engine).accept([Entry("slack:1", "slack", "slack:T1:C1:1", {"text": "How?"})])
    sources = SourceStore(engine)
    sources.put(_source())
    sources.put_entries("s0urce", [KnownEntry("/srv/docs/a.md", "1 2"), KnownEntry("/srv/docs/b.md", "", "No text.")])
    sources.lease("s0urce", "somebody", 600)
    adapters = AdapterStore(engine)
    adapters.add(adapter())
    adapters.promote("board", "hr-1", "ada", reason="Better with 日本.")
    adapters.rollback("board", "ada")


def rows(engine: Engine) -> dict[str, list[tuple[Any, ...]]]:
    """Everything in the tables, but for what a restoration changes on purpose."""
    with engine.connect() as connection:
        return {
            table.name: [tuple(row) for row in connection.execute(sa.select(table).order_by(*table.primary_key))]
            for table in metadata.sorted_tables
            if table.name not in CHANGED
        }


def vectors(library: Library) -> dict[str, tuple[bytes, bytes]]:
    """Of each passage: its vector, and that of its headings."""
    every = [(namespace, ids) for namespace, ids in library.vectors.chunk_ids()]
    found = [each for namespace, ids in every for each in library.vectors.stored(namespace, ids)]
    return {
        each.chunk_id: (
            each.vector.tobytes(),
            each.heading[0].encode() + each.heading[1].tobytes() if each.heading else b"",
        )
        for each in found
    }


def answers(library: Library) -> dict[str, list[str]]:
    """What both indexes find, for some questions."""
    return {query: library.texts(query) for query in ("annual leave", "salaries 日本", "parents weeks", "trains")}


def _citation() -> Citation:
    return Citation(1, "Leave", "Leave", "13 days", "d")


def _source() -> SyncedSource:
    readers = frozenset({"staff"})
    return SyncedSource("s0urce", "default", "/srv/docs/", "folder", datetime.now(UTC), "ada", 3600, readers)
