"""Tiny sentence-transformers models, made on the spot with random weights."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

WORDS = [
    "the",
    "a",
    "how",
    "many",
    "days",
    "of",
    "vacation",
    "do",
    "i",
    "accrue",
    "policy",
    "office",
    "travel",
    "expense",
    "report",
    "manager",
    "team",
    "page",
]


def make_tiny_model(folder: Path, *, pooling: str = "cls", seed: int = 0) -> Path:
    """A two-layer BERT of 32 dimensions with a word-piece vocabulary, saved as a sentence-transformers folder."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Dense, Pooling, Transformer
    from transformers import BertModel

    torch.manual_seed(seed)
    random.seed(seed)
    raw = folder / "raw"
    BertModel(_tiny_bert(raw)).save_pretrained(raw)
    transformer = Transformer(str(raw), max_seq_length=48)
    modules = [transformer, Pooling(32, pooling_mode=pooling), Dense(32, 16)]
    model = SentenceTransformer(modules=modules, device="cpu", prompts={"query": "how ", "document": ""})
    target = folder / "tiny"
    model.save(str(target))
    return target


def make_tiny_cross_encoder(folder: Path, seed: int = 0) -> Path:
    """The same, with one score for a pair of texts."""
    import torch
    from transformers import BertForSequenceClassification

    torch.manual_seed(seed)
    target = folder / "cross-encoder"
    BertForSequenceClassification(_tiny_bert(target, num_labels=1)).save_pretrained(target)
    return target


def _tiny_bert(folder: Path, **settings: Any) -> Any:
    """Write a tokenizer into the folder; returns the configuration of a model that fits it."""
    from transformers import BertConfig, BertTokenizer

    folder.mkdir(parents=True)
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary = dict.fromkeys([*special, *WORDS, *letters, *(f"##{letter}" for letter in letters)])
    (folder / "vocab.txt").write_text("\n".join(vocabulary))
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    return BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
        **settings,
    )
