"""Checks bodies against Discord's own OpenAPI description, where that is at hand.

It lies beside the project, in `../shared/specs/discord/openapi.json`, or where `DISCORD_OPENAPI` says. Without it, only
the rules that the fake has of its own are checked.
"""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs

from tests.fakes.discord.refusals import Problem, invalid

_BESIDE = Path(__file__).parents[4] / "shared" / "specs" / "discord" / "openapi.json"
_MOST_SAID = 5


@cache
def _description() -> dict[str, Any] | None:
    path = Path(os.environ.get("DISCORD_OPENAPI", _BESIDE))
    if not path.is_file():
        return None
    loaded: dict[str, Any] = json.loads(path.read_text())
    # Ids may be sent as numbers.
    loaded["components"]["schemas"]["SnowflakeType"] = {"type": ["string", "integer"]}
    return loaded


def at_hand() -> bool:
    return _description() is not None


def is_known(method: str, template: str) -> bool:
    """Discord has that route, whether or not the fake has it."""
    description = _description()
    return description is not None and method.lower() in description["paths"].get(template, {})


@cache
def _validator(schema: str) -> jsonschema_rs.Draft202012Validator | None:
    """:param schema: JSON of a schema that may refer to the description's."""
    description = _description()
    if description is None:
        return None
    whole = {**json.loads(schema), "components": description["components"]}
    return jsonschema_rs.Draft202012Validator(whole)


@cache
def _schema_of(method: str, template: str) -> str | None:
    description = _description()
    if description is None:
        return None
    operation = description["paths"].get(template, {}).get(method.lower(), {})
    content = operation.get("requestBody", {}).get("content", {})
    schema = content.get("application/json", {}).get("schema")
    return json.dumps(schema) if schema else None


def takes_body(method: str, template: str) -> bool:
    return _schema_of(method, template) is not None


def check_body(method: str, template: str, body: Any) -> None:
    """:raises Refused: 400 with what is wrong, where the route's description says so."""
    schema = _schema_of(method, template)
    if schema is not None:
        _check(schema, body)


def check_as(name: str, body: Any) -> None:
    """Check against one of the description's schemas by its name, where a route takes several.

    :raises Refused: 400 with what is wrong.
    """
    _check(json.dumps({"$ref": f"#/components/schemas/{name}"}), body)


def _check(schema: str, body: Any) -> None:
    validator = _validator(schema)
    if validator is None or validator.is_valid(body):
        return
    found = [
        Problem(".".join(map(str, error.instance_path)), "SCHEMA", error.message[:300])
        for error in validator.iter_errors(body)
    ]
    raise invalid(*found[:_MOST_SAID])
