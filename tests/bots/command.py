"""The installed `lorekeeper` command in processes of its own, as a person runs it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from core.datafolder import read_owner

COMMAND = Path(sys.executable).parent / "lorekeeper"
# Runs the same entry point, and says at the end which packages that took.
WITH_MODULES = """
import sys
from core.cli import main
try:
    main()
except SystemExit as end:
    status = end.code
print("\\nMODULES", *sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
sys.exit(status)
"""
SECONDS = 180.0
PLATFORM = ("SLACK_", "DISCORD_")


@dataclass(frozen=True, slots=True)
class Place:
    """Where commands run: a folder with a data folder, and nothing of the user's own settings."""

    folder: Path
    extra: Mapping[str, str]

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def environment(self) -> dict[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("LOREKEEPER_", "TEST_", *PLATFORM))
        }
        ours = {
            "LOREKEEPER_DATA_DIR": str(self.data),
            "LOREKEEPER_SERVER__PORT": "0",
            "XDG_CONFIG_HOME": str(self.folder / "config"),
            "COLUMNS": "200",
        }
        return {**kept, **ours, **self.extra}

    def run(
        self, *arguments: str, text: str = "", command: tuple[str, ...] = (str(COMMAND),), seconds: float = SECONDS
    ) -> Done:
        """Run to the end. `text` goes to its standard input."""
        done = subprocess.run(
            [*command, *arguments],
            input=text, capture_output=True, text=True, check=False, timeout=seconds,
            cwd=self.folder, env=self.environment(),
        )  # fmt: skip
        return Done(done.returncode, done.stdout, done.stderr)

    def with_modules(self, *arguments: str) -> Done:
        """Run in a Python that reports its imported packages on standard error."""
        return self.run(*arguments, command=(sys.executable, "-c", WITH_MODULES))

    @contextmanager
    def serving(self, program: str = "") -> Iterator[Serving]:
        """`lorekeeper run` until the end of the block; with a program, as that runs it."""
        command = [sys.executable, "-c", program] if program else [str(COMMAND)]
        log = self.folder / "run.log"
        with log.open("w") as output:
            process = subprocess.Popen(
                [*command, "run"], stdout=output, stderr=output, cwd=self.folder, env=self.environment()
            )
        try:
            yield Serving(process, self._address(process, log), log)
        finally:
            process.kill()
            process.wait()

    @contextmanager
    def doing(self, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
        """The command, until the end of the block, when it is killed."""
        silent = subprocess.DEVNULL
        process = subprocess.Popen(
            [str(COMMAND), *arguments], stdout=silent, stderr=silent, cwd=self.folder, env=self.environment()
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    @contextmanager
    def part(self, name: str) -> Iterator[Serving]:
        """`lorekeeper run --only NAME` until the end of the block, reached through its probe."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        log = self.folder / f"{name}.log"
        environment = {**self.environment(), "LOREKEEPER_SERVER__PROBE_PORT": str(port)}
        with log.open("w") as output:
            process = subprocess.Popen(
                [str(COMMAND), "run", "--only", name], stdout=output, stderr=output, cwd=self.folder, env=environment
            )
        try:
            yield Serving(process, self._probe(process, port, log), log)
        finally:
            process.kill()
            process.wait()

    def _probe(self, process: subprocess.Popen[bytes], port: int, log: Path) -> str:
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + SECONDS
        while process.poll() is None and time.monotonic() < deadline:
            with suppress(httpx.TransportError):
                if httpx.get(f"{url}/healthz", trust_env=False).is_success and "ready" in log.read_text():
                    return url
            time.sleep(0.05)
        raise AssertionError(log.read_text())

    def _address(self, process: subprocess.Popen[bytes], log: Path) -> str:
        deadline = time.monotonic() + SECONDS
        while process.poll() is None and time.monotonic() < deadline:
            owner = read_owner(self.data)
            if owner is not None and owner.pid == process.pid and owner.url and "ready" in log.read_text():
                return owner.url
            time.sleep(0.05)
        raise AssertionError(log.read_text())


@dataclass(frozen=True, slots=True)
class Done:
    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def modules(self) -> set[str]:
        return imported(self.err)


@dataclass(frozen=True, slots=True)
class Serving:
    process: subprocess.Popen[bytes]
    url: str
    log: Path

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """As Ctrl-C does, or what ends containers; returns the exit status."""
        self.process.send_signal(number)
        return self.process.wait(SECONDS)


def imported(text: str) -> set[str]:
    """The top-level packages that `WITH_MODULES` reported."""
    line = next(line for line in text.splitlines() if line.startswith("MODULES "))
    return set(line.split()[1:])


def place(folder: Path, **extra: str) -> Place:
    """A place with these environment variables."""
    folder.mkdir(parents=True, exist_ok=True)
    return Place(folder, extra)
