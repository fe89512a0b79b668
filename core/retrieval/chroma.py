"""Dense search in Chroma, embedded or by HTTP.

Each namespace has collections of its own: `open` for documents that everybody in the namespace may read, and `closed`
for those with readers. Without a metadata filter a query over 10,000 chunks takes 2 ms, with one 22 ms, so only the closed
collection, where the filter is needed, pays for it; and no query can ever return a chunk from another namespace. The
vectors of headings lie beside, in `open-headings` and `closed-headings`, so that they crowd out no text.
"""

from __future__ import annotations

import hashlib
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from core.errors import StorageFailed
from core.ports import Vectors
from core.retrieval.known import KnownChunks
from core.retrieval.stored import StoredVector
from core.settings import Settings
from core.types import Chunk, Hit, Scope

PREFIX = "lk-"
OPEN, CLOSED = "open", "closed"
# Above Chroma's default of 100: exact to four digits on the data sets at no measurable cost.
EF_SEARCH = 200
HEADINGS = "-headings"
# How much a match with a chunk's headings counts, beside one with its text. Fitted on the data sets.
HEADING_FACTOR = 0.97
# Part of the collections' names: raised whenever something else lies in them, so that a re-index begins with empty ones.
LAYOUT = "2"
KINDS = (OPEN, CLOSED, OPEN + HEADINGS, CLOSED + HEADINGS)
REQUEST_SECONDS = 30.0
# What Chroma needs beside the vectors to write them.
SPARE_BYTES = 2 * 2**20
# Ids asked for at once.
LISTED = 5000
# At once; Chroma itself searches on all cores.
SEARCHES = 8


