"""Answers by a language model behind any OpenAI-compatible URL: vLLM, or another server."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Any

import httpx
import structlog

from core.errors import GenerationFailed, GenerationInterrupted, GenerationUnavailable
from core.generation import completions
from core.generation.breaker import Breaker
from core.generation.guided import guide
from core.ports import CountTokens
from core.prompts import Role, messages
from core.settings import Generation
from core.tracing import outgoing
from core.types import GenerationRequest

HEALTH_SECONDS = 2.0
HEALTH_FRESH_SECONDS = 5.0
BACKOFF_SECONDS = 0.25
LONGEST_BACKOFF_SECONDS = 5.0
# The server's tokenizer is not ours; counts differ by some percent between English word-piece vocabularies.
TOKEN_MARGIN = 1.25
# What vLLM and OpenAI say of a prompt that does not fit; it is then cut shorter, a few times.
TOO_LONG = "context length"
FITTINGS, SHRINK = 4, 0.6
# How a server refuses what it does not know in a request.
NOT_UNDERSTOOD = frozenset({400, 422})
RETRIABLE = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
log = structlog.get_logger(__name__)


Observe = Callable[[str, float | None], None]
"""Told how a request to the model ended, or that it was tried again, and after how many seconds its first word came."""


def unobserved(end: str, seconds: float | None) -> None:
    """Nobody counts."""


class ChatGenerator:
    """Implements `core.ports.Generator`. One instance for each model; the breaker is that of the endpoint."""

    def __init__(
        self,
        settings: Generation,
        count_tokens: CountTokens,
        breaker: Breaker | None = None,
        model: str = "",
        observe: Observe = unobserved,
        base: ChatGenerator | None = None,
    ) -> None:
        """`base`: of the same endpoint, whose breaker and habits are shared."""
        self._base = base or self
        self.takes_guides = True
        self.count_tokens = count_tokens
        self._settings = settings
        self._breaker = breaker or Breaker(time.monotonic)
        self._observe = observe
        self._named = model or settings.model
        self._model = self._named
        self._healthy: tuple[float, bool] = (float("-inf"), False)
        self._checking: asyncio.Task[bool] | None = None
        self._others: dict[str, ChatGenerator] = {}
        # The model's own tokens may be shorter than ours; learnt from its refusals.
        self._scale = 1.0

    @property
    def name(self) -> str:
        return f"chat:{self._model}" if self._model else "chat"

    def for_model(self, model: str) -> ChatGenerator:
        """The same endpoint with another model or adapter; one for each name, kept."""
        if model not in self._others:
            self._others[model] = ChatGenerator(
                self._settings, self.count_tokens, self._breaker, model, self._observe, self._base
            )
        return self._others[model]

    @property
    def prompt_tokens(self) -> int:
        """How long a prompt may be, counted by `count_tokens`."""
        return int((self._settings.context_tokens - self._settings.max_tokens) / TOKEN_MARGIN * self._scale)

    async def healthy(self) -> bool:
        """Whether the endpoint lists its models; asked once for all who wait, at most every few seconds."""
        if self._breaker.is_open:
            return False
        checked, result = self._healthy
        if time.monotonic() - checked < HEALTH_FRESH_SECONDS:
            return result
        if self._checking is None:
            self._checking = asyncio.create_task(self._check())
            self._checking.add_done_callback(self._checked)
        # One who leaves must not take the others' check along.
        return await asyncio.shield(self._checking)

    async def _check(self) -> bool:
        try:
            await self._list_models()
            result = True
        except GenerationFailed as error:
            log.warning("the model endpoint is not healthy", cause=error.message)
            result = False
        self._healthy = (time.monotonic(), result)
        return result

    def _checked(self, check: asyncio.Task[bool]) -> None:
        self._checking = None

    async def stream(self, request: GenerationRequest) -> AsyncGenerator[str, None]:
        was_refused = False
        for attempt in range(FITTINGS):
            prompt = await asyncio.to_thread(messages, request, self.prompt_tokens, self.count_tokens)
            is_last, guided = attempt == FITTINGS - 1, "" if was_refused else self._guide(prompt)
            try:
                async with aclosing(self._stream(prompt, guided)) as pieces:
                    async for piece in pieces:
                        yield piece
            except _TooLong:  # raised before the first piece
                if is_last:
                    raise
                self._scale *= SHRINK
            except _Refused as error:
                if is_last or not guided or error.status not in NOT_UNDERSTOOD:
                    raise
                was_refused = True
            else:
                if was_refused and self._base.takes_guides:
                    self._base.takes_guides = False
                    log.warning("the model's server does not take generation.guided; answers are not guided")
                return

    def _guide(self, prompt: Sequence[tuple[Role, str]]) -> str:
        return guide(prompt) if self._settings.guided == "citations" and self._base.takes_guides else ""

    async def complete(self, prompt: Sequence[tuple[Role, str]]) -> str:
        """The whole reply to a prompt. Raises `GenerationFailed`."""
        async with aclosing(self._stream(prompt)) as pieces:
            return "".join([piece async for piece in pieces])

    async def _stream(self, prompt: Sequence[tuple[Role, str]], guided: str = "") -> AsyncGenerator[str, None]:
        deadline = asyncio.get_running_loop().time() + self._settings.total_seconds
        pieces, first = await self._first_piece(prompt, guided, deadline)
        try:
            async with aclosing(pieces):
                yield first
                while (piece := await self._next(pieces, deadline)) is not None:
                    yield piece
        except GenerationInterrupted:
            self._breaker.failed()
            self._observe("interrupted", None)
            raise
        self._breaker.succeeded()

    async def _first_piece(self, prompt: Sequence[tuple[Role, str]], guided: str, deadline: float) -> tuple[Any, str]:
        """Open the stream; tries again, with a growing pause, while nothing was shown yet."""
        for attempt in range(self._settings.retries + 1):
            if not self._breaker.allows():
                raise GenerationUnavailable(
                    "The language model has failed several times and is being left alone for a moment."
                )
            begun = time.perf_counter()
            try:
                opened = await self._open(prompt, guided, deadline)
            except _Retriable as error:
                self._breaker.failed()
                pause = error.retry_after or min(
                    LONGEST_BACKOFF_SECONDS, BACKOFF_SECONDS * 2**attempt
                ) * random.uniform(0.5, 1)  # noqa: S311
                left = deadline - asyncio.get_running_loop().time()
                is_last = attempt == self._settings.retries or pause >= left or pause > LONGEST_BACKOFF_SECONDS
                self._observe("failed" if is_last else "retried", None)
                if is_last:
                    raise GenerationUnavailable(error.message) from error.__cause__
                log.warning("the language model failed; trying again", cause=error.message, attempt=attempt + 1)
                await asyncio.sleep(pause)
            except _Refused as error:
                # The endpoint is well: it is this request, or this model, that it does not take.
                self._breaker.succeeded()
                self._observe("unknown" if isinstance(error, UnknownModel) else "refused", None)
                if isinstance(error, UnknownModel):
                    self._model = self._named
                raise
            except GenerationUnavailable:
                self._breaker.failed()
                self._observe("failed", None)
                raise
            else:
                self._observe("answered", time.perf_counter() - begun)
                return opened
        raise AssertionError("unreachable")

    async def _open(self, prompt: Sequence[tuple[Role, str]], guided: str, deadline: float) -> tuple[Any, str]:
        pieces = self._pieces(prompt, guided)
        limit = min(self._settings.first_token_seconds, deadline - asyncio.get_running_loop().time())
        try:
            async with asyncio.timeout(max(limit, 0)):
                first = await anext(pieces, None)
        except TimeoutError as error:
            await pieces.aclose()
            raise GenerationUnavailable(f"The language model sent nothing for {limit:.0f} seconds.") from error
        except Exception as error:
            await pieces.aclose()
            raise _classified(error) from error
        if first is None:
            raise GenerationUnavailable("The language model sent an empty answer.")
        return pieces, first

    async def _next(self, pieces: Any, deadline: float) -> str | None:
        try:
            async with asyncio.timeout_at(deadline):
                piece: str | None = await anext(pieces, None)
                return piece
        except TimeoutError as error:
            limit = self._settings.total_seconds
            raise GenerationInterrupted(f"The language model did not finish within {limit:.0f} seconds.") from error
        except Exception as error:
            raise GenerationInterrupted("The language model stopped in the middle of its answer.") from error

    async def _pieces(self, prompt: Sequence[tuple[Role, str]], guided: str) -> AsyncGenerator[str, None]:
        settings = self._settings
        body = {
            "model": await self._chosen(),
            "messages": [{"role": role, "content": content} for role, content in prompt],
            "temperature": settings.temperature,
            "max_completion_tokens": settings.max_tokens,
        }
        if guided:
            body["structured_outputs"] = {"regex": guided}  # vLLM's name for it
        # The model's server logs what it does under the id that our log has.
        headers = self._authorization() | outgoing()
        finished = False
        async with aclosing(completions.stream(settings.base_url, body, headers, settings.connect_seconds)) as pieces:
            async for piece in pieces:
                finished = finished or piece.is_last
                if piece.text:
                    yield piece.text
        if not finished:
            # A server that dies closes the connection, which looks like an end; a real end says why it ended.
            raise GenerationInterrupted("The language model stopped in the middle of its answer.")

    async def _chosen(self) -> str:
        """The model that is named, or else the first that the endpoint lists."""
        self._model = self._model or (await self._list_models())[0]
        return self._model

    def _authorization(self) -> dict[str, str]:
        key = self._settings.api_key.get_secret_value()
        return {"Authorization": f"Bearer {key}"} if key else {}

    async def _list_models(self) -> list[str]:
        headers = self._authorization()
        try:
            certificates = await asyncio.to_thread(completions.certificates)
            # httpx's own limit is for each read, not for all.
            opened = httpx.AsyncClient(verify=certificates, timeout=HEALTH_SECONDS, follow_redirects=False)
            async with asyncio.timeout(HEALTH_SECONDS), opened as client:
                response = await client.get(f"{self._settings.base_url.rstrip('/')}/models", headers=headers)
            response.raise_for_status()
            names = [str(row["id"]) for row in response.json()["data"]]
        except httpx.HTTPStatusError as error:
            raise _refused(error.response.status_code) from error
        # The last three also where the environment names a proxy or certificates that cannot be used.
        except (httpx.HTTPError, httpx.InvalidURL, ImportError, OSError) as error:
            raise _Retriable("The language model's server does not answer.") from error
        except (ValueError, KeyError, TypeError) as error:
            raise GenerationUnavailable(
                "The address in generation.base_url answers, but not like a language model server."
            ) from error
        if not names:
            raise GenerationUnavailable("The language model's server has no model loaded.")
        return names


class _Refused(GenerationUnavailable):
    """What was asked for is at fault, not the endpoint."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class UnknownModel(_Refused):
    """The server has no model or adapter of this name."""


