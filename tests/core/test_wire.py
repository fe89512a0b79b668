"""What goes over the wire comes back as it was."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from core.types import (
    Answer,
    ChangeKind,
    Citation,
    Document,
    DocumentChange,
    DocumentStatus,
    Finding,
    HistoryEntry,
    HistoryEvent,
    Job,
    JobStage,
    JobState,
    Origin,
    Outcome,
    Passage,
    Receipt,
    Signals,
)
from core.wire import (
    answer_from_json,
    answer_to_json,
    change_from_json,
    change_to_json,
    document_from_json,
    document_to_json,
    finding_from_json,
    finding_to_json,
    history_from_json,
    history_to_json,
    job_from_json,
    job_to_json,
    passage_from_json,
    passage_to_json,
)

PASSAGE = Passage(
    "c1", "d1", "Leave", "13 days.", "13 days.", 0.9, ("Annual",), 7, "https://example.com", 0.8, 12.5, version=3
)
CITATION = Citation(1, "Leave", "page 7, Annual", "13 days.", "d1", None, "c1", 7, 3)
RECEIPT = Receipt(Signals(0.8, 0.7, 1.0), 0.9, 0.5, (PASSAGE,), {"retrieve": 12.0})
ANSWER = Answer(
    "q1", Outcome.ANSWERED, "13 days. [1]", (CITATION,), (CITATION,), "hr", "t", "", "extractive", "Quoted."
)
DOCUMENT = Document(
    id="d1",
    namespace="hr",
    title="Leave",
    source="file:///leave.pdf",
    status=DocumentStatus.READY,
    media_type="application/pdf",
    sha256="f" * 64,
    size_bytes=9,
    updated_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    pages=7,
    chunks=2,
    readers=frozenset({"b", "a"}),
    losses=("Two images.",),
    url="https://example.com",
    version=3,
)
MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
WAITING = Job("j1", "d1", "hr", "leave.pdf", "upload:leave.pdf", JobState.WAITING, ahead=4, created_at=MOMENT)
RUNNING = replace(
    WAITING,
    state=JobState.RUNNING,
    stage=JobStage.EMBEDDING,
    size_bytes=9,
    pages=7,
    chunks=300,
    embedded=120,
    seconds_left=40,
    ahead=0,
    attempts=2,
    origin=Origin("api", "intranet"),
    started_at=MOMENT,
)
FAILED = replace(
    RUNNING,
    state=JobState.FAILED,
    error="It is damaged.",
    code="unreadable_document",
    finished_at=MOMENT,
    due_at=MOMENT,
    changes=(DocumentChange(ChangeKind.ADDED, "inside.pdf", DOCUMENT), DocumentChange(ChangeKind.FAILED, "leave.pdf")),
)
ENTRY = HistoryEntry(
    document_id="d1",
    namespace="hr",
    source="upload:leave.pdf",
    title="Leave",
    event=HistoryEvent.ROLLED_BACK,
    version=3,
    at=MOMENT,
    origin=Origin("slack", "U1"),
    of_version=1,
    sha256="f" * 64,
    size_bytes=9,
    media_type="application/pdf",
    pages=7,
    chunks=2,
    is_kept=True,
)


def test_answers() -> None:
    assert answer_from_json(json.loads(json.dumps(answer_to_json(ANSWER)))) == ANSWER


def test_a_receipt_is_told_only_when_asked_for() -> None:
    answer = replace(ANSWER, standalone="leave days", why=RECEIPT)
    assert "why" not in answer_to_json(answer)
    assert answer_from_json(json.loads(json.dumps(answer_to_json(answer, why=True)))) == answer


@pytest.mark.parametrize(
    "document", [DOCUMENT, replace(DOCUMENT, pages=None, url=None, readers=frozenset(), error="No.")]
)
def test_documents(document: Document) -> None:
    assert document_from_json(json.loads(json.dumps(document_to_json(document)))) == document


@pytest.mark.parametrize("of", [DOCUMENT, None])
def test_changes(of: Document | None) -> None:
    change = DocumentChange(ChangeKind.FAILED, "leave.pdf", of, "It is damaged.", "unreadable_document")
    assert change_from_json(json.loads(json.dumps(change_to_json(change)))) == change


def test_passages() -> None:
    value = passage_to_json(PASSAGE)
    assert value["locator"] == "page 7, Annual"
    assert passage_from_json(json.loads(json.dumps(value))) == PASSAGE


@pytest.mark.parametrize("job", [WAITING, RUNNING, FAILED])
def test_jobs(job: Job) -> None:
    assert job_from_json(json.loads(json.dumps(job_to_json(job)))) == job


def test_history() -> None:
    assert history_from_json(json.loads(json.dumps(history_to_json(ENTRY)))) == ENTRY


@pytest.mark.parametrize(
    "finding", [Finding("wrong count", 1, ("d1",), True), Finding("missing copy", 2, remedy="Add it.")]
)
def test_findings(finding: Finding) -> None:
    assert finding_from_json(json.loads(json.dumps(finding_to_json(finding)))) == finding


@pytest.mark.parametrize("known", [{}, {"version": None}, {"version": "third"}])
def test_what_was_written_before_there_were_versions_is_of_the_first(known: dict[str, object]) -> None:
    document, passage, answer = document_to_json(DOCUMENT), passage_to_json(PASSAGE), answer_to_json(ANSWER)
    for value in (document, passage, *answer["citations"], *answer["nearest"]):
        assert value.pop("version") == 3
        value.update(known)
    assert document_from_json(document).version == 1
    assert passage_from_json(passage).version == 1
    assert {each.version for each in answer_from_json(answer).citations + answer_from_json(answer).nearest} == {1}


@pytest.mark.parametrize("value", [{}, {"id": 1}, {"outcome": "perhaps"}])
def test_what_is_no_answer_is_refused(value: dict[str, object]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        answer_from_json(value)