class ChromaIndex:
    """Vectors of one embedding model; `identity` is part of the collections' names, so models never mix."""

    def __init__(
        self,
        client: Any,
        identity: str,
        sessions: Sequence[Any] = (),
        reopen: Callable[[], Any] | None = None,
        folder: Path | None = None,
    ) -> None:
        """`reopen` makes a new client where a failed write leaves the present one unusable; `folder` holds its files."""
        self._client = client
        self._sessions = sessions
        self._identity = f"{identity}/{LAYOUT}"
        self.heading_factor = HEADING_FACTOR
        self._reopen = reopen
        self._folder = folder
        self._collections: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._known = KnownChunks()
        # Half of each search runs here.
        self._beside = ThreadPoolExecutor(SEARCHES, "chroma")

    def upsert(
        self,
        namespace: str,
        readers: frozenset[str],
        chunks: Sequence[Chunk],
        vectors: Vectors,
        headings: Mapping[str, tuple[str, Vectors]] | None = None,
    ) -> None:
        if not chunks:
            return
        documents = {chunk.id: chunk.document_id for chunk in chunks}
        digests = {chunk_id: (_digest(text), vector) for chunk_id, (text, vector) in (headings or {}).items()}
        self._write(namespace, readers, documents, vectors, digests)

    def put_stored(
        self, namespace: str, readers: frozenset[str], documents: Mapping[str, str], stored: Sequence[StoredVector]
    ) -> None:
        """Index what `stored` gave, here or in another index. `documents`: the document of each chunk, by their ids."""
        if stored:
            ids = {each.chunk_id: documents[each.chunk_id] for each in stored}
            headings = {each.chunk_id: each.heading for each in stored if each.heading is not None}
            self._write(namespace, readers, ids, np.stack([each.vector for each in stored]), headings)

    def stored(self, namespace: str, chunk_ids: Sequence[str]) -> list[StoredVector]:
        """Implements `core.retrieval.stored.StoredVectors`."""
        if not chunk_ids:
            return []
        with _storage_errors():
            texts, _ = self._rows(namespace, chunk_ids, (OPEN, CLOSED))
            headings, digests = self._rows(namespace, chunk_ids, (OPEN + HEADINGS, CLOSED + HEADINGS))
        return [
            StoredVector(each, texts[each], (digests[each], headings[each]) if each in headings else None)
            for each in chunk_ids
            if each in texts
        ]

    def delete(self, namespace: str, chunk_ids: Sequence[str]) -> None:
        if not chunk_ids:
            return
        with self._writing():
            for collection in self._existing(namespace, *KINDS):
                collection.delete(ids=list(chunk_ids))
                self._known.forget(collection, chunk_ids)

    def search(self, vector: Vectors, scope: Scope, limit: int) -> list[Hit]:
        with _storage_errors():
            beside = self._beside.submit(self._nearest_headings, vector, scope, limit)
            cosines = self._nearest_texts(vector, scope, limit)
            headings = beside.result()
        for chunk_id, cosine in headings.items():
            cosines[chunk_id] = max(cosines.get(chunk_id, -1.0), self.heading_factor * cosine)
        hits = [Hit(chunk_id, score) for chunk_id, score in cosines.items()]
        return sorted(hits, key=lambda hit: (-hit.score, hit.chunk_id))[:limit]

    def similarities(self, vector: Vectors, scope: Scope, chunk_ids: Sequence[str]) -> dict[str, float]:
        if not chunk_ids:
            return {}
        cosines: dict[str, float] = {}
        with _storage_errors():
            for collection, where in self._readable(scope):
                rows = self._known.unit_vectors(collection, where, chunk_ids)
                if rows:
                    products = np.stack(list(rows.values())) @ vector[0]
                    cosines.update(zip(rows, map(float, products), strict=True))
        return cosines

    def existing(self, namespace: str, readers: frozenset[str], chunk_ids: Sequence[str]) -> set[str]:
        if not chunk_ids:
            return set()
        with _storage_errors():
            collection = self._collection(namespace, CLOSED if readers else OPEN)
            if collection is None:
                return set()
            found = collection.get(ids=list(chunk_ids), include=["metadatas"])
        allowed = {*_metadata(readers), "document"}
        return {chunk_id for chunk_id, row in zip(found["ids"], found["metadatas"], strict=True) if set(row) == allowed}

    def count(self) -> int:
        with _storage_errors():
            return sum(collection.count() for collection in self._ours())

    def chunk_ids(self) -> Iterator[tuple[str, list[str]]]:
        with _storage_errors():
            for collection in self._ours():
                namespace = str(collection.metadata["namespace"])
                start = 0
                while ids := collection.get(include=[], limit=LISTED, offset=start)["ids"]:
                    yield namespace, ids
                    start += len(ids)

    def drop_others(self) -> None:
        """Delete the collections of other embedding models, after a re-index."""
        with self._writing():
            keep = {collection.name for collection in self._ours()}
            for collection in self._connected().list_collections():
                if collection.name.startswith(PREFIX) and collection.name not in keep:
                    self._connected().delete_collection(collection.name)

    def ping(self) -> None:
        """Raises `StorageFailed` when Chroma does not answer."""
        with _storage_errors():
            self._connected().heartbeat()

    def close(self) -> None:
        self._beside.shutdown()
        self._collections.clear()
        if self._client is not None:
            self._client.close()
        for session in self._sessions:
            session.close()  # Chroma's client leaves its connections open

    def _check_room(self, size: int) -> None:
        """Embedded Chroma that was refused a write cannot even be opened again while the disk is full."""
        if self._folder is not None and shutil.disk_usage(self._folder).free < SPARE_BYTES + 2 * size:
            raise StorageFailed(
                f"The disk that holds {self._folder} is full. Free some space and try again; what was stored is safe."
            )

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            with _storage_errors():
                yield
        except StorageFailed:
            if self._reopen is not None and self._client is not None:
                # After a write that failed on a full disk, the next call into embedded Chroma may never return.
                self._collections.clear()
                self._client, broken = None, self._client
                with _storage_errors():
                    broken.close()
            raise

    def _connected(self) -> Any:
        if self._client is None and self._reopen is not None:
            with self._lock:
                if self._client is None:
                    self._client = self._reopen()
        return self._client

    def _ours(self) -> list[Any]:
        return [
            collection
            for collection in self._connected().list_collections()
            if (collection.metadata or {}).get("embedding") == self._identity
        ]

    def _write(
        self,
        namespace: str,
        readers: frozenset[str],
        documents: Mapping[str, str],
        vectors: Vectors,
        headings: Mapping[str, tuple[str, Vectors]],
    ) -> None:
        """`documents` and `headings` (a digest and a vector) by chunk id; `vectors` in the order of `documents`."""
        here, elsewhere = (CLOSED, OPEN) if readers else (OPEN, CLOSED)
        access = _metadata(readers)
        self._check_room(vectors.nbytes)
        with self._writing():
            # The text comes last: where it is, everything is.
            if headings:
                rows = np.stack([vector for _, vector in headings.values()])
                metadata = [
                    {**access, "document": documents[chunk_id], "heading": digest}
                    for chunk_id, (digest, _) in headings.items()
                ]
                self._put(namespace, here + HEADINGS, list(headings), rows, metadata)
            metadata = [{**access, "document": document_id} for document_id in documents.values()]
            self._put(namespace, here, list(documents), vectors, metadata)
            # A document whose readers changed must not stay where others find it.
            for collection in self._existing(namespace, elsewhere, elsewhere + HEADINGS):
                collection.delete(ids=list(documents))
                self._known.forget(collection, documents)

    def _rows(
        self, namespace: str, chunk_ids: Sequence[str], kinds: Sequence[str]
    ) -> tuple[dict[str, Vectors], dict[str, str]]:
        """By chunk id: vectors, and the digests of headings where these are such."""
        rows: dict[str, Vectors] = {}
        digests: dict[str, str] = {}
        for collection in self._existing(namespace, *kinds):
            found = collection.get(ids=list(chunk_ids), include=["embeddings", "metadatas"])
            for chunk_id, row, metadata in zip(found["ids"], found["embeddings"], found["metadatas"], strict=True):
                rows[chunk_id] = np.asarray(row, dtype=np.float32)
                digests[chunk_id] = str((metadata or {}).get("heading", ""))
        return rows, digests

    def _put(
        self, namespace: str, kind: str, ids: Sequence[str], rows: Vectors, metadata: Sequence[Mapping[str, Any]]
    ) -> None:
        collection = self._collection(namespace, kind, create=True)
        largest = self._connected().get_max_batch_size()
        for start in range(0, len(ids), largest):
            part = slice(start, start + largest)
            collection.upsert(ids=ids[part], embeddings=rows[part], metadatas=metadata[part])
        self._known.forget(collection, ids)

    def _nearest_texts(self, vector: Vectors, scope: Scope, limit: int) -> dict[str, float]:
        cosines: dict[str, float] = {}
        for collection, where in self._readable(scope):
            found = collection.query(query_embeddings=vector, n_results=limit, where=where, include=["distances"])
            rows = zip(found["ids"][0], found["distances"][0], strict=True)
            cosines.update((chunk_id, 1.0 - float(distance)) for chunk_id, distance in rows)
        return cosines

    def _nearest_headings(self, vector: Vectors, scope: Scope, limit: int) -> dict[str, float]:
        """Only those that one chunk has: a title that many documents share does not say which of them answers."""
        cosines: dict[str, float] = {}
        heading_of: dict[str, str] = {}
        for collection, where in self._readable(scope, HEADINGS):
            found = collection.query(query_embeddings=vector, n_results=limit, where=where, include=["distances"])
            digests = self._known.heading_digests(collection, found["ids"][0])
            for chunk_id, distance in zip(found["ids"][0], found["distances"][0], strict=True):
                if chunk_id in digests:
                    cosines[chunk_id], heading_of[chunk_id] = 1.0 - float(distance), digests[chunk_id]
        shared = Counter(heading_of.values())
        return {chunk_id: cosine for chunk_id, cosine in cosines.items() if shared[heading_of[chunk_id]] == 1}

    def _existing(self, namespace: str, *kinds: str) -> list[Any]:
        found = (self._collection(namespace, kind) for kind in kinds)
        return [collection for collection in found if collection is not None]

    def _readable(self, scope: Scope, kind: str = "") -> Iterator[tuple[Any, Mapping[str, Any] | None]]:
        for collection in self._existing(scope.namespace, OPEN + kind):
            yield collection, None
        if scope.readers:
            for collection in self._existing(scope.namespace, CLOSED + kind):
                yield collection, _reader_filter(scope.readers)

    def _collection(self, namespace: str, kind: str, *, create: bool = False) -> Any:
        from chromadb.errors import NotFoundError

        name = PREFIX + hashlib.sha256(f"{self._identity}\n{namespace}\n{kind}".encode()).hexdigest()[:32]
        if name in self._collections:
            return self._collections[name]
        if create:
            collection = self._connected().get_or_create_collection(
                name,
                embedding_function=None,
                metadata={"namespace": namespace, "kind": kind, "embedding": self._identity},
                configuration={"hnsw": {"space": "cosine", "ef_search": EF_SEARCH}},
            )
        else:
            try:
                collection = self._connected().get_collection(name, embedding_function=None)
            except NotFoundError:
                return None
        self._collections[name] = collection
        return collection


