"""The gateway from outside: how other commands use an application that another process owns."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any

from bots.gateway.agreed import said_by
from bots.gateway.owner import SHORT_SECONDS, OwnerClient
from core import wording
from core.errors import LorekeeperError, NotFound
from core.guard import clean_question, refuse_question
from core.health import Check, State
from core.ports import Progress, Watch
from core.types import (
    NOBODY,
    Answer,
    Document,
    DocumentChange,
    DocumentStatus,
    Event,
    Finding,
    Finished,
    Origin,
    Outcome,
    Passage,
    Question,
    Status,
)
from core.wire import answer_from_json, document_from_json, finding_from_json, passage_from_json

# Longer than the server's own limit for one question, so that its answer, also a refusal, arrives.
ANSWER_SECONDS = 600.0
PASSAGES = 1000
DOCUMENTS = "/v1/documents"


class GatewayClient(OwnerClient):
    """Implements `core.ports.Asker` and `core.ports.Documents`. Raises what the owner's own parts would raise."""

    async def ask(self, question: Question) -> Answer:
        # As the server does it; what is far too long for a question would not even be received there.
        text = clean_question(question.text)
        if refusal := refuse_question(text):
            return Answer(question.id, Outcome.INVALID_QUESTION, refusal, namespace=question.scope.namespace)
        body: dict[str, Any] = {
            "question": text,
            "namespace": question.scope.namespace,
            "thread": question.thread,
            "explain": True,
        }
        if question.history:
            body["history"] = [{"role": turn.role, "text": turn.text} for turn in question.history]
        try:
            return answer_from_json(await self._json("POST", "/v1/ask", ANSWER_SECONDS, json=body))
        except LorekeeperError as error:
            return Answer(question.id, Outcome.FAILED, error.message, namespace=question.scope.namespace)

    async def stream(self, question: Question) -> AsyncGenerator[Event, None]:
        yield Status(wording.SEARCHING)
        yield Finished(await self.ask(question))

    async def add_paths(
        self,
        paths: Sequence[Path],
        namespace: str,
        progress: Progress | None = None,
        prune: bool = True,
        *,
        origin: Origin = NOBODY,
    ) -> list[DocumentChange]:
        body = {"paths": [str(path) for path in paths], "namespace": namespace, "prune": prune}
        return await self._with_progress(f"{DOCUMENTS}/paths", progress, json=body, headers=said_by(origin))

    async def add_file(
        self, name: str, path: Path, namespace: str, *, origin: Origin = NOBODY, watch: Watch | None = None
    ) -> DocumentChange:
        with path.open("rb") as file:
            form: dict[str, Any] = {"files": {"file": (name, file)}, "data": {"namespace": namespace}}
            return await self._watched(DOCUMENTS, watch, headers=said_by(origin), **form)

    async def page(
        self,
        namespace: str | None = None,
        limit: int = 1000,
        offset: int = 0,
        status: DocumentStatus | None = None,
        *,
        within: frozenset[str] = frozenset(),
        text: str = "",
        newest_first: bool = False,
    ) -> tuple[list[Document], int]:
        if namespace is not None and within and namespace not in within:
            return [], 0
        chosen: dict[str, Any] = {"namespace": sorted(within) if namespace is None else namespace, "q": text}
        if newest_first:
            chosen["sort"] = "-updated_at"
        if status is not None:
            chosen["status"] = status.value
        values, total = await self._page(DOCUMENTS, "documents", limit, offset, chosen)
        return [document_from_json(value) for value in values], total

    async def get(self, document_id: str, within: frozenset[str] = frozenset()) -> Document:
        value = await self._json("GET", f"{DOCUMENTS}/{_part(document_id)}", SHORT_SECONDS)
        document = document_from_json(value)
        if within and document.namespace not in within:
            raise _not_found(document_id)
        return document

    async def passages(self, document_id: str) -> list[Passage]:
        passages: list[Passage] = []
        while True:
            page, total = await self.passage_page(document_id, PASSAGES, len(passages))
            passages += page
            if not page or len(passages) >= total:
                return passages

    async def passage_page(self, document_id: str, limit: int, offset: int) -> tuple[list[Passage], int]:
        path = f"{DOCUMENTS}/{_part(document_id)}/passages"
        value = await self._json("GET", path, SHORT_SECONDS, params={"limit": limit, "offset": offset})
        return [passage_from_json(each) for each in value["passages"]], value["total"]

    async def namespaces(self) -> list[str]:
        value = await self._json("GET", "/v1/models", SHORT_SECONDS)
        return [each["id"] for each in value["data"]]

    async def remove(self, document_id: str, *, origin: Origin = NOBODY) -> Document:
        document = await self.get(document_id)
        await self._json("DELETE", f"{DOCUMENTS}/{document.id}", ANSWER_SECONDS, headers=said_by(origin))
        return document

    async def reindex(self, progress: Progress | None = None) -> list[DocumentChange]:
        return await self._with_progress(f"{DOCUMENTS}/reindex", progress)

    async def check(self, *, repair: bool = False) -> list[Finding]:
        # It goes through everything that is indexed.
        value = await self._json("POST", f"{DOCUMENTS}/check", None, json={"repair": repair})
        return [finding_from_json(each) for each in value["findings"]]

    async def checks(self) -> Sequence[Check]:
        """The owner's own view of its dependencies."""
        async with self._client(SHORT_SECONDS) as client:
            value = (await client.get("/readyz")).json()
        return [Check(each["name"], State(each["state"]), each["detail"], each["remedy"]) for each in value["checks"]]

    def close(self) -> None:
        """Nothing is held between calls."""


def _part(document_id: str) -> str:
    if not document_id.isalnum():
        raise _not_found(document_id)
    return document_id


def _not_found(document_id: str) -> NotFound:
    return NotFound(f"There is no document {document_id}. `lorekeeper documents list` shows them all.")
