"""The text after `/lore` to a command: the same words on every platform. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

LONGEST = 1000
"""Characters of a command that are read."""


class Verb(StrEnum):
    """The first word of a command."""

    HELP = "help"
    LIST = "list"
    SHOW = "show"
    REMOVE = "remove"
    REPLACE = "replace"
    BIND = "bind"
    UNBIND = "unbind"
    NAMESPACES = "namespaces"
    STATUS = "status"
    ADD = "add"
    HISTORY = "history"
    RESTORE = "restore"
    PURGE = "purge"
    FAILED = "failed"
    RETRY = "retry"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class Help:
    """What the commands are."""


@dataclass(frozen=True, slots=True)
class ListDocuments:
    """A page of documents, from 1. `name` is a namespace if there is one of that name, and a word to look for else."""

    name: str = ""
    text: str = ""
    page: int = 1


@dataclass(frozen=True, slots=True)
class DocumentName:
    """What somebody calls a document: a title, a file's name, or, where not in quotes, the beginning of an id."""

    text: str
    is_quoted: bool = False


@dataclass(frozen=True, slots=True)
class Show:
    document: DocumentName


@dataclass(frozen=True, slots=True)
class Remove:
    document: DocumentName


@dataclass(frozen=True, slots=True)
class Replace:
    document: DocumentName


@dataclass(frozen=True, slots=True)
class Bind:
    """Without a namespace: what is this place bound to?"""

    namespace: str = ""


@dataclass(frozen=True, slots=True)
class Unbind:
    """This place asks what it asked before it was bound."""


@dataclass(frozen=True, slots=True)
class Namespaces:
    """Which there are."""


@dataclass(frozen=True, slots=True)
class Status:
    """How the documents are."""


@dataclass(frozen=True, slots=True)
class Add:
    """Without a namespace: that of this place."""

    namespace: str = ""


@dataclass(frozen=True, slots=True)
class History:
    """What became of a document over time."""

    document: DocumentName


@dataclass(frozen=True, slots=True)
class Restore:
    """Without a version: of a removed document the last one, of another one the one before."""

    document: DocumentName
    version: int | None = None
    title: str = ""
    """Name and version together, where the version may be the end of a title."""


@dataclass(frozen=True, slots=True)
class Purge:
    document: DocumentName


@dataclass(frozen=True, slots=True)
class Failed:
    """A page of the files that could not be added, from 1."""

    page: int = 1


@dataclass(frozen=True, slots=True)
class RetryJob:
    """A job by its id, or a beginning of it."""

    job: str


@dataclass(frozen=True, slots=True)
class CancelJob:
    """A job by its id, or a beginning of it."""

    job: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """No such command. `meant` is the one that is spelt most like it, if any."""

    word: str
    meant: Verb | None = None


@dataclass(frozen=True, slots=True)
class Unfinished:
    """The command needs other words after it than there are."""

    verb: Verb


OfVersions = History | Restore | Purge
OfJobs = Failed | RetryJob | CancelJob
Command = (
    Help
    | ListDocuments
    | Show
    | Remove
    | Replace
    | Bind
    | Unbind
    | Namespaces
    | Status
    | Add
    | OfVersions
    | OfJobs
    | Unknown
    | Unfinished
)

USAGE: Mapping[Verb, tuple[str, str]] = {
    Verb.LIST: ("list [namespace] [words] [page 2]", "the documents, or those with these words in title or file name"),
    Verb.SHOW: ("show DOCUMENT", "one document: its state, pages and passages"),
    Verb.STATUS: ("status", "what this channel asks, and how its documents are"),
    Verb.NAMESPACES: ("namespaces", "the bodies of documents that can be asked"),
    Verb.ADD: ("add [namespace]", "add a document"),
    Verb.REPLACE: ("replace DOCUMENT", "how to put a new version in its place"),
    Verb.REMOVE: ("remove DOCUMENT", "remove a document, after you confirm it"),
    Verb.HISTORY: ("history DOCUMENT", "its versions: when and from where each came, and which one answers"),
    Verb.RESTORE: ("restore DOCUMENT [VERSION]", "bring back a removed document, or an earlier version"),
    Verb.PURGE: ("purge DOCUMENT", "erase a document with all its versions for good, after you confirm it"),
    Verb.FAILED: ("failed [page 2]", "the files that could not be added, and why"),
    Verb.RETRY: ("retry JOB", "try one of them again"),
    Verb.CANCEL: ("cancel JOB", "give up a file that waits or is in work"),
    Verb.BIND: ("bind [NAMESPACE]", "let this channel ask a namespace; alone, says which one it asks"),
    Verb.UNBIND: ("unbind", "let this channel ask what it asked before"),
    Verb.HELP: ("help", "this list"),
}
"""What to write, and what it does, in the order in which help shows them."""

