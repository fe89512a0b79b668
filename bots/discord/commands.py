"""The bot's commands: as Discord registers them, and what people fill in. Pure, but for `sync`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bots.chat.grammar import (
    USAGE,
    Add,
    Bind,
    Command,
    Failed,
    Help,
    ListDocuments,
    Namespaces,
    Restore,
    Status,
    Unbind,
    Unfinished,
    Unknown,
    Verb,
    document_name,
    parse,
)
from bots.chat.results import FOR_ADMINS
from bots.discord.manifest import ASK, MANAGE, MENU
from core.guard import MAX_QUESTION_CHARACTERS

if TYPE_CHECKING:
    from discord.http import HTTPClient

Json = dict[str, Any]
# https://docs.discord.com/developers/interactions/application-commands
CHAT_INPUT, MESSAGE, ENTRY_POINT = 1, 3, 4
SUBCOMMAND, GROUP, STRING, INTEGER, BOOLEAN, ATTACHMENT = 1, 2, 3, 4, 5, 11
IN_SERVERS, IN_DIRECT_MESSAGES = 0, 1
INSTALLED_IN_SERVERS = 0
MOST_CHOICES, LONGEST_CHOICE = 25, 100
MOST_FILES = 5
NAMESPACE, DOCUMENT, SEARCH, PAGE, FILE = "namespace", "document", "search", "page", "file"
VERSION, JOB = "version", "job"
QUESTION, PRIVATE = "question", "private"
_LONGEST_WORDS = 200
_LAST_PAGE = 999_999
# What an application says of a command or an option itself; all else Discord adds.
_OWN = frozenset(
    {
        "type", "name", "name_localizations", "description", "description_localizations", "options", "choices",
        "default_member_permissions", "contexts", "integration_types", "nsfw", "required", "autocomplete",
        "channel_types", "min_value", "max_value", "min_length", "max_length",
    }
)  # fmt: skip


# ── as they are registered ───────────────────────────────────────────────────────────────────────


def command_definitions() -> list[Json]:
    """The global commands, as the REST API takes them."""
    where = {"contexts": [IN_SERVERS, IN_DIRECT_MESSAGES], "integration_types": [INSTALLED_IN_SERVERS]}
    ask = [
        _option(STRING, QUESTION, "Your question", required=True, max_length=MAX_QUESTION_CHARACTERS),
        _option(BOOLEAN, PRIVATE, "Only you see the answer"),
    ]
    return [
        {"type": CHAT_INPUT, "name": ASK, "description": "Ask the documents", "options": ask, **where},
        {
            "type": CHAT_INPUT,
            "name": MANAGE,
            "description": "See and manage the documents; only you see what it says",
            "options": [_subcommand(verb) for verb in USAGE],
            **where,
        },
        {"type": MESSAGE, "name": MENU, **where},
    ]


_DESCRIPTIONS: Mapping[Verb, str] = {
    Verb.LIST: "The documents, or those with these words in title or file name",
    Verb.SHOW: "One document: its state, pages and passages",
    Verb.STATUS: "What this channel asks, and how its documents are",
    Verb.NAMESPACES: "The bodies of documents that can be asked",
    Verb.ADD: "Add documents",
    Verb.REPLACE: "Put a new version of a document in its place",
    Verb.REMOVE: "Remove a document, after you confirm it",
    Verb.HISTORY: "The versions of a document: when and from where each came, and which one answers",
    Verb.RESTORE: "Bring back a removed document, or an earlier version",
    Verb.PURGE: "Erase a document with all its versions for good, after you confirm it",
    Verb.FAILED: "The files that could not be added, and why",
    Verb.RETRY: "Try a file again that could not be added",
    Verb.CANCEL: "Give up a file that waits or is in work",
    Verb.BIND: "Let this channel ask a namespace; in a forum, new posts are answered from it",
    Verb.UNBIND: "Let this channel ask what it asked before",
    Verb.HELP: "What the commands are",
}


def instructions() -> str:
    """What can be done, as `/lore help` says it: Discord itself shows what belongs to each."""
    lines = [f"- `/{MANAGE} {verb.value}`: {_DESCRIPTIONS[verb]}" for verb in USAGE]
    return "\n".join([*lines, "", FOR_ADMINS])


def _subcommand(verb: Verb) -> Json:
    command: Json = {"type": SUBCOMMAND, "name": verb.value, "description": _DESCRIPTIONS[verb]}
    options = list(_options(verb))
    return {**command, "options": options} if options else command


def _options(verb: Verb) -> Iterator[Json]:
    match verb:
        case Verb.LIST:
            yield _chosen(NAMESPACE, "Only the documents of this namespace")
            yield _option(STRING, SEARCH, "Words in the title or the file name", max_length=_LONGEST_WORDS)
            yield _option(INTEGER, PAGE, "Which page of the list", min_value=1, max_value=_LAST_PAGE)
        case Verb.SHOW | Verb.REMOVE | Verb.REPLACE | Verb.HISTORY | Verb.RESTORE | Verb.PURGE:
            yield _chosen(DOCUMENT, "Its title, its file name, or the beginning of its id", required=True)
            if verb is Verb.REPLACE:
                yield _option(ATTACHMENT, FILE, "The new version")
            if verb is Verb.RESTORE:
                which = "Which one; otherwise the last one of a removed document, or the one before"
                yield _option(INTEGER, VERSION, which, min_value=1, max_value=_LAST_PAGE)
        case Verb.RETRY | Verb.CANCEL:
            yield _chosen(JOB, "Choose a file, or write the beginning of the job's id", required=True)
        case Verb.FAILED:
            yield _option(INTEGER, PAGE, "Which page of the list", min_value=1, max_value=_LAST_PAGE)
        case Verb.BIND:
            yield _chosen(NAMESPACE, "Which documents are asked here", required=True)
        case Verb.ADD:
            yield _option(ATTACHMENT, FILE, "The file to add", required=True)
            for number in range(2, MOST_FILES + 1):
                yield _option(ATTACHMENT, f"{FILE}{number}", "Another file to add")
            yield _chosen(NAMESPACE, "Where they go; a new name makes a new namespace")


def _option(kind: int, name: str, description: str, **more: Any) -> Json:
    return {"type": kind, "name": name, "description": description, **more}


def _chosen(name: str, description: str, **more: Any) -> Json:
    """Text that is completed while it is written."""
    return _option(STRING, name, description, max_length=_LONGEST_WORDS, autocomplete=True, **more)


# ── registering them ─────────────────────────────────────────────────────────────────────────────


async def sync(http: HTTPClient, application_id: int) -> bool:
    """Register the commands where they differ from those at Discord; whether they did.

    Raises what `discord.http.HTTPClient` raises.
    """
    registered = [dict(each) for each in await http.get_global_commands(application_id)]
    own = command_definitions()
    if not differs(own, registered):
        return False
    # That of an application with activities cannot be removed so, and is none of ours.
    others = [_own_values(each) | {"id": each["id"]} for each in registered if each.get("type") == ENTRY_POINT]
    await http.bulk_upsert_global_commands(application_id, [*own, *others])
    return True


def differs(local: Sequence[Mapping[str, Any]], remote: Sequence[Mapping[str, Any]]) -> bool:
    """Whether other commands are registered than those that the application has, in whatever order."""
    known = [each for each in remote if each.get("type") != ENTRY_POINT]
    return _by_name(local) != _by_name(known) or len(local) != len(known)


def _by_name(commands: Iterable[Mapping[str, Any]]) -> dict[tuple[int, str], Json]:
    return {(int(each.get("type") or CHAT_INPUT), str(each["name"])): _normal(each) for each in commands}


def _normal(command: Mapping[str, Any]) -> Json:
    """Of a command: with what Discord takes for granted, and where order means nothing, sorted."""
    given = _own_values(command)
    given["type"] = int(given.get("type") or CHAT_INPUT)
    given["contexts"] = sorted(given.get("contexts", ()))
    given["integration_types"] = sorted(given.get("integration_types", [INSTALLED_IN_SERVERS]))
    if "default_member_permissions" in given:
        given["default_member_permissions"] = str(given["default_member_permissions"])
    return given


def _own_values(thing: Mapping[str, Any]) -> Json:
    """Of a command, an option or a choice, without what is as good as not said."""
    found = {name: value for name, value in thing.items() if name in _OWN and not _is_empty(value)}
    if "options" in found:
        found["options"] = [_own_values(each) for each in found["options"]]
    return found


def _is_empty(value: Any) -> bool:
    """0 is not: as a permission it means nobody."""
    return value is None or value is False or value in ("", [], {}, ())


# ── as people fill them in ───────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Typed:
    """What somebody is writing into an option that is completed."""

    verb: str
    """The subcommand; empty for a command without."""
    option: str
    text: str


def invoked(data: Mapping[str, Any]) -> Command:  # noqa: PLR0911 - one for each form of options
    """What `/lore` was told to do, given an interaction's data. Never fails: what is no command is `Unknown`."""
    verb, given = subcommand(data), values(data)
    namespace = _words(given.get(NAMESPACE))
    match verb:
        case Verb.LIST:
            return ListDocuments(namespace, _words(given.get(SEARCH)), _page(given.get(PAGE)))
        case Verb.SHOW | Verb.REMOVE | Verb.REPLACE | Verb.HISTORY | Verb.PURGE:
            # As after the word itself, quotes and all.
            return parse(f"{verb} {_words(given.get(DOCUMENT))}")
        case Verb.RESTORE:
            name = document_name(_words(given.get(DOCUMENT)))
            return Restore(name, _version(given.get(VERSION))) if name.text else Unfinished(Verb.RESTORE)
        case Verb.RETRY | Verb.CANCEL:
            return parse(f"{verb} {_words(given.get(JOB))}")
        case Verb.FAILED:
            return Failed(_page(given.get(PAGE)))
        case Verb.BIND:
            return Bind(namespace)
        case Verb.ADD:
            return Add(namespace)
    return _ALONE.get(verb, Unknown(verb))


