"""The list of files that are received, as a message of Slack. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from bots.chat import progress as words
from bots.chat.progress import FileProgress
from bots.slack.blocks import Rendered
from bots.slack.kit import SECTION_TEXT, section
from bots.slack.text import escape, mrkdwn_plain

LONGEST_TEXT = 3000
_MOST_SECTIONS = 20


def progress_message(files: Sequence[FileProgress], namespace: str) -> Rendered:
    """The list of the files, with how far each is. Pure."""
    head = words.headline(files, namespace)
    lines = [f"{file.mark} *{mrkdwn_plain(file.name)}* {mrkdwn_plain(file.words)}" for file in files]
    sections = [mrkdwn_plain(head)]
    for line in lines:
        if len(sections) > 1 and len(sections[-1]) + len(line) < SECTION_TEXT:
            sections[-1] += f"\n{line}"
        elif len(sections) < _MOST_SECTIONS:
            sections.append(line[:SECTION_TEXT])
    text = "\n".join([escape(head), *(escape(f"{file.name} {file.words}") for file in files)])
    return Rendered(text[:LONGEST_TEXT], tuple(section(part) for part in sections))
