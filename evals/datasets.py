"""Evaluation data on disk: a folder with `corpus.jsonl` and `questions.jsonl`, one JSON object on each line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from core.errors import InvalidRequest
from core.types import Turn

# Where the public sets come from that the figures in docs/benchmarks.md were measured on.
PUBLIC = {
    "wixqa160": "huggingface.co/datasets/Wix/WixQA (MIT; 160 questions and their articles)",
    "contoso_hr_pages": "github.com/Azure-Samples/azure-search-openai-demo, folder data (MIT; one document for each page)",
    "workarena_kb": "github.com/ServiceNow/WorkArena, the knowledge base (Apache-2.0)",
    "clapnq_dev": "github.com/primeqa/clapnq, the annotated dev set (Apache-2.0, text CC BY-SA)",
    "squad2_a": "rajpurkar.github.io/SQuAD-explorer, the first articles of the dev set 2.0 (CC BY-SA 4.0)",
    "scifact_dev": "huggingface.co/datasets/BeIR/scifact (CC BY 4.0; the test questions)",
    "mtrag_clapnq": "github.com/IBM/mt-rag-benchmark, domain clapnq (Apache-2.0)",
}
CORPUS = "corpus.jsonl"
# Conversations of support desks have agents.
ROLES: Mapping[str, Literal["user", "assistant"]] = {"user": "user", "assistant": "assistant", "agent": "assistant"}
T = TypeVar("T")
FORM = (
    "Write it as corpus.jsonl (doc_id, title, text on each line) and questions.jsonl (qid, question, history, "
    "gold_doc_ids, answers, answerable)."
)


@dataclass(frozen=True, slots=True)
class CorpusDocument:
    """One line of `corpus.jsonl`."""

    id: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class EvalQuestion:
    """One line of `questions.jsonl`. `answerable` is None where nobody judged it."""

    id: str
    text: str
    history: tuple[Turn, ...]
    gold: frozenset[str]
    answers: tuple[str, ...]
    answerable: bool | None
    rewrite: str = ""
    """A person's rewriting of a follow-up as a question that stands alone, where there is one."""


@dataclass(frozen=True, slots=True)
class Dataset:
    name: str
    documents: tuple[CorpusDocument, ...]
    questions: tuple[EvalQuestion, ...]


class _Wrong(Exception):
    """The message is what is wrong with a line, as the end of a sentence."""


def is_dataset(folder: Path) -> bool:
    """Whether it says that it is one, or is a public one that is not there."""
    return (folder / CORPUS).is_file() or (not folder.exists() and folder.name in PUBLIC)


def read_dataset(folder: Path) -> Dataset:
    """Raises `InvalidRequest` when the folder is not such a data set, with the line that is wrong."""
    if not folder.is_dir() and (source := PUBLIC.get(folder.name)) is not None:
        raise InvalidRequest(f"{folder} is not there. {folder.name} can be had from {source}. {FORM}")
    if not folder.is_dir():
        raise InvalidRequest(f"{folder} is not a folder. A data set is a folder with corpus.jsonl and questions.jsonl.")
    documents = tuple(_read(folder / CORPUS, _document))
    questions = tuple(_read(folder / "questions.jsonl", _question))
    return Dataset(folder.resolve().name, documents, questions)


def _document(row: Mapping[str, Any]) -> CorpusDocument:
    return CorpusDocument(_name(row, "doc_id"), _text(row, "title", ""), _text(row, "text"))


def _question(row: Mapping[str, Any]) -> EvalQuestion:
    meta = row.get("meta") or {}
    return EvalQuestion(
        id=_name(row, "qid"),
        text=_text(row, "question"),
        history=tuple(map(_turn, _list(row, "history"))),
        gold=frozenset(_names(row, "gold_doc_ids")),
        answers=_names(row, "answers"),
        answerable=_judged(row),
        rewrite=_text(meta, "rewrite", "") if isinstance(meta, Mapping) else "",
    )


def _turn(row: Any) -> Turn:
    role, text = _text(row, "role"), _text(row, "text")
    if role not in ROLES:
        raise _Wrong("has a history whose role is neither user nor assistant")
    return Turn(ROLES[role], text)


def _name(row: Mapping[str, Any], key: str) -> str:
    if key not in row:
        raise _Wrong(f"lacks {key}")
    if not _is_name(row[key]):
        raise _Wrong(f"has a {key} that is neither a text nor a number")
    return str(row[key])


def _text(row: Any, key: str, default: str | None = None) -> str:
    """`default`: of what is not there, or null. None: it must be there."""
    value = row.get(key) if isinstance(row, Mapping) else None
    if value is None:
        if default is None:
            raise _Wrong(f"lacks {key}")
        return default
    if not isinstance(value, str):
        raise _Wrong(f"has a {key} that is no text")
    return value


def _names(row: Mapping[str, Any], key: str) -> tuple[str, ...]:
    values = _list(row, key)
    if not all(map(_is_name, values)):
        raise _Wrong(f"has {key} that are no texts")
    return tuple(map(str, values))


def _list(row: Mapping[str, Any], key: str) -> list[Any]:
    value = row.get(key)
    if value is not None and not isinstance(value, list):
        raise _Wrong(f"has {key} that are no list")
    return value or []


def _judged(row: Mapping[str, Any]) -> bool | None:
    value = row.get("answerable")
    if value is not None and not isinstance(value, bool):
        raise _Wrong("has an answerable that is neither true, false nor null")
    return value


def _is_name(value: Any) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def _read(path: Path, make: Callable[[Mapping[str, Any]], T]) -> Iterator[T]:
    """What the lines say, each made by `make`, which raises `_Wrong`."""
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                if not line.strip():
                    continue
                try:
                    row = json.loads(line)
                except (ValueError, RecursionError) as error:
                    raise InvalidRequest(f"{path}, line {number}, is not a JSON object.") from error
                if not isinstance(row, dict):
                    raise InvalidRequest(f"{path}, line {number}, is not a JSON object.")
                try:
                    yield make(row)
                except _Wrong as error:
                    raise InvalidRequest(f"{path}, line {number}, {error}.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"{path} cannot be read: {error}.") from error
