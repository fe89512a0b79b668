"""From a question to the prompt that a model is served: the product's own search and prompt code, nothing of its own.

What differs from serving is written down in each example: documents may be kept out of the search, a passage may be moved,
and personal data may be masked. Passages with a chat template's control tokens are in none. A follow-up is made to stand alone by the rule, also where serving asks a model, so that
the same documents always give the same dataset.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from core.abstention import Calibration
from core.followup import standalone
from core.generation.chat import ChatGenerator
from core.guard import clean_question
from core.ports import CountTokens, Evidence, Retriever
from core.prompts import NO_ANSWER, messages
from core.responder import Responder
from core.settings import Generation, Namespace, Settings
from core.types import GenerationRequest, Passage, Retrieval, Scope, Turn
from tuning.dataset.cleaning import CONTROL_TOKENS
from tuning.dataset.grounding import shown_passages
from tuning.dataset.personal import Policy, find, masked
from tuning.dataset.types import Prompt, digest

# Where documents are left out, so many passages are searched for, until as many remain as are served.
DEPTHS = (50, 200, 800)
PROBE_QUESTION, PROBE_INSTRUCTIONS = "How many days?", "Be brief."
PROBE = Passage("c", "d", "Title", "A sentence.", "A section with a sentence.", 1.0, ("Heading",), 2)


@dataclass(frozen=True, slots=True)
class Seen:
    """A prompt, and the passages in it in their order."""

    prompt: Prompt
    passages: tuple[Passage, ...]
    masked: int = 0
    """Pieces of personal data that are masked in them."""


@dataclass(frozen=True, slots=True)
class Serving:
    """The parts of the responder that stand between a question and the model."""

    retriever: Retriever
    evidence: Evidence
    calibration: Calibration
    threshold: float
    passages: int
    """How many are served."""
    budget: int
    """Longest prompt, counted by `count_tokens`."""
    count_tokens: CountTokens
    namespaces: Mapping[str, Namespace] = field(default_factory=dict)
    policy: Policy = Policy.DROP

    async def search(
        self, question: str, history: tuple[Turn, ...], namespace: str, without: frozenset[str] = frozenset()
    ) -> Retrieval:
        """What is found for it among the documents that everybody may read.

        Documents and chunks whose ids are in `without` are left out, as if they were not indexed. So are passages with a
        chat template's control tokens: one of them among the others would cost all examples that show it.
        """

        def is_left_out(passage: Passage) -> bool:
            is_named = passage.document_id in without or passage.chunk_id in without
            return is_named or CONTROL_TOKENS.search(f"{passage.text}\n{passage.context}") is not None

        query = standalone(clean_question(question), history)
        found = await self.retriever.retrieve(query, Scope(namespace))
        if not any(map(is_left_out, found.passages)):
            return found
        left: list[Passage] = []
        for depth in DEPTHS:
            found = await self.retriever.retrieve(query, Scope(namespace), depth)
            left = [passage for passage in found.passages if not is_left_out(passage)]
            if len(left) >= self.passages or len(found.passages) < depth:
                break
        return replace(found, passages=tuple(left[: self.passages]))

    async def is_asked(self, found: Retrieval) -> bool:
        """Whether serving asks the model at all, instead of saying at once that the documents do not answer."""
        signals = await asyncio.to_thread(self.evidence.signals, found)
        return bool(found.passages) and self.calibration.confidence(signals) >= self.threshold

    def see(self, question: str, history: tuple[Turn, ...], namespace: str, passages: Sequence[Passage]) -> Seen:
        """The prompt for these passages, in this order."""
        shown = tuple(passages) if self.policy is Policy.KEEP else tuple(map(_masked, passages))
        text = clean_question(question)
        instructions = self.namespaces.get(namespace, Namespace()).instructions
        request = GenerationRequest(text, standalone(text, history), shown, history, instructions)
        prompt = tuple(messages(request, self.budget, self.count_tokens))
        fitting = shown[: len(shown_passages(prompt))]
        hidden = sum(len(find(passage.context or passage.text)) for passage in passages[: len(fitting)])
        return Seen(prompt, fitting, 0 if self.policy is Policy.KEEP else hidden)


def serving_of(responder: Responder, settings: Settings, count_tokens: CountTokens, policy: Policy) -> Serving:
    """As this responder serves a chat model."""
    return Serving(
        responder.retriever,
        responder.evidence,
        responder.calibration,
        responder.threshold,
        settings.retrieval.passages,
        ChatGenerator(settings.generation, count_tokens).prompt_tokens,
        count_tokens,
        settings.namespaces,
        policy,
    )


def fingerprint() -> str:
    """Of the prompt's wording and layout, whatever the model: a dataset with another one was made for other prompts."""
    history = (Turn("user", "Which leave is there?"), Turn("assistant", "Annual leave. [1]"))
    request = GenerationRequest(PROBE_QUESTION, PROBE_QUESTION, (PROBE, PROBE), history, PROBE_INSTRUCTIONS)
    budget = ChatGenerator(Generation(), _words).prompt_tokens
    return digest([NO_ANSWER, messages(request, budget, _words)])


def _words(text: str) -> int:
    return len(text.split())


def _masked(passage: Passage) -> Passage:
    return replace(
        passage,
        title=masked(passage.title),
        headings=tuple(map(masked, passage.headings)),
        text=masked(passage.text),
        context=masked(passage.context),
    )
