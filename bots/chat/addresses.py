"""Which servers may be asked for a file, when somebody else names them."""

from __future__ import annotations

import socket
from ipaddress import ip_address
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import ResolveResult
from aiohttp.resolver import ThreadedResolver

_PORTS = {"http": 80, "https": 443}


def is_public_url(url: str) -> bool:
    """Whether a redirect may lead there, without the token: a named host of the web, nothing inside a network."""
    try:
        scheme, host, port = origin_of(url)
    except ValueError:
        return False
    if (scheme, port) != ("https", _PORTS["https"]) or "." not in host.strip("."):
        return False
    try:
        ip_address(host)
    except ValueError:
        return not host.rstrip(".").endswith((".local", ".internal", ".localhost"))
    return False


def origin_of(url: str) -> tuple[str, str, int]:
    """Scheme, host and port. Raises `ValueError` for what has none of its own, or a name and password."""
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname or "@" in parts.netloc:
        raise ValueError(url)
    host = "127.0.0.1" if parts.hostname in {"localhost", "::1"} else parts.hostname
    return parts.scheme, host, parts.port or _PORTS[parts.scheme]


class PublicResolver(ThreadedResolver):
    """Names that lead into a network lead nowhere."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Raises `OSError`."""
        found = await super().resolve(host, port, family)
        public = [each for each in found if ip_address(each["host"].partition("%")[0]).is_global]
        if not public:
            raise OSError(f"{host} has no public address")
        return public


def public_session() -> aiohttp.ClientSession:
    """For servers that somebody else named."""
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(resolver=PublicResolver()))
