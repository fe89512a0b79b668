"""Which addresses of the web may be fetched: none that lead into the network that this program stands in.

A name is resolved here, once, and the connection goes to one of the addresses that were judged: what the name leads to
a moment later does not matter.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import httpx

from core.addresses import is_public
from core.errors import InvalidRequest
from ingest.sources.base import Unreachable

_PORTS = {"http": 80, "https": 443}
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Host and port to IP addresses. Raises `OSError`."""


@dataclass(frozen=True, slots=True)
class Target:
    """An address that may be fetched, and where to connect to for it."""

    url: httpx.URL
    addresses: tuple[str, ...]

    @property
    def host_header(self) -> str:
        return self.url.netloc.decode("ascii")

    def at(self, address: str) -> httpx.URL:
        """The same, at an IP address instead of a name."""
        return self.url.copy_with(host=address)


async def resolve(host: str, port: int) -> Sequence[str]:
    """By the system. Also takes the notations of an IPv4 address that are none in a URL: `2130706433`, `0x7f.1`."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(each[4][0]) for each in found))


class Guard:
    """`allowed_hosts`: `host` or `host:port`, by operators. `allowed_networks`: in CIDR notation."""

    def __init__(
        self, allowed_hosts: Sequence[str] = (), allowed_networks: Sequence[str] = (), resolver: Resolve = resolve
    ) -> None:
        self._hosts = frozenset(host.lower() for host in allowed_hosts)
        self._networks = tuple(ipaddress.ip_network(network, strict=False) for network in allowed_networks)
        self._resolve = resolver

    async def admit(self, address: str, *, only_https: bool = False) -> Target:
        """Raises `InvalidRequest` for what may not be fetched, `Unreachable` for a name that nobody knows."""
        url = self.parse(address)
        if only_https and url.scheme != "https":
            raise InvalidRequest(f"{shown(url)} is not protected as the address was that led there: it has no https.")
        host, port = _host_of(url), url.port or _PORTS[url.scheme]
        try:
            found = await self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise Unreachable(f"The name {host} cannot be resolved.") from error
        if not self._is_allowed_host(host, port):
            found = [each for each in found if is_public(each) or self._is_in_allowed_network(each)]
            if not found:
                raise InvalidRequest(
                    f"{host} is not a host of the internet. If it is to be read all the same, name it in "
                    "sources.allowed_hosts, or its network in sources.allowed_networks."
                )
        if not found:
            raise Unreachable(f"The name {host} has no address.")
        return Target(url, tuple(found))

    def parse(self, address: str) -> httpx.URL:
        """What can be told without resolving. Raises `InvalidRequest`."""
        try:
            url = httpx.URL(address)
            host = _host_of(url)
        except (httpx.InvalidURL, ValueError, TypeError) as error:
            raise InvalidRequest("The address cannot be read as a URL.") from error
        if url.scheme not in _PORTS or not host:
            raise InvalidRequest(f"{shown(url)} is no address of a file on the web: it begins with https://.")
        if url.userinfo:
            raise InvalidRequest(
                "An address with a name or password in it is not taken, because it is shown to people."
            )
        port = url.port or _PORTS[url.scheme]
        if port != _PORTS[url.scheme] and not self._is_allowed_host(host, port):
            raise InvalidRequest(
                f"{shown(url)} has a port of its own. If it is to be read all the same, name {host}:{port} in "
                "sources.allowed_hosts."
            )
        return url

    def _is_allowed_host(self, host: str, port: int) -> bool:
        if f"{host}:{port}" in self._hosts or f"[{host}]:{port}" in self._hosts:
            return True
        return host in self._hosts and port in _PORTS.values()

    def _is_in_allowed_network(self, address: str) -> bool:
        ip = ipaddress.ip_address(address.partition("%")[0])
        if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        return any(ip in network for network in self._networks)


def shown(url: httpx.URL) -> str:
    """Without what is after a question mark, which may hold a secret."""
    return str(url.copy_with(query=None, fragment=None, userinfo=b""))


def _host_of(url: httpx.URL) -> str:
    return url.raw_host.decode("ascii").strip("[]").rstrip(".").lower()
