"""What the gateway and the owner's command line agree on beside the paths. Loads nothing."""

from __future__ import annotations

from urllib.parse import quote, unquote

from core.types import Origin

NDJSON = "application/x-ndjson"
# Who sits in front of the command line; from anybody else it is not believed.
PERSON_HEADER = "Lorekeeper-Person"
LONGEST_PERSON = 100


def said_by(origin: Origin) -> dict[str, str]:
    """The headers with which the command line says who sits in front of it."""
    return {PERSON_HEADER: quote(origin.person[:LONGEST_PERSON])} if origin.person else {}


def person_in(header: str) -> str:
    """What `said_by` wrote; nothing in it is trusted."""
    return "".join(character for character in unquote(header) if character.isprintable())[:LONGEST_PERSON]
