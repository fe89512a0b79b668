"""A real vLLM for the tests, started from an environment of its own (`make setup-vllm`), on the CPU."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.tiny_chat import WINDOW, make_tiny_chat_model

PYTHON = Path(os.environ.get("TEST_VLLM_PYTHON", Path(__file__).parents[1] / ".venv-vllm/bin/python"))
HOW_TO_INSTALL = "vLLM is not installed (make setup-vllm: 3.5 GB, some minutes; Linux only)."
START_SECONDS = 300.0
MODEL = "tiny"
KEY = "sesame"
MOST_RANK = 64
OPTIONS = ("--dtype", "float32", "--enforce-eager", "--enable-lora", "--max-lora-rank", str(MOST_RANK))
ENVIRONMENT = {
    "VLLM_TARGET_DEVICE": "cpu",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True",
    "VLLM_NO_USAGE_STATS": "1",
    "HF_HUB_OFFLINE": "1",
}


@dataclass(frozen=True, slots=True)
class VllmServer:
    """Listens on 127.0.0.1 and asks for `KEY`."""

    origin: str
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"{self.origin}/v1"

    @property
    def port(self) -> int:
        return int(self.origin.rpartition(":")[2])

    def models(self) -> set[str]:
        """Names of the model and of the adapters that are loaded."""
        listed = httpx.get(f"{self.url}/models", headers=_headers(), timeout=30).raise_for_status().json()
        return {row["id"] for row in listed["data"]}

    def said(self, model: str, prompt: Sequence[tuple[str, str]], most_tokens: int) -> str:
        """Its greedy answer to (role, content) pairs."""
        messages = [{"role": role, "content": content} for role, content in prompt]
        body = {"model": model, "messages": messages, "temperature": 0, "max_tokens": most_tokens}
        answer = httpx.post(f"{self.url}/chat/completions", json=body, headers=_headers(), timeout=60)
        return str(answer.raise_for_status().json()["choices"][0]["message"]["content"])

    def load_adapter(self, name: str, folder: Path) -> None:
        """Serve an adapter beside the model, at run time."""
        body = {"lora_name": name, "lora_path": str(folder)}
        httpx.post(f"{self.url}/load_lora_adapter", json=body, headers=_headers(), timeout=60).raise_for_status()

    def metric(self, name: str) -> float:
        """The sum over all labels of one of its Prometheus metrics."""
        lines = httpx.get(f"{self.origin}/metrics", timeout=30).text.splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{name}{{"))

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Keeps its connections and does nothing until the end of the block."""
        os.killpg(self.process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.killpg(self.process.pid, signal.SIGCONT)

    def kill(self) -> None:
        """All of its processes, as a crash of the machine would."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(START_SECONDS)


@pytest.fixture(scope="session")
def tiny_chat_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny language model."""
    return make_tiny_chat_model(tmp_path_factory.mktemp("chat") / "model")


@pytest.fixture(scope="session")
def vllm(tiny_chat_model: Path) -> Iterator[VllmServer]:
    """One server for all tests."""
    require_vllm()
    with serve(tiny_chat_model) as server:
        yield server


def require_vllm() -> None:
    """Skips without vLLM, unless TEST_REQUIRE names it: then it fails."""
    if not PYTHON.exists():
        if "vllm" in os.environ.get("TEST_REQUIRE", ""):
            pytest.fail(HOW_TO_INSTALL)
        pytest.skip(HOW_TO_INSTALL)


@contextmanager
def serve(model: Path, port: int = 0) -> Iterator[VllmServer]:
    """Run vLLM until the end of the block, at a free port if none is given.

    Raises `RuntimeError` with its log if it does not start.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
        port = probe.getsockname()[1]
    command: list[str | Path] = [
        PYTHON,
        "-m",
        "vllm.entrypoints.openai.api_server",
        "--model",
        model,
        "--served-model-name",
        MODEL,
    ]
    address = ["--host", "127.0.0.1", "--port", str(port), "--api-key", KEY, "--max-model-len", str(WINDOW)]
    log = model.parent / f"vllm-{port}.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [*command, *address, *OPTIONS], env={**os.environ, **ENVIRONMENT},
            stdout=output, stderr=output, start_new_session=True, cwd=model.parent,
        )  # fmt: skip
    server = VllmServer(f"http://127.0.0.1:{port}", process)
    try:
        _wait(server, log)
        yield server
    finally:
        if process.poll() is None:
            server.kill()


def _wait(server: VllmServer, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.process.poll() is None:
        try:
            if httpx.get(f"{server.origin}/health", timeout=5).status_code == httpx.codes.OK:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.5)
    raise RuntimeError(f"vLLM did not start: {log.read_text()[-5000:]}")


def _headers() -> dict[str, str]:
    return {"Authorization": f"Bearer {KEY}"}
