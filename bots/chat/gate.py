"""Whether a message is for the bot. Pure: no clock, no database, no platform.

In a channel the bot answers who addresses it. In a thread that it is in, it also answers follow-ups that nobody tagged
it in, and stays out when people talk to each other: another person is tagged, it was told to be quiet, the message is
no question, or others have begun to talk among themselves (thanks, praise, greetings and emoji are no talk). Who wants
it back tags it.
"""

from __future__ import annotations

from enum import StrEnum

from bots.chat.incoming import Incoming
from bots.chat.phrases import is_dismissal, is_greeting, is_question, is_thanks, is_wordless, names_bot
from core.store.places import ThreadState

# Of a message; what is longer is no courtesy, and its beginning tells whether it asks.
MOST_CHARACTERS = 2000


class Decision(StrEnum):
    """What becomes of a message."""

    ANSWER = "answer"
    IGNORE = "ignore"
    """People among themselves."""
    QUIET = "quiet"
    """The bot is told to keep out of the thread."""
    THANKS = "thanks"
    GREETING = "greeting"


def decide(incoming: Incoming, state: ThreadState | None) -> Decision:
    """What to do with a message; `state` is None where the bot is not in the thread."""
    message = incoming.message
    if message.from_bot:
        return Decision.IGNORE
    text = message.text[:MOST_CHARACTERS]
    if message.addressed:
        return _addressed(text, is_direct=incoming.is_direct)
    if state is None or state.is_quiet or incoming.tags_others:
        return Decision.IGNORE
    among_themselves = bool(state.talking - {message.author})
    if is_dismissal(text) and (not among_themselves or names_bot(text)):
        return Decision.QUIET
    return Decision.ANSWER if is_question(text) and not among_themselves else Decision.IGNORE


def after(incoming: Incoming, state: ThreadState | None, decision: Decision) -> ThreadState | None:
    """The thread's state once the decision is carried out; None where the bot still is in no thread."""
    message = incoming.message
    if decision is Decision.IGNORE:
        if state is None or message.from_bot or _is_courtesy(message.text[:MOST_CHARACTERS]):
            return state
        return ThreadState(state.is_quiet, state.talking | {message.author})
    if decision is Decision.THANKS:
        # Told to be quiet, and thanked for it.
        return ThreadState(is_quiet=state is not None and state.is_quiet)
    return ThreadState(is_quiet=decision is Decision.QUIET)


def _addressed(text: str, *, is_direct: bool) -> Decision:
    if is_dismissal(text) and not is_direct:
        return Decision.QUIET
    if is_thanks(text):
        return Decision.THANKS
    if is_greeting(text) or is_wordless(text):
        return Decision.GREETING
    return Decision.ANSWER


def _is_courtesy(text: str) -> bool:
    return is_thanks(text) or is_greeting(text) or is_wordless(text)
