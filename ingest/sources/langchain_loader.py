"""What a LangChain loader loads: any class of one, by its dotted name.

Running one runs its code, so only an operator's command names it.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any
from urllib.parse import quote

from core.errors import InvalidRequest, TooLarge, UnreadableDocument
from ingest.sources.base import Entry, Listing, Unreachable, too_large

ENVIRONMENT = "env:"
# In characters, of everything that one loader loads: it is all in memory until it is indexed.
MOST_TEXT = 200_000_000
_DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")
_SECRET = re.compile(r"pass(word|wd)?$|secret|token|credential|api_?key|access_?key|private_?key", re.IGNORECASE)


@dataclass(slots=True)
class _Loaded:
    """The parts that name the same origin, in their order."""

    title: str = ""
    url: str | None = None
    pages: list[str] = field(default_factory=list)
    are_pages: bool = True


class LangChainLoader:
    """`langchain:package.module.Loader` with its keyword arguments."""

    def __init__(self, address: str, arguments: Mapping[str, object], max_bytes: int) -> None:
        self._address = address
        self._name = address.removeprefix("langchain:").partition("?")[0]
        self._arguments = arguments
        self._max_bytes = max_bytes
        self._texts: dict[str, bytes] = {}

    @property
    def root(self) -> str:
        return f"{self._address}#"

    def check(self) -> None:
        self._loader()

    def list(self) -> Listing:
        """Loads everything: a loader has no list of its own."""
        self._texts.clear()
        entries = []
        for origin, loaded in self._load().items():
            source = f"{self.root}{quote(origin, safe='/:')}"
            # A form feed begins a page in plain text.
            text = ("\f" if loaded.are_pages and len(loaded.pages) > 1 else "\n\n").join(loaded.pages)
            data = text.encode("utf-8", "replace")
            self._texts[source] = data
            digest = hashlib.sha256(f"{loaded.title}\n{loaded.url}\n".encode("utf-8", "replace") + data).hexdigest()
            entries.append(Entry(source, f"{origin}.txt", digest, len(data), loaded.url, loaded.title))
        return Listing(entries)

    def read(self, entry: Entry) -> bytes:
        if entry.size > self._max_bytes:
            raise too_large(entry.size, self._max_bytes)
        try:
            return self._texts.pop(entry.source)
        except KeyError as error:
            raise UnreadableDocument("The loader did not load it.") from error

    def _load(self) -> dict[str, _Loaded]:
        found: dict[str, _Loaded] = {}
        loader, size = self._loader(), 0
        try:
            for number, document in enumerate(loader.lazy_load(), 1):
                size += len(document.page_content)
                if size > MOST_TEXT:
                    break
                _take(found, document, number)
        except Exception as error:
            raise Unreachable(f"{self._name} failed: {type(error).__name__}: {_first_line(error)}") from error
        if size > MOST_TEXT:
            raise TooLarge(f"{self._name} loads more than {MOST_TEXT // 1_000_000} million characters.")
        return found

    def _loader(self) -> Any:
        module, _, attribute = self._name.rpartition(".")
        try:
            kind = getattr(import_module(module), attribute)
        except ModuleNotFoundError as error:
            package = (error.name or module).partition(".")[0]
            raise InvalidRequest(
                f"{self._name} needs the package {package}, which is not installed. Install it beside Lorekeeper: "
                f"pip install {package.replace('_', '-')}"
            ) from error
        except AttributeError as error:
            raise InvalidRequest(f"There is no {attribute} in {module}.") from error
        from langchain_core.document_loaders import BaseLoader

        if not (isinstance(kind, type) and issubclass(kind, BaseLoader)):
            raise InvalidRequest(f"{self._name} is no LangChain loader.")
        try:
            return kind(**{name: _value(name, value) for name, value in self._arguments.items()})
        except InvalidRequest:
            raise
        except Exception as error:
            raise InvalidRequest(
                f"{self._name} does not take these arguments: {type(error).__name__}: {_first_line(error)}"
            ) from error


def check_name(dotted: str) -> str:
    """Raises `InvalidRequest`."""
    if not _DOTTED.fullmatch(dotted):
        raise InvalidRequest("A loader is named with its package: langchain:package.module.Loader")
    return dotted


def check_arguments(arguments: Mapping[str, object]) -> None:
    """Secrets stay in the environment. Raises `InvalidRequest`."""
    for name, value in arguments.items():
        if _SECRET.search(name) and value and not str(value).startswith(ENVIRONMENT):
            raise InvalidRequest(
                f"The argument {name} looks like a secret, and arguments are stored. Put it into an environment variable "
                f"of the server, and name that: --argument {name}=env:NAME"
            )


def _value(name: str, value: object) -> object:
    if not isinstance(value, str) or not value.startswith(ENVIRONMENT):
        return value
    variable = value.removeprefix(ENVIRONMENT)
    if variable not in os.environ:
        raise InvalidRequest(f"The argument {name} names the environment variable {variable}, which is not set.")
    return os.environ[variable]


def _take(found: dict[str, _Loaded], document: Any, number: int) -> None:
    metadata: Mapping[str, Any] = document.metadata or {}
    origin = str(metadata.get("source") or metadata.get("id") or document.id or f"document {number}")
    loaded = found.setdefault(origin, _Loaded())
    loaded.title = loaded.title or str(metadata.get("title") or "")
    if origin.startswith(("https://", "http://")):
        loaded.url = origin
    # Their loaders count pages from 0; what is no page of its own does not say which it is.
    loaded.are_pages &= metadata.get("page") == len(loaded.pages)
    loaded.pages.append(document.page_content.replace("\f", "\n\n"))


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:300]
