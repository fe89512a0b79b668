"""Evaluation data on disk: a folder with `corpus.jsonl` and `questions.jsonl`, one JSON object on each line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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


def is_dataset(folder: Path) -> bool:
    """Whether it says that it is one, or is a public one that is not there."""
    return (folder / CORPUS).is_file() or (not folder.exists() and folder.name in PUBLIC)


def read_dataset(folder: Path) -> Dataset:
    """Raises `InvalidRequest` when the folder is not such a data set, with the line that is wrong."""
    if not folder.is_dir() and (source := PUBLIC.get(folder.name)) is not None:
        raise InvalidRequest(f"{folder} is not there. {folder.name} can be had from {source}. {FORM}")
    if not folder.is_dir():
        raise InvalidRequest(f"{folder} is not a folder. A data set is a folder with corpus.jsonl and questions.jsonl.")
    documents = tuple(
        CorpusDocument(str(row["doc_id"]), row.get("title") or "", row["text"])
        for row in _rows(folder / CORPUS, ("doc_id", "text"))
    )
    questions = tuple(
        EvalQuestion(
            id=str(row["qid"]),
            text=row["question"],
            history=tuple(Turn(turn["role"], turn["text"]) for turn in row.get("history") or ()),
            gold=frozenset(map(str, row.get("gold_doc_ids") or ())),
            answers=tuple(row.get("answers") or ()),
            answerable=row.get("answerable"),
            rewrite=str((row.get("meta") or {}).get("rewrite") or ""),
        )
        for row in _rows(folder / "questions.jsonl", ("qid", "question"))
    )
    return Dataset(folder.resolve().name, documents, questions)


def _rows(path: Path, required: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                if not line.strip():
                    continue
                try:
                    row = json.loads(line)
                    missing = [key for key in required if key not in row]
                except (ValueError, TypeError) as error:
                    raise InvalidRequest(f"{path}, line {number}, is not a JSON object.") from error
                if missing:
                    raise InvalidRequest(f"{path}, line {number}, lacks {missing[0]}.")
                yield row
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"{path} cannot be read: {error}.") from error
