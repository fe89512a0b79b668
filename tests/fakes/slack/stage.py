"""What all parts of the fake stand on: its memory, its clock, its records, and the way events go out."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import aiohttp

from tests.fakes.slack import events as shapes
from tests.fakes.slack.clock import Clock, SystemClock
from tests.fakes.slack.delivery import Answer, Delivery, HttpEndpoint, Kind, post
from tests.fakes.slack.faults import Faults
from tests.fakes.slack.limits import RateLimits
from tests.fakes.slack.pings import Ping, pings_in
from tests.fakes.slack.refusals import Call, Violation
from tests.fakes.slack.sockets import Sockets
from tests.fakes.slack.state import Channel, Installation, Json, Message, View, Workspaces

# Slack does not say how long an idle stream lives; a test shortens it or calls `expire`.
STREAM_IDLE_S = 300.0
LOOK_EVERY_S = 0.002
TRIGGER_S = 3.0
STATUS_S = 120.0


class Stage:
    """The state that tests read; `People` and `Interactions` act on it."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock = clock or SystemClock()
        self.world = Workspaces()
        self.faults = Faults()
        self.limits = RateLimits(self.clock)
        self.app_token = "xapp-1-A0LORE-app-level"
        self.subscriptions: set[str] = set(shapes.EVENTS)
        self.echo = True
        """The application hears of its own messages too, as at Slack."""
        self.stream_idle_s = STREAM_IDLE_S
        self.trigger_s = TRIGGER_S
        self.calls: list[Call] = []
        self.throttled: list[Call] = []
        self.violations: list[Violation] = []
        self.pings: list[Ping] = []
        """What would notify people: every mention that went through, ephemeral or not."""
        self.deliveries: list[Delivery] = []
        self.http: HttpEndpoint | None = None
        """Set: events are posted there. None: Socket Mode."""
        self.lose_while_down = False
        """What is sent while the application is away (no socket is connected, or no answer by HTTP) never comes again."""
        self.largest_page = 1000
        """Lists come in pages of so many at most, whatever `limit` asks for."""
        self.sockets = Sockets(self._acked, self._strange, self.pulse)
        self.triggers: dict[str, tuple[float, str, str]] = {}
        """By id: until when, whose, in which workspace. Used up by opening a view."""
        self.used_triggers: set[str] = set()
        self.responses: dict[str, tuple[str, Message | None, str, str | None]] = {}
        """response_url ids: channel, the message that it belongs to, user, thread."""
        self.response_uses: dict[str, int] = {}
        self.codes: dict[str, str] = {}
        """OAuth codes that can be exchanged once: code to workspace."""
        self.base = ""
        self.session: aiohttp.ClientSession | None = None
        self._by_id: dict[str, Delivery] = {}
        self._events = itertools.count(1)
        self._pulse = asyncio.Event()
        self._tasks: set[asyncio.Task[Any]] = set()

    # Records and waiting

    def violate(self, method: str, error: str, detail: str = "", *, refused: bool = True) -> None:
        self.violations.append(Violation(method, error, detail, refused))

    def note_pings(self, method: str, sent: Mapping[str, Any]) -> None:
        self.pings += [Ping(method, what) for what in pings_in(sent)]

    def pulse(self) -> None:
        """Wake whoever waits in `until`."""
        self._pulse.set()

    async def until(self, condition: Callable[[], Any], timeout_s: float = 10.0) -> Any:
        """Wait for something that the application does.

        :returns: what the condition gave, when that is true.
        :raises TimeoutError: with the violations so far, since those are the usual cause.
        """
        ends = time.monotonic() + timeout_s
        while not (value := condition()):
            left = ends - time.monotonic()
            if left <= 0:
                raise TimeoutError(self._so_far(timeout_s))
            self._pulse.clear()
            # Not more often than this: looking takes time from whoever is looked at, and shares its loop.
            await asyncio.sleep(LOOK_EVERY_S)
            with suppress(TimeoutError):
                # Also looks again by itself: a condition may be about more than the fake.
                await asyncio.wait_for(self._pulse.wait(), min(left, 0.05))
        return value

    def _so_far(self, waited_s: float) -> str:
        sockets = f"{self.sockets.opened} opened, {len(self.sockets.live)} live"
        calls = [(call.method, call.status, call.error) for call in self.calls[-5:]]
        return (
            f"waited {waited_s} s; violations {self.violations}; last calls {calls}; sockets: {sockets}; "
            f"{len(self.unacked())} deliveries not acknowledged"
        )

    def called(self, method: str) -> list[Call]:
        """The calls that got an answer with `ok: true`."""
        return [call for call in self.calls if call.method == method and not call.error and call.status == 200]

    def unacked(self) -> list[Delivery]:
        """Without those that are lost: nobody will ever acknowledge them."""
        return [delivery for delivery in self.deliveries if delivery.acked is None and not delivery.lost]

    def lost(self) -> list[Delivery]:
        """What the application can learn only by looking for it, see `lose_while_down`."""
        return [delivery for delivery in self.deliveries if delivery.lost and delivery.acked is None]

    async def all_acked(self, timeout_s: float = 10.0) -> None:
        await self.until(lambda: not self.unacked(), timeout_s)

    # Lookups

    def installation(self, team: str) -> Installation:
        return self.world.installations[team]

    def messages(self, channel: str | None = None, *, by_bot: bool | None = None) -> list[Message]:
        """In the order of posting, without the deleted."""
        known = self.world.messages.values() if channel is None else self.world.posted.get(channel, [])
        return [m for m in known if not m.deleted and (by_bot is None or (m.bot_id is not None) == by_bot)]

    def replies(self, root: Message) -> list[Message]:
        """What the bot said in the thread that `root` is in, ephemeral messages too."""
        thread = self.world.threads.get((root.channel, root.root), [])
        return [m for m in thread if not m.deleted and m.bot_id == self.installation(root.team).bot_id]

    def views(self, user: str | None = None) -> list[View]:
        """Open dialogs, the topmost last."""
        return [view for view in self.world.views.values() if view.open and user in (None, view.user)]

    def status(self, channel: str, thread_ts: str) -> str:
        """What is shown now: empty after it was cleared, after a message in the thread, or after two minutes."""
        shown = [one for one in self.world.statuses if (one.channel, one.thread_ts) == (channel, thread_ts)]
        if not shown or shown[-1].at + STATUS_S <= self.clock.now():
            return ""
        after = (m for m in self.world.threads.get((channel, thread_ts), []) if m.bot_id and not m.deleted)
        return "" if any(float(message.ts) > shown[-1].at for message in after) else shown[-1].text

    # Going out

    async def emit(self, team: str, *events: Json) -> list[Delivery]:
        """Send events that the application subscribed to."""
        wanted = [event for event in events if shapes.subscription(event) in self.subscriptions]
        if self.faults.swapped:
            wanted.reverse()
        sent = []
        for event in wanted:
            channel = self.world.channels.get(str(event.get("channel", "")))
            event_id = f"Ev{next(self._events):010d}"
            wrapped = shapes.wrapped(
                shapes.with_addresses(event, self.base),
                self.installation(team),
                event_id,
                self.clock.now(),
                shared=bool(channel and channel.shared),
            )
            sent.append(await self.deliver("events_api", wrapped, team))
        return sent

    async def deliver(
        self, kind: Kind, payload: Json, team: str, on_ack: Callable[[Any], None] | None = None
    ) -> Delivery:
        delivery = Delivery(f"envelope-{len(self.deliveries) + 1}", kind, payload, team, on_ack)
        self.deliveries.append(delivery)
        self._by_id[delivery.id] = delivery
        await self.send(delivery)
        if self.faults.take_duplicate():
            await self.send(delivery)
        return delivery

    async def send(self, delivery: Delivery) -> None:
        delivery.sent.append(time.monotonic())
        if self.http is not None:
            task = asyncio.create_task(self._post(delivery, self.http))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            arrived = await self.sockets.deliver(delivery, cut=self.faults.take_drop())
            self._missed(delivery, missed=not arrived)

    def _missed(self, delivery: Delivery, *, missed: bool) -> None:
        delivery.lost = delivery.lost or (missed and self.lose_while_down and delivery.acked is None)

    async def redeliver(self, deliveries: list[Delivery] | None = None) -> list[Delivery]:
        """Send again the events that were not acknowledged, or just these deliveries, with the next retry number.

        Commands and interactions Slack sends once; what is lost never comes again.
        """
        if deliveries is None:
            deliveries = [one for one in self.unacked() if one.kind == "events_api"]
        again = [one for one in deliveries if not one.lost]
        for delivery in again:
            delivery.attempt += 1
            await self.send(delivery)
        return again

    async def post_raw(
        self, kind: Kind, payload: Json, *, secret: str | None = None, age_s: float = 0.0, signed: bool = True
    ) -> Answer:
        """HTTP mode: one request with a signature that may be wrong, old or missing."""
        if self.http is None or self.session is None:
            raise RuntimeError("set `slack.http` first")
        return await post(self.session, self.http, kind, payload, secret=secret, age_s=age_s, signed=signed)

    async def verify_url(self) -> Answer:
        """HTTP mode: the question that Slack asks when the address is entered. The body must be the challenge."""
        payload = {"type": "url_verification", "token": "verification-token", "challenge": "prove-it"}
        return await self.post_raw("events_api", payload)

    async def _post(self, delivery: Delivery, endpoint: HttpEndpoint) -> None:
        if self.session is None:
            return
        answer = await post(self.session, endpoint, delivery.kind, delivery.payload, attempt=delivery.attempt)
        delivery.statuses.append(answer.status)
        if answer.status == 200:
            delivery.acknowledge(answer.payload())
        self._missed(delivery, missed=answer.status == 0)
        self.pulse()

    async def close(self) -> None:
        """Let go of connections and of requests that are under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.sockets.refusing = True
        for connection in self.sockets.live:
            await connection.socket.close()

    def _acked(self, envelope_id: str, payload: Any) -> None:
        found = self._by_id.get(envelope_id)
        if found is None:
            self.violate("socket", "unknown_envelope", envelope_id)
            return
        if payload and found.kind == "events_api":
            self.violate("socket", "payload_not_accepted", envelope_id, refused=False)
        found.acknowledge(payload)
        self.pulse()

    def _strange(self, what: str, frame: str) -> None:
        self.violate("socket", what, frame[:200])

    # Shared by people and the Web API

    def channel_of(self, message: Message) -> Channel:
        return self.world.channels[message.channel]

    def remember(self, message: Message) -> Message:
        self.world.messages[message.channel, message.ts] = message
        self.world.posted.setdefault(message.channel, []).append(message)
        if message.thread_ts:
            self.world.threads.setdefault((message.channel, message.thread_ts), []).append(message)
        self.pulse()
        return message

    def new_trigger(self, user: str, team: str) -> str:
        trigger = self.world.new_id("trigger.")
        self.triggers[trigger] = (self.clock.now() + self.trigger_s, user, team)
        return trigger

    def response_url(self, channel: str, user: str, message: Message | None = None, thread: str | None = None) -> str:
        identity = self.world.new_id("response-")
        self.responses[identity] = (channel, message, user, thread)
        return f"{self.base}/response/{identity}"
