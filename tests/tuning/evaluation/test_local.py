"""Answers in this process: those of the model alone, in batches, with the adapter on and off, or merged."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.errors import GenerationFailed, InvalidRequest
from core.types.adapters import BaseModel, Form, Verdict
from tests.tiny_chat import make_tiny_chat_model
from tests.tuning.evaluation.made import about_leave, held_out_of, write_dataset, write_finished_run
from tests.tuning.evaluation.tiny import teach, train
from tuning.dataset.types import Prompt
from tuning.evaluation.evaluate import Options, Outcome, evaluate
from tuning.evaluation.local import LocalModels
from tuning.evaluation.types import Contender
from tuning.training.models import folder_revision
from tuning.training.run import SERVED

pytestmark = [
    pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing.:FutureWarning"),
    pytest.mark.filterwarnings("ignore:Model (has|with) .tie_word_embeddings:UserWarning"),
]
EXAMPLES = about_leave(32, unanswerable=8)
PAIRS = [(each.prompt, each.answer) for each in EXAMPLES]
GENERAL: list[tuple[Prompt, str]] = [
    ((("user", f"What follows {number}?"),), f"{number + 1} of course") for number in range(4)
]
SHORT: list[Prompt] = [each.prompt for each in EXAMPLES[:3]] + [GENERAL[0][0]]


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """So that batches and single prompts add up in the same order, and other tests have the other processors."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model that knows what follows some numbers, and nothing else."""
    folder = tmp_path_factory.mktemp("tiny")
    return teach(make_tiny_chat_model(folder / "random"), folder / "model", GENERAL, 40, at_once=4)


@pytest.fixture(scope="module")
def good(model: Path) -> Path:
    """Answers about leave, and has kept what the base knows."""
    return train(model, model.parent / "good", [*PAIRS[:6], *PAIRS[-3:], *GENERAL * 2], 30, at_once=6)


@pytest.fixture(scope="module")
def general(model: Path) -> Path:
    """The general questions as a file."""
    path = model.parent / "general.jsonl"
    lines = [f'{{"question": "{prompt[0][1]}", "answers": ["{answer}"]}}' for prompt, answer in GENERAL]
    path.write_text("\n".join(lines))
    return path


def base_of(model: Path) -> BaseModel:
    return BaseModel(str(model), folder_revision(model))


def local(model: Path, served: Path, form: Form = Form.ADAPTER) -> LocalModels:
    return LocalModels(base_of(model), served, form, "cpu")


def said(models: LocalModels, prompts: list[Prompt], *, tuned: bool) -> list[str]:
    replies = dict(models.answers(prompts, 24, tuned=tuned))
    return [replies[place].text for place in range(len(prompts))]


def generated(model: Any, tokenizer: Any, prompt: Prompt) -> str:
    """By transformers alone, one prompt at a time."""
    messages = [{"role": role, "content": content} for role, content in prompt]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    ids = tokenizer(text, return_tensors="pt")["input_ids"]
    output = model.generate(input_ids=ids, attention_mask=ids.new_ones(ids.shape), max_new_tokens=24, do_sample=False)
    return str(tokenizer.decode(output[0, ids.shape[1] :], skip_special_tokens=True)).strip()


def test_batches_say_what_the_models_alone_say(model: Path, good: Path) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(model)
    alone: Any = AutoModelForCausalLM.from_pretrained(model)
    models = local(model, good)
    assert said(models, SHORT, tuned=False) == [generated(alone, tokenizer, each) for each in SHORT]
    tuned: Any = PeftModel.from_pretrained(alone, str(good))
    assert said(models, SHORT, tuned=True) == [generated(tuned, tokenizer, each) for each in SHORT]
    assert said(models, SHORT, tuned=True) != said(models, SHORT, tuned=False)


def test_a_merged_model_says_what_its_adapter_says(model: Path, good: Path, tmp_path: Path) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(model)
    merged: Any = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(model), str(good))
    merged.merge_and_unload().save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    models = local(model, tmp_path, Form.MERGED)
    assert said(models, SHORT, tuned=True) == said(local(model, good), SHORT, tuned=True)
    assert said(models, SHORT, tuned=False) == said(local(model, good), SHORT, tuned=False)


