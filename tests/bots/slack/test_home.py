"""The Home tab, as people in a workspace see it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from bots.chat.library import MOST_NAMESPACES, MOST_UNANSWERED
from bots.chat.results import Board, Rights, Shelf
from bots.slack.events import HomeOpened, Opened, meaning
from bots.slack.home import DOCUMENTS, VIEW_BLOCKS, home_view
from core.errors import StorageFailed
from core.types import Answer, DocumentStatus, Exchange, Outcome, Question, Scope
from tests.bots.slack.running import Bot
from tests.core.store.samples import document
from tests.fakes.slack import FakeSlack, View
from tests.fakes.slack.views import check_view

# Each starts a bot with a store and an index of its own.
pytestmark = pytest.mark.slow

NASTY = "<!channel> <@U1> @here *bold* <https://evil.example|ok>"


async def home(slack: FakeSlack, user: str, containing: str = "Documents") -> View:
    await slack.open_home(user)
    view: View = await slack.until(
        lambda: next(
            (each for who, each in slack.world.homes.items() if who == user and containing in each.shown), None
        )
    )
    return view


def wonder(bot: Bot, text: str, namespace: str = "default") -> None:
    assert bot.application.record is not None
    question = Question(text, text, Scope(namespace), thread=text)
    answer = Answer(text, Outcome.NO_EVIDENCE, "I do not know.", namespace=namespace, thread=text)
    bot.application.record.conversations.append(question, answer)


async def test_everybody_sees_the_documents_that_they_can_ask(slack: FakeSlack, bot: Bot, tmp_path: Path) -> None:
    (tmp_path / "s.md").write_text("# Salaries\n\nText.\n")
    await bot.application.documents.add_file("salaries.md", tmp_path / "s.md", "board")
    wonder(bot, "What do others earn?")
    seen = (await home(slack, "U1")).shown
    assert "Leave" in seen
    assert "ready" in seen
    assert "Salaries" not in seen
    assert "board" not in seen
    assert "earn" not in seen


async def test_admins_see_all_and_what_was_not_answered(slack: FakeSlack, bot: Bot, tmp_path: Path) -> None:
    (tmp_path / "s.md").write_text(f"# {NASTY}\n\nText.\n")
    await bot.application.documents.add_file("salaries.md", tmp_path / "s.md", "board")
    wonder(bot, f"What do others earn? {NASTY}", "board")
    view = await home(slack, "UADMIN", "earn")
    assert view.shown.index("board") < view.shown.index("Documents 1 to 2 of 2")
    assert view.shown.index("Last questions without an answer") < view.shown.index("earn")


async def test_it_is_up_to_date_each_time_that_it_is_opened(slack: FakeSlack, bot: Bot) -> None:
    await home(slack, "U1", "Documents 1 to 1 of 1")
    (present,), _ = await bot.application.documents.page()
    await bot.application.documents.remove(present.id)
    assert "There are no documents" in (await home(slack, "U1", "There are no documents")).shown


async def test_many_documents_have_pages(slack: FakeSlack, bot: Bot, tmp_path: Path) -> None:
    (tmp_path / "n.md").write_text("# Note\n\nText.\n")
    for number in range(DOCUMENTS):
        await bot.application.documents.add_file(f"n{number}.md", tmp_path / "n.md", "default")
    view = await home(slack, "U1", f"Documents 1 to {DOCUMENTS} of {DOCUMENTS + 1}")
    await slack.press_in(view, "home:next")
    await slack.until(lambda: f"Documents {DOCUMENTS + 1} to {DOCUMENTS + 1} of" in view.shown)
    await slack.press_in(view, "home:refresh")
    await slack.press_in(view, "home:previous")
    await slack.until(lambda: f"Documents 1 to {DOCUMENTS} of" in view.shown)


async def test_who_is_an_admin_cannot_be_told(slack: FakeSlack, bot: Bot) -> None:
    wonder(bot, "What do others earn?")
    slack.faults.fail("users.info", error="missing_scope")
    view = await home(slack, "UADMIN")
    assert "users:read" in view.shown
    assert "earn" not in view.shown


@pytest.mark.parametrize("kind", [StorageFailed, RuntimeError])
async def test_what_breaks_is_told_with_a_reference(
    slack: FakeSlack, bot: Bot, monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise kind("secret cause")

    monkeypatch.setattr(bot.application.documents, "page", broken)
    assert "secret" not in (await home(slack, "U1", "(reference ")).shown


def test_slack_takes_the_largest_tab() -> None:
    rights = Rights(is_admin=True, doubt="?" * 5000)
    shelves = tuple(Shelf("n" * 64, 10**6, is_asked_here=True, places=99) for _ in range(MOST_NAMESPACES))
    failed = [
        document(f"d{number}", title="<" * 500, status=DocumentStatus.FAILED, error="&" * 9000)
        for number in range(DOCUMENTS)
    ]
    answer = Answer("a", Outcome.NO_EVIDENCE, "")
    asked = tuple(Exchange("<" * 9000, datetime.now(UTC), answer) for _ in range(MOST_UNANSWERED))
    view = home_view(Board(rights, shelves, tuple(failed), DOCUMENTS, DOCUMENTS * 3, asked), "D1")
    check_view(view, "home")
    assert len(view["blocks"]) <= VIEW_BLOCKS
    assert "without an answer" in str(view)
    check_view(home_view(Board(Rights()), ""), "home")


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({"tab": "home", "user": "U1", "channel": "D1"}, HomeOpened("D1", "U1")),
        ({"tab": "home", "channel": "D1"}, None),
        ({"tab": "messages", "user": "U1", "channel": "D1"}, Opened("D1", "U1")),
        ({"tab": "about", "user": "U1", "channel": "D1"}, None),
    ],
)
def test_which_tab_was_opened(event: dict[str, str], expected: object) -> None:
    assert meaning({"team_id": "T1", "event": {"type": "app_home_opened", **event}}, "UBOT") == expected
