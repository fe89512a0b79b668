"""Lorekeeper beside other systems, each in a process of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from core.errors import InvalidRequest
from evals.datasets import read_dataset
from evals.peers.process import SystemFailed
from evals.peers.protocol import Ranking, Result
from evals.peers.run import check, compare, order, row, systems

Started = Callable[[], list[str]]
KEYS = [
    *("dataset", "system", "runs", "chunks", "ndcg@10", "recall@5"),
    *("documents_per_second", "documents_per_second_min", "documents_per_second_max", "embedding_share"),
    *("query_ms_p50", "query_ms_p50_min", "query_ms_p50_max", "query_ms_p95", "rss_mb"),
    *("rankings_that_differ", "versions"),
]


def quietly(stage: str, done: int, total: int) -> None:
    pass


async def test_every_system_gets_a_row_and_they_take_turns_in_beginning(dataset: Path, fakes: Started) -> None:
    reported = []
    rows = await compare(dataset, ["words", "backwards"], 3, lambda *report: reported.append(report))
    words, backwards = rows
    assert list(words) == list(backwards) == KEYS
    assert (words["dataset"], words["system"], words["runs"], words["chunks"]) == ("tiny", "words", 3, 6)
    # The follow-up is asked without its history, which would lead elsewhere.
    assert words["ndcg@10"] == words["recall@5"] == 1.0
    assert backwards["recall@5"] == 1.0
    assert backwards["ndcg@10"] < 1.0
    assert words["documents_per_second_min"] <= words["documents_per_second"] <= words["documents_per_second_max"]
    assert 0 < words["embedding_share"] <= 1
    assert words["rankings_that_differ"] == 0
    assert fakes() == ["words", "backwards", "backwards", "words", "backwards", "words"]
    assert reported[0] == ("words", 0, 3)
    assert reported[-1] == ("words", 3, 3)


async def test_lorekeeper_goes_through_the_same_protocol(dataset: Path, fakes: Started) -> None:
    lorekeeper, words = await compare(dataset, ["lorekeeper", "words"], 1, quietly)
    assert list(lorekeeper) == list(words)
    assert (lorekeeper["system"], lorekeeper["chunks"], lorekeeper["ndcg@10"]) == ("lorekeeper", 3, 1.0)
    assert 0 < lorekeeper["embedding_share"] <= 1
    assert lorekeeper["query_ms_p50"] > 0
    assert "chromadb" in lorekeeper["versions"]


async def test_rankings_that_are_not_the_same_in_every_run_are_counted(dataset: Path, fakes: Started) -> None:
    [fickle] = await compare(dataset, ["fickle"], 2, quietly)
    assert fickle["rankings_that_differ"] == 3


async def test_a_part_of_the_questions_can_be_asked(dataset: Path, fakes: Started) -> None:
    [fickle] = await compare(dataset, ["fickle"], 2, quietly, max_questions=1)
    assert fickle["rankings_that_differ"] == 1


async def test_a_system_that_fails_is_named_with_what_it_said(dataset: Path, fakes: Started) -> None:
    with pytest.raises(SystemFailed, match=r"broken failed with exit code 1: ValueError: no such splitter"):
        await compare(dataset, ["words", "broken"], 1, quietly)


async def test_nothing_is_run_when_an_environment_is_missing(dataset: Path, fakes: Started, environments: Path) -> None:
    with pytest.raises(InvalidRequest, match=r"python -m evals\.peers\.setup haystack"):
        await compare(dataset, ["words", "haystack"], 1, quietly)
    assert fakes() == []


@pytest.mark.parametrize(
    ("chosen", "complaint"),
    [
        (
            ["lorekeeper", "lucene"],
            "no system lucene .* lorekeeper, langchain, langchain_ensemble, llamaindex, haystack",
        ),
        (["lorekeeper", "lorekeeper"], "lorekeeper is named twice"),
        ([], "No system"),
    ],
)
def test_systems_that_cannot_be_compared_are_told(chosen: list[str], complaint: str) -> None:
    with pytest.raises(InvalidRequest, match=complaint):
        check(chosen)


async def test_a_data_set_without_answerable_questions_is_told(dataset: Path, fakes: Started) -> None:
    (dataset / "questions.jsonl").write_text('{"qid": "1", "question": "Why?"}\n')
    with pytest.raises(InvalidRequest, match="tiny has no questions with documents that answer them"):
        await compare(dataset, ["words"], 1, quietly)


def test_lorekeeper_and_its_peers_are_known() -> None:
    assert systems() == ("lorekeeper", "langchain", "langchain_ensemble", "llamaindex", "haystack")


def test_the_order_goes_back_and_forth_and_begins_with_each() -> None:
    assert [order("ab", run) for run in range(4)] == [list("ab"), list("ba"), list("ba"), list("ab")]
    assert [order("abc", run) for run in range(6)] == list(map(list, ["abc", "cba", "bca", "acb", "cab", "bac"]))


def test_figures_are_medians_with_their_spread(dataset: Path) -> None:
    data = read_dataset(dataset)
    asked = data.questions[:2]

    def result(ingest: float, embedding: float, times: tuple[float, float], rss: float) -> Result:
        rankings = [Ranking(question.id, [*question.gold], time) for question, time in zip(asked, times, strict=True)]
        return Result(ingest, embedding, 3, rankings, rss, {"library": "1.0"})

    results = [
        result(3.0, 1.5, (1.0, 9.0), 100.0),
        result(1.0, 0.9, (2.0, 8.0), 300.0),
        result(1.5, 1.2, (5.0, 6.0), 200.0),
    ]
    assert row(data, asked, "library", results) == {
        "dataset": "tiny",
        "system": "library",
        "runs": 3,
        "chunks": 3,
        "ndcg@10": 1.0,
        "recall@5": 1.0,
        "documents_per_second": 2.0,
        "documents_per_second_min": 1.0,
        "documents_per_second_max": 3.0,
        "embedding_share": 0.8,
        "query_ms_p50": 2.0,
        "query_ms_p50_min": 1.0,
        "query_ms_p50_max": 5.0,
        "query_ms_p95": 8.0,
        "rss_mb": 200.0,
        "rankings_that_differ": 0,
        "versions": {"library": "1.0"},
    }
