"""What operators decide about how files are read. Travels with each file to the process that reads it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

OCR_SECONDS = 90.0
"""For a file, less than a parser gets in all."""
_OCR_SHARE = 0.75
"""Of the seconds for a file; the rest is for what comes before and after."""


@dataclass(frozen=True, slots=True)
class ParseOptions:
    """`passwords` are tried in order on protected files; `ocr_languages` as tesseract takes them (`eng+deu`).

    `elsewhere`: media types without a parser here that another program reads.
    """

    passwords: tuple[str, ...] = field(default=(), repr=False)
    ocr_languages: str = "eng"
    ocr_seconds: float = OCR_SECONDS
    elsewhere: frozenset[str] = frozenset()

    def to_json(self) -> dict[str, Any]:
        return {
            "passwords": self.passwords,
            "ocr_languages": self.ocr_languages,
            "ocr_seconds": self.ocr_seconds,
            "elsewhere": sorted(self.elsewhere),
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> ParseOptions:
        return cls(
            tuple(value["passwords"]), value["ocr_languages"], value["ocr_seconds"], frozenset(value["elsewhere"])
        )


def ocr_seconds(seconds: float) -> float:
    """How much of the time for a file text recognition may take."""
    return seconds * _OCR_SHARE


DEFAULT = ParseOptions()
