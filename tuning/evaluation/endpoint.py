"""One model behind an OpenAI-compatible URL. What only vLLM can do, counting tokens, is asked for gently."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import httpx

from core.errors import GenerationFailed, GenerationUnavailable, InvalidRequest
from tuning.dataset.types import Prompt, as_messages
from tuning.evaluation.types import Reply
from tuning.serving.server import said_by

TRIES, PAUSE_SECONDS = 4, 0.5
CONNECT_SECONDS = 5.0
RETRIABLE = frozenset({408, 425, 429, 500, 502, 503, 504})
# Where the server does not count: more tokens than nearly any text has.
CHARACTERS_PER_TOKEN = 2.5
TOKENS_PER_TURN = 8
USUAL_WINDOW = 4_096


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Safe for threads."""

    client: httpx.Client
    url: str
    """With `/v1` at its end, as OpenAI's clients take it."""
    model: str
    seconds: float
    """For one answer."""

    def answer(self, prompt: Prompt, most_tokens: int) -> Reply:
        """Greedy. Raises `GenerationFailed` after some tries."""
        body = {
            "model": self.model,
            "messages": as_messages(prompt),
            "max_tokens": most_tokens,
            "temperature": 0,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        for attempt in range(TRIES):
            try:
                return self._streamed(body)
            except _Again as error:
                if attempt == TRIES - 1:
                    raise GenerationUnavailable(str(error)) from error.__cause__
                time.sleep(PAUSE_SECONDS * 2**attempt)
        raise AssertionError("unreachable")

    def count(self, prompt: Prompt) -> int:
        """Tokens of the prompt; where the server does not tell, rather too many."""
        tokens = self._tokens({"messages": as_messages(prompt), "add_generation_prompt": True})
        if tokens is not None:
            return len(tokens)
        return int(sum(len(text) / CHARACTERS_PER_TOKEN + TOKENS_PER_TURN for _, text in prompt))

    def window(self) -> int:
        """The longest prompt with its answer."""
        row = next((row for row in self.listed() if row.get("id") == self.model), {})
        return int(row.get("max_model_len") or USUAL_WINDOW)

    def made_from(self) -> str:
        """The folder or repository of the model, where the server tells."""
        row = next((row for row in self.listed() if row.get("id") == self.model), {})
        return str(row.get("root") or "")

    def named(self) -> Endpoint:
        """With the model's name, or that of the first one where none is given.

        Raises `InvalidRequest` where the server has no such model, and `GenerationUnavailable`.
        """
        listed = self.listed()
        names = [str(row.get("id")) for row in listed]
        own = [str(row.get("id")) for row in listed if not row.get("parent")]
        if not own:
            raise GenerationUnavailable(f"{self.url} has no model loaded.")
        if self.model and self.model not in names:
            raise InvalidRequest(f"{self.url} has no model {self.model}; it has: {', '.join(names[:10])}.")
        return replace(self, model=self.model or own[0])

    def listed(self) -> list[dict[str, Any]]:
        """The server's models. Raises `GenerationUnavailable`."""
        row = self.asked("GET", f"{self.url}/models")
        rows = row.get("data") if isinstance(row, dict) else None
        if not isinstance(rows, list) or not all(isinstance(each, dict) for each in rows):
            raise GenerationUnavailable(f"{self.url} answers, but not like a language model server.")
        return rows

    def asked(self, method: str, url: str, body: dict[str, Any] | None = None) -> Any:
        """The JSON of the reply; None where the server refuses or sends no JSON. Raises `GenerationUnavailable`."""
        try:
            response = self.client.request(method, url, json=body, timeout=self.seconds)
        except httpx.HTTPError as error:
            raise GenerationUnavailable(f"{self.url} does not answer.") from error
        if response.status_code in {401, 403}:
            raise GenerationUnavailable(f"{self.url} refuses the key.")
        try:
            return response.json() if response.is_success else None
        except ValueError:
            return None

    def _tokens(self, body: dict[str, Any]) -> list[int] | None:
        row = self.asked("POST", f"{self.url.removesuffix('/v1')}/tokenize", {"model": self.model, **body})
        tokens = row.get("tokens") if isinstance(row, dict) else None
        return tokens if isinstance(tokens, list) else None

    def _streamed(self, body: dict[str, Any]) -> Reply:
        begun = time.perf_counter()
        timeout = httpx.Timeout(self.seconds, connect=min(CONNECT_SECONDS, self.seconds))
        text, tokens, is_finished = "", None, False
        try:
            with self.client.stream("POST", f"{self.url}/chat/completions", json=body, timeout=timeout) as response:
                if response.is_error:
                    response.read()
                    raise _refused(self, response)
                for row in _events(response):
                    if time.perf_counter() - begun > self.seconds:
                        raise GenerationUnavailable(
                            f"{self.model} did not finish an answer within {self.seconds:g} seconds. Allow more with "
                            f"--seconds, or ask fewer at once with --at-once."
                        )
                    for choice in row.get("choices") or ():
                        text += (choice.get("delta") or {}).get("content") or ""
                        is_finished = is_finished or bool(choice.get("finish_reason"))
                    tokens = (row.get("usage") or {}).get("completion_tokens", tokens)
        except httpx.HTTPError as error:
            raise _Again(f"{self.url} does not answer, or stops in the middle of an answer.") from error
        except (ValueError, TypeError, AttributeError) as error:
            raise _Again(f"{self.url} sends something that cannot be read.") from error
        if not is_finished:
            raise _Again(f"{self.url} stops in the middle of an answer.")
        return Reply(text.strip(), time.perf_counter() - begun, tokens)


class _Again(Exception):
    """Worth another try."""


def _events(response: httpx.Response) -> Iterator[dict[str, Any]]:
    for line in response.iter_lines():
        content = line.removeprefix("data:").strip()
        if line.startswith("data:") and content != "[DONE]":
            yield json.loads(content)


def _refused(endpoint: Endpoint, response: httpx.Response) -> Exception:
    said = said_by(response)
    if response.status_code in {401, 403}:
        return GenerationUnavailable(f"{endpoint.url} refuses the key.")
    if response.status_code == httpx.codes.NOT_FOUND:
        return GenerationUnavailable(f"{endpoint.url} does not know the model {endpoint.model}.")
    if response.status_code in RETRIABLE:
        return _Again(f"{endpoint.url} failed (HTTP {response.status_code}): {said}")
    return GenerationFailed(f"{endpoint.url} refuses a prompt (HTTP {response.status_code}): {said}")