def open_chroma(settings: Settings, identity: str) -> ChromaIndex:
    """The configured Chroma. Raises `StorageFailed` when a server is named that does not answer."""
    import chromadb
    from chromadb.config import Settings as ChromaSettings

    quiet = ChromaSettings(anonymized_telemetry=False)
    with _storage_errors():
        if not settings.chroma.url:
            folder = settings.data_dir / "chroma"
            folder.mkdir(parents=True, exist_ok=True)

            def connect() -> Any:
                return chromadb.PersistentClient(str(folder), settings=quiet)

            return ChromaIndex(connect(), identity, reopen=connect, folder=folder)
        parts = urlsplit(settings.chroma.url)
        secure = parts.scheme == "https"
        token = settings.chroma.token.get_secret_value()
        client = chromadb.HttpClient(
            host=parts.hostname or "",
            port=parts.port or (443 if secure else 8000),
            ssl=secure,
            headers={"Authorization": f"Bearer {token}"} if token else {},
            settings=quiet,
        )
        # Chroma's client waits for ever by default, has no setting for it, and holds two sessions.
        sessions = [part._server._session for part in (client, client._admin_client)]  # type: ignore[attr-defined,union-attr]  # noqa: SLF001
        for session in sessions:
            session.timeout = REQUEST_SECONDS
        return ChromaIndex(client, identity, sessions)


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16).hexdigest()


