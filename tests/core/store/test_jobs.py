"""Jobs: their turn, who holds them, how they end, and that only their holder can end them."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from core.errors import InvalidRequest, NotFound
from core.store import schema
from core.store.documents import DocumentStore
from core.store.history import Ending
from core.store.job_counts import count_jobs
from core.store.job_rows import BULK, URGENT, NewJob, Progress
from core.store.jobs import JobLost, JobStore
from core.types import ChangeKind, DocumentChange, DocumentStatus, JobStage, JobState, Origin
from tests.core.store.samples import document

ADA = Origin("slack", "U1")


@pytest.fixture
def jobs(engine: Engine) -> JobStore:
    return JobStore(engine)


@pytest.fixture
def store(engine: Engine) -> DocumentStore:
    return DocumentStore(engine)


def new(name: str, **changes: Any) -> NewJob:
    """A job whose id is made of its document's name."""
    of = document(name)
    values: dict[str, Any] = {
        "id": f"job-{name}",
        "document_id": of.id,
        "namespace": of.namespace,
        "source": of.source,
        "name": f"{name}.md",
        "sha256": of.sha256,
        "size_bytes": 100,
        "origin": ADA,
    }
    return NewJob(**(values | changes))


def names(claimed: Any) -> list[str]:
    return [each.job.id for each in claimed]


def receive(store: DocumentStore, *wanted: NewJob) -> list[str]:
    return store.receive([], wanted)


def test_a_job_comes_back_as_it_was_written(store: DocumentStore, jobs: JobStore) -> None:
    wanted = new("guide", readers=frozenset({"u1"}), url="https://e.com", title="T", may_be_empty=True, of_version=3)
    receive(store, wanted)
    (claimed,) = jobs.claim("w", 5, 60)
    assert claimed.job == wanted
    job = jobs.get("job-guide")
    assert (job.state, job.attempts, job.origin, job.name) == (JobState.RUNNING, 1, ADA, "guide.md")


def test_the_urgent_go_first_then_those_that_came_first(store: DocumentStore, jobs: JobStore) -> None:
    receive(store, new("one"), new("two"), new("three", priority=URGENT))
    assert jobs.get("job-two").ahead == 2
    assert names(jobs.claim("w", 2, 60)) == ["job-three", "job-one"]
    assert jobs.claim("w", 2, 60, URGENT) == []
    assert names(jobs.claim("w", 2, 60, BULK)) == ["job-two"]


def test_of_one_document_one_version_after_the_other(store: DocumentStore, jobs: JobStore) -> None:
    receive(store, new("guide"))
    receive(store, new("guide", id="job-later", sha256="b" * 64, priority=URGENT))
    (first,) = jobs.claim("w", 5, 60)
    assert first.job.id == "job-guide"
    assert jobs.claim("other", 5, 60) == []
    jobs.finish(first, [], None, "")
    assert names(jobs.claim("other", 5, 60)) == ["job-later"]


def test_the_same_bytes_that_wait_are_no_new_job(store: DocumentStore, jobs: JobStore) -> None:
    assert receive(store, new("guide")) == ["job-guide"]
    assert receive(store, new("guide", id="job-again", priority=URGENT)) == ["job-guide"]
    assert names(jobs.claim("w", 5, 60, URGENT)) == ["job-guide"], "it has become urgent"
    assert receive(store, new("guide", id="job-readers", readers=frozenset({"u1"}))) == ["job-readers"]
    assert receive(store, new("guide", id="job-back")) == ["job-back"], "what came last is what is wanted"


def test_a_job_falls_to_another_when_its_worker_is_not_heard_of(store: DocumentStore, jobs: JobStore) -> None:
    receive(store, new("guide"))
    (lost,) = jobs.claim("dead", 1, 0.05)
    assert jobs.hold("dead", {lost.key, ("job-other", 1)}, 0.2) == {lost.key}
    assert (jobs.reap(), jobs.claim("alive", 1, 60)) == (0, [])
    time.sleep(0.25)
    assert jobs.reap() == 1
    (mine,) = jobs.claim("alive", 1, 60)
    assert (mine.job.id, mine.attempts) == ("job-guide", 2)
    assert jobs.hold("dead", {lost.key, mine.key}, 60) == set()
    for attempt in (lost, replace(mine, number=1), replace(mine, worker="dead")):
        with pytest.raises(JobLost):
            jobs.finish(attempt, [], None, "")
    jobs.put_back(lost)
    assert jobs.get("job-guide").state is JobState.RUNNING
    jobs.finish(mine, [], None, "")
    assert jobs.get("job-guide").state is JobState.DONE