_SYNONYMS = {
    "?": Verb.HELP, "ls": Verb.LIST, "documents": Verb.LIST, "docs": Verb.LIST, "search": Verb.LIST, "find": Verb.LIST,
    "delete": Verb.REMOVE, "del": Verb.REMOVE, "rm": Verb.REMOVE, "update": Verb.REPLACE, "upload": Verb.ADD,
    "namespace": Verb.NAMESPACES, "info": Verb.SHOW, "view": Verb.SHOW, "versions": Verb.HISTORY, "erase": Verb.PURGE,
    "undo": Verb.RESTORE, "jobs": Verb.STATUS,
}  # fmt: skip
_NAMED: Mapping[Verb, Callable[[DocumentName], Command]] = {
    Verb.SHOW: Show,
    Verb.REMOVE: Remove,
    Verb.REPLACE: Replace,
    Verb.HISTORY: History,
    Verb.PURGE: Purge,
}
_OF_JOBS: Mapping[Verb, Callable[[str], Command]] = {Verb.RETRY: RetryJob, Verb.CANCEL: CancelJob}
_ALONE: Mapping[Verb, Command] = {
    Verb.HELP: Help(),
    Verb.UNBIND: Unbind(),
    Verb.NAMESPACES: Namespaces(),
    Verb.STATUS: Status(),
}
# Those that keyboards of phones put in by themselves, too.
_QUOTES = '"“”„«»'
_WORD = re.compile(rf"[{_QUOTES}]([^{_QUOTES}]*)(?:[{_QUOTES}]|$)|([^\s{_QUOTES}]+)")
_WHOLE = re.compile(rf"[{_QUOTES}]([^{_QUOTES}]*)[{_QUOTES}]")
_PAGE = re.compile(r"[0-9]{1,6}")
_VERSION = re.compile(r"(.*\S)\s([1-9][0-9]{0,5})")
_CUTOFF = 0.6
"""How alike a word and a command must be, 0 to 1, as `difflib` measures it."""


def parse(text: str) -> Command:  # noqa: PLR0911 - one for each form of words
    """Never fails: what is no command is `Unknown` or `Unfinished`."""
    words = text[:LONGEST].split()
    first, rest = (words[0], " ".join(words[1:])) if words else ("", "")
    verb = _verb(first)
    if verb is None:
        return Unknown(first, _alike(first)) if first else Help()
    if verb in _ALONE:
        return _ALONE[verb]
    if verb is Verb.LIST:
        return _listing(rest)
    if verb in _NAMED:
        name = document_name(rest)
        return _NAMED[verb](name) if name.text else Unfinished(verb)
    if verb is Verb.RESTORE:
        return _restoring(rest)
    if verb is Verb.FAILED:
        listing = _listing(rest)
        return Unfinished(verb) if listing.name or listing.text else Failed(listing.page)
    names = [quoted or bare for quoted, bare in _WORD.findall(rest)]
    if len(names) > 1:
        return Unfinished(verb)
    word = names[0].strip("`") if names else ""
    if verb in _OF_JOBS:
        return _OF_JOBS[verb](word) if word else Unfinished(verb)
    return Bind(word) if verb is Verb.BIND else Add(word)


def spelled(listing: ListDocuments | Failed) -> str:
    """What `parse` makes this of again."""
    if isinstance(listing, Failed):
        return f"failed page {listing.page}"
    words = ["list", *([listing.name] if listing.name else []), *([f'"{listing.text}"'] if listing.text else [])]
    return " ".join([*words, *(["page", str(listing.page)] if listing.page > 1 else [])])


def _verb(word: str) -> Verb | None:
    known = {verb.value: verb for verb in Verb} | _SYNONYMS
    return known.get(word.lower())


def _alike(word: str) -> Verb | None:
    close = difflib.get_close_matches(word.lower(), [verb.value for verb in Verb], n=1, cutoff=_CUTOFF)
    return Verb(close[0]) if close else None


def _listing(rest: str) -> ListDocuments:
    words = [(quoted or bare, bool(bare)) for quoted, bare in _WORD.findall(rest) if quoted.strip() or bare]
    page = 1
    if len(words) > 1 and words[-2] == ("page", True) and words[-1][1] and _PAGE.fullmatch(words[-1][0]):
        page = max(1, int(words[-1][0]))
        words = words[:-2]
    name = words.pop(0)[0] if words and words[0][1] else ""
    return ListDocuments(name, " ".join(word.strip() for word, _ in words), page)


def _restoring(rest: str) -> Command:
    match = _VERSION.fullmatch(rest)
    name = document_name(match[1] if match else rest)
    if not name.text:
        return Unfinished(Verb.RESTORE)
    if match is None:
        return Restore(name)
    return Restore(name, int(match[2]), "" if name.is_quoted else rest)


def document_name(rest: str) -> DocumentName:
    """What somebody calls a document, as it stands after a command."""
    quoted = _WHOLE.fullmatch(rest)
    return DocumentName(quoted[1].strip(), is_quoted=True) if quoted else DocumentName(rest.strip("`"))
