"""All that is known before the first step: model, template, examples and options. No weights are read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from core.errors import InvalidRequest
from core.types.adapters import BaseModel
from tuning.dataset.types import digest
from tuning.training.chat_template import Template, read_template
from tuning.training.examples import Learnt, learnt, read_material, reasons
from tuning.training.failures import prepare_libraries
from tuning.training.families import GENERAL, Family, family_of
from tuning.training.methods import WAYS, Method, check_method, is_virtual
from tuning.training.models import Base, read_base
from tuning.training.options import Asked, Options, Sizes, resolve
from tuning.training.run import ADAPTER, Run, Stage, State, hashes, read_run


@dataclass(frozen=True, slots=True)
class Prepared:
    """A training that can begin. Other options of the same examples: `dataclasses.replace(prepared, options=…)`."""

    base: Base
    template: Template
    learnt: Learnt
    options: Options
    family: Family
    start: Path | None
    """The run that is continued."""

    @property
    def validated(self) -> int:
        """Examples that are held out."""
        return len(self.learnt.validation)

    @property
    def steps(self) -> int:
        """About how many there will be."""
        return max(1, round(len(self.learnt.train) * self.options.epochs / self.options.batch))

    def notes(self) -> Iterator[str]:
        """What a person should know before it begins, a sentence each."""
        if self.family is GENERAL:
            kind = self.base.config.model_type
            yield f"Models of the kind {kind} are not known here, so general defaults are used. Search for better: --search"
        if warning := WAYS[self.options.method].serving:
            yield warning
        if self.learnt.left_out:
            total = sum(self.learnt.left_out.values())
            yield f"{total} of {self.learnt.used.examples} examples are left out: {reasons(self.learnt.left_out)}."
        if not self.validated:
            yield "No documents are held out for a validation loss: there are too few examples, or none was wanted."


def prepare(asked: Asked) -> Prepared:
    """Raises `InvalidRequest` and `MissingExtra`."""
    prepare_libraries()
    before = _continued(asked)
    method = asked.method or (Method(before.method) if before else Method.LORA)
    name, revision = asked.model, asked.revision
    if before and not name:
        name, revision = before.base.name, "" if Path(before.base.name).is_dir() else before.base.revision
    base = read_base(name, revision)
    if before:
        _check_continues(before, base.model, method, asked)
    check_method(method, base.parameters, force=asked.force)
    template = read_template(base.tokenizer, base.stops, name)
    if before and before.template != template.fingerprint:
        raise InvalidRequest(
            f"{asked.start} was trained with another chat template than {name} has now. Train it again."
        )
    family = family_of(base.config.get_text_config().to_dict())
    found = _learnt(asked, base, template, (asked.virtual_tokens or family.virtual_tokens) if is_virtual(method) else 0)
    options = resolve(asked, method, family, _sizes(found, base.parameters))
    started_from = digest(hashes(asked.start / ADAPTER)) if asked.start else ""
    options = replace(options, examples=found.hash, started_from=started_from)
    return Prepared(base, template, found, options, family, asked.start)


def processes() -> int:
    """That train together, as accelerate or torchrun started them."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_main() -> bool:
    """Whether this process writes and prints."""
    return os.environ.get("RANK", "0") == "0"


def _learnt(asked: Asked, base: Base, template: Template, virtual: int) -> Learnt:
    longest = min(base.window - virtual, asked.max_length or base.window)
    material = read_material(asked.dataset, asked.stage, force=asked.force)
    return learnt(material, template, asked.stage, longest, asked.validation, asked.seed)


def _sizes(found: Learnt, parameters: int) -> Sizes:
    import torch

    has_gpu = torch.cuda.is_available()
    return Sizes(
        len(found.train),
        found.mean,
        found.longest,
        parameters,
        processes(),
        has_gpu,
        has_gpu and torch.cuda.is_bf16_supported(),
    )


def _continued(asked: Asked) -> Run | None:
    if asked.start is None:
        return None
    run = read_run(asked.start)
    if run.state is not State.FINISHED:
        raise InvalidRequest(
            f"{asked.start} is not finished. Finish it first: the command that began it goes on with it."
        )
    return run


def _check_continues(before: Run, base: BaseModel, method: Method, asked: Asked) -> None:
    if asked.stage is not Stage.DPO:
        raise InvalidRequest("--from is for --stage dpo, which continues what was trained on examples.")
    if method != before.method:
        raise InvalidRequest(f"{asked.start} was trained by {before.method}, so it cannot be continued by {method}.")
    if is_virtual(method):
        raise InvalidRequest(
            f"Virtual tokens ({method}) cannot be trained further. Continue a run by another method, such as lora."
        )
    if base.revision != before.base.revision:
        raise InvalidRequest(
            f"{asked.start} was trained on another revision of its base model than {base.name} is now."
        )
