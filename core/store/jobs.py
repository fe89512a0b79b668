"""Files on their way into the index: each is finished once, over crashes and several workers.

A job is written when its file is received. Who works on it holds it for a while, and again; when that process dies, the
job falls to another. What it makes is published in the transaction that ends it, and only by who holds it then.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from core.errors import InvalidRequest, NotFound, StorageFailed
from core.store.engine import reading, transaction
from core.store.job_rows import BULK, Claimed, NewJob, Progress, job_of, new_job_of, row_of
from core.store.job_turns import ahead_of, count_ahead, now_of
from core.store.schema import jobs
from core.types import DocumentChange, Job, JobStage, JobState
from core.wire import change_to_json

SHORTEST_PREFIX = 6
# One worker that ends is rather a restart, and many jobs may have been in its hands.
SUSPICIOUS_ATTEMPTS = 2
BATCH = 500
LOST = "Another worker took the job over, or it was cancelled."
UNFINISHED = (JobState.WAITING.value, JobState.RUNNING.value)
ENDED_BADLY = (JobState.FAILED.value, JobState.CANCELLED.value)


class JobLost(StorageFailed):
    """The job is not this worker's any more: nothing of it may be published."""


class JobStore:
    """All methods block, and raise `StorageFailed`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    # ── changing one's mind ──────────────────────────────────────────────────────────────────────

    def cancel(self, job_id: str) -> bool:
        """Whether it was not at its end: it is now, and who works on it can publish nothing of it."""
        unfinished = (jobs.c.id == job_id, jobs.c.state.in_(UNFINISHED))
        with transaction(self._engine) as connection:
            return _end(connection, unfinished, JobState.CANCELLED) > 0

    def retry(self, job_id: str) -> bool:
        """Whether it failed or was cancelled, and nothing newer took its place: it waits for its turn, from now on."""
        statement = (
            sa.update(jobs)
            .where(jobs.c.id == job_id, jobs.c.state.in_(ENDED_BADLY), ~has_come_again())
            .values(
                state=JobState.WAITING.value,
                stage=JobStage.WAITING.value,
                attempts=0,
                embedded=0,
                error=None,
                code="",
                changes=[],
                finished_at=None,
            )
        )
        with transaction(self._engine) as connection:
            now = now_of(connection)
            return connection.execute(statement.values(created_at=now, started_at=None, due_at=now)).rowcount > 0

    # ── working ──────────────────────────────────────────────────────────────────────────────────

    def claim(
        self, worker: str, limit: int, seconds: float, most: int = BULK, *, untried: bool = False
    ) -> list[Claimed]:
        """Take up to `limit` jobs for so many seconds: the urgent first, none less urgent than `most`.

        Those of one document are taken one after the other. One that failed before, or ended with its worker more than
        once, is taken alone: when it ends the program again, none that was taken with it pays for that. If they have to be
        `untried`, neither is it taken, nor what comes after it.
        """
        older = jobs.alias("older")
        is_kept_back = sa.exists().where(
            older.c.document_id == jobs.c.document_id,
            sa.or_(
                older.c.state == JobState.RUNNING.value,
                sa.and_(older.c.state == JobState.WAITING.value, older.c.position < jobs.c.position),
            ),
        )
        was_tried = sa.or_(jobs.c.attempts >= SUSPICIOUS_ATTEMPTS, jobs.c.error.is_not(None))
        due = (
            sa.select(jobs, was_tried.label("was_tried"))
            .where(jobs.c.state == JobState.WAITING.value, jobs.c.priority <= most, ~is_kept_back)
            .order_by(jobs.c.priority, jobs.c.position)
            .limit(limit)
            .with_for_update(skip_locked=True, of=jobs)
        )
        with transaction(self._engine) as connection:
            now = now_of(connection)
            rows = _taken_at_once(connection.execute(due.where(jobs.c.due_at <= now)).mappings().all(), untried=untried)
            if rows:
                taken = sa.update(jobs).where(jobs.c.position.in_([row["position"] for row in rows]))
                connection.execute(
                    taken.values(
                        state=JobState.RUNNING.value,
                        stage=JobStage.WAITING.value,
                        worker=worker,
                        due_at=now + timedelta(seconds=seconds),
                        attempts=jobs.c.attempts + 1,
                        claims=jobs.c.claims + 1,
                        started_at=sa.func.coalesce(jobs.c.started_at, now),
                        embedded=0,
                        seconds_left=None,
                    )
                )
        return [
            Claimed(new_job_of(row), worker, row["attempts"] + 1, row["claims"] + 1, bool(row["was_tried"]))
            for row in rows
        ]

    def hold(self, worker: str, claims: Collection[tuple[str, int]], seconds: float) -> set[tuple[str, int]]:
        """Keep these jobs for another while, by the keys of their claims; returns those that are still the worker's."""
        held: set[tuple[str, int]] = set()
        wanted = sorted(claims)
        with transaction(self._engine) as connection:
            until = now_of(connection) + timedelta(seconds=seconds)
            for start in range(0, len(wanted), BATCH):
                these = sa.tuple_(jobs.c.id, jobs.c.claims).in_(wanted[start : start + BATCH])
                mine = (jobs.c.worker == worker, jobs.c.state == JobState.RUNNING.value, these)
                kept = sa.update(jobs).where(*mine).values(due_at=until).returning(jobs.c.id, jobs.c.claims)
                held |= {(row.id, row.claims) for row in connection.execute(kept)}
        return held

    def attend(self) -> None:
        """Who works is there, and comes to what waits: the next of it is due from now on, and not since long ago."""
        is_waiting = jobs.c.state == JobState.WAITING.value
        upcoming = sa.select(jobs.c.position).where(is_waiting).order_by(jobs.c.priority, jobs.c.position).limit(1)
        with transaction(self._engine) as connection:
            overdue = (is_waiting, jobs.c.position == upcoming.scalar_subquery(), jobs.c.due_at <= now_of(connection))
            connection.execute(sa.update(jobs).where(*overdue).values(due_at=now_of(connection)))

    def reap(self, *, everything: bool = False) -> int:
        """Jobs whose workers have not been heard of for their time wait again; returns how many.

        `everything`: no worker is alive, whatever it said.
        """
        with transaction(self._engine) as connection:
            is_dead = sa.true() if everything else jobs.c.due_at <= now_of(connection)
            dead = sa.update(jobs).where(jobs.c.state == JobState.RUNNING.value, is_dead)
            free = dead.values(state=JobState.WAITING.value, stage=JobStage.WAITING.value, worker="")
            return connection.execute(free).rowcount

    def note(self, claimed: Claimed, progress: Progress) -> None:
        """Say how far it is, for who waits for it."""
        with transaction(self._engine) as connection:
            connection.execute(
                sa.update(jobs)
                .where(*_holding(claimed))
                .values(
                    stage=progress.stage.value,
                    pages=progress.pages,
                    chunks=progress.chunks,
                    embedded=progress.embedded,
                    seconds_left=progress.seconds_left,
                )
            )

    def finish(self, claimed: Claimed, changes: Sequence[DocumentChange], error: str | None, code: str) -> None:
        """It came to its end without a publication: nothing was to be done, or it failed. Raises `JobLost`."""
        with transaction(self._engine) as connection:
            end_job(connection, claimed, changes, error, code)

    def put_back(
        self, claimed: Claimed, delay: float = 0.0, error: str | None = None, code: str = "", *, counts: bool = True
    ) -> bool:
        """Let go of it, to be taken by anyone after `delay` seconds; whether it was the worker's.

        The attempt does not count without an error, nor if it is not to `counts`.
        """
        values: dict[str, Any] = {"error": error, "code": code} if error else {}
        if not error or not counts:
            values["attempts"] = jobs.c.attempts - 1
        free = {"state": JobState.WAITING.value, "stage": JobStage.WAITING.value, "worker": ""}
        with transaction(self._engine) as connection:
            due_at = now_of(connection) + timedelta(seconds=delay)
            back = sa.update(jobs).where(*_holding(claimed)).values(due_at=due_at, **free, **values)
            return connection.execute(back).rowcount > 0

    def forget(self, before: datetime) -> set[str]:
        """Delete jobs that came to their end before then; returns the sha256 of their bytes."""
        old = sa.delete(jobs).where(jobs.c.state.not_in(UNFINISHED), jobs.c.finished_at < before)
        with transaction(self._engine) as connection:
            return set(connection.scalars(old.returning(jobs.c.sha256)))

    # ── reading ──────────────────────────────────────────────────────────────────────────────────

    def get(self, job_id: str, within: Collection[str] = ()) -> Job:
        """By id or a unique beginning of it. Raises `NotFound`, `InvalidRequest`."""
        if len(job_id) < SHORTEST_PREFIX:
            raise InvalidRequest(f"Give at least the first {SHORTEST_PREFIX} characters of the job's id.")
        where = sa.and_(jobs.c.id.startswith(job_id, autoescape=True), _in_one_of(within))
        with reading(self._engine) as connection:
            rows = connection.execute(sa.select(jobs).where(where).limit(2)).mappings().all()
            if not rows:
                raise NotFound(f"There is no job {job_id}. `lorekeeper documents jobs` shows them all.")
            if len(rows) > 1 and rows[0]["id"] != job_id:
                raise InvalidRequest(f"More than one job's id begins with {job_id}. Give more of it.")
            return job_of(rows[0], count_ahead(connection, rows[0]))

    def page(
        self, states: Collection[JobState], limit: int, offset: int, within: Collection[str] = ()
    ) -> tuple[list[Job], int]:
        """Those that run, that wait, in the order of their turn, and that ended, the latest first; and how many in all.

        Where `states` are named, one that failed is left out when its file came again since: nothing is to be done.
        """
        wanted: sa.ColumnElement[bool] = jobs.c.state.in_([state.value for state in states]) if states else sa.true()
        if JobState.FAILED in states:
            wanted = sa.and_(wanted, sa.or_(jobs.c.state != JobState.FAILED.value, ~has_come_again()))
        where = sa.and_(wanted, _in_one_of(within))
        order = (
            sa.case((jobs.c.state == JobState.RUNNING.value, 0), (jobs.c.state == JobState.WAITING.value, 1), else_=2),
            jobs.c.finished_at.desc(),
            jobs.c.priority,
            jobs.c.position,
        )
        with reading(self._engine) as connection:
            total = connection.execute(sa.select(sa.func.count()).select_from(jobs).where(where)).scalar_one()
            query = sa.select(jobs).where(where).order_by(*order).limit(limit).offset(offset)
            rows = connection.execute(query).mappings().all()
            ahead = ahead_of(connection, rows)
            return [job_of(row, ahead.get(row["position"], 0)) for row in rows], total

    def about(self, document_id: str, states: Collection[JobState]) -> Job | None:
        """Of the jobs about the document in one of these states, the one that came last."""
        wanted = (jobs.c.document_id == document_id, jobs.c.state.in_([state.value for state in states]))
        query = sa.select(jobs).where(*wanted).order_by(jobs.c.position.desc()).limit(1)
        with reading(self._engine) as connection:
            row = connection.execute(query).mappings().one_or_none()
            return None if row is None else job_of(row, count_ahead(connection, row))

    def is_replaced(self, job_id: str) -> bool:
        """Whether a later job of the same document was done, or is about to be."""
        with reading(self._engine) as connection:
            return bool(connection.scalar(sa.select(has_come_again()).where(jobs.c.id == job_id)))

    def told(self, job_ids: Sequence[str]) -> tuple[list[Job], set[str]]:
        """Those of these jobs that came to their end, and those whose last attempt failed; and the ids of all the jobs
        that are still on record: what is purged takes its jobs with it."""
        there = sa.select(jobs.c.id).where(jobs.c.id.in_(job_ids))
        failed = sa.and_(jobs.c.state == JobState.WAITING.value, jobs.c.error.is_not(None))
        what = sa.or_(jobs.c.state.not_in(UNFINISHED), failed)
        query = sa.select(jobs).where(jobs.c.id.in_(job_ids), what).order_by(jobs.c.finished_at, jobs.c.position)
        with reading(self._engine) as connection:
            return [job_of(row, 0) for row in connection.execute(query).mappings()], set(connection.scalars(there))

    def is_about(self, document_id: str) -> bool:
        """Whether some job is about to change the document."""
        with reading(self._engine) as connection:
            return has_unfinished(connection, document_id)

    def unfinished_documents(self) -> set[str]:
        """Ids of documents that some job is about to change."""
        with reading(self._engine) as connection:
            query = sa.select(jobs.c.document_id).where(jobs.c.state.in_(UNFINISHED))
            return set(connection.scalars(query))