_ALONE: Mapping[str, Command] = {
    Verb.HELP: Help(),
    Verb.UNBIND: Unbind(),
    Verb.NAMESPACES: Namespaces(),
    Verb.STATUS: Status(),
}


def subcommand(data: Mapping[str, Any]) -> str:
    """Its name; empty for a command without."""
    return next((str(each.get("name")) for each in _list(data) if each.get("type") == SUBCOMMAND), "")


def values(data: Mapping[str, Any]) -> Json:
    """What was filled in, by option; an attachment's value is its id."""
    return {str(each.get("name")): each.get("value") for each in _leaves(data)}


def attachments(data: Mapping[str, Any]) -> list[Json]:
    """The attachment objects that were filled in, in the order of `file`, `file2`, …."""
    resolved = (data.get("resolved") or {}).get("attachments") or {}
    given = [each for each in _leaves(data) if each.get("type") == ATTACHMENT]
    given.sort(key=lambda each: (len(str(each.get("name"))), str(each.get("name"))))
    return [resolved[str(each.get("value"))] for each in given if str(each.get("value")) in resolved]


def typed(data: Mapping[str, Any]) -> Typed | None:
    """What is to be completed, given the data of an autocompletion."""
    focused = next((each for each in _leaves(data) if each.get("focused")), None)
    if focused is None:
        return None
    return Typed(subcommand(data), str(focused.get("name")), str(focused.get("value") or ""))


