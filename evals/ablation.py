"""`lorekeeper eval ablation`: what each idea in the retriever is worth, each left out in turn, on the same index."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import Any

from core.build import Application, open_application
from core.responder import Responder
from core.retrieval.chroma import HEADING_FACTOR, ChromaIndex
from core.retrieval.hybrid import HybridRetriever
from core.retrieval.rescore import WEIGHTS, Weights
from core.settings import Settings
from evals.answers import sample
from evals.datasets import Dataset
from evals.metrics import ndcg
from evals.retrieval import Report, apart, ingest, search

MOST_QUESTIONS = 300


@dataclass(frozen=True, slots=True)
class Variant:
    """The retriever with one thing changed. `lexical_weight` None: that of the settings."""

    name: str
    lexical_weight: float | None = None
    weights: Weights | None = WEIGHTS
    heading_factor: float = HEADING_FACTOR


VARIANTS = (
    Variant("as shipped"),
    Variant("meaning only", lexical_weight=0.0, weights=replace(WEIGHTS, adjacent=0.0, near=0.0)),
    Variant("words only", lexical_weight=1.0, heading_factor=0.0),
    Variant("candidates not scored again", weights=None),
    Variant("without word pairs", weights=replace(WEIGHTS, adjacent=0.0, near=0.0)),
    Variant("statements weighed as questions", weights=replace(WEIGHTS, statement=1.0)),
    Variant("without vectors of headings", heading_factor=0.0),
)


async def evaluate_ablation(datasets: Sequence[Dataset], settings: Settings, report: Report) -> list[dict[str, Any]]:
    """One row for each variant: nDCG@10 by data set, of at most `MOST_QUESTIONS` each, without their histories."""
    columns = {dataset.name: await _columns(dataset, settings, report) for dataset in datasets}
    return [
        {
            "variant": variant.name,
            **{name: round(column[variant.name], 4) for name, column in columns.items()},
            "mean": round(fmean(column[variant.name] for column in columns.values()), 4),
        }
        for variant in VARIANTS
    ]


async def _columns(dataset: Dataset, settings: Settings, report: Report) -> Mapping[str, float]:
    questions = [replace(question, history=()) for question in sample(dataset.questions, MOST_QUESTIONS)]
    asked = replace(dataset, questions=tuple(questions))
    with TemporaryDirectory(prefix="lorekeeper-eval-") as folder:
        application = await asyncio.to_thread(open_application, apart(settings, Path(folder)), "lorekeeper eval")
        try:
            await ingest(application, dataset, report)
            return {variant.name: await _quality(application, asked, variant, report) for variant in VARIANTS}
        finally:
            application.close()


async def _quality(application: Application, asked: Dataset, variant: Variant, report: Report) -> float:
    responder = application.asker
    assert isinstance(responder, Responder)
    retriever = responder.retriever
    assert isinstance(retriever, HybridRetriever)
    assert isinstance(retriever.vectors, ChromaIndex)
    retriever.vectors.heading_factor = variant.heading_factor
    settings = retriever.settings
    if variant.lexical_weight is not None:
        settings = settings.model_copy(update={"lexical_weight": variant.lexical_weight})
    changed = replace(responder, retriever=replace(retriever, settings=settings, weights=variant.weights))
    found = await search(replace(application, asker=changed), asked, report)
    return fmean(ndcg(row.documents, row.question.gold) for row in found) if found else 0.0