def test_who_lost_a_job_can_publish_nothing_of_it(store: DocumentStore, jobs: JobStore) -> None:
    guide = document("guide")
    receive(store, new("guide"))
    (lost,) = jobs.claim("dead", 1, -1)
    jobs.reap()
    (mine,) = jobs.claim("alive", 1, 60)
    with pytest.raises(JobLost):
        store.publish(guide, [], [], Ending(job=lost, is_end=False))
    with pytest.raises(NotFound):
        store.get(guide.id)
    change = DocumentChange(ChangeKind.ADDED, "guide.md", guide)
    store.publish(guide, [], [], Ending(job=mine, changes=lambda of: [replace(change, document=of)]))
    assert jobs.get("job-guide").changes == (replace(change, document=store.get(guide.id)),)


def test_a_cancelled_job_ends_at_once_and_its_holder_loses_it(store: DocumentStore, jobs: JobStore) -> None:
    guide = document("guide", status=DocumentStatus.QUEUED)
    store.receive([guide], [new("guide")])
    (held,) = jobs.claim("w", 1, 60)
    assert jobs.cancel("job-guide")
    store.settle(guide.id)
    assert not jobs.cancel("job-guide")
    with pytest.raises(JobLost):
        store.publish(guide, [], [], Ending(job=held))
    with pytest.raises(NotFound):
        store.get(guide.id)
    assert jobs.retry("job-guide")
    assert not jobs.retry("job-guide")
    assert names(jobs.claim("w", 1, 60)) == ["job-guide"]


def test_what_is_tried_again_is_another_claim_than_the_one_that_was_given_up(
    store: DocumentStore, jobs: JobStore
) -> None:
    receive(store, new("guide"))
    (lost,) = jobs.claim("w", 1, 60)
    jobs.cancel("job-guide")
    jobs.retry("job-guide")
    (mine,) = jobs.claim("w", 1, 60)
    assert (lost.attempts, mine.attempts) == (1, 1)
    assert jobs.hold("w", {lost.key, mine.key}, 60) == {mine.key}
    with pytest.raises(JobLost):
        jobs.finish(lost, [], None, "")


def test_what_nobody_has_in_hand_is_not_held(store: DocumentStore, jobs: JobStore) -> None:
    receive(store, new("one"), new("two"))
    kept, _ = jobs.claim("w", 2, 0.2)
    assert jobs.hold("w", {kept.key}, 60) == {kept.key}
    time.sleep(0.25)
    assert jobs.reap() == 1
    assert names(jobs.claim("w", 5, 60)) == ["job-two"]


def test_what_was_tried_before_is_taken_alone(store: DocumentStore, jobs: JobStore) -> None:
    receive(store, *(new(name) for name in ("one", "two", "three", "four")))
    jobs.claim("dead", 2, -1)
    jobs.reap()
    assert names(jobs.claim("dead", 2, -1)) == ["job-one", "job-two"], "a restart is no fault of theirs"
    jobs.reap()
    (first,) = jobs.claim("w", 5, 60)
    assert (first.job.id, first.was_tried) == ("job-one", True)
    assert jobs.claim("w", 5, 60, untried=True) == [], "what came after it does not overtake it"
    assert names(jobs.claim("w", 5, 60)) == ["job-two"]
    assert names(jobs.claim("w", 5, 60, untried=True)) == ["job-three", "job-four"]


