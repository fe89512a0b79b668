"""Follow-up questions made to stand alone by the language model, with the rule behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from core.errors import GenerationFailed
from core.generation.chat import ChatGenerator
from core.guard import clean_question
from core.ports import Rewriter
from core.prompts import standalone_messages
from core.types import Turn

REWRITE_SECONDS = 8.0
LONGEST = 400
log = structlog.get_logger(__name__)


class ModelRewriter:
    """Implements `core.ports.Rewriter`. The person waits for this, so it is short, and never an error.

    Asks the default model, also where the namespace answers with another: an adapter is trained to answer.
    """

    def __init__(self, chat: ChatGenerator, rule: Rewriter) -> None:
        self._chat = chat
        self._rule = rule

    async def standalone(self, question: str, history: Sequence[Turn]) -> str:
        if not history:
            return question
        chat = self._chat
        if await chat.healthy():
            prompt = await asyncio.to_thread(
                standalone_messages, question, history, chat.prompt_tokens, chat.count_tokens
            )
            try:
                async with asyncio.timeout(REWRITE_SECONDS):
                    reply = await chat.complete(prompt)
            except (GenerationFailed, TimeoutError) as error:
                log.warning("a follow-up was not rewritten by the model", cause=type(error).__name__)
            else:
                rewritten = clean_question(reply.strip().strip('"'))
                if rewritten and len(rewritten) <= LONGEST and "\n" not in reply.strip():
                    return rewritten
        return await self._rule.standalone(question, history)
