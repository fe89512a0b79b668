"""An address that is listened on, or a sentence that says why it cannot be."""

from __future__ import annotations

import errno
import socket

from core.errors import InvalidSettings

BACKLOG = 128


def listen(host: str, port: int, host_setting: str, port_setting: str) -> socket.socket:
    """A listening socket. Raises `InvalidSettings`, which names the settings."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host.strip("[]"), port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise InvalidSettings(_explain(host, port, error, host_setting, port_setting)) from error
    # asyncio does it only for sockets that name their protocol; without, each reply on a kept connection waits 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _explain(host: str, port: int, error: OSError, host_setting: str, port_setting: str) -> str:
    if error.errno == errno.EADDRINUSE:
        variable = f"LOREKEEPER_{port_setting.upper().replace('.', '__')}"
        return (
            f"Port {port} on {host} is in use by another program. Stop it, or choose another port: "
            f"set {port_setting}, for example {variable}={port + 1}."
        )
    return f"Cannot listen on {host}:{port}: {error.strerror or error}. Correct {host_setting} and {port_setting}."
