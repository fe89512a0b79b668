"""`lorekeeper eval model-serving`: what a running vLLM does through Lorekeeper, beside what it does alone.

Both sides ask the same server for the same answers: the prompts that Lorekeeper makes for a data set's questions. One side
sends them straight to vLLM, as `vllm bench serve` does; the other sends the questions to a gateway of Lorekeeper, which
finds the passages, makes the prompt and streams the answer on. The runs alternate, after one that fills vLLM's caches and
is not counted, so that both find them the same. What counts are the ratios.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from core.build import Application, open_application, open_embedder
from core.errors import GenerationUnavailable, InvalidRequest
from core.generation.chat import ChatGenerator
from core.guard import clean_question
from core.prompts import messages
from core.settings import Settings
from core.types import DEFAULT_NAMESPACE, GenerationRequest, Scope
from evals.closed_loop import FirstWord, Request, Streamed, ask_all
from evals.datasets import Dataset
from evals.load import LET_IN
from evals.metrics import percentile
from evals.processes import ON_ITS_OWN, running_gateway
from evals.retrieval import Report, apart, ingest
from tuning.evaluation.endpoint import Endpoint

PEOPLE, QUESTIONS, RUNS = 32, 128, 3
LIST_SECONDS = 10.0
# vLLM's own counts, the same for whoever asks.
WRITTEN = "vllm:generation_tokens_total"
CACHE_ASKED, CACHE_FOUND = "vllm:prefix_cache_queries_total", "vllm:prefix_cache_hits_total"
FOLLOW_UP = "Is there anything else to know about that?"
DIRECT, THROUGH = "direct", "lorekeeper"


@dataclass(frozen=True, slots=True)
class Server:
    """The model's server, which runs already."""

    url: str
    key: str
    model: str

    def counts(self) -> dict[str, float]:
        """Its metrics of interest, each summed over its labels."""
        text = httpx.get(f"{self.url.removesuffix('/v1')}/metrics", timeout=30).raise_for_status().text
        return {name: _sum(text, name) for name in (WRITTEN, CACHE_ASKED, CACHE_FOUND)}


@dataclass(frozen=True, slots=True)
class Run:
    """One time through all questions. `counts`: how far vLLM's own went up meanwhile."""

    streamed: Sequence[Streamed]
    seconds: float
    counts: Mapping[str, float]

    @property
    def tokens_per_second(self) -> float:
        return self.counts[WRITTEN] / self.seconds

    @property
    def first_ms(self) -> list[float]:
        return [each.first_ms for each in self.streamed if each.first_ms is not None]

    @property
    def cache_hit_rate(self) -> float:
        return self.counts[CACHE_FOUND] / max(1.0, self.counts[CACHE_ASKED])


async def evaluate_model_serving(
    dataset: Dataset,
    settings: Settings,
    report: Report,
    *,
    people: int = PEOPLE,
    questions: int = QUESTIONS,
    runs: int = RUNS,
) -> dict[str, Any]:
    """Index the corpus, make the prompts, and ask. Raises `InvalidRequest` without a running vLLM in the settings."""
    server = await asyncio.to_thread(find_server, settings)
    asked = sample(dataset, questions)
    with TemporaryDirectory(prefix="lorekeeper-eval-") as folder:
        chosen = apart(settings, Path(folder))
        application = await asyncio.to_thread(open_application, chosen, "lorekeeper eval")
        try:
            await ingest(application, dataset, report, DEFAULT_NAMESPACE)
            prompts = await make_prompts(application, chosen, asked, report)
        finally:
            application.close()
        with running_gateway(_environment(folder, server)) as (url, _, _):
            sides = {
                DIRECT: ([_direct(server, settings, prompt) for prompt in prompts], _has_content),
                THROUGH: ([_question(url, text) for text in asked], _has_text),
            }
            measured = await _alternate(server, sides, people, runs, report)
            check(measured)
            talks = [
                [_question(url, text, f"talk-{number}") for text in (one, FOLLOW_UP)]
                for number, one in enumerate(asked)
            ]
            follow_ups = await _follow_ups(server, talks, people)
    return {"dataset": dataset.name, "model": server.model, "people": people, **row(measured), **follow_ups}


def sample(dataset: Dataset, count: int) -> list[str]:
    """Questions without a history, all different; drawn the same way every time."""
    distinct = list(dict.fromkeys(clean_question(each.text) for each in dataset.questions if not each.history))
    random.Random(1).shuffle(distinct)  # noqa: S311 - the same sample every time
    return distinct[:count]


def find_server(settings: Settings) -> Server:
    """The one in the settings. Raises `InvalidRequest` when it is no vLLM that answers."""
    generation = settings.generation
    url, key = generation.base_url.rstrip("/"), generation.api_key.get_secret_value()
    if not url:
        raise InvalidRequest(
            "Start vLLM and set generation.base_url to its address: this evaluation measures what it does."
        )
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        with httpx.Client(headers=headers) as client:
            model = Endpoint(client, url, generation.model, LIST_SECONDS).named().model
        server = Server(url, key, model)
        server.counts()
    except (GenerationUnavailable, httpx.HTTPError, ValueError) as error:
        raise InvalidRequest(f"{url} is no vLLM that answers: {error}") from error
    return server


async def make_prompts(
    application: Application, settings: Settings, asked: Sequence[str], report: Report
) -> list[list[tuple[str, str]]]:
    """What the model is sent for each question."""
    assert application.record is not None
    embedder = open_embedder(settings)
    try:
        budget = ChatGenerator(settings.generation, embedder.count_tokens).prompt_tokens
        prompts = []
        for number, text in enumerate(asked, start=1):
            found = await application.record.retriever.retrieve(text, Scope(DEFAULT_NAMESPACE))
            request = GenerationRequest(text, text, found.passages)
            prompts.append(await asyncio.to_thread(messages, request, budget, embedder.count_tokens))
            report("making prompts", number, len(asked))
        return prompts
    finally:
        embedder.close()


