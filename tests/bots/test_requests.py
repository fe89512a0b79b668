"""One id for each question: in the log, in the reply and in what the language model's server hears."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.log import configure, id_of
from core.settings import Log
from tests.bots.discord import running as on_discord
from tests.bots.gateway.serving import LEAVE, QUESTION, Server, serving, settings
from tests.bots.slack.running import running
from tests.bots.slack.running import settings as slack_settings
from tests.fakes.discord import fake_discord
from tests.fakes.openai_server import fake_openai
from tests.fakes.slack import fake_slack

SECRETS = (QUESTION, "13 days")


@pytest.fixture
def log(capsys: pytest.CaptureFixture[str]) -> Iterator[Any]:
    """Reads the lines that were logged since it was called last."""
    configure(Log(level="debug", format="json"))
    yield lambda: [json.loads(line) for line in capsys.readouterr().err.splitlines() if line.startswith("{")]
    configure(Log(level="debug"))


async def ask(server: Server, **headers: str) -> str:
    """The id that the reply names."""
    response = await server.client.post("/v1/ask", json={"question": QUESTION}, headers=headers)
    assert response.json()["outcome"] == "answered"
    return response.headers["x-request-id"]


async def test_a_question_has_one_id_in_its_reply_in_the_log_and_at_the_model(tmp_path: Path, log: Any) -> None:
    with fake_openai() as model:
        async with serving(settings(tmp_path, generation={"base_url": model.url})) as server:
            await server.upload("leave.md", LEAVE)
            log()
            named = await ask(server)
            lines = log()
            again = await ask(server)
    assert [each["x-request-id"] for each in model.headers] == [named, again]
    assert named != again
    assert "answered" in [line["event"] for line in lines]
    assert {line.get("request") for line in lines} == {named}
    assert not [secret for secret in SECRETS if secret in json.dumps(lines)]


@pytest.mark.parametrize("streamed", [False, True])
async def test_the_callers_own_id_is_taken_over(streamed: bool, tmp_path: Path, log: Any) -> None:
    with fake_openai() as model:
        async with serving(settings(tmp_path, generation={"base_url": model.url})) as server:
            await server.upload("leave.md", LEAVE)
            body = {"question": QUESTION, "stream": streamed}
            response = await server.client.post("/v1/ask", json=body, headers={"X-Request-Id": "caller-17.a_b"})
    assert response.headers["x-request-id"] == "caller-17.a_b"
    assert [each["x-request-id"] for each in model.headers] == ["caller-17.a_b"]
    assert "caller-17.a_b" in {line.get("request") for line in log() if line["event"] == "answered"}


@pytest.mark.parametrize("given", ["a b", "a" * 65, "{}", "a;b", "<script>"])
async def test_what_is_no_id_is_not_taken_over(given: str, shared_server: Server) -> None:
    response = await shared_server.client.get("/healthz", headers={"X-Request-Id": given})
    assert len(response.headers["x-request-id"]) == 12


async def test_what_fails_shows_the_id_as_its_reference(shared_server: Server, log: Any) -> None:
    log()
    response = await shared_server.client.get("/v1/documents/abcdef00", headers={"X-Request-Id": "caller-17"})
    assert response.json()["reference"] == "caller-17"
    assert [line["request"] for line in log() if line["event"] == "a request was refused"] == ["caller-17"]


@pytest.fixture
async def shared_server(tmp_path: Path) -> Any:
    async with serving(settings(tmp_path)) as server:
        yield server


async def test_a_question_in_discord_has_one_id_too(tmp_path: Path, log: Any) -> None:
    async with fake_discord() as fake:
        with fake_openai() as model:
            async with on_discord.running(on_discord.settings(tmp_path, fake, model), fake):
                log()
                question = await fake.say(fake.ann, fake.general, f"<@BOT> {QUESTION}")
                await on_discord.answered(fake, question)
                command = await fake.slash(fake.ann, fake.random, "ask", question=QUESTION)
                await fake.until(lambda: any("13 days" in each.shown for each in command.messages))
                lines = log()
    answered = [line for line in lines if line["event"] == "answered"]
    assert [line["request"] for line in answered] == [each["x-request-id"] for each in model.headers]
    assert [line["request"] for line in answered] == [id_of(line["question"]) for line in answered]
    assert len({line["request"] for line in answered}) == 2
    assert not [secret for secret in SECRETS if secret in json.dumps(lines)]


async def test_a_question_in_slack_has_one_id_too(tmp_path: Path, log: Any) -> None:
    async with fake_slack() as slack:
        with fake_openai() as model:
            async with running(slack_settings(tmp_path, slack, model), slack):
                log()
                question = await slack.say("U1", "C1", f"<@BOT> {QUESTION}")
                await slack.until(lambda: any("13 days" in each.shown for each in slack.replies(question)))
                lines = log()
    (sent,) = model.headers
    (answered,) = [line for line in lines if line["event"] == "answered"]
    assert answered["request"] == sent["x-request-id"] == id_of(answered["question"])
    assert not [secret for secret in SECRETS if secret in json.dumps(lines)]