# ── within the transactions of others ────────────────────────────────────────────────────────────


def enqueue(connection: Connection, wanted: Sequence[NewJob]) -> list[str]:
    """Write jobs down; returns their ids. The same bytes that wait already for the same document are no new job."""
    now = now_of(connection)
    last = _last_unfinished(connection, [job.document_id for job in wanted])
    ids, rows = [], []
    for job in wanted:
        same = last[job.document_id].id if _is_same(last.get(job.document_id), job) else None
        if same is None:
            rows.append(row_of(job, now))
            ids.append(job.id)
            continue
        # Somebody asks for it now: it waits no longer for its next attempt, nor behind a folder.
        again = sa.update(jobs).where(jobs.c.id == same, jobs.c.state == JobState.WAITING.value)
        connection.execute(again.values(due_at=now, attempts=0, error=None, code=""))
        ids.append(same)
    if rows:
        connection.execute(sa.insert(jobs), rows)
    _hurry(connection, [job for job in wanted if job.priority < BULK], now)
    return ids


def _hurry(connection: Connection, wanted: Sequence[NewJob], now: datetime) -> None:
    """What has its turn before these, because it is about the same documents, is as urgent as they are."""
    for job in wanted:
        slower = (jobs.c.document_id == job.document_id, jobs.c.priority > job.priority, jobs.c.state.in_(UNFINISHED))
        # Who holds one goes on to hold it.
        due_at = sa.case((jobs.c.state == JobState.WAITING.value, now), else_=jobs.c.due_at)
        connection.execute(sa.update(jobs).where(*slower).values(priority=job.priority, due_at=due_at))


