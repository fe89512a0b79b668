"""What several processes share: a Postgres database and a Chroma server."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from tests.postgres import HOW_TO_INSTALL, find_binaries, serve

START_SECONDS = 60.0
# The tests' Postgres does without, to be fast; here its speed is what is measured.
DURABLE = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}


@dataclass(frozen=True, slots=True)
class Servers:
    """URLs; empty: embedded, in the data folder."""

    database: str = ""
    chroma: str = ""


@contextmanager
def own_servers() -> Iterator[Servers]:
    """A Postgres as it is run in earnest, and a Chroma server. Raises `FileNotFoundError` without Postgres' programs."""
    binaries = find_binaries()
    if binaries is None:
        raise FileNotFoundError(HOW_TO_INSTALL)
    with (
        patch.dict("tests.postgres.SETTINGS", DURABLE),
        serve(binaries) as postgres,
        postgres.database() as database,
        chroma_server() as chroma,
    ):
        yield Servers(database, chroma)


@contextmanager
def chroma_server() -> Iterator[str]:
    """Its URL."""
    program = shutil.which("chroma", path=str(Path(sys.executable).parent))
    assert program is not None
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    with tempfile.TemporaryDirectory() as folder:
        command = [program, "run", "--path", folder, "--host", "127.0.0.1", "--port", str(port)]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            _wait(server, port)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(10)


def _wait(server: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if server.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError("the Chroma server did not start")
        time.sleep(0.05)
