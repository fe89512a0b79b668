"""Lorekeeper under the same protocol, in this environment: `python -m evals.peers.with_lorekeeper JOB RESULT`.

The work itself is that of `lorekeeper eval retrieval`.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from core.build import open_application
from core.log import configure
from core.retrieval.embed.onnx import OnnxEmbedder
from core.settings import Settings, load
from evals.datasets import read_dataset
from evals.peers.protocol import Job, Ranking, Result, Stopwatch, resident_mb, versions
from evals.retrieval import apart, ingest, search

PACKAGES = ("chromadb", "onnxruntime")


async def perform(job: Job, settings: Settings) -> Result:
    dataset = read_dataset(Path(job.dataset))
    watch = _watch_embedding()
    application = await asyncio.to_thread(open_application, apart(settings, Path(job.workspace)), "lorekeeper eval")
    try:
        seconds, chunks = await ingest(application, dataset, _quietly)
        embedding_seconds = watch.seconds
        found = await search(application, dataset, _quietly)
        rankings = [Ranking(row.question.id, list(row.documents), row.milliseconds) for row in found]
        return Result(seconds, embedding_seconds, chunks, rankings, resident_mb(), versions(PACKAGES))
    finally:
        application.close()


def _watch_embedding() -> Stopwatch:
    watch = Stopwatch()
    for name in dir(OnnxEmbedder):
        if name.startswith("embed"):
            setattr(OnnxEmbedder, name, watch.timed(getattr(OnnxEmbedder, name)))
    return watch


def _quietly(stage: str, done: int, total: int) -> None:
    pass


def main(job_file: str, result_file: str) -> None:
    settings = load()
    configure(settings.log.model_copy(update={"level": "warning"}))
    asyncio.run(perform(Job.read(Path(job_file)), settings)).write(Path(result_file))


if __name__ == "__main__":
    main(*sys.argv[1:])
