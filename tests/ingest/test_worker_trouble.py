"""What becomes of jobs in trouble: again after a passing one, and an end to those that no trouble of others explains."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from core.errors import EmbeddingFailed, EndpointUnavailable, StorageFailed
from core.ports import Vectors
from core.settings_documents import Jobs
from core.types import ChangeKind, JobState
from ingest.parse.process import ParserProcess
from ingest.worker import Lane
from tests.fakes.embedder import WordEmbedder
from tests.ingest.gated import RULE, received, send, state
from tests.ingest.library import Library, open_library, put, until


class Broken(WordEmbedder):
    """Does not answer for texts with a word in them, or for all, so many times."""

    def __init__(self, word: str, times: int) -> None:
        super().__init__()
        self._word = word
        self.left = times

    def embed(self, texts: Sequence[str]) -> Vectors:
        if self.left and any(self._word in text for text in texts):
            self.left -= 1
            raise self.trouble()
        return super().embed(texts)

    def trouble(self) -> EmbeddingFailed:
        return EmbeddingFailed("The embedding model does not answer.")


class Busy(Broken):
    """Is too busy for them instead."""

    def trouble(self) -> EmbeddingFailed:
        return EndpointUnavailable("The embeddings endpoint is too busy or down (HTTP 429).")


def without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two attempts, one right after the other."""
    monkeypatch.setattr("ingest.worker.DELAYS", (0.0,))
    monkeypatch.setattr("ingest.worker.MOST_ATTEMPTS", 2)
    monkeypatch.setattr("ingest.worker.FIRST_REST_SECONDS", 0.01)
    monkeypatch.setattr("ingest.worker.LONGEST_BULK_REST_SECONDS", 0.02)


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

    @pytest.mark.parametrize(("model", "word"), [(Broken, ""), (Busy, "house")], ids=["away", "too-busy"])
    def test_while_the_model_is_in_trouble_no_file_is_to_blame(
        self, tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, model: type[Broken], word: str
    ) -> None:
        without_waiting(monkeypatch)
        for number in range(4):
            put(folder / f"{number}.md", RULE.format(number))
        # More often than their attempts are, all together.
        with open_library(tmp_path / "data", model(word, 60)) as library:
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
