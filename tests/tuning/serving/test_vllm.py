"""The keeper and a real vLLM: adapters are loaded, switched under questions, refused and unloaded."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from core.health import State
from core.settings import Adapters, Generation, Settings
from core.store.adapters import AdapterStore
from core.store.engine import open_engine, upgrade
from core.types.adapters import BaseModel
from tests.tiny_chat import WINDOW
from tests.tuning.serving.asking import Askers
from tests.tuning.serving.registered import registered
from tests.vllm import KEY, MODEL, MOST_RANK, VllmServer
from tuning.serving.keeper import ModelKeeper

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(600)]


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    opened = open_engine(f"sqlite:///{tmp_path / 'lorekeeper.db'}")
    upgrade(opened)
    yield opened
    opened.dispose()


def make_adapter(model: Path, folder: Path, seed: int, rank: int = 8) -> Path:
    """A LoRA that was never trained, with weights that are not nothing."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    config = LoraConfig(r=rank, target_modules="all-linear", init_lora_weights=False, task_type="CAUSAL_LM")
    get_peft_model(AutoModelForCausalLM.from_pretrained(model), config).save_pretrained(str(folder))
    return folder


async def until_it_loads(keeper: ModelKeeper, name: str) -> None:
    """On a busy machine a round may end before vLLM is done."""
    async with asyncio.timeout(120):
        while await keeper.model_for("hr") != name:
            await keeper.look()


# PEFT asks transformers by an old name.
@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")
async def test_adapters_are_switched_under_questions_and_what_it_cannot_load_is_told(
    vllm: VllmServer, tiny_chat_model: Path, tmp_path: Path, engine: Engine
) -> None:
    settings = Settings(
        data_dir=tmp_path / "data",
        generation=Generation(
            base_url=vllm.url, api_key=KEY, model=MODEL, context_tokens=WINDOW, max_tokens=16, total_seconds=60
        ),
        adapters=Adapters(poll_seconds=0.5),
    )
    store, now = AdapterStore(engine), 0.0
    keeper = ModelKeeper(store, settings, clock=lambda: now)
    made = [make_adapter(tiny_chat_model, tmp_path / f"adapter-{seed}", seed) for seed in (1, 2)]
    base = BaseModel(str(tiny_chat_model), "")
    first, second = (registered(store, settings, source=folder, base=base) for folder in made)
    large = make_adapter(tiny_chat_model, tmp_path / "large", 3, rank=2 * MOST_RANK)
    too_large = registered(store, settings, source=large, base=base)
    askers = Askers(settings, keeper)
    # What other tests loaded by hand is none of the keeper's business.
    others = vllm.models()
    async with askers.asking(4):
        assert await askers.who_answers() == {MODEL}
        store.promote("hr", first.id, "ann")
        await until_it_loads(keeper, first.served_as)
        assert await askers.who_answers() == {first.served_as}
        store.promote("hr", second.id, "ann")
        await until_it_loads(keeper, second.served_as)
        assert await askers.who_answers() == {second.served_as}
        now = 1000.0
        await keeper.look()
        now = 2000.0
        await keeper.look()
        assert vllm.models() == {*others, second.served_as}
        store.promote("hr", too_large.id, "ann")
        await until_it_loads(keeper, "")
        assert await askers.who_answers() == {MODEL}
        check = await keeper.check()
        assert check is not None
        assert (check.state, "max_lora_rank" in check.detail) == (State.DEGRADED, True)
        store.rollback("hr", "ann")
        await until_it_loads(keeper, second.served_as)
        assert await askers.who_answers() == {second.served_as}
        store.rollback("hr", "ann")
        store.rollback("hr", "ann")
        now = 3000.0
        await keeper.look()
        assert await askers.who_answers() == {MODEL}
        now = 4000.0
        await keeper.look()
    assert vllm.models() == others
    texts = {name: text for _, name, text in askers.ends}
    assert len(set(texts.values())) == 3, "each of the three writes something else"


async def test_files_that_vllm_does_not_see_are_told(
    vllm: VllmServer, tiny_chat_model: Path, tmp_path: Path, engine: Engine
) -> None:
    settings = Settings(
        data_dir=tmp_path / "data",
        generation=Generation(base_url=vllm.url, api_key=KEY, model=MODEL),
        adapters=Adapters(folder_on_server="/nowhere"),
    )
    store = AdapterStore(engine)
    keeper = ModelKeeper(store, settings)
    base = BaseModel(str(tiny_chat_model), "")
    store.promote("hr", registered(store, settings, base=base).id, "ann")
    await keeper.look()
    check = await keeper.check()
    assert check is not None
    assert "finds no adapter in /nowhere/hr-1" in check.detail
