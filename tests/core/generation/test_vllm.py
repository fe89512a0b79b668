"""The language model as it is served in earnest: a real vLLM, that streams, refuses, hangs and dies."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from contextlib import aclosing
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from core.errors import GenerationInterrupted, GenerationUnavailable
from core.generation.auto import FALLEN_BACK, Auto, Piece
from core.generation.build import open_generation
from core.generation.chat import ChatGenerator
from core.generation.guided import answer_pattern
from core.prompts import NO_ANSWER
from core.retrieval.embed.onnx import OnnxEmbedder, open_onnx
from core.settings import Generation, load
from core.types import GenerationRequest, Passage, Turn
from tests.bots.command import place
from tests.fakes.openai_server import fake_openai
from tests.tiny_chat import WINDOW, train_adapter
from tests.vllm import KEY, MODEL, VllmServer, require_vllm, serve

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(600)]
FACT = "Annual leave accrues at 13 days per year."
UNTIL = 60.0
WRITTEN = "vllm:generation_tokens_total"
LONG = 1000  # tokens
ATTEMPTS = 20


@cache
def embedder() -> OnnxEmbedder:
    return open_onnx(load({}))


def settings(vllm: VllmServer, **changes: Any) -> Generation:
    values = {"base_url": vllm.url, "api_key": KEY, "context_tokens": WINDOW, "max_tokens": 40, "temperature": 0}
    return Generation(**(values | changes))


def chat(vllm: VllmServer, **changes: Any) -> ChatGenerator:
    return ChatGenerator(settings(vllm, **changes), embedder().count_tokens)


def auto(vllm: VllmServer, **changes: Any) -> Any:
    chooser, _ = open_generation(settings(vllm, **changes), embedder())
    assert isinstance(chooser, Auto)
    return chooser


def request(text: str = FACT, passages: int = 1, history: tuple[Turn, ...] = ()) -> GenerationRequest:
    found = tuple(Passage(f"c{number}", "d1", "Leave", text, text, 1.0) for number in range(passages))
    return GenerationRequest("How much leave do I accrue?", "How much leave do I accrue?", found, history)


async def streamed(generator: ChatGenerator, asked: GenerationRequest | None = None) -> list[str]:
    async with aclosing(generator.stream(asked or request())) as pieces:
        return [piece async for piece in pieces]


async def pieces_of(chooser: Any, asked: GenerationRequest | None = None) -> list[Piece]:
    async with aclosing(chooser.stream(asked or request())) as pieces:
        return [piece async for piece in pieces]


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + UNTIL
    while not await asyncio.to_thread(condition):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)


async def test_the_answer_streams_token_by_token_from_the_model_that_is_listed_first(vllm: VllmServer) -> None:
    generator = chat(vllm)
    assert await generator.healthy()
    # On a busy machine many tokens come together at times.
    for _ in range(ATTEMPTS):
        if len(await streamed(generator)) > 10:
            break
    else:
        pytest.fail("the answer never came in pieces")
    assert generator.name == f"chat:{MODEL}"


async def test_a_guided_model_writes_nothing_but_sentences_that_name_their_passages(vllm: VllmServer) -> None:
    guided = chat(vllm, guided="citations", max_tokens=500)
    for passages in range(1, 9):
        text = "".join(await streamed(guided, request(passages=passages)))
        # Random weights come to no end, so an answer is the beginning of one that may be written.
        assert begins_an_answer(text, passages)
    assert guided.takes_guides


async def test_a_model_that_is_not_guided_writes_something_else(vllm: VllmServer) -> None:
    free = chat(vllm, max_tokens=500)
    texts = {passages: "".join(await streamed(free, request(passages=passages))) for passages in range(1, 9)}
    # What random weights write may look like the beginning of an answer, but not each time.
    assert not all(begins_an_answer(text, passages) for passages, text in texts.items()), texts


def begins_an_answer(text: str, passages: int) -> bool:
    # The last character may be cut in its middle.
    whole = text.rstrip("\N{REPLACEMENT CHARACTER}")
    ends = ("", "[1]", "1]", "]", "x[1]", "x [1]", " x [1]", *(f"{NO_ANSWER[cut:]}" for cut in range(len(NO_ANSWER))))
    return any(re.fullmatch(answer_pattern(passages), f"{whole}{end}") for end in ends)


async def test_a_follow_up_on_the_same_passages_finds_most_of_its_prompt_computed(vllm: VllmServer) -> None:
    generator = chat(vllm)
    await streamed(generator, request(passages=8))
    asked, found = vllm.metric("vllm:prefix_cache_queries_total"), vllm.metric("vllm:prefix_cache_hits_total")
    await streamed(generator, request(passages=8, history=(Turn("user", "How much?"), Turn("assistant", FACT))))
    asked = vllm.metric("vllm:prefix_cache_queries_total") - asked
    found = vllm.metric("vllm:prefix_cache_hits_total") - found
    assert found > asked / 2


async def test_a_follow_up_is_made_to_stand_alone_by_the_model(vllm: VllmServer) -> None:
    _, rewriter = open_generation(settings(vllm), embedder())
    assert await rewriter.standalone("And for managers?", (Turn("user", "How much leave do I accrue?"),))


async def test_a_wrong_key_is_named(vllm: VllmServer) -> None:
    with pytest.raises(GenerationUnavailable, match=r"refuses the key \(generation.api_key\)"):
        await streamed(chat(vllm, api_key="wrong"))


async def test_an_unknown_model_is_named_and_replaced_by_quotations(vllm: VllmServer) -> None:
    with pytest.raises(GenerationUnavailable, match=r"does not know this model \(generation.model\)"):
        await streamed(chat(vllm, model="no-such-model"))
    pieces = await pieces_of(auto(vllm, model="no-such-model"))
    assert [(piece.generator, piece.notice) for piece in pieces] == [("extractive", FALLEN_BACK)]


async def test_what_the_model_counts_as_more_tokens_than_we_do_is_cut_until_it_fits(vllm: VllmServer) -> None:
    # To our tokenizer one unknown word, to the model's bytes.
    generator = chat(vllm)
    room = generator.prompt_tokens
    assert await streamed(generator, request(" ".join(["𒀭" * 30] * 300), passages=8))
    assert generator.prompt_tokens < room


async def test_a_person_who_leaves_ends_the_model_s_work(vllm: VllmServer) -> None:
    asked, whole = await long_answer(vllm)
    written: list[float] = []
    # On a busy machine a tiny model is at times done before its server sends a word: then nobody could have left.
    while len(written) < ATTEMPTS and min(written, default=whole) > whole / 2:
        before = vllm.metric(WRITTEN)
        async with aclosing(chat(vllm, max_tokens=LONG).stream(asked)) as pieces:
            await anext(pieces)
        await until(lambda: vllm.metric("vllm:num_requests_running") == 0)
        written.append(vllm.metric(WRITTEN) - before)
    assert min(written) < whole / 2


async def long_answer(vllm: VllmServer) -> tuple[GenerationRequest, float]:
    """What random weights have much to say about, and how many tokens that is. Most they end early, by chance."""
    for passages in range(1, 9):
        # Words that come together are one piece, so tokens are counted where they are written.
        before = vllm.metric(WRITTEN)
        await streamed(chat(vllm, max_tokens=LONG), request(passages=passages))
        if (tokens := vllm.metric(WRITTEN) - before) > LONG / 2:
            return request(passages=passages), tokens
    pytest.fail("the model ends each of its answers")


async def test_a_model_that_hangs_runs_out_of_time_and_answers_again_later(vllm: VllmServer) -> None:
    generator = chat(vllm, first_token_seconds=1, retries=0)
    with vllm.frozen():
        with pytest.raises(GenerationUnavailable, match="sent nothing for 1 seconds"):
            await streamed(generator)
        assert not await generator.healthy()
        quoted = await pieces_of(auto(vllm))
    assert [piece.generator for piece in quoted] == ["extractive"]
    assert await streamed(chat(vllm))


async def test_a_model_that_hangs_in_mid_answer_runs_out_of_time(vllm: VllmServer) -> None:
    asked, _ = await long_answer(vllm)
    # On a busy machine a tiny model is at times done before it can be stopped.
    for _ in range(ATTEMPTS):
        generator = chat(vllm, max_tokens=LONG, total_seconds=15)
        async with aclosing(generator.stream(asked)) as pieces:
            await anext(pieces)
            with vllm.frozen():
                try:
                    async for _piece in pieces:
                        pass
                except GenerationInterrupted as error:
                    if "did not finish within 15 seconds" in error.message:
                        return
                    raise
    pytest.fail("the model was always done before it could be stopped")


async def test_a_model_that_dies_in_mid_answer_is_replaced_by_quotations(tiny_chat_model: Path) -> None:
    require_vllm()
    # On a busy machine a tiny model is at times done before it can be killed.
    for _ in range(3):
        with serve(tiny_chat_model) as mortal:
            asked, _ = await long_answer(mortal)
            chooser = auto(mortal, max_tokens=LONG)
            pieces = await until_killed(chooser, asked, mortal)
        assert pieces[0].generator == f"chat:{MODEL}"
        if any(piece.restart for piece in pieces):
            break
    assert [piece.generator for piece in pieces if piece.restart] == ["extractive"]
    assert "13 days" in pieces[-1].text
    assert [piece.generator for piece in await pieces_of(chooser)] == ["extractive"]
    with pytest.raises(GenerationUnavailable, match="does not answer"):
        await streamed(chat(mortal, retries=0))


async def until_killed(chooser: Auto, asked: GenerationRequest, mortal: VllmServer) -> list[Piece]:
    """All pieces of an answer whose model is killed when the first of them has come."""
    pieces: list[Piece] = []
    async with aclosing(chooser.stream(asked)) as stream:
        async for piece in stream:
            if not pieces:
                await asyncio.to_thread(mortal.kill)
            pieces.append(piece)
    return pieces


# PEFT asks transformers by an old name.
@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")
def test_a_namespace_is_answered_by_its_own_adapter_with_citations(
    vllm: VllmServer, tiny_chat_model: Path, tmp_path: Path
) -> None:
    ask = ("ask", "How much annual leave do I accrue?", "--namespace", "hr", "--json")
    documents = tmp_path / "leave.md"
    documents.write_text(f"# Leave\n\n{FACT} Sick leave accrues at 10 days per year.\n")
    here = place(tmp_path / "here")
    assert here.run("documents", "add", str(documents), "--namespace", "hr").status == 0
    with fake_openai(key=KEY) as recorder:
        asks_recorder = {"LOREKEEPER_GENERATION__BASE_URL": recorder.url, "LOREKEEPER_GENERATION__API_KEY": KEY}
        place(here.folder, **asks_recorder).run(*ask)
    prompt = recorder.requests[-1]["messages"]

    adapter = train_adapter(tiny_chat_model, tmp_path / "adapter", prompt, f"{FACT} [1]")
    vllm.load_adapter("hr-1", adapter)
    asks_vllm = {
        "LOREKEEPER_GENERATION__BASE_URL": vllm.url,
        "LOREKEEPER_GENERATION__API_KEY": KEY,
        "LOREKEEPER_GENERATION__MODE": "chat",
        "LOREKEEPER_GENERATION__MAX_TOKENS": "64",
    }
    base = place(here.folder, **asks_vllm).run(*ask).json
    tuned = place(here.folder, **asks_vllm, LOREKEEPER_NAMESPACES__HR__MODEL="hr-1").run(*ask).json

    assert base["outcome"] == "no_evidence", "random weights say nothing that the documents support"
    assert (tuned["outcome"], tuned["generator"]) == ("answered", "chat:hr-1")
    assert tuned["text"] == f"{FACT} [1]"
    assert FACT in tuned["citations"][0]["quote"]
