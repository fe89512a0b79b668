"""The state of one dependency, as `/readyz` and `lorekeeper doctor` report it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How well a dependency does."""

    OK = "ok"
    DEGRADED = "degraded"
    """Questions are answered, but in a lesser way."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Check:
    """One dependency. `remedy` says what to do and is empty when nothing is wrong."""

    name: str
    state: State
    detail: str
    remedy: str = ""
