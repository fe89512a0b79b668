"""What a loopback Discord saw of a crowd, in figures. Seconds, but for what says otherwise."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from tests.bots.discord.load_crowd import Crowd, answers, is_doubled, is_whole
from tests.bots.load_bot import first_words
from tests.fakes.discord import Call, FakeDiscord, Interaction, Message

_MESSAGE_NAME = "discord:{0.channel.id}:{0.id}"
_COMMAND_NAME = "discord:interaction:{0.id}"
# https://docs.discord.com/developers/topics/rate-limits
GLOBAL_PER_SECOND = 50
# Discord shows typing for ten seconds.
TYPING_SHOWN_SECONDS = 10.0
THREAD_AND_MESSAGE = 2
"""The fewest requests with which a mention is answered. Those that answer commands are outside of the limit of all."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Of times; None where there were none."""

    p50: float | None
    p99: float | None
    most: float | None


@dataclass(frozen=True, slots=True)
class Figures:
    """Of the questions of one run."""

    answered_once: int
    lost: int
    doubled: int
    acknowledged: Spread
    """From the event until the bot is seen typing in its channel, or its thread is made; or to the response to a command."""
    written_down: Spread
    """From the event to the inbox's transaction."""
    first_text: Spread
    """From the event to the first visible text."""
    after_first_word: Spread
    """From the generator's first word to the first visible text."""
    all_answered: float
    floor: float
    """Less is not possible, by Discord's limit of all requests; without the generator's own time."""
    most_requests_in_a_second: int
    """Of those that count."""
    requests_per_answer: float
    requests: dict[str, int]
    failed: dict[str, int]
    """Requests that Discord answered with an error other than 429."""
    throttled: int
    """429s."""
    cpu_ms_per_answer: float
    violations: tuple[str, ...]
    """What Discord would not have taken, once each."""


def spread(values: Sequence[float]) -> Spread:
    if not values:
        return Spread(None, None, None)
    ordered = sorted(values)
    p99 = ordered[int(0.99 * (len(ordered) - 1))]
    return Spread(round(statistics.median(ordered), 3), round(p99, 3), round(ordered[-1], 3))


def figures(
    workspace: Crowd,
    asked: Sequence[Message | Interaction],
    calls: Sequence[Call],
    *,
    seconds: float,
    cpu: float,
) -> Figures:
    """`calls`: those that were made since the first question; `seconds` and `cpu`: until the last answer was whole."""
    fake = workspace.fake
    doubled = [is_doubled(fake, each) for each in asked]
    whole = [is_whole(fake, each) for each in asked]
    words = first_words(workspace.folder)
    shown = {name_of(each): at for each in asked if (at := first_shown(fake, each)) is not None}
    mentions = sum(isinstance(each, Message) for each in asked)
    ok = [call for call in calls if call.status < 400]
    failed = Counter(f"{call.route} {call.status} {call.code}" for call in calls if 400 <= call.status != 429)
    return Figures(
        answered_once=sum(a and not b for a, b in zip(whole, doubled, strict=True)),
        lost=whole.count(False),
        doubled=sum(doubled),
        acknowledged=spread(acknowledged(fake, asked, ok)),
        written_down=spread(written_down(workspace, asked)),
        first_text=spread([shown[name_of(each)] - each.created for each in asked if name_of(each) in shown]),
        after_first_word=spread([at - words[name] for name, at in shown.items() if name in words]),
        all_answered=round(seconds, 1),
        floor=round(mentions * THREAD_AND_MESSAGE / GLOBAL_PER_SECOND, 1),
        most_requests_in_a_second=most_in_a_second(calls),
        requests_per_answer=round(len(calls) / len(asked), 2),
        requests=dict(Counter(call.route for call in calls).most_common()),
        failed=dict(failed),
        throttled=sum(call.status == 429 for call in calls),
        cpu_ms_per_answer=round(cpu * 1000 / len(asked), 1),
        violations=tuple(sorted({f"{each.route}: {each.error} {each.detail}" for each in fake.violations})),
    )


def name_of(asked: Message | Interaction) -> str:
    """Its key in the inbox."""
    return (_MESSAGE_NAME if isinstance(asked, Message) else _COMMAND_NAME).format(asked)


def first_shown(fake: FakeDiscord, asked: Message | Interaction) -> float | None:
    """When something that can be read first came, in seconds since 1970."""
    moments = []
    for message in answers(fake, asked):
        # What a message said at first is its oldest version, and each ends where the next begins.
        begins = [message.created, *(version.at for version in message.edits)]
        said = [*(version.content for version in message.edits), message.content]
        moments += [at for at, text in zip(begins, said, strict=True) if text][:1]
    return min(moments, default=None)


def acknowledged(fake: FakeDiscord, asked: Sequence[Message | Interaction], calls: Sequence[Call]) -> list[float]:
    sent = {id(event.message): event.sent for event in reversed(fake.events) if event.name == "MESSAGE_CREATE"}
    first: dict[str, float] = {}
    typing: dict[str, list[float]] = defaultdict(list)
    for call in calls:
        if call.route == "POST /channels/{channel_id}/typing":
            typing[call.path["channel_id"]].append(call.arrived)
        # Of a mention, its thread is made from it, and has its id.
        about = {call.path.get("message_id", ""), call.path.get("channel_id", ""), _replied_to(call)}
        for name in about - {""}:
            first.setdefault(name, call.arrived)
    found = []
    for each in asked:
        if isinstance(each, Interaction):
            found += [each.ack_seconds] if each.acked is not None else []
            continue
        at = sent[id(each)]
        shown = [arrived for arrived in typing[str(each.channel.id)] if arrived > at - TYPING_SHOWN_SECONDS]
        moments = [*shown, *([first[str(each.id)]] if str(each.id) in first else [])]
        found += [max(0.0, min(moments) - at)] if moments else []
    return found


def _replied_to(call: Call) -> str:
    body = call.body if isinstance(call.body, dict) else {}
    return str((body.get("message_reference") or {}).get("message_id") or "")


def written_down(workspace: Crowd, asked: Sequence[Message | Interaction]) -> list[float]:
    entries = ((each, workspace.inbox.get(name_of(each))) for each in asked)
    return [entry.received_at.timestamp() - each.created for each, entry in entries if entry is not None]


def most_in_a_second(calls: Sequence[Call]) -> int:
    """Of those that count among all of the bot's, in any second."""
    moments = sorted(call.arrived for call in calls if "_token}" not in call.route)
    most = first = 0
    for last, at in enumerate(moments):
        while moments[first] <= at - 1.0:
            first += 1
        most = max(most, last - first + 1)
    return most
