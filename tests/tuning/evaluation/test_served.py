"""Answers by a server: the adapter is there for as long as it is asked, and what fails is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from core.errors import GenerationFailed, GenerationUnavailable, InvalidRequest
from core.types.adapters import Form
from tests.fakes.openai_server import MODEL, FakeOpenAI, fake_openai
from tuning.dataset.types import Prompt
from tuning.evaluation import endpoint
from tuning.evaluation.endpoint import Endpoint
from tuning.evaluation.served import Server, open_served

NAME = "evaluate-abc"
PROMPT: Prompt = (("system", "Answer."), ("user", "How much leave?"))


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "PAUSE_SECONDS", 0.0)


@pytest.fixture
def server() -> Iterator[FakeOpenAI]:
    with fake_openai(key="sesame") as fake:
        yield fake


@pytest.fixture
def adapter(tmp_path: Path) -> str:
    (tmp_path / "adapter_config.json").write_text("{}")
    return str(tmp_path)


def at(fake: FakeOpenAI, adapter: str, **changes: Any) -> Server:
    return Server(fake.url, "sesame", adapter_path=adapter, seconds=5, **changes)


def test_base_and_adapter_are_asked_by_their_names_and_greedily(server: FakeOpenAI, adapter: str) -> None:
    with open_served(at(server, adapter), Form.ADAPTER, NAME) as models:
        ((_, reply),) = models.answers([PROMPT], 32, tuned=False)
        list(models.answers([PROMPT], 32, tuned=True))
    assert reply.text == server.answer
    assert reply.seconds > 0
    assert [each["model"] for each in server.requests] == [MODEL, NAME]
    assert all((each["temperature"], each["max_tokens"]) == (0, 32) for each in server.requests)
    assert server.requests[0]["messages"] == [{"role": role, "content": text} for role, text in PROMPT]


def test_replies_are_kept_under_what_the_server_is_made_from(server: FakeOpenAI, adapter: str) -> None:
    names = []
    for server.root in ("", "/models/one", "/models/two"):
        with open_served(at(server, adapter), Form.ADAPTER, NAME) as models:
            names.append(models.name)
    assert names[0] == f"{MODEL} at {server.url}"
    assert names[1:] == [f"{names[0]}, made from /models/one", f"{names[0]}, made from /models/two"]


def test_the_adapter_is_unloaded_afterwards(server: FakeOpenAI, adapter: str) -> None:
    with open_served(at(server, adapter), Form.ADAPTER, NAME):
        assert server.adapters == {NAME: adapter}
    assert server.changes == [f"load {NAME}", f"unload {NAME}"]
    assert not server.adapters


def test_it_is_unloaded_after_a_failure_too(server: FakeOpenAI, adapter: str) -> None:
    with pytest.raises(KeyboardInterrupt), open_served(at(server, adapter), Form.ADAPTER, NAME):
        raise KeyboardInterrupt
    assert not server.adapters


def test_what_a_killed_evaluation_has_left_loaded_is_used_and_unloaded(server: FakeOpenAI, adapter: str) -> None:
    server.adapters[NAME] = adapter
    with open_served(at(server, adapter), Form.ADAPTER, NAME) as models:
        assert len(list(models.answers([PROMPT], 32, tuned=True))) == 1
    assert not server.adapters


def test_all_are_answered_each_in_its_place(server: FakeOpenAI, adapter: str) -> None:
    prompts: list[Prompt] = [(("user", f"Question {number}"),) for number in range(20)]
    with open_served(at(server, adapter, at_once=4), Form.ADAPTER, NAME) as models:
        found = dict(models.answers(prompts, 8, tuned=False))
    assert sorted(found) == list(range(20))
    assert len(server.requests) == 20


def test_an_empty_answer_is_an_answer(server: FakeOpenAI, adapter: str) -> None:
    server.behaviour = "empty"
    with open_served(at(server, adapter), Form.ADAPTER, NAME) as models:
        ((_, reply),) = models.answers([PROMPT], 8, tuned=True)
    assert reply.text == ""


def test_a_server_that_is_busy_for_a_moment_is_asked_again(server: FakeOpenAI, adapter: str) -> None:
    with open_served(at(server, adapter), Form.ADAPTER, NAME) as models:
        server.statuses = [503, 429]
        assert len(list(models.answers([PROMPT], 8, tuned=False))) == 1
        server.statuses = [503] * 9
        with pytest.raises(GenerationUnavailable, match="HTTP 503"):
            list(models.answers([PROMPT], 8, tuned=False))


@pytest.mark.parametrize(("behaviour", "said"), [("cut", "middle of an answer"), ("garbage", "cannot be read")])
def test_half_an_answer_is_none(server: FakeOpenAI, adapter: str, behaviour: str, said: str) -> None:
    server.behaviour = behaviour
    with open_served(at(server, adapter), Form.ADAPTER, NAME) as models, pytest.raises(GenerationFailed, match=said):
        list(models.answers([PROMPT], 8, tuned=False))


def test_a_prompt_that_is_refused_is_told_in_the_servers_words(server: FakeOpenAI, adapter: str) -> None:
    server.window = 5
    with (
        open_served(at(server, adapter), Form.ADAPTER, NAME) as models,
        pytest.raises(GenerationFailed, match="maximum context length"),
    ):
        list(models.answers([PROMPT], 8, tuned=False))


def test_a_server_that_loads_no_adapters_is_told_with_what_it_needs(server: FakeOpenAI, adapter: str) -> None:
    server.loads_adapters = False
    with (
        pytest.raises(GenerationUnavailable, match="VLLM_ALLOW_RUNTIME_LORA_UPDATING"),
        open_served(at(server, adapter), Form.ADAPTER, NAME),
    ):
        pass


def test_a_path_that_the_server_does_not_have_is_told(server: FakeOpenAI) -> None:
    with (
        pytest.raises(GenerationUnavailable, match=r"No adapter found for /nowhere.* --adapter-path"),
        open_served(at(server, "/nowhere"), Form.ADAPTER, NAME),
    ):
        pass


def test_a_wrong_key_address_or_name_is_told(server: FakeOpenAI, adapter: str) -> None:
    for wrong, said in (
        (Server(server.url, "wrong", adapter_path=adapter), "refuses the key"),
        (Server("vllm:8000", adapter_path=adapter), "--url takes the address"),
        (Server("http://127.0.0.1:9/v1", adapter_path=adapter), "does not answer"),
        (Server(server.url, "sesame", "other", adapter_path=adapter), f"no model other; it has: {MODEL}"),
    ):
        with pytest.raises((GenerationUnavailable, InvalidRequest), match=said), open_served(wrong, Form.ADAPTER, NAME):
            pass


def test_an_address_with_a_password_is_refused_because_reports_name_addresses(adapter: str) -> None:
    wrong = Server("http://me:hidden@127.0.0.1:1/v1", adapter_path=adapter)
    with pytest.raises(InvalidRequest, match="without a password") as refused, open_served(wrong, Form.ADAPTER, NAME):
        pass
    assert "hidden" not in str(refused.value)


def test_a_merged_model_is_asked_on_its_own_server(server: FakeOpenAI, adapter: str) -> None:
    with fake_openai(key="sesame", models=("merged",)) as other:
        with open_served(at(server, adapter, tuned_url=other.url), Form.MERGED, NAME) as models:
            list(models.answers([PROMPT], 8, tuned=True))
        assert [each["model"] for each in other.requests] == ["merged"]
    assert not server.changes
    with pytest.raises(InvalidRequest, match="--tuned-url"), open_served(at(server, adapter), Form.MERGED, NAME):
        pass


def vllm(request: httpx.Request) -> httpx.Response:
    """What vLLM says about tokens: one for each word."""
    body = json.loads(request.content) if request.content else {}
    if request.url.path == "/v1/models":
        return httpx.Response(200, json={"data": [{"id": "m", "max_model_len": 512}]})
    assert request.url.path == "/tokenize"
    words = [word for each in body["messages"] for word in each["content"].split()]
    return httpx.Response(200, json={"tokens": [len(word) for word in words]})


def test_vllm_counts_tokens() -> None:
    with httpx.Client(transport=httpx.MockTransport(vllm)) as client:
        asked = Endpoint(client, "http://vllm/v1", "m", 5)
        assert asked.count(PROMPT) == 4
        assert asked.window() == 512


def test_a_running_server_is_never_asked_for_what_ends_it(server: FakeOpenAI, adapter: str) -> None:
    with open_served(at(server, adapter), Form.ADAPTER, NAME) as models:
        assert list(models.likelihoods([(PROMPT, "thirteen days")] * 2, tuned=True)) == [(0, None), (1, None)]
    assert not server.requests


def test_a_server_that_cannot_tell_says_nothing_wrong(server: FakeOpenAI) -> None:
    with httpx.Client(headers={"Authorization": "Bearer sesame"}) as client:
        asked = Endpoint(client, server.url, MODEL, 5)
        assert asked.count(PROMPT) > 4
        assert asked.window() == 4096
