"""Who comes in, before a byte of the body is read: whose page sent the request, with which key, how often, how many at once."""

from __future__ import annotations

import hmac
import ipaddress
import time
from collections.abc import Collection
from dataclasses import dataclass
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bots.gateway.access import STATE, is_own, lacks
from bots.gateway.keyring import Keyring, Keys
from bots.gateway.problems import problem_for
from bots.gateway.rates import Rates
from core.access import ApiKey, Caller, Permission
from core.addresses import is_loopback, is_private
from core.errors import StorageFailed
from core.settings import Server

READING_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
# The web chat itself, what a load balancer asks, and the specification: there is nothing in them to protect.
OPEN_PATHS = frozenset({"/", "/embed", "/widget.js", "/healthz", "/readyz", "/openapi.json"})
OPEN_FOLDER = "/static/"
OPEN_METHODS = frozenset({"GET", "HEAD"})
ALIVE = "/healthz"
WRITTEN = ("/v1/documents", "/v1/uploads")
# A question costs about as much as ten other requests.
WEIGHTS = {"/v1/ask": 10.0, "/v1/search": 10.0, "/v1/chat/completions": 10.0}
BUSY_SECONDS = 2
CORS_SECONDS = 600
CORS_METHODS = "GET, POST, PATCH, HEAD, DELETE"
CORS_REQUEST_HEADERS = (
    "Authorization, Content-Type, Last-Event-ID, Prefer, Tus-Resumable, Upload-Length, Upload-Metadata, Upload-Offset, "
    "X-HTTP-Method-Override, X-Request-Id"
)
CORS_REPLY_HEADERS = (
    "Content-Location, Location, Retry-After, Tus-Resumable, Upload-Expires, Upload-Length, Upload-Offset, "
    "Lorekeeper-Document, Lorekeeper-Job, X-Request-ID"
)
LOCALHOST_ONLY = "This server answers only to localhost. Use http://127.0.0.1 or http://localhost with its port, or set server.public_url."
OTHER_SITE = "Requests from pages of another site are not accepted."
NO_KEY = "This server asks for a key. Send one as `Authorization: Bearer lk_…`; `lorekeeper keys create` makes it."
WRONG_KEY = "This key is unknown, revoked or expired."
OTHER_PAGE = "This key may not be used from this page."


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request does not come in."""

    status: HTTPStatus
    detail: str
    retry_after: int = 0

    def headers(self) -> dict[str, str]:
        if self.status is HTTPStatus.UNAUTHORIZED:
            return {"WWW-Authenticate": "Bearer"}
        return {"Retry-After": str(self.retry_after)} if self.retry_after else {}


class Admission:
    """Pure ASGI. Leaves the `Caller` in the scope."""

    def __init__(
        self, app: ASGIApp, server: Server, keyring: Keyring, owner_token: str, doors: Collection[str] = ()
    ) -> None:
        """`doors`: paths that know for themselves who may come in, by a platform's signature."""
        self._app = app
        self._is_local = is_loopback(server.host)
        self._is_private = is_private(server.host, server.public_url)
        self._public_host = public_host(server.public_url)
        self._keyring = keyring
        self._owner_token = owner_token
        self._doors = frozenset(doors)
        self._of_key = Rates(server.requests_per_minute_per_key, time.monotonic)
        self._of_address = Rates(server.requests_per_minute_per_address, time.monotonic)
        self._most = server.max_requests
        self._inside = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["path"] == ALIVE:
            # Says only that the process lives, so it must depend on nothing.
            scope[STATE] = Caller(permissions=frozenset())
            await self._app(scope, receive, send)
            return
        if self._inside >= self._most:
            await self._refuse(Refusal(HTTPStatus.SERVICE_UNAVAILABLE, _busy(), BUSY_SECONDS), scope, receive, send)
            return
        self._inside += 1
        try:
            if scope["path"] in self._doors:
                # What people open there, anybody can; a platform's own calls are many, and signed.
                refusal = self._too_often(scope, f"door {_address(scope)}") if scope["method"] == "GET" else None
                if refusal is not None:
                    await self._refuse(refusal, scope, receive, send)
                    return
                scope[STATE] = Caller(permissions=frozenset())
                await self._app(scope, receive, send)
                return
            await self._admit(scope, receive, send)
        finally:
            self._inside -= 1

    async def _admit(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        if self._is_local and not self._names_this_machine(headers.get("host", "")):
            # A page on the internet can make its own name point here (DNS rebinding); its Host header gives it away.
            await self._refuse(Refusal(HTTPStatus.FORBIDDEN, LOCALHOST_ONLY), scope, receive, send)
            return
        try:
            keys = await self._keyring.present(_bearer(headers))
        except StorageFailed as error:
            if not _is_open(scope["path"]) or scope["method"] not in OPEN_METHODS:
                await self._refuse(Refusal(HTTPStatus.SERVICE_UNAVAILABLE, error.message), scope, receive, send)
                return
            scope[STATE] = Caller(permissions=frozenset())
            await self._app(scope, receive, send)
            return
        origin = headers.get("origin", "").lower()
        if scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
            await _preflight(origin if origin in keys.origins() else "")(scope, receive, send)
            return
        admitted = self._judge(scope, headers, keys)
        if isinstance(admitted, Refusal):
            await self._refuse(admitted, scope, receive, send, origin if origin in keys.origins() else "")
            return
        caller, key = admitted
        scope[STATE] = caller
        allowed = origin if key is not None and origin in key.origins else ""
        await self._app(scope, receive, _with_cors(send, allowed) if allowed else send)

    def _judge(self, scope: Scope, headers: Headers, keys: Keys) -> tuple[Caller, ApiKey | None] | Refusal:
        given = _bearer(headers)
        if is_owner := bool(self._owner_token) and hmac.compare_digest(given.encode(), self._owner_token.encode()):
            key = None
        else:
            key = keys.valid(given)
        if key is not None:
            return self._judge_key(scope, headers, key)
        if _is_foreign(scope["method"], headers):
            return Refusal(HTTPStatus.FORBIDDEN, OTHER_SITE)
        if is_owner or (self._is_private and not keys.exist):
            return Caller(is_owner=is_owner), None
        return self._judge_stranger(scope, given)

    def _judge_key(self, scope: Scope, headers: Headers, key: ApiKey) -> tuple[Caller, ApiKey | None] | Refusal:
        if refusal := self._too_often(scope, _address(scope), key.id):
            return refusal
        if not _may_be_used_from(key, scope["method"], headers):
            return Refusal(HTTPStatus.FORBIDDEN, OTHER_PAGE if key.origins else OTHER_SITE)
        if scope["path"].startswith(WRITTEN) and scope["method"] in {"POST", "PATCH"} and not _may_write(key):
            # Here, because a form is received before its route can look at the caller.
            return Refusal(HTTPStatus.FORBIDDEN, lacks(Permission.WRITE))
        caller = Caller(key.permissions, key.namespaces, key.id, is_public=bool(key.origins))
        return caller, key

    def _judge_stranger(self, scope: Scope, given: str) -> tuple[Caller, ApiKey | None] | Refusal:
        is_open = _is_open(scope["path"]) and scope["method"] in OPEN_METHODS
        if is_open and not given:
            # Not counted: one look at the web chat takes some twenty small files.
            return Caller(permissions=frozenset()), None
        if refusal := self._too_often(scope, f"stranger {_address(scope)}"):
            return refusal
        return Refusal(HTTPStatus.UNAUTHORIZED, WRONG_KEY if given else NO_KEY)

    def _too_often(self, scope: Scope, address: str, key: str = "") -> Refusal | None:
        weight = WEIGHTS.get(scope["path"], 1.0) if scope["method"] == "POST" else 1.0
        wait = self._of_address.wait(address, weight)
        if key:
            wait = max(wait, self._of_key.wait(key, weight))
        if wait:
            words = f"Too many requests. Please wait {wait} second{'s' if wait > 1 else ''} and try again."
            return Refusal(HTTPStatus.TOO_MANY_REQUESTS, words, wait)
        self._of_address.take(address, weight)
        if key:
            self._of_key.take(key, weight)
        return None

    def _names_this_machine(self, host: str) -> bool:
        return is_loopback(_name(host)) or (bool(self._public_host) and host.lower() == self._public_host)

    async def _refuse(self, refusal: Refusal, scope: Scope, receive: Receive, send: Send, origin: str = "") -> None:
        response = problem_for(scope["path"], refusal.status, refusal.detail, headers=refusal.headers())
        await response(scope, receive, _with_cors(send, origin) if origin else send)


def public_host(public_url: str) -> str:
    """Host and port of an address, as a browser sends them; empty without an address."""
    return public_url.partition("://")[2].partition("/")[0].lower()


def _may_write(key: ApiKey) -> bool:
    return Permission.WRITE in key.permissions


def _busy() -> str:
    return "The server is busy. Please try again in a moment."


def _is_open(path: str) -> bool:
    return path in OPEN_PATHS or path.startswith(OPEN_FOLDER)


def _bearer(headers: Headers) -> str:
    scheme, _, given = headers.get("authorization", "").partition(" ")
    return given.strip() if scheme.lower() == "bearer" else ""


def _address(scope: Scope) -> str:
    """The sender's; of IPv6 the part that one customer has, as they have many addresses."""
    host = (scope.get("client") or ("", 0))[0]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return str(host)
    return host if address.version == 4 else str(ipaddress.ip_network((address, 64), strict=False))  # noqa: PLR2004


def _is_foreign(method: str, headers: Headers) -> bool:
    """Whether a page of another site sent it; what only reads, its page cannot see."""
    if method in READING_METHODS:
        return False
    origin = headers.get("origin")
    return (origin is not None and not is_own(origin, headers)) or _fetch_site(headers) not in {"same-origin", "none"}


def _may_be_used_from(key: ApiKey, method: str, headers: Headers) -> bool:
    origin = headers.get("origin")
    if origin is not None and origin.lower() in key.origins:
        return True
    if not key.origins:
        return not _is_foreign(method, headers)
    if origin is not None:
        return is_own(origin, headers)
    return headers.get("sec-fetch-site") == "same-origin"


def _fetch_site(headers: Headers) -> str:
    return headers.get("sec-fetch-site", "none")


def _name(host: str) -> str:
    return host[: host.index("]") + 1] if host.startswith("[") and "]" in host else host.partition(":")[0]


def _preflight(origin: str) -> Response:
    """What a browser asks before a page of another site may send a request with a key."""
    if not origin:
        return Response(status_code=HTTPStatus.FORBIDDEN, headers={"Vary": "Origin"})
    return Response(
        status_code=HTTPStatus.NO_CONTENT,
        headers={
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Allow-Methods": CORS_METHODS,
            "Access-Control-Allow-Headers": CORS_REQUEST_HEADERS,
            "Access-Control-Max-Age": str(CORS_SECONDS),
            "Vary": "Origin",
        },
    )


def _with_cors(send: Send, origin: str) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["Access-Control-Allow-Origin"] = origin
            headers["Access-Control-Expose-Headers"] = CORS_REPLY_HEADERS
            headers["Cross-Origin-Resource-Policy"] = "cross-origin"
            headers.add_vary_header("Origin")
        await send(message)

    return sending
