"""The Web API's methods that the fake carries out: what each takes, asks for and allows per minute.

After https://docs.slack.dev/reference/methods and the calls that slack_sdk makes. An entry reads: name, required
arguments, optional arguments, tier of its rate limit, and the bot scopes of which one is enough.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tests.fakes.slack.refusals import Refused

SPECIAL = 0
# https://docs.slack.dev/apis/web-api/rate-limits: calls per minute of each tier. Special ones have rules of their own:
# see `limits` for chat.postMessage; "hundreds per minute" for the others.
TIERS: Mapping[int, int] = {1: 1, 2: 20, 3: 50, 4: 100, SPECIAL: 600}

# Methods that read take no JSON: their arguments would be missing.
_NO_JSON = (".info", ".history", ".replies", ".members", ".list", ".conversations", ".getPermalink", "URLExternal")


@dataclass(frozen=True, slots=True)
class MethodSpec:
    name: str
    required: frozenset[str]
    optional: frozenset[str]
    per_minute: int
    scopes: tuple[str, ...] = ()

    @property
    def reads(self) -> bool:
        return self.name.endswith(_NO_JSON)


def _is(name: str, required: str = "", optional: str = "", *, tier: int, scopes: str = "") -> MethodSpec:
    taken = frozenset(required.split()), frozenset(optional.split())
    return MethodSpec(name, *taken, TIERS[tier], tuple(scopes.split()))


# Arguments and scopes that several methods share.
_PAGE = "cursor limit"
_LIST = f"{_PAGE} exclude_archived types"
_HISTORY = f"{_PAGE} include_all_metadata inclusive latest oldest"
_FACE = "icon_emoji icon_url username"
_MESSAGE = "as_user attachments blocks link_names markdown_text parse text"
_READ = "channels:read groups:read im:read mpim:read"
_PAST = "channels:history groups:history im:history mpim:history"
_OPEN = "channels:manage groups:write im:write mpim:write"
_WRITE = "chat:write"

_ALL = (
    # The application and its installations
    _is("api.test", optional="error", tier=4),
    _is("apps.connections.open", tier=3),
    _is("auth.test", tier=SPECIAL),
    _is("auth.revoke", optional="test", tier=3),
    _is(
        "oauth.v2.access",
        optional="client_id client_secret code code_verifier grant_type redirect_uri refresh_token",
        tier=SPECIAL,
    ),
    _is("team.info", optional="domain team", tier=3, scopes="team:read"),
    # Messages
    _is(
        "chat.postMessage",
        "channel",
        f"{_MESSAGE} {_FACE} current_draft_last_updated_ts metadata mrkdwn reply_broadcast thread_ts unfurl_links unfurl_media",
        tier=SPECIAL,
        scopes=_WRITE,
    ),
    _is("chat.postEphemeral", "channel user", f"{_MESSAGE} {_FACE} thread_ts", tier=4, scopes=_WRITE),
    _is(
        "chat.update",
        "channel ts",
        f"{_MESSAGE} file_ids metadata reply_broadcast unfurled_attachments",
        tier=3,
        scopes=_WRITE,
    ),
    _is("chat.delete", "channel ts", "as_user", tier=3, scopes=_WRITE),
    _is("chat.getPermalink", "channel message_ts", tier=SPECIAL),
    # Streams
    _is(
        "chat.startStream",
        "channel thread_ts",
        f"{_FACE} chunks markdown_text recipient_team_id recipient_user_id task_display_mode",
        tier=2,
        scopes=_WRITE,
    ),
    _is("chat.appendStream", "channel ts", "chunks markdown_text", tier=4, scopes=_WRITE),
    _is(
        "chat.stopStream",
        "channel ts",
        "blocks chunks markdown_text metadata session_status",
        tier=2,
        scopes=_WRITE,
    ),
    # The agent view. An application that has it leaves the thread of its suggestions out.
    _is(
        "assistant.threads.setStatus",
        "channel_id status thread_ts",
        f"{_FACE} loading_messages",
        tier=SPECIAL,
        scopes=_WRITE,
    ),
    _is(
        "assistant.threads.setSuggestedPrompts",
        "channel_id prompts",
        "thread_ts title",
        tier=4,
        scopes="assistant:write",
    ),
    _is("assistant.threads.setTitle", "channel_id thread_ts title", tier=4, scopes="assistant:write"),
    _is(
        "agents.sessions.setStatus",
        "channel_id status",
        f"{_FACE} initiator_user_id thread_ts title",
        tier=3,
        scopes=_WRITE,
    ),
    _is("agents.sessions.rename", "channel_id title", "thread_ts", tier=3, scopes=_WRITE),
    # Conversations
    _is("conversations.list", optional=_LIST, tier=2, scopes=_READ),
    _is("users.conversations", optional=f"{_LIST} user", tier=3, scopes=_READ),
    _is("conversations.info", "channel", "include_locale include_num_members", tier=3, scopes=_READ),
    _is("conversations.members", "channel", _PAGE, tier=4, scopes=_READ),
    _is("conversations.open", optional="channel prevent_creation return_im users", tier=3, scopes=_OPEN),
    _is("conversations.history", "channel", _HISTORY, tier=3, scopes=_PAST),
    _is("conversations.replies", "channel ts", _HISTORY, tier=3, scopes=_PAST),
    # People
    _is("users.info", "user", "include_locale", tier=4, scopes="users:read"),
    _is("users.list", optional=f"{_PAGE} include_locale", tier=2, scopes="users:read"),
    _is("bots.info", optional="bot", tier=3, scopes="users:read"),
    _is(
        "usergroups.list",
        optional="include_count include_disabled include_users",
        tier=2,
        scopes="usergroups:read",
    ),
    _is("usergroups.users.list", "usergroup", "include_disabled", tier=2, scopes="usergroups:read"),
    # Reactions
    _is("reactions.add", "channel name timestamp", tier=3, scopes="reactions:write"),
    _is("reactions.remove", "name", "channel file file_comment timestamp", tier=2, scopes="reactions:write"),
    # Files
    _is("files.info", "file", f"{_PAGE} count page", tier=4, scopes="files:read"),
    _is("files.getUploadURLExternal", "filename length", "alt_txt snippet_type", tier=4, scopes="files:write"),
    _is(
        "files.completeUploadExternal",
        "files",
        "blocks channel_id channels initial_comment thread_ts",
        tier=4,
        scopes="files:write",
    ),
    # Dialogs and the Home tab
    _is("views.open", "view", "interactivity_pointer trigger_id", tier=4),
    _is("views.push", "view", "interactivity_pointer trigger_id", tier=4),
    _is("views.update", "view", "external_id hash view_id", tier=4),
    _is("views.publish", "user_id view", "hash", tier=4),
)

SPECS: Mapping[str, MethodSpec] = {spec.name: spec for spec in _ALL}


def spec_of(method: str) -> MethodSpec:
    """:raises Refused: `unknown_method`, also for what Slack has and the fake has not."""
    spec = SPECS.get(method)
    if spec is None:
        raise Refused("unknown_method", "Slack may have it; the fake has not", extra={"req_method": method})
    return spec
