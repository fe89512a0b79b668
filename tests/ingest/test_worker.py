"""Jobs are carried out: the urgent first, again after a passing trouble, never twice, and never for nobody."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from core.errors import InvalidRequest
from core.ports import Vectors
from core.settings_documents import Jobs
from core.types import ChangeKind, DocumentChange, DocumentStatus, Job, JobStage, JobState
from ingest.parse.process import ParserProcess
from tests.fakes.embedder import WordEmbedder
from tests.ingest.gated import ADA, RULE, gated, received, send, state
from tests.ingest.library import Library, open_library, put, until


class TestTurns:
    def test_a_single_file_overtakes_a_folder(self, tmp_path: Path, folder: Path) -> None:
        for number in range(30):
            put(folder / f"{number:02}.md", RULE.format(number))
        upload = put(tmp_path / "upload.md", "# Urgent\n\nThe alarm code is 4711.\n")
        with gated(tmp_path / "data", "house") as (library, gate):

            async def both() -> None:
                importing = asyncio.create_task(library.pipeline.add_paths([folder], "default"))
                await asyncio.to_thread(gate.is_reached.wait, 60)
                change = await send(library, upload)
                assert change.kind is ChangeKind.ADDED
                assert not importing.done()
                assert await library.retrieve("alarm code")
                gate.is_open.set()
                assert {each.kind for each in await importing} == {ChangeKind.ADDED}

            asyncio.run(both())

    def test_two_who_send_the_same_share_one_job(self, tmp_path: Path) -> None:
        upload = put(tmp_path / "upload.md", RULE.format(1))
        with gated(tmp_path / "data", "house") as (library, gate):

            async def both() -> list[DocumentChange]:
                first = asyncio.create_task(send(library, upload))
                await asyncio.to_thread(gate.is_reached.wait, 60)
                second = asyncio.create_task(send(library, upload))
                await asyncio.sleep(0.2)
                gate.is_open.set()
                return [await first, await second]

            assert [change.kind for change in asyncio.run(both())] == [ChangeKind.ADDED, ChangeKind.ADDED]
            assert state(library) == {"upload.md": JobState.DONE}

    def test_the_work_goes_on_when_nobody_waits_for_it(self, tmp_path: Path) -> None:
        upload = put(tmp_path / "upload.md", RULE.format(1))
        with gated(tmp_path / "data", "house") as (library, gate):

            async def leave() -> None:
                sending = asyncio.create_task(send(library, upload, origin=ADA))
                await asyncio.to_thread(gate.is_reached.wait, 60)
                sending.cancel()

            asyncio.run(leave())
            gate.is_open.set()
            until(lambda: state(library) == {"upload.md": JobState.DONE})
            assert library.texts("rule")
            assert [job.origin for job in library.all_jobs()] == [ADA]

    def test_a_process_that_does_not_work_leaves_it_to_another(self, tmp_path: Path) -> None:
        upload = put(tmp_path / "upload.md", RULE.format(1))
        with open_library(tmp_path / "data", jobs=Jobs(run=False)) as library:

            async def wait() -> None:
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(send(library, upload), 1.5)

            asyncio.run(wait())
            assert state(library) == {"upload.md": JobState.WAITING}
            assert [document.status for document in library.documents()] == [DocumentStatus.QUEUED]


class TestTelling:
    def test_who_waits_hears_how_far_it_is(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("ingest.indexing.BATCH_CHUNKS", 2)
        monkeypatch.setattr("ingest.telling.SECONDS", 0.0)
        upload = put(tmp_path / "upload.md", "".join(f"# Part {number}\n\n{'word ' * 50}\n" for number in range(6)))
        told: list[Job] = []
        with open_library(tmp_path / "data", Slow()) as library:
            change = asyncio.run(send(library, upload, watch=told.append))
        assert change.kind is ChangeKind.ADDED
        assert told[-1].state is JobState.DONE
        embedding = [(job.embedded, job.chunks) for job in told if job.stage is JobStage.EMBEDDING]
        assert [done for done, _ in embedding] == sorted(done for done, _ in embedding)
        assert {chunks for _, chunks in embedding} == {6}
        assert len(embedding) > 2
        assert any(job.seconds_left is not None for job in told)
        assert any(job.stage is JobStage.READING for job in told)


class Slow(WordEmbedder):
    """Takes its time."""

    def embed(self, texts: Sequence[str]) -> Vectors:
        threading.Event().wait(0.7)
        return super().embed(texts)


class TestGivingUp:
    def test_what_waits_is_not_done(self, tmp_path: Path, folder: Path) -> None:
        first, second = (put(tmp_path / f"{number}.md", RULE.format(number)) for number in (1, 2))
        with gated(tmp_path / "data", "house") as (library, gate):

            async def run() -> None:
                sending = [asyncio.create_task(send(library, first))]
                await asyncio.to_thread(gate.is_reached.wait, 60)
                sending.append(asyncio.create_task(send(library, second)))
                while "2.md" not in state(library):
                    await asyncio.sleep(0.05)
                job = next(job for job in library.all_jobs() if job.name == "2.md")
                assert (await library.pipeline.jobs.cancel(job.id)).state is JobState.CANCELLED
                change = await sending[1]
                assert (change.kind, change.message) == (ChangeKind.FAILED, "It was cancelled.")
                gate.is_open.set()
                await sending[0]
                with pytest.raises(InvalidRequest, match="cancelled already"):
                    await library.pipeline.jobs.cancel(job.id)
                assert [document.title for document in library.documents()] == ["Rules"]
                await library.pipeline.jobs.retry(job.id)
                while not state(library)["2.md"].is_end:
                    await asyncio.sleep(0.05)
                assert state(library)["2.md"] is JobState.DONE

            asyncio.run(run())
            assert len(library.documents()) == 2

    def test_what_is_in_work_leaves_nothing_and_the_old_version_answers(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("ingest.worker.HOLD_SECONDS", 0.1)
        upload = put(tmp_path / "rules.md", "# Rules\n\nThe old rule.\n")
        with gated(tmp_path / "data", "house") as (library, gate):
            asyncio.run(send(library, upload))
            vectors = library.vectors.count()
            put(upload, RULE.format("new"))

            async def run() -> None:
                sending = asyncio.create_task(send(library, upload))
                await asyncio.to_thread(gate.is_reached.wait, 60)
                (job,) = (job for job in library.all_jobs() if not job.state.is_end)
                await library.pipeline.jobs.cancel(job.id)
                gate.is_open.set()
                assert (await sending).kind is ChangeKind.FAILED

            asyncio.run(run())
            until(lambda: library.vectors.count() == vectors)
            assert library.texts("rule") == ["The old rule."]
            assert [document.status for document in library.documents()] == [DocumentStatus.READY]
            assert asyncio.run(library.pipeline.check()) == []

    def test_what_was_given_up_in_work_can_be_tried_again_at_once(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("ingest.worker.HOLD_SECONDS", 0.1)
        upload = put(tmp_path / "rules.md", RULE.format(1))
        with gated(tmp_path / "data", "house") as (library, gate):

            async def run() -> None:
                sending = asyncio.create_task(send(library, upload))
                await asyncio.to_thread(gate.is_reached.wait, 60)
                (job,) = library.all_jobs()
                await library.pipeline.jobs.cancel(job.id)
                assert (await sending).kind is ChangeKind.FAILED
                # Its worker has noticed.
                await asyncio.sleep(0.5)
                gate.is_open.set()
                await library.pipeline.jobs.retry(job.id)

            asyncio.run(run())
            until(lambda: state(library) == {"rules.md": JobState.DONE})
            assert library.texts("rule")
            assert [job.attempts for job in library.all_jobs()] == [1]

    def test_an_old_version_is_not_tried_again_over_a_newer_one(self, library: Library, tmp_path: Path) -> None:
        upload = put(tmp_path / "rules.md", RULE.format("old"))
        asyncio.run(received(library, upload))
        (old,) = library.all_jobs()
        asyncio.run(library.pipeline.jobs.cancel(old.id))
        asyncio.run(send(library, put(upload, RULE.format("new"))))
        with pytest.raises(InvalidRequest, match=r"rules\.md came again since"):
            asyncio.run(library.pipeline.jobs.retry(old.id))


class TestLanes:
    def test_a_small_upload_does_not_wait_for_a_large_one_that_came_after_it(
        self, tmp_path: Path, library: Library, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        small, large = (put(tmp_path / f"{name}.md", RULE.format(name)) for name in ("small", "large"))
        parse, is_small_published = ParserProcess.parse, threading.Event()

        def slowly(parser: ParserProcess, data: bytes, name: str) -> Any:
            if name == "large.md":
                assert is_small_published.wait(20)
            return parse(parser, data, name)

        monkeypatch.setattr(ParserProcess, "parse", slowly)
        for upload in (small, large):
            asyncio.run(received(library, upload))
        library.pipeline.work()
        until(lambda: state(library)["small.md"] is JobState.DONE, 10)
        is_small_published.set()
        until(lambda: state(library)["large.md"] is JobState.DONE)

    def test_a_loop_that_closed_meanwhile_does_not_end_them(
        self, library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # Who waited there is not there any more.
        loop = asyncio.new_event_loop()
        loop.close()
        monkeypatch.setattr(loop, "is_closed", lambda: False)
        changed = library.pipeline._waiting._changed
        changed._waiting[asyncio.Event()] = loop
        for number in range(2):
            change = asyncio.run(send(library, put(tmp_path / f"{number}.md", RULE.format(number))))
            assert change.kind is ChangeKind.ADDED

    def test_an_error_of_their_own_does_not_end_them(
        self, library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        claim, left = library.jobs.claim, [RuntimeError("unexpected")]

        def fail_once(*given: Any, **chosen: Any) -> Any:
            if left:
                raise left.pop()
            return claim(*given, **chosen)

        monkeypatch.setattr(
            library.jobs.__class__, "claim", lambda store, *given, **chosen: fail_once(*given, **chosen)
        )
        assert asyncio.run(send(library, put(tmp_path / "a.md", RULE.format(1)))).kind is ChangeKind.ADDED

    def test_copies_that_nobody_refers_to_any_more_go_in_time(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("ingest.housekeeping.FIRST_SECONDS", 0.05)
        monkeypatch.setattr("ingest.housekeeping.HOUSEKEEPING_SECONDS", 0.05)
        with open_library(tmp_path / "data") as library:
            asyncio.run(send(library, put(tmp_path / "a.md", RULE.format(1))))
            new = put(tmp_path / "data" / "files" / "cd" / ("cd" * 32), b"Received just now.")
            left = put(tmp_path / "data" / "files" / "ab" / ("ab" * 32), b"Received, and then the program ended.")
            os.utime(left, (0, 0))
            until(lambda: not left.exists())
            assert new.exists()
            assert len(library.stored_files()) == 2

    def test_jobs_are_held_while_that_takes_long(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("ingest.worker.HOLD_SECONDS", 0.05)
        monkeypatch.setattr("ingest.housekeeping.FIRST_SECONDS", 0.05)
        is_sweeping, goes_on = threading.Event(), threading.Event()

        def sweep(*given: object) -> Any:
            is_sweeping.set()
            assert goes_on.wait(60)
            return []

        monkeypatch.setattr("ingest.engine.Stores.unused_copies", sweep)
        with gated(tmp_path / "data", "house") as (library, gate):

            async def run() -> ChangeKind:
                sending = asyncio.create_task(send(library, put(tmp_path / "a.md", RULE.format(1))))
                await asyncio.to_thread(gate.is_reached.wait, 60)
                await asyncio.to_thread(is_sweeping.wait, 60)
                held: list[Any] = []
                hold = library.jobs.hold

                def noted(store: object, *given: Any) -> Any:
                    held.append(given)
                    return hold(*given)

                monkeypatch.setattr(library.jobs.__class__, "hold", noted)
                while len(held) < 3:
                    await asyncio.sleep(0.02)
                gate.is_open.set()
                return (await sending).kind

            try:
                assert asyncio.run(asyncio.wait_for(run(), 60)) is ChangeKind.ADDED
            finally:
                goes_on.set()
