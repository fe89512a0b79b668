"""Addresses of sources: which kind each is, in one form, and the source itself."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from core.errors import InvalidRequest
from core.settings import Settings
from core.types import SyncedSource
from ingest.sources.base import Source
from ingest.sources.files import folder_source
from ingest.sources.guard import Guard

FOLDER, BUCKET, WEB, LANGCHAIN = "folder", "bucket", "web", "langchain"
BUCKETS = ("s3", "gs", "az")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")


@dataclass(frozen=True, slots=True)
class Address:
    """Two that lead to the same place have the same `text`."""

    kind: str
    text: str


def parse_address(given: str, arguments: Mapping[str, object]) -> Address:
    """Raises `InvalidRequest` for what is no address of a source. A folder without a scheme is a path."""
    match = _SCHEME.match(given)
    scheme = match[1].lower() if match else "file"
    if arguments and scheme != "langchain":
        raise InvalidRequest("Only a langchain: source takes arguments.")
    if scheme == "file":
        return Address(FOLDER, _folder(given))
    if scheme in BUCKETS:
        return Address(BUCKET, _bucket(given, scheme))
    if scheme in {"https", "http"}:
        return Address(WEB, str(Guard(allowed_hosts=_itself(given)).parse(given).copy_with(fragment=None)))
    if scheme == "langchain":
        from ingest.sources.langchain_loader import check_arguments, check_name

        check_arguments(arguments)
        name = check_name(given.partition(":")[2].strip())
        told = "&".join(f"{key}={quote(str(value), safe='/:.')}" for key, value in sorted(arguments.items()))
        return Address(LANGCHAIN, f"langchain:{name}" + (f"?{told}" if told else ""))
    raise InvalidRequest(
        f"{scheme}: is no kind of source. There are folders, s3:, gs:, az:, https: for single files, and langchain:."
    )


def open_source(source: SyncedSource, settings: Settings) -> Source:
    """Nothing is connected yet. Libraries are imported when they are used."""
    limit = settings.server.max_upload_mb * 2**20
    if source.kind == FOLDER:
        from ingest.sources.folder import Folder

        return Folder(path_of(source.address), limit)
    if source.kind == BUCKET:
        from ingest.sources.buckets import Bucket

        return Bucket(source.address, limit)
    if source.kind == LANGCHAIN:
        from ingest.sources.langchain_loader import LangChainLoader

        return LangChainLoader(source.address, source.arguments, limit)
    from ingest.sources.web import WebFile

    guard = Guard(settings.sources.allowed_hosts, settings.sources.allowed_networks)
    return WebFile(source.address, guard, limit)


def path_of(address: str) -> Path:
    """Of a folder."""
    return Path(unquote(urlsplit(address).path))


def _folder(given: str) -> str:
    path = path_of(given) if given.lower().startswith("file:") else Path(given).expanduser()
    if not path.is_absolute() and given.lower().startswith("file:"):
        raise InvalidRequest("A file: address has three slashes: file:///srv/handbook")
    # Without following links, so that a link that is moved to new content stays the same source.
    return folder_source(Path(os.path.abspath(path)))  # noqa: PTH100


def _bucket(given: str, scheme: str) -> str:
    parts = urlsplit(given)
    if "@" in parts.netloc:
        raise InvalidRequest("Credentials come from the environment of the server, not from the address.")
    if parts.query or parts.fragment:
        raise InvalidRequest("The address of a bucket has no question mark and no #.")
    segments = [part for part in (parts.netloc, *parts.path.split("/")) if part]
    if not parts.netloc or {".", ".."} & set(segments):
        raise InvalidRequest("Buckets are named as s3://bucket/prefix, gs://bucket/prefix or az://container/prefix.")
    return f"{scheme}://{'/'.join(segments)}/"


def _itself(given: str) -> list[str]:
    """Whether its port is allowed is for the settings to say when it is read; here only its form counts."""
    try:
        parts = urlsplit(given)
        return [f"{parts.hostname}:{parts.port}", str(parts.hostname)]
    except ValueError as error:
        raise InvalidRequest("The address cannot be read as a URL.") from error
