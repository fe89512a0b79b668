"""Who can reach the server, and addresses for people. Pure."""

from __future__ import annotations

import ipaddress
import re


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def is_private(host: str, public_url: str) -> bool:
    """Whether only people on this machine can reach a server there: it listens on loopback, and no proxy stands before it."""
    return is_loopback(host) and not public_url


def without_password(url: str) -> str:
    """For logs and people: without the name and password that may be in it."""
    return re.sub(r"(?<=//)[^/?#]*@", "", url)


def is_public(address: str) -> bool:
    """Whether an IP address is one of the internet, whose reachability tells nothing of the network that we are in.

    Addresses that carry an IPv4 address are what that one is; ways into other networks by tunnel are none.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or (_last_32_bits(ip) if ip in _NAT64 else None)
        if inner is not None:
            return is_public(str(inner))
        if ip.is_site_local or any(ip in network for network in _TUNNELS):
            return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved and ip not in _PLATFORM


def _last_32_bits(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address:
    return ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)


# RFC 6052: on networks with IPv6 alone, every IPv4 host of the internet is reached through it.
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# IPv4-compatible (RFC 4291), Teredo (RFC 4380), 6to4 (RFC 3056).
_TUNNELS = tuple(map(ipaddress.ip_network, ("::/96", "2001::/32", "2002::/16")))
# Azure's machines find their platform, credentials included, at this one.
_PLATFORM = frozenset({ipaddress.ip_address("168.63.129.16")})
