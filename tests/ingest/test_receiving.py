"""Files are stored, and their jobs written down, before anybody is told that they came."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from core.store.job_rows import BULK, NewJob
from core.types import ChangeKind, Document, DocumentChange, JobState
from ingest import receiving
from ingest.files import FileStore
from ingest.received import Received
from ingest.receiving import Accepted, accept
from tests.ingest.library import Library


def a_file(name: str, data: bytes = b"Ten bytes.") -> Received:
    return Received(name, f"upload:{name}", "default", data)


def test_large_files_are_not_held_together(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiving, "BATCH_BYTES", 15)
    waiting = []

    def read() -> Iterator[Received]:
        for number in range(5):
            waiting.append(library.count(JobState.WAITING))
            yield a_file(f"{number}.md")

    accepted = list(accept(library.pipeline._stores, read(), BULK))
    assert waiting == [0, 0, 2, 2, 4]
    assert [each.file.data for each in accepted if isinstance(each, Accepted)] == [b""] * 5
    assert {job.size_bytes for job in library.all_jobs()} == {10}


def test_small_files_are_received_together(library: Library) -> None:
    waiting = []

    def read() -> Iterator[Received | DocumentChange]:
        for number in range(receiving.BATCH + 1):
            waiting.append(library.count(JobState.WAITING))
            yield DocumentChange(ChangeKind.FAILED, "unreadable") if number == 1 else a_file(f"{number}.md")

    accepted = list(accept(library.pipeline._stores, read(), BULK))
    assert waiting == [0] * receiving.BATCH + [receiving.BATCH - 1]
    assert len(accepted) == receiving.BATCH + 1


def test_a_copy_that_is_discarded_before_its_job_is_there_is_stored_again(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by a purge of another document with the same bytes, in another process."""
    files = FileStore(library.settings.data_dir / "files")
    receive = library.store.receive

    def discarded_first(wanted: Sequence[Document], new_jobs: Sequence[NewJob], *given: Any) -> Any:
        files.discard(new_jobs[0].sha256)
        assert not files.has(new_jobs[0].sha256)
        return receive(wanted, new_jobs, *given)

    monkeypatch.setattr(library.store, "receive", discarded_first)
    (_,) = accept(library.pipeline._stores, [a_file("a.md")], BULK)
    monkeypatch.undo()
    library.work()
    assert [job.state for job in library.all_jobs()] == [JobState.DONE]