def test_an_attempt_that_was_not_its_own_fault_does_not_count(store: DocumentStore, jobs: JobStore) -> None:
    receive(store, new("guide"))
    (claimed,) = jobs.claim("w", 1, 60)
    assert jobs.put_back(claimed, 0, "The model is away.", "embedding_failed", counts=False)
    assert not jobs.put_back(claimed, 0, "The model is away.", "embedding_failed", counts=False)
    assert (jobs.get("job-guide").attempts, jobs.get("job-guide").error) == (0, "The model is away.")
    (again,) = jobs.claim("w", 1, 60)
    assert (again.attempts, again.was_tried) == (1, True)


def test_an_old_job_does_not_come_back_over_a_newer_one(store: DocumentStore, jobs: JobStore) -> None:
    receive(store, new("guide"))
    jobs.cancel("job-guide")
    receive(store, new("guide", id="job-later", sha256="b" * 64))
    assert not jobs.retry("job-guide"), "the later one waits"
    (later,) = jobs.claim("w", 5, 60)
    assert not jobs.retry("job-guide"), "the later one is in work"
    jobs.finish(later, [], None, "")
    assert not jobs.retry("job-guide"), "the later one was done"
    assert jobs.is_replaced("job-guide")
    receive(store, new("guide", id="job-last", sha256="c" * 64))
    jobs.cancel("job-last")
    assert jobs.retry("job-last")
    assert not jobs.is_replaced("job-last")


def test_what_is_in_work_keeps_others_of_its_document_back(store: DocumentStore, jobs: JobStore) -> None:
    receive(store, new("guide"))
    jobs.cancel("job-guide")
    receive(store, new("guide", id="job-later", sha256="b" * 64))
    jobs.cancel("job-later")
    assert jobs.retry("job-later")
    assert names(jobs.claim("w", 5, 60)) == ["job-later"]
    jobs.cancel("job-later")
    assert jobs.retry("job-guide")
    assert jobs.retry("job-later")
    assert names(jobs.claim("w", 5, 60)) == ["job-guide"]
    assert jobs.claim("w", 5, 60) == []


def test_what_comes_before_an_urgent_one_is_as_urgent(store: DocumentStore, jobs: JobStore) -> None:
    receive(store, new("other"), new("guide"), new("held"))
    (held,) = (each for each in jobs.claim("w", 3, 60) if each.job.id == "job-held")
    for claimed in ("job-guide", "job-other"):
        jobs.cancel(claimed)
        jobs.retry(claimed)
    receive(store, *(new(name, id=f"job-{name}-now", sha256="b" * 64, priority=URGENT) for name in ("guide", "held")))
    assert names(jobs.claim("w", 5, 60, URGENT)) == ["job-guide"]
    assert jobs.hold("w", {held.key}, 60) == {held.key}, "it is in work as before"
    jobs.put_back(held)
    assert names(jobs.claim("w", 5, 60, URGENT)) == ["job-held"]


def test_what_was_purged_is_told(store: DocumentStore, jobs: JobStore) -> None:
    receive(store, new("one"), new("two"))
    for claimed in jobs.claim("w", 1, 60):
        jobs.finish(claimed, [], None, "")
    ended, there = jobs.told(["job-one", "job-two", "job-purged"])
    assert ([job.id for job in ended], there) == (["job-one"], {"job-one", "job-two"})


def test_removing_a_document_gives_up_what_is_about_to_change_it(store: DocumentStore, jobs: JobStore) -> None:
    guide = document("guide")
    store.publish(guide, [], [])
    receive(store, new("guide", sha256="b" * 64))
    (held,) = jobs.claim("w", 1, 60)
    store.withdraw(guide.id)
    assert jobs.get("job-guide").state is JobState.CANCELLED
    with pytest.raises(JobLost):
        store.publish(guide, [], [], Ending(job=held))


def test_what_failed_for_now_waits_its_time_and_says_why(store: DocumentStore, jobs: JobStore) -> None:
    receive(store, new("guide"))
    (claimed,) = jobs.claim("w", 1, 60)
    jobs.put_back(claimed, 60, "The model is away.", "embedding_failed")
    assert jobs.claim("w", 1, 60) == []
    (told,), _ = jobs.told(["job-guide"])
    assert (told.state, told.error, told.code, told.attempts) == (
        JobState.WAITING,
        "The model is away.",
        "embedding_failed",
        1,
    )
    receive(store, new("guide", id="job-again"))
    assert names(jobs.claim("w", 1, 60)) == ["job-guide"], "somebody asks for it now"


