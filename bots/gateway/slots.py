"""How many answers are made at once: more would only make all of them slow."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from starlette.exceptions import HTTPException

WAIT_SECONDS = 5
FULL = "Too many questions are being answered at the moment. Please try again in a few seconds."


class Slots:
    """Counts; nobody waits in line, because the client can decide better whether to."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.taken = 0

    def take(self) -> None:
        """Raises `HTTPException` (503 with `Retry-After`) when all are taken."""
        if self.taken >= self._most:
            raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, FULL, {"Retry-After": str(WAIT_SECONDS)})
        self.taken += 1

    def give_back(self) -> None:
        self.taken -= 1

    @contextmanager
    def one(self) -> Iterator[None]:
        """Taken for the block."""
        self.take()
        try:
            yield
        finally:
            self.give_back()
