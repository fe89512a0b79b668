"""Who can reach the server. Pure."""

from __future__ import annotations

import ipaddress


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def is_private(host: str, public_url: str) -> bool:
    """Whether only people on this machine can reach a server there: it listens on loopback, and no proxy stands before it."""
    return is_loopback(host) and not public_url
