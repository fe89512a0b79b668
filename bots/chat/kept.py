"""Answers that were given, for what people press below them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from bots.chat import wording
from core.build import Record
from core.errors import NotFound
from core.ports import Documents
from core.types import Answer, Citation, Exchange, Feedback, Passage


@dataclass(frozen=True, slots=True)
class Kept:
    """Its methods raise `NotFound` with a sentence for the person, and `StorageFailed`."""

    record: Record
    documents: Documents

    async def exchange(self, answer_id: str) -> Exchange:
        found = await asyncio.to_thread(self.record.conversations.find, answer_id)
        if found is None:
            raise NotFound(wording.GONE)
        return found

    async def rate(self, given: Feedback) -> None:
        await asyncio.to_thread(self.record.feedback.rate, given)

    async def source(self, answer_id: str, number: int) -> tuple[Citation, list[Passage], int | None]:
        """A source of an answer, the passages of its document, and where among them it is.

        There are none of a document that was removed, has moved, or that not everybody may read any more.
        """
        exchange = await self.exchange(answer_id)
        cited = _citation(exchange.answer, number)
        passages: list[Passage] = []
        try:
            document = await self.documents.get(cited.document_id, frozenset({exchange.answer.namespace}))
            if not document.readers:
                passages = await self.documents.passages(cited.document_id)
        except NotFound:
            pass
        return (
            cited,
            passages,
            next((index for index, each in enumerate(passages) if each.chunk_id == cited.chunk_id), None),
        )


def _citation(answer: Answer, number: int) -> Citation:
    for cited in answer.citations or answer.nearest:
        if cited.number == number:
            return cited
    raise NotFound(wording.GONE)