def test_a_job_that_is_given_back_was_not_tried(store: DocumentStore, jobs: JobStore) -> None:
    receive(store, new("guide"))
    (claimed,) = jobs.claim("w", 1, 60)
    jobs.put_back(claimed)
    assert (jobs.get("job-guide").attempts, jobs.get("job-guide").error) == (0, None)


def test_progress_is_told_by_the_holder_alone(store: DocumentStore, jobs: JobStore) -> None:
    receive(store, new("guide"))
    (lost,) = jobs.claim("dead", 1, -1)
    jobs.reap()
    (mine,) = jobs.claim("alive", 1, 60)
    jobs.note(mine, Progress(JobStage.EMBEDDING, 3, 200, 50, 12))
    jobs.note(lost, Progress(JobStage.READING))
    job = jobs.get("job-guide")
    assert (job.stage, job.pages, job.chunks, job.embedded, job.seconds_left) == (JobStage.EMBEDDING, 3, 200, 50, 12)


def test_pages_show_what_runs_then_what_waits_then_what_ended_last(store: DocumentStore, jobs: JobStore) -> None:
    receive(store, *(new(name) for name in ("one", "two", "three", "four", "five")))
    for claimed in jobs.claim("w", 2, 60):
        jobs.finish(claimed, [], "Broken.", "unreadable")
    jobs.claim("w", 1, 60)
    shown, total = jobs.page((), 10, 0)
    assert ([job.id for job in shown], total) == (["job-three", "job-four", "job-five", "job-two", "job-one"], 5)
    failed, total = jobs.page([JobState.FAILED], 1, 1)
    assert ([(job.id, job.error, job.code) for job in failed], total) == ([("job-one", "Broken.", "unreadable")], 2)
    assert jobs.page((), 10, 0, {"other"}) == ([], 0)
    assert [(job.id, job.ahead) for job in shown if job.ahead] == [("job-five", 1)]
    receive(store, new("six", priority=URGENT, namespace="hr"))
    assert [job.ahead for job in jobs.page([JobState.WAITING], 2, 1)[0]] == [1, 2], (
        "those not on the page count as well"
    )
    assert jobs.page([JobState.WAITING], 1, 0)[1] == 3


def test_what_failed_and_came_again_since_is_no_failure_to_look_after(store: DocumentStore, jobs: JobStore) -> None:
    receive(store, new("guide"), new("rules"))
    for claimed in jobs.claim("w", 2, 60):
        jobs.finish(claimed, [], "It is damaged.", "unreadable_document")
    receive(store, new("guide", id="job-later", sha256="b" * 64))
    failed, total = jobs.page([JobState.FAILED], 10, 0)
    assert ([job.id for job in failed], total) == (["job-rules"], 1)
    assert jobs.page([], 10, 0)[1] == 3, "nothing is hidden where all are asked for"
    jobs.cancel("job-later")
    assert jobs.page([JobState.FAILED, JobState.DONE], 10, 0)[1] == 2, "nothing took its place"


@pytest.mark.parametrize("end", ["finish", "cancel"])
def test_a_job_at_its_end_is_in_no_stage_and_waits_again_when_it_is_retried(
    store: DocumentStore, jobs: JobStore, end: str
) -> None:
    receive(store, new("guide"))
    (claimed,) = jobs.claim("w", 1, 60)
    jobs.note(claimed, Progress(JobStage.EMBEDDING, None, 3, 1))
    if end == "finish":
        jobs.finish(claimed, [], "It is damaged.", "unreadable_document")
    else:
        jobs.cancel("job-guide")
    assert jobs.get("job-guide").stage is JobStage.ENDED
    jobs.retry("job-guide")
    assert jobs.get("job-guide").stage is JobStage.WAITING


