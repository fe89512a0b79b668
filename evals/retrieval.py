"""`lorekeeper eval retrieval`: how well and how fast passages are found, through the whole product path.

The corpus goes through the real ingest (split, embedding, Chroma, lexical index) into a folder of its own; each question
goes through the real retriever, follow-ups with their history. A document's rank is that of its best passage.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import Any

from core.build import Application, open_application
from core.errors import InvalidRequest
from core.responder import Responder
from core.settings import Chroma, Database, Settings
from core.types import DocumentChange, Retrieval, Scope
from evals.datasets import CorpusDocument, Dataset, EvalQuestion
from evals.metrics import hit, ndcg, percentile, recall, reciprocal_rank
from evals.processes import resident_mb
from ingest.documents import document_id
from ingest.parse.plain import PlainParser
from ingest.pipeline import Pipeline
from ingest.received import Received

NAMESPACE = "eval"
# Passages asked for, so that ten different documents are among them.
DEPTH = 50
Report = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Found:
    """One question's outcome."""

    question: EvalQuestion
    documents: tuple[str, ...]
    retrieval: Retrieval
    milliseconds: float


class Queries(StrEnum):
    """What is searched for where a question has a history."""

    ASKED = "asked"
    """The question with its history, as the product does."""
    ALONE = "alone"
    """The last question without its history."""
    REWRITTEN = "rewritten"
    """A person's rewriting, where the data set has one."""

    def of(self, question: EvalQuestion) -> EvalQuestion:
        if self is Queries.ASKED:
            return question
        text = question.rewrite if self is Queries.REWRITTEN and question.rewrite else question.text
        return replace(question, text=text, history=())


async def evaluate(
    dataset: Dataset, settings: Settings, report: Report, queries: Sequence[Queries] = (Queries.ASKED,)
) -> list[dict[str, Any]]:
    """A row of figures for each kind of query, all on one index; the keys are those of `lorekeeper eval retrieval --json`.

    `followups_ndcg@10` is over the questions that have a history, whatever is searched for. Raises `InvalidRequest` when
    no question can be scored.
    """
    if not scorable(dataset):
        raise InvalidRequest(
            f"{dataset.name} has no question that can be scored: none of its {len(dataset.questions)} questions names "
            "documents that answer it (gold_doc_ids)."
        )
    followups = frozenset(question.id for question in dataset.questions if question.history)
    rows = []
    with TemporaryDirectory(prefix="lorekeeper-eval-") as folder:
        application = await asyncio.to_thread(open_application, apart(settings, Path(folder)), "lorekeeper eval")
        try:
            seconds, chunks = await ingest(application, dataset, report)
            for kind in queries:
                asked = replace(dataset, questions=tuple(map(kind.of, dataset.questions)))
                found = await search(application, asked, report)
                of_followups = [row for row in found if row.question.id in followups]
                rows.append(
                    _row(dataset, found, chunks, seconds)
                    | {
                        "queries": kind.value,
                        "followups": len(of_followups),
                        "followups_ndcg@10": _mean(ndcg, of_followups) if of_followups else None,
                    }
                )
        finally:
            application.close()
    return rows


def apart(settings: Settings, folder: Path) -> Settings:
    """The same settings on databases of its own, so that no evaluation touches real documents."""
    return settings.model_copy(update={"data_dir": folder, "database": Database(), "chroma": Chroma()})


async def ingest(
    application: Application, dataset: Dataset, report: Report, namespace: str = NAMESPACE
) -> tuple[float, int]:
    """Index the corpus; returns seconds and chunks."""
    pipeline = application.documents
    assert isinstance(pipeline, Pipeline)

    def progress(change: DocumentChange, done: int, total: int) -> None:
        report("indexing", done, total)

    start = time.perf_counter()
    changes = await pipeline.add_received([_received(document, namespace) for document in dataset.documents], progress)
    return time.perf_counter() - start, sum(change.document.chunks for change in changes if change.document)


def corpus_ids(dataset: Dataset) -> dict[str, str]:
    """The data set's own ids by those that its documents have in the index."""
    return {document_id(NAMESPACE, _source(document)): document.id for document in dataset.documents}


def scorable(dataset: Dataset) -> list[EvalQuestion]:
    """The questions that have documents to be found."""
    return [question for question in dataset.questions if question.gold and question.answerable is not False]


async def search(application: Application, dataset: Dataset, report: Report) -> list[Found]:
    """Ask every question that has gold documents, one at a time."""
    responder = application.asker
    assert isinstance(responder, Responder)
    ids = corpus_ids(dataset)
    asked = scorable(dataset)
    found = []
    for number, question in enumerate(asked, start=1):
        start = time.perf_counter()
        query = await responder.rewriter.standalone(question.text, question.history)
        retrieval = await responder.retriever.retrieve(query, Scope(NAMESPACE), DEPTH)
        elapsed = (time.perf_counter() - start) * 1000
        ranked = dict.fromkeys(ids[passage.document_id] for passage in retrieval.passages)
        found.append(Found(question, tuple(ranked), retrieval, elapsed))
        report("asking", number, len(asked))
    return found


def _received(document: CorpusDocument, namespace: str) -> Received:
    data = document.text.encode()
    parsed = PlainParser().parse(data, document.id)
    parsed = replace(parsed, title=document.title or document.id, media_type="text/plain")
    return Received(document.id, _source(document), namespace, data, parsed=parsed)


def _source(document: CorpusDocument) -> str:
    return f"eval:{document.id}"


def _mean(metric: Callable[..., float], found: Sequence[Found]) -> float:
    return round(fmean(metric(row.documents, row.question.gold) for row in found), 4) if found else 0.0


def _row(dataset: Dataset, found: Sequence[Found], chunks: int, seconds: float) -> dict[str, Any]:
    times = [row.milliseconds for row in found]
    return {
        "dataset": dataset.name,
        "documents": len(dataset.documents),
        "chunks": chunks,
        "questions": len(found),
        "ndcg@10": _mean(ndcg, found),
        "recall@5": _mean(recall, found),
        "mrr@10": _mean(reciprocal_rank, found),
        "hit@3": _mean(hit, found),
        "ingest_seconds": round(seconds, 2),
        "documents_per_second": round(len(dataset.documents) / seconds, 2) if seconds else 0.0,
        "query_ms_p50": round(percentile(times, 0.5), 2),
        "query_ms_p95": round(percentile(times, 0.95), 2),
        "rss_mb": resident_mb(),
    }