def end_job(
    connection: Connection,
    claimed: Claimed,
    changes: Sequence[DocumentChange],
    error: str | None = None,
    code: str = "",
) -> None:
    """End a job together with what it did. Raises `JobLost` when it is not the worker's any more."""
    state = JobState.FAILED if error is not None else JobState.DONE
    said = [change_to_json(change) for change in changes]
    document = changes[-1].document if changes else None
    known = (
        {} if document is None else {"pages": document.pages, "chunks": document.chunks, "embedded": document.chunks}
    )
    if not _end(connection, _holding(claimed), state, changes=said, error=error, code=code, **known):
        raise JobLost(LOST)


def check_held(connection: Connection, claimed: Claimed) -> None:
    """Raises `JobLost` when the job is not the worker's any more; if it is, it stays so to the transaction's end."""
    query = sa.select(jobs.c.id).where(*_holding(claimed)).with_for_update()
    if connection.scalar(query) is None:
        raise JobLost(LOST)


def has_unfinished(connection: Connection, document_id: str) -> bool:
    """Whether some job is about to change the document."""
    query = sa.exists().where(jobs.c.document_id == document_id, jobs.c.state.in_(UNFINISHED))
    return bool(connection.scalar(sa.select(query)))


def cancel_all(connection: Connection, document_ids: Sequence[str]) -> None:
    """Give up every job for these documents."""
    for start in range(0, len(document_ids), BATCH):
        batch = document_ids[start : start + BATCH]
        _end(connection, (jobs.c.document_id.in_(batch), jobs.c.state.in_(UNFINISHED)), JobState.CANCELLED)


