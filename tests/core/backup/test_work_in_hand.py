"""What was in work when the backup was made: files are finished, and no question is answered twice."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.backup import make as making
from core.backup import restore as restoring
from core.datafolder import Claim, claim
from core.settings_documents import Jobs
from core.store.inbox import NEVER, Entry, Inbox, State
from core.store.job_rows import BULK
from core.store.schema import inbox
from core.store.sources import SourceStore
from core.types import JobState
from tests.core.backup.conftest import OpenHome
from tests.core.backup.installation import Home, back_up, put_back
from tests.ingest.library import Library, open_library, until


def states(library: Library) -> dict[str, str]:
    with library.engine.connect() as connection:
        return dict(connection.execute(inbox.select().with_only_columns(inbox.c.key, inbox.c.state)).all())


def in_state(library: Library, state: JobState) -> int:
    return sum(job.state is state for job in library.all_jobs())


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is restored two hours after it was made."""

    class Later(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return datetime.now(UTC) + timedelta(hours=2)

    monkeypatch.setattr(restoring, "datetime", Later)


def test_a_message_that_waited_is_not_answered_once_it_may_have_been(
    home_at: OpenHome, filled: Home, place: Path, later: None
) -> None:
    new = home_at("new", "sqlite")
    assert not put_back(new, place, back_up(filled, place)).is_moved
    with new.open() as library:
        assert states(library) == {"slack:1": State.DONE.value}
        messages = Inbox(library.engine)
        assert messages.claim("slack", "worker", 10, 15) == []
        assert messages.accept([Entry("slack:1", "slack", "slack:T1:C1:1", {})]) == set(), "it is known"
        assert messages.begins() > datetime.now(UTC) + timedelta(hours=1), "nothing older is looked for"


def test_a_message_that_waits_is_answered_by_an_installation_that_moved(
    home_at: OpenHome, filled: Home, place: Path
) -> None:
    new = home_at("new", "postgres")
    assert put_back(new, place, back_up(filled, place)).is_moved
    with new.open() as library:
        (entry,) = Inbox(library.engine).claim("slack", "worker", 10, 15)
        assert entry.payload == {"text": "How?"}
        assert Inbox(library.engine).begins() == NEVER


def test_a_backup_while_somebody_is_at_work_is_no_move(
    home_at: OpenHome, filled: Home, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "WAIT_SECONDS", 0.0)
    held = claim(filled.folder, "lorekeeper documents add")
    assert isinstance(held, Claim)
    made = back_up(filled, place)
    held.release()
    assert not made.manifest.is_at_rest
    assert made.is_unreached, "whoever has the index serves nobody"
    assert made.manifest.missing_vectors == made.manifest.rows("chunks") > 0
    assert not put_back(home_at("new", "sqlite"), place, made).is_moved


def test_a_file_that_was_being_indexed_is_indexed_after_the_restoration(
    home_at: OpenHome, folder: Path, place: Path
) -> None:
    old = home_at("old", "sqlite")
    (folder / "leave.md").write_text("# Leave\n\nYou accrue 13 days.\n")
    with open_library(old.folder, jobs=Jobs(run=False)) as library:

        async def receive() -> None:
            adding = asyncio.create_task(library.pipeline.add_paths([folder], "default"))
            while not in_state(library, JobState.WAITING):
                await asyncio.sleep(0.01)
            adding.cancel()

        asyncio.run(receive())
        assert library.jobs.claim("a worker that is gone", 10, 600, BULK)
        assert in_state(library, JobState.RUNNING) == 1
        made = back_up(old, place, with_vectors=False)
    new = home_at("new", "sqlite")
    put_back(new, place, made)
    with new.open() as library:
        library.work()
        assert library.texts("days accrue") == ["You accrue 13 days."]
        assert asyncio.run(library.pipeline.check()) == []


def test_a_source_that_was_being_synchronised_is_free(home_at: OpenHome, filled: Home, place: Path) -> None:
    new = home_at("new", "postgres")
    put_back(new, place, back_up(filled, place))
    with new.open() as library:
        assert SourceStore(library.engine).lease("s0urce", "me", 60)


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_backup_during_ingestion_holds_one_moment(home_at: OpenHome, folder: Path, place: Path, kind: str) -> None:
    old = home_at("old", kind)
    with old.open() as library:
        stop = threading.Event()

        def add() -> None:
            number = 0
            while not stop.is_set():
                for each in range(4):
                    (folder / f"{each}.md").write_text(f"# Rule {each}\n\nIt was changed {number} times.\n")
                library.add(folder)
                number += 1

        adding = threading.Thread(target=add)
        adding.start()
        try:
            until(lambda: library.store.count_chunks(None) == 4)
            made = [back_up(old, place) for _ in range(3)]
        finally:
            stop.set()
            adding.join()
    for number, each in enumerate(made):
        assert each.manifest.missing_files == 0
        new = home_at(f"new{number}", kind)
        put_back(new, place, each)
        with new.open() as library:
            library.work()
            asyncio.run(library.pipeline.check(repair=True))
            assert asyncio.run(library.pipeline.check()) == []
            assert library.store.count_chunks(None) == library.vectors.count() // 2 == 4
