"""What receiving files needs of Discord."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp

from bots.chat.addresses import origin_of
from bots.chat.board import Board
from bots.chat.fetching import Fetching, Moved, Rules
from bots.chat.files import FileFacts
from bots.chat.incoming import Incoming
from bots.chat.progress import FileProgress
from bots.chat.results import Rights
from bots.discord.render import Rendered, progress_message, sentence
from bots.discord.servers import People
from core.store.inbox import Entry

FOLDER = "incoming-discord"
# Where attachments lie: https://docs.discord.com/developers/reference#signed-attachment-cdn-urls
_DOMAINS = ("discordapp.com", "discordapp.net", "discord.com")
DELETED = "It was deleted in Discord, or its address is too old. Send it again."
DENIED = "Discord does not hand it over. Send it again."


def discord_rules(api_url: str) -> Rules:
    """`api_url`: files may lie beside a Discord that is not the real one, too."""
    return Rules(
        platform="Discord",
        is_trusted=partial(is_discord_url, api_url=api_url),
        deleted=DELETED,
        denied=DELETED,
        unreadable=DENIED,
        elsewhere="Its address leads out of Discord, so it is not fetched. Send the file itself.",
    )


def is_discord_url(url: str, api_url: str) -> bool:
    """Whether attachments lie there."""
    try:
        scheme, host, port = origin = origin_of(url)
    except ValueError:
        return False
    if origin == origin_of(api_url) and urlsplit(api_url).hostname != "discord.com":
        return True
    is_theirs = any(host == domain or host.endswith(f".{domain}") for domain in _DOMAINS)
    return (scheme, port) == ("https", 443) and is_theirs


class DiscordFiles:
    """Implements `bots.chat.receiving.FilePlatform`."""

    def __init__(
        self,
        board: Callable[[Incoming, Entry], Board[Rendered]],
        people: People,
        session: Callable[[], aiohttp.ClientSession],
        data_dir: Path,
        api_url: str,
        max_upload_mb: int,
    ) -> None:
        self._board = board
        self._people = people
        self._fetching = Fetching(session, data_dir / FOLDER, max_upload_mb, discord_rules(api_url))

    def tidy(self, *, alone: bool) -> None:
        """As `bots.chat.fetching.Fetching.tidy`."""
        self._fetching.tidy(alone=alone)

    def board(self, incoming: Incoming, entry: Entry) -> Board[Rendered]:
        return self._board(incoming, entry)

    def progress(self, files: Sequence[FileProgress], namespace: str) -> Rendered:
        return progress_message(files, namespace)

    def sentence(self, text: str) -> Rendered:
        return sentence(text)

    async def rights(self, incoming: Incoming) -> Rights:
        if incoming.place.get("is_admin"):
            # The command said so.
            return Rights(is_admin=True)
        return await self._people.direct_rights(incoming.message.author)

    async def known(self, incoming: Incoming, facts: FileFacts) -> FileFacts:
        self._fetching.check(facts)
        return facts

    def fetched(self, incoming: Incoming, facts: FileFacts, moved: Moved) -> AbstractAsyncContextManager[Path]:
        return self._fetching.fetched(facts, {}, moved)