def _metadata(readers: frozenset[str]) -> dict[str, bool]:
    return {f"reader:{reader}": True for reader in readers}


def _reader_filter(readers: frozenset[str]) -> dict[str, Any]:
    rules: list[dict[str, Any]] = [{f"reader:{reader}": True} for reader in sorted(readers)]
    return rules[0] if len(rules) == 1 else {"$or": rules}


@contextmanager
def _storage_errors() -> Iterator[None]:
    try:
        yield
    except StorageFailed:
        raise
    except OSError as error:
        raise StorageFailed(f"The dense index cannot be written: {error.strerror or error}.") from error
    except Exception as error:  # Chroma raises its own, its HTTP client's and its Rust core's errors
        raise StorageFailed(_explain(error)) from error


def _explain(error: Exception) -> str:
    text = str(error).lower()
    if "connect" in text:
        return "The Chroma server at chroma.url does not answer. Start it, or correct the address."
    if ("disk" in text and "full" in text) or "no space" in text or "file too large" in text:
        return "The disk is full: the dense index could not be written. Free some space and try again."
    if "compaction" in text or "i/o" in text:
        return (
            "The dense index could not be written, most likely because the disk is full. Free some space and try again."
        )
    if "locked" in text:
        return "The dense index is locked by another program."
    return "The dense index refused the request. The log has the cause; if it stays so: lorekeeper documents reindex"
