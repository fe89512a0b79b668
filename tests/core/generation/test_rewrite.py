"""Follow-ups made to stand alone by the model, and by the rule where it fails."""

from __future__ import annotations

import pytest

from core.generation.build import open_generation
from core.settings import Generation
from core.types import Turn
from tests.fakes.embedder import WordEmbedder
from tests.fakes.openai_server import FakeOpenAI, fake_openai

HISTORY = (Turn("user", "Who accrues annual leave?"), Turn("assistant", "Employees do [1]."))
BY_RULE = "How long is it? accrues annual leave"


async def rewritten(
    server: FakeOpenAI, question: str = "How long is it?", history: tuple[Turn, ...] = HISTORY, **changes: float
) -> str:
    settings = Generation.model_validate({"base_url": server.url, "retries": 0, **changes})
    return await open_generation(settings, WordEmbedder())[1].standalone(question, history)


async def test_the_model_writes_the_question_out() -> None:
    with fake_openai(answer='"How long is annual leave?"') as server:
        assert await rewritten(server) == "How long is annual leave?"
        assert "Who accrues annual leave?" in server.prompt()


async def test_a_long_follow_up_fits_the_models_window() -> None:
    with fake_openai() as server:
        history = (Turn("user", "before " * 60), Turn("assistant", "then " * 80))
        await rewritten(server, "and " * 2_000, history, context_tokens=1024, max_tokens=512)
        assert len(server.prompt().split()) < 512


async def test_a_first_question_is_not_sent_to_the_model() -> None:
    with fake_openai() as server:
        assert await rewritten(server, "Who accrues leave?", ()) == "Who accrues leave?"
        assert not server.requests


@pytest.mark.parametrize("behaviour", ["cut", "stall", "garbage", "empty"])
async def test_a_model_that_fails_is_replaced_by_the_rule(behaviour: str) -> None:
    with fake_openai(behaviour=behaviour) as server:
        assert await rewritten(server, total_seconds=1.0) == BY_RULE


async def test_a_model_that_is_down_is_replaced_by_the_rule() -> None:
    with fake_openai() as server:
        server.models_status = 503
        assert await rewritten(server) == BY_RULE


@pytest.mark.parametrize("reply", ["Well.\nHow long is annual leave?", "long " * 200, "  "])
async def test_a_reply_that_is_no_question_is_not_looked_up(reply: str) -> None:
    with fake_openai(answer=reply) as server:
        assert await rewritten(server) == BY_RULE
