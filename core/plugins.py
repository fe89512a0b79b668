"""Plug-ins are named as `package.module:attribute` and loaded when first used."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def load(name: str) -> Any:
    """The attribute that `package.module:attribute` names. Raises what importing the module raises."""
    module, _, attribute = name.partition(":")
    return getattr(import_module(module), attribute)