def test_what_is_tried_again_waits_since_then(store: DocumentStore, jobs: JobStore, engine: Engine) -> None:
    receive(store, new("guide"))
    jobs.claim("w", 1, 60)
    jobs.cancel("job-guide")
    long_ago = datetime.now(UTC) - timedelta(days=3)
    with engine.begin() as connection:
        connection.execute(sa.update(schema.jobs).values(created_at=long_ago, started_at=long_ago, due_at=long_ago))
    jobs.retry("job-guide")
    job = jobs.get("job-guide")
    assert min(job.created_at, job.due_at) > long_ago + timedelta(days=2)
    assert job.started_at is None
    assert count_jobs(engine).oldest_seconds < timedelta(days=1).total_seconds()


def test_while_somebody_works_the_next_one_is_not_overdue(store: DocumentStore, jobs: JobStore, engine: Engine) -> None:
    receive(store, new("running"))
    jobs.claim("w", 1, 60)
    receive(store, new("bulk"), new("urgent", priority=URGENT))
    long_ago = datetime.now(UTC) - timedelta(days=3)
    with engine.begin() as connection:
        connection.execute(sa.update(schema.jobs).values(due_at=long_ago))
    jobs.attend()
    due = {job.id: job.due_at for job in jobs.page((), 10, 0)[0]}
    assert due["job-urgent"] > long_ago + timedelta(days=2)
    assert due["job-bulk"] == due["job-running"] == long_ago, "one tells it"
    assert jobs.reap() == 1, "a dead worker's job is free all the same"
    assert names(jobs.claim("w", 5, 60)) == ["job-urgent", "job-running", "job-bulk"]


def test_what_is_to_be_tried_later_is_not_tried_earlier_because_somebody_works(
    store: DocumentStore, jobs: JobStore
) -> None:
    receive(store, new("guide"))
    (claimed,) = jobs.claim("w", 1, 60)
    jobs.put_back(claimed, 3600, "The embedding server is away.")
    jobs.attend()
    assert jobs.claim("w", 1, 60) == []
    assert jobs.get("job-guide").due_at > datetime.now(UTC) + timedelta(minutes=30)


def test_of_a_document_the_job_that_came_last_is_found(store: DocumentStore, jobs: JobStore) -> None:
    receive(store, new("other"), new("guide"), new("guide", id="job-later", sha256="b" * 64))
    guide, unfinished = document("guide").id, [JobState.WAITING, JobState.RUNNING]
    found = jobs.about(guide, unfinished)
    assert found is not None
    assert (found.id, found.ahead) == ("job-later", 2)
    assert jobs.about(guide, [JobState.RUNNING]) is None
    jobs.claim("w", 5, 60)
    running = jobs.about(guide, [JobState.RUNNING])
    assert running is not None
    assert running.id == "job-guide"


def test_ids_may_be_short_but_not_ambiguous_or_of_another_namespace(store: DocumentStore, jobs: JobStore) -> None:
    receive(store, new("guide1"), new("guide2"))
    assert jobs.get("job-guide1").id == "job-guide1"
    with pytest.raises(InvalidRequest, match="More than one"):
        jobs.get("job-guide")
    with pytest.raises(InvalidRequest, match="at least"):
        jobs.get("job")
    with pytest.raises(NotFound):
        jobs.get("job-guide1", {"other"})
    with pytest.raises(NotFound):
        jobs.get("%%%%%%")


def test_old_ends_are_forgotten_with_their_bytes(store: DocumentStore, jobs: JobStore) -> None:
    receive(store, new("one"), new("two"))
    (claimed, _) = jobs.claim("w", 2, 60)
    jobs.finish(claimed, [], "Broken.", "")
    assert jobs.forget(datetime.now(UTC) - timedelta(days=1)) == set()
    assert jobs.forget(datetime.now(UTC) + timedelta(days=1)) == {document("one").sha256}
    assert [job.id for job in jobs.page((), 10, 0)[0]] == ["job-two"]


def test_what_waits_is_on_record_and_what_answers_stays_so(store: DocumentStore) -> None:
    store.publish(document("old"), [], [])
    waiting = [document("old", status=DocumentStatus.QUEUED), document("new", status=DocumentStatus.QUEUED)]
    store.receive(waiting, [new("old"), new("new")])
    assert [store.get(each.id).status for each in waiting] == [DocumentStatus.READY, DocumentStatus.QUEUED]
