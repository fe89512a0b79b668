"""Adapters of a tiny model that were trained on several answers at once, made on the spot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tuning.dataset.types import Prompt

RATE = 1e-2
Pairs = Sequence[tuple[Prompt, str]]


def train(model: Path, folder: Path, pairs: Pairs, steps: int, at_once: int = 8, seed: int = 0) -> Path:
    """A LoRA that learns these answers; saved as PEFT saves it."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaForCausalLM

    torch.manual_seed(seed)
    config = LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")
    adapter: Any = get_peft_model(LlamaForCausalLM.from_pretrained(model), config)
    _learn(adapter, model, pairs, steps, at_once)
    adapter.save_pretrained(str(folder))
    return folder


def teach(model: Path, folder: Path, pairs: Pairs, steps: int, at_once: int = 8) -> Path:
    """The model itself, changed so that it knows these answers."""
    import torch
    from transformers import AutoTokenizer, LlamaForCausalLM

    torch.manual_seed(0)
    taught: Any = LlamaForCausalLM.from_pretrained(model)
    _learn(taught, model, pairs, steps, at_once, rate=3e-3)
    taught.save_pretrained(folder)
    AutoTokenizer.from_pretrained(model).save_pretrained(folder)
    return folder


def _learn(model: Any, source: Path, pairs: Pairs, steps: int, at_once: int, rate: float = RATE) -> None:
    import torch
    from transformers import AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(source)
    rows = [_tokens(tokenizer, prompt, answer) for prompt, answer in pairs]
    optimizer = torch.optim.AdamW([each for each in model.parameters() if each.requires_grad], lr=rate)
    order = torch.Generator().manual_seed(0)
    model.train()
    for _ in range(steps):
        chosen = [rows[place] for place in torch.randperm(len(rows), generator=order)[:at_once].tolist()]
        longest = max(len(ids) for ids, _ in chosen)
        ids = torch.tensor([ids + [0] * (longest - len(ids)) for ids, _ in chosen])
        mask = torch.tensor([[1] * len(ids) + [0] * (longest - len(ids)) for ids, _ in chosen])
        labels = torch.tensor([labels + [-100] * (longest - len(labels)) for _, labels in chosen])
        model(input_ids=ids, attention_mask=mask, labels=labels).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()


def _tokens(tokenizer: Any, prompt: Prompt, answer: str) -> tuple[list[int], list[int]]:
    messages = [{"role": role, "content": content} for role, content in prompt]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    asked, answered = tokenizer(text)["input_ids"], tokenizer(f"{answer}<|im_end|>")["input_ids"]
    return asked + answered, [-100] * len(asked) + answered
