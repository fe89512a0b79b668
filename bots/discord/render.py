"""Answers as messages of Discord. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from bots.chat.links import visible
from bots.chat.split import split_markdown
from bots.discord.render_kit import (
    DOWN,
    PASSAGE,
    RETRY,
    SHARE,
    UP,
    Json,
    Rendered,
    button,
    clipped,
    custom_id,
    filled,
    parse_custom_id,
    plain_within,
    rows,
)
from bots.discord.render_lists import progress_message, result_message
from bots.discord.render_sources import source_line
from bots.discord.render_views import feedback_modal, feedback_of, passage_message
from bots.discord.text import safe_markdown, safe_so_far
from core import wording
from core.types import Answer, Citation, Outcome

__all__ = [
    "PIECE",
    "Json",
    "Rendered",
    "answer_messages",
    "closing",
    "custom_id",
    "feedback_modal",
    "feedback_of",
    "parse_custom_id",
    "passage_message",
    "passage_of",
    "pieces",
    "progress_message",
    "result_message",
    "sentence",
    "unfinished",
]

PIECE = 1900
"""Of the 2000 characters of a message; the rest is left for what is counted in another way than here, as some emoji are."""
UNFINISHED = 1600
"""The same while it is being written: what may have to be said below it fits, too."""
WITH_BUTTON = 5
"""Sources that have their own button: one row of them."""
_LIST = 4000
_LINE, _SHORT_LINE = 700, 300
_NOTICE = 1000


def answer_messages(answer: Answer, *, private: bool) -> list[Rendered]:
    """The final form of an answer, at least one message; what follows the text is on the last."""
    *before, last = pieces(answer.text) or [wording.UNEXPECTED]
    embeds, components = closing(answer, private=private)
    return [*map(Rendered, before), Rendered(last, embeds, components)]


def pieces(text: str) -> list[str]:
    """Markdown as the contents of as many messages as it takes; none for nothing."""
    return split_markdown(safe_markdown(text), PIECE)


def sentence(text: str) -> Rendered:
    """A few words of the bot itself, or an unfinished answer with them; Markdown. What does not fit falls away."""
    return Rendered(next(iter(pieces(text)), wording.UNEXPECTED))


def unfinished(written: str) -> str:
    """What can be shown of an answer that is being written, in one message; empty while there is nothing."""
    return next(iter(split_markdown(safe_so_far(written), UNFINISHED)), "")


def closing(answer: Answer, *, private: bool) -> tuple[tuple[Json, ...], tuple[Json, ...]]:
    """Embeds and buttons that follow the text of an answer. Empty where there is nothing to be done."""
    again = button("Try again", RETRY, answer.id)
    if answer.outcome is Outcome.FAILED:
        return (), rows([again])
    if answer.outcome not in {Outcome.ANSWERED, Outcome.NO_EVIDENCE}:
        return (), ()
    is_answered = answer.outcome is Outcome.ANSWERED
    sources = answer.citations if is_answered else answer.nearest
    thumbs = [button("Good answer", UP, answer.id, emoji="👍"), button("Bad answer", DOWN, answer.id, emoji="👎")]
    share = [button("Share with the channel", SHARE, answer.id)] if private and is_answered else []
    return _embeds(answer, sources), rows(_passages(answer.id, sources), [*thumbs, again, *share])


def passage_of(value: str) -> tuple[int, str] | None:
    """The number of the source and the answer's id, from the value of a button "Passage"."""
    number, _, answer_id = value.partition(":")
    return (int(number), answer_id) if number.isascii() and number.isdigit() and answer_id else None


def _passages(answer_id: str, sources: Sequence[Citation]) -> list[Json | None]:
    shown = sources[:WITH_BUTTON]
    return [button(f"Passage {each.number}", PASSAGE, f"{each.number}:{answer_id}") for each in shown]


def _embeds(answer: Answer, sources: Sequence[Citation]) -> tuple[Json, ...]:
    notice = " ".join((answer.notice or "").split())
    if not sources:
        return ({"description": plain_within(notice, _NOTICE)},) if notice else ()
    is_answered = answer.outcome is Outcome.ANSWERED
    lines = (
        source_line(each, _LINE if position < WITH_BUTTON else _SHORT_LINE, with_quote=not is_answered)
        for position, each in enumerate(sources)
    )
    embed: Json = {
        "title": "Sources" if is_answered else "Nearest in the documents",
        "description": filled(lines, len(sources), _LIST),
    }
    return ({**embed, "footer": {"text": clipped(visible(notice), _NOTICE)}},) if notice else (embed,)
