"""Answers by transformers and PEFT in this process, on a GPU where there is one."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from core.errors import GenerationFailed, InvalidRequest
from core.types.adapters import BaseModel, Form
from tuning.dataset.types import Prompt, as_messages
from tuning.evaluation.types import Likelihood, Reply
from tuning.training.chat_template import IGNORED, render
from tuning.training.failures import prepare_libraries, quiet
from tuning.training.models import Base, read_base

# Prompts of like length are answered together, as long as all of them with their answers have so many tokens.
TOKENS_PER_BATCH, TOKENS_PER_BATCH_ON_GPU = 8_192, 65_536

DEVICE = re.compile(r"cpu|cuda(?::[0-9]+)?")


class LocalModels:
    """One model in memory at a time. An adapter is switched off and on; a merged model takes the base's place."""

    def __init__(self, base: BaseModel, served: Path, form: Form, device: str = "") -> None:
        """Raises `InvalidRequest` where the base model is another one by now, and `MissingExtra`."""
        self._torch = _torch()
        if device and DEVICE.fullmatch(device) is None:
            raise InvalidRequest(f"--device takes cpu, cuda or cuda:N, and not {device}.")
        self._base, self._served, self._form = base, served, form
        self._device = device or ("cuda" if self._torch.cuda.is_available() else "cpu")
        self._loaded: tuple[bool, Any] | None = None
        self._known = {False: _unchanged(base)}
        self._known[True] = read_base(str(served), "") if form is Form.MERGED else self._known[False]
        self.window = min(each.window for each in self._known.values())

    @property
    def name(self) -> str:
        return f"transformers on {self._device.partition(':')[0]}"

    def count(self, prompt: Prompt) -> int:
        return len(self._ids(prompt, tuned=False))

    def answers(self, prompts: Sequence[Prompt], most_tokens: int, *, tuned: bool) -> Iterator[tuple[int, Reply]]:
        tokens = [self._ids(prompt, tuned=tuned) for prompt in prompts]
        for place, ids in enumerate(tokens):
            if len(ids) + most_tokens > self.window:
                raise GenerationFailed(
                    f"Prompt {place + 1} has {len(ids)} tokens; with an answer of {most_tokens} it does not fit the "
                    f"model's window of {self.window}. Make the data set with a smaller generation.context_tokens."
                )
        for batch in self._batches([len(ids) + most_tokens for ids in tokens]):
            yield from self._answered(batch, tokens, most_tokens, tuned=tuned)

    def likelihoods(
        self, asked: Sequence[tuple[Prompt, str]], *, tuned: bool
    ) -> Iterator[tuple[int, Likelihood | None]]:
        model, tokenizer = self._model(tuned=tuned), self._known[tuned].tokenizer
        pairs = [
            (self._ids(prompt, tuned=tuned), tokenizer(reply, add_special_tokens=False)["input_ids"])
            for prompt, reply in asked
        ]
        for batch in self._batches([len(before) + len(after) for before, after in pairs]):
            with self._torch.inference_mode(), self._switched(model, tuned=tuned):
                found = self._likelihoods(model, [pairs[place] for place in batch])
            yield from zip(batch, found, strict=True)

    def _answered(
        self, batch: list[int], tokens: list[list[int]], most: int, *, tuned: bool
    ) -> Iterator[tuple[int, Reply]]:
        """Halved where the GPU's memory does not hold the whole batch."""
        self._model(tuned=tuned)  # loading it is no part of the time
        try:
            begun = time.perf_counter()
            written = self._generated([tokens[place] for place in batch], most, tuned=tuned)
            seconds = time.perf_counter() - begun
        except self._torch.cuda.OutOfMemoryError as error:
            if len(batch) == 1:
                raise GenerationFailed(
                    "The GPU's memory does not hold one prompt. Evaluate on a server with --url, or with --device cpu."
                ) from error
            written, seconds = None, 0.0
        if written is None:
            self._torch.cuda.empty_cache()
            for half in (batch[: len(batch) // 2], batch[len(batch) // 2 :]):
                yield from self._answered(half, tokens, most, tuned=tuned)
            return
        tokenizer = self._known[tuned].tokenizer
        for place, ids in zip(batch, written, strict=True):
            yield place, Reply(tokenizer.decode(ids, skip_special_tokens=True).strip(), seconds, len(ids))

    def _generated(self, prompts: list[list[int]], most: int, *, tuned: bool) -> list[list[int]]:
        torch, model, known = self._torch, self._model(tuned=tuned), self._known[tuned]
        longest = max(map(len, prompts))
        padding = _padding(known.tokenizer)
        # On the left, so that all answers begin at the same place.
        ids = torch.tensor([[padding] * (longest - len(each)) + each for each in prompts], device=self._device)
        mask = torch.tensor([[0] * (longest - len(each)) + [1] * len(each) for each in prompts], device=self._device)
        with torch.inference_mode(), self._switched(model, tuned=tuned):
            output = model.generate(
                input_ids=ids,
                attention_mask=mask,
                max_new_tokens=most,
                do_sample=False,
                # Settings of sampling in a model's own file would only be warned about.
                temperature=None,
                top_p=None,
                top_k=None,
                eos_token_id=sorted(known.stops) or None,
                pad_token_id=padding,
            )
        return [_until(known.stops, row[longest:].tolist()) for row in output]

    def _likelihoods(self, model: Any, pairs: list[tuple[list[int], list[int]]]) -> list[Likelihood]:
        torch = self._torch
        longest = max(len(before) + len(after) for before, after in pairs)

        def padded(each: list[int], filler: int) -> list[int]:
            return each + [filler] * (longest - len(each))

        ids = torch.tensor([padded(before + after, 0) for before, after in pairs], device=self._device)
        mask = torch.tensor([padded([1] * (len(before + after)), 0) for before, after in pairs], device=self._device)
        wanted = torch.tensor(
            [padded([IGNORED] * len(before) + after, IGNORED) for before, after in pairs], device=self._device
        )
        logits = model(input_ids=ids, attention_mask=mask).logits[:, :-1].float()
        losses = torch.nn.functional.cross_entropy(
            logits.transpose(1, 2), wanted[:, 1:], ignore_index=IGNORED, reduction="none"
        )
        totals = losses.sum(dim=1).tolist()
        return [Likelihood(-total, len(after)) for total, (_, after) in zip(totals, pairs, strict=True)]

    def _batches(self, lengths: Sequence[int]) -> Iterator[list[int]]:
        """Places of prompts, those with the most tokens first: what does not fit the memory is known at once."""
        room = TOKENS_PER_BATCH_ON_GPU if self._device.startswith("cuda") else TOKENS_PER_BATCH
        batch: list[int] = []
        for place in sorted(range(len(lengths)), key=lambda place: -lengths[place]):
            if batch and (len(batch) + 1) * lengths[batch[0]] > room:
                yield batch
                batch = []
            batch.append(place)
        if batch:
            yield batch

    def _switched(self, model: Any, *, tuned: bool) -> Any:
        return model.disable_adapter() if self._form is Form.ADAPTER and not tuned else nullcontext()

    def _model(self, *, tuned: bool) -> Any:
        if self._loaded is None or (self._form is Form.MERGED and self._loaded[0] != tuned):
            self._loaded = None
            self._loaded = (tuned, self._opened(tuned=tuned))
        return self._loaded[1]

    def _opened(self, *, tuned: bool) -> Any:
        from transformers import AutoModelForCausalLM

        source, options = self._source(tuned=tuned)
        try:
            model: Any = AutoModelForCausalLM.from_pretrained(
                source,
                dtype="float32" if self._device == "cpu" else "auto",
                use_safetensors=True,
                trust_remote_code=False,
                **options,
            )
            if self._form is Form.ADAPTER:
                from peft import PeftModel

                with quiet():
                    model = PeftModel.from_pretrained(model, str(self._served))
            model.to(self._device).eval()
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            what = source if self._form is Form.MERGED else f"{source} with {self._served}"
            raise InvalidRequest(f"{what} cannot be loaded: {error}") from error
        return model

    def _source(self, *, tuned: bool) -> tuple[str, dict[str, str]]:
        """What to load, and of which revision."""
        if tuned and self._form is Form.MERGED:
            return str(self._served), {}
        is_named = self._base.revision and not Path(self._base.name).is_dir()
        return self._base.name, {"revision": self._base.revision} if is_named else {}

    def _ids(self, prompt: Prompt, *, tuned: bool) -> list[int]:
        """A merged model brings its own tokenizer, and its server uses it; an adapter is served with that of its base."""
        tokenizer = self._known[tuned].tokenizer
        text = render(tokenizer, as_messages(prompt), ask=True)
        return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def _unchanged(base: BaseModel) -> Base:
    found = read_base(base.name, base.revision)
    if found.model != base:
        raise InvalidRequest(f"{base.name} is not the model any more that the run was trained on. Train again.")
    return found


def _torch() -> Any:
    prepare_libraries()
    import torch

    return torch


def _padding(tokenizer: Any) -> int:
    return int(next(each for each in (tokenizer.pad_token_id, tokenizer.eos_token_id, 0) if each is not None))


def _until(ends: frozenset[int], ids: list[int]) -> list[int]:
    """What was written before the end; after it there is only padding."""
    return ids[: next((place for place, each in enumerate(ids) if each in ends), len(ids))]
