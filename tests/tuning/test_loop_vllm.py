"""The whole loop on a real vLLM: examples, training, the gate, the registry, and a Slack channel that it answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from core.build import Application
from core.generation.auto import OnlyChat
from core.generation.chat import ChatGenerator
from core.settings import Settings
from core.store.adapters import AdapterStore
from core.store.engine import open_engine
from core.types import GenerationRequest, Passage
from core.types.adapters import BaseModel, Form
from tests.bots.command import Done, place
from tests.bots.slack.running import ANSWER, LEAVE, QUESTION, running, settings
from tests.fakes.openai_server import fake_openai
from tests.fakes.slack import FakeSlack, Message, fake_slack
from tests.tiny_chat import WINDOW, make_tiny_gemma
from tests.tuning.small_task import task, write_task
from tests.vllm import KEY, MODEL, MOST_RANK, VllmServer, require_vllm, serve
from tuning.dataset.types import Prompt, Split
from tuning.evaluation.local import LocalModels
from tuning.serving.keeper import ModelKeeper
from tuning.training.run import ADAPTER, SERVED, read_run

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(900)]
SECONDS = 600.0
TIMES = 12
"""How often the one question of the channel is among the examples."""
LEARN = ("--epochs", "5", "--learning-rate", "4e-3", "--batch", "8", "--micro-batch", "8", "--rank", "16")
LONGEST_ANSWER = 24
HR, OTHERS = "C2", "C1"
WAIT = 60.0


@pytest.fixture(scope="module")
def as_served(tmp_path_factory: pytest.TempPathFactory) -> Prompt:
    """What the question asked in Slack becomes until it reaches the model."""
    return asyncio.run(_recorded(tmp_path_factory.mktemp("recorded")))


async def _recorded(folder: Path) -> Prompt:
    with fake_openai() as model:
        async with fake_slack() as slack, running(settings(folder, slack, model), slack):
            asked = await slack.say("U1", OTHERS, f"<@BOT> {QUESTION}")
            await slack.until(lambda: slack.replies(asked))
    return tuple((each["role"], each["content"]) for each in model.requests[-1]["messages"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("loop")


@pytest.fixture(scope="module")
def dataset(folder: Path, as_served: Prompt) -> Path:
    return write_task(folder / "dataset", [(as_served, ANSWER)] * TIMES)


@pytest.fixture(scope="module")
def good(folder: Path, dataset: Path, tiny_chat_model: Path) -> Path:
    """A LoRA that knows the task."""
    return train(folder / "good", dataset, tiny_chat_model)


@pytest.fixture(scope="module")
def bad(folder: Path, tiny_chat_model: Path) -> Path:
    """A LoRA that learnt the answers to other questions."""
    return train(folder / "bad", write_task(folder / "wrong", wrong=True), tiny_chat_model)


@pytest.fixture(scope="module")
def gemma(folder: Path) -> Path:
    return make_tiny_gemma(folder / "gemma")


def tune(*arguments: str | Path, **extra: str) -> Done:
    """`lorekeeper tune …` in a process of its own."""
    done = place(Path(arguments[1]).parent, **extra).run("tune", *map(str, arguments), seconds=SECONDS)
    assert done.status == 0, done.err
    return done


def train(run: Path, dataset: Path, model: Path, *more: str) -> Path:
    tune("train", run, "--dataset", dataset, "--model", model, "--validation", "0", *LEARN, *more)
    return run


def said_over_http(vllm: VllmServer, model: str, prompts: list[Prompt]) -> list[str]:
    return [vllm.said(model, prompt, LONGEST_ANSWER) for prompt in prompts]


def said_by_peft(base: BaseModel, adapter: Path, prompts: list[Prompt]) -> list[str]:
    models = LocalModels(base, adapter, Form.ADAPTER, "cpu")
    replies = dict(models.answers(prompts, LONGEST_ANSWER, tuned=True))
    return [replies[number].text for number in range(len(prompts))]


def held_out_prompts(count: int) -> list[Prompt]:
    """Some of those that were held out, with and without an answer."""
    held_out = [example.prompt for example in task() if example.split is Split.TEST]
    return held_out[:: len(held_out) // count][:count]


@pytest.mark.parametrize("method", ["lora", "dora"])
def test_greedy_answers_over_http_are_those_of_transformers_and_peft(
    method: str, folder: Path, dataset: Path, good: Path, tiny_chat_model: Path, vllm: VllmServer
) -> None:
    run = good
    if method == "dora":
        # Half of the rank is left for what a LoRA has no words for: the new lengths of the weights' rows.
        run = train(folder / method, dataset, tiny_chat_model, "--method", method, "--max-rank", str(MOST_RANK))
    assert read_run(run).form is Form.ADAPTER
    vllm.load_adapter(f"{method}-by-hand", run / SERVED)
    prompts = held_out_prompts(8)
    said = said_over_http(vllm, f"{method}-by-hand", prompts)
    assert said == said_by_peft(read_run(run).base, run / ADAPTER, prompts)
    assert len(set(said)) > 3


def test_a_tuned_gemma_says_over_http_what_transformers_and_peft_say(folder: Path, dataset: Path, gemma: Path) -> None:
    require_vllm()
    run = train(folder / "gemma-run", dataset, gemma, "--epochs", "8")
    prompts = held_out_prompts(8)
    with serve(gemma) as server:
        server.load_adapter("by-hand", run / SERVED)
        said = said_over_http(server, "by-hand", prompts)
    assert said == said_by_peft(read_run(run).base, run / ADAPTER, prompts)
    assert len(set(said)) > 1


def test_the_gate_lets_a_good_adapter_through_and_stops_a_bad_one(
    folder: Path, dataset: Path, good: Path, bad: Path, vllm: VllmServer
) -> None:
    on_server = ("--dataset", str(dataset), "--url", vllm.url, "--model", MODEL, "--json")
    passed = tune("evaluate", good, *on_server, EVALUATE_API_KEY=KEY).json
    failed = tune("evaluate", bad, *on_server, EVALUATE_API_KEY=KEY).json
    assert (passed["verdict"], failed["verdict"]) == ("passed", "failed"), (passed["reasons"], failed["reasons"])

    here = place(folder / "registry")
    assert here.run("tune", "register", str(good), "--name", "good").status == 0
    assert here.run("tune", "register", str(bad), "--name", "bad").status == 0
    assert here.run("tune", "promote", "good-1", "--namespace", "hr").status == 0
    refused = here.run("tune", "promote", "bad-1", "--namespace", "hr")
    assert (refused.status, refused.out) == (1, "")
    assert "not better" in refused.err
    forced = ("--force", "--reason", "to see what people say")
    assert here.run("tune", "promote", "bad-1", "--namespace", "hr", *forced).status == 0
    entry = here.run("tune", "show", "bad-1", "--json").json["audit"][-1]
    assert (entry["is_forced"], entry["reason"]) == (True, "to see what people say")


class Channels:
    """Two channels of a Slack: one asks the namespace that has an adapter, the other one does not."""

    def __init__(self, slack: FakeSlack, application: Application) -> None:
        self.slack = slack
        self.application = application
        self._store = AdapterStore(open_engine(application.settings.database_url, application.settings.data_dir))

    def register(self, run: Path) -> str:
        """Returns the id, of the first version."""
        here = place(self.application.settings.data_dir.parent)
        assert here.run("tune", "register", str(run), "--name", "hr").status == 0
        return "hr-1"

    def promote(self, adapter: str) -> str:
        """Returns the name that servers know it by."""
        self._store.promote("hr", adapter, "test", is_forced=True, reason="test")
        return self._store.get(adapter).served_as

    def rollback(self) -> None:
        self._store.rollback("hr", "test")

    async def ask(self, channel: str) -> Any:
        """The reply in Slack, once it is whole."""
        question = await self.slack.say("U1", channel, f"<@BOT> {QUESTION}")
        await self.slack.until(lambda: self.slack.replies(question), WAIT)
        await self.slack.until(lambda: self._is_whole(question), WAIT)
        return self.slack.replies(question)[0]

    def _is_whole(self, question: Message) -> bool:
        reply = self.slack.replies(question)[0]
        return reply.stream is None or reply.stream.state == "stopped"

    async def until_answered_by_the_adapter(self) -> Any:
        deadline = asyncio.get_running_loop().time() + WAIT
        while ANSWER not in (reply := await self.ask(HR)).shown:
            assert asyncio.get_running_loop().time() < deadline, reply.shown
        return reply


@asynccontextmanager
async def channels(folder: Path, vllm: VllmServer) -> AsyncGenerator[Channels, None]:
    generation = {"base_url": vllm.url, "api_key": KEY, "model": MODEL, "context_tokens": WINDOW, "max_tokens": 40}
    async with fake_slack() as slack:
        chosen = settings(
            folder, slack, slack={"channels": {HR: "hr"}}, generation=generation, adapters={"poll_seconds": 0.5}
        )
        async with running(chosen, slack) as bot:
            path = chosen.data_dir / "leave.md"
            path.write_text(LEAVE)
            await bot.application.documents.add_file("leave.md", path, "hr")
            assert bot.application.keep_models is not None
            keeping = asyncio.create_task(bot.application.keep_models())
            try:
                yield Channels(slack, bot.application)
            finally:
                keeping.cancel()
                await asyncio.gather(keeping, return_exceptions=True)


async def test_one_channel_is_answered_by_its_adapter_also_after_the_server_died(
    good: Path, tiny_chat_model: Path, tmp_path: Path
) -> None:
    require_vllm()
    with serve(tiny_chat_model) as first:
        async with channels(tmp_path, first) as there:
            assert ANSWER not in (await there.ask(HR)).shown
            name = there.promote(there.register(good))

            streamed = await there.until_answered_by_the_adapter()
            assert len(streamed.stream.parts) > 1
            assert name in first.models()
            assert ANSWER not in (await there.ask(OTHERS)).shown, "only one namespace was promoted"

            await asyncio.to_thread(first.kill)
            assert "13 days" in (await there.ask(HR)).shown, "the documents are quoted"
            with serve(tiny_chat_model, port=first.port) as second:
                await there.until_answered_by_the_adapter()
                assert name in second.models()
                there.rollback()
                await asyncio.sleep(2)
                assert ANSWER not in (await there.ask(HR)).shown


async def test_no_question_fails_while_adapters_are_switched(
    good: Path, bad: Path, vllm: VllmServer, tmp_path: Path
) -> None:
    here = place(tmp_path)
    for run in (good, bad):
        assert here.run("tune", "register", str(run), "--name", "hr").status == 0
    chosen = Settings.model_validate(
        {
            "data_dir": here.data,
            "generation": {"base_url": vllm.url, "api_key": KEY, "model": MODEL, "max_tokens": 24, "total_seconds": 20},
            "adapters": {"poll_seconds": 0.5},
        }
    )
    store = AdapterStore(open_engine(chosen.database_url, chosen.data_dir))
    keeper = ModelKeeper(store, chosen)
    # With this mode, whatever goes wrong is an error.
    chooser = OnlyChat(ChatGenerator(chosen.generation, lambda text: len(text.split())))
    request = GenerationRequest(QUESTION, QUESTION, (Passage("c1", "d1", "Leave", LEAVE, LEAVE, 1.0),))
    answered: list[str] = []
    enough = asyncio.Event()

    async def ask() -> None:
        while not enough.is_set():
            async with aclosing(chooser.stream(request, await keeper.model_for("hr"))) as stream:
                pieces = [piece async for piece in stream]
            answered.append(pieces[-1].generator)

    async def answered_by(name: str) -> None:
        already = len(answered)
        async with asyncio.timeout(WAIT):
            while f"chat:{name}" not in answered[already:]:
                assert not any(task.done() for task in asking)
                await asyncio.sleep(0.1)

    keeping = asyncio.create_task(keeper.keep())
    asking = [asyncio.create_task(ask()) for _ in range(4)]
    try:
        await answered_by(MODEL)
        for adapter in ("hr-1", "hr-2", "hr-1"):
            store.promote("hr", adapter, "test", is_forced=True, reason="test")
            await answered_by(store.get(adapter).served_as)
        store.rollback("hr", "test")
        await answered_by(store.get("hr-2").served_as)
    finally:
        enough.set()
        ends = await asyncio.gather(*asking, return_exceptions=True)
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
    assert ends == [None] * len(asking)
