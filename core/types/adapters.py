"""Tuned models on record, and which namespace answers with which."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

EVERYWHERE = "*"
"""In the place of a namespace: all that have no promotion of their own."""


class Form(StrEnum):
    """How a tuned model is served."""

    ADAPTER = "adapter"
    """A LoRA, loaded beside its base model at run time."""
    MERGED = "merged"
    """A whole model, for a server of its own."""


class Verdict(StrEnum):
    """What the evaluation said of it."""

    PASSED = "passed"
    FAILED = "failed"
    MISSING = "not evaluated"


class Action(StrEnum):
    """What was done to what a namespace answers with."""

    PROMOTE = "promote"
    ROLLBACK = "rollback"
    RETIRE = "retire"


@dataclass(frozen=True, slots=True)
class BaseModel:
    """The model that was tuned."""

    name: str
    """On the hub, or a folder."""
    revision: str
    """The hub's commit, or `sha256:` and the hash of a folder's files."""


@dataclass(frozen=True, slots=True)
class Adapter:
    """One version of a tuned model. Its files never change; a changed file is a new version."""

    id: str
    """`NAME-NUMBER`, for people."""
    name: str
    number: int
    served_as: str
    """What the model's server calls it: the id and the beginning of the files' hash."""
    base: BaseModel
    method: str
    form: Form
    rank: int
    """0 where the form has none."""
    files: Mapping[str, str]
    """Hashes (SHA-256) of its files by their paths."""
    dataset: str
    """The data set's hash."""
    template: str
    """Fingerprint of the chat template that it was trained with."""
    prompt: str
    """Fingerprint of the prompt's wording and layout that it was trained with."""
    verdict: Verdict
    reasons: tuple[str, ...] = ()
    """Why the verdict is what it is."""
    preflight: Mapping[str, Any] = field(default_factory=dict)
    """What was found out about serving it."""
    documents: frozenset[str] = frozenset()
    """Ids of those that it learnt from."""
    people: frozenset[str] = frozenset()
    """Who it learnt from, as data sets name them."""
    registered_at: datetime | None = None
    registered_by: str = ""
    retired_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Promotion:
    """One entry of the audit: what a namespace answers with from then on."""

    namespace: str
    """Or `EVERYWHERE`; empty for a retirement."""
    adapter: str | None
    """The id; None where a rollback found none before. Of a retirement: the one that was retired."""
    action: Action
    at: datetime
    by: str
    is_forced: bool = False
    """Its evaluation, or the base model that was served, was against it."""
    reason: str = ""