def check(measured: Mapping[str, Sequence[Run]]) -> None:
    """Raises `InvalidRequest` where a run wrote nothing: there is nothing to compare."""
    for name, runs in measured.items():
        if idle := next((run for run in runs if not run.counts[WRITTEN]), None):
            failure = next((each.failure for each in idle.streamed if each.failure), "nothing came")
            raise InvalidRequest(
                f"vLLM wrote nothing when it was asked ({name}): {failure}. A prompt may be too long for its model: lower "
                "generation.context_tokens."
            )


def row(measured: Mapping[str, Sequence[Run]]) -> dict[str, Any]:
    """The figures; each ratio is that of two runs beside each other, and the middle one of all is told."""
    pairs = list(zip(measured[DIRECT], measured[THROUGH], strict=True))
    added = [percentile(through.first_ms, 0.5) - percentile(direct.first_ms, 0.5) for direct, through in pairs]
    figures: dict[str, Any] = {"questions": len(pairs[0][0].streamed), "runs": len(pairs)}
    for name, runs in measured.items():
        first = [each for run in runs for each in run.first_ms]
        figures |= {
            f"{name}_failed": sum(bool(each.failure) for run in runs for each in run.streamed),
            f"{name}_tokens_per_second": round(median(run.tokens_per_second for run in runs), 1),
            f"{name}_first_token_ms_p50": round(percentile(first, 0.5), 1),
            f"{name}_first_token_ms_p95": round(percentile(first, 0.95), 1),
            f"{name}_prefix_cache_hit_rate": round(median(run.cache_hit_rate for run in runs), 3),
        }
    ratio = median(through.tokens_per_second / direct.tokens_per_second for direct, through in pairs)
    return {**figures, "throughput_ratio": round(ratio, 3), "first_token_added_ms_p50": round(median(added), 1)}


async def _alternate(
    server: Server, sides: Mapping[str, tuple[Sequence[Request], FirstWord]], people: int, runs: int, report: Report
) -> dict[str, list[Run]]:
    """The first run of each side is not counted."""
    measured: dict[str, list[Run]] = {name: [] for name in sides}
    for number in range(runs + 1):
        for name in list(sides)[:: 1 if number % 2 else -1]:
            requests, is_first = sides[name]
            stage = f"{name}, run {number}" if number else f"{name}, warming up"

            def told(done: int, stage: str = stage, total: int = len(requests)) -> None:
                report(stage, done, total)

            before, begin = await asyncio.to_thread(server.counts), time.perf_counter()
            streamed = await ask_all(requests, people, is_first, told)
            seconds, after = time.perf_counter() - begin, await asyncio.to_thread(server.counts)
            if number:
                counts = {key: after[key] - before[key] for key in after}
                measured[name].append(Run(streamed, seconds, counts))
    return measured


async def _follow_ups(server: Server, talks: Sequence[Sequence[Request]], people: int) -> dict[str, Any]:
    """Of second questions in threads, by which share of their prompts vLLM had computed before."""
    await ask_all([first for first, _ in talks], people, _has_text, lambda _: None)
    before = await asyncio.to_thread(server.counts)
    streamed = await ask_all([second for _, second in talks], people, _has_text, lambda _: None)
    after = await asyncio.to_thread(server.counts)
    counts = {key: after[key] - before[key] for key in after}
    return {
        "follow_ups_failed": sum(bool(each.failure) for each in streamed),
        "follow_ups_prefix_cache_hit_rate": round(Run(streamed, 1.0, counts).cache_hit_rate, 3),
    }


def _direct(server: Server, settings: Settings, prompt: Sequence[tuple[str, str]]) -> Request:
    body = {
        "model": server.model,
        "messages": [{"role": role, "content": text} for role, text in prompt],
        "temperature": settings.generation.temperature,
        "max_completion_tokens": settings.generation.max_tokens,
        "stream": True,
    }
    return Request(f"{server.url}/chat/completions", body, server.key)


def _question(url: str, text: str, thread: str = "") -> Request:
    return Request(f"{url}/v1/ask", {"question": text, "stream": True, **({"thread": thread} if thread else {})})


def _has_content(data: Mapping[str, Any]) -> bool:
    """Of a chunk of OpenAI's."""
    return any((choice.get("delta") or {}).get("content") for choice in data.get("choices") or ())


def _has_text(data: Mapping[str, Any]) -> bool:
    """Of the event `token`, the only one of ours with a text and a restart."""
    return bool(data.get("text")) and "restart" in data


def _environment(folder: str, server: Server) -> dict[str, str]:
    """Every question goes to the model, whatever was found for it."""
    return (
        dict(os.environ)
        | ON_ITS_OWN
        | LET_IN
        | {
            "LOREKEEPER_DATA_DIR": folder,
            "LOREKEEPER_GENERATION__MODE": "chat",
            "LOREKEEPER_GENERATION__BASE_URL": server.url,
            "LOREKEEPER_GENERATION__MODEL": server.model,
            "LOREKEEPER_GENERATION__API_KEY": server.key,
            "LOREKEEPER_RETRIEVAL__MIN_CONFIDENCE": "0",
        }
    )


def _sum(text: str, name: str) -> float:
    lines = (line for line in text.splitlines() if line.startswith((f"{name}{{", f"{name} ")))
    return sum(float(line.rpartition(" ")[2]) for line in lines)
