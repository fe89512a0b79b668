"""A library whose embedding model waits at a word, for the tests of who carries jobs out."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from core.ports import Vectors
from core.types import DocumentChange, JobState, Origin
from tests.fakes.embedder import WordEmbedder
from tests.ingest.library import Library, open_library

RULE = "# Rules\n\nRule {} of the house.\n"
ADA = Origin("slack", "U1")


class Gate(WordEmbedder):
    """Holds back texts with a word in them, until it is opened."""

    def __init__(self, word: str) -> None:
        super().__init__()
        self._word = word
        self.is_reached = threading.Event()
        self.is_open = threading.Event()

    def embed(self, texts: Sequence[str]) -> Vectors:
        if any(self._word in text for text in texts):
            self.is_reached.set()
            assert self.is_open.wait(60)
        return super().embed(texts)


@contextmanager
def gated(folder: Path, word: str, **chosen: Any) -> Iterator[tuple[Library, Gate]]:
    gate = Gate(word)
    with open_library(folder, gate, **chosen) as library:
        try:
            yield library, gate
        finally:
            gate.is_open.set()


async def send(library: Library, path: Path, **given: Any) -> DocumentChange:
    return await library.pipeline.add_file(path.name, path, "default", **given)


def state(library: Library) -> dict[str, JobState]:
    return {job.name: job.state for job in library.all_jobs()}


async def received(library: Library, path: Path) -> None:
    """The file is written down, and nobody works on it."""
    library.pipeline.work = lambda: None  # type: ignore[method-assign]
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(send(library, path), 0.3)
    del library.pipeline.work
