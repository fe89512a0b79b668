"""What parsers raise beyond the tree in `core.errors`."""

from __future__ import annotations

from core.errors import UnreadableDocument


class NoText(UnreadableDocument):
    """A text file in which there is nothing to read, such as a web page that only leads to another one.

    Told apart because in a folder it is no failure: nothing of it was lost.
    """


class Protected(UnreadableDocument):
    """A file that opens with a password only."""
