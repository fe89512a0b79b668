"""The gateway: HELLO, IDENTIFY, RESUME, heartbeats, and everything that Discord closes a connection for."""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Protocol

from aiohttp import WSMsgType, web

from tests.fakes.discord import intents
from tests.fakes.discord.clock import Clock
from tests.fakes.discord.faults import Faults
from tests.fakes.discord.sessions import (
    ACK,
    HEARTBEAT,
    HELLO,
    IDENTIFY,
    INVALID_SESSION,
    PRESENCE,
    RECONNECT,
    REQUEST_MEMBERS,
    RESUME,
    VOICE,
    Connection,
    Session,
)
from tests.fakes.discord.state import Json

# How long a session waits to be resumed; Discord does not say.
RESUME_WITHIN_S = 180.0
# How long Discord waits for the other end of a close.
CLOSE_S = 1.0
# https://docs.discord.com/developers/events/gateway#rate-limiting
SENDS, SENDS_WINDOW_S = 120, 60.0
_COMPRESSIONS = ("", "zlib-stream", "zstd-stream")
LEAVING = frozenset({1000, 1001})
"""Closed by the application with one of these, a session is over."""


class Owner(Protocol):
    """Whose gateway it is: see `tests.fakes.discord.stage.Stage`."""

    clock: Clock
    faults: Faults
    revoked: bool

    def token_is(self, token: str) -> bool: ...
    def granted_intents(self) -> int: ...
    def ready(self, session: Session) -> tuple[Json, list[Json]]:
        """What READY and the GUILD_CREATEs after it carry."""
        ...

    def members_chunk(self, session: Session, asked: Json) -> Json: ...
    def violate(self, route: str, error: str, detail: str = "", *, refused: bool = True) -> None: ...
    def pulse(self) -> None: ...


