"""`lorekeeper eval answers`: whole answers, by whichever generator the settings name, held against the data set.

The corpus is indexed as for `eval retrieval`, each question goes through the whole responder, and what comes back is
checked against the corpus itself, not against the passages that the answer was made from:

- an answer is right if it cites a gold document; one to an unanswerable question never is;
- a citation is right if the document that it names holds the sentence it stands at: all of its figures and
  `SUPPORT` of its words (a lexical stand-in for the entailment model of ALCE, Gao et al., 2023), and its quote verbatim.
"""

from __future__ import annotations

import asyncio
import random
import re
import string
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import Any

from core.build import Application, open_application
from core.citations import parse_citations
from core.errors import GenerationUnavailable, InvalidRequest
from core.sentences import sentences
from core.settings import Settings
from core.text import analyze
from core.types import Answer, Outcome, Question, Scope
from evals.datasets import Dataset, EvalQuestion
from evals.metrics import percentile
from evals.retrieval import NAMESPACE, Report, apart, corpus_ids, ingest

MOST_QUESTIONS = 600
SUPPORT = 0.8
# Shorter pieces are headings and remains of lists: nothing that could be right or wrong.
FEWEST_WORDS = 3
_ARTICLES = re.compile(r"\b(a|an|the)\b")
_MARKS = re.compile(r"\s*\[\d{1,3}\]")
_FIGURE = re.compile(r"\d+(?:[.,:]\d+)*")
_LIST_NUMBER = re.compile(r"(?m)^\s*\(?\d{1,3}[.)]\s")


@dataclass(frozen=True, slots=True)
class Answered:
    """One question's outcome."""

    question: EvalQuestion
    answer: Answer
    cited: frozenset[str]
    """Ids of the cited documents, as the data set names them."""
    milliseconds: float

    @property
    def abstained(self) -> bool:
        return self.answer.outcome in {Outcome.NO_EVIDENCE, Outcome.EMPTY_INDEX}

    @property
    def is_right(self) -> bool:
        return self.question.answerable is not False and bool(self.cited & self.question.gold)


async def evaluate_answers(
    dataset: Dataset, settings: Settings, report: Report, most: int = MOST_QUESTIONS
) -> dict[str, Any]:
    """One row of figures; the keys are those of `lorekeeper eval answers --json`.

    Raises `InvalidRequest` when no question can be scored.
    """
    asked = sample(dataset.questions, most)
    if not asked:
        raise InvalidRequest(
            f"{dataset.name} has no question that can be scored: none of its {len(dataset.questions)} questions names "
            "documents that answer it (gold_doc_ids), or says that nothing does (answerable: false)."
        )
    with TemporaryDirectory(prefix="lorekeeper-eval-") as folder:
        application = await asyncio.to_thread(open_application, apart(settings, Path(folder)), "lorekeeper eval")
        try:
            await ingest(application, dataset, report)
            answered = await _ask(application, dataset, asked, report)
        finally:
            application.close()
    return row(dataset, answered)


def sample(questions: Sequence[EvalQuestion], most: int) -> list[EvalQuestion]:
    """At most so many, the same every time; those whose answerability nobody knows are left out."""
    known = [question for question in questions if question.answerable is False or question.gold]
    chosen = random.Random(1).sample(known, min(most, len(known)))  # noqa: S311 - the same sample every time
    return sorted(chosen, key=lambda question: question.id)


async def _ask(
    application: Application, dataset: Dataset, asked: Sequence[EvalQuestion], report: Report
) -> list[Answered]:
    ids = corpus_ids(dataset)
    answered = []
    for number, question in enumerate(asked, start=1):
        start = time.perf_counter()
        answer = await application.asker.ask(
            Question(
                id=f"eval-{number}", text=question.text, scope=Scope(NAMESPACE), asker="eval", history=question.history
            )
        )
        elapsed = (time.perf_counter() - start) * 1000
        cited = frozenset(ids[citation.document_id] for citation in answer.citations)
        if answer.outcome is Outcome.FAILED:
            # A model that is down would look like one that knows what it does not know.
            raise GenerationUnavailable(f"Question {number} of {len(asked)} failed: {answer.text}")
        answered.append(Answered(question, answer, cited, elapsed))
        report("answering", number, len(asked))
    return answered


