"""Who waits for a job hears of its end, also when the job itself is gone, and does not ask too often."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from core.ports import Vectors
from core.settings_documents import History
from core.types import ChangeKind, DocumentChange
from ingest.waiting import _rests
from tests.fakes.embedder import WordEmbedder
from tests.ingest.library import Library, open_library, put, until

ERASED_AT_ONCE = History(keep_removed_days=0)


class Held(WordEmbedder):
    """Embeds nothing until it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.is_reached, self.is_open = threading.Event(), threading.Event()

    def embed(self, texts: Sequence[str]) -> Vectors:
        self.is_reached.set()
        assert self.is_open.wait(60)
        return super().embed(texts)


async def removed_while(library: Library, waiting: asyncio.Task[Any], embedder: Held) -> Any:
    """What is told after the first document, which is in work, was removed with its jobs."""
    await asyncio.to_thread(embedder.is_reached.wait, 60)
    await library.pipeline.remove(library.documents()[0].id)
    embedder.is_open.set()
    return await asyncio.wait_for(waiting, 60)


def test_a_folder_of_which_a_document_is_erased_comes_to_its_end(tmp_path: Path, folder: Path) -> None:
    for number in range(3):
        put(folder / f"{number}.md", f"# Rule {number}\n\nRule {number} of the house.\n")
    embedder = Held()
    with open_library(tmp_path / "data", embedder, history=ERASED_AT_ONCE) as library:

        async def run() -> list[DocumentChange]:
            adding = asyncio.create_task(library.pipeline.add_paths([folder], "default"))
            changes: list[DocumentChange] = await removed_while(library, adding, embedder)
            return changes

        changes = asyncio.run(run())
        told = {change.name: (change.kind, change.message) for change in changes}
        assert (ChangeKind.FAILED, "It was cancelled.") in told.values()
        assert len(told) == 3
        assert sorted(kind for kind, _ in told.values()) == [ChangeKind.ADDED, ChangeKind.ADDED, ChangeKind.FAILED]
        until(lambda: not library.jobs.unfinished_documents())


def test_of_two_who_add_the_same_folder_at_once_one_counts_it(tmp_path: Path, folder: Path) -> None:
    for number in range(3):
        put(folder / f"{number}.md", f"# Rule {number}\n\nRule {number} of the house.\n")
    embedder = Held()
    with open_library(tmp_path / "data", embedder) as library:

        async def run() -> list[list[DocumentChange]]:
            adding = [asyncio.create_task(library.pipeline.add_paths([folder], "default")) for _ in range(2)]
            while len(library.pipeline._waiting.told_of) < 3:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.2)
            embedder.is_open.set()
            return await asyncio.gather(*adding)

        told = [{change.kind for change in changes} for changes in asyncio.run(run())]
        assert {ChangeKind.ADDED} in told
        assert {ChangeKind.UNCHANGED} in told
        assert [document.version for document in library.documents()] == [1, 1, 1]
        assert library.pipeline._waiting.told_of == {}
        assert {change.kind for change in library.add(folder).values()} == {ChangeKind.UNCHANGED}


def test_what_somebody_received_and_left_is_counted_by_who_asks_for_it_again(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(folder / "rules.md", "# Rules\n\nThe rule of the house.\n")
    embedder = Held()
    with open_library(tmp_path / "data", embedder) as library:

        async def run() -> list[DocumentChange]:
            leaving = asyncio.create_task(library.pipeline.add_paths([folder], "default"))
            await asyncio.to_thread(embedder.is_reached.wait, 60)
            leaving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await leaving
            asking = asyncio.create_task(library.pipeline.add_paths([folder], "default"))
            while not library.pipeline._waiting.told_of:
                await asyncio.sleep(0.01)
            embedder.is_open.set()
            return await asking

        assert [change.kind for change in asyncio.run(run())] == [ChangeKind.ADDED]


def test_what_somebody_leaves_is_counted_by_one_of_those_who_wait_for_it_too(tmp_path: Path, folder: Path) -> None:
    put(folder / "rules.md", "# Rules\n\nThe rule of the house.\n")
    embedder = Held()
    with open_library(tmp_path / "data", embedder) as library:

        async def run() -> list[list[DocumentChange]]:
            leaving = asyncio.create_task(library.pipeline.add_paths([folder], "default"))
            await asyncio.to_thread(embedder.is_reached.wait, 60)
            staying = [asyncio.create_task(library.pipeline.add_paths([folder], "default")) for _ in range(2)]
            await asyncio.sleep(0.5)
            leaving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await leaving
            embedder.is_open.set()
            return await asyncio.gather(*staying)

        told = sorted(change.kind for changes in asyncio.run(run()) for change in changes)
        assert told == [ChangeKind.ADDED, ChangeKind.UNCHANGED]


def test_an_upload_that_is_erased_was_cancelled(tmp_path: Path) -> None:
    upload = put(tmp_path / "rules.md", "# Rules\n\nThe rule of the house.\n")
    embedder = Held()
    with open_library(tmp_path / "data", embedder, history=ERASED_AT_ONCE) as library:

        async def run() -> DocumentChange:
            sending = asyncio.create_task(library.pipeline.add_file("rules.md", upload, "default"))
            change: DocumentChange = await removed_while(library, sending, embedder)
            return change

        change = asyncio.run(run())
        assert (change.name, change.kind, change.message) == ("rules.md", ChangeKind.FAILED, "It was cancelled.")


def test_the_longer_somebody_waits_the_rarer_the_job_is_looked_at() -> None:
    rests = list(islice(_rests(), 10))
    assert rests == sorted(rests)
    assert rests[0] == pytest.approx(0.05)
    assert rests[-1] == pytest.approx(0.3)