def _end(connection: Connection, where: Sequence[sa.ColumnElement[bool]], state: JobState, **values: Any) -> int:
    statement = sa.update(jobs).where(*where)
    ended = connection.execute(
        statement.values(
            state=state.value,
            stage=JobStage.ENDED.value,
            worker="",
            finished_at=datetime.now(UTC),
            seconds_left=None,
            **values,
        )
    )
    return ended.rowcount


def _holding(claimed: Claimed) -> tuple[sa.ColumnElement[bool], ...]:
    # Every claim counts `claims` up, so that both together name this claim and no other.
    return (
        jobs.c.id == claimed.job.id,
        jobs.c.worker == claimed.worker,
        jobs.c.claims == claimed.number,
        jobs.c.state == JobState.RUNNING.value,
    )


def _last_unfinished(connection: Connection, document_ids: Sequence[str]) -> dict[str, Any]:
    """By document: of the jobs that are about it, the one that comes last."""
    found: dict[str, Any] = {}
    columns = (jobs.c.id, jobs.c.document_id, jobs.c.sha256, jobs.c.readers, jobs.c.of_version)
    for start in range(0, len(document_ids), BATCH):
        batch = document_ids[start : start + BATCH]
        query = sa.select(*columns).where(jobs.c.document_id.in_(batch), jobs.c.state.in_(UNFINISHED))
        found |= {row.document_id: row for row in connection.execute(query.order_by(jobs.c.position))}
    return found


def _is_same(row: Any, job: NewJob) -> bool:
    wanted = (job.sha256, tuple(sorted(job.readers)), job.of_version)
    return row is not None and (row.sha256, row.readers, row.of_version) == wanted


def has_come_again() -> sa.ColumnElement[bool]:
    """Whether a later job of the same document was done, or is about to be."""
    later = jobs.alias("later")
    return sa.exists().where(
        later.c.document_id == jobs.c.document_id,
        later.c.position > jobs.c.position,
        later.c.state.not_in(ENDED_BADLY),
    )


def _taken_at_once(rows: Sequence[Any], *, untried: bool) -> Sequence[Any]:
    """The first if it was tried before, unless they have to be `untried`; or else those before the first one that was."""
    before = list(takewhile(lambda row: not row["was_tried"], rows))
    return before or ([] if untried else rows[:1])


def _in_one_of(namespaces: Collection[str]) -> sa.ColumnElement[bool]:
    return jobs.c.namespace.in_(sorted(namespaces)) if namespaces else sa.true()
