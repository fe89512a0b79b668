"""Peers for files as `evals/peers/protocol.py` wants them, of the standard library only."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

PACKAGES: tuple[str, ...] = ()


class ENCODER:
    def encode(self, text: str) -> None:
        time.sleep(0.002)


class Converts:
    """Reads text, and no PDF."""

    def __init__(self, model: str, folder: str) -> None:
        assert (Path(model) / "tokenizer.json").is_file()
        self._folder = Path(folder)

    def read(self, path: str) -> Sequence[str]:
        if path.endswith(".pdf"):
            raise ValueError("no reader for .pdf")
        if path.endswith(".exe"):
            raise OSError(f"{path} is odd")
        text = Path(path).read_text()
        return [text] if text.strip() else []

    def pages(self, path: str, parts: Sequence[str]) -> int:
        return 0


class Indexes(Converts):
    def pages(self, path: str, parts: Sequence[str]) -> int:
        return 2

    def split(self, parts: Sequence[str]) -> list[str]:
        time.sleep(0.002)
        return [sentence for part in parts for sentence in part.split(". ")]

    def store(self, chunks: Sequence[str]) -> None:
        for chunk in chunks:
            ENCODER().encode(chunk)
        (self._folder / "index").write_text("\n".join(chunks))


SYSTEMS = {"converts": Converts, "indexes": Indexes}
