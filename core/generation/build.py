"""The generation settings to the objects that do it."""

from __future__ import annotations

from core.errors import InvalidSettings
from core.followup import RuleRewriter
from core.generation.auto import Auto, Chooser, OnlyChat, OnlyExtractive
from core.generation.chat import ChatGenerator, Observe, unobserved
from core.generation.extractive import ExtractiveGenerator
from core.generation.rewrite import ModelRewriter
from core.ports import Embedder, Rewriter
from core.settings import Generation


def open_generation(
    settings: Generation, embedder: Embedder, observe: Observe = unobserved
) -> tuple[Chooser, Rewriter]:
    """Who writes answers, and who makes follow-ups stand alone. Raises `InvalidSettings`."""
    extractive = ExtractiveGenerator(embedder)
    if settings.mode == "chat" and not settings.base_url:
        raise InvalidSettings("generation.mode is chat, but generation.base_url does not say where the model is.")
    if settings.mode == "extractive" or not settings.base_url:
        return OnlyExtractive(extractive), RuleRewriter()
    chat = ChatGenerator(settings, embedder.count_tokens, observe=observe)
    chooser = OnlyChat(chat) if settings.mode == "chat" else Auto(chat, extractive)
    return chooser, ModelRewriter(chat, RuleRewriter())
