"""What receiving files needs of Slack."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from bots.chat.desk import Retry
from bots.chat.fetching import Moved
from bots.chat.files import FileFacts
from bots.chat.incoming import Incoming
from bots.chat.progress import FileProgress
from bots.chat.results import Rights
from bots.slack.admins import Admins
from bots.slack.blocks import Rendered, sentence
from bots.slack.board import SlackBoard
from bots.slack.files import Files
from bots.slack.progress import progress_message
from bots.slack.workspaces import Workspace
from core.store.inbox import Entry, Inbox


class SlackFiles:
    """Implements `bots.chat.receiving.FilePlatform`."""

    def __init__(self, find: Callable[[str], Workspace | None], inbox: Inbox, admins: Admins, files: Files) -> None:
        self._find = find
        self._inbox = inbox
        self._admins = admins
        self._files = files

    def board(self, incoming: Incoming, entry: Entry) -> SlackBoard:
        workspace = self._workspace(incoming)
        return SlackBoard(workspace.calls, workspace.bot_id, self._inbox, incoming, entry)

    def progress(self, files: Sequence[FileProgress], namespace: str) -> Rendered:
        return progress_message(files, namespace)

    def sentence(self, text: str) -> Rendered:
        return sentence(text)

    async def rights(self, incoming: Incoming) -> Rights:
        return await self._admins.rights(self._workspace(incoming), incoming.message.author)

    async def known(self, incoming: Incoming, facts: FileFacts) -> FileFacts:
        return await self._files.known(self._workspace(incoming), facts)

    def fetched(self, incoming: Incoming, facts: FileFacts, moved: Moved) -> AbstractAsyncContextManager[Path]:
        return self._files.fetched(self._workspace(incoming), facts, moved)

    def _workspace(self, incoming: Incoming) -> Workspace:
        # Found anew for each file: its token can be renewed while others are read.
        workspace = self._find(incoming.place["team"])
        if workspace is None:
            raise Retry("the workspace is not known yet")
        return workspace
