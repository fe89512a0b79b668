"""What contracts ask for more than once."""

from __future__ import annotations

from tests.contracts.driver import Seen


def assert_answered(seen: Seen) -> None:
    """One answer to `tests.contracts.stage.QUESTION`; the nearest passages of a no-answer say the same words."""
    assert len(seen.parts) == 1, seen.parts
    assert "13 days" in seen.text
    assert "[1] Leave" in seen.text
    assert "could not find" not in seen.text
