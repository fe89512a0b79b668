"""What servers did not do, why, and when it is tried again. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from tuning.serving.routes import Listed

FIRST_PAUSE, LONGEST_PAUSE = 5.0, 300.0


@dataclass(frozen=True, slots=True)
class Failure:
    """The last of so many in a row."""

    sentence: str
    remedy: str
    count: int
    again_at: float


class Attempts:
    """By server and adapter. After a failure the pause doubles, from seconds to minutes."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failures: dict[tuple[str, str], Failure] = {}
        self._away: dict[str, tuple[str, str]] = {}

    def may(self, server: str, name: str) -> bool:
        """Whether it is time to try."""
        failure = self._failures.get((server, name))
        return failure is None or self._clock() >= failure.again_at

    def failed(self, server: str, name: str, sentence: str, remedy: str) -> None:
        before = self._failures.get((server, name))
        count = before.count + 1 if before else 1
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(count - 1, 10))
        self._failures[server, name] = Failure(sentence, remedy, count, self._clock() + pause)

    def away(self, server: str, sentence: str, remedy: str) -> None:
        """It does not even say what it has. What it failed at before is void: it may be another one when it is back."""
        self._failures = {key: failure for key, failure in self._failures.items() if key[0] != server}
        self._away[server] = (sentence, remedy)

    def is_away(self, server: str) -> bool:
        return server in self._away

    def back(self, server: str) -> None:
        self._away.pop(server, None)

    def forget_all_but(self, wanted: Collection[str], listed: Listed) -> None:
        """What is wanted no longer, and what a server has in the end."""
        self._failures = {
            (server, name): failure
            for (server, name), failure in self._failures.items()
            if name in wanted and name not in (listed.get(server) or ())
        }

    def names(self) -> frozenset[str]:
        """Adapters that some server did not load."""
        return frozenset(name for _, name in self._failures)

    def cause(self, name: str) -> tuple[str, str]:
        """Why a server does not have it, and what to do about it; both empty if none says."""
        failed = next((failure for (_, each), failure in self._failures.items() if each == name), None)
        if failed is not None:
            return failed.sentence, failed.remedy
        return next(iter(self._away.values()), ("", ""))
