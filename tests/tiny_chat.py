"""A tiny language model with a chat template, and LoRA adapters for it that know one answer each; made on the spot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

VOCABULARY = Path(__file__).parent / "data" / "tiny_tokenizer.json"
WINDOW = 4096
TOKENS = 2048
CHAT_ML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
# With the usual, smaller ones, so narrow a model attends to nothing and can hardly be taught.
SPREAD_OF_WEIGHTS = 0.1
# The same for Gemma, whose other weights have norms of their own; a factor.
SPREAD_OF_EMBEDDINGS = 6
MOST_STEPS = 500
LEARNING_RATE = 3e-3
KNOWN_BY_HEART = 0.01
Message = dict[str, str]


def make_tiny_chat_model(folder: Path, seed: int = 0) -> Path:
    """A two-layer Llama with 0.6 million random weights."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    _tokenizer().save_pretrained(folder)
    config = LlamaConfig(
        vocab_size=TOKENS,
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=32,
        max_position_embeddings=WINDOW,
        tie_word_embeddings=True,
        pad_token_id=0,
        bos_token_id=0,
        eos_token_id=2,
        initializer_range=SPREAD_OF_WEIGHTS,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def make_tiny_gemma(folder: Path, seed: int = 0) -> Path:
    """The same as Gemma 3 is built: one key/value head, a sliding window in every other layer, its own norms."""
    import torch
    from transformers import Gemma3ForCausalLM, Gemma3TextConfig

    torch.manual_seed(seed)
    _tokenizer().save_pretrained(folder)
    config = Gemma3TextConfig(
        vocab_size=TOKENS,
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=1,
        head_dim=32,
        layer_types=["sliding_attention", "full_attention"],
        sliding_window=512,
        max_position_embeddings=WINDOW,
        tie_word_embeddings=True,
        pad_token_id=0,
        bos_token_id=0,
        eos_token_id=2,
    )
    model = Gemma3ForCausalLM(config)
    model.model.embed_tokens.weight.data *= SPREAD_OF_EMBEDDINGS
    model.save_pretrained(folder)
    return folder


def train_adapter(model: Path, folder: Path, prompt: Sequence[Message], answer: str, seed: int = 0) -> Path:
    """A LoRA (rank 16, all linear layers) that gives this answer to this prompt, in some seconds."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoTokenizer, LlamaForCausalLM

    torch.manual_seed(seed)
    tokenizer = AutoTokenizer.from_pretrained(model)
    text = tokenizer.apply_chat_template(list(prompt), tokenize=False, add_generation_prompt=True)
    asked = tokenizer(text)["input_ids"]
    answered = tokenizer(f"{answer}<|im_end|>")["input_ids"]
    tokens = torch.tensor([asked + answered])
    labels = torch.tensor([[-100] * len(asked) + answered])

    config = LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")
    adapter = get_peft_model(LlamaForCausalLM.from_pretrained(model), config)
    trained = [parameter for parameter in adapter.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=LEARNING_RATE)
    for _ in range(MOST_STEPS):
        loss = adapter(input_ids=tokens, labels=labels).loss
        if loss.item() < KNOWN_BY_HEART:
            break
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    adapter.save_pretrained(str(folder))
    return folder


def _tokenizer() -> Any:
    """A byte-level BPE of 2,048 tokens, trained on this project's documentation once: what random weights say, and what
    is learnt in a few steps, depends on it."""
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    wrap: Any = PreTrainedTokenizerFast
    fast = wrap(
        tokenizer_object=Tokenizer.from_file(str(VOCABULARY)), eos_token="<|im_end|>", pad_token="<|endoftext|>"
    )
    fast.chat_template = CHAT_ML
    return fast
