"""What the bot says of itself in chats, the same on every platform."""

from __future__ import annotations

from bots.chat.gate import Decision

SEARCHING = "is searching the documents…"
QUIET = "I will keep out of this thread. Mention me when you want me back."
THANKS = "You are welcome."
GREETING = "Hello! Ask me a question, and I will look it up in the documents."
STOPPED = "Stopped."
HOW_TO_ASK = "Write your question after the command, for example: /ask How many days of leave do I have?"
LOOKING = "Looking it up…"
ANSWERING_THERE = "I am answering in the thread of that message."
NOTHING_TO_ANSWER = "I can only answer what a person wrote."
CANNOT_WRITE_THERE = "I may not write in the channel where you asked: invite me there first. This is the answer:"
ALREADY_ANSWERED = "This message is answered already: see its thread."
GONE = "That answer is no longer kept. Please ask again."
THANK_YOU_FOR_FEEDBACK = "Thank you for the feedback."


def courtesy(decision: Decision) -> str:
    """What to say to a message that is no question; empty for one that is."""
    return {Decision.QUIET: QUIET, Decision.THANKS: THANKS, Decision.GREETING: GREETING}.get(decision, "")


def gave_up(reference: str) -> str:
    """After several tries that all broke off."""
    return f"Something went wrong on our side, and your question was not answered. (reference {reference})"


def too_slow(seconds: float) -> str:
    """The time for one question is over."""
    return f"There was no answer within {seconds:.0f} seconds. Please try again."


def shared(question: str) -> str:
    """Before an answer that somebody shows to others."""
    return f"Asked: {question}"


def button_failed(reference: str) -> str:
    """Something that was pressed did nothing."""
    return f"That did not work. Please try again. (reference {reference})"
