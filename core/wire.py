"""What travels as plain JSON values and back: the same for the command line's `--json` and for HTTP. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from core.types import (
    Answer,
    ChangeKind,
    Citation,
    Document,
    DocumentChange,
    DocumentStatus,
    Finding,
    HistoryEntry,
    HistoryEvent,
    Job,
    JobStage,
    JobState,
    Origin,
    Outcome,
    Passage,
    Receipt,
    Signals,
    SyncedSource,
)

Json = dict[str, Any]
_JOB_TIMES = ("created_at", "started_at", "finished_at", "due_at")


def answer_to_json(answer: Answer, *, why: bool = False) -> Json:
    """The public form of an answer. `why` adds the receipt, which is for the asker only."""
    result: Json = {
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
            "passages": [passage_to_json(passage) for passage in answer.why.passages],
            "milliseconds": dict(answer.why.milliseconds),
        }
    return result


def answer_from_json(value: Mapping[str, Any]) -> Answer:
    """Raises `KeyError`, `TypeError` or `ValueError` for what is not an answer."""
    why = value.get("why")
    return Answer(
        id=value["id"],
        outcome=Outcome(value["outcome"]),
        text=value["text"],
        citations=tuple(map(_citation_from, value["citations"])),
        nearest=tuple(map(_citation_from, value["nearest"])),
        namespace=value["namespace"],
        thread=value["thread"],
        standalone=why["standalone"] if why else "",
        generator=value["generator"],
        notice=value["notice"],
        why=_receipt(why) if why else None,
    )


def document_to_json(document: Document) -> Json:
    """As admins see it; readers and losses included, stored text not."""
    return {
        "id": document.id,
        "title": document.title,
        "namespace": document.namespace,
        "source": document.source,
        "status": document.status.value,
        "error": document.error,
        "media_type": document.media_type,
        "sha256": document.sha256,
        "size_bytes": document.size_bytes,
        "pages": document.pages,
        "chunks": document.chunks,
        "readers": sorted(document.readers),
        "losses": list(document.losses),
        "url": document.url,
        "version": document.version,
        "updated_at": document.updated_at.isoformat(),
    }


def document_from_json(value: Mapping[str, Any]) -> Document:
    """Raises `KeyError`, `TypeError` or `ValueError` for what is not a document."""
    changed = {
        "status": DocumentStatus(value["status"]),
        "readers": frozenset(value["readers"]),
        "losses": tuple(value["losses"]),
        "updated_at": datetime.fromisoformat(value["updated_at"]),
        "version": _version(value),
    }
    return Document(**{**value, **changed})


def change_to_json(change: DocumentChange) -> Json:
    """What happened to one file."""
    return {
        "kind": change.kind.value,
        "name": change.name,
        "document": document_to_json(change.document) if change.document else None,
        "message": change.message,
        "code": change.code,
        "inside": change.inside,
    }


def change_from_json(value: Mapping[str, Any]) -> DocumentChange:
    """Raises `KeyError`, `TypeError` or `ValueError` for what is not a change."""
    document = document_from_json(value["document"]) if value["document"] else None
    return DocumentChange(
        ChangeKind(value["kind"]), value["name"], document, value["message"], value["code"], value["inside"]
    )


def job_to_json(job: Job) -> Json:
    """As its admin sees it."""
    value = {name: getattr(job, name) for name in _names(Job)}
    value |= {name: value[name].isoformat() if value[name] else None for name in _JOB_TIMES}
    return value | {
        "state": job.state.value,
        "stage": job.stage.value,
        "origin": asdict(job.origin),
        "changes": [change_to_json(change) for change in job.changes],
    }


def job_from_json(value: Mapping[str, Any]) -> Job:
    """Raises `KeyError`, `TypeError` or `ValueError` for what is not a job."""
    times = {name: datetime.fromisoformat(value[name]) if value[name] else None for name in _JOB_TIMES}
    changed = {
        "state": JobState(value["state"]),
        "stage": JobStage(value["stage"]),
        "origin": Origin(**value["origin"]),
        "changes": tuple(map(change_from_json, value["changes"])),
    }
    return Job(**{**value, **times, **changed})


def history_to_json(entry: HistoryEntry) -> Json:
    """One event in the life of a document."""
    value = {name: getattr(entry, name) for name in _names(HistoryEntry)}
    return value | {"event": entry.event.value, "at": entry.at.isoformat(), "origin": asdict(entry.origin)}


def history_from_json(value: Mapping[str, Any]) -> HistoryEntry:
    """Raises `KeyError`, `TypeError` or `ValueError` for what is no such event."""
    changed = {
        "event": HistoryEvent(value["event"]),
        "at": datetime.fromisoformat(value["at"]),
        "origin": Origin(**value["origin"]),
    }
    return HistoryEntry(**{**value, **changed})


def finding_to_json(finding: Finding) -> Json:
    """What the parts of the index do not agree on."""
    return asdict(finding) | {"documents": list(finding.documents)}


def finding_from_json(value: Mapping[str, Any]) -> Finding:
    """Raises `KeyError` or `TypeError` for what is not a finding."""
    return Finding(**{**value, "documents": tuple(value["documents"])})


def source_to_json(source: SyncedSource) -> Json:
    """As its operator sees it."""
    times = ("added_at", "last_started_at", "last_finished_at")
    value = {name: getattr(source, name) for name in _names(SyncedSource)}
    value |= {name: value[name].isoformat() if value[name] else None for name in times}
    return value | {"readers": sorted(source.readers), "counts": dict(source.counts), "unread": dict(source.unread)}


def source_from_json(value: Mapping[str, Any]) -> SyncedSource:
    """Raises `KeyError`, `TypeError` or `ValueError` for what is not a source."""
    times = ("last_started_at", "last_finished_at")
    read = {name: datetime.fromisoformat(value[name]) if value[name] else None for name in times}
    added = datetime.fromisoformat(value["added_at"])
    return SyncedSource(**{**value, **read, "added_at": added, "readers": frozenset(value["readers"])})


def passage_to_json(passage: Passage) -> Json:
    """Text and place, with the scores where there was a query."""
    return {
        "chunk_id": passage.chunk_id,
        "document_id": passage.document_id,
        "title": passage.title,
        "headings": list(passage.headings),
        "page": passage.page,
        "media_type": passage.media_type,
        "locator": passage.locator,
        "text": passage.text,
        "url": passage.url,
        "version": passage.version,
        "score": passage.score,
        "dense": passage.dense,
        "lexical": passage.lexical,
    }


def passage_from_json(value: Mapping[str, Any]) -> Passage:
    """Raises `KeyError` or `TypeError` for what is not a passage."""
    same = {name: value[name] for name in value if name not in {"headings", "locator"}}
    changed = {"context": value["text"], "headings": tuple(value["headings"]), "version": _version(value)}
    return Passage(**{**same, **changed})


def _names(kind: type[SyncedSource] | type[Job] | type[HistoryEntry]) -> list[str]:
    return [each.name for each in fields(kind)]


def _version(value: Mapping[str, Any]) -> int:
    """Documents had no versions once, so what was written then has none, and is of the first."""
    found = value.get("version")
    return found if isinstance(found, int) else 1


def _citation(citation: Citation) -> Json:
    return asdict(citation)


def _citation_from(value: Mapping[str, Any]) -> Citation:
    return Citation(**{**value, "version": _version(value)})


def _receipt(why: Mapping[str, Any]) -> Receipt:
    return Receipt(
        signals=Signals(**why["signals"]),
        confidence=why["confidence"],
        threshold=why["threshold"],
        passages=tuple(passage_from_json(each) for each in why["passages"]),
        milliseconds=why["milliseconds"],
    )
