"""Reads files in a process of their own, which is ended when one takes too long, and may break without breaking ours."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import IO, TYPE_CHECKING, Any, Self

from core.errors import LorekeeperError, StorageFailed, TooLarge, UnreadableDocument, UnsupportedFormat
from core.types import ParsedDocument
from ingest.parse import readable_extensions
from ingest.parse.child import OUT_OF_MEMORY, document_from_json
from ingest.parse.errors import NoText, Protected, ReadElsewhere
from ingest.parse.options import DEFAULT, ParseOptions, ocr_seconds
from ingest.parse.sandbox import MEMORY_BYTES

if TYPE_CHECKING:
    from core.settings_documents import Parse
    from ingest.parse.unstructured import UnstructuredServer

# The most pages that are taken of a PDF, 5,000 full ones, need 45 s on one core, 30 MB of Markdown as long; and machines differ.
PARSE_SECONDS = 120.0
# How long an ended process may take to be gone.
END_SECONDS = 5.0
# Bytes of the files inside one, above what its parsers give out.
MAX_INSIDE = 2**28
# Of the line with all that was read: several times what a document may hold.
MAX_ANSWER = 2**29
# Of the environment, only what a Python may need to start: no tokens and passwords beside untrusted files.
PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
_ERRORS: dict[str, type[LorekeeperError]] = {
    kind.__name__: kind for kind in (UnreadableDocument, UnsupportedFormat, NoText, Protected, ReadElsewhere, TooLarge)
}

_BREAKS = "The file is damaged in a way that breaks the program that reads it. Save it anew and add the result."


class ParseCause(Exception):
    """What went wrong in the other process, with its traceback, for the log."""


class ParserProcess:
    """One process for many files: started by the first, replaced after it broke. One thread at a time asks."""

    def __init__(
        self,
        seconds: float = PARSE_SECONDS,
        *,
        memory_bytes: int = MEMORY_BYTES,
        options: ParseOptions = DEFAULT,
        server: UnstructuredServer | None = None,
    ) -> None:
        """`seconds` and `memory_bytes` are for one file; `server` reads the kinds of files that nothing here reads."""
        self._seconds = seconds
        self._memory_bytes = memory_bytes
        self._server = server
        self._options = options if server is None else replace(options, elsewhere=server.media_types)
        self._child: subprocess.Popen[bytes] | None = None
        self._is_closed = False
        self._lock = threading.Lock()

    @classmethod
    def from_settings(cls, settings: Parse) -> Self:
        options = ParseOptions(
            tuple(password.get_secret_value() for password in settings.passwords),
            settings.ocr_languages,
            ocr_seconds(settings.seconds),
        )
        server = None
        if settings.unstructured_url:
            from ingest.parse.unstructured import UnstructuredServer

            key = settings.unstructured_key.get_secret_value()
            server = UnstructuredServer(settings.unstructured_url, key, settings.seconds)
        return cls(settings.seconds, memory_bytes=settings.memory_mb * 2**20, options=options, server=server)

    @property
    def extensions(self) -> frozenset[str]:
        """`ingest.parse.readable_extensions`, with those of the kinds that the server reads."""
        return readable_extensions(self._options)

    @property
    def pid(self) -> int | None:
        """Of the process, while there is one."""
        return self._child.pid if self._child else None

    def parse(self, data: bytes, name: str) -> ParsedDocument:
        """`ingest.parse.parse`, and `TooLarge` for what takes too much time or memory. Raises the same errors.

        Raises `StorageFailed` when no process can be started, or `close` was called.
        """
        try:
            return self._parsed(data, name)
        except ReadElsewhere as error:
            if self._server is None:
                raise
            return self._server.parse(data, name, error.media_type)

    def stop(self) -> None:
        """End the process until the next file needs one. To be called by the thread that asks."""
        if self._child is not None:
            self._child.kill()
            self._end(self._child)

    def close(self) -> None:
        """End the process for good, from any thread, also in the middle of a file."""
        with self._lock:
            self._is_closed = True
            if self._child is not None:
                self._child.kill()
        if self._server is not None:
            self._server.close()

    def _parsed(self, data: bytes, name: str) -> ParsedDocument:
        is_fresh = self._child is None
        child = self._started()
        answer, inside = _ask(child, data, name, self._seconds, self._options) or ({}, ())
        if not answer:
            code = self._end(child)
            if self._is_closed:
                raise _closed()
            if code == OUT_OF_MEMORY and not is_fresh:
                # Earlier files may have left behind what was too much with this one.
                return self._parsed(data, name)
            raise _broken(code, self._seconds)
        try:
            result = _understood(answer, inside)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            self.stop()
            raise UnreadableDocument(_BREAKS) from error
        if isinstance(result, LorekeeperError):
            raise result
        return result

    def _started(self) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._is_closed:
                raise _closed()
            if self._child is None:
                self._child = _start(self._memory_bytes)
            return self._child

    def _end(self, child: subprocess.Popen[bytes]) -> int:
        """The exit status."""
        try:
            child.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
        for pipe in _pipes(child):
            with contextlib.suppress(OSError):  # what was not read by then
                pipe.close()
        with self._lock:
            self._child = None
        return child.wait()


def _start(memory_bytes: int) -> subprocess.Popen[bytes]:
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    try:
        return subprocess.Popen(  # noqa: S603 - this Python, and a number
            [sys.executable, "-P", "-m", "ingest.parse.child", str(memory_bytes)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            # Ctrl-C in a terminal goes to all processes of the session; this one ends with its parent.
            start_new_session=True,
        )
    except OSError as error:
        raise StorageFailed(
            f"No process can be started to read files: {error.strerror or error}. Give the machine more room and try again."
        ) from error


def _ask(
    child: subprocess.Popen[bytes], data: bytes, name: str, seconds: float, options: ParseOptions
) -> tuple[dict[str, Any], Sequence[bytes]] | None:
    """The answer, and the bytes of the files inside; None when the process is gone."""
    requests, answers = _pipes(child)
    header = {"name": name, "size": len(data), "seconds": seconds, "options": options.to_json()}
    try:
        requests.write(json.dumps(header).encode() + b"\n")
        requests.write(data)
        requests.flush()
        line = answers.readline(MAX_ANSWER)
        if not line.endswith(b"\n"):
            return None
        answer: dict[str, Any] = json.loads(line)
        sizes = [size for _, size in answer.get("document", {}).get("attachments", ())]
        if sum(sizes) > MAX_INSIDE:
            return None
        inside = [answers.read(size) for size in sizes]
    except OSError:
        return None
    return (answer, inside) if [len(each) for each in inside] == sizes else None


def _pipes(child: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes]]:
    return child.stdin, child.stdout  # type: ignore[return-value]  # `_start` asked for both


def _understood(answer: dict[str, Any], inside: Sequence[bytes]) -> ParsedDocument | LorekeeperError:
    if "error" not in answer:
        return document_from_json(answer["document"], inside)
    error = _ERRORS[answer["error"]](answer["message"])
    error.__cause__ = ParseCause(answer["cause"]) if answer["cause"] else None
    if isinstance(error, ReadElsewhere):
        error.media_type = answer["media_type"]
    return error


def _broken(code: int, seconds: float) -> Exception:
    if code == -signal.SIGALRM:
        return TooLarge(
            f"Reading this file took longer than {seconds:,g} seconds, so it was given up. "
            "Split it, or save it in another format, and add the result."
        )
    if code in {-signal.SIGKILL, OUT_OF_MEMORY}:
        return TooLarge("Reading this file needs more memory than there is. Split it and add the parts.")
    if code < 0:
        return UnreadableDocument(_BREAKS)
    return RuntimeError(f"the process that reads files ended with status {code}")


def _closed() -> StorageFailed:
    return StorageFailed("Stopped before the file was read. Add it again.")
