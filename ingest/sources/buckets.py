"""A bucket, or the files below a prefix in it: S3 and what speaks like it, Google Cloud Storage, Azure.

Credentials are found by the library in the environment of the process, or of the machine; none are stored.
"""

from __future__ import annotations

import os
import re
from datetime import timedelta
from pathlib import PurePosixPath
from typing import Any

from core.errors import InvalidRequest, MissingExtra
from ingest.parse import readable_extensions
from ingest.sources.base import Entry, Listing, Unreachable, too_large

SCHEMES = ("s3", "gs", "az")
CONNECT_SECONDS = 10
REQUEST_SECONDS = 120
RETRIES = 3
RETRY_SECONDS = 60
AZURE_ACCOUNT = "AZURE_STORAGE_ACCOUNT_NAME"
_DENIED = re.compile(r"status code: 40[13]\b")
# Where the files of a private installation are, e.g. MinIO: `http://` is the operator's own decision.
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")


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
            raise self._told(error) from error
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
            raise self._told(error) from error
        if len(body) > self._max_bytes:
            raise too_large(len(body), self._max_bytes)
        return bytes(body)

    def _store(self) -> Any:
        if self._opened is not None:
            return self._opened
        scheme, _, rest = self._address.rstrip("/").partition("://")
        bucket, _, prefix = rest.partition("/")
        try:
            from obstore import store
            from obstore.exceptions import BaseError
        except ModuleNotFoundError as error:
            raise MissingExtra("obstore", "buckets") from error
        kind: Any = {"s3": store.S3Store, "gs": store.GCSStore, "az": store.AzureStore}[scheme]
        try:
            self._opened = kind(
                bucket,
                prefix=prefix or None,
                **_chosen(scheme),
                client_options=_client(),
                retry_config={"max_retries": RETRIES, "retry_timeout": timedelta(seconds=RETRY_SECONDS)},
            )
        except (BaseError, ValueError) as error:
            raise InvalidRequest(f"{self._address} cannot be opened: {_first_line(error)}") from error
        return self._opened

    def _told(self, error: Exception) -> Exception:
        from obstore import exceptions

        if isinstance(error, exceptions.NotFoundError | FileNotFoundError):
            return Unreachable(f"{self._address} is not there, or a file in it went meanwhile.")
        denied = exceptions.PermissionDeniedError | exceptions.UnauthenticatedError | PermissionError
        # For a listing, the library has no error of its own for it.
        if isinstance(error, denied) or _DENIED.search(str(error)):
            return Unreachable(
                f"{self._address} does not let these credentials in, or needs some. They come from the environment; docs/sources.md names the variables."
            )
        return Unreachable(f"{self._address} cannot be read: {_first_line(error)}")


def _entry(address: str, meta: Any) -> Entry:
    mark = meta.get("e_tag") or meta["last_modified"].isoformat()
    return Entry(address + meta["path"], meta["path"], f"{mark} {meta['size']}", meta["size"])


def _chosen(scheme: str) -> dict[str, Any]:
    """What the library does not take from the environment by itself."""
    if scheme == "s3":
        endpoint = next((os.environ[name] for name in _ENDPOINTS if os.environ.get(name)), "")
        return {"endpoint": endpoint} if endpoint else {}
    if scheme == "az":
        account = os.environ.get(AZURE_ACCOUNT)
        if not account:
            raise InvalidRequest(f"Set the environment variable {AZURE_ACCOUNT} to the name of the storage account.")
        return {"account_name": account}
    return {}


def _client() -> dict[str, Any]:
    return {
        "connect_timeout": timedelta(seconds=CONNECT_SECONDS),
        "timeout": timedelta(seconds=REQUEST_SECONDS),
        "allow_http": any(os.environ.get(name, "").startswith("http://") for name in _ENDPOINTS),
    }


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:300]
