"""What Slack says about a file before it is fetched, and which of that is to be believed. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bots.chat.addresses import origin_of
from bots.chat.files import FileFacts, clean_name, packed

Json = Mapping[str, Any]
# Where files lie: https://docs.slack.dev/reference/objects/file-object. The token goes nowhere else.
_DOMAINS = ("slack.com", "slack-edge.com", "slack-files.com", "slack-gov.com")
_MODES = {
    "external": "It is a link to a file outside Slack. Download it there, and send the file itself.",
    "tombstone": "It was deleted in Slack.",
    "hidden_by_limit": "Slack hides it because of the limits of the workspace's plan. Send it again.",
}
DENIED = "Slack does not let the bot open it. Send the file itself in a direct message to the bot."


def facts_of(file: Json) -> FileFacts:
    """Of a file object, as events, `files.info` and dialogs give it."""
    access = file.get("file_access")
    url = str(file.get("url_private_download") or file.get("url_private") or "")
    mode = "external" if file.get("is_external") else str(file.get("mode") or "")
    return FileFacts(
        id=str(file.get("id") or ""),
        name=clean_name(str(file.get("name") or file.get("title") or "")),
        size=_size(file.get("size")),
        media_type=str(file.get("mimetype") or "")[:200],
        url=url,
        is_stub=access == "check_file_info" or (not url and mode not in _MODES),
        refusal=DENIED if access == "access_denied" else _MODES.get(mode, ""),
    )


def packed_files(files: Sequence[Any]) -> str:
    """Files of an event as text for the inbox; empty when there are none."""
    return packed([facts_of(file) for file in files if isinstance(file, Mapping) and file.get("id")])


def is_slack_url(url: str, api_url: str) -> bool:
    """Whether the token may be sent there: a host of Slack's over https, or the very server of the Web API."""
    try:
        scheme, host, port = origin = origin_of(url)
        if origin == origin_of(api_url):
            return True
    except ValueError:
        return False
    is_theirs = any(host == domain or host.endswith(f".{domain}") for domain in _DOMAINS)
    return (scheme, port) == ("https", 443) and is_theirs


def _size(given: object) -> int:
    return given if isinstance(given, int) and given > 0 else 0
