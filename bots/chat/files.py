"""Files that come with messages: what is said about them before they are fetched. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from bots.chat.incoming import Incoming
from core.store.inbox import Entry

FILES = "files"
"""In `Incoming.place`: the facts of the files that came with a message, as `packed` gives them."""
MOST_FILES = 100
UNNAMED = "document"
LONGEST_NAME = 200
_QUESTION_MARKS = ("?", "？", "؟")
_HTML_NAMES = (".html", ".htm", ".xhtml", ".xht")
HTML_TYPES = frozenset({"text/html", "application/xhtml+xml"})


@dataclass(frozen=True, slots=True)
class FileFacts:
    """`size` is in bytes, 0 where the platform does not say."""

    id: str
    name: str = UNNAMED
    size: int = 0
    media_type: str = ""
    url: str = ""
    is_stub: bool = False
    """All else has to be asked for."""
    refusal: str = ""
    """Why it cannot be taken at all, for a person; else empty."""

    @property
    def is_html(self) -> bool:
        return self.media_type.lower() in HTML_TYPES or self.name.lower().endswith(_HTML_NAMES)


def packed(files: Sequence[FileFacts]) -> str:
    """As text for the inbox; empty when there are none."""
    return json.dumps([asdict(facts) for facts in files[:MOST_FILES]], ensure_ascii=False) if files else ""


def unpacked(text: str) -> list[FileFacts]:
    """What `packed` made."""
    return [FileFacts(**each) for each in json.loads(text)]


def clean_name(given: str) -> str:
    """The last part of what somebody calls a file, without control characters; never used as a path."""
    last = given.replace("\\", "/").rpartition("/")[2]
    name = "".join(character for character in last if character.isprintable()).strip().strip(".")[-LONGEST_NAME:]
    return name or UNNAMED


def entries(incoming: Incoming) -> list[Entry]:
    """What there is to do about a message, in this order: to take its files, and to answer it.

    Beside files, a text is a remark on them, unless it ends with a question mark.
    """
    if FILES not in incoming.place:
        return [incoming.entry()]
    message = incoming.message
    files = file_entry(replace(incoming, message=replace(message, id=files_key(message.id))))
    if not asks(message.text):
        return [files]
    place = {name: value for name, value in incoming.place.items() if name != FILES}
    return [files, replace(incoming, place=place).entry()]


def file_entry(incoming: Incoming) -> Entry:
    """Files have a queue of their own, so that nobody's question waits until they are read."""
    return replace(incoming.entry(), channel=file_queue(incoming.message.channel))


def file_queue(channel: str) -> str:
    """The channel of entries with files, in the inbox."""
    return f"{channel}:{FILES}"


def files_key(key: str) -> str:
    """Of the entry for the files of the message with this key."""
    return f"{key}:{FILES}"


def asks(text: str) -> bool:
    """Whether a text beside files is a question."""
    return text.rstrip(" *_~`\"'”»)").endswith(_QUESTION_MARKS)
