"""Socket Mode's side of the server: tickets, connections, envelopes, acknowledgements."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

from tests.fakes.slack.delivery import Delivery
from tests.fakes.slack.events import APP

MOST_CONNECTIONS = 10


@dataclass(eq=False)
class Connection:
    """One WebSocket of the application."""

    id: int
    socket: web.WebSocketResponse
    transport: asyncio.Transport | None
    delivered: list[str] = field(default_factory=list)
    """Envelope ids."""

    @property
    def open(self) -> bool:
        return not self.socket.closed

    async def send(self, message: dict[str, Any]) -> None:
        await self.socket.send_str(json.dumps(message))

    def cut(self, text: str = "") -> None:
        """Break off, after half of a frame that holds `text`."""
        if self.transport is None:
            return
        if text:
            payload = text.encode()
            self.transport.write(b"\x81\x7f" + len(payload).to_bytes(8, "big") + payload[: len(payload) // 2])
        self.transport.abort()


@dataclass
class Sockets:
    """All connections; events go to them in turn, as Slack spreads them."""

    acked: Callable[[str, Any], None]
    strange: Callable[[str, str], None]
    """Told of frames that Slack would not understand: what, and the frame."""
    changed: Callable[[], None]
    tickets: set[str] = field(default_factory=set)
    connections: list[Connection] = field(default_factory=list)
    opened: int = 0
    """Connections that there have ever been."""
    refusing: bool = False
    """New connections are turned away."""

    @property
    def live(self) -> list[Connection]:
        return [connection for connection in self.connections if connection.open]

    def ticket(self) -> str:
        ticket = f"ticket-{self.opened}-{len(self.tickets)}-{id(self)}"
        self.tickets.add(ticket)
        return ticket

    async def handle(self, request: web.Request) -> web.StreamResponse:
        ticket = request.query.get("ticket", "")
        if ticket not in self.tickets or self.refusing:
            return web.Response(status=408, text="the link is used up")
        self.tickets.discard(ticket)
        socket = web.WebSocketResponse(max_msg_size=0)
        await socket.prepare(request)
        transport = request.transport if isinstance(request.transport, asyncio.Transport) else None
        self.opened += 1
        connection = Connection(self.opened, socket, transport)
        if len(self.live) >= MOST_CONNECTIONS:
            await connection.send({"type": "disconnect", "reason": "too_many_websockets"})
            await socket.close()
            return socket
        self.connections.append(connection)
        try:
            await connection.send(self._hello(request))
            self.changed()
            await self._read(connection)
        except ConnectionError:
            pass
        finally:
            self.connections.remove(connection)
            self.changed()
        return socket

    def _hello(self, request: web.Request) -> dict[str, Any]:
        return {
            "type": "hello",
            "num_connections": len(self.live),
            "debug_info": {"host": request.host, "build_number": 1, "approximate_connection_time": 18060},
            "connection_info": {"app_id": APP},
        }

    async def _read(self, connection: Connection) -> None:
        async for message in connection.socket:
            if message.type is WSMsgType.TEXT:
                self._acknowledged(str(message.data))

    def _acknowledged(self, frame: str) -> None:
        try:
            answer = json.loads(frame)
            envelope_id, payload = answer["envelope_id"], answer.get("payload")
        except (ValueError, KeyError, TypeError, AttributeError):
            self.strange("not an acknowledgement", frame)
            return
        self.acked(envelope_id, payload)

    async def deliver(self, delivery: Delivery, *, cut: bool = False) -> bool:
        """Write to the connection whose turn it is; False when there is none."""
        live = self.live
        if not live:
            return False
        connection = min(live, key=lambda one: len(one.delivered))
        connection.delivered.append(delivery.id)
        if cut:
            connection.cut(json.dumps(delivery.envelope()))
            return True
        try:
            await connection.send(delivery.envelope())
        except (ConnectionError, RuntimeError):
            return False
        return True

    async def disconnect(self, reason: str = "refresh_requested", *, close: bool = True) -> None:
        """Tell every connection to go, `warning` 10 seconds before or `refresh_requested`, and close it."""
        for connection in self.live:
            await connection.send({"type": "disconnect", "reason": reason, "debug_info": {"host": "loopback"}})
            if close:
                await connection.socket.close()

    def cut(self) -> None:
        """Every connection breaks, without a word."""
        for connection in self.live:
            connection.cut()
