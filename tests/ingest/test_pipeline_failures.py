"""A kill, a full disk, a locked database, a model that fails, a stop: a clear error, and nothing is lost."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from core.errors import EmbeddingFailed, StorageFailed
from core.ports import Vectors
from core.settings import Chroma, Database
from core.store.inspection import Inspection
from core.types import ChangeKind, DocumentStatus, JobState
from ingest.engine import STOPPED
from ingest.files import FileStore
from ingest.pipeline import Pipeline
from tests.fakes.embedder import WordEmbedder
from tests.ingest.library import Library, open_library, put, titled

OLD = "# Vacation\n\nYou accrue 25 days of vacation each year.\n"
NEW = OLD.replace("25 days", "30 days")
OLD_TEXT, NEW_TEXT = "You accrue 25 days of vacation each year.", "You accrue 30 days of vacation each year."
REPOSITORY = Path(__file__).parents[2]
# Indexes a folder and stops for good at one step, so that it can be killed there.
STOPPING = """
import sys, time
from pathlib import Path
from core.store import documents as store, publishing
from core.store.documents import DocumentStore
from ingest.engine import Engine
from ingest.files import FileStore
from tests.fakes.embedder import WordEmbedder
from tests.ingest.library import open_library

data, docs, step = sys.argv[1:]

def stop(*given, **named):
    print("STOPPED", flush=True)
    time.sleep(120)

with open_library(Path(data)) as library:
    target, method = {
        "receiving": (store, "enqueue"),
        "storing": (FileStore, "get"),
        "embedding": (WordEmbedder, "embed"),
        "publishing": (DocumentStore, "publish_all"),
        "ending": (publishing, "end_job"),
        "deleting what is old": (Engine, "collect_garbage"),
    }[step]
    setattr(target, method, stop)
    library.add(Path(docs))
"""


def kill_while(step: str, data: Path, docs: Path) -> None:
    """Index the folder in another process, and kill -9 it at this step."""
    command = [sys.executable, "-c", STOPPING, str(data), str(docs), step]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY) as process:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        assert any(line.startswith("STOPPED") for line in lines)
        process.kill()


def contents(library: Library) -> list[str]:
    """What is kept of the documents' bytes."""
    return [path.read_text() for path in library.stored_files()]


