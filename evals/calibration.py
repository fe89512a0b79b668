"""`lorekeeper eval calibrate`: when not to answer, fitted and shown.

Each data set is indexed by itself. Its answerable questions (whose gold document is among the first passages), its
unanswerable ones, and questions of the other data sets, which are about something else, go through the real retriever.
A logistic regression is fitted over the signals of all data sets, each weighing the same, and its bias is moved so that
0.5 refuses `REFUSED` of the answerable questions on average.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.engine import make_url

from core.abstention import BUILT_IN, DEFAULT_THRESHOLD, SIGNALS, Calibration
from core.build import Application, open_application, open_embedder
from core.errors import InvalidRequest
from core.responder import Responder
from core.settings import Settings
from core.store.calibrations import Calibrations
from core.store.engine import open_engine
from core.store.meta import IndexMeta
from core.types import Scope, Signals
from evals.datasets import Dataset, EvalQuestion
from evals.retrieval import NAMESPACE, Report, apart, corpus_ids, ingest

REFUSED = 0.04
MOST_OF_A_KIND = 400
FOREIGN_PER_SET = 100
FOUND_WITHIN = 5
RIDGE = 0.01
NEWTON_STEPS = 50
# Points of a curve that is drawn.
CURVE_POINTS = 100
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


def fit(observed: Mapping[str, Sequence[Observation]], fitted_on: str = "") -> Calibration:
    """Ridge logistic regression by Newton's method on standardised signals; classes and data sets weigh the same."""
    rows = [row for observations in observed.values() for row in observations]
    answerable = [row for row in rows if row.kind is Kind.ANSWERABLE]
    if not answerable or len(answerable) == len(rows):
        raise InvalidRequest(
            "To learn when not to answer, questions are needed that the documents answer and that were found, and others: "
            "unanswerable ones (answerable: false), or a second data set, whose questions are about something else."
        )
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
    fitted = Calibration(float(beta[0] - slopes @ mean), tuple(map(float, slopes)), fitted_on)
    return replace(fitted, bias=fitted.bias - _threshold(fitted, observed))


def in_use(settings: Settings) -> Calibration:
    """What the configured index uses now, which another process may have open. Raises `StorageFailed`."""
    url = settings.database_url
    if url.startswith("sqlite") and not (settings.data_dir / (make_url(url).database or "")).is_file():
        return BUILT_IN
    embedder = open_embedder(settings)
    engine = open_engine(url, settings.data_dir)
    try:
        return Calibrations(IndexMeta(engine), embedder.identity).get()
    finally:
        engine.dispose()
        embedder.close()


def rows(
    observed: Mapping[str, Sequence[Observation]], fitted: Calibration, used: Calibration | None
) -> list[dict[str, Any]]:
    """The figures of each calibration on each data set. `used`: what the index uses now; None when nobody knows."""
    stored = {} if used is None or used == BUILT_IN else {"stored": used}
    return [
        {"weights": name, "in_use": None if used is None else each == used, **row(dataset, observations, each)}
        for name, each in {"built-in": BUILT_IN, **stored, "fitted": fitted}.items()
        for dataset, observations in observed.items()
    ]


def keep(settings: Settings, fitted: Calibration) -> None:
    """Store it with the configured index. Raises `DataFolderInUse` while a server has it open: it reads it at its start."""
    application = open_application(settings, "lorekeeper eval", through_owner=False)
    try:
        assert application.record is not None
        application.record.calibrations.set(fitted)
    finally:
        application.close()


def row(name: str, observations: Sequence[Observation], used: Calibration) -> dict[str, Any]:
    """How many questions of each kind there are, and which part of them is refused.

    `precision` and `recall` are of abstaining on the data set's own unanswerable questions; `curve` has them for other
    thresholds, as [threshold, precision, recall], from refusing nothing to refusing everything.
    """
    confidences = {kind: _confidences([each for each in observations if each.kind is kind], used) for kind in Kind}
    refused = {kind: values < DEFAULT_THRESHOLD for kind, values in confidences.items()}
    counts = {f"{kind}": len(refused[kind]) for kind in Kind}
    shares = {f"{kind}_refused": round(float(refused[kind].mean()), 3) if len(refused[kind]) else None for kind in Kind}
    answerable, unanswerable = confidences[Kind.ANSWERABLE], confidences[Kind.UNANSWERABLE]
    precision, recall = _precision_recall(answerable, unanswerable, DEFAULT_THRESHOLD)
    curve = _curve(answerable, unanswerable) if len(unanswerable) else []
    return {
        "dataset": name,
        **counts,
        **shares,
        "precision": precision,
        "recall": recall,
        "threshold": DEFAULT_THRESHOLD,
        "curve": curve,
    }


def _curve(answerable: Numbers, unanswerable: Numbers) -> list[list[float]]:
    limits = np.unique(np.quantile(np.concatenate([answerable, unanswerable]), np.linspace(0, 1, CURVE_POINTS)))
    points = []
    for limit in [*map(float, limits[1:]), 1.0]:
        precision, recall = _precision_recall(answerable, unanswerable, limit)
        if precision is not None and recall is not None:
            points.append([round(limit, 4), precision, recall])
    return points


def _precision_recall(answerable: Numbers, unanswerable: Numbers, limit: float) -> tuple[float | None, float | None]:
    wrongly, rightly = int((answerable < limit).sum()), int((unanswerable < limit).sum())
    precision = round(rightly / (rightly + wrongly), 3) if rightly + wrongly else None
    return (precision, round(rightly / len(unanswerable), 3)) if len(unanswerable) else (None, None)


def _confidences(observations: Sequence[Observation], used: Calibration) -> Numbers:
    return np.array([used.confidence(each.signals) for each in observations], dtype=float)


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
            observations.append(Observation(kind, await asyncio.to_thread(responder.evidence.signals, found)))
        report("asking", number, len(asked))
    return observations


def _matrix(observations: Sequence[Observation]) -> Numbers:
    return np.array([astuple(each.signals) for each in observations], dtype=float).reshape(-1, len(SIGNALS))


def _importance(observations: Sequence[Observation]) -> Numbers:
    """Half of a data set's weight for the answerable questions; near misses and other topics share the other half."""
    counts = {kind: sum(each.kind is kind for each in observations) for kind in Kind}
    has_unanswerable = counts[Kind.UNANSWERABLE] > 0
    share = {
        Kind.ANSWERABLE: 1.0,
        Kind.UNANSWERABLE: 0.5,
        Kind.OFF_TOPIC: 0.5 if has_unanswerable else 1.0,
    }
    return np.array([share[each.kind] / counts[each.kind] for each in observations], dtype=float)


def _threshold(fitted: Calibration, observed: Mapping[str, Sequence[Observation]]) -> float:
    """The log-odds below which `REFUSED` of the answerable questions lie, averaged over the data sets."""
    weights = np.array(fitted.weights)
    scores = [
        _matrix([each for each in observations if each.kind is Kind.ANSWERABLE]) @ weights + fitted.bias
        for observations in observed.values()
        if any(each.kind is Kind.ANSWERABLE for each in observations)
    ]
    candidates = np.unique(np.concatenate(scores))
    refused = [float(np.mean([(each < limit).mean() for each in scores])) for limit in candidates]
    return float(max(limit for limit, part in zip(candidates, refused, strict=True) if part <= REFUSED))
