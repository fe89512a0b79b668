"""What is told of files on their way into the index, the same on every platform. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from core.types import ChangeKind, DocumentChange, Job, JobStage, page_word

ONLY_ADMINS = "Only administrators can add documents, so your file was not read."
WITHOUT_FILE = "If you have a question, send it without the file."
STOPPED = "Stopped. What was received before is still made searchable."
SAME_NAME = "Another file in this message has the same name and would be replaced by it. Rename one and send it again."
LONGEST_DETAIL = 500
_MINUTE, _HOUR = 60, 3600


class Stage(StrEnum):
    """Where a file is."""

    WAITING = "waiting"
    RECEIVING = "receiving"
    QUEUED = "queued"
    READING = "reading"
    EMBEDDING = "embedding"
    PUBLISHING = "publishing"
    PUT_OFF = "put off"
    SEARCHABLE = "searchable"
    FAILED = "failed"

    @property
    def is_last(self) -> bool:
        return self in {Stage.SEARCHABLE, Stage.FAILED}


_STAGES = {
    JobStage.WAITING: Stage.QUEUED,
    JobStage.READING: Stage.READING,
    JobStage.EMBEDDING: Stage.EMBEDDING,
    JobStage.PUBLISHING: Stage.PUBLISHING,
}
_MARKS = {
    Stage.WAITING: "▫️",
    Stage.RECEIVING: "📥",
    Stage.QUEUED: "⏳",
    Stage.READING: "📖",
    Stage.EMBEDDING: "🧩",
    Stage.PUBLISHING: "🗂️",
    Stage.PUT_OFF: "⏳",
    Stage.SEARCHABLE: "✅",
    Stage.FAILED: "⚠️",
}


@dataclass(frozen=True, slots=True)
class FileProgress:
    """One file. `detail` is for a person, and empty while there is nothing to add to the stage."""

    name: str
    stage: Stage = Stage.WAITING
    detail: str = ""

    @property
    def mark(self) -> str:
        return _MARKS[self.stage]

    @property
    def words(self) -> str:
        """What goes behind the name."""
        says = {
            Stage.WAITING: "received, waits for its turn",
            Stage.RECEIVING: "is being fetched",
            Stage.QUEUED: "waits for its turn",
            Stage.READING: "is being read",
            Stage.EMBEDDING: "is being embedded",
            Stage.PUBLISHING: "is being made searchable",
            Stage.PUT_OFF: "waits for another try",
            Stage.SEARCHABLE: "is searchable",
            Stage.FAILED: "was not added",
        }[self.stage]
        detail = self.detail if len(self.detail) <= LONGEST_DETAIL else f"{self.detail[: LONGEST_DETAIL - 1]}…"
        return f"{says}: {detail}" if detail else f"{says}{'…' if not self.stage.is_last else '.'}"


def in_work(name: str, job: Job) -> FileProgress:
    """How far a file is whose job has not ended."""
    if job.stage is JobStage.WAITING:
        return FileProgress(name, Stage.QUEUED, f"{job.ahead:,} before it" if job.ahead else "")
    if job.stage is JobStage.EMBEDDING and job.chunks:
        parts = [f"{job.embedded:,} of {counted(job.chunks, 'passage')}"]
        parts += [time_left(job.seconds_left)] if job.seconds_left is not None else []
        return FileProgress(name, Stage.EMBEDDING, ", ".join(parts))
    return FileProgress(name, _STAGES[job.stage])


def time_left(seconds: int) -> str:
    """As exact as a guess is."""
    if seconds < 2 * _MINUTE:
        return f"about {counted(max(1, seconds), 'second')} left"
    if seconds < 2 * _HOUR:
        return f"about {round(seconds / _MINUTE)} minutes left"
    return f"about {round(seconds / _HOUR)} hours left"


def outcome(name: str, change: DocumentChange, *, is_again: bool = False) -> FileProgress:
    """How adding a file ended. `is_again`: an earlier try handed it over, so that it is there says nothing."""
    if change.kind is ChangeKind.FAILED or change.document is None:
        return FileProgress(name, Stage.FAILED, change.message or "The file cannot be read.")
    document = change.document
    parts = [counted(document.pages, page_word(document.media_type))] if document.pages else []
    if document.chunks or not change.inside:
        parts.append(counted(document.chunks, "passage"))
    sentences = [f"{', '.join(parts)}."] if parts else []
    if change.inside:
        sentences.append(change.inside)
    if change.kind is ChangeKind.REPLACED:
        sentences.append("It replaces its earlier version.")
    elif change.kind is ChangeKind.UNCHANGED and not is_again:
        sentences.append("It was there already, unchanged.")
    if document.losses:
        sentences.append(f"Not readable: {' '.join(document.losses)}")
    return FileProgress(name, Stage.SEARCHABLE, " ".join(sentences))


def headline(files: Sequence[FileProgress], namespace: str) -> str:
    """Above the list of the files."""
    begun = counted(len(files), "file")
    if all(file.stage.is_last for file in files):
        failed = sum(file.stage is not Stage.SEARCHABLE for file in files)
        end = f"{len(files) - failed} searchable, {failed} not added" if failed else "done"
        return f"{begun} for the namespace {namespace}: {end}."
    return f"{begun} received for the namespace {namespace}. This message shows how far they are."


def announcement(files: Sequence[FileProgress], namespace: str) -> str:
    """When all have ended, in a message of its own: people are told of new messages, not of changed ones."""
    done = [file for file in files if file.stage is Stage.SEARCHABLE]
    if not done:
        return "Your file was not added." if len(files) == 1 else f"None of your {len(files)} files was added."
    if len(files) == 1:
        return f"Your document is searchable now in the namespace {namespace}."
    if len(done) == len(files):
        return f"Your {len(files)} documents are searchable now in the namespace {namespace}."
    failed = len(files) - len(done)
    said = f"{len(done)} of your {len(files)} files {'is' if len(done) == 1 else 'are'} searchable now"
    return f"{said} in the namespace {namespace}. {failed} {'was' if failed == 1 else 'were'} not added; the list above says why."


def refusal(doubt: str, *, is_asked: bool) -> str:
    """For who is no admin, or when nobody could tell: then `doubt` says why. `is_asked`: a question is answered beside it."""
    if doubt:
        return f"I could not find out whether you are an admin, so nothing was added. {doubt}"
    return ONLY_ADMINS if is_asked else f"{ONLY_ADMINS} {WITHOUT_FILE}"


def gave_up(reference: str) -> str:
    """After several tries that all broke off."""
    return f"Something went wrong on our side, and not all of your files were added. (reference {reference})"


def counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