class TestKilled:
    @pytest.mark.parametrize("step", ["storing", "embedding", "publishing", "ending"])
    def test_before_the_new_version_is_published_the_old_one_answers_and_it_is_finished_after_the_next_start(
        self, tmp_path: Path, folder: Path, step: str
    ) -> None:
        path = put(folder / "vacation.md", OLD)
        with open_library(tmp_path / "data") as library:
            library.add(folder)
            vectors = library.vectors.count()
        put(path, NEW)
        kill_while(step, tmp_path / "data", folder)
        with open_library(tmp_path / "data") as library:
            assert library.texts("vacation days") == [OLD_TEXT]
            assert library.vectors.count() == vectors
            library.work()
            assert library.texts("vacation days") == [NEW_TEXT]
            (document,) = library.documents()
            assert (document.status, document.error, document.version) == (DocumentStatus.READY, None, 2)
            assert library.vectors.count() == vectors
            assert sorted(contents(library)) == [OLD, NEW]
            assert [job.state for job in library.all_jobs()] == [JobState.DONE, JobState.DONE]
            assert library.kinds(folder) == {"vacation.md": "unchanged"}

    def test_what_was_not_received_is_not_there(self, tmp_path: Path, folder: Path) -> None:
        put(folder / "vacation.md", OLD)
        kill_while("receiving", tmp_path / "data", folder)
        with open_library(tmp_path / "data") as library:
            library.work()
            assert (library.documents(), library.all_jobs(), library.vectors.count()) == ([], [], 0)
            assert library.kinds(folder) == {"vacation.md": "added"}

    def test_after_the_new_version_is_published_it_answers_and_the_old_one_goes(
        self, tmp_path: Path, folder: Path
    ) -> None:
        path = put(folder / "vacation.md", OLD)
        with open_library(tmp_path / "data") as library:
            library.add(folder)
            vectors = library.vectors.count()
        put(path, NEW)
        kill_while("deleting what is old", tmp_path / "data", folder)
        with open_library(tmp_path / "data") as library:
            assert library.texts("vacation days") == [NEW_TEXT]
            assert library.vectors.count() == vectors
            assert library.kinds(folder) == {"vacation.md": "unchanged"}

    def test_of_a_removed_document_nothing_answers(self, tmp_path: Path, folder: Path) -> None:
        put(folder / "vacation.md", OLD)
        with open_library(tmp_path / "data") as library:
            library.add(folder)
            vectors = library.vectors.count()
            path = put(folder / "secret.md", "The key is below the mat.\n")
            library.add(folder)
        path.unlink()
        kill_while("deleting what is old", tmp_path / "data", folder)
        with open_library(tmp_path / "data") as library:
            assert titled(library.documents()) == ["Vacation"]
            assert library.vectors.count() == vectors

    def test_a_copy_that_was_being_written_goes(self, tmp_path: Path, folder: Path) -> None:
        put(folder / "vacation.md", OLD)
        with open_library(tmp_path / "data") as library:
            library.add(folder)
            (copy,) = library.stored_files()
        copy.with_suffix(".123.tmp").write_text(OLD[:9])
        with open_library(tmp_path / "data") as library:
            assert library.stored_files() == [copy]

    def test_another_database_for_the_folder_costs_no_copy(self, tmp_path: Path, folder: Path) -> None:
        put(folder / "vacation.md", OLD)
        with open_library(tmp_path / "data") as library:
            library.add(folder)
        for database in (tmp_path / "data").glob("lorekeeper.db*"):
            database.unlink()
        with open_library(tmp_path / "data") as library:
            assert contents(library) == [OLD]

    def test_what_another_process_may_be_at_is_left_alone(self, library: Library, folder: Path) -> None:
        put(folder / "vacation.md", OLD)
        library.add(folder)
        (document,) = library.documents()
        in_work = replace(document, status=DocumentStatus.PROCESSING)
        library.store.put(in_work)
        FileStore(library.settings.data_dir / "files").put(b"Of a version that is about to be published.")
        servers = {
            "database": Database(url=SecretStr("postgresql+psycopg://db/lore")),
            "chroma": Chroma(url="http://chroma:8000"),
        }
        stores = (library.store, library.history, library.jobs, Inspection(library.engine), library.vectors)
        settings = library.settings.model_copy(update=servers)
        beside = Pipeline(*stores, library.embedder, library.pipeline._identity, settings)
        beside.recover()
        beside.close()
        assert library.documents() == [in_work]
        assert len(library.stored_files()) == 2


