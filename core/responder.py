"""From question to answer, top to bottom; the only place where an error becomes an outcome."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field, replace

import structlog

from core import wording
from core.abstention import BUILT_IN, Calibration
from core.citations import cite, ground
from core.errors import LorekeeperError
from core.generation.auto import BaseForAll, Chooser
from core.guard import clean_question, refuse_question
from core.log import reference, request_id
from core.ports import Evidence, Models, Retriever, Rewriter
from core.settings import Namespace
from core.store.conversations import Conversations, thread_key
from core.store.documents import DocumentStore
from core.tracing import span
from core.types import (
    Answer,
    Citation,
    Event,
    Finished,
    GenerationRequest,
    Outcome,
    Passage,
    Question,
    Receipt,
    Retrieval,
    Signals,
    Status,
    Token,
    Turn,
)

NEAREST_SHOWN = 3
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Responder:
    """Implements `core.ports.Asker`."""

    retriever: Retriever
    evidence: Evidence
    chooser: Chooser
    rewriter: Rewriter
    store: DocumentStore
    conversations: Conversations
    threshold: float
    calibration: Calibration = BUILT_IN
    namespaces: Mapping[str, Namespace] = field(default_factory=dict)
    models: Models = field(default_factory=BaseForAll)
    """Tuned ones; a model that the settings of a namespace name comes first."""
    until_sure: bool = False
    """Sentences are embedded only until they suffice for an answer. Not worth it where the answer quotes them: it needs
    their vectors anyway, and those that are run together differ a little from those that are run alone."""
    observe: Callable[[Answer, float], None] = lambda answer, seconds: None
    """Told of each answer, and how long it took."""

    async def ask(self, question: Question) -> Answer:
        async with aclosing(self.stream(question)) as events:
            async for event in events:
                if isinstance(event, Finished):
                    return event.answer
        raise AssertionError("a stream ends with Finished")

    async def stream(self, question: Question) -> AsyncGenerator[Event, None]:
        with span("question", {"lorekeeper.request": request_id()}) as traced:
            async with aclosing(self._stream(question)) as events:
                async for event in events:
                    if isinstance(event, Finished):
                        answer = event.answer
                        traced.note({"outcome": answer.outcome.value, "citations": len(answer.citations)})
                    yield event

    async def _stream(self, question: Question) -> AsyncGenerator[Event, None]:
        begun = time.perf_counter()
        try:
            async with aclosing(self._respond(question)) as events:
                async for event in events:
                    if isinstance(event, Finished):
                        await self._remember(question, event.answer)
                        _log_outcome(event.answer)
                        self._note(event.answer, begun)
                    yield event
        except LorekeeperError as error:
            yield Finished(self._note(_failed(question, error.message, error), begun))
        except Exception as error:  # noqa: BLE001 - nobody gets a traceback in chat
            yield Finished(self._note(_failed(question, wording.UNEXPECTED, error), begun))

    async def _respond(self, question: Question) -> AsyncGenerator[Event, None]:
        text = clean_question(question.text)
        if refusal := refuse_question(text):
            yield Finished(_answer(question, Outcome.INVALID_QUESTION, refusal))
            return

        clock = _Clock()
        yield Status(wording.SEARCHING)
        with clock.lap("rewrite"):
            history = await self._history(question)
            standalone = await self.rewriter.standalone(text, history)
        with clock.lap("retrieve"):
            found = await self.retriever.retrieve(standalone, question.scope)
        with clock.lap("judge"):
            suffices = self._suffices if self.until_sure else None
            signals = await asyncio.to_thread(self.evidence.signals, found, suffices)

        answer = _answer(question, Outcome.NO_EVIDENCE, "", standalone=standalone)
        answer = replace(answer, why=self._receipt(found, signals, clock))
        if not found.passages:
            yield Finished(await self._nothing_found(question, answer))
            return
        if self.calibration.confidence(signals) < self.threshold:
            yield Finished(self._no_evidence(answer, found.passages))
            return

        yield Status(wording.WRITING)
        namespace = self._namespace(question)
        request = GenerationRequest(text, standalone, found.passages, history, namespace.instructions)
        model = namespace.model or await self.models.model_for(question.scope.namespace)
        written = ""
        with clock.lap("generate"):
            async with aclosing(self.chooser.stream(request, model)) as pieces:
                async for piece in pieces:
                    written = piece.text if piece.restart else written + piece.text
                    if (piece.generator, piece.notice) != (answer.generator, answer.notice):
                        answer = replace(answer, generator=piece.generator, notice=piece.notice)
                    yield Token(piece.text, restart=piece.restart)

        answer = replace(answer, why=self._receipt(found, signals, clock))
        grounded = ground(written, found.passages)
        if not grounded.text:
            yield Finished(self._no_evidence(answer, found.passages))
            return
        yield Finished(
            replace(answer, outcome=Outcome.ANSWERED, text=grounded.text, citations=tuple(grounded.citations))
        )

    def _suffices(self, signals: Signals) -> bool:
        return self.calibration.suffices(signals, self.threshold)

    def _note(self, answer: Answer, begun: float) -> Answer:
        self.observe(answer, time.perf_counter() - begun)
        return answer

    def _namespace(self, question: Question) -> Namespace:
        return self.namespaces.get(question.scope.namespace, Namespace())

    def _no_evidence(self, answer: Answer, passages: Sequence[Passage]) -> Answer:
        contact = self.namespaces.get(answer.namespace, Namespace()).contact
        nearest = _nearest(answer.standalone, passages)
        return replace(
            answer, outcome=Outcome.NO_EVIDENCE, text=wording.no_evidence(bool(nearest), contact), nearest=nearest
        )

    async def _nothing_found(self, question: Question, answer: Answer) -> Answer:
        namespace = question.scope.namespace
        if await asyncio.to_thread(self.store.count_chunks, namespace):
            return self._no_evidence(answer, ())
        waiting = [
            document for document in await asyncio.to_thread(self.store.pending) if document.namespace == namespace
        ]
        return replace(answer, outcome=Outcome.EMPTY_INDEX, text=wording.empty_index(namespace, len(waiting)))

    def _receipt(self, found: Retrieval, signals: Signals, clock: _Clock) -> Receipt:
        return Receipt(
            signals, self.calibration.confidence(signals), self.threshold, found.passages, milliseconds=dict(clock.laps)
        )

    async def _history(self, question: Question) -> tuple[Turn, ...]:
        if question.history or question.thread is None or question.is_first:
            return question.history
        thread = thread_key(question.scope, question.thread, question.asker)
        return await asyncio.to_thread(lambda: self.conversations.history(thread, before=question.id))

    async def _remember(self, question: Question, answer: Answer) -> None:
        if question.thread is None or answer.outcome in {Outcome.INVALID_QUESTION, Outcome.FAILED}:
            return
        try:
            await asyncio.to_thread(self.conversations.append, question, answer)
        except LorekeeperError as error:
            # The person still gets the answer; only the next follow-up will lack this turn.
            log.warning("a turn was not recorded", cause=error.message)


class _Clock:
    """Milliseconds by stage."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}

    @contextmanager
    def lap(self, stage: str) -> Iterator[None]:
        """The block is this stage."""
        begun = time.perf_counter()
        with span(stage):
            yield
        self.laps[stage] = round((time.perf_counter() - begun) * 1000, 1)


def _answer(question: Question, outcome: Outcome, text: str, standalone: str = "") -> Answer:
    return Answer(
        id=question.id,
        outcome=outcome,
        text=text,
        namespace=question.scope.namespace,
        thread=question.thread,
        standalone=standalone,
    )


def _nearest(query: str, passages: Sequence[Passage]) -> tuple[Citation, ...]:
    """The best passage of each of the closest documents."""
    best: dict[str, Passage] = {}
    for passage in passages:
        best.setdefault(passage.document_id, passage)
    return tuple(
        cite(number, passage, query) for number, passage in enumerate(list(best.values())[:NEAREST_SHOWN], start=1)
    )


def _failed(question: Question, message: str, error: Exception) -> Answer:
    ref = reference()
    log.error("a question failed", reference=ref, question=question.id, exc_info=error)
    return _answer(question, Outcome.FAILED, wording.failed(message, ref))


def _log_outcome(answer: Answer) -> None:
    milliseconds = dict(answer.why.milliseconds) if answer.why else {}
    log.info(
        "answered", question=answer.id, outcome=answer.outcome, generator=answer.generator, milliseconds=milliseconds
    )
