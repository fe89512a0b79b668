"""What Slack says about a file before it is fetched, and which of that is to be believed. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

Json = Mapping[str, Any]
LONGEST_NAME = 200
MOST_FILES = 100
UNNAMED = "document"
# Where files lie: https://docs.slack.dev/reference/objects/file-object. The token goes nowhere else.
_DOMAINS = ("slack.com", "slack-edge.com", "slack-files.com", "slack-gov.com")
_PORTS = {"http": 80, "https": 443}
_HTML_NAMES = (".html", ".htm", ".xhtml", ".xht")
_HTML_TYPES = frozenset({"text/html", "application/xhtml+xml"})
_MODES = {
    "external": "It is a link to a file outside Slack. Download it there, and send the file itself.",
    "tombstone": "It was deleted in Slack.",
    "hidden_by_limit": "Slack hides it because of the limits of the workspace's plan. Send it again.",
}
DENIED = "Slack does not let the bot open it. Send the file itself in a direct message to the bot."


@dataclass(frozen=True, slots=True)
class FileFacts:
    """`size` is in bytes, 0 where Slack does not say."""

    id: str
    name: str = UNNAMED
    size: int = 0
    media_type: str = ""
    url: str = ""
    is_stub: bool = False
    """Shared from another organisation: all else has to be asked for."""
    refusal: str = ""
    """Why it cannot be taken at all, for a person; else empty."""

    @property
    def is_html(self) -> bool:
        return self.media_type.lower() in _HTML_TYPES or self.name.lower().endswith(_HTML_NAMES)


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


def packed(files: Sequence[Json]) -> str:
    """Files of an event as text for the inbox; empty when there are none."""
    given = [facts_of(file) for file in files[:MOST_FILES] if isinstance(file, Mapping) and file.get("id")]
    return json.dumps([asdict(facts) for facts in given], ensure_ascii=False) if given else ""


def unpacked(text: str) -> list[FileFacts]:
    """What `packed` made."""
    return [FileFacts(**each) for each in json.loads(text)]


def clean_name(given: str) -> str:
    """The last part of what somebody calls a file, without control characters; never used as a path."""
    last = given.replace("\\", "/").rpartition("/")[2]
    name = "".join(character for character in last if character.isprintable()).strip().strip(".")[-LONGEST_NAME:]
    return name or UNNAMED


def is_slack_url(url: str, api_url: str) -> bool:
    """Whether the token may be sent there: a host of Slack's over https, or the very server of the Web API."""
    try:
        scheme, host, port = origin = _origin(url)
        if origin == _origin(api_url):
            return True
    except ValueError:
        return False
    is_theirs = any(host == domain or host.endswith(f".{domain}") for domain in _DOMAINS)
    return (scheme, port) == ("https", _PORTS["https"]) and is_theirs


def is_public_url(url: str) -> bool:
    """Whether a redirect may lead there, without the token: a named host of the web, nothing inside a network."""
    try:
        scheme, host, port = _origin(url)
    except ValueError:
        return False
    if (scheme, port) != ("https", _PORTS["https"]) or "." not in host.strip("."):
        return False
    try:
        ip_address(host)
    except ValueError:
        return not host.rstrip(".").endswith((".local", ".internal", ".localhost"))
    return False


def _origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port. Raises `ValueError` for what has none of its own, or a name and password."""
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname or "@" in parts.netloc:
        raise ValueError(url)
    host = "127.0.0.1" if parts.hostname in {"localhost", "::1"} else parts.hostname
    return parts.scheme, host, parts.port or _PORTS[parts.scheme]


def _size(given: object) -> int:
    return given if isinstance(given, int) and given > 0 else 0
