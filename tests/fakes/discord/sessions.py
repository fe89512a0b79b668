"""One session of the gateway, and the WebSocket that it is on."""

from __future__ import annotations

import asyncio
import json
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.fakes.discord.state import Json

DISPATCH, HEARTBEAT, IDENTIFY, PRESENCE, VOICE, RESUME = 0, 1, 2, 3, 4, 6
_DRAIN_S = 1.0
RECONNECT, REQUEST_MEMBERS, INVALID_SESSION, HELLO, ACK = 7, 8, 9, 10, 11


@dataclass(eq=False)
class Connection:
    """One WebSocket of the application. What it is sent waits in a queue, so that nobody waits for the application."""

    socket: web.WebSocketResponse
    transport: asyncio.Transport | None
    compress: str
    """`zlib-stream`, `zstd-stream`, or nothing."""
    session: Session | None = None
    mute: bool = False
    """Nothing is sent any more, as if the other end were gone."""
    beats: int = 0
    closed_by: str = "application"
    _queue: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    _writer: asyncio.Task[None] | None = None

    @property
    def open(self) -> bool:
        return not self.socket.closed

    def start(self) -> None:
        self._writer = asyncio.create_task(self._write())

    async def stop(self) -> None:
        if self._writer is not None:
            self._writer.cancel()
            await asyncio.gather(self._writer, return_exceptions=True)

    def send(self, op: int, data: Any = None, *, name: str | None = None, seq: int | None = None) -> None:
        self._queue.put_nowait(json.dumps({"op": op, "d": data, "s": seq, "t": name}))

    async def drain(self) -> None:
        """Until everything so far is written, or cannot be."""
        ends = time.monotonic() + _DRAIN_S
        while not self._queue.empty() and self.open and not self.mute and time.monotonic() < ends:
            await asyncio.sleep(0.001)

    async def close(self, code: int, message: str = "") -> None:
        """From Discord's side, after what was sent before."""
        self.closed_by = "discord"
        await self.drain()
        await self.socket.close(code=code, message=message.encode())

    def cut(self) -> None:
        """The connection breaks, without a word."""
        if self.transport is not None:
            self.transport.abort()

    async def _write(self) -> None:
        packed = _packer(self.compress)
        while True:
            text = await self._queue.get()
            if self.mute:
                continue
            try:
                if packed is None:
                    await self.socket.send_str(text)
                else:
                    await self.socket.send_bytes(packed(text.encode()))
            except (ConnectionError, RuntimeError):
                return


def _packer(kind: str) -> Callable[[bytes], bytes] | None:
    """All that goes over one connection is one compressed stream, flushed after every event."""
    if kind == "zlib-stream":
        stream = zlib.compressobj()
        return lambda data: stream.compress(data) + stream.flush(zlib.Z_SYNC_FLUSH)
    if kind == "zstd-stream":
        # Only an application that has it asks for it.
        import zstandard

        frames = zstandard.ZstdCompressor().compressobj()
        return lambda data: frames.compress(data) + frames.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
    return None


@dataclass(eq=False)
class Session:
    """What an application identified for. It outlives its connection, until it is left or too old."""

    id: str
    intents: int
    shard: int
    shards: int
    connection: Connection | None
    seq: int = 0
    sent: list[tuple[int, str, Json]] = field(default_factory=list)
    """Sequence, name and data of every event, for whoever resumes."""
    resumed: int = 0
    left_at: float | None = None
    ended: bool = False
    """It can not be resumed."""

    @property
    def live(self) -> bool:
        return self.connection is not None and self.connection.open and not self.ended

    def covers(self, guild: int | None) -> bool:
        return (guild >> 22) % self.shards == self.shard if guild is not None else self.shard == 0

    def dispatch(self, name: str, data: Json) -> None:
        self.seq += 1
        self.sent.append((self.seq, name, data))
        if self.connection is not None:
            self.connection.send(DISPATCH, data, name=name, seq=self.seq)

    def replay(self, after: int) -> None:
        if self.connection is None:
            return
        for seq, name, data in self.sent:
            if seq > after:
                self.connection.send(DISPATCH, data, name=name, seq=seq)
        self.seq += 1
        self.connection.send(DISPATCH, {"_trace": ["loopback"]}, name="RESUMED", seq=self.seq)
