"""Whether two forms of a tuned model answer the same: greedy answers of the one, and the other's choice at each of their tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from core.errors import InvalidRequest
from core.prompts import messages
from core.types import GenerationRequest, Passage
from core.types.adapters import BaseModel
from tuning.dataset.types import as_messages

PROMPTS, NEW_TOKENS = 8, 48
QUESTIONS = ("How much annual leave is there?", "Who approves travel?", "Is there a company yacht?")
PASSAGES = tuple(
    Passage(title, title, title, text, "", 0.9)
    for title, text in (
        ("Leave", "Annual leave accrues at 13 days per year."),
        ("Travel", "Travel to conferences needs the approval of a manager."),
    )
)
BUDGET = 2000


@dataclass(frozen=True, slots=True)
class Expected:
    """A greedy answer of what was trained."""

    tokens: torch.Tensor
    """(1, prompt and answer)."""
    prompt: int
    """How many of them are the prompt's."""
    logits: torch.Tensor
    """(answer, vocabulary), float32, on the CPU: those that each token of the answer was chosen from."""


def load_base(base: BaseModel) -> Any:
    """The model in the precision that it is stored in, ready to answer. Raises `InvalidRequest`."""
    try:
        model: Any = AutoModelForCausalLM.from_pretrained(
            base.name, revision=_commit(base), dtype="auto", use_safetensors=True, trust_remote_code=False
        )
    except (OSError, ValueError) as error:
        raise InvalidRequest(f"The model {base.name} cannot be loaded: {error}") from error
    return model.eval()


def load_tuned(base: BaseModel, folder: Path) -> Any:
    """The adapter in the folder on its base model, or the whole model in it. Raises `InvalidRequest`."""
    if not (folder / "adapter_config.json").is_file():
        return load_base(BaseModel(str(folder), ""))
    try:
        return PeftModel.from_pretrained(load_base(base), str(folder)).eval()
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        raise InvalidRequest(f"The adapter in {folder} does not fit the model {base.name}: {error}") from error


def load_tokenizer(base: BaseModel, trained: Path) -> Any:
    """The one that was saved with what was trained, or else the base model's. Raises `InvalidRequest`."""
    is_own = (trained / "tokenizer_config.json").is_file()
    name, commit = (str(trained), None) if is_own else (base.name, _commit(base))
    try:
        # Unless it is told not to, transformers asks whether to run programs that lie beside a tokenizer.
        return AutoTokenizer.from_pretrained(name, revision=commit, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise InvalidRequest(f"The tokenizer in {name} cannot be loaded: {error}") from error


def answers(base: BaseModel, trained: Path, prompts: Sequence[Sequence[Mapping[str, str]]]) -> list[Expected]:
    """What was trained, asked. Without prompts, some made up ones are asked. Raises `InvalidRequest`."""
    tokenizer = load_tokenizer(base, trained)
    model = _placed(load_tuned(base, trained))
    found = []
    with torch.inference_mode():
        for prompt in list(prompts)[:PROMPTS] or _made_up():
            asked = torch.tensor([_rendered(tokenizer, prompt)], device=model.device)
            tokens = model.generate(
                input_ids=asked,
                attention_mask=torch.ones_like(asked),
                max_new_tokens=NEW_TOKENS,
                do_sample=False,
                pad_token_id=tokenizer.pad_token_id or 0,
            )
            found.append(Expected(tokens.cpu(), asked.shape[1], _logits(model, tokens, asked.shape[1])))
    return found


def compare(expected: Sequence[Expected], base: BaseModel, folder: Path) -> dict[str, Any]:
    """How near the folder's model comes: `agreement` (share of tokens), `same_answers` of `answers`, `greatest_logit_change`."""
    model = _placed(load_tuned(base, folder))
    same: list[torch.Tensor] = []
    change = 0.0
    with torch.inference_mode():
        for each in expected:
            logits = _logits(model, each.tokens.to(model.device), each.prompt)
            same.append(logits.argmax(-1) == each.logits.argmax(-1))
            change = max(change, float((logits - each.logits).abs().max()))
    return {
        "agreement": round(float(torch.cat(same).float().mean()), 4),
        "same_answers": sum(bool(each.all()) for each in same),
        "answers": len(same),
        "greatest_logit_change": round(change, 6),
    }


def _commit(base: BaseModel) -> str | None:
    """On the hub; None for a folder, and for the latest one."""
    return None if Path(base.name).is_dir() else base.revision or None


def _logits(model: Any, tokens: torch.Tensor, prompt: int) -> torch.Tensor:
    answer = tokens.shape[1] - prompt
    logits: torch.Tensor = model(input_ids=tokens, logits_to_keep=answer + 1).logits[0, -answer - 1 : -1]
    return logits.float().cpu()


def _placed(model: Any) -> Any:
    """On the GPU, if there is one and it has room."""
    if not torch.cuda.is_available():
        return model
    size = sum(each.numel() * each.element_size() for each in model.parameters())
    free, _ = torch.cuda.mem_get_info()
    return model.to("cuda") if free > 1.3 * size + 2**30 else model


def _rendered(tokenizer: Any, prompt: Sequence[Mapping[str, str]]) -> list[int]:
    if tokenizer.chat_template:
        text = tokenizer.apply_chat_template(
            [dict(each) for each in prompt], tokenize=False, add_generation_prompt=True
        )
        return list(tokenizer(text, add_special_tokens=False)["input_ids"])
    return list(tokenizer("\n\n".join(each["content"] for each in prompt))["input_ids"])


def _made_up() -> list[list[dict[str, str]]]:
    requests = [GenerationRequest(question, question, PASSAGES) for question in QUESTIONS]
    return [as_messages(messages(request, BUDGET, lambda text: len(text.split()))) for request in requests]
