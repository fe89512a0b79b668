"""`lorekeeper run --only …`: parts as processes of their own, watched through their probes, and how they end."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from core.store.engine import open_engine
from tests.bots.command import Place, Serving, place
from tests.bots.load_servers import chroma_server
from tests.fakes.openai_server import FakeOpenAI, fake_openai
from tests.fakes.slack import FakeSlack, fake_slack

pytestmark = pytest.mark.slow
LEAVE = "# Leave\n\nFull-time staff accrue 15 days of vacation each year.\n"
QUESTION = "How many days of vacation do I accrue?"
ANSWER = "Full-time staff accrue 15 days of vacation each year. [1]"
WAIT = 60.0
DOCUMENTS = 300


@pytest.fixture
def chroma() -> Iterator[str]:
    with chroma_server() as url:
        yield url


def probed(part: Serving, path: str) -> httpx.Response:
    return httpx.get(f"{part.url}{path}", trust_env=False, timeout=30)


def several(folder: Path, database: str, chroma: str, **extra: str) -> Place:
    shared = {"LOREKEEPER_DATABASE__URL": database, "LOREKEEPER_CHROMA__URL": chroma}
    return place(folder, **shared, **extra)


def test_a_worker_of_its_own_finishes_what_was_received_elsewhere(
    tmp_path: Path, postgres_url: str, chroma: str
) -> None:
    elsewhere = several(tmp_path, postgres_url, chroma, LOREKEEPER_JOBS__RUN="false")
    (tmp_path / "leave.md").write_text(LEAVE)
    with several(tmp_path, postgres_url, chroma).part("worker") as worker:
        added = elsewhere.run("documents", "add", "leave.md")
        ready, metrics = probed(worker, "/readyz"), probed(worker, "/metrics").text
        status = worker.stop(signal.SIGTERM)
        log = worker.log.read_text()
    assert (added.status, added.out) == (0, "Documents: 1 added. Passages indexed: 1.\n")
    assert ready.json()["status"] == "ok"
    assert 'lorekeeper_documents{status="ready"} 1.0' in metrics
    assert status == 0
    assert "Traceback" not in log


def test_a_worker_that_ends_gives_its_jobs_back_at_once(tmp_path: Path, postgres_url: str, chroma: str) -> None:
    folder = tmp_path / "rules"
    folder.mkdir()
    for number in range(DOCUMENTS):
        (folder / f"{number:03}.md").write_text(f"# Rule {number}\n\n" + f"The text of rule {number} is this. " * 60)
    elsewhere = several(tmp_path, postgres_url, chroma, LOREKEEPER_JOBS__RUN="false")
    with elsewhere.doing("documents", "add", "rules"):
        until(lambda: jobs(postgres_url, tmp_path).get("waiting") == DOCUMENTS)
    with several(tmp_path, postgres_url, chroma).part("worker") as worker:
        until(lambda: jobs(postgres_url, tmp_path).get("done", 0) > 0)
        status = worker.stop(signal.SIGTERM)
        left = jobs(postgres_url, tmp_path)
    assert status == 0
    assert left["waiting"] > 0, "it ended before its work did"
    assert left.get("running", 0) == 0
    assert left["waiting"] + left["done"] == DOCUMENTS


def jobs(database: str, folder: Path) -> dict[str, int]:
    """How many there are, by state."""
    engine = open_engine(database, folder)
    try:
        with engine.connect() as connection:
            query = sa.text("SELECT state, count(*) AS number FROM jobs GROUP BY state")
            return {row.state: row.number for row in connection.execute(query)}
    except sa.exc.ProgrammingError:
        # The tables are not made yet.
        return {}
    finally:
        engine.dispose()


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.parametrize(
    ("extra", "words"),
    [({}, "database.url"), ({"LOREKEEPER_JOBS__RUN": "false"}, "jobs.run is false")],
)
def test_a_worker_that_would_be_of_no_use_is_refused(extra: dict[str, str], words: str, tmp_path: Path) -> None:
    refused = place(tmp_path, **extra).run("run", "--only", "worker")
    assert refused.status == 1
    assert words in refused.err


@pytest.mark.parametrize("streamed", [False, True])
def test_a_question_over_http_is_answered_before_the_gateway_ends(streamed: bool, tmp_path: Path) -> None:
    with fake_openai(answer=ANSWER, pause=0.3) as model:
        here = place(tmp_path, LOREKEEPER_GENERATION__BASE_URL=model.url, LOREKEEPER_GENERATION__RETRIES="0")
        (tmp_path / "leave.md").write_text(LEAVE)
        with here.serving() as server:
            assert here.run("documents", "add", "leave.md").status == 0
            with ThreadPoolExecutor() as others:
                body = {"question": QUESTION, "stream": streamed}
                asked = others.submit(httpx.post, f"{server.url}/v1/ask", json=body, timeout=60, trust_env=False)
                until(lambda: model.requests)
                status = server.stop(signal.SIGTERM)
                reply = asked.result()
    assert (status, reply.status_code) == (0, 200)
    assert "15 days" in reply.text
    assert ("event: done" in reply.text) == streamed


async def test_a_question_in_work_is_answered_before_the_process_ends(tmp_path: Path) -> None:
    async with fake_slack() as slack:
        with fake_openai(answer=ANSWER, pause=0.2) as model:
            here = await with_slack(tmp_path, slack, model)
            with here.part("slack") as part:
                question = await slack.say("U1", "C1", f"<@BOT> {QUESTION}")
                await slack.until(lambda: model.requests, WAIT)
                begun = time.monotonic()
                status = await asyncio.to_thread(part.stop, signal.SIGTERM)
                took = time.monotonic() - begun
            assert status == 0
            assert took < 30
            assert any("15 days" in each.shown for each in slack.replies(question))


async def test_a_question_that_takes_too_long_is_answered_by_the_next_process(tmp_path: Path) -> None:
    async with fake_slack() as slack:
        with fake_openai(answer=ANSWER, behaviour="stall") as model:
            here = await with_slack(tmp_path, slack, model)
            with here.part("slack") as part:
                question = await slack.say("U1", "C1", f"<@BOT> {QUESTION}")
                await slack.until(lambda: model.requests, WAIT)
                model.behaviour = "ok"
                # A second signal does not wait for what is in work.
                part.process.send_signal(signal.SIGTERM)
                await asyncio.sleep(0.5)
                status = await asyncio.to_thread(part.stop, signal.SIGTERM)
            assert status == 0
            assert not any("15 days" in each.shown for each in slack.replies(question))
            with here.part("slack"):
                await slack.until(lambda: any("15 days" in each.shown for each in slack.replies(question)), WAIT)
            assert sum("15 days" in each.shown for each in slack.replies(question)) == 1


async def with_slack(folder: Path, slack: FakeSlack, model: FakeOpenAI) -> Place:
    """A place with one document, connected to Slack and a language model."""
    here = place(
        folder,
        SLACK_BOT_TOKEN=slack.bot.token,
        SLACK_APP_TOKEN=slack.app_token,
        LOREKEEPER_SLACK__API_URL=slack.api_url,
        LOREKEEPER_GENERATION__BASE_URL=model.url,
        LOREKEEPER_GENERATION__RETRIES="0",
    )
    (folder / "leave.md").write_text(LEAVE)
    added = await asyncio.to_thread(here.run, "documents", "add", "leave.md")
    assert added.status == 0
    return here
