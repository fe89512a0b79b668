"""Lorekeeper and what a user would pick instead: the same corpus, questions, model and machine, in the same run.

Every system goes through each data set several times, each time in a process of its own and in another order, so that
neither a warm cache nor a busy minute favours one. Questions are asked without their history, which the peers' defaults
do not know of.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean, median
from tempfile import TemporaryDirectory
from typing import Any

from core.errors import InvalidRequest
from core.retrieval.embed.onnx import model_source
from core.settings import load
from evals.datasets import Dataset, EvalQuestion, read_dataset
from evals.metrics import ndcg, percentile, recall
from evals.peers import process
from evals.peers.process import Subject
from evals.peers.protocol import Job, Result
from evals.retrieval import DEPTH, Report, scorable

HERE = Path(__file__).parent
LANGCHAIN = Subject(HERE / "with_langchain.py", "langchain")
SUBJECTS = {
    "lorekeeper": Subject(HERE / "with_lorekeeper.py"),
    "langchain": LANGCHAIN,
    "langchain_ensemble": LANGCHAIN,
    "llamaindex": Subject(HERE / "with_llamaindex.py", "llamaindex"),
    "haystack": Subject(HERE / "with_haystack.py", "haystack"),
}
RUNS = 3
# Documents of a ranking that have to be the same in every run: those that the figures look at.
COMPARED = 10


def systems() -> tuple[str, ...]:
    return tuple(SUBJECTS)


async def compare(
    dataset_folder: Path,
    systems: Sequence[str],
    runs: int,
    report: Report,
    max_questions: int | None = None,
) -> list[dict[str, Any]]:
    """One row of figures for each system.

    Raises `InvalidRequest` for an unknown system, a missing environment or a folder that is no data set, `SystemFailed`.
    """
    check(systems)
    dataset = read_dataset(dataset_folder)
    asked = scorable(dataset)[:max_questions]
    if not asked:
        raise InvalidRequest(f"{dataset.name} has no questions with documents that answer them.")
    results: dict[str, list[Result]] = {system: [] for system in systems}
    model = local_model()
    with TemporaryDirectory(prefix="lorekeeper-peers-") as name:
        data = Path(name) / "data"
        _write(data, dataset, asked)
        for system in systems:
            report(system, 0, runs)
        for run in range(runs):
            for system in order(systems, run):
                with TemporaryDirectory(prefix=f"{system}-", dir=name) as folder:
                    workspace = Path(folder) / "workspace"
                    workspace.mkdir()
                    job = Job(system, str(data), model, DEPTH, str(workspace))
                    results[system].append(await process.perform(SUBJECTS[system], job, Path(folder)))
                report(system, run + 1, runs)
    return [row(dataset, asked, system, results[system]) for system in systems]


def check(systems: Sequence[str]) -> None:
    """Raises `InvalidRequest` when a system is unknown, named twice, or its environment was not made, or none is named."""
    if not systems:
        raise InvalidRequest(f"No system to compare was named; there are {', '.join(SUBJECTS)}.")
    for system in systems:
        if system not in SUBJECTS:
            raise InvalidRequest(f"There is no system {system} to compare; there are {', '.join(SUBJECTS)}.")
        SUBJECTS[system].command(Path(), Path())
    if twice := [system for system, count in Counter(systems).items() if count > 1]:
        raise InvalidRequest(f"{twice[0]} is named twice.")


def order(systems: Sequence[str], run: int) -> list[str]:
    """Forwards, then backwards, then both again beginning with the next system, and so on."""
    first = run // 2 % len(systems)
    turned = [*systems[first:], *systems[:first]]
    return turned[::-1] if run % 2 else turned


def local_model() -> str:
    """The folder of the embedding model that all systems use. Raises `InvalidRequest` when Lorekeeper's is elsewhere."""
    settings = load()
    if settings.embedding.url:
        raise InvalidRequest("The peers use the same local model: unset embedding.url to compare with them.")
    return model_source(settings.embedding.model)


def _write(folder: Path, dataset: Dataset, asked: Sequence[EvalQuestion]) -> None:
    """The same files for every system, without the questions' history."""
    folder.mkdir()
    corpus = ({"doc_id": document.id, "title": document.title, "text": document.text} for document in dataset.documents)
    questions = (
        {"qid": question.id, "question": question.text, "gold_doc_ids": sorted(question.gold)} for question in asked
    )
    for name, rows in (("corpus", corpus), ("questions", questions)):
        with (folder / f"{name}.jsonl").open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)


def row(dataset: Dataset, asked: Sequence[EvalQuestion], system: str, results: Sequence[Result]) -> dict[str, Any]:
    """The figures of one system: medians of its runs, and how far they lie apart."""
    speeds = [len(dataset.documents) / result.ingest_seconds for result in results]
    medians = [percentile(_times(result), 0.5) for result in results]
    return {
        "dataset": dataset.name,
        "system": system,
        "runs": len(results),
        "chunks": results[0].chunks,
        "ndcg@10": round(median(_mean(ndcg, result, asked) for result in results), 4),
        "recall@5": round(median(_mean(recall, result, asked) for result in results), 4),
        "documents_per_second": round(median(speeds), 2),
        "documents_per_second_min": round(min(speeds), 2),
        "documents_per_second_max": round(max(speeds), 2),
        "embedding_share": round(median(result.embedding_seconds / result.ingest_seconds for result in results), 3),
        "query_ms_p50": round(median(medians), 2),
        "query_ms_p50_min": round(min(medians), 2),
        "query_ms_p50_max": round(max(medians), 2),
        "query_ms_p95": round(median(percentile(_times(result), 0.95) for result in results), 2),
        "rss_mb": round(median(result.rss_mb for result in results), 1),
        "rankings_that_differ": _differing(results),
        "versions": results[0].versions,
    }


def _mean(metric: Callable[..., float], result: Result, asked: Sequence[EvalQuestion]) -> float:
    found = {ranking.question: ranking.documents for ranking in result.rankings}
    return fmean(metric(found[question.id], question.gold) for question in asked)


def _times(result: Result) -> list[float]:
    return [ranking.milliseconds for ranking in result.rankings]


def _differing(results: Sequence[Result]) -> int:
    """For how many questions the runs do not agree on the first documents; 0 is to be expected."""
    first: dict[str, set[tuple[str, ...]]] = {}
    for result in results:
        for ranking in result.rankings:
            first.setdefault(ranking.question, set()).add(tuple(ranking.documents[:COMPARED]))
    return sum(len(rankings) > 1 for rankings in first.values())