class Failing(WordEmbedder):
    """Fails at its n-th batch, once."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self._left = at

    def embed(self, texts: Sequence[str]) -> Vectors:
        self._left -= 1
        if self._left == 0:
            raise EmbeddingFailed("The embedding model does not answer.")
        return super().embed(texts)


class TestModelFails:
    def test_the_run_ends_with_its_error_and_no_document_stays_in_work(self, tmp_path: Path, folder: Path) -> None:
        put(folder / "vacation.md", OLD)
        with open_library(tmp_path / "data", Failing(at=1)) as library:
            with pytest.raises(EmbeddingFailed, match="does not answer"):
                library.add(folder)
            assert [document.status for document in library.documents()] == [DocumentStatus.QUEUED]
            (job,) = library.all_jobs()
            assert (job.state, job.error) == (JobState.WAITING, "The embedding model does not answer.")
            assert library.kinds(folder) == {"vacation.md": "added"}, "asked for again, it does not wait"
            assert len(library.all_jobs()) == 1
            assert library.texts("vacation days") == [OLD_TEXT]

    def test_the_old_version_answers_on(self, library: Library, folder: Path) -> None:
        path = put(folder / "vacation.md", OLD)
        library.add(folder)
        put(path, NEW)
        library.embedder.embed = Failing(at=1).embed  # type: ignore[method-assign]
        with pytest.raises(EmbeddingFailed):
            library.add(folder)
        assert library.texts("vacation days") == [OLD_TEXT]
        (document,) = library.documents()
        assert document.status is DocumentStatus.READY


class TestDisk:
    @pytest.fixture
    def small_disk(self, tmp_path: Path) -> Iterator[Path]:
        mount = tmp_path / "disk"
        mount.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(mount)]
        if sys.platform != "linux" or subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("needs the right to mount a file system")
        yield mount
        subprocess.run(["umount", "--lazy", str(mount)], check=True)

    # What refuses first: the record, the stored copy, the record after it, the dense index.
    @pytest.mark.parametrize("free_kilobytes", [0, 20, 60, 150, 200, 250])
    def test_a_full_disk_is_told_and_nothing_is_lost(self, small_disk: Path, folder: Path, free_kilobytes: int) -> None:
        path = put(folder / "vacation.md", OLD)
        with open_library(small_disk / "data") as library:
            library.add(folder)
            put(path, NEW + "\n".join(f"{NEW_TEXT} So says rule {number} of the book.\n" for number in range(400)))
            ballast = small_disk / "ballast"
            state = os.statvfs(small_disk)
            ballast.write_bytes(bytes(state.f_bavail * state.f_frsize - free_kilobytes * 1024))
            with pytest.raises(StorageFailed, match="full"):
                library.add(folder)
            assert library.texts("vacation days") == [OLD_TEXT]
            ballast.unlink()
            assert library.kinds(folder) == {"vacation.md": "replaced"}
            assert not any(OLD_TEXT in text for text in library.texts("vacation days"))
        with open_library(small_disk / "data") as library:
            assert library.kinds(folder) == {"vacation.md": "unchanged"}

    def test_a_copy_that_could_not_be_written_leaves_no_remnant(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(descriptor: int) -> None:
            raise OSError(28, "No space left on device")

        files = FileStore(tmp_path / "files")
        monkeypatch.setattr("ingest.files.os.fsync", refuse)
        with pytest.raises(StorageFailed, match=r"the disk is full\. Free some space and try again\.$"):
            files.put(b"Text.")
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


class TestLocked:
    def test_a_locked_database_is_told_and_nothing_is_lost(
        self, tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("core.store.engine.LOCK_SECONDS", 0.2)
        path = put(folder / "vacation.md", OLD)
        with open_library(tmp_path / "data") as library:
            library.add(folder)
            put(path, NEW)
            other = sqlite3.connect(tmp_path / "data" / "lorekeeper.db", isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StorageFailed, match="is locked by another program"):
                library.add(folder)
            assert library.texts("vacation days") == [OLD_TEXT]
            other.execute("ROLLBACK")
            other.close()
            assert library.kinds(folder) == {"vacation.md": "replaced"}
            assert library.texts("vacation days") == [NEW_TEXT]


class TestClosing:
    def test_what_was_received_is_finished_after_the_next_start(
        self, tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("ingest.indexing.BATCH_CHUNKS", 1)
        for number in range(20):
            put(folder / f"{number:02}.md", OLD)
        with open_library(tmp_path / "data") as library:
            is_embedding, may_go_on = threading.Event(), threading.Event()
            embed = library.embedder.embed

            def slow(texts: Sequence[str]) -> Vectors:
                is_embedding.set()
                assert may_go_on.wait(30)
                return embed(texts)

            monkeypatch.setattr(library.embedder, "embed", slow)
            caught: list[BaseException] = []

            def add() -> None:
                try:
                    library.add(folder)
                except StorageFailed as error:
                    caught.append(error)

            adding = threading.Thread(target=add)
            adding.start()
            assert is_embedding.wait(30)
            library.pipeline.stop()
            closing = threading.Thread(target=library.pipeline.close)
            closing.start()
            may_go_on.set()
            closing.join(30)
            adding.join(30)
            assert [str(error) for error in caught] == [STOPPED]
            assert {document.status for document in library.documents()} <= {
                DocumentStatus.QUEUED,
                DocumentStatus.READY,
            }
        with open_library(tmp_path / "data") as library:
            library.work()
            assert {document.status for document in library.documents()} == {DocumentStatus.READY}
            assert {change.kind for change in library.add(folder).values()} == {ChangeKind.UNCHANGED}

    def test_a_file_that_is_being_read_is_given_up(self, tmp_path: Path, folder: Path) -> None:
        put(folder / "slow.md", b"<" * 300_000 + b"![" * 200_000)
        with open_library(tmp_path / "data") as library:

            async def add_and_close() -> None:
                adding = asyncio.ensure_future(library.pipeline.add_paths([folder], "default"))
                while not library.is_reading():
                    await asyncio.sleep(0.01)
                await asyncio.to_thread(library.pipeline.close)
                with pytest.raises(StorageFailed) as caught:
                    await adding
                assert caught.value.message == STOPPED

            asyncio.run(add_and_close())
            (document,) = library.documents()
            assert (document.status, document.error) == (DocumentStatus.QUEUED, None)
            assert [job.state for job in library.all_jobs()] == [JobState.WAITING]
