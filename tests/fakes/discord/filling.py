"""A dialog as a person fills it in: checked as Discord's own dialog checks it, and as it is sent."""

from __future__ import annotations

from typing import Any

from tests.fakes.discord.components import FILE_UPLOAD, LABEL, ROW, SELECTS, STRING_SELECT, TEXT_INPUT
from tests.fakes.discord.message_shapes import file_json
from tests.fakes.discord.options import uploaded
from tests.fakes.discord.stage import Stage
from tests.fakes.discord.state import File, Json, Modal

_RADIO, _CHECKBOXES, _CHECKBOX = 21, 22, 23
_MANY = {STRING_SELECT, FILE_UPLOAD, _CHECKBOXES} | SELECTS


def filled(stage: Stage, modal: Modal, values: dict[str, Any]) -> tuple[list[Json], Json]:
    """The components as they are sent, and what they refer to.

    :raises LookupError: something required is missing, or does not fit.
    """
    resolved: Json = {}
    sent = [_part(stage, part, number + 1, values, resolved) for number, part in enumerate(modal.components)]
    if values:
        raise LookupError(f"the dialog has no {sorted(values)}")
    return sent, resolved


def _part(stage: Stage, part: Json, number: int, values: dict[str, Any], resolved: Json) -> Json:
    body: Json = {"type": part["type"], "id": part.get("id") or number}
    if part["type"] == ROW:
        return body | {"components": [_entered(stage, one, values, resolved) for one in part["components"]]}
    if part["type"] == LABEL:
        return body | {"component": _entered(stage, part["component"], values, resolved)}
    return body


def _entered(stage: Stage, field: Json, values: dict[str, Any], resolved: Json) -> Json:
    name, kind = field["custom_id"], field["type"]
    value = values.pop(name, _preset(field))
    empty = value in (None, "", [])
    if empty and field.get("required", kind != _CHECKBOX):
        raise LookupError(f"{name} must be filled in before the dialog can be sent")
    body: Json = {"type": kind, "custom_id": name, "id": field.get("id") or 100}
    if kind == TEXT_INPUT:
        return body | {"value": _text(field, value or "")}
    if kind in _MANY:
        return body | {"values": _many(stage, field, [] if empty else list(value), resolved)}
    return body | {"value": bool(value) if kind == _CHECKBOX else value}


def _preset(field: Json) -> Any:
    if field["type"] in (STRING_SELECT, _CHECKBOXES):
        return [option["value"] for option in field.get("options", ()) if option.get("default")]
    return field.get("value")


def _text(field: Json, value: str) -> str:
    if value and not field.get("min_length", 0) <= len(value) <= field.get("max_length", 4000):
        raise LookupError(f"{field['custom_id']} is too short or too long")
    return value


def _many(stage: Stage, field: Json, values: list[Any], resolved: Json) -> list[str]:
    if values and not field.get("min_values", 1) <= len(values) <= field.get("max_values", 1):
        raise LookupError(f"{field['custom_id']} takes another number of values")
    if field["type"] == FILE_UPLOAD:
        return [_file(stage, file, resolved) for file in values]
    known = [option["value"] for option in field.get("options", ())]
    if known and not set(values) <= set(known):
        raise LookupError(f"{field['custom_id']} has no {values}, of {known}")
    return [str(value) for value in values]


def _file(stage: Stage, file: File, resolved: Json) -> str:
    uploaded(stage, file)
    resolved.setdefault("attachments", {})[str(file.id)] = file_json(file, stage.base)
    return str(file.id)
