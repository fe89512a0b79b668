"""What people are told about documents, as values that every platform can show. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bots.chat.grammar import USAGE, Failed, Help, ListDocuments, Unfinished, Unknown, spelled
from bots.chat.records import about, count, file_name, in_full, is_upload
from core.types import Document, DocumentStatus, Exchange, Job, Origin

PREFIX = "/lore"
SHOWN = 8
"""Of the things that a sentence or a choice names."""
FOR_ADMINS = (
    "Only admins add, replace, remove, restore, purge, bind and unbind, and see, retry and cancel files in work. "
    "Only you see these answers."
)


@dataclass(frozen=True, slots=True)
class Rights:
    """Whether somebody is an admin. With a doubt nobody could tell, and they are none."""

    is_admin: bool = False
    doubt: str = ""
    """Why nobody could tell, in words for the person."""


@dataclass(frozen=True, slots=True)
class Request:
    """Who asks, and where: both as `channel:id`."""

    place: str
    user: str
    rights: Rights = Rights()


@dataclass(frozen=True, slots=True)
class Action:
    """Something to press. `name` is unique within one result's actions; `command` is what pressing it says.

    `is_final`: pressing it is the confirmation, and `command` is what is confirmed: `remove ID` or `purge ID`.
    """

    name: str
    label: str
    command: str
    is_final: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One thing in a list. Plain text of strangers: the platform shows it as it is."""

    title: str
    details: tuple[str, ...] = ()
    action: Action | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What to tell the person: `text` is Markdown, and nothing in it comes from a document."""

    text: str
    rows: tuple[Row, ...] = ()
    actions: tuple[Action, ...] = ()


@dataclass(frozen=True, slots=True)
class Shelf:
    """A namespace, and how many documents it holds."""

    namespace: str
    documents: int
    is_asked_here: bool = False
    places: int = 0
    """How many places are bound to it."""


@dataclass(frozen=True, slots=True)
class Board:
    """The state of everything that somebody may see."""

    rights: Rights
    shelves: tuple[Shelf, ...] = ()
    documents: tuple[Document, ...] = ()
    offset: int = 0
    """Of the first of the documents."""
    total: int = 0
    """How many documents there are in all."""
    unanswered: tuple[Exchange, ...] = ()
    """The last questions without an answer; for admins only."""


def origin_of(request: Request) -> Origin:
    """Of what somebody changes."""
    channel, _, person = request.user.partition(":")
    return Origin(channel, person)


def refusal(rights: Rights) -> Result:
    """For who is no admin."""
    if rights.doubt:
        return Result(f"I could not find out whether you are an admin, so I have changed nothing. {rights.doubt}")
    return Result("Only admins can do this. Ask one of them, or whoever runs me to make you one.")


def instructions(command: Help | Unknown | Unfinished) -> Result:
    """What can be written."""
    if isinstance(command, Unfinished):
        usage, what = USAGE[command.verb]
        return Result(f"Write `{PREFIX} {usage}`: {what}.")
    if isinstance(command, Unknown):
        meant = f" Did you mean `{PREFIX} {USAGE[command.meant][0]}`?" if command.meant else ""
        return Result(f"I do not know that command.{meant} `{PREFIX} help` shows all; to ask a question, use `/ask`.")
    lines = [f"- `{PREFIX} {usage}`: {what}" for usage, what in USAGE.values()]
    ends = (
        "DOCUMENT is a title, a file name, or at least the first six characters of an id. "
        f"JOB is the id that `{PREFIX} failed` and `{PREFIX} status` show. {FOR_ADMINS}"
    )
    return Result("\n".join([*lines, "", ends]))


def shelf_details(shelf: Shelf) -> tuple[str, ...]:
    """What there is to say of a namespace."""
    facts = [count(shelf.documents, "document") if shelf.documents else "empty so far"]
    facts += ["asked here"] if shelf.is_asked_here else []
    facts += [f"{count(shelf.places, 'place')} bound to it"] if shelf.places else []
    return (" · ".join(facts),)


def listed(namespaces: Sequence[str]) -> str:
    names = ", ".join(f"`{each}`" for each in namespaces[:SHOWN])
    return f"{names} and {len(namespaces) - SHOWN} more" if len(namespaces) > SHOWN else names


def nothing(where: str, *, is_search: bool) -> str:
    return (
        f"No document in {where} has these words in its title or file name."
        if is_search
        else f"{where}: no documents so far."
    )


def did_you_mean(name: str, namespaces: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, [each for each in namespaces if each != name], n=1, cutoff=0.6)
    return f" Did you mean the namespace `{close[0]}`?" if close else ""


def paging(command: ListDocuments | Failed, page: int, *, is_last: bool) -> list[Action]:
    back = [Action("previous", "Previous", spelled(replace(command, page=page - 1)))]
    forth = [Action("next", "Next", spelled(replace(command, page=page + 1)))]
    return [*(back if page > 1 else []), *([] if is_last else forth)]


def show(document: Document) -> Action:
    return Action("show", "Show", f"show {document.id}")


def browse(namespace: str) -> Action:
    return Action("browse", "Documents", f"list {namespace}")


def shown(document: Document, *, is_admin: bool) -> Result:
    remove = (Action("remove", "Remove…", f"remove {document.id}"),) if is_admin else ()
    return Result("This is what I know of the document:", (Row(document.title, in_full(document)),), remove)


def asked(document: Document, keep_days: int) -> Result:
    """Whether to remove it; `keep_days`: how long removed documents are kept."""
    confirm = Action("confirm", "Remove it", f"remove {document.id}", is_final=True)
    keep = Action("keep", "Keep it", f"show {document.id}")
    has_answered = document.status is DocumentStatus.READY or document.chunks
    if keep_days and has_answered:
        after = f"It can be brought back for {count(keep_days, 'day')}."
    elif keep_days and document.status is not DocumentStatus.FAILED:
        after = "It is not indexed yet, and can be taken up again afterwards."
    else:
        after = "Nothing is kept of it: to have it back, it must be added again."
    text = f"Remove this document? Answers stop using it at once. {after}"
    return Result(text, (Row(document.title, about(document)),), (confirm, keep))


def removed(document: Document, *, can_be_restored: bool = False, given_up: Job | None = None) -> Result:
    """`given_up`: its job, when it was removed before it was indexed."""
    row = Row(document.title, (file_name(document),))
    text = "Removed. Answers do not use it any more"
    if given_up is not None:
        again = f"retry {given_up.id}"
        return Result(
            f"Removed. It had not been indexed yet; it can be taken up again for a while, also by `{PREFIX} {again}`:",
            (row,),
            (Action("again", "Take it up again", again),),
        )
    if not can_be_restored:
        return Result(f"{text}, and nothing is kept of it:", (row,))
    restore = f"restore {document.id}"
    return Result(
        f"{text}. It can be brought back for a while, also by `{PREFIX} {restore}`:",
        (row,),
        (Action("restore", "Bring it back", restore),),
    )


def replacing(document: Document) -> Result:
    row = Row(document.title, about(document))
    if not is_upload(document):
        text = (
            "This document came from a folder on the server. Change the file there, and run "
            "`lorekeeper documents add` with the folder again."
        )
        return Result(text, (row,))
    text = (
        f"Send me the new file in a direct message, with exactly this name and the words `namespace {document.namespace}`. "
        "It takes the place of the document when it has been read; until then the present one answers."
    )
    return Result(text, (Row(file_name(document)), row))
