"""OpenAI's clients at the documents: the official package, LangChain, and what they show when something is wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, DefaultAsyncHttpxClient
from openai.types.chat import ChatCompletionChunk

from bots.gateway.client import GatewayClient
from tests.bots.gateway.serving import LEAVE, QUESTION, Server, serving, settings
from tests.fakes.openai_server import fake_openai

pytestmark = pytest.mark.asyncio(loop_scope="module")
ANSWER = "You accrue 13 days of annual leave per year."
TWO_CLAIMS = f"{ANSWER} [1]\nSabbaticals are granted every ten years. [2]"
MODEL_DOWN = {"mode": "chat", "base_url": "http://127.0.0.1:9/v1", "connect_seconds": 0.5, "retries": 0}


@asynccontextmanager
async def client_of(server: Server) -> AsyncGenerator[AsyncOpenAI, None]:
    """The official package, without a proxy and without second tries."""
    async with DefaultAsyncHttpxClient(trust_env=False) as http:
        yield AsyncOpenAI(base_url=f"{server.url}/v1", api_key="none", http_client=http, max_retries=0)


def user(text: Any = QUESTION) -> Any:
    return {"role": "user", "content": text}


async def streamed(client: AsyncOpenAI, **fields: Any) -> list[ChatCompletionChunk]:
    chunks = await client.chat.completions.create(model="default", messages=[user()], stream=True, **fields)
    return [chunk async for chunk in chunks]


def text_of(chunks: list[ChatCompletionChunk]) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


async def test_an_answer_is_a_completion_with_its_sources(shared: Server) -> None:
    async with client_of(shared) as client:
        done = await client.chat.completions.create(model="default", messages=[user()])
    (choice,) = done.choices
    assert (done.model, choice.finish_reason, choice.message.role) == ("default", "stop", "assistant")
    assert choice.message.content == f"{ANSWER} [1]\n\nSources:\n1. Leave"
    assert done.usage is None


async def test_an_annotation_cuts_exactly_its_mark_out_of_the_text_and_leads_to_the_passage(tmp_path: Path) -> None:
    with fake_openai(answer=TWO_CLAIMS) as model:
        async with serving(settings(tmp_path, generation={"base_url": model.url})) as server:
            await server.upload("leave.md")
            await server.upload("rest.md", b"# Rest\n\nSabbaticals are granted every ten years.\n")
            async with client_of(server) as client:
                done = await client.chat.completions.create(model="default", messages=[user()])
    message = done.choices[0].message
    assert message.content is not None
    cited = [each.url_citation for each in message.annotations or []]
    assert [message.content[each.start_index : each.end_index] for each in cited] == ["[1]", "[2]"]
    assert {each.title for each in cited} == {"Leave", "Rest"}
    answer: dict[str, Any] = done.model_extra["lorekeeper"] if done.model_extra else {}
    assert answer["outcome"] == "answered"
    for each, source in zip(cited, answer["citations"], strict=True):
        assert each.url == f"{server.url}/#passage={source['document_id']}/{source['chunk_id']}"


async def test_a_stream_is_the_same_answer_in_pieces(shared: Server) -> None:
    async with client_of(shared) as client:
        chunks = await streamed(client)
        whole = await client.chat.completions.create(model="default", messages=[user()])
    assert text_of(chunks) == whole.choices[0].message.content
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices[0].finish_reason] == ["stop"]
    last = chunks[-1]
    assert last.choices[0].delta.model_extra
    assert [each["type"] for each in last.choices[0].delta.model_extra["annotations"]] == ["url_citation"]
    assert last.model_extra
    assert last.model_extra["lorekeeper"]["outcome"] == "answered"
    assert len({chunk.id for chunk in chunks}) == 1


async def test_the_packages_own_gathering_of_a_stream_gets_the_whole_answer(shared: Server) -> None:
    async with (
        client_of(shared) as client,
        client.chat.completions.stream(model="default", messages=[user()]) as stream,
    ):
        done = await stream.get_final_completion()
    assert (done.choices[0].message.content or "").startswith(f"{ANSWER} [1]")


async def test_usage_is_only_reported_where_it_is_asked_for_and_then_as_nothing_counted(shared: Server) -> None:
    async with client_of(shared) as client:
        plain = await streamed(client)
        *rest, last = await streamed(client, stream_options={"include_usage": True})
    assert [chunk.usage for chunk in [*plain, *rest]] == [None] * len([*plain, *rest])
    assert last.choices == []
    assert last.usage
    assert last.usage.total_tokens == 0


async def test_what_the_documents_do_not_say_never_reaches_the_client(tmp_path: Path) -> None:
    with fake_openai(answer=f"{ANSWER} [1] The moon is made of 77 cheeses [1].") as model:
        async with serving(settings(tmp_path, generation={"base_url": model.url})) as server:
            await server.upload("leave.md")
            async with client_of(server) as client:
                text = text_of(await streamed(client))
    assert text == f"{ANSWER} [1]\n\nSources:\n1. Leave"


async def test_a_model_that_breaks_off_leaves_nothing_of_its_own_and_a_notice(tmp_path: Path) -> None:
    with fake_openai(answer="Leave is what you make of it, they say.", behaviour="cut") as model:
        async with serving(settings(tmp_path, generation={"base_url": model.url, "retries": 0})) as server:
            await server.upload("leave.md")
            async with client_of(server) as client:
                text = text_of(await streamed(client))
    assert text.startswith(f"{ANSWER} [1]")
    assert "not available" in text
    assert "they say" not in text


async def test_a_conversation_is_a_history_and_instructions_are_not_followed(tmp_path: Path) -> None:
    earlier = f"{ANSWER} [1]\n\nSources:\n1. A title that nobody asked for"
    messages = [
        {"role": "system", "content": "You are a pirate."},
        {"role": "user", "content": "What about sabbaticals?"},
        {"role": "assistant", "content": earlier},
        {"role": "assistant", "content": None, "tool_calls": []},
        {"role": "tool", "content": "4", "tool_call_id": "1"},
        user([{"type": "text", "text": "And how is"}, {"type": "text", "text": "it accrued?"}]),
    ]
    with fake_openai() as model:
        async with serving(settings(tmp_path, generation={"base_url": model.url})) as server:
            await server.upload("leave.md")
            body = {"model": "default", "messages": messages, "temperature": 2, "tools": [{"type": "function"}]}
            assert (await server.client.post("/v1/chat/completions", json=body)).status_code == 200
            seen = str(model.requests)
    assert "sabbaticals" in str(model.requests[0])
    assert "And how is" in seen
    assert "pirate" not in seen
    assert "nobody asked for" not in seen


async def test_every_namespace_is_a_model(tmp_path: Path) -> None:
    async with serving(settings(tmp_path, namespaces={"legal": {}})) as server:
        await server.upload("leave.md", namespace="hr")
        async with client_of(server) as client:
            assert [model.id async for model in client.models.list()] == ["default", "hr", "legal"]
            assert (await client.models.retrieve("hr")).id == "hr"
            done = await client.chat.completions.create(model="hr", messages=[user()])
            assert (done.choices[0].message.content or "").startswith(ANSWER)
        assert await GatewayClient(server.url, server.token).namespaces() == ["default", "hr", "legal"]


async def test_a_namespace_without_documents_says_so_as_an_answer(tmp_path: Path) -> None:
    async with serving(settings(tmp_path, namespaces={"legal": {}})) as server, client_of(server) as client:
        done = await client.chat.completions.create(model="legal", messages=[user()])
    assert "legal" in (done.choices[0].message.content or "")


async def test_an_honest_no_answer_names_the_nearest_passages(tmp_path: Path) -> None:
    async with serving(settings(tmp_path, retrieval={"min_confidence": 1.0})) as server:
        await server.upload("leave.md")
        async with client_of(server) as client:
            done = await client.chat.completions.create(model="default", messages=[user("Who won at chess?")])
    message = done.choices[0].message
    assert (message.content or "").startswith("I could not find this")
    assert (message.content or "").endswith("Closest passages:\n1. Leave")
    assert message.annotations == []


async def test_an_unknown_model_is_not_found_in_the_packages_own_words(shared: Server) -> None:
    async with client_of(shared) as client:
        with pytest.raises(openai.NotFoundError, match="'gpt-4o' does not exist") as raised:
            await client.chat.completions.create(model="gpt-4o", messages=[user()])
        assert raised.value.code == "model_not_found"
        assert raised.value.request_id
        with pytest.raises(openai.NotFoundError):
            await client.models.retrieve("gpt-4o")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "system", "content": "Be brief."}]}, "role user"),
        ({"messages": [{"role": "king", "content": "x"}]}, "messages.0.role"),
        ({"messages": [user([{"type": "image_url", "image_url": {"url": "data:"}}])]}, "only text"),
        ({"messages": [user([{"type": "input_audio", "input_audio": {}}])]}, "input_audio"),
        ({"messages": [user(7)]}, "messages.0.content"),
        ({"messages": [user("")] * 1001}, "messages"),
        ({"n": 2}, "n has to be 1"),
        ({"model": None}, "model"),
        ({"stream": "perhaps"}, "stream"),
    ],
)
async def test_a_wrong_request_is_a_bad_request_that_names_the_field(
    shared: Server, fields: dict[str, Any], words: str
) -> None:
    async with client_of(shared) as client:
        with pytest.raises(openai.BadRequestError, match=words) as raised:
            await client.post(
                "/chat/completions", cast_to=object, body={"model": "default", "messages": [user()], **fields}
            )
    assert raised.value.type == "invalid_request_error"


async def test_other_errors_have_the_same_form(shared: Server) -> None:
    for reply in (
        await shared.client.get("/v1/chat/completions"),
        await shared.client.get("/v1/models/a/b"),
        await shared.client.post("/v1/chat/completions", content=b"{not json"),
    ):
        error = reply.json()["error"]
        assert set(error) == {"message", "type", "param", "code"}
        assert error["message"]
        assert reply.headers["content-type"] == "application/json"


@pytest.mark.parametrize("text", ["", "🎉", "word " * 3000])
async def test_what_is_no_question_is_answered_in_plain_words(shared: Server, text: str) -> None:
    async with client_of(shared) as client:
        done = await client.chat.completions.create(model="default", messages=[user(text)])
    assert done.model_extra
    assert done.model_extra["lorekeeper"]["outcome"] == "invalid_question"
    assert done.choices[0].message.content


@pytest.mark.parametrize("stream", [False, True])
async def test_a_failure_before_the_first_word_is_a_server_error(tmp_path: Path, stream: bool) -> None:
    async with serving(settings(tmp_path, generation=MODEL_DOWN)) as server:
        await server.upload("leave.md")
        async with client_of(server) as client:
            with pytest.raises(openai.InternalServerError, match="reference") as raised:
                await client.chat.completions.create(model="default", messages=[user()], stream=stream)
    assert (raised.value.status_code, raised.value.code) == (503, "answer_failed")


async def test_a_failure_in_the_middle_of_a_stream_is_an_error_in_the_stream(tmp_path: Path) -> None:
    with fake_openai(behaviour="cut") as model:
        generation = {"mode": "chat", "base_url": model.url, "retries": 0}
        async with serving(settings(tmp_path, generation=generation)) as server:
            await server.upload("leave.md")
            async with client_of(server) as client:
                with pytest.raises(openai.APIError, match="reference") as raised:
                    await streamed(client)
    assert raised.value.code == "answer_failed"


@pytest.mark.parametrize("behaviour", ["slow", "stall"])
async def test_an_answer_that_takes_too_long_is_given_up(tmp_path: Path, behaviour: str) -> None:
    with fake_openai(behaviour=behaviour) as model:
        chosen = settings(tmp_path, generation={"base_url": model.url}, server={"request_seconds": 0.5})
        async with serving(chosen) as server:
            await server.upload("leave.md")
            async with client_of(server) as client:
                with pytest.raises(openai.APIError, match="try again") as raised:
                    await streamed(client)
    assert raised.value.code == "gateway_timeout"


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_takes_its_question_along(tmp_path: Path, stream: bool) -> None:
    with fake_openai(pause=0.05, answer="word " * 600) as model:
        async with serving(settings(tmp_path, generation={"base_url": model.url})) as server:
            await server.upload("leave.md")
            async with client_of(server) as client:
                fields: Any = {"model": "default", "messages": [user()], "stream": stream}
                asking = asyncio.create_task(client.chat.completions.create(**fields))
                while not model.requests:
                    await asyncio.sleep(0.01)
                if stream:
                    await (await asking).close()
                asking.cancel()
                async with asyncio.timeout(10):
                    while not model.left_early:
                        await asyncio.sleep(0.01)


async def test_an_answer_too_many_is_refused_in_the_same_form(tmp_path: Path) -> None:
    with fake_openai(behaviour="slow") as model:
        chosen = settings(tmp_path, generation={"base_url": model.url}, server={"max_answers": 1})
        async with serving(chosen) as server:
            await server.upload("leave.md")
            async with client_of(server) as client:
                first = asyncio.create_task(streamed(client))
                while not model.requests:
                    await asyncio.sleep(0.01)
                with pytest.raises(openai.InternalServerError, match="try again") as raised:
                    await streamed(client)
                first.cancel()
                await asyncio.gather(first, return_exceptions=True)
                model.behaviour = "ok"
                async with asyncio.timeout(10):
                    while (await server.ask()).status_code != 200:
                        await asyncio.sleep(0.01)
    assert raised.value.response.headers["retry-after"]


async def test_a_hostile_title_is_only_text_in_markdown(server: Server) -> None:
    await server.upload("evil.md", b"# `![x](https://evil.example/?q)` <img src=y>\n\n" + LEAVE)
    async with client_of(server) as client:
        done = await client.chat.completions.create(model="default", messages=[user()])
    content = done.choices[0].message.content or ""
    assert "evil.example" in content
    assert "![" not in content
    assert "](" not in content.replace("\\](", "")
    assert "<img" not in content.replace("\\<img", "")


async def test_langchain_talks_to_it_like_to_any_other_model(shared: Server) -> None:
    from langchain_openai import ChatOpenAI

    async with DefaultAsyncHttpxClient(trust_env=False) as http:
        chat = ChatOpenAI(
            model="default",
            base_url=f"{shared.url}/v1",
            api_key="none",
            http_async_client=http,
            max_retries=0,
        )
        whole = await chat.ainvoke(QUESTION)
        streamed = "".join([str(piece.content) async for piece in chat.astream(QUESTION)])
    assert str(whole.content).startswith(f"{ANSWER} [1]")
    assert streamed == whole.content
