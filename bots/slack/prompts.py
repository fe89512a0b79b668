"""What the agent view suggests to ask: what others asked most."""

from __future__ import annotations

import asyncio

import structlog

from bots.chat.board import Refused, Unknown
from bots.slack.calls import Calls
from core.store.conversations import Conversations

# https://docs.slack.dev/reference/methods/assistant.threads.setSuggestedPrompts
MOST_PROMPTS = 4
LONGEST_TITLE = 75
FIRST_QUESTIONS = ("What can you answer?", "How do I add documents?")
log = structlog.get_logger(__name__)


async def suggest(calls: Calls, conversations: Conversations, channel: str, namespace: str) -> None:
    """Set the suggested prompts of a direct message. Without `thread_ts`: with it, the agent view shows nothing."""
    popular = await asyncio.to_thread(conversations.popular, namespace, MOST_PROMPTS)
    questions = popular or FIRST_QUESTIONS
    prompts = [{"title": shortened(question), "message": question} for question in questions]
    try:
        await calls.offer("assistant.threads.setSuggestedPrompts", channel_id=channel, prompts=prompts)
    except (Refused, Unknown) as error:
        log.info("no prompts are suggested", cause=str(error))


def shortened(question: str) -> str:
    """For a button."""
    line = " ".join(question.split())
    return line if len(line) <= LONGEST_TITLE else f"{line[: LONGEST_TITLE - 1].rstrip()}…"
