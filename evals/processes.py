"""Whole processes of Lorekeeper, as the evaluations run and look at them."""

from __future__ import annotations

import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

START_SECONDS = 60.0
# No database but the one in the data folder, whatever the settings say.
ON_ITS_OWN = {"LOREKEEPER_DATABASE__URL": "", "LOREKEEPER_CHROMA__URL": ""}
COMMAND = (sys.executable, "-m", "core.cli")


@contextmanager
def running_gateway(environment: Mapping[str, str]) -> Iterator[tuple[str, subprocess.Popen[bytes], float]]:
    """Its URL, its process, and the seconds until it was ready."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    start = time.perf_counter()
    process = subprocess.Popen(  # noqa: S603
        [*COMMAND, "run", "--only", "gateway"],
        env={**environment, "LOREKEEPER_SERVER__PORT": str(port)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        while True:
            try:
                if httpx.get(f"{url}/readyz", timeout=5).status_code == httpx.codes.OK:
                    break
            except httpx.HTTPError:
                pass
            if process.poll() is not None or time.perf_counter() - start > START_SECONDS:
                raise RuntimeError("the server did not start")
            time.sleep(0.05)
        yield url, process, time.perf_counter() - start
    finally:
        process.terminate()
        process.wait(30)


def resident_mb(pid: int | None = None) -> float:
    """Memory that a process, by default this one, holds now, in MB.

    Where the system does not tell, the most that this one held.
    """
    try:
        pages = int(Path(f"/proc/{pid or 'self'}/statm").read_text().split()[1])
        return round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, 1)
    except OSError:
        if pid is not None:
            raise
        # In bytes on macOS, the only system here without /proc.
        return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 1)
