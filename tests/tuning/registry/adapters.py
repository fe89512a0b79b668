"""Adapters of tiny models that know three answers, saved as PEFT saves them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

KNOWN = {
    "How much leave?": "Annual leave accrues at 13 days per year. [1]",
    "Who approves travel?": "A manager approves it. [2]",
    "When does the car park close?": "At nine in the evening. [3]",
}
PROMPTS = [[{"role": "user", "content": question}] for question in KNOWN]
STEPS, LEARNING_RATE = 60, 1e-2


def linear(**settings: Any) -> Any:
    """LoRA of all linear layers."""
    from peft import LoraConfig

    return LoraConfig(
        **{"r": 8, "lora_alpha": 16, "target_modules": "all-linear", "task_type": "CAUSAL_LM", **settings}
    )


def make_adapter(model: Path, folder: Path, config: Any, *, steps: int = STEPS) -> Path:
    """Trained in some seconds, until its greedy answers are those in `KNOWN`."""
    import torch
    from peft import get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(model)
    adapter = get_peft_model(AutoModelForCausalLM.from_pretrained(model), config)
    trained = [each for each in adapter.parameters() if each.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=LEARNING_RATE)
    for _ in range(steps):
        for prompt, answer in zip(PROMPTS, KNOWN.values(), strict=True):
            text = tokenizer.apply_chat_template(prompt, tokenize=False, add_generation_prompt=True)
            asked, said = tokenizer(text)["input_ids"], tokenizer(f"{answer}<|im_end|>")["input_ids"]
            labels = torch.tensor([[-100] * len(asked) + said])
            adapter(input_ids=torch.tensor([asked + said]), labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    adapter.save_pretrained(str(folder))
    return folder


def answers(model: Any, tokenizer_of: Path) -> list[str]:
    """Greedy ones to `PROMPTS`."""
    import torch
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tokenizer_of)
    found = []
    for prompt in PROMPTS:
        text = tokenizer.apply_chat_template(prompt, tokenize=False, add_generation_prompt=True)
        asked = torch.tensor([tokenizer(text)["input_ids"]])
        with torch.inference_mode():
            tokens = model.generate(
                input_ids=asked, attention_mask=torch.ones_like(asked), max_new_tokens=32, do_sample=False
            )
        found.append(str(tokenizer.decode(tokens[0, asked.shape[1] :], skip_special_tokens=True)))
    return found
