"""Whole processes of Lorekeeper, as the evaluations run and look at them."""

from __future__ import annotations

import os
import resource
import socket
import subprocess
import sys
import threading
import time
from array import array
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

START_SECONDS = 60.0
# No database but the one in the data folder, whatever the settings say.
ON_ITS_OWN = {"LOREKEEPER_DATABASE__URL": "", "LOREKEEPER_CHROMA__URL": ""}
COMMAND = (sys.executable, "-m", "core.cli")
SAMPLE_SECONDS = 0.05


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


def peak_mb(pid: int) -> float:
    """The most that a living process held, where the system tells; else what it holds now. Raises `OSError`."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
        return round(int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6, 1)
    except (OSError, ValueError, IndexError):
        return resident_mb(pid)


class Gauge:
    """Memory in MB, as it was noted over time. From any thread."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        # Arrays need little of the memory that is measured.
        self._times, self._noted = array("d"), array("d")

    def note(self, megabytes: float) -> None:
        self._noted.append(megabytes)
        self._times.append(self._clock())

    def peak(self, begin: float = float("-inf"), end: float = float("inf")) -> float | None:
        """The most between two moments of the clock; None when nothing was noted then."""
        noted = zip(self._times, self._noted, strict=False)  # another thread may be in the middle of a note
        return max((megabytes for at, megabytes in noted if begin <= at <= end), default=None)


class PeakMemory:
    """The memory that this process holds, looked at in a thread of its own until the block ends."""

    def __init__(self) -> None:
        self.gauge = Gauge()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    @property
    def megabytes(self) -> float:
        """The most of it."""
        return self.gauge.peak() or 0.0

    def __enter__(self) -> Self:
        self.gauge.note(resident_mb())
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self.gauge.note(resident_mb())

    def _watch(self) -> None:
        while not self._stop.wait(SAMPLE_SECONDS):
            self.gauge.note(resident_mb())
