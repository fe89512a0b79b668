"""One job in a process of its own: what it runs in, and how it ends."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from core.retrieval.embed.onnx import model_source
from evals.peers.process import Subject, SystemFailed, cores, perform
from evals.peers.protocol import Job, Result

Started = Callable[[], list[str]]
FAKE = Subject(Path(__file__).with_name("fake_peer.py"), "fake")


@pytest.fixture
def job(tmp_path: Path, fakes: Started) -> Job:
    data, workspace = tmp_path / "data", tmp_path / "workspace"
    data.mkdir()
    workspace.mkdir()
    (data / "corpus.jsonl").write_text(json.dumps({"doc_id": "a", "title": "A", "text": "One."}) + "\n")
    (data / "questions.jsonl").write_text(json.dumps({"qid": "1", "question": "one?"}) + "\n")
    return Job("words", str(data), model_source("all-MiniLM-L6-v2"), 50, str(workspace))


def ask(job: Job, *questions: str) -> None:
    rows = ({"qid": question, "question": question} for question in questions)
    (Path(job.dataset) / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


async def test_a_job_gives_rankings_without_repetition_and_times(job: Job, tmp_path: Path) -> None:
    result = await perform(FAKE, job, tmp_path)
    assert result.chunks == 2
    [ranking] = result.rankings
    assert (ranking.question, ranking.documents) == ("1", ["a"])
    assert 0 < result.embedding_seconds <= result.ingest_seconds
    assert ranking.milliseconds > 0
    assert result.rss_mb > 0
    assert Result.read(tmp_path / "result.json") == result


async def test_a_peer_reports_and_fetches_nothing_and_gets_as_many_threads_as_all(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    expected = {
        "ANONYMIZED_TELEMETRY": "False",
        "HAYSTACK_TELEMETRY_ENABLED": "False",
        "HF_HUB_OFFLINE": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "OMP_NUM_THREADS": str(cores()),
        "LOREKEEPER_EMBEDDING__THREADS": str(cores()),
    }
    ask(job, *expected)
    result = await perform(FAKE, replace(job, system="curious"), tmp_path)
    assert {ranking.question: ranking.documents[0] for ranking in result.rankings} == expected


async def test_a_peer_can_import_nothing_of_this_project(job: Job, tmp_path: Path) -> None:
    ask(job, "json", "evals", "core", "protocol", "fake_peer")
    result = await perform(FAKE, replace(job, system="curious"), tmp_path)
    assert [ranking.question for ranking in result.rankings if ranking.documents] == ["json"]


async def test_a_peer_that_ends_without_a_result_is_told(job: Job, tmp_path: Path) -> None:
    with pytest.raises(SystemFailed, match=r"silent ended without a result that can be read: it said nothing"):
        await perform(FAKE, replace(job, system="silent"), tmp_path)


async def test_a_peer_that_hangs_is_ended(job: Job, tmp_path: Path) -> None:
    with pytest.raises(SystemFailed, match=r"hanging did not finish within 0\.2 seconds and was ended"):
        await perform(FAKE, replace(job, system="hanging"), tmp_path, 0.2)


async def test_a_peer_does_not_outlive_who_gives_up_waiting(job: Job, tmp_path: Path, fakes: Started) -> None:
    running = asyncio.create_task(perform(FAKE, replace(job, system="hanging"), tmp_path))
    while "process" not in fakes():
        await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    with pytest.raises(ProcessLookupError):
        os.kill(int(fakes()[-1]), 0)
