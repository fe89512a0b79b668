"""Answers as JSON, the same for the command line and the HTTP API."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from core.types import Answer, Citation, Passage


def to_json(answer: Answer, *, why: bool = False) -> dict[str, Any]:
    """The public form of an answer. `why` adds the receipt, which is for the asker only."""
    result: dict[str, Any] = {
        "id": answer.id,
        "outcome": answer.outcome.value,
        "text": answer.text,
        "citations": [_citation(citation) for citation in answer.citations],
        "nearest": [_citation(citation) for citation in answer.nearest],
        "namespace": answer.namespace,
        "thread": answer.thread,
        "generator": answer.generator,
        "notice": answer.notice,
    }
    if why and answer.why is not None:
        result["why"] = {
            "standalone": answer.standalone,
            "confidence": answer.why.confidence,
            "threshold": answer.why.threshold,
            "signals": asdict(answer.why.signals),
            "passages": [_passage(passage) for passage in answer.why.passages],
            "milliseconds": dict(answer.why.milliseconds),
        }
    return result


def _citation(citation: Citation) -> dict[str, Any]:
    result = {
        "number": citation.number,
        "title": citation.title,
        "locator": citation.locator,
        "quote": citation.quote,
        "document_id": citation.document_id,
        "page": citation.page,
    }
    return result | ({"url": citation.url} if citation.url else {})


def _passage(passage: Passage) -> dict[str, Any]:
    return {
        "document_id": passage.document_id,
        "title": passage.title,
        "locator": passage.locator,
        "text": passage.text,
        "score": passage.score,
        "dense": passage.dense,
        "lexical": passage.lexical,
    }
