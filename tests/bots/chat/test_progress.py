"""What people are told of their files."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from bots.chat.progress import FileProgress, Stage, announcement, headline, in_work, outcome, refusal, time_left
from core.types import ChangeKind, Document, DocumentChange, DocumentStatus, Job, JobStage, JobState

DOCUMENT = Document(
    "d1", "hr", "Leave", "upload:a.pdf", DocumentStatus.READY, "application/pdf", "", 9, datetime.now(UTC), 12, 1480
)
GOOD, BAD = FileProgress("a.pdf", Stage.SEARCHABLE, "1 passage."), FileProgress("b.zip", Stage.FAILED, "It is a ZIP.")


def said(kind: ChangeKind, document: Document | None = DOCUMENT, message: str | None = None) -> str:
    return outcome("a.pdf", DocumentChange(kind, "a.pdf", document, message)).words


def test_a_searchable_file_is_told_with_its_pages_passages_and_losses() -> None:
    lossy = replace(DOCUMENT, pages=1, chunks=1, losses=("Page 3 has no text.", "Page 4 has no text."))
    assert said(ChangeKind.ADDED) == "is searchable: 12 pages, 1,480 passages."
    assert said(ChangeKind.ADDED, lossy).endswith(
        "1 page, 1 passage. Not readable: Page 3 has no text. Page 4 has no text."
    )
    assert said(ChangeKind.ADDED, replace(DOCUMENT, pages=None)) == "is searchable: 1,480 passages."
    assert "replaces its earlier version" in said(ChangeKind.REPLACED)
    assert "unchanged" in said(ChangeKind.UNCHANGED)


def test_what_an_earlier_try_handed_over_is_not_said_to_have_been_there() -> None:
    unchanged = DocumentChange(ChangeKind.UNCHANGED, "a.pdf", DOCUMENT)
    assert outcome("a.pdf", unchanged, is_again=True).words == "is searchable: 12 pages, 1,480 passages."


JOB = Job("j1", "d1", "hr", "a.pdf", "upload:a.pdf", JobState.RUNNING, JobStage.EMBEDDING, 9, 12, 300, 120, 40)


@pytest.mark.parametrize(
    ("job", "words"),
    [
        (replace(JOB, stage=JobStage.WAITING, ahead=3), "waits for its turn: 3 before it"),
        (replace(JOB, stage=JobStage.WAITING, ahead=0), "waits for its turn…"),
        (replace(JOB, stage=JobStage.READING, chunks=None), "is being read…"),
        (JOB, "is being embedded: 120 of 300 passages, about 40 seconds left"),
        (replace(JOB, seconds_left=None), "is being embedded: 120 of 300 passages"),
        (replace(JOB, chunks=None, seconds_left=None), "is being embedded…"),
        (replace(JOB, stage=JobStage.PUBLISHING), "is being made searchable…"),
    ],
)
def test_a_file_in_work_is_told_with_its_stage(job: Job, words: str) -> None:
    told = in_work(job.name, job)
    assert told.words == words
    assert not told.stage.is_last
    assert told.mark


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "about 1 second left"), (119, "about 119 seconds left"), (120, "about 2 minutes left"),
     (3599, "about 60 minutes left"), (9000, "about 2 hours left")],
)  # fmt: skip
def test_the_time_left_is_told_as_exactly_as_a_guess_is(seconds: int, words: str) -> None:
    assert time_left(seconds) == words


def test_a_file_that_was_not_added_is_told_with_the_reason() -> None:
    assert said(ChangeKind.FAILED, None, "It is empty.") == "was not added: It is empty."
    assert said(ChangeKind.FAILED, None) == "was not added: The file cannot be read."


def test_long_details_are_cut() -> None:
    assert len(said(ChangeKind.FAILED, None, "x" * 5000)) < 600


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ([GOOD], "Your document is searchable now in the namespace hr."),
        ([BAD], "Your file was not added."),
        ([GOOD, GOOD], "Your 2 documents are searchable now in the namespace hr."),
        ([BAD, BAD], "None of your 2 files was added."),
        (
            [GOOD, BAD],
            "1 of your 2 files is searchable now in the namespace hr. 1 was not added; the list above says why.",
        ),
        (
            [GOOD, GOOD, BAD, BAD],
            "2 of your 4 files are searchable now in the namespace hr. 2 were not added; the list above says why.",
        ),
    ],
)
def test_the_end_is_told_in_one_sentence_or_two(files: list[FileProgress], words: str) -> None:
    assert announcement(files, "hr") == words


def test_the_head_says_whether_it_goes_on() -> None:
    assert "shows how far" in headline([GOOD, FileProgress("c.md")], "hr")
    assert headline([GOOD], "hr") == "1 file for the namespace hr: done."
    failed = FileProgress("d.md", Stage.FAILED)
    assert headline([GOOD, failed], "hr") == "2 files for the namespace hr: 1 searchable, 1 not added."


def test_a_doubt_is_no_refusal() -> None:
    assert "Slack is busy." in refusal("Slack is busy.", is_asked=False)
    assert "Only administrators" not in refusal("Slack is busy.", is_asked=True)