def row(dataset: Dataset, answered: Sequence[Answered]) -> dict[str, Any]:
    """The figures of a data set; a share of nothing is None."""
    texts = {document.id: f"{document.title}\n{document.text}" for document in dataset.documents}
    ids = corpus_ids(dataset)
    of_id = {document: texts[name] for document, name in ids.items()}
    given = [each for each in answered if each.answer.outcome is Outcome.ANSWERED]
    refused = [each for each in answered if each.abstained]
    unanswerable = [each for each in answered if each.question.answerable is False]
    judged = [judge(each.answer, of_id) for each in given]
    citations = [right for marks, _ in judged for right in marks]
    statements = [supported for _, kept in judged for supported in kept]
    times = [each.milliseconds for each in answered]
    with_gold = [each for each in answered if each.question.answerable is not False and each.question.answers]
    return {
        "dataset": dataset.name,
        "generator": "/".join(sorted({each.answer.generator for each in given})),
        "questions": len(answered),
        "answered": len(given),
        "abstained": len(refused),
        "answer_precision": _share(given, lambda each: each.is_right),
        "abstention_precision": _share(refused, lambda each: each.question.answerable is False),
        "abstention_recall": _share(unanswerable, lambda each: each.abstained),
        "citation_precision": _share(citations, bool),
        "citation_recall": _share(statements, bool),
        "token_f1": round(fmean(_f1(each) for each in with_gold), 4) if with_gold else None,
        "latency_ms_p50": round(percentile(times, 0.5), 1),
        "latency_ms_p95": round(percentile(times, 0.95), 1),
    }


def judge(answer: Answer, documents: Mapping[str, str]) -> tuple[list[bool], list[bool]]:
    """For each citation mark whether it is right, and for each statement whether a right one stands at it.

    `documents` are the corpus's texts by the ids that citations name.
    """
    cited = {citation.number: citation for citation in answer.citations}
    marks: list[bool] = []
    statements: list[bool] = []
    pending: list[str] = []
    for sentence in (piece for line in answer.text.split("\n") for piece in sentences(line)):
        plain, numbers = _MARKS.sub("", sentence), parse_citations(sentence)
        if not numbers:
            # A list's lead-in and items are cited by the mark at their end.
            pending.append(plain)
            continue
        statement = "\n".join([*pending, plain])
        pending = []
        right = [
            number in cited and _holds(documents[cited[number].document_id], statement, cited[number].quote)
            for number in numbers
        ]
        marks += right
        if len(plain.split()) >= FEWEST_WORDS:
            statements.append(any(right))
    statements += [False for plain in pending if len(plain.split()) >= FEWEST_WORDS and plain.strip() != "```"]
    return marks, statements


def token_f1(answer: str, gold: str) -> float:
    """SQuAD's overlap of words (Rajpurkar et al., 2016), 0 to 1."""
    ours, theirs = _tokens(answer), _tokens(gold)
    common = sum((Counter(ours) & Counter(theirs)).values())
    if not common:
        return 0.0
    precision, recall = common / len(ours), common / len(theirs)
    return 2 * precision * recall / (precision + recall)


def _f1(each: Answered) -> float:
    """The best over the gold answers; an answerable question that was refused scores 0."""
    if each.abstained:
        return 0.0
    text = _MARKS.sub("", each.answer.text)
    return max(token_f1(text, gold) for gold in each.question.answers)


def _tokens(text: str) -> list[str]:
    bare = text.lower().translate(str.maketrans("", "", string.punctuation))
    return _ARTICLES.sub(" ", bare).split()


def _holds(document: str, statement: str, quote: str) -> bool:
    figures = set(_FIGURE.findall(_LIST_NUMBER.sub("", statement)))
    if not figures <= set(_FIGURE.findall(document)):
        return False
    words, known = analyze(statement), set(analyze(document))
    if sum(word in known for word in words) < SUPPORT * len(words):
        return False
    return _squeezed(quote.removesuffix("…")) in _squeezed(document)


def _squeezed(text: str) -> str:
    """Without white space and Markdown's escapes, which parsing may change."""
    return re.sub(r"[\s\\]+", "", text)


def _share(items: Sequence[Any], holds: Callable[[Any], bool]) -> float | None:
    return round(fmean(holds(item) for item in items), 4) if items else None
