"""A bucket, or the files below a prefix in it: S3 and what speaks like it, Google Cloud Storage, Azure."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

from core.buckets import explain, open_bucket
from ingest.parse import readable_extensions
from ingest.sources.base import Entry, Listing, Unreachable, too_large


class Bucket:
    """`s3://bucket/prefix/`, `gs://bucket/prefix/`, `az://container/prefix/`."""

    def __init__(self, address: str, max_bytes: int) -> None:
        self._address = address
        self._max_bytes = max_bytes
        self._opened: Any = None

    @property
    def root(self) -> str:
        return self._address

    def check(self) -> None:
        self._store()

    def list(self) -> Listing:
        wanted = readable_extensions()
        store = self._store()
        entries = []
        try:
            for batch in store.list():
                for meta in batch:
                    path = PurePosixPath(meta["path"])
                    hidden = any(part.startswith((".", "~$")) for part in path.parts)
                    if not hidden and path.suffix.lower() in wanted:
                        entries.append(_entry(self._address, meta))
        except Exception as error:
            raise Unreachable(explain(self._address, error)) from error
        return Listing(entries)

    def read(self, entry: Entry) -> bytes:
        if entry.size > self._max_bytes:
            raise too_large(entry.size, self._max_bytes)
        body = bytearray()
        try:
            for piece in self._store().get(entry.name).stream():
                body += memoryview(piece)
                if len(body) > self._max_bytes:
                    break
        except Exception as error:
            raise Unreachable(explain(self._address, error)) from error
        if len(body) > self._max_bytes:
            raise too_large(len(body), self._max_bytes)
        return bytes(body)

    def _store(self) -> Any:
        if self._opened is None:
            self._opened = open_bucket(self._address)
        return self._opened


def _entry(address: str, meta: Any) -> Entry:
    mark = meta.get("e_tag") or meta["last_modified"].isoformat()
    return Entry(address + meta["path"], meta["path"], f"{mark} {meta['size']}", meta["size"])
