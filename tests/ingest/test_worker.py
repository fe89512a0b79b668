"""Jobs are carried out: the urgent first, again after a passing trouble, never twice, and never for nobody."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from core.errors import EmbeddingFailed, EndpointUnavailable, InvalidRequest, StorageFailed
from core.ports import Vectors
from core.settings_documents import Jobs
from core.types import ChangeKind, DocumentChange, DocumentStatus, Job, JobStage, JobState, Origin
from ingest.parse.process import ParserProcess
from ingest.worker import Lane
from tests.fakes.embedder import WordEmbedder
from tests.ingest.library import Library, open_library, put, until

RULE = "# Rules\n\nRule {} of the house.\n"
ADA = Origin("slack", "U1")


class Gate(WordEmbedder):
    """Holds back texts with a word in them, until it is opened."""

    def __init__(self, word: str) -> None:
        super().__init__()
        self._word = word
        self.is_reached = threading.Event()
        self.is_open = threading.Event()

    def embed(self, texts: Sequence[str]) -> Vectors:
        if any(self._word in text for text in texts):
            self.is_reached.set()
            assert self.is_open.wait(60)
        return super().embed(texts)


@contextmanager
def gated(folder: Path, word: str, **chosen: Any) -> Iterator[tuple[Library, Gate]]:
    gate = Gate(word)
    with open_library(folder, gate, **chosen) as library:
        try:
            yield library, gate
        finally:
            gate.is_open.set()


async def send(library: Library, path: Path, **given: Any) -> DocumentChange:
    return await library.pipeline.add_file(path.name, path, "default", **given)


def state(library: Library) -> dict[str, JobState]:
    return {job.name: job.state for job in library.all_jobs()}


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


class Broken(WordEmbedder):
    """Does not answer for texts with a word in them, or for all, so many times."""

    def __init__(self, word: str, times: int) -> None:
        super().__init__()
        self._word = word
        self.left = times

    def embed(self, texts: Sequence[str]) -> Vectors:
        if self.left and any(self._word in text for text in texts):
            self.left -= 1
            raise EmbeddingFailed("The embedding model does not answer.")
        return super().embed(texts)


class Busy(WordEmbedder):
    """Answers short requests, and is too busy for longer ones that hold a word, so many times."""

    def __init__(self, word: str, times: int) -> None:
        super().__init__()
        self._word = word
        self.left = times

    def embed(self, texts: Sequence[str]) -> Vectors:
        if self.left and any(self._word in text for text in texts):
            self.left -= 1
            raise EndpointUnavailable("The embeddings endpoint is too busy or down (HTTP 429).")
        return super().embed(texts)


class TestTrouble:
    def test_a_passing_trouble_is_told_and_overcome(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("ingest.worker.DELAYS", (0.1, 0.1, 0.1, 0.1))
        upload = put(tmp_path / "rules.md", RULE.format(1))
        with open_library(tmp_path / "data", Broken("house", 2)) as library:
            with pytest.raises(EmbeddingFailed, match=r"does not answer\. It is tried again by itself\."):
                asyncio.run(send(library, upload))
            until(lambda: state(library) == {"rules.md": JobState.DONE})
            assert library.texts("rule")
            assert [job.attempts for job in library.all_jobs()] == [3]

    def test_a_lasting_one_ends_it_with_its_reason_and_it_can_be_tried_again(
        self, tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("ingest.worker.DELAYS", (0.05, 0.05))
        monkeypatch.setattr("ingest.worker.MOST_ATTEMPTS", 3)
        put(folder / "broken.md", "# Broken\n\nThe house burns.\n")
        for number in range(5):
            put(folder / f"{number}.md", "# Fine\n\nAll is well.\n")
        with open_library(tmp_path / "data", Broken("house", 99)) as library:
            with pytest.raises(EmbeddingFailed):
                library.add(folder)
            until(lambda: all(each.is_end for each in state(library).values()))
            assert state(library) == {f"{number}.md": JobState.DONE for number in range(5)} | {
                "broken.md": JobState.FAILED
            }
            (failed,) = library.jobs.page([JobState.FAILED], 10, 0)[0]
            told = (
                "The embedding model does not answer. It was tried 3 times, while the embedding model took other texts."
            )
            assert (failed.error, failed.code) == (told, EmbeddingFailed.code)
            library.embedder.left = 0  # type: ignore[attr-defined]
            asyncio.run(library.pipeline.jobs.retry(failed.id))
            until(lambda: state(library)["broken.md"] is JobState.DONE)
            assert library.texts("house burns")

    def test_while_the_model_is_away_no_file_is_to_blame(
        self, tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("ingest.worker.DELAYS", (0.0,))
        monkeypatch.setattr("ingest.worker.MOST_ATTEMPTS", 2)
        monkeypatch.setattr("ingest.worker.FIRST_REST_SECONDS", 0.01)
        monkeypatch.setattr("ingest.worker.LONGEST_BULK_REST_SECONDS", 0.02)
        for number in range(4):
            put(folder / f"{number}.md", RULE.format(number))
        # More often than their attempts are, all together.
        with open_library(tmp_path / "data", Broken("", 60)) as library:
            with pytest.raises(EmbeddingFailed):
                library.add(folder)
            until(lambda: not library.jobs.unfinished_documents())
            assert set(state(library).values()) == {JobState.DONE}
            assert library.embedder.left == 0  # type: ignore[attr-defined]

    def test_a_single_file_waits_as_long_as_the_model_is_away(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("ingest.worker.DELAYS", (0.0,))
        monkeypatch.setattr("ingest.worker.MOST_ATTEMPTS", 2)
        monkeypatch.setattr("ingest.worker.FIRST_REST_SECONDS", 0.01)
        monkeypatch.setattr("ingest.worker.LONGEST_URGENT_REST_SECONDS", 0.02)
        with open_library(tmp_path / "data", Broken("", 20)) as library:
            asyncio.run(received(library, put(tmp_path / "rules.md", RULE.format(1))))
            library.work()
            assert state(library) == {"rules.md": JobState.DONE}
            assert library.embedder.left == 0  # type: ignore[attr-defined]

    def test_files_that_the_model_refuses_are_given_up_although_there_are_several(
        self, tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("ingest.worker.DELAYS", (0.01, 0.01))
        monkeypatch.setattr("ingest.worker.MOST_ATTEMPTS", 3)
        monkeypatch.setattr("ingest.worker.FIRST_REST_SECONDS", 0.01)
        for number in range(3):
            put(folder / f"{number}.md", RULE.format(number))
        with open_library(tmp_path / "data", Broken("house", 999)) as library:
            with pytest.raises(EmbeddingFailed):
                library.add(folder)
            until(lambda: not library.jobs.unfinished_documents())
            assert {(job.state, job.attempts, job.error) for job in library.all_jobs()} == {
                (
                    JobState.FAILED,
                    3,
                    "The embedding model does not answer. It was tried 3 times, while the embedding model took other texts.",
                )
            }

    def test_while_a_model_is_too_busy_no_file_is_to_blame(
        self, tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("ingest.worker.DELAYS", (0.0,))
        monkeypatch.setattr("ingest.worker.MOST_ATTEMPTS", 2)
        monkeypatch.setattr("ingest.worker.FIRST_REST_SECONDS", 0.01)
        monkeypatch.setattr("ingest.worker.LONGEST_BULK_REST_SECONDS", 0.02)
        for number in range(4):
            put(folder / f"{number}.md", RULE.format(number))
        with open_library(tmp_path / "data", Busy("house", 60)) as library:
            with pytest.raises(EmbeddingFailed):
                library.add(folder)
            until(lambda: not library.jobs.unfinished_documents())
            assert set(state(library).values()) == {JobState.DONE}
            assert library.embedder.left == 0  # type: ignore[attr-defined]

    def test_a_file_for_which_it_is_too_busy_while_it_takes_others_is_given_up(
        self, tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("ingest.worker.DELAYS", (0.01,))
        monkeypatch.setattr("ingest.worker.MOST_ATTEMPTS", 3)
        monkeypatch.setattr("ingest.worker.FIRST_REST_SECONDS", 0.01)
        monkeypatch.setattr("ingest.worker.LONGEST_BULK_REST_SECONDS", 0.02)
        # Before the others, and tried again before each of them if nothing held it back.
        put(folder / "large.md", RULE.format(1))
        with open_library(tmp_path / "data", Busy("house", 9999)) as library:
            with pytest.raises(EmbeddingFailed):
                library.add(folder)
            others = 0
            while not library.count(JobState.FAILED):
                others += 1
                assert others < 50
                # The lane of uploads is another one, which tells nothing of this one.
                fine = [
                    put(tmp_path / f"{others}" / name, f"# Fine\n\n{name} {others}.\n") for name in ("a.md", "b.md")
                ]
                with contextlib.suppress(EmbeddingFailed):
                    library.add(*fine)
                until(lambda: library.count(JobState.DONE) == 2 * others)  # noqa: B023
            assert state(library)["large.md"] is JobState.FAILED
            assert others >= 2, "only another file shows that it is not the model"

    def test_the_longer_it_lasts_the_rarer_it_is_tried(self) -> None:
        lane = Lane(None, None, 1, 60.0)  # type: ignore[arg-type]
        lane.meet({"one"})
        assert not lane.is_resting, "the file may be to blame"
        rests = []
        for _ in range(8):
            lane.meet({"two"})
            rests.append(lane.rest)
        assert rests == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]
        lane.get_through()
        assert (lane.rest, lane.is_in_trouble) == (0.0, False)

    def test_a_file_that_nobody_can_read_is_not_tried_again_and_holds_up_nobody(
        self, library: Library, folder: Path
    ) -> None:
        put(folder / "good.md", RULE.format(1))
        put(folder / "bad.pdf", b"%PDF-1.7 and nothing more")
        changes = library.add(folder)
        assert {name: change.kind for name, change in changes.items()} == {
            "good.md": ChangeKind.ADDED,
            "bad.pdf": ChangeKind.FAILED,
        }
        assert state(library) == {"good.md": JobState.DONE, "bad.pdf": JobState.FAILED}
        (failed,) = library.jobs.page([JobState.FAILED], 10, 0)[0]
        assert (failed.attempts, failed.error) == (1, changes["bad.pdf"].message)

    def test_a_file_that_ends_the_program_again_and_again_is_given_up(self, library: Library, tmp_path: Path) -> None:
        upload = put(tmp_path / "rules.md", RULE.format(1))
        asyncio.run(received(library, upload))
        for _ in range(5):
            library.jobs.claim("one that died", 1, -1)
            library.jobs.reap()
        library.work()
        (job,) = library.all_jobs()
        assert (job.state, job.error) == (
            JobState.FAILED,
            "The program ended 5 times while it read this file. Its log may tell why.",
        )
        until(lambda: library.documents() == [])

    def test_a_file_that_ends_the_program_takes_no_other_with_it(self, tmp_path: Path, folder: Path) -> None:
        for number in range(8):
            put(folder / f"{number}.md", RULE.format(number))
        with open_library(tmp_path / "data", jobs=Jobs(run=False)) as library:

            async def fill() -> None:
                adding = asyncio.create_task(library.pipeline.add_paths([folder], "default"))
                while library.count(JobState.WAITING) < 8:
                    await asyncio.sleep(0.02)
                adding.cancel()

            asyncio.run(fill())
            for _ in range(5):
                assert library.jobs.claim("one that died", 8, -1)[0].job.name == "0.md"
                library.jobs.reap()
        with open_library(tmp_path / "data") as library:
            library.work()
            assert state(library) == {"0.md": JobState.FAILED} | {
                f"{number}.md": JobState.DONE for number in range(1, 8)
            }

    def test_what_was_cancelled_before_its_turn_is_not_read(
        self, tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("ingest.worker.HOLD_SECONDS", 0.05)
        for number in range(3):
            put(folder / f"{number}.md", RULE.format(number))
        parse, read, is_reading, goes_on = ParserProcess.parse, [], threading.Event(), threading.Event()

        def wait(parser: ParserProcess, data: bytes, name: str) -> Any:
            read.append(name)
            is_reading.set()
            assert goes_on.wait(60)
            return parse(parser, data, name)

        monkeypatch.setattr(ParserProcess, "parse", wait)
        with open_library(tmp_path / "data") as library:

            async def run() -> dict[str, str | None]:
                adding = asyncio.create_task(library.pipeline.add_paths([folder], "default"))
                await asyncio.to_thread(is_reading.wait, 60)
                (job,) = (job for job in library.all_jobs() if job.name == "1.md")
                await library.pipeline.jobs.cancel(job.id)
                await asyncio.sleep(0.5)
                goes_on.set()
                return {change.name: change.message for change in await adding}

            assert asyncio.run(run()) == {"0.md": None, "1.md": "It was cancelled.", "2.md": None}
        assert read == ["0.md", "2.md"]

    def test_lost_bytes_are_told(self, library: Library, tmp_path: Path) -> None:
        asyncio.run(received(library, put(tmp_path / "rules.md", RULE.format(1))))
        for copy in library.stored_files():
            copy.unlink()
        library.work()
        assert [job.error for job in library.all_jobs()] == ["Its stored copy is gone. Add the document again."]

    def test_a_fault_of_the_program_is_told_without_its_words(
        self, library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*given: object) -> None:
            raise ZeroDivisionError("secret")

        monkeypatch.setattr(ParserProcess, "parse", fail)
        with pytest.raises(StorageFailed, match="on our side") as caught:
            asyncio.run(send(library, put(tmp_path / "rules.md", RULE.format(1))))
        assert "secret" not in caught.value.message


async def received(library: Library, path: Path) -> None:
    """The file is written down, and nobody works on it."""
    library.pipeline.work = lambda: None  # type: ignore[method-assign]
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(send(library, path), 0.3)
    del library.pipeline.work
