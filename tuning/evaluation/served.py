"""Answers by a running vLLM, as they will be served: the base model by its name, the adapter under a name for the time.

An adapter is loaded for the evaluation and unloaded after it, however it ends. A merged model has a server of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TypeVar

import httpx

from core.errors import GenerationUnavailable, InvalidRequest
from core.types.adapters import Form
from tuning.dataset.types import Prompt
from tuning.evaluation.endpoint import Endpoint
from tuning.evaluation.types import Likelihood, Reply
from tuning.serving.server import ALREADY_THERE, LOAD_SECONDS, said_by

AT_ONCE = 8
SECONDS = 120.0
_Asked = TypeVar("_Asked")
_Done = TypeVar("_Done")


@dataclass(frozen=True, slots=True)
class Server:
    """Where models are, and how they may be asked."""

    url: str
    key: str = ""
    model: str = ""
    """The base model's name there; empty: the first that is listed."""
    tuned_url: str = ""
    """Of a merged model's own server."""
    tuned_model: str = ""
    adapter_path: str = ""
    """Where the server finds the adapter's files."""
    at_once: int = AT_ONCE
    seconds: float = SECONDS


@dataclass(frozen=True, slots=True)
class ServedModels:
    """Implements `tuning.evaluation.models.Models`."""

    base: Endpoint
    tuned: Endpoint
    at_once: int
    window: int
    made_from: str = ""
    """What the server says that its base model is; empty where it does not say."""

    @property
    def name(self) -> str:
        made_from = f", made from {self.made_from}" if self.made_from else ""
        return f"{self.base.model} at {self.base.url}{made_from}"

    def count(self, prompt: Prompt) -> int:
        return self.base.count(prompt)

    def answers(self, prompts: Sequence[Prompt], most_tokens: int, *, tuned: bool) -> Iterator[tuple[int, Reply]]:
        endpoint = self.tuned if tuned else self.base
        return self._each(prompts, lambda prompt: endpoint.answer(prompt, most_tokens))

    def likelihoods(
        self, asked: Sequence[tuple[Prompt, str]], *, tuned: bool
    ) -> Iterator[tuple[int, Likelihood | None]]:
        """Unknown: asked for the likelihoods of a prompt, vLLM 0.32 with adapters ends on the CPU, for everybody."""
        return ((place, None) for place in range(len(asked)))

    def _each(self, asked: Sequence[_Asked], ask: Callable[[_Asked], _Done]) -> Iterator[tuple[int, _Done]]:
        threads = ThreadPoolExecutor(self.at_once, thread_name_prefix="evaluate")
        try:
            places = {threads.submit(ask, each): place for place, each in enumerate(asked)}
            for future in as_completed(places):
                yield places[future], future.result()
        finally:
            threads.shutdown(wait=True, cancel_futures=True)


@contextmanager
def open_served(server: Server, form: Form, name: str) -> Iterator[ServedModels]:
    """The base model and the tuned one, which is called `name` where it is an adapter.

    Raises `InvalidRequest` for a wrong address and `GenerationUnavailable` when the server does not do its part.
    """
    url = _checked(server.url, "--url")
    headers = {"Authorization": f"Bearer {server.key}"} if server.key else {}
    with ExitStack() as parts:
        client = parts.enter_context(httpx.Client(headers=headers, follow_redirects=False))
        base = Endpoint(client, url, server.model, server.seconds).named()
        if form is Form.MERGED:
            if not server.tuned_url:
                raise InvalidRequest("The run was merged to a whole model, which has a server of its own: --tuned-url")
            there = _checked(server.tuned_url, "--tuned-url")
            tuned = Endpoint(client, there, server.tuned_model, server.seconds).named()
        else:
            parts.callback(_unload, base, name)
            _load(base, name, server.adapter_path)
            tuned = Endpoint(client, url, name, server.seconds)
        yield ServedModels(base, tuned, server.at_once, base.window(), base.made_from())


def _checked(url: str, option: str) -> str:
    # The address is written into the report.
    if not re.match(r"https?://[^\s/@]+(?:/|$)", url):
        raise InvalidRequest(
            f"{option} takes the address of an OpenAI-compatible server, without a password: http://127.0.0.1:8000/v1"
        )
    return url.rstrip("/")


def _load(base: Endpoint, name: str, path: str) -> None:
    """What an evaluation that was killed has left loaded is the same adapter, because its name holds its hash."""
    body = {"lora_name": name, "lora_path": path}
    try:
        response = base.client.post(f"{base.url}/load_lora_adapter", json=body, timeout=LOAD_SECONDS)
    except httpx.HTTPError as error:
        raise GenerationUnavailable(f"{base.url} does not answer.") from error
    said = said_by(response)
    if response.is_success or ALREADY_THERE in said:
        return
    raise GenerationUnavailable(
        f"{base.url} does not load the adapter from {path} (HTTP {response.status_code}): {said} "
        f"It has to be a vLLM with --enable-lora and VLLM_ALLOW_RUNTIME_LORA_UPDATING=True that can read this folder; "
        f"where the folder has another path there, name it with --adapter-path."
    )


def _unload(base: Endpoint, name: str) -> None:
    """A server that is gone has nothing loaded."""
    try:
        base.client.post(f"{base.url}/unload_lora_adapter", json={"lora_name": name}, timeout=LOAD_SECONDS)
    except httpx.HTTPError:
        return
