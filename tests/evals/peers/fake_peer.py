"""Peers as `evals/peers/protocol.py` wants them, of the standard library only: documents by words in common."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

PACKAGES: tuple[str, ...] = ()


class ENCODER:
    def encode(self, text: str) -> set[str]:
        time.sleep(0.001)
        return set(text.casefold().split())


class Words:
    def __init__(self, model: str, folder: str) -> None:
        assert (Path(model) / "tokenizer.json").is_file()
        assert not list(Path(folder).iterdir())
        self._model = ENCODER()
        self._log = Path(os.environ["FAKE_LOG"])
        self._note(type(self).__name__.lower())

    def _note(self, line: str) -> None:
        with self._log.open("a") as file:
            file.write(f"{line}\n")

    def ingest(self, documents: Sequence[Any]) -> int:
        self._chunks = [
            (document.id, self._model.encode(text))
            for document in documents
            for text in (document.title, document.text)
        ]
        return len(self._chunks)

    def search(self, question: str, depth: int) -> list[str]:
        words = self._model.encode(question)
        ranked = sorted(self._chunks, key=lambda chunk: -len(chunk[1] & words))
        return [document for document, _ in ranked[:depth]]


class Backwards(Words):
    def search(self, question: str, depth: int) -> list[str]:
        return super().search(question, depth)[::-1]


class Fickle(Words):
    """Backwards every other time."""

    def search(self, question: str, depth: int) -> list[str]:
        found = super().search(question, depth)
        return found if self._log.read_text().count("fickle") % 2 else found[::-1]


class Broken(Words):
    def ingest(self, documents: Sequence[Any]) -> int:
        raise ValueError("no such splitter")


class Silent(Words):
    def ingest(self, documents: Sequence[Any]) -> int:
        sys.exit(0)


class Hanging(Words):
    def ingest(self, documents: Sequence[Any]) -> int:
        self._note(f"process {os.getpid()}")
        time.sleep(600)
        return 0


class Curious(Words):
    """Tells the variable that it is asked for, or whether there is such a module."""

    def search(self, question: str, depth: int) -> list[str]:
        if question.isupper():
            return [os.environ.get(question, "")]
        return [] if find_spec(question) is None else [question]


SYSTEMS = {kind.__name__.lower(): kind for kind in (Words, Backwards, Fickle, Broken, Silent, Hanging, Curious)}
