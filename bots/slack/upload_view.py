"""The dialog in which an admin sends files into a namespace. Pure but for what opens and reads it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from slack_bolt.async_app import AsyncApp

from bots.chat.desk import Desk
from bots.chat.files import FILES, file_entry
from bots.chat.incoming import Incoming
from bots.slack.events import CHANNEL
from bots.slack.file_facts import packed_files
from bots.slack.kit import VIEW_TITLE, Json, plain
from bots.slack.workspaces import Workspace
from core.errors import InvalidRequest
from core.namespace import check_namespace
from core.ports import Documents
from core.types import DEFAULT_NAMESPACE, Message

Ack = Callable[..., Awaitable[Any]]
UPLOAD = "upload"
"""`callback_id` of the view."""
# https://docs.slack.dev/reference/block-kit/block-elements: files of one element, options of one menu.
MOST_FILES, MOST_OPTIONS = 10, 100
LONGEST_NAMESPACE = 64
NO_FILE = "Choose at least one file."


class Uploads:
    """Opens the dialog, and takes what is sent with it; who may add documents is checked when the files are taken."""

    def __init__(self, desk: Desk, documents: Documents) -> None:
        """`desk`: that of the files."""
        self._desk = desk
        self._documents = documents

    def install(self, app: AsyncApp) -> None:
        app.view(UPLOAD)(self.submitted)

    async def open_upload(self, workspace: Workspace, body: Json, namespace: str) -> None:
        """Open the dialog for who wrote a command or pressed something, with this namespace chosen.

        Raises `bots.chat.board.Refused`, `Unknown`, `Retry`.
        """
        view = upload_view(await self._documents.namespaces(), namespace)
        await workspace.calls.call("views.open", patience=2.5, trigger_id=body["trigger_id"], view=view)

    async def submitted(self, ack: Ack, body: Json) -> None:
        """Writes down what was sent before Slack hears that it arrived. What is wrong is said in the dialog."""
        incoming = incoming_upload(body)
        if isinstance(incoming, dict):
            await ack(response_action="errors", errors=incoming)
            return
        await self._desk.accept(file_entry(incoming))
        await ack()


def upload_view(namespaces: Sequence[str], chosen: str) -> Json:
    """A modal with fields `files`, `namespace` and `new_namespace`; the last goes first when it is filled in."""
    known = list(dict.fromkeys([chosen, *namespaces]))[:MOST_OPTIONS]
    options = [{"text": plain(name, 75), "value": name} for name in sorted(known)]
    menu = {
        "type": "static_select",
        "options": options,
        "initial_option": next(option for option in options if option["value"] == chosen),
    }
    fresh = {"type": "plain_text_input", "max_length": LONGEST_NAMESPACE}
    return {
        "type": "modal",
        "callback_id": UPLOAD,
        "title": plain("Add documents", VIEW_TITLE),
        "submit": plain("Add", VIEW_TITLE),
        "close": plain("Cancel", VIEW_TITLE),
        "blocks": [
            _input("files", "Files", {"type": "file_input", "max_files": MOST_FILES}),
            _input("namespace", "Namespace", menu),
            _input("new_namespace", "Or a new namespace", fresh, is_optional=True),
        ],
    }


def incoming_upload(body: Mapping[str, Any]) -> Incoming | dict[str, str]:
    """A sent dialog as an entry, told of in the direct message with the person; else what is wrong, by field."""
    view, user = body["view"], str(body["user"]["id"])
    given = {name: element for block in view["state"]["values"].values() for name, element in block.items()}
    files = packed_files(list((given.get("files") or {}).get("files") or ()))
    if not files:
        return {"files": NO_FILE}
    fresh = str((given.get("new_namespace") or {}).get("value") or "").strip()
    menu = ((given.get("namespace") or {}).get("selected_option") or {}).get("value")
    try:
        namespace = check_namespace(fresh or str(menu or DEFAULT_NAMESPACE))
    except InvalidRequest as error:
        return {"new_namespace": error.message}
    # A dialog is sent once, so its id names what was sent.
    key = f"{CHANNEL}:upload:{view['id']}"
    team = str((body.get("team") or {}).get("id") or "")
    place = {
        "team": team,
        "user_team": str((body.get("user") or {}).get("team_id") or team),
        FILES: files,
    }
    return Incoming(
        Message(key, CHANNEL, user, user, "", thread=key, addressed=True, namespace=namespace),
        is_direct=True,
        place=place,
    )


def _input(name: str, label: str, element: Json, *, is_optional: bool = False) -> Json:
    return {
        "type": "input",
        "block_id": name,
        "optional": is_optional,
        "label": plain(label, 75),
        "element": {**element, "action_id": name},
    }
