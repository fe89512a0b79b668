"""Which generator answers: the language model while it is up, else sentences quoted from the documents."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

import structlog

from core.errors import GenerationFailed
from core.generation.chat import ChatGenerator, UnknownModel
from core.ports import Generator
from core.types import GenerationRequest

FALLEN_BACK = "The language model is not available at the moment; this answer quotes the documents directly."
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of an answer. `restart` says that what came before it is void, and who writes from here on."""

    text: str
    generator: str
    notice: str | None = None
    restart: bool = False


class Chooser(Protocol):
    """Streams an answer by the best generator there is."""

    def stream(self, request: GenerationRequest, model: str = "") -> AsyncGenerator[Piece, None]: ...

    async def healthy(self) -> bool: ...


class OnlyExtractive:
    """`generation.mode = extractive`, or no model is configured."""

    def __init__(self, extractive: Generator) -> None:
        self._extractive = extractive

    async def stream(self, request: GenerationRequest, model: str = "") -> AsyncGenerator[Piece, None]:
        async with aclosing(self._extractive.stream(request)) as texts:
            async for text in texts:
                yield Piece(text, self._extractive.name)

    async def healthy(self) -> bool:
        return True


class BaseForAll:
    """Implements `core.ports.Models`: nobody has a model of their own."""

    async def model_for(self, namespace: str) -> str:
        return ""


class OnlyChat:
    """`generation.mode = chat`: a server that is down is an error. For an adapter that it does not have, its base answers."""

    def __init__(self, chat: ChatGenerator) -> None:
        self._chat = chat
        self._unknown_at: dict[str, float] = {}

    async def stream(self, request: GenerationRequest, model: str = "") -> AsyncGenerator[Piece, None]:
        if model:
            begun = time.monotonic()
            try:
                async with aclosing(_pieces(self._chat.for_model(model), request)) as pieces:
                    async for piece in pieces:
                        yield piece
            except UnknownModel:  # raised before the first piece
                self._warn_of(model)
            else:
                # What was asked before may be answered long after the adapter was gone.
                if begun > self._unknown_at.get(model, begun):
                    del self._unknown_at[model]
                return
        async with aclosing(_pieces(self._chat, request)) as pieces:
            async for piece in pieces:
                yield piece

    def _warn_of(self, model: str) -> None:
        """Once, until it answers again."""
        if model not in self._unknown_at:
            log.warning("the server does not have a model that a namespace wants; the base model answers", model=model)
        self._unknown_at[model] = time.monotonic()

    async def healthy(self) -> bool:
        return await self._chat.healthy()


class Auto:
    """`generation.mode = auto`: the model while it answers, and the documents' own words when it does not."""

    def __init__(self, chat: ChatGenerator, extractive: Generator) -> None:
        self._chat = OnlyChat(chat)
        self._extractive = extractive

    async def stream(self, request: GenerationRequest, model: str = "") -> AsyncGenerator[Piece, None]:
        written = False
        if await self._chat.healthy():
            try:
                async with aclosing(self._chat.stream(request, model)) as pieces:
                    async for piece in pieces:
                        written = True
                        yield piece
            except GenerationFailed as error:
                log.warning("the language model failed; quoting the documents instead", cause=error.message)
            else:
                return
        async with aclosing(self._extractive.stream(request)) as texts:
            async for text in texts:
                yield Piece(text, self._extractive.name, FALLEN_BACK, restart=written)
                written = False

    async def healthy(self) -> bool:
        return await self._chat.healthy()


async def _pieces(generator: ChatGenerator, request: GenerationRequest) -> AsyncGenerator[Piece, None]:
    async with aclosing(generator.stream(request)) as texts:
        async for text in texts:
            yield Piece(text, generator.name)
