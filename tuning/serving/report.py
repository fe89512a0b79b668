"""Which namespace should be answered by what and is not, for `/readyz` and `lorekeeper doctor`. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from core.health import Check, State
from core.store.adapters import place
from core.types.adapters import Adapter, Form
from tuning.serving.attempts import Attempts
from tuning.serving.routes import Listed, Route

NAME = "adapters"
NOT_LOADED = "Processes that answer load it within seconds; if it stays like this, look at their log."


def report(
    routes: Mapping[str, Route],
    promoted: Mapping[str, Adapter],
    attempts: Attempts,
    named: Mapping[str, str],
    listed: Listed,
) -> Check | None:
    """None when nothing is promoted, and the settings name no model. `named`: by namespace, what they name."""
    problems: list[tuple[str, str]] = []
    well: list[str] = []
    for namespace, route in sorted(routes.items()):
        adapter = promoted[namespace]
        if named.get(namespace):
            continue
        if route.is_served:
            well.append(f"{adapter.id} answers for {place(namespace)}")
        else:
            problems.append(_problem(namespace, route, adapter, attempts))
    for namespace, model in sorted(named.items()):
        if all(model in names for names in listed.values() if names is not None):
            well.append(f"{model} answers for {place(namespace)}")
        else:
            remedy = f"Load it, or correct namespaces.{namespace}.model."
            problems.append((f"{model} should answer for {place(namespace)}, and the base model does", remedy))
    if problems:
        return Check(NAME, State.DEGRADED, "; ".join(detail for detail, _ in problems), problems[0][1])
    return Check(NAME, State.OK, "; ".join(well), "") if well else None


def _problem(namespace: str, route: Route, adapter: Adapter, attempts: Attempts) -> tuple[str, str]:
    now = route.model or "the base model"
    cause, remedy = attempts.cause(route.wanted)
    detail = f"{adapter.id} should answer for {place(namespace)}, and {now} does" + (f": {cause}" if cause else "")
    if adapter.form is Form.MERGED:
        remedy = (
            f"It is a whole model: start a server with --served-model-name {route.wanted}, or promote another version."
        )
    return detail.rstrip("."), remedy or NOT_LOADED
