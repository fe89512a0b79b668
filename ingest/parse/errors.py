"""What parsers raise beyond the tree in `core.errors`."""

from __future__ import annotations

from collections.abc import Sequence

from core.errors import UnreadableDocument, UnsupportedFormat


class NoText(UnreadableDocument):
    """A file in which there is nothing to read, such as a web page that only leads to another one, or a photo.

    Told apart because in a folder it is no failure: nothing of it was lost.
    """


class Protected(UnreadableDocument):
    """A file that opens with a password only."""


class ReadElsewhere(UnsupportedFormat):
    """A file of a kind without a parser, for which another program is asked; the message is for when there is none."""

    def __init__(self, message: str, media_type: str = "") -> None:
        super().__init__(message)
        self.media_type = media_type


def protected(what: str, passwords: Sequence[str] = ()) -> Protected:
    """`what` begins the sentence: "The PDF"; none of the `passwords` fitted."""
    tried = ", and none of those in the setting parse.passwords fits" if passwords else ""
    return Protected(
        f"{what} is protected by a password{tried}. Save it without one and add that, "
        "or have an operator add its password to the setting parse.passwords."
    )
