"""Questions that have nothing to do with documents: what a tuned model should still know. Pure, but for reading the file."""

from __future__ import annotations

import json
import re
import unicodedata
from pathlib import Path
from typing import Any

from core.errors import InvalidRequest
from tuning.evaluation.types import GeneralQuestion

BUILT_IN = Path(__file__).with_name("general.jsonl")
ANSWER_TOKENS = 48
EXACT = "exact"
_IDEOGRAPH = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]")
_WORD = re.compile(r"\d+(?:\.\d+)+|[^\W_]+")


def read_general(path: Path = BUILT_IN) -> tuple[GeneralQuestion, ...]:
    """One JSON object on each line: `question`, `answers`, and if wanted `kind`, `language`, `match` (`exact`).

    Raises `InvalidRequest` with the line that is wrong.
    """
    try:
        # Windows puts a mark before it, and a text may hold line separators of its own.
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except OSError as error:
        raise InvalidRequest(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"{path} cannot be read: it is not text in UTF-8.") from error
    found = [_question(line, f"{path}, line {number}") for number, line in enumerate(lines, start=1) if line.strip()]
    if not found:
        raise InvalidRequest(f"{path} has no questions.")
    return tuple(found)


def is_right(question: GeneralQuestion, reply: str) -> bool:
    """Whether the reply is one of the accepted answers, or holds it as whole words."""
    said = _words(reply)
    return any(
        said == wanted if question.is_exact else _holds(said, wanted) for wanted in map(_words, question.answers)
    )


def _holds(said: list[str], wanted: list[str]) -> bool:
    return any(said[start : start + len(wanted)] == wanted for start in range(len(said) - len(wanted) + 1))


def _words(text: str) -> list[str]:
    """In small letters and without punctuation; ideographs, which nothing separates, stand for themselves."""
    return _WORD.findall(_IDEOGRAPH.sub(r" \g<0> ", unicodedata.normalize("NFKC", text)).casefold())


def _question(line: str, where: str) -> GeneralQuestion:
    try:
        row: dict[str, Any] = json.loads(line)
        answers = _several(row["answers"])
        question = str(row["question"])
        exact = row.get("match", "") == EXACT
        kind, language = str(row.get("kind", "")), str(row.get("language", ""))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidRequest(f"{where}, is not a question with a list of its answers.") from error
    if not question.strip() or not answers or not all(map(_words, answers)):
        raise InvalidRequest(f"{where}, has no question or an empty answer.")
    return GeneralQuestion(question, answers, kind, language, exact)


def _several(value: Any) -> tuple[str, ...]:
    """A text alone would be taken for its letters."""
    if not isinstance(value, list):
        raise TypeError(value)
    return tuple(map(str, value))
