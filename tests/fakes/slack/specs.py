"""Checks a call against what its method takes and asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.fakes.slack.methods import MethodSpec
from tests.fakes.slack.refusals import Refused

# Of every method: the token itself, and the workspace, which Bolt adds to every call.
_ALWAYS = frozenset({"token", "team_id"})
# Any of these makes a message.
CONTENTS = ("text", "blocks", "attachments", "markdown_text")
# Scopes of a conversation's kind: which of a method's alternatives is asked for.
_KINDS = {"C": "channels:", "G": "groups:", "D": "im:", "M": "mpim:"}


def check_required(spec: MethodSpec, arguments: Mapping[str, Any]) -> None:
    """:raises Refused: `invalid_arguments` with the field that is missing."""
    missing = sorted(name for name in spec.required if arguments.get(name) in (None, ""))
    # An empty status is how a status is cleared.
    if missing == ["status"] and "status" in arguments:
        return
    if missing:
        raise Refused("invalid_arguments", f"missing required field: {', '.join(missing)}")


def unknown_arguments(spec: MethodSpec, arguments: Mapping[str, Any]) -> list[str]:
    """Names that Slack would pass over in silence."""
    return sorted(set(arguments) - spec.required - spec.optional - _ALWAYS)


def needed_scope(spec: MethodSpec, granted: frozenset[str], kind: str | None) -> str | None:
    """The scope that is missing, or None. `kind`: C public, G private, D direct, M group of people, None elsewhere."""
    own = tuple(scope for scope in spec.scopes if kind and scope.startswith(_KINDS[kind]))
    wanted = own or spec.scopes
    return None if not wanted or any(scope in granted for scope in wanted) else wanted[0]


def check_scope(spec: MethodSpec, granted: frozenset[str], kind: str | None) -> None:
    """:raises Refused: `missing_scope`."""
    missing = needed_scope(spec, granted, kind)
    if missing:
        raise Refused("missing_scope", extra={"needed": missing, "provided": ",".join(sorted(granted))})
