"""Which namespace is answered by what, from what is promoted and what the servers have. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from core.types.adapters import EVERYWHERE

BASE = ""
Listed = Mapping[str, frozenset[str] | None]
"""By server, the names of the models that it has; None for one that does not answer."""


@dataclass(frozen=True, slots=True)
class Route:
    """What a namespace should be answered by, and what it is answered by, as servers name them."""

    wanted: str
    model: str

    @property
    def is_served(self) -> bool:
        return self.wanted == self.model


Routes = Mapping[str, Route]


def answering(routes: Routes, namespace: str) -> str:
    """The name of the model that answers for the namespace."""
    route = routes.get(namespace) or routes.get(EVERYWHERE)
    return route.model if route else BASE


def routed(wanted: Mapping[str, str], listed: Listed, before: Routes, failed: Collection[str]) -> dict[str, Route]:
    """By namespace. An adapter counts once every server that answers has it: whichever gets the question, knows it.

    Until then, what answered before goes on while it is there; after a failure, the base model answers. When no server
    answers, nothing is known, and nothing changes but what is wanted.
    """
    reachable = [names for names in listed.values() if names is not None]

    def is_served(model: str) -> bool:
        return bool(reachable) and all(model in names for names in reachable)

    routes = {}
    for namespace, model in wanted.items():
        old = answering(before, namespace)
        if is_served(model) or (not reachable and old == model):
            routes[namespace] = Route(model, model)
        elif model not in failed and is_served(old):
            routes[namespace] = Route(model, old)
        else:
            routes[namespace] = Route(model, BASE)
    return routes


def missing(wanted: Collection[str], listed: Listed) -> list[tuple[str, str]]:
    """(server, name) of what is not there, of servers that answer."""
    return [
        (server, name)
        for server, names in listed.items()
        if names is not None
        for name in sorted(wanted)
        if name not in names
    ]


def superfluous(listed: Listed, kept: Collection[str]) -> list[str]:
    """Names that some server has, and nobody wants."""
    return sorted(frozenset[str]().union(*(names or () for names in listed.values())) - frozenset(kept))


def changed(before: Routes, now: Routes) -> Sequence[str]:
    """Namespaces whose route is another one."""
    return sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))