class Closed(Exception):
    """Discord closes the connection."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.code, self.reason = code, reason


@dataclass
class Gateway:
    owner: Owner
    heartbeat_s: float = 41.25
    identify_every_s: float = 0.0
    """At Discord 5 seconds, for each of `max_concurrency` groups of shards; 0 does not look."""
    max_concurrency: int = 1
    must_shard: bool = False
    """As when the application is in 2,500 guilds."""
    refusing: bool = False
    """New connections are turned away."""
    connections: list[Connection] = field(default_factory=list)
    sessions: dict[str, Session] = field(default_factory=dict)
    opened: int = 0
    """Connections that there have ever been."""
    closes: list[tuple[int | None, str]] = field(default_factory=list)
    """Code and who closed it (`discord`, `application`), of connections that ended."""
    _identified: dict[int, float] = field(default_factory=dict)

    @property
    def live(self) -> list[Session]:
        """Sessions that are connected."""
        return [session for session in self.sessions.values() if session.live]

    def sessions_for(self, guild: int | None) -> list[Session]:
        """That get the events of a guild, connected or to be resumed; None: of direct messages."""
        return [session for session in self.sessions.values() if not session.ended and session.covers(guild)]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if self.refusing:
            return web.Response(status=503)
        socket = web.WebSocketResponse(max_msg_size=0, timeout=CLOSE_S)
        await socket.prepare(request)
        transport = request.transport if isinstance(request.transport, asyncio.Transport) else None
        compress = request.query.get("compress", "")
        connection = Connection(socket, transport, compress)
        if request.query.get("v") != "10" or request.query.get("encoding") != "json" or compress not in _COMPRESSIONS:
            self.owner.violate("gateway", "unsupported", str(request.rel_url))
        self.opened += 1
        self.connections.append(connection)
        connection.start()
        try:
            await self._converse(connection)
        except Closed as closed:
            # Both happen to careful applications too.
            if closed.code != 4009 and not (closed.code == 4004 and self.owner.revoked):
                self.owner.violate("gateway", str(closed.code), closed.reason)
            self._end(connection)
            await connection.close(closed.code, closed.reason)
        except ConnectionError:
            pass
        finally:
            await self._gone(connection)
        return socket

    def _end(self, connection: Connection) -> None:
        if connection.session is not None:
            connection.session.ended = True

    async def _gone(self, connection: Connection) -> None:
        await connection.stop()
        self.connections.remove(connection)
        session, code = connection.session, connection.socket.close_code
        if session is not None and session.connection is connection:
            session.connection = None
            session.left_at = self.owner.clock.now()
            left = connection.closed_by == "application" and code in LEAVING
            session.ended = session.ended or left
        self.closes.append((code, connection.closed_by))
        self.owner.pulse()

    async def _converse(self, connection: Connection) -> None:
        connection.send(HELLO, {"heartbeat_interval": int(self.heartbeat_s * 1000), "_trace": ["loopback"]})
        sends: deque[float] = deque()
        while True:
            try:
                message = await connection.socket.receive(timeout=self.heartbeat_s * 2)
            except TimeoutError:
                raise Closed(4009, "no heartbeat") from None
            if message.type in (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR):
                return
            _count(sends)
            op, data = _parsed(message.data)
            await self._received(connection, op, data)
            self.owner.pulse()

    async def _received(self, connection: Connection, op: int, data: Any) -> None:
        if op == HEARTBEAT:
            self._beat(connection, data)
        elif op == IDENTIFY:
            self._identify(connection, data)
        elif op == RESUME:
            await self._resume(connection, data)
        elif connection.session is None:
            raise Closed(4003, "not authenticated")
        elif op == REQUEST_MEMBERS:
            connection.session.dispatch("GUILD_MEMBERS_CHUNK", self.owner.members_chunk(connection.session, data))
        elif op not in (PRESENCE, VOICE):
            raise Closed(4001, f"unknown opcode {op}")

    def _beat(self, connection: Connection, seq: Any) -> None:
        connection.beats += 1
        session = connection.session
        if seq is not None and session is not None and not 0 <= int(seq) <= session.seq:
            raise Closed(4007, f"heartbeat with sequence {seq}")
        if self.owner.faults.withhold_acks:
            connection.mute = True
        connection.send(ACK)

    def _identify(self, connection: Connection, data: Json) -> None:
        if connection.session is not None:
            raise Closed(4005, "already authenticated")
        if not self.owner.token_is(str(data.get("token", ""))):
            raise Closed(4004, "authentication failed")
        wanted = data.get("intents")
        if not isinstance(wanted, int) or wanted & ~intents.KNOWN:
            raise Closed(4013, f"invalid intents {wanted}")
        if wanted & intents.PRIVILEGED & ~self.owner.granted_intents():
            raise Closed(4014, f"disallowed intents {wanted}")
        shard, shards = _shard(data.get("shard"), must=self.must_shard)
        if self._too_soon(shard):
            connection.send(INVALID_SESSION, data=False)
            return
        session = Session(f"session-{len(self.sessions) + 1}", wanted, shard, shards, connection)
        self.sessions[session.id] = session
        connection.session = session
        ready, guilds = self.owner.ready(session)
        session.dispatch("READY", ready)
        for guild in guilds:
            session.dispatch("GUILD_CREATE", guild)

    def _too_soon(self, shard: int) -> bool:
        if not self.identify_every_s:
            return False
        group, now = shard % self.max_concurrency, time.monotonic()
        soon = now < self._identified.get(group, 0.0) + self.identify_every_s
        if not soon:
            self._identified[group] = now
        return soon

    async def _resume(self, connection: Connection, data: Json) -> None:
        if connection.session is not None:
            raise Closed(4005, "already authenticated")
        if not self.owner.token_is(str(data.get("token", ""))):
            raise Closed(4004, "authentication failed")
        session, seq = self.sessions.get(str(data.get("session_id"))), data.get("seq")
        if session is None or session.ended or self._too_old(session) or self.owner.faults.take_invalid_session():
            connection.send(INVALID_SESSION, data=False)
            return
        if not isinstance(seq, int) or seq > session.seq:
            raise Closed(4007, f"resumed with sequence {seq}")
        before, session.connection = session.connection, connection
        connection.session = session
        session.left_at = None
        session.resumed += 1
        session.replay(seq)
        if before is not None and before.open:
            await before.close(4000)

    def _too_old(self, session: Session) -> bool:
        return session.left_at is not None and self.owner.clock.now() > session.left_at + RESUME_WITHIN_S

    # What a test does to connections

    async def reconnect(self) -> None:
        """Tell every session to come back, and resume."""
        for session in self.live:
            if session.connection is not None:
                session.connection.send(RECONNECT)

    async def invalidate(self, *, resumable: bool = False) -> None:
        """Tell every session that it is over, or that it may try to resume."""
        for session in self.live:
            session.ended = not resumable
            if session.connection is not None:
                session.connection.send(INVALID_SESSION, data=resumable)

    async def close(self, code: int = 4000, *, ended: bool = False) -> None:
        """Close every connection; the sessions can be resumed unless they are `ended`."""
        for connection in list(self.connections):
            if ended:
                self._end(connection)
            await connection.close(code)

    def cut(self) -> None:
        """Every connection breaks, without a word."""
        for connection in list(self.connections):
            connection.cut()

    def ask_for_heartbeats(self) -> None:
        for connection in self.connections:
            connection.send(HEARTBEAT)


def _parsed(frame: Any) -> tuple[int, Any]:
    try:
        message = json.loads(frame)
        return int(message["op"]), message.get("d")
    except (ValueError, KeyError, TypeError) as strange:
        raise Closed(4002, "decode error") from strange


def _count(sends: deque[float]) -> None:
    now = time.monotonic()
    sends.append(now)
    while sends[0] < now - SENDS_WINDOW_S:
        sends.popleft()
    if len(sends) > SENDS:
        raise Closed(4008, "rate limited")


def _shard(given: Any, *, must: bool) -> tuple[int, int]:
    if given is None:
        if must:
            raise Closed(4011, "sharding required")
        return 0, 1
    if not isinstance(given, list) or len(given) != 2 or not 0 <= given[0] < given[1]:
        raise Closed(4010, f"invalid shard {given}")
    return int(given[0]), int(given[1])