def choices(offered: Iterable[tuple[str, str]], text: str = "") -> list[Json]:
    """Of pairs of label and value those that fit a text, the best first, as Discord takes them.

    Best is what begins with the text, then what has a word that does, then what has it anywhere; else the order stays.
    A value of more than `LONGEST_CHOICE` characters cannot be chosen, and is left out.
    """
    wanted = _words(text).casefold()
    ranked: dict[str, tuple[int, str]] = {}
    for label, value in offered:
        name = _words(label) or _words(value)
        rank = min(_rank(name.casefold(), wanted), _rank(value.casefold(), wanted))
        if name and rank < _NO_MATCH and len(value) <= LONGEST_CHOICE:
            ranked.setdefault(value, (rank, name))
    best = sorted(ranked.items(), key=lambda each: each[1][0])[:MOST_CHOICES]
    return [{"name": _clipped(name), "value": value} for value, (_, name) in best]


_NO_MATCH = 3


def _rank(name: str, wanted: str) -> int:
    if name.startswith(wanted):
        return 0
    if f" {wanted}" in name:
        return 1
    return 2 if wanted in name else _NO_MATCH


def _clipped(name: str) -> str:
    return name if len(name) <= LONGEST_CHOICE else f"{name[: LONGEST_CHOICE - 1]}…"


def _list(data: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return data.get("options") or ()


def _leaves(data: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for each in _list(data):
        if each.get("type") in (SUBCOMMAND, GROUP):
            yield from _leaves(each)
        else:
            yield each


def _words(value: object) -> str:
    return " ".join(value.split()) if isinstance(value, str) else ""


def _version(value: object) -> int | None:
    return value if isinstance(value, int) and value > 0 else None


def _page(value: object) -> int:
    return max(1, min(value, _LAST_PAGE)) if isinstance(value, int) else 1
