"""How far a file is can be seen while it is in work, and over troubles and restarts."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.errors import EmbeddingFailed
from core.ports import Watch
from core.types import ChangeKind, DocumentChange, JobStage, JobState
from tests.bots.slack.running import Bot, running, settings
from tests.bots.slack.test_receiving import JOB, ended, markdown, send, sources, told
from tests.fakes.openai_server import FakeOpenAI
from tests.fakes.slack import FakeSlack


async def test_it_is_shown_how_far_a_file_is(slack: FakeSlack, bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bots.chat.progress_message.CHANGE_SECONDS", 0.0)
    shown: asyncio.Event = asyncio.Event()
    watching: list[Watch] = []

    async def slow(*_: object, watch: Watch, **__: object) -> DocumentChange:
        watching.append(watch)
        await shown.wait()
        return DocumentChange(ChangeKind.FAILED, "travel.md", message="It was cancelled.")

    monkeypatch.setattr(bot.application.documents, "add_file", slow)
    sent = await send(slack, markdown(slack))
    (watch,) = await slack.until(lambda: watching)
    embedding = replace(JOB, stage=JobStage.EMBEDDING, chunks=300, embedded=120, seconds_left=40)
    for job, words in (
        (replace(JOB, state=JobState.WAITING, stage=JobStage.WAITING, ahead=3), "waits for its turn: 3 before it"),
        (JOB, "is being read…"),
        (embedding, "is being embedded: 120 of 300 passages, about 40 seconds left"),
        (replace(embedding, embedded=240, seconds_left=14), "240 of 300 passages, about 14 seconds left"),
    ):
        watch(job)
        await told(slack, sent, words)
    watch(replace(JOB, state=JobState.CANCELLED))
    shown.set()
    progress, _ = await ended(slack, sent)
    assert "was not added: It was cancelled." in progress.shown


async def test_passing_trouble_is_shown_until_the_next_try(
    slack: FakeSlack, bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    add, tries = bot.application.documents.add_file, 0

    async def away_at_first(*given: Any, **more: Any) -> DocumentChange:
        nonlocal tries
        tries += 1
        if tries == 1:
            more["watch"](replace(JOB, stage=JobStage.EMBEDDING, chunks=300, embedded=120))
            raise EmbeddingFailed("The embedding server is away.")
        return await add(*given, **more)

    monkeypatch.setattr(bot.application.documents, "add_file", away_at_first)
    sent = await send(slack, markdown(slack))
    await told(slack, sent, "waits for another try: The embedding server is away.")
    progress, _ = await ended(slack, sent)
    assert "is searchable: 1 passage." in progress.shown
    assert tries == 2


async def test_what_is_done_when_the_next_process_asks_is_told_as_searchable(
    slack: FakeSlack, model: FakeOpenAI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bots.chat.desk.GRACE_SECONDS", 0.05)
    async with running(settings(tmp_path, slack, model), slack) as bot:
        add = bot.application.documents.add_file

        async def never_told(*given: Any, **more: Any) -> DocumentChange:
            await add(*given, **more)
            done.set()
            await asyncio.Event().wait()
            raise AssertionError

        done = asyncio.Event()
        monkeypatch.setattr(bot.application.documents, "add_file", never_told)
        sent = await send(slack, markdown(slack))
        await done.wait()
    monkeypatch.undo()
    async with running(settings(tmp_path, slack, model), slack) as bot:
        progress, _ = await ended(slack, sent)
        assert "is searchable: 1 passage." in progress.shown
        assert "unchanged" not in progress.shown
        assert await sources(bot) == {"upload:travel.md"}
