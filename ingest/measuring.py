"""What operators see of the work on files."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from core.metrics import Metrics
from core.tracing import Value, span
from core.types import Document, DocumentChange, JobStage
from ingest.received import Prepared, Received


@dataclass(frozen=True, slots=True)
class Measures:
    """For any thread. Ids and counts only: neither names of files nor what is in them."""

    metrics: Metrics = field(default_factory=Metrics)

    @contextmanager
    def reading(self, file: Received) -> Iterator[None]:
        """A file is read and cut in the block."""
        job = {} if file.work is None else {"lorekeeper.job": file.work.claimed.job.id}
        with self._stage(JobStage.READING, {"size": len(file.data), **job}):
            yield

    @contextmanager
    def batch(self, stage: JobStage, documents: int) -> Iterator[None]:
        """So many documents are embedded, or published, in the block."""
        with self._stage(stage, {"documents": documents}):
            yield

    @contextmanager
    def _stage(self, stage: JobStage, attributes: Mapping[str, Value]) -> Iterator[None]:
        begun = time.perf_counter()
        try:
            with span(f"document {stage.value}", attributes):
                yield
        finally:
            self.metrics.worked(stage, time.perf_counter() - begun)

    def published(self, prepared: Prepared, document: Document) -> None:
        """It answers."""
        self.metrics.file_ended(prepared.kind, passages=document.chunks)

    def ended(self, change: DocumentChange) -> None:
        """It came to its end without a publication."""
        self.metrics.file_ended(change.kind, change.code)

    def put_back(self, code: str) -> None:
        """It is tried again."""
        self.metrics.file_put_back(code)
