"""What is counted, and that nothing which a person wrote becomes a label."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from core import metrics as module
from core.errors import StorageFailed
from core.metrics import JobCounts, Metrics, Readings
from core.types import Answer, ChangeKind, DocumentStatus, JobStage, JobState, Outcome, Receipt, Signals

COUNTS = dict.fromkeys(DocumentStatus, 0) | {DocumentStatus.READY: 7, DocumentStatus.QUEUED: 2}
COUNTS |= {DocumentStatus.PROCESSING: 1}


def started(**readings: Any) -> Metrics:
    metrics = Metrics(Readings(**readings))
    metrics.start()
    return metrics


def answer(generator: str = "extractive", outcome: Outcome = Outcome.ANSWERED, **milliseconds: float) -> Answer:
    why = Receipt(Signals(), 1.0, 0.5, (), milliseconds)
    return Answer("a1", outcome, "Thirteen days. [1]", generator=generator, why=why)


async def samples(metrics: Metrics) -> dict[tuple[str, tuple[str, ...]], float]:
    """Name and label values → value."""
    content, _ = await metrics.scrape()
    return {
        (sample.name, tuple(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(content.decode())
        for sample in family.samples
    }


async def test_answers_are_counted_by_how_they_ended_and_who_wrote_them() -> None:
    metrics = started()
    metrics.answered(answer("chat:lore-slm"), 1.0)
    metrics.answered(answer("chat:another"), 1.0)
    metrics.answered(answer("", Outcome.NO_EVIDENCE), 1.0)
    metrics.answered(answer("parrot:polly"), 1.0)
    found = await samples(metrics)
    assert found["lorekeeper_answers_total", ("chat", "answered")] == 2
    assert found["lorekeeper_answers_total", ("none", "no_evidence")] == 1
    assert found["lorekeeper_answers_total", ("other", "answered")] == 1


async def test_stages_are_measured_in_seconds_and_unknown_ones_are_other() -> None:
    metrics = started()
    metrics.answered(answer(retrieve=250.0, brew=1000.0), 2.0)
    metrics.answered(Answer("a2", Outcome.FAILED, "Something went wrong."), 3.0)
    found = await samples(metrics)
    assert found["lorekeeper_answer_stage_seconds_sum", ("retrieve",)] == pytest.approx(0.25)
    assert found["lorekeeper_answer_stage_seconds_sum", ("other",)] == pytest.approx(1.0)
    assert found["lorekeeper_answer_stage_seconds_sum", ("whole",)] == pytest.approx(5.0)
    assert found["lorekeeper_answer_stage_seconds_bucket", ("0.25", "retrieve")] == 1
    assert found["lorekeeper_answer_stage_seconds_bucket", ("0.1", "retrieve")] == 0


async def test_requests_are_counted_by_route_and_strange_methods_are_other() -> None:
    metrics = started()
    metrics.requested("GET", "/v1/documents/{document_id}", 200, 0.01)
    metrics.requested("BREW", "other", 405, 0.01)
    found = await samples(metrics)
    assert found["lorekeeper_http_requests_total", ("GET", "/v1/documents/{document_id}", "200")] == 1
    assert found["lorekeeper_http_requests_total", ("other", "other", "405")] == 1
    assert found["lorekeeper_http_request_seconds_count", ("other",)] == 1


async def test_documents_and_model_are_read_when_they_are_asked_for() -> None:
    async def is_up() -> bool:
        return True

    found = await samples(started(documents=lambda: COUNTS, ask_model=is_up))
    assert found["lorekeeper_documents", ("ready",)] == 7
    assert found["lorekeeper_documents", ("failed",)] == 0
    assert found["lorekeeper_model_up", ()] == 1


async def test_namespaces_that_should_be_answered_by_a_tuned_model() -> None:
    found = await samples(started(adapters=lambda: {"served": 2, "missing": 1}))
    assert found["lorekeeper_adapters", ("served",)] == 2
    assert found["lorekeeper_adapters", ("missing",)] == 1
    assert ("lorekeeper_adapters", ("served",)) not in await samples(started())


async def test_chat_platforms_and_their_messages() -> None:
    waiting = {"slack": 2}
    metrics = started(messages=lambda: waiting, channels=lambda: {"slack": True, "discord": False})
    metrics.settled("slack", "done", 1.5)
    metrics.settled("slack", "put_back", 0.5)
    found = await samples(metrics)
    assert found["lorekeeper_channel_up", ("slack",)] == 1
    assert found["lorekeeper_channel_up", ("discord",)] == 0
    assert found["lorekeeper_messages_total", ("slack", "done")] == 1
    assert found["lorekeeper_message_seconds_sum", ("slack",)] == 2
    assert found["lorekeeper_messages_waiting", ("slack",)] == 2
    waiting.clear()
    assert ("lorekeeper_messages_waiting", ("slack",)) not in await samples(metrics)


async def test_files_on_their_way_are_counted_by_state_and_stage() -> None:
    by_state = {
        (JobState.RUNNING, JobStage.READING): 1,
        (JobState.RUNNING, JobStage.EMBEDDING): 2,
        (JobState.WAITING, JobStage.WAITING): 5,
        (JobState.FAILED, JobStage.READING): 1,
        (JobState.FAILED, JobStage.ENDED): 1,
    }
    found = await samples(started(jobs=lambda: JobCounts(by_state, 90.0)))
    assert found["lorekeeper_jobs", ("embedding", "running")] == 2
    assert found["lorekeeper_jobs", ("publishing", "running")] == 0
    assert found["lorekeeper_jobs", ("none", "waiting")] == 5
    assert found["lorekeeper_jobs", ("none", "failed")] == 2
    assert found["lorekeeper_queue", ()] == 8
    assert found["lorekeeper_oldest_job_seconds", ()] == 90


async def test_work_on_files_is_counted_by_its_end_and_measured_by_stage() -> None:
    metrics = started()
    metrics.file_ended(ChangeKind.ADDED, passages=12)
    metrics.file_ended(ChangeKind.FAILED, "unreadable_document")
    metrics.file_ended(ChangeKind.FAILED, "nobody knows this one")
    metrics.file_put_back("embedding_failed")
    metrics.worked(JobStage.READING, 0.25)
    metrics.embedded("documents", 64, 2.0)
    found = await samples(metrics)
    assert found["lorekeeper_files_total", ("none", "added")] == 1
    assert found["lorekeeper_files_total", ("unreadable_document", "failed")] == 1
    assert found["lorekeeper_files_total", ("other", "failed")] == 1
    assert found["lorekeeper_files_total", ("embedding_failed", "put_back")] == 1
    assert found["lorekeeper_passages_indexed_total", ()] == 12
    assert found["lorekeeper_work_seconds_sum", ("reading",)] == pytest.approx(0.25)
    assert found["lorekeeper_embedded_texts_total", ("documents",)] == 64
    assert found["lorekeeper_embedding_seconds_sum", ("documents",)] == 2


async def test_requests_to_the_model_are_counted_and_the_first_word_is_measured() -> None:
    metrics = started()
    metrics.model_replied("retried", None)
    metrics.model_replied("answered", 0.5)
    found = await samples(metrics)
    assert found["lorekeeper_model_requests_total", ("retried",)] == 1
    assert found["lorekeeper_model_requests_total", ("answered",)] == 1
    assert found["lorekeeper_model_first_token_seconds_count", ()] == 1


async def test_sizes_disk_backup_and_build() -> None:
    index = {"passages": 100, "vectors": 120}
    found = await samples(started(index=lambda: index, free_bytes=lambda: 10**9, backup_seconds=lambda: 3600.0))
    assert found["lorekeeper_index_size", ("passages",)] == 100
    assert found["lorekeeper_index_size", ("vectors",)] == 120
    assert found["lorekeeper_disk_free_bytes", ()] == 1e9
    assert found["lorekeeper_backup_age_seconds", ()] == 3600
    assert [value for (name, _), value in found.items() if name == "lorekeeper_build_info"] == [1]


async def test_a_disk_that_is_gone_and_a_backup_that_there_never_was_are_no_numbers() -> None:
    def gone() -> int:
        raise FileNotFoundError("the data folder")

    found = await samples(started(free_bytes=gone, backup_seconds=lambda: None))
    assert str(found["lorekeeper_disk_free_bytes", ()]) == str(found["lorekeeper_backup_age_seconds", ()]) == "nan"


async def test_without_a_model_there_is_no_metric_of_one() -> None:
    assert ("lorekeeper_model_up", ()) not in await samples(started(documents=lambda: COUNTS))


async def test_a_database_that_fails_is_no_number_and_the_rest_is_still_there() -> None:
    def fails() -> Mapping[DocumentStatus, int]:
        raise StorageFailed("The disk is full.")

    async def is_down() -> bool:
        return False

    found = await samples(started(documents=fails, jobs=fails, ask_model=is_down))
    assert str(found["lorekeeper_documents", ("ready",)]) == str(found["lorekeeper_queue", ()]) == "nan"
    assert str(found["lorekeeper_jobs", ("none", "waiting")]) == "nan"
    assert found["lorekeeper_model_up", ()] == 0


async def test_a_database_that_hangs_is_asked_once_however_often_somebody_scrapes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "READ_SECONDS", 0.01)
    gate = threading.Event()
    asked: list[None] = []

    def hangs() -> Mapping[DocumentStatus, int]:
        asked.append(None)
        assert gate.wait(30)
        return COUNTS

    metrics = started(documents=hangs)
    ready = ("lorekeeper_documents", ("ready",))
    for _ in range(3):
        assert str((await samples(metrics))[ready]) == "nan"
    gate.set()
    async with asyncio.timeout(10):
        while str((await samples(metrics))[ready]) == "nan":
            await asyncio.sleep(0.01)
    assert len(asked) <= 2


async def test_two_applications_in_one_process_count_apart() -> None:
    first, second = started(), started()
    first.answered(answer(), 1.0)
    first.streams_open.set(3)
    assert (await samples(first))["lorekeeper_answers_total", ("extractive", "answered")] == 1
    assert (await samples(first))["lorekeeper_streams_open", ()] == 3
    assert ("lorekeeper_answers_total", ("extractive", "answered")) not in await samples(second)
    assert (await samples(second))["lorekeeper_streams_open", ()] == 0


async def test_starting_again_keeps_what_was_counted() -> None:
    metrics = started()
    metrics.answered(answer(), 1.0)
    metrics.start()
    assert (await samples(metrics))["lorekeeper_answers_total", ("extractive", "answered")] == 1


async def test_before_the_start_nothing_is_counted_and_nothing_breaks() -> None:
    metrics = Metrics()
    metrics.answered(answer(), 1.0)
    metrics.requested("GET", "/", 200, 0.1)
    metrics.start()
    assert not [name for name, _ in await samples(metrics) if name == "lorekeeper_answers_total"]


async def test_prometheus_gets_openmetrics_when_it_asks_for_it() -> None:
    content, media_type = await started().scrape("application/openmetrics-text; version=1.0.0")
    assert media_type.startswith("application/openmetrics-text")
    assert content.endswith(b"# EOF\n")
