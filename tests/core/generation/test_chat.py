"""The language model's endpoint when it works, and every way in which it does not."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import aclosing
from typing import Any

import pytest
from structlog.testing import capture_logs

from core.errors import GenerationInterrupted, GenerationUnavailable
from core.generation.breaker import Breaker
from core.generation.chat import ChatGenerator
from core.generation.completions import certificates
from core.generation.guided import answer_pattern
from core.settings import Generation
from core.types import GenerationRequest, Passage, Turn
from tests.fakes.openai_server import MODEL, FakeOpenAI, fake_openai

PASSAGE = Passage(
    "c1", "d1", "Leave", "It accrues at 13 days per year.", "Annual leave. It accrues at 13 days per year.", 1.0
)
REQUEST = GenerationRequest("How much leave?", "How much leave?", (PASSAGE,))


@pytest.fixture
def server() -> Iterator[FakeOpenAI]:
    with fake_openai() as state:
        yield state


def generator(server: FakeOpenAI, **changes: Any) -> ChatGenerator:
    values = {
        "base_url": server.url,
        "connect_seconds": 0.5,
        "first_token_seconds": 20,
        "total_seconds": 30,
        "retries": 2,
    }
    return ChatGenerator(Generation(**(values | changes)), lambda text: len(text.split()))


async def written(chat: ChatGenerator, request: GenerationRequest = REQUEST) -> str:
    async with aclosing(chat.stream(request)) as pieces:
        return "".join([piece async for piece in pieces])


async def test_the_answer_streams_in_pieces(server: FakeOpenAI) -> None:
    chat = generator(server)
    async with aclosing(chat.stream(REQUEST)) as pieces:
        received = [piece async for piece in pieces]
    assert len(received) > 3
    assert "".join(received) == server.answer
    assert chat.name == f"chat:{MODEL}"


async def test_the_prompt_holds_numbered_passages_and_ends_with_the_question(server: FakeOpenAI) -> None:
    await written(generator(server))
    assert '<passage number="1" source="Leave">' in server.prompt()
    assert server.requests[-1]["messages"][-1] == {"role": "user", "content": "How much leave?"}
    assert server.requests[-1]["model"] == MODEL


async def test_an_adapter_is_asked_for_by_its_name(server: FakeOpenAI) -> None:
    server.models = (MODEL, "hr-adapter")
    await written(generator(server).for_model("hr-adapter"))
    assert server.requests[-1]["model"] == "hr-adapter"


async def test_the_key_is_sent(server: FakeOpenAI) -> None:
    server.key = "secret"
    assert await written(generator(server, api_key="secret")) == server.answer


async def test_a_wrong_key_is_named_and_not_tried_again(server: FakeOpenAI) -> None:
    server.key = "secret"
    chat = generator(server, api_key="wrong", model=MODEL)
    with pytest.raises(GenerationUnavailable, match=r"refuses the key \(generation.api_key\)"):
        await written(chat)
    assert len(server.requests) == 1
    assert not await chat.healthy()


async def test_an_unknown_model_is_named(server: FakeOpenAI) -> None:
    with pytest.raises(GenerationUnavailable, match=r"generation\.model"):
        await written(generator(server, model="nobody"))


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_passing_refusal_is_tried_again(server: FakeOpenAI, status: int) -> None:
    server.statuses = [status]
    assert await written(generator(server)) == server.answer
    assert len(server.requests) == 2


async def test_it_gives_up_after_the_last_try(server: FakeOpenAI) -> None:
    server.statuses = [500] * 10
    with pytest.raises(GenerationUnavailable, match="HTTP 500"):
        await written(generator(server, retries=1))
    assert len(server.requests) == 2


async def test_a_server_that_is_down_says_so() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}/v1"
    chat = generator(FakeOpenAI(url=url), model=MODEL, retries=1)
    assert not await chat.healthy()
    with pytest.raises(GenerationUnavailable, match="does not answer"):
        await written(chat)


async def test_who_waits_for_the_same_check_waits_for_one(server: FakeOpenAI) -> None:
    chat = generator(server)
    leaving = asyncio.create_task(chat.healthy())
    await asyncio.sleep(0)
    waiting = [asyncio.create_task(chat.healthy()) for _ in range(5)]
    await asyncio.sleep(0)
    leaving.cancel()
    assert all(await asyncio.gather(*waiting))
    assert await chat.healthy()
    assert server.models_asked == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [("all_proxy", "socks5://127.0.0.1:1"), ("http_proxy", "http://x:port"), ("SSL_CERT_FILE", "/missing.pem")],
)
async def test_an_environment_that_cannot_be_used_is_no_healthy_endpoint(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    certificates.cache_clear()
    monkeypatch.setenv(name, value)
    chat = generator(FakeOpenAI(url="http://model.test/v1"), retries=0)
    assert not await chat.healthy()
    with pytest.raises(GenerationUnavailable, match="does not answer"):
        await written(chat)


async def test_a_slow_first_token_runs_out_of_time(server: FakeOpenAI) -> None:
    server.behaviour = "slow"
    with pytest.raises(GenerationUnavailable, match="sent nothing"):
        await written(generator(server, first_token_seconds=0.2))


async def test_a_stream_that_stalls_runs_out_of_time(server: FakeOpenAI) -> None:
    server.behaviour = "stall"
    with pytest.raises(GenerationInterrupted, match="did not finish"):
        await written(generator(server, total_seconds=2))


async def test_a_cut_stream_is_no_whole_answer(server: FakeOpenAI) -> None:
    server.behaviour = "cut"
    with pytest.raises(GenerationInterrupted, match="in the middle"):
        await written(generator(server))
    assert len(server.requests) == 1, "nothing is tried again once something was shown"


@pytest.mark.parametrize("behaviour", ["garbage", "html", "empty"])
async def test_what_is_no_answer_is_an_error(server: FakeOpenAI, behaviour: str) -> None:
    server.behaviour = behaviour
    with pytest.raises(GenerationUnavailable):
        await written(generator(server, retries=0))


async def test_after_many_failures_the_endpoint_is_left_alone(server: FakeOpenAI) -> None:
    server.statuses = [500] * 50
    chat = generator(server, retries=0)
    for _ in range(10):
        with pytest.raises(GenerationUnavailable):
            await written(chat)
    assert len(server.requests) < 10
    assert not await chat.healthy()


@pytest.mark.parametrize("status", [400, 404])
async def test_what_one_request_or_model_is_refused_keeps_nobody_else_away(server: FakeOpenAI, status: int) -> None:
    chat = generator(server, retries=0)
    server.statuses = [status] * 5
    for _ in range(5):
        with pytest.raises(GenerationUnavailable):
            await written(chat.for_model("typo"))
    assert await chat.healthy()
    assert await written(chat) == server.answer


async def test_after_the_cool_down_a_refused_request_does_not_keep_the_others_away(server: FakeOpenAI) -> None:
    now = 0.0
    breaker = Breaker(lambda: now, failures=1, cool_down=10)
    settings = Generation(base_url=server.url, retries=0)
    chat = ChatGenerator(settings, lambda text: len(text.split()), breaker)
    server.statuses = [500, 400]
    for now in (0.0, 11.0):  # noqa: B007
        with pytest.raises(GenerationUnavailable):
            await written(chat)
    assert await written(chat) == server.answer


async def test_a_server_that_now_has_another_model_is_asked_for_that_one(server: FakeOpenAI) -> None:
    chat = generator(server)
    await written(chat)
    server.models = ("newer",)
    with pytest.raises(GenerationUnavailable, match=r"generation\.model"):
        await written(chat)
    assert await written(chat) == server.answer
    assert chat.name == "chat:newer"


@pytest.mark.parametrize("retry_after", ["nan", "-5", "Wed, 21 Oct 2026 07:28:00 GMT", "soon"])
async def test_a_pause_that_cannot_be_used_is_replaced_by_our_own(server: FakeOpenAI, retry_after: str) -> None:
    server.statuses, server.retry_after = [429], retry_after
    assert await written(generator(server)) == server.answer


@pytest.mark.parametrize("retry_after", ["12", "inf"])
async def test_nobody_waits_in_silence_for_a_long_pause(server: FakeOpenAI, retry_after: str) -> None:
    server.statuses, server.retry_after = [429], retry_after
    with pytest.raises(GenerationUnavailable, match="HTTP 429"):
        await written(generator(server))
    assert len(server.requests) == 1


async def test_a_list_of_models_that_never_ends_runs_out_of_time(
    server: FakeOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.generation.chat.HEALTH_SECONDS", 0.3)
    server.models_drip = True
    async with asyncio.timeout(10):
        assert not await generator(server).healthy()


async def test_looking_for_the_model_counts_towards_the_first_token(server: FakeOpenAI) -> None:
    server.models_drip = True
    with pytest.raises(GenerationUnavailable, match="sent nothing"):
        await written(generator(server, first_token_seconds=0.2, retries=0))


async def test_a_person_who_leaves_closes_the_stream(server: FakeOpenAI) -> None:
    server.answer = " ".join(["word"] * 500)
    server.pause = 0.01
    async with aclosing(generator(server).stream(REQUEST)) as pieces:
        async for _ in pieces:
            break
    for _ in range(300):
        if server.left_early:
            return
        await asyncio.sleep(0.01)
    pytest.fail("the server went on writing for nobody")


async def test_a_task_that_is_cancelled_ends_however_fast_the_words_come(server: FakeOpenAI) -> None:
    server.answer = " ".join(["word"] * 20_000)
    chat = generator(server)
    for _ in range(20):
        pieces = 0

        async def read() -> None:
            nonlocal pieces
            async with aclosing(chat.stream(REQUEST)) as stream:
                async for _ in stream:
                    pieces += 1

        task = asyncio.create_task(read())
        while pieces < 50:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert pieces < 20_000


async def test_a_prompt_beyond_the_window_is_cut_and_never_an_error(server: FakeOpenAI) -> None:
    long = Passage("c2", "d2", "Long", "word " * 50_000, "word " * 50_000, 0.5)
    history = tuple(Turn("user", "before " * 5_000) for _ in range(20))
    request = GenerationRequest("why " * 3_000, "why", (PASSAGE, long, long), history)
    await written(generator(server, context_tokens=1024, max_tokens=128), request)
    assert len(server.prompt().split()) < 1024 - 128
    assert "13 days per year" in server.prompt()


async def test_a_prompt_that_the_models_own_tokenizer_finds_too_long_is_cut_shorter(server: FakeOpenAI) -> None:
    long = Passage("c", "d", "Leave", "leave " * 3000, "leave " * 3000, 1.0)
    server.window = 8_000
    chat = generator(server)
    assert (
        await written(chat, GenerationRequest("How much leave?", "How much leave?", (PASSAGE, long))) == server.answer
    )
    assert PASSAGE.text in server.prompt()
    tries = len(server.requests)
    await written(chat, GenerationRequest("How much leave?", "How much leave?", (PASSAGE, long)))
    assert len(server.requests) == tries + 1, "what was learnt is kept"


async def test_a_window_that_nothing_fits_is_an_error_in_the_end(server: FakeOpenAI) -> None:
    server.window = 10
    with pytest.raises(GenerationUnavailable, match="context_tokens"):
        await written(generator(server))


class TestGuided:
    async def test_without_the_setting_the_model_writes_as_it_likes(self, server: FakeOpenAI) -> None:
        await written(generator(server))
        assert "structured_outputs" not in server.requests[-1]

    async def test_the_server_is_told_what_an_answer_may_look_like(self, server: FakeOpenAI) -> None:
        await written(generator(server, guided="citations").for_model(MODEL))
        assert server.requests[-1]["structured_outputs"] == {"regex": answer_pattern(1)}

    async def test_a_server_that_does_not_take_it_answers_without_and_is_not_asked_again(
        self, server: FakeOpenAI
    ) -> None:
        server.models, server.refuses_guides = (MODEL, "hr-adapter"), True
        chat = generator(server, guided="citations")
        with capture_logs() as logged:
            assert await written(chat.for_model("hr-adapter")) == server.answer
            assert await written(chat) == server.answer
        assert ["structured_outputs" in request for request in server.requests] == [True, False, False]
        assert [entry["log_level"] for entry in logged] == ["warning"]

    async def test_what_is_refused_for_another_reason_says_nothing_about_guides(self, server: FakeOpenAI) -> None:
        chat = generator(server, guided="citations")
        server.statuses = [400, 400]
        with pytest.raises(GenerationUnavailable):
            await written(chat)
        await written(chat)
        assert "structured_outputs" in server.requests[-1]

    async def test_what_is_no_answer_is_not_guided(self, server: FakeOpenAI) -> None:
        await generator(server, guided="citations").complete([("user", "Rewrite this.")])
        assert "structured_outputs" not in server.requests[-1]