class _TooLong(_Refused):
    """The prompt has more of the model's own tokens than its window holds."""


class _Retriable(GenerationUnavailable):
    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


def _classified(error: Exception) -> GenerationUnavailable:
    """What went wrong before the first token, and whether trying again can help."""
    if isinstance(error, GenerationUnavailable):
        return error
    if isinstance(error, GenerationInterrupted):
        return _Retriable("The language model's server closed the connection without an answer.")
    if isinstance(error, completions.Refused):
        if error.status == httpx.codes.BAD_REQUEST and TOO_LONG in str(error).lower():
            return _TooLong("The prompt is longer than the model's window (generation.context_tokens).", error.status)
        return _refused(error.status, _seconds(error.retry_after))
    if isinstance(error, completions.Unreachable):
        return _Retriable("The language model's server does not answer.")
    return GenerationUnavailable("The language model's server sent something that cannot be read.")


def _refused(status: int, retry_after: float | None = None) -> GenerationUnavailable:
    if status in {401, 403}:
        return _Refused("The language model's server refuses the key (generation.api_key).", status)
    if status == httpx.codes.NOT_FOUND:
        return UnknownModel(
            "The language model's server does not know this model (generation.model) or address.", status
        )
    message = f"The language model's server failed (HTTP {status})."
    if status in RETRIABLE:
        return _Retriable(message, retry_after)
    return GenerationUnavailable(message) if status >= httpx.codes.INTERNAL_SERVER_ERROR else _Refused(message, status)


def _seconds(retry_after: str) -> float | None:
    """A date, the header's other form, is left to our own pause."""
    try:
        seconds = float(retry_after)
    except ValueError:
        return None
    return seconds if seconds > 0 else None
