"""What Lorekeeper costs beside its model's server: the people who ask, the arithmetic, then all of it, briefly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from core.errors import InvalidRequest
from core.settings import Generation, Settings, load
from evals.closed_loop import Request, Streamed, ask, ask_all
from evals.model_serving import (
    CACHE_ASKED,
    CACHE_FOUND,
    WRITTEN,
    Run,
    check,
    evaluate_model_serving,
    find_server,
    row,
    sample,
)
from tests.evals.test_load import dataset
from tests.fakes.openai_server import MODEL, fake_openai

BODY = {"model": MODEL, "messages": [{"role": "user", "content": "Hi"}], "stream": True}


def has_content(data: Mapping[str, Any]) -> bool:
    return bool(data["choices"][0]["delta"].get("content"))


class TestPeople:
    async def test_every_request_is_sent_once_and_its_first_word_noted(self) -> None:
        done: list[int] = []
        with fake_openai(key="sesame", pause=0.01) as server:
            requests = [Request(f"{server.url}/chat/completions", BODY | {"n": n}, "sesame") for n in range(7)]
            ended = await ask_all(requests, 3, has_content, done.append)
        assert sorted(each["n"] for each in server.requests) == list(range(7))
        assert done == list(range(1, 8))
        for each in ended:
            assert each.failure == ""
            assert each.first is not None
            assert each.begin < each.first < each.end

    @pytest.mark.parametrize(
        ("behaviour", "statuses", "failure"),
        [("ok", [503], "http 503"), ("empty", [], "no words"), ("cut", [], "cut off"), ("html", [], "cut off")],
    )
    async def test_what_goes_wrong_is_counted(self, behaviour: str, statuses: list[int], failure: str) -> None:
        with fake_openai(behaviour=behaviour, statuses=statuses) as server:
            ended = await ask(Request(f"{server.url}/chat/completions", BODY), has_content)
        assert ended.failure == failure

    async def test_nobody_there_is_a_failure(self) -> None:
        ended = await ask(Request("http://127.0.0.1:9/v1", BODY), has_content)
        assert ended.failure == "ConnectionRefusedError"


def run(first: float, tokens: float, seconds: float = 10.0, failure: str = "") -> Run:
    streamed = [Streamed(0.0, first, 1.0, failure)] * 4
    return Run(streamed, seconds, {WRITTEN: tokens, CACHE_ASKED: 100.0, CACHE_FOUND: 75.0})


def test_ratios_are_those_of_runs_beside_each_other() -> None:
    figures = row(
        {
            "direct": [run(0.1, 1000), run(0.2, 500), run(0.1, 1000)],
            "lorekeeper": [run(0.11, 980), run(0.22, 470), run(0.112, 990, failure="http 503")],
        }
    )
    assert figures["throughput_ratio"] == 0.98
    assert figures["first_token_added_ms_p50"] == 12.0
    assert (figures["direct_failed"], figures["lorekeeper_failed"]) == (0, 4)
    assert figures["lorekeeper_tokens_per_second"] == 98.0
    assert figures["lorekeeper_prefix_cache_hit_rate"] == 0.75


def test_a_run_that_wrote_nothing_is_told_with_what_to_do() -> None:
    check({"direct": [run(0.1, 1000)], "lorekeeper": [run(0.1, 1)]})
    idle = run(0.1, 0, failure="http 400")
    with pytest.raises(InvalidRequest, match=r"wrote nothing .*\(direct\): http 400.*lower generation\.context_tokens"):
        check({"direct": [run(0.1, 1000), idle], "lorekeeper": []})


def test_questions_are_different_and_drawn_the_same_way() -> None:
    drawn = sample(dataset(20), 5)
    assert len(set(drawn)) == 5
    assert drawn == sample(dataset(20), 5)


@pytest.mark.parametrize("base_url", ["", "http://127.0.0.1:9/v1"])
def test_it_needs_a_server_that_runs(base_url: str) -> None:
    with pytest.raises(InvalidRequest, match=r"vLLM"):
        find_server(Settings(generation=Generation(base_url=base_url)))


def test_a_model_that_the_server_lacks_is_told_with_those_that_it_has() -> None:
    with fake_openai() as server, pytest.raises(InvalidRequest, match=f"no model no-such; it has: {MODEL}"):
        find_server(Settings(generation=Generation(base_url=server.url, model="no-such")))


def test_the_model_is_the_first_of_the_server_where_none_is_named() -> None:
    with fake_openai(adapters={"hr": "/adapters/hr"}) as server:
        assert find_server(Settings(generation=Generation(base_url=server.url))).model == MODEL


def shown(request: Any) -> list[str]:
    """What a model is shown. Questions that are embedded together may find what is equally good in another order."""
    lines = "\n".join(each["content"] for each in request["messages"]).split("\n")
    return sorted(line for line in lines if not line.startswith("<passage"))


@pytest.mark.slow
async def test_both_sides_are_asked_for_the_same_and_every_answer_is_counted() -> None:
    with fake_openai(key="sesame", answer="In office 10 you accrue 10 days of leave. [1]") as server:
        settings = load({}).model_copy(update={"generation": Generation(base_url=server.url, api_key="sesame")})
        figures = await evaluate_model_serving(dataset(4), settings, lambda *_: None, people=2, questions=4, runs=1)
    sent = [request for request in server.requests if "Rewrite" not in request["messages"][0]["content"]]
    texts = {request["messages"][-1]["content"]: shown(request) for request in sent[:4]}
    assert all(shown(request) == texts[request["messages"][-1]["content"]] for request in sent[:16])
    assert {request["max_completion_tokens"] for request in sent[:16]} == {512}
    failed = {figures[f"{who}_failed"] for who in ("direct", "lorekeeper", "follow_ups")}
    assert (figures["model"], figures["questions"], failed) == (MODEL, 4, {0})
    assert figures["lorekeeper_prefix_cache_hit_rate"] == 0.5
    assert figures["follow_ups_prefix_cache_hit_rate"] == 0.5
    assert figures["throughput_ratio"] > 0
