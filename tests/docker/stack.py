"""The stack of `deploy/compose.yaml` on a real Docker engine, under a name of its own."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.fakes.discord import FakeDiscord, fake_discord
from tests.fakes.openai_server import FakeOpenAI, fake_openai
from tests.fakes.slack import FakeSlack, fake_slack

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "deploy" / "compose.yaml"
BOTS = ("gateway", "slack", "discord", "worker")
SERVICES = (*BOTS, "postgres", "chroma")
# Where a container reaches this machine: the engine's own bridge.
HOST = os.environ.get("TEST_DOCKER_HOST", "172.17.0.1")
COMMAND_SECONDS = 300.0
PATIENCE = 180.0


def is_available() -> bool:
    """Whether an engine answers here."""
    if shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "info"], capture_output=True, check=False, timeout=30).returncode == 0


def docker(*arguments: str, timeout_s: float = COMMAND_SECONDS) -> str:
    """What the command printed. Raises `AssertionError` with what it complained of."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False, timeout=timeout_s)
    assert done.returncode == 0, f"docker {' '.join(arguments)}: {done.stderr[-4000:]}{done.stdout[-2000:]}"
    return done.stdout


@dataclass(frozen=True, slots=True)
class Stack:
    """`name` keeps it apart from other stacks on this machine, `env_file` is its `.env`; `beside`: files like it."""

    name: str
    env_file: Path
    ports: tuple[int, ...]
    beside: tuple[Path, ...] = ()

    @property
    def url(self) -> str:
        """Of the first gateway."""
        return self.urls[0]

    @property
    def urls(self) -> tuple[str, ...]:
        return tuple(f"http://127.0.0.1:{port}" for port in self.ports)

    def compose(self, *arguments: str, timeout_s: float = COMMAND_SECONDS) -> str:
        files = [part for path in (COMPOSE, *self.beside) for part in ("-f", str(path))]
        base = ("compose", "-p", self.name, *files, "--env-file", str(self.env_file))
        return docker(*base, *arguments, timeout_s=timeout_s)

    def up(self, **scale: int) -> None:
        """Started and healthy, with so many of each service."""
        scaled = [part for service, count in scale.items() for part in ("--scale", f"{service}={count}")]
        self.compose("up", "-d", "--no-build", "--wait", "--wait-timeout", str(int(PATIENCE)), *scaled)

    def down(self, *, with_volumes: bool) -> None:
        self.compose("down", "--timeout", "40", *(["--volumes"] if with_volumes else []))

    def lorekeeper(self, *arguments: str) -> str:
        """A command where the worker runs."""
        return self.compose("exec", "-T", "worker", "lorekeeper", *arguments)

    def key(self) -> str:
        """A new one for the HTTP API."""
        return self.compose("exec", "-T", "gateway", "lorekeeper", "keys", "create", "tests").strip()

    def containers(self, service: str) -> list[str]:
        return self.compose("ps", "-q", service).split()

    def inspect(self, container: str) -> dict[str, Any]:
        (found,) = json.loads(docker("inspect", container))
        return dict(found)

    def kill(self, container: str) -> None:
        """kill -9 of its first process, which the engine takes for a crash."""
        os.kill(self.inspect(container)["State"]["Pid"], signal.SIGKILL)

    def until_healthy(self, *services: str) -> None:
        deadline = time.monotonic() + PATIENCE
        waiting = [container for service in services for container in self.containers(service)]
        while waiting := [each for each in waiting if self._state(each) != "healthy"]:
            assert time.monotonic() < deadline, f"not healthy: {waiting}\n{self.compose('ps', '-a')}"
            time.sleep(0.5)

    def _state(self, container: str) -> str:
        state = self.inspect(container)["State"]
        return str(state.get("Health", {}).get("Status", "")) if state["Status"] == "running" else ""

    def memory_mb(self) -> dict[str, float]:
        """What each container uses now."""
        used = docker("stats", "--no-stream", "--format", "{{.Name}} {{.MemUsage}}").splitlines()
        return {line.split()[0]: _mb(line.split()[1]) for line in used if line.startswith(self.name)}

    def logs(self) -> str:
        return self.compose("logs", "--no-color", "--tail", "60")


@dataclass(frozen=True, slots=True)
class World:
    """A stack, and at the far end of its network a Slack, a Discord and a language model."""

    stack: Stack
    slack: FakeSlack
    discord: FakeDiscord
    model: FakeOpenAI

    async def run(self, act: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """Something of the stack, which blocks, while the platforms go on."""
        return await asyncio.to_thread(act, *arguments, **options)

    async def connected(self, bots: int = 1) -> None:
        """As many bots of each kind are connected to their platforms."""
        await self.slack.until(lambda: len(self.slack.sockets.live) >= bots, PATIENCE)
        await self.discord.until(lambda: len(self.discord.gateway.live) >= bots, PATIENCE)


@asynccontextmanager
async def world(
    folder: Path, name: str, *, gateways: int = 1, beside: tuple[str, ...] = (), **settings: str
) -> AsyncGenerator[World, None]:
    """Nothing is started yet; in the end everything is removed. `beside`: what stands in files beside compose.yaml."""
    async with fake_slack(host=HOST) as slack, fake_discord(host=HOST) as discord:
        with fake_openai(host=HOST) as model:
            ports = _free_ports(gateways)
            variables = {
                "COMPOSE_PROFILES": "external",
                "LOREKEEPER_MODEL_URL": model.url,
                "SLACK_BOT_TOKEN": slack.bot.token,
                "SLACK_APP_TOKEN": slack.app_token,
                "SLACK_API_URL": slack.api_url,
                "DISCORD_TOKEN": discord.token,
                "DISCORD_API_URL": discord.api_url,
                "DISCORD_GATEWAY_URL": discord.gateway_url,
                "LOREKEEPER_PORT": f"{ports[0]}-{ports[-1]}" if gateways > 1 else str(ports[0]),
                **settings,
            }
            with stack(folder, name, variables, ports, beside) as started:
                yield World(started, slack, discord, model)


@contextmanager
def stack(
    folder: Path, name: str, variables: Mapping[str, str], ports: tuple[int, ...], beside: tuple[str, ...] = ()
) -> Iterator[Stack]:
    """Nothing is started yet; in the end everything is removed."""
    env_file = folder / f"{name}.env"
    env_file.write_text("".join(f"{key}={value}\n" for key, value in variables.items()))
    env_file.chmod(0o600)
    paths = tuple(folder / f"{name}-{number}.yaml" for number in range(len(beside)))
    for path, text in zip(paths, beside, strict=True):
        path.write_text(text)
    made = Stack(f"lorekeeper-{name}", env_file, ports, paths)
    try:
        yield made
    finally:
        made.down(with_volumes=True)


def _mb(size: str) -> float:
    for unit, factor in (("GiB", 1073.7), ("MiB", 1.0486), ("KiB", 0.001)):
        if size.endswith(unit):
            return float(size.removesuffix(unit)) * factor
    raise ValueError(size)


def _free_ports(count: int) -> tuple[int, ...]:
    """Neighbours: compose gives the gateways of a scaled service a range of ports."""
    for first in range(18080, 28080, 10):
        ports = tuple(range(first, first + count))
        if all(_is_free(port) for port in ports):
            return ports
    raise AssertionError("no ports are free")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0
