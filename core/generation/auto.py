"""Which generator answers: the language model while it is up, else sentences quoted from the documents."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

import structlog

from core.errors import GenerationFailed
from core.generation.chat import ChatGenerator
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


class OnlyChat:
    """`generation.mode = chat`: a model that is down is an error."""

    def __init__(self, chat: ChatGenerator) -> None:
        self._chat = chat

    async def stream(self, request: GenerationRequest, model: str = "") -> AsyncGenerator[Piece, None]:
        generator = self._chat.for_model(model) if model else self._chat
        async with aclosing(generator.stream(request)) as texts:
            async for text in texts:
                yield Piece(text, generator.name)

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
