"""Received files: their bytes are stored and their jobs written down before anybody is told that they came."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from core.store.job_rows import NewJob
from core.types import ChangeKind, DocumentChange
from ingest.documents import document_id, is_current, queued
from ingest.engine import Stores
from ingest.inside import CONTAINERS
from ingest.received import Received

# Files whose jobs are written at once, and bytes of them that are held meanwhile.
BATCH = 50
BATCH_BYTES = 16 * 2**20


@dataclass(frozen=True, slots=True)
class Accepted:
    """A file that waits for its turn."""

    job_id: str
    file: Received
    """Without its bytes, which are stored."""


def accept(
    stores: Stores, files: Iterable[Received | DocumentChange], priority: int
) -> Iterator[Accepted | DocumentChange]:
    """Write a job for each file that is not in the index as it is. Blocking. Raises `StorageFailed`."""
    for batch in _batches(files):
        yield from _accept(stores, batch, priority)
        # Not held while the next ones are read.
        batch.clear()


def _batches(files: Iterable[Received | DocumentChange]) -> Iterator[list[Received | DocumentChange]]:
    batch: list[Received | DocumentChange] = []
    size = 0
    for file in files:
        batch.append(file)
        size += 0 if isinstance(file, DocumentChange) else len(file.data)
        del file
        if len(batch) >= BATCH or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _accept(
    stores: Stores, batch: list[Received | DocumentChange], priority: int
) -> Iterator[Accepted | DocumentChange]:
    wanted: list[tuple[Received, NewJob]] = []
    for file in batch:
        if isinstance(file, DocumentChange):
            yield file
            continue
        digest = hashlib.sha256(file.data).hexdigest()
        old = stores.documents.find(file.namespace, file.source)
        is_known = old is not None and is_current(old, digest, file.readers) and file.of_version is None
        if old is not None and is_known and old.media_type not in CONTAINERS and not stores.jobs.is_about(old.id):
            yield DocumentChange(ChangeKind.UNCHANGED, file.name, old)
            continue
        stores.files.put(file.data)
        wanted.append((file, _job(file, digest, priority)))
    documents, jobs = [queued(file, job.sha256) for file, job in wanted], [job for _, job in wanted]
    ids = stores.documents.receive(documents, jobs, lambda: _store_again(stores, wanted))
    for (file, _), job_id in zip(wanted, ids, strict=True):
        yield Accepted(job_id, replace(file, data=b""))


def _store_again(stores: Stores, wanted: Sequence[tuple[Received, NewJob]]) -> None:
    """Until now a purge of the same bytes elsewhere could delete them."""
    for file, job in wanted:
        if not stores.files.has(job.sha256):
            stores.files.put(file.data)


def _job(file: Received, digest: str, priority: int) -> NewJob:
    return NewJob(
        id=uuid.uuid4().hex,
        document_id=document_id(file.namespace, file.source),
        namespace=file.namespace,
        source=file.source,
        name=file.name,
        sha256=digest,
        size_bytes=len(file.data),
        readers=file.readers,
        url=file.url,
        title=file.title,
        may_be_empty=file.may_be_empty,
        of_version=file.of_version,
        priority=priority,
        origin=file.origin,
    )
