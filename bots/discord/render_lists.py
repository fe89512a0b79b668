"""Lists as messages of Discord: files on their way, and what commands tell of documents. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bots.chat import progress as words
from bots.chat.progress import FileProgress, Stage
from bots.chat.results import Action, Result, Row
from bots.chat.split import split_markdown
from bots.discord.render_kit import (
    CONFIRM,
    DANGER,
    RUN,
    Json,
    Rendered,
    button,
    filled,
    plain_within,
    rows,
)
from bots.discord.text import safe_markdown

_LIST = 4000
_HEAD, _FILE, _WORDS = 1900, 150, 600
_TITLE, _DETAIL, _DETAILS, _SHORTEST_ROW = 250, 320, 12, 120


def progress_message(files: Sequence[FileProgress], namespace: str) -> Rendered:
    """The list of the files, with how far each is; where not all fit, first those that were not added."""
    head = plain_within(words.headline(files, namespace), _HEAD)
    listed = filled(map(_file, files), len(files), _LIST)
    if "\n… and " in listed:
        first = sorted(files, key=lambda file: file.stage is not Stage.FAILED)
        listed = filled(map(_file, first), len(files), _LIST)
    return Rendered(head, ({"description": listed},) if files else ())


def result_message(result: Result) -> Rendered:
    """What a command tells: the sentence, the things that it found, and buttons."""
    text = next(iter(split_markdown(safe_markdown(result.text), _HEAD)), "")
    is_numbered = sum(row.action is not None for row in result.rows) > 1
    each_of = [_action(row.action, number if is_numbered else 0) for number, row in enumerate(result.rows, start=1)]
    listed = filled(_rows(result.rows, is_numbered=is_numbered), len(result.rows), _LIST, "\n\n")
    embeds = ({"description": listed},) if listed else ()
    return Rendered(text, embeds, rows(each_of, [_action(each) for each in result.actions]))


def _file(file: FileProgress) -> str:
    return f"{file.mark} **{plain_within(file.name, _FILE)}** {plain_within(file.words, _WORDS)}"


def _rows(found: Sequence[Row], *, is_numbered: bool) -> Iterator[str]:
    room = max(_SHORTEST_ROW, _LIST // max(1, len(found)) - 2)
    for number, row in enumerate(found, start=1):
        title = plain_within(row.title, min(_TITLE, room - 20)) or "Untitled document"
        details = [plain_within(each, _DETAIL) for each in row.details[:_DETAILS]]
        head = f"**{number}. {title}**" if is_numbered else f"**{title}**"
        yield _within([head, *filter(None, details)], room)


def _within(lines: Sequence[str], limit: int) -> str:
    """As many whole lines as fit."""
    text, *others = lines
    for line in others:
        if len(text) + 1 + len(line) > limit:
            break
        text += f"\n{line}"
    return text


def _action(action: Action | None, number: int = 0) -> Json | None:
    if action is None:
        return None
    label = f"{action.label} {number}" if number else action.label
    return (
        button(label, CONFIRM, action.command, style=DANGER) if action.is_final else button(label, RUN, action.command)
    )