def test_likelihoods_are_those_of_the_answers_tokens(model: Path, good: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(model)
    alone: Any = AutoModelForCausalLM.from_pretrained(model)
    prompt, answer = GENERAL[3][0], "parrots in pairs"
    text = f"<|im_start|>user\n{prompt[0][1]}<|im_end|>\n<|im_start|>assistant\n"
    before, after = tokenizer(text)["input_ids"], tokenizer(answer)["input_ids"]
    with torch.inference_mode():
        likely = alone(torch.tensor([before + after])).logits[0].log_softmax(-1)
    expected = sum(float(likely[len(before) + place - 1, token]) for place, token in enumerate(after))

    found = dict(local(model, good).likelihoods([*GENERAL[:3], (prompt, answer), *PAIRS[:2]], tuned=False))[3]
    assert found is not None
    assert found.tokens == len(after)
    assert math.isclose(found.total, expected, rel_tol=1e-4)


def test_a_model_that_changed_since_is_refused(model: Path, good: Path) -> None:
    other = replace(base_of(model), revision="sha256:0")
    with pytest.raises(InvalidRequest, match="not the model any more"):
        LocalModels(other, good, Form.ADAPTER, "cpu")


def test_a_device_that_is_none_is_refused(model: Path, good: Path) -> None:
    with pytest.raises(InvalidRequest, match="--device takes cpu, cuda or cuda:N, and not gpu"):
        LocalModels(base_of(model), good, Form.ADAPTER, "gpu")


def test_what_is_no_adapter_is_refused(model: Path, tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(InvalidRequest, match="cannot be loaded"):
        said(local(model, tmp_path), SHORT, tuned=True)


def test_a_prompt_beyond_the_window_is_told(model: Path, good: Path) -> None:
    with pytest.raises(GenerationFailed, match="does not fit the model's window of 4096"):
        said(local(model, good), [(("user", "word " * 5000),)], tuned=False)


def evaluated(folder: Path, model: Path, adapter: Path, general: Path) -> Outcome:
    """The adapter as a run serves it, with the questions about leave."""
    run = write_finished_run(folder / "run", write_dataset(folder / "own", EXAMPLES), base_of(model))
    for path in adapter.iterdir():
        (run / SERVED / path.name).write_bytes(path.read_bytes())
    models = local(model, run / SERVED)
    held_out = held_out_of(EXAMPLES)
    options = Options(resamples=2000, general=general, shots=1)
    return evaluate(run, base_of(model), held_out, models, options, lambda *_: None)


def test_a_good_adapter_passes(model: Path, good: Path, general: Path, tmp_path: Path) -> None:
    found = evaluated(tmp_path, model, good, general)
    assert found.verdict is Verdict.PASSED, found.reasons
    score, base = found.contest.figures[Contender.ADAPTER]["score"], found.contest.figures[Contender.BASE]["score"]
    assert score is not None
    assert base is not None
    assert score.estimate > 0.9
    assert base.estimate < 0.5
    assert found.general.forgetting.base > 0.8


def test_an_adapter_that_does_nothing_is_not_better(model: Path, general: Path, tmp_path: Path) -> None:
    """As LoRA begins, one of its two matrices is zero."""
    found = evaluated(tmp_path, model, train(model, tmp_path / "nothing", PAIRS, 0), general)
    assert found.verdict is Verdict.FAILED
    assert "its score differs by +0.000" in found.reasons[0]
    assert found.general.forgetting.drop.estimate == 0


def test_garbage_fails_and_has_forgotten(model: Path, general: Path, tmp_path: Path) -> None:
    garbage = [(prompt, "parrot pirate parrot pirate") for prompt, _ in GENERAL]
    found = evaluated(tmp_path, model, train(model, tmp_path / "garbage", garbage, 15), general)
    assert found.verdict is Verdict.FAILED
    said = " ".join(found.reasons)
    assert "not better" in said
    assert "It forgets" in said
    surprise = found.general.forgetting.surprise
    assert surprise is not None
    assert surprise.low > 1
