"""Dense search in Chroma, embedded or by HTTP.

Each namespace has two collections: `open` for documents that everybody in the namespace may read, and `closed` for
those with readers. Without a metadata filter a query over 10,000 chunks takes 2 ms, with one 22 ms, so only the closed
collection, where the filter is needed, pays for it; and no query can ever return a chunk from another namespace.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from core.errors import StorageFailed
from core.ports import Vectors
from core.settings import Settings
from core.types import Chunk, Hit, Scope

PREFIX = "lk-"
OPEN, CLOSED = "open", "closed"
# Above Chroma's default of 100: exact to four digits on the data sets at no measurable cost.
EF_SEARCH = 200
# The id of a chunk's second vector, that of its headings, and how much a match with it counts. Fitted on the data sets.
HEADING = "#heading"
HEADING_FACTOR = 0.97
REQUEST_SECONDS = 30.0


class ChromaIndex:
    """Vectors of one embedding model; `identity` is part of the collections' names, so models never mix."""

    def __init__(
        self, client: Any, identity: str, sessions: Sequence[Any] = (), reopen: Callable[[], Any] | None = None
    ) -> None:
        """`reopen` makes a new client where a failed write leaves the present one unusable."""
        self._client = client
        self._sessions = sessions
        self._identity = identity
        self._reopen = reopen
        self._collections: dict[str, Any] = {}
        self._lock = threading.Lock()

    def upsert(
        self,
        namespace: str,
        readers: frozenset[str],
        chunks: Sequence[Chunk],
        vectors: Vectors,
        headings: Mapping[str, Vectors] | None = None,
    ) -> None:
        if not chunks:
            return
        documents = {chunk.id: chunk.document_id for chunk in chunks}
        second = headings or {}
        ids = [chunk.id for chunk in chunks] + [chunk_id + HEADING for chunk_id in second]
        rows = np.concatenate([vectors, np.stack(list(second.values()))]) if second else vectors
        access = _metadata(readers)
        metadata = [{**access, "document": documents[_chunk_id(each)]} for each in ids]
        with self._writing():
            collection = self._collection(namespace, CLOSED if readers else OPEN, create=True)
            largest = self._connected().get_max_batch_size()
            for start in range(0, len(ids), largest):
                part = slice(start, start + largest)
                collection.upsert(ids=ids[part], embeddings=rows[part], metadatas=metadata[part])
            # A document whose readers changed must not stay where others find it.
            other = self._collection(namespace, OPEN if readers else CLOSED)
            if other is not None:
                other.delete(ids=ids)

    def delete(self, namespace: str, chunk_ids: Sequence[str]) -> None:
        if not chunk_ids:
            return
        with self._writing():
            for collection in self._both(namespace):
                collection.delete(ids=_with_headings(chunk_ids))

    def search(self, vector: Vectors, scope: Scope, limit: int) -> list[Hit]:
        cosines: dict[str, float] = {}
        with _storage_errors():
            for collection, where in self._readable(scope):
                # Twice as many, because a chunk may be found by both of its vectors.
                found = collection.query(
                    query_embeddings=vector, n_results=2 * limit, where=where, include=["distances"]
                )
                rows = zip(found["ids"][0], found["distances"][0], strict=True)
                cosines.update((vector_id, 1.0 - float(distance)) for vector_id, distance in rows)
        hits = [Hit(chunk_id, score) for chunk_id, score in _by_chunk(cosines).items()]
        return sorted(hits, key=lambda hit: (-hit.score, hit.chunk_id))[:limit]

    def similarities(self, vector: Vectors, scope: Scope, chunk_ids: Sequence[str]) -> dict[str, float]:
        if not chunk_ids:
            return {}
        cosines: dict[str, float] = {}
        with _storage_errors():
            for collection, where in self._readable(scope):
                found = collection.get(ids=_with_headings(chunk_ids), where=where, include=["embeddings"])
                if found["ids"]:
                    rows = np.asarray(found["embeddings"], dtype=np.float32)
                    products = rows @ vector[0] / np.maximum(np.linalg.norm(rows, axis=1), 1e-12)
                    cosines.update(zip(found["ids"], map(float, products), strict=True))
        return _by_chunk(cosines)

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
        self._collections.clear()
        if self._client is not None:
            self._client.close()
        for session in self._sessions:
            session.close()  # Chroma's client leaves its connections open

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

    def _both(self, namespace: str) -> list[Any]:
        found = (self._collection(namespace, kind) for kind in (OPEN, CLOSED))
        return [collection for collection in found if collection is not None]

    def _readable(self, scope: Scope) -> Iterator[tuple[Any, Mapping[str, Any] | None]]:
        collection = self._collection(scope.namespace, OPEN)
        if collection is not None:
            yield collection, None
        if scope.readers and (collection := self._collection(scope.namespace, CLOSED)) is not None:
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

            return ChromaIndex(connect(), identity, reopen=connect)
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


def _chunk_id(vector_id: str) -> str:
    return vector_id.removesuffix(HEADING)


def _with_headings(chunk_ids: Sequence[str]) -> list[str]:
    return [*chunk_ids, *(chunk_id + HEADING for chunk_id in chunk_ids)]


def _by_chunk(cosines: Mapping[str, float]) -> dict[str, float]:
    """Each chunk's better score: of its own vector, or of its headings'."""
    best: dict[str, float] = {}
    for vector_id, cosine in cosines.items():
        chunk_id = _chunk_id(vector_id)
        score = cosine if vector_id == chunk_id else HEADING_FACTOR * cosine
        best[chunk_id] = max(score, best.get(chunk_id, -1.0))
    return best


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
