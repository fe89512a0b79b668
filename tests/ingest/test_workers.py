"""Several workers on Postgres and a Chroma server: what one of them leaves behind, another finishes, once."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from core.settings import Chroma, Database
from core.settings_documents import Jobs
from core.types import DocumentStatus, JobState
from tests.bots.load_servers import chroma_server
from tests.ingest.library import Library, open_library, put, until

pytestmark = pytest.mark.slow
DOCUMENTS = 40
REPOSITORY = Path(__file__).parents[2]
# Works on what waits, slowly, until it is killed.
WORKING = """
import sys, time
from pathlib import Path
from typing import Any
from pydantic import SecretStr
from core.settings import Chroma, Database
from tests.fakes.embedder import WordEmbedder
from tests.ingest.library import open_library

data, database, chroma = sys.argv[1:]

class Slow(WordEmbedder):
    def embed(self, texts):
        time.sleep(0.05 * len(texts))
        return super().embed(texts)

with open_library(Path(data), Slow(), database=Database(url=SecretStr(database)), chroma=Chroma(url=chroma)) as library:
    library.pipeline.work()
    print("WORKING", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def shared(tmp_path: Path, postgres_url: str) -> Iterator[tuple[Library, list[str]]]:
    """A library that does no work itself, and how to reach what it shares with others."""
    with chroma_server() as chroma:
        chosen: dict[str, Any] = {
            "database": Database(url=SecretStr(postgres_url)),
            "chroma": Chroma(url=chroma),
            "jobs": Jobs(run=False),
        }
        with open_library(tmp_path / "data", **chosen) as library:
            yield library, [str(tmp_path / "data"), postgres_url, chroma]


def start(places: list[str]) -> subprocess.Popen[str]:
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKING, *places],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=REPOSITORY,
    )
    assert worker.stdout is not None
    assert any(line.startswith("WORKING") for line in iter(worker.stdout.readline, ""))
    return worker


def done(library: Library) -> int:
    return library.count(JobState.DONE)


def test_a_worker_that_is_killed_gives_its_jobs_to_another(shared: tuple[Library, list[str]], folder: Path) -> None:
    library, places = shared
    for number in range(DOCUMENTS):
        put(folder / f"{number:02}.md", f"# Rule {number}\n\nThe text of rule {number} is this.\n")
    with ExitStack() as stack:

        async def fill() -> None:
            adding = asyncio.create_task(library.pipeline.add_paths([folder], "default"))
            while library.count(JobState.WAITING) < DOCUMENTS:
                await asyncio.sleep(0.05)
            adding.cancel()

        asyncio.run(fill())
        workers = [start(places), start(places)]
        for worker in workers:
            stack.enter_context(worker)
            stack.callback(worker.kill)
        until(lambda: library.count(JobState.RUNNING) > 8)
        workers[0].kill()
        held = {job.id for job in library.jobs.page([JobState.RUNNING], 100, 0)[0]}
        # Nobody says any more that the dead one's jobs are in work, so they fall to the other one.
        until(lambda: held <= {job.id for job in library.jobs.page([JobState.DONE], 100, 0)[0]}, 90)
        until(lambda: done(library) == DOCUMENTS, 90)
        workers[1].kill()
    documents = library.documents()
    assert [document.status for document in documents] == [DocumentStatus.READY] * DOCUMENTS
    assert {document.version for document in documents} == {1}
    assert [job.attempts for job in library.all_jobs() if job.attempts > 1], "some were begun by the one that died"
    assert asyncio.run(library.pipeline.check()) == []
    for document in documents:
        (entry,) = asyncio.run(library.pipeline.versions.history(document.id))
        assert entry.version == 1
