"""What a user would put files through instead: the same files, embedding model and machine, in the same run.

Each system runs in a process of its own. A file that it cannot read, or in which it finds no text, is counted with the
reason. One that only converts files is there for the speed of reading.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from core.errors import InvalidRequest
from evals.ingesting import Indexed, files_in
from evals.peers import process
from evals.peers.process import Subject
from evals.peers.protocol import FileJob, FileResult
from evals.peers.run import HERE, local_model
from evals.retrieval import Report

SUBJECTS = {
    "langchain": Subject(HERE / "files_with_langchain.py", "langchain_files"),
    "markitdown": Subject(HERE / "files_with_markitdown.py", "markitdown"),
}


async def compare(folder: Path, systems: Sequence[str], report: Report) -> list[dict[str, Any]]:
    """One row of figures for each system, with the keys of `evals.ingesting`. Raises `InvalidRequest`, `SystemFailed`."""
    check(systems)
    if not systems:
        return []
    paths = files_in(folder)
    rows = []
    for done, system in enumerate(systems):
        report("beside", done, len(systems))
        with TemporaryDirectory(prefix=f"{system}-") as name:
            workspace = Path(name) / "workspace"
            workspace.mkdir()
            job = FileJob(system, list(map(str, paths)), local_model(), str(workspace))
            result = await process.perform_files(SUBJECTS[system], job, Path(name))
        rows.append(indexed(folder, system, len(paths), result).row())
    report("beside", len(systems), len(systems))
    return rows


def check(systems: Sequence[str]) -> None:
    """Raises `InvalidRequest` when a system is unknown, or its environment was not made."""
    for system in systems:
        if system not in SUBJECTS:
            raise InvalidRequest(f"There is no {system} to put files through; there are {', '.join(SUBJECTS)}.")
        SUBJECTS[system].command(Path(), Path())


def indexed(folder: Path, system: str, files: int, result: FileResult) -> Indexed:
    return Indexed(
        dataset=folder.resolve().name,
        system=system,
        files=files,
        documents=result.read,
        pages=result.pages,
        refused=result.refused,
        skipped=0,
        chunks=result.chunks,
        seconds=result.seconds,
        tokens=None,
        stages=result.stages,
        peak_rss_mb=round(result.peak_rss_mb, 1),
        versions=result.versions,
    )
