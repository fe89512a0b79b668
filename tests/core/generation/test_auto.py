"""Who answers when the language model is up, down, or breaks off."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest
from structlog.testing import capture_logs

from core.errors import GenerationUnavailable, InvalidSettings
from core.generation.auto import FALLEN_BACK, Auto, Chooser, OnlyExtractive, Piece
from core.generation.build import open_generation
from core.generation.chat import ChatGenerator
from core.generation.extractive import ExtractiveGenerator
from core.settings import Generation
from core.types import GenerationRequest, Passage
from tests.fakes.embedder import WordEmbedder
from tests.fakes.openai_server import MODEL, fake_openai

PASSAGE = Passage("c1", "d1", "Leave", "You accrue 13 days of annual leave per year.", "", 1.0)
REQUEST = GenerationRequest("How many days of annual leave?", "How many days of annual leave?", (PASSAGE,))
QUOTED = f"{PASSAGE.text} [1]"


def chooser(**changes: object) -> Chooser:
    return open_generation(Generation.model_validate({"retries": 0, **changes}), WordEmbedder())[0]


async def pieces(chosen: Chooser, model: str = "") -> list[Piece]:
    async with aclosing(chosen.stream(REQUEST, model)) as stream:
        return [piece async for piece in stream]


def text_of(received: list[Piece]) -> str:
    text = ""
    for piece in received:
        text = piece.text if piece.restart else text + piece.text
    return text


async def test_without_an_endpoint_the_documents_are_quoted() -> None:
    received = await pieces(chooser())
    assert text_of(received) == QUOTED
    assert received[0].generator == "extractive"
    assert received[0].notice is None


async def test_the_model_answers_while_it_is_up() -> None:
    with fake_openai() as server:
        received = await pieces(chooser(base_url=server.url))
    assert text_of(received) == server.answer
    assert received[-1].generator == f"chat:{MODEL}"


async def test_a_model_that_is_down_is_replaced_and_the_answer_says_so() -> None:
    with fake_openai() as server:
        server.models_status = 503
        received = await pieces(chooser(base_url=server.url))
    assert text_of(received) == QUOTED
    assert received[0].notice == FALLEN_BACK


@pytest.mark.parametrize("behaviour", ["cut", "stall", "garbage", "empty", "slow"])
async def test_a_model_that_breaks_is_replaced_and_what_it_wrote_is_void(behaviour: str) -> None:
    with fake_openai(behaviour=behaviour) as server:
        received = await pieces(chooser(base_url=server.url, first_token_seconds=0.5, total_seconds=1.0))
    assert text_of(received) == QUOTED
    assert received[-1].notice == FALLEN_BACK


async def test_with_mode_chat_a_model_that_is_down_is_an_error() -> None:
    with fake_openai(statuses=[500] * 9) as server, pytest.raises(GenerationUnavailable):
        await pieces(chooser(base_url=server.url, mode="chat"))


def test_mode_chat_needs_an_address() -> None:
    with pytest.raises(InvalidSettings, match=r"generation\.base_url"):
        chooser(mode="chat")


@pytest.mark.parametrize("base_url", ["", "http://127.0.0.1:9/v1"])
async def test_a_person_who_leaves_ends_the_quoting(base_url: str) -> None:
    ended = False

    class Quoting(ExtractiveGenerator):
        async def stream(self, request: GenerationRequest) -> AsyncGenerator[str, None]:
            nonlocal ended
            try:
                yield QUOTED
                yield QUOTED
            finally:
                ended = True

    settings = Generation(base_url=base_url, connect_seconds=0.5, retries=0)
    quoting = Quoting(WordEmbedder())
    chosen = Auto(ChatGenerator(settings, len), quoting) if base_url else OnlyExtractive(quoting)
    async with aclosing(chosen.stream(REQUEST)) as stream:
        await anext(stream)
    assert ended


async def test_with_mode_extractive_the_endpoint_is_left_alone() -> None:
    with fake_openai() as server:
        received = await pieces(chooser(base_url=server.url, mode="extractive"))
    assert text_of(received) == QUOTED
    assert server.requests == []


@pytest.mark.parametrize("mode", ["auto", "chat"])
async def test_for_an_adapter_that_the_server_does_not_have_its_base_answers_and_nobody_is_told_but_the_log(
    mode: str,
) -> None:
    with fake_openai() as server, capture_logs() as logged:
        chosen = chooser(base_url=server.url, mode=mode)
        for _ in range(2):
            received = await pieces(chosen, "hr-1")
            assert text_of(received) == server.answer
            assert {(piece.generator, piece.notice) for piece in received} == {(f"chat:{MODEL}", None)}
        assert [request["model"] for request in server.requests] == ["hr-1", MODEL] * 2
        server.adapters["hr-1"] = "/there"
        assert (await pieces(chosen, "hr-1"))[0].generator == "chat:hr-1"
        server.adapters.clear()
        await pieces(chosen, "hr-1")
    assert [entry["model"] for entry in logged] == ["hr-1"] * 2, "once, until it is there again"


async def test_with_neither_the_adapter_nor_its_base_the_documents_are_quoted() -> None:
    with fake_openai() as server:
        received = await pieces(chooser(base_url=server.url, model="gone"), "hr-1")
    assert text_of(received) == QUOTED
    assert received[0].notice == FALLEN_BACK
