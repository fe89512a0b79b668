"""Who may do what: each route names the permission it needs, and asks before it touches a namespace."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from http import HTTPStatus

from fastapi import Request
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException

from core.access import Caller, Permission
from core.types import DEFAULT_NAMESPACE

STATE = "caller"


def caller_of(request: Request) -> Caller:
    """Whom `Admission` found to have sent the request."""
    caller: Caller = request.scope[STATE]
    return caller


def needs(permission: Permission) -> Callable[[Request], None]:
    """A dependency for routes: 403 for callers without the permission."""

    def check(request: Request) -> None:
        if permission not in caller_of(request).permissions:
            raise HTTPException(HTTPStatus.FORBIDDEN, lacks(permission))

    return check


def lacks(permission: Permission) -> str:
    """In words."""
    return f"This key may not do that: it lacks the scope {permission}."


def not_public(request: Request) -> None:
    """A dependency for routes that show what people wrote: 403 for keys that stand in web pages for everybody."""
    if caller_of(request).is_public:
        raise HTTPException(HTTPStatus.FORBIDDEN, "A key that is bound to web pages may not do that.")


def within(request: Request, namespace: str | None) -> str:
    """The namespace, if the caller may use it; without one, their only one, or the default. Raises `HTTPException`."""
    if namespace is None:
        own = caller_of(request).namespaces
        namespace = next(iter(own)) if len(own) == 1 else DEFAULT_NAMESPACE
    if not caller_of(request).may_use(namespace):
        raise HTTPException(HTTPStatus.FORBIDDEN, f"This key may not use the namespace {namespace}.")
    return namespace


def among(request: Request, namespaces: Sequence[str] | None = None) -> frozenset[str]:
    """These namespaces, if the caller may use them; without any, all that they may use, where empty means all.

    Raises `HTTPException`.
    """
    return frozenset(within(request, each) for each in namespaces or ()) or caller_of(request).namespaces


def is_own(origin: str, headers: Headers) -> bool:
    """Whether a page with this origin is one of the gateway's own."""
    host = headers.get("host", "")
    return origin.lower() in {f"http://{host}".lower(), f"https://{host}".lower()}


def is_owner(request: Request) -> bool:
    """Whether the request brings the token that stands, readable by this user only, in the data folder."""
    return caller_of(request).is_owner


def require_owner(request: Request) -> None:
    """A dependency for routes that reach into this machine's file system."""
    if not is_owner(request):
        raise HTTPException(
            HTTPStatus.FORBIDDEN, "Only the lorekeeper command of the user who runs this server may do that."
        )
