"""`lorekeeper eval calibration`: the weights and the threshold of `core.abstention`, and how well they tell apart.

Each data set is indexed by itself. Its answerable questions (whose gold document is among the first passages), its
unanswerable ones, and questions of the other data sets, which are about something else, go through the real retriever.
A logistic regression is fitted over the signals of all data sets, each weighing the same, and its bias is moved so that
0.5 refuses `REFUSED` of the answerable questions on average.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.abstention import BIAS, WEIGHTS
from core.build import Application, open_application
from core.responder import Responder
from core.settings import Settings
from core.types import Scope, Signals
from evals.datasets import Dataset, EvalQuestion
from evals.retrieval import NAMESPACE, Report, apart, corpus_ids, ingest

REFUSED = 0.02
MOST_OF_A_KIND = 400
FOREIGN_PER_SET = 100
FOUND_WITHIN = 5
RIDGE = 0.01
NEWTON_STEPS = 50
SIGNALS = tuple(field.name for field in fields(Signals))
Numbers = NDArray[np.float64]


class Kind(StrEnum):
    """What a question is to the documents that it is asked of."""

    ANSWERABLE = "answerable"
    UNANSWERABLE = "unanswerable"
    OFF_TOPIC = "off_topic"


@dataclass(frozen=True, slots=True)
class Observation:
    kind: Kind
    signals: Signals


@dataclass(frozen=True, slots=True)
class Model:
    """A logistic regression; `weights` are in the order of `SIGNALS`."""

    bias: float
    weights: tuple[float, ...]

    def scores(self, observations: Sequence[Observation]) -> Numbers:
        """Log-odds, shape (n,)."""
        odds: Numbers = _matrix(observations) @ np.array(self.weights) + self.bias
        return odds


IN_USE = Model(BIAS, tuple(WEIGHTS[name] for name in SIGNALS))


async def observe(dataset: Dataset, others: Sequence[Dataset], settings: Settings, report: Report) -> list[Observation]:
    """Ask the data set's documents its own and the others' questions; histories are left out."""
    asked = _questions(dataset, others)
    with TemporaryDirectory(prefix="lorekeeper-eval-") as folder:
        application = await asyncio.to_thread(open_application, apart(settings, Path(folder)), "lorekeeper eval")
        try:
            await ingest(application, dataset, report)
            return await _ask(application, dataset, asked, report)
        finally:
            application.close()


def fit(observed: Mapping[str, Sequence[Observation]]) -> Model:
    """Ridge logistic regression by Newton's method on standardised signals; classes and data sets weigh the same."""
    rows = [row for observations in observed.values() for row in observations]
    weight = np.concatenate([_importance(observations) for observations in observed.values()])
    weight *= len(rows) / weight.sum()
    signals = _matrix(rows)
    mean, spread = signals.mean(axis=0), signals.std(axis=0) + 1e-9
    design = np.column_stack([np.ones(len(rows)), (signals - mean) / spread])
    target = np.array([row.kind is Kind.ANSWERABLE for row in rows], dtype=float)
    ridge = RIDGE * len(rows) * np.array([0.0] + [1.0] * len(SIGNALS))
    beta = np.zeros(design.shape[1])
    for _ in range(NEWTON_STEPS):
        probability = 1 / (1 + np.exp(-design @ beta))
        gradient = design.T @ (weight * (probability - target)) + ridge * beta
        hessian = (design.T * (weight * probability * (1 - probability))) @ design + np.diag(ridge)
        beta -= np.linalg.solve(hessian, gradient)
    slopes = beta[1:] / spread
    fitted = Model(float(beta[0] - slopes @ mean), tuple(float(slope) for slope in slopes))
    return Model(fitted.bias - _threshold(fitted, observed), fitted.weights)


def row(name: str, observations: Sequence[Observation], model: Model) -> dict[str, Any]:
    """How many questions of each kind there are, and which part of them the model refuses."""
    refused = {
        kind: model.scores([each for each in observations if each.kind is kind]) < 0
        for kind in Kind
        if any(each.kind is kind for each in observations)
    }
    counts = {f"{kind}": len(refused.get(kind, ())) for kind in Kind}
    shares = {f"{kind}_refused": round(float(refused[kind].mean()), 3) if kind in refused else None for kind in Kind}
    return {"dataset": name, **counts, **shares}


def _questions(dataset: Dataset, others: Sequence[Dataset]) -> list[tuple[Kind, EvalQuestion]]:
    chance = random.Random(1)  # noqa: S311 - the same sample every time
    own = chance.sample(dataset.questions, len(dataset.questions))
    answerable = [question for question in own if question.gold and question.answerable is not False]
    unanswerable = [question for question in own if question.answerable is False]
    foreign = [
        question
        for other in others
        for question in chance.sample(other.questions, min(FOREIGN_PER_SET, len(other.questions)))
    ]
    return [
        *((Kind.ANSWERABLE, question) for question in answerable[:MOST_OF_A_KIND]),
        *((Kind.UNANSWERABLE, question) for question in unanswerable[:MOST_OF_A_KIND]),
        *((Kind.OFF_TOPIC, question) for question in foreign),
    ]


async def _ask(
    application: Application, dataset: Dataset, asked: Sequence[tuple[Kind, EvalQuestion]], report: Report
) -> list[Observation]:
    responder = application.asker
    assert isinstance(responder, Responder)
    ids = corpus_ids(dataset)
    observations = []
    for number, (kind, question) in enumerate(asked, start=1):
        found = await responder.retriever.retrieve(question.text, Scope(NAMESPACE))
        first = {ids.get(passage.document_id) for passage in found.passages[:FOUND_WITHIN]}
        # A question whose document was not found is rightly refused: it says nothing about the signals.
        if kind is not Kind.ANSWERABLE or first & question.gold:
            signals = await asyncio.to_thread(responder.evidence.signals, found)
            observations.append(Observation(kind, signals))
        report("asking", number, len(asked))
    return observations


def _matrix(observations: Sequence[Observation]) -> Numbers:
    return np.array([astuple(each.signals) for each in observations], dtype=float).reshape(-1, len(SIGNALS))


def _importance(observations: Sequence[Observation]) -> Numbers:
    """Half of a data set's weight for the answerable questions; unanswerable ones, which may be near misses, count half."""
    counts = {kind: sum(each.kind is kind for each in observations) for kind in Kind}
    has_unanswerable = counts[Kind.UNANSWERABLE] > 0
    share = {
        Kind.ANSWERABLE: 1.0,
        Kind.UNANSWERABLE: 0.25,
        Kind.OFF_TOPIC: 0.5 if has_unanswerable else 1.0,
    }
    return np.array([share[each.kind] / counts[each.kind] for each in observations])


def _threshold(model: Model, observed: Mapping[str, Sequence[Observation]]) -> float:
    """The log-odds below which `REFUSED` of the answerable questions lie, averaged over the data sets."""
    scores = [
        model.scores([each for each in observations if each.kind is Kind.ANSWERABLE])
        for observations in observed.values()
    ]
    candidates = np.unique(np.concatenate(scores))
    refused = [float(np.mean([(each < limit).mean() for each in scores])) for limit in candidates]
    return float(max(limit for limit, part in zip(candidates, refused, strict=True) if part <= REFUSED))
