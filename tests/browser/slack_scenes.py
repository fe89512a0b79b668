"""What people do and see in a Slack workspace whose bot answers from a small handbook, for pictures of it.

Everything is real but Slack itself: the documents are read, found by the model that comes with Lorekeeper, and answered
from word for word; what is kept here is what the bot sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.build import Application, open_application
from tests.bots.slack.running import serving, settings
from tests.fakes.slack import FakeSlack, Message, fake_slack
from tests.pdf import PdfPage, lines, make_pdf

Json = dict[str, Any]
ADMIN, EMPLOYEE, CHANNEL = "UADMIN", "U1", "C1"
QUESTION = "What may a hotel cost, and how do I book trains?"
UNANSWERED = "May I bring my dog to the office?"
SEARCH_SECONDS = 60.0

TRAVEL = (
    ("Before you go", "Tell your team lead of every journey before you book it."),
    (
        "Hotels",
        "A hotel costs at most 150 euros a night, breakfast included.",
        "In London and Zurich it may be 200 euros.",
    ),
    (
        "Trains",
        "Trains are booked in second class, with the company account. For journeys of",
        "more than four hours, first class is fine.",
    ),
)
HANDBOOK = """# Staff handbook

## Working hours

A full week has 38 hours.

## Annual leave

Full-time staff have 30 days of annual leave each year.

## Visitors

Visitors to the office sign in at the front desk and wear a badge.
"""
EXPENSES = "# Expenses\n\nExpenses are paid back within two weeks after you hand in the receipts.\n"


@dataclass(frozen=True, slots=True)
class Scenes:
    """Messages in the order of posting, and the JSON of views."""

    names: dict[str, str]
    """Of people, by id."""
    answer: tuple[Message, ...]
    passage: Json
    no_answer: tuple[Message, ...]
    files: tuple[Message, ...]
    lore: tuple[Message, ...]
    dialog: Json
    home: Json


def played(folder: Path) -> Scenes:
    """All of it, within a minute. In a thread of its own, since Playwright has a loop in the caller's."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(_play(folder))).result()


async def _play(folder: Path) -> Scenes:
    async with fake_slack() as slack, _workplace(folder, slack):
        asked = await _asked(slack, QUESTION, "Try again")
        await slack.press(asked[-1], "passage", user=EMPLOYEE)
        (passage,) = await slack.until(lambda: slack.views(EMPLOYEE))
        unanswered = await _asked(slack, UNANSWERED, "Try again")
        files = await _sent(slack)
        await slack.command("/lore", "list", user=ADMIN, channel=CHANNEL)
        listed = await slack.until(lambda: _shown_to(slack, ADMIN))
        await slack.command("/lore", "add hr", user=ADMIN, channel=CHANNEL)
        (dialog,) = await slack.until(lambda: slack.views(ADMIN))
        await slack.open_home(ADMIN)
        home = await slack.until(lambda: slack.world.homes.get(ADMIN))
        names = {user.id: user.name.title() for user in slack.world.users.values()}
        assert slack.violations == []
        assert slack.pings == []
        return deepcopy(
            Scenes(names, asked, passage.payload, unanswered, files, tuple(listed), dialog.payload, home.payload)
        )


@asynccontextmanager
async def _workplace(folder: Path, slack: FakeSlack) -> AsyncGenerator[None, None]:
    application = await asyncio.to_thread(
        open_application, settings(folder, slack), "lorekeeper run", through_owner=False
    )
    try:
        await _furnish(application, folder)
        async with serving(application, slack):
            yield
    finally:
        await asyncio.to_thread(application.close)


async def _furnish(application: Application, folder: Path) -> None:
    for name, content in (("travel-policy.pdf", _travel()), ("handbook.md", HANDBOOK.encode())):
        (folder / name).write_bytes(content)
        await application.documents.add_file(name, folder / name, "default")


def _travel() -> bytes:
    pages = [PdfPage([*lines(title, size=16, bold=True), *lines(*texts, top=670)]) for title, *texts in TRAVEL]
    outline = [(title, 1, number) for number, (title, *_) in enumerate(TRAVEL, start=1)]
    return make_pdf(pages, title="Travel policy", outline=outline)


async def _asked(slack: FakeSlack, question: str, ends: str) -> tuple[Message, ...]:
    """A question in the channel, and its thread when the answer is finished."""
    root = await slack.say(EMPLOYEE, CHANNEL, f"<@BOT> {question}")
    await slack.until(lambda: any(ends in each.shown for each in slack.replies(root)), SEARCH_SECONDS)
    return (root, *slack.replies(root))


async def _sent(slack: FakeSlack) -> tuple[Message, ...]:
    """Two files of an admin, of which one cannot be read, and what the bot says of them at the end."""
    good = slack.file("expenses.md", EXPENSES.encode(), mimetype="text/markdown", user=ADMIN)
    bad = slack.file("contracts.pdf", make_pdf(["Contracts"], password="secret"), user=ADMIN)
    sent = await slack.say(ADMIN, slack.dm(ADMIN), "namespace hr", files=[good, bad])
    await slack.until(lambda: len(slack.replies(sent)) == 2, SEARCH_SECONDS)
    return (sent, *slack.replies(sent))


def _shown_to(slack: FakeSlack, user: str) -> list[Message]:
    return [each for each in slack.messages(CHANNEL) if each.ephemeral_to == user]
